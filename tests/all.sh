#!/usr/bin/env bash
# Runs every test. Needs Rust; what else the tests need it installs: Python packages into target/peers, and, as root,
# Debian packages that are missing. Servers are started by the tests themselves, on free ports, and end with them.
# Arguments go to `cargo test`; those that choose tests leave the feature `sqs` out. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

EVENTHIVE_PEERS="$(tests/discovery/setup.sh)" # which runs tests/peers/setup.sh
export EVENTHIVE_PEERS

# Programs that tests start, with a folder where not everyone's path has it, and the Debian packages that have them. Tests
# that find one missing fail and say so.
missing=()
while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
done <<'PROGRAMS'
chromium chromium
curl curl
/usr/sbin/haproxy haproxy
ldapmodify ldap-utils
/usr/sbin/nginx nginx
node nodejs
npm npm
redis-server redis-server
ruby ruby
/usr/sbin/slapd slapd
PROGRAMS
# Its programs are in a folder for each version.
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # RUNLEVEL=1: installed, not started.
        { apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"; } >&2
    else
        echo "tests/all.sh: install Debian's packages for the programs that tests start: ${missing[*]}" >&2
        exit 1
    fi
fi

# The conformance suite writes its results here; the table in the README is compared with them at the end.
export EVENTHIVE_CONFORMANCE="$PWD/target/conformance"
rm -rf "$EVENTHIVE_CONFORMANCE"

log="$(mktemp)"
trap 'rm -f "$log"' EXIT

status=0
cargo test --workspace --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?
# A run of some tests only has some results only.
all=yes
for argument in "$@"; do
    case "$argument" in -*) ;; *) all=no ;; esac
done
# The feature that is off by default, because its SDK takes minutes to build. It has a choice of tests of its own, which
# another choice, such as `-p x` or `--test y`, would contradict.
if [ "$all" = yes ]; then
    cargo test -p eventhive-http --features sqs --lib --test sqs --no-fail-fast "$@" 2>&1 | tee -a "$log" || status=$?
fi
# What is run on the original PyPubSub too, where there is one: it is in no package registry.
if [ "$all" = yes ] && [ -n "${EVENTHIVE_PYPUBSUB:-}" ]; then
    cargo test --workspace --tests --no-fail-fast "$@" original -- --ignored 2>&1 | tee -a "$log" || status=$?
fi

# Each test binary, and the documentation of each crate, ends with a line `test result: ok. N passed; N failed; ...`. Tests
# that run their own binary again may print such lines too, so the last one counts.
count() {
    awk -v word="$1;" '
        function add() { sum += last; last = 0 }
        /^ +(Running|Doc-tests) / { add() }
        /^test result: / { for (i = 2; i <= NF; i++) if ($i == word) last = $(i - 1) }
        END { add(); print sum + 0 }' "$log"
}
passed="$(count passed)"
failed="$(count failed)"
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    echo "tests/all.sh: cargo test ended with code $status before all tests had run" >&2
    failed=1
fi
if [ "$all" = yes ] && [ "$status" -eq 0 ]; then
    if cargo run -q -p eventhive-conformance --example matrix -- "$EVENTHIVE_CONFORMANCE" .; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        status=1
    fi
fi
echo "$passed passed, $failed failed"
exit "$status"
