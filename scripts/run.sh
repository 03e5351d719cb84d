#!/usr/bin/env bash
# Shows framebroker at work: builds it, starts a broker with a test pattern on a socket of its own and two consumers, and
# shows their figures until Ctrl-C. Options are the broker's: scripts/run.sh --fps 60 --width 4096 --height 3000
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked --package framebroker --package framectl
programs=${CARGO_TARGET_DIR:-target}/release
directory=$(mktemp --directory)
socket=$directory/broker.sock
pids=()

finish() {
    trap - EXIT INT TERM
    # Consumers first, then the broker: it prints the buffer statistics last.
    for ((at = ${#pids[@]} - 1; at >= 0; at--)); do
        kill -INT "${pids[at]}" 2>/dev/null || true
        wait "${pids[at]}" 2>/dev/null || true
    done
    rm -rf "$directory"
}
trap finish EXIT
trap 'exit 0' INT TERM

# Jobs in groups of their own: Ctrl-C reaches this script alone, which ends them in order.
set -m
"$programs/broker" --segments 8 --socket "$socket" "$@" &
pids+=($!)
for _ in $(seq 100); do
    [ -S "$socket" ] && break
    kill -0 "${pids[0]}" 2>/dev/null || exit 1
    sleep 0.1
done
echo "attach your own: export FRAMEBROKER_SOCKET=$socket"
"$programs/framectl" --socket "$socket" watch cam0 | sed -u 's/^/all frames  /' &
pids+=($!)
"$programs/framectl" --socket "$socket" watch cam0 --policy latest | sed -u 's/^/newest only /' &
pids+=($!)
# Until Ctrl-C, or until the broker ends by itself.
wait "${pids[0]}" || true
