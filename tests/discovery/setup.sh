#!/usr/bin/env bash
# Makes what tests/discovery needs, or leaves it when it is as it should be: the Python peers of tests/peers, a recent
# zeroconf beside them, and, as root, the Debian packages that make network namespaces. Prints the folder of the former.
set -euo pipefail
cd "$(dirname "$0")/../.."

peers="$(tests/peers/setup.sh)"

if ! command -v ip >/dev/null || ! command -v unshare >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get update -q && apt-get install -qy --no-install-recommends iproute2 util-linux; } >&2
    else
        echo "tests/discovery/setup.sh: the tests of discovery need 'ip' and 'unshare': install iproute2 and util-linux" >&2
        exit 1
    fi
fi

requirements=tests/discovery/requirements.txt
environment="$peers/zeroconf"
if ! cmp -s "$requirements" "$environment/stamp"; then
    echo "Installing $requirements" >&2
    rm -rf "$environment"
    "${PYTHON:-python3}" -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --no-input --no-deps -r "$requirements" >&2 || {
        echo "tests/discovery/setup.sh: the packages of $requirements could not be installed" >&2
        exit 1
    }
    cp "$requirements" "$environment/stamp"
fi
echo "$peers"
