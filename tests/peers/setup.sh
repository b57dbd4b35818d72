#!/usr/bin/env bash
# Makes the Python environments of the peers below target/peers, and the packages of node, or leaves them when they are as they
# should be.
# Prints the folder.
set -euo pipefail
cd "$(dirname "$0")/../.."

peers="${CARGO_TARGET_DIR:-target}/peers"

fail() {
    echo "tests/peers/setup.sh: $*" >&2
    exit 1
}

# Any Python from 3.11 on; PYTHON chooses another than python3.
python="${PYTHON:-python3}"
if ! command -v "$python" >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -q && apt-get install -qy --no-install-recommends python3 python3-venv; } >&2
fi
command -v "$python" >/dev/null || fail "the Python peers need Python 3.11 or later, and there is no '$python'"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "the Python peers need Python 3.11 or later, and '$python' is $("$python" --version 2>&1): set PYTHON to another"
if ! "$python" -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -q && apt-get install -qy --no-install-recommends python3-venv; } >&2
fi
"$python" -c 'import ensurepip' 2>/dev/null || fail "'$python' has no venv: install Debian's python3-venv"

# One environment for each requirements file. The stamp tells from what it was made, and is written last.
for requirements in tests/peers/requirements-*.txt; do
    name="$(basename "$requirements" .txt)"
    environment="$peers/${name#requirements-}"
    stamp="$("$python" --version; cat "$requirements")"
    if [ "$(cat "$environment/stamp" 2>/dev/null)" != "$stamp" ]; then
        echo "Installing $requirements" >&2
        rm -rf "$environment"
        "$python" -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check --no-input --no-deps -r "$requirements" >&2 ||
            fail "the packages of $requirements could not be installed"
        echo "$stamp" >"$environment/stamp"
    fi
done

# The packages of npm, as the lock file has them.
node="$peers/node"
stamp="$(cat tests/peers/node/package-lock.json)"
if command -v npm >/dev/null && [ "$(cat "$node/stamp" 2>/dev/null)" != "$stamp" ]; then
    echo "Installing tests/peers/node/package-lock.json" >&2
    rm -rf "$node"
    mkdir -p "$node"
    cp tests/peers/node/package.json tests/peers/node/package-lock.json "$node"
    npm ci --prefix "$node" --ignore-scripts --no-audit --no-fund --silent >&2 || fail "the packages of npm could not be installed"
    echo "$stamp" >"$node/stamp"
fi
realpath "$peers"
