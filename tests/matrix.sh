#!/usr/bin/env bash
# Runs the conformance suite on every wire, and writes its results into README.md and transports/conformance/RESULTS.md.
# Needs what tests/all.sh needs, and does not install it.
set -euo pipefail
cd "$(dirname "$0")/.."

export EVENTHIVE_CONFORMANCE="$PWD/target/conformance"
rm -rf "$EVENTHIVE_CONFORMANCE"

cargo test -p eventhive --test bus conformance
cargo test -p eventhive-hub --test hub conformance
cargo test -p eventhive-websocket --test link on_our_door
cargo test -p eventhive-websocket --test link the_link_conforms
cargo test -p eventhive-http --test link on_our_door
cargo test -p eventhive-webhook --features sqlite --test link on_our_door
cargo test -p eventhive-redis --test redis conformance

cargo run -q -p eventhive-conformance --example matrix -- "$EVENTHIVE_CONFORMANCE" . --write
