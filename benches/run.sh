#!/usr/bin/env bash
# Takes all figures of benches/README.md: one event in one process, the link to Redis beside bare loops, the hub and its
# backlog on disk alone, then hubs side by side: nats-server, redis-server, ours with its websocket, HTTP and webhook doors, lonelypss, the
# Python hub. Prints tables.
# Arguments name the systems to measure (nats redis eventhive http python webhook lonelypss) and leave the first parts out; `http` alone is the
# hub alone, and the HTTP door beside NATS and Redis; `webhook` alone is webhooks beside lonelypss and bare loops. Needs what tests/all.sh needs, and the two servers, which it installs
# from Debian's packages when it runs as root.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for server in nats-server redis-server; do
    command -v "$server" >/dev/null || missing+=("$server")
done
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "benches/run.sh: install ${missing[*]}" >&2
        exit 1
    fi
    # RUNLEVEL=1: installed, not started.
    { apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"; } >&2
fi

hub() {
    printf '\n### In the hub\n\n```text\n'
    cargo bench --locked --package eventhive-hub --bench fanout
    printf '```\n\n### Backlog on disk\n\n```text\n'
    cargo bench --locked --package eventhive-hub --bench backlog
    printf '```\n\n### Side by side\n'
}

if [ "$*" = http ]; then
    set -- nats redis http
    peers=
    hub
else
    if [ "$*" = webhook ]; then
        set -- webhook lonelypss 1:1 1:100 deliveries stored large
    fi
    peers="$(tests/peers/setup.sh)"
fi
target="$(realpath "${CARGO_TARGET_DIR:-target}")"
if [ "$#" -eq 0 ]; then
    printf '### In one process\n\n```text'
    cargo bench --locked --bench in_process
    printf '```\n\n### Redis\n\n'
    cargo bench --locked --package eventhive-redis --bench throughput
    hub
fi

# Ten thousand subscribers need as many files at the load's end, and twice as many at the server's.
ulimit -n "$(ulimit -H -n)"
cargo build --release --locked --package eventhive --package side-by-side --package request-reply \
    --bin hive-cli --bin side-by-side --bin request-reply >&2
if [ "$#" -eq 0 ] || [ "${1:-}" = requests ]; then
    BENCH_HIVE_CLI="$target/release/hive-cli" "$target/release/request-reply" "${@:2}"
    if [ "$#" -gt 0 ]; then exit; fi
fi
BENCH_HIVE_CLI="$target/release/hive-cli" \
    BENCH_PYTHON="$peers/pubsub/bin/python" \
    BENCH_PYTHON_SERVER="$PWD/tests/peers/python/server.py" \
    BENCH_LONELY_PYTHON="$peers/lonely/bin/python" \
    BENCH_LONELY_BROADCASTER="$PWD/tests/peers/python/lonely_broadcaster.py" \
    "$target/release/side-by-side" "$@"
