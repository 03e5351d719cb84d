#!/usr/bin/env bash
# Shows framebroker at work: builds it, starts a broker with a test pattern on a socket of its own and two consumers, and
# shows their figures until Ctrl-C. Options are the broker's, all but --socket: scripts/run.sh --fps 60 --width 4096 --height 3000
set -euo pipefail
cd "$(dirname "$0")/.."

for option in "$@"; do
    case $option in
        -h | --help) sed -n '2,3s/^# //p' "$0" && exit ;;
        --socket | --socket=*) echo "run.sh chooses the socket itself; start \`broker\` for another" >&2 && exit 2 ;;
    esac
done

echo "building; the first time takes one to five minutes"
cargo build --release --locked --package framebroker --package framectl
programs=${CARGO_TARGET_DIR:-target}/release
directory=$(mktemp --directory)
export FRAMEBROKER_SOCKET=$directory/broker.sock
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
RUST_LOG=${RUST_LOG:-warn} "$programs/broker" --segments 8 "$@" &
pids+=($!)
for _ in $(seq 100); do
    stream=$("$programs/framectl" list --json 2>/dev/null | sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' | head -1) || true
    [ -n "$stream" ] && break
    kill -0 "${pids[0]}" 2>/dev/null || break
    sleep 0.1
done
if [ -n "$stream" ]; then
    echo "attach your own: export FRAMEBROKER_SOCKET=$FRAMEBROKER_SOCKET"
    "$programs/framectl" watch "$stream" > >(sed -u 's/^/all frames  /') &
    pids+=($!)
    "$programs/framectl" watch "$stream" --policy latest > >(sed -u 's/^/newest only /') &
    pids+=($!)
fi
# Until Ctrl-C, or until the broker ends by itself.
status=0
wait "${pids[0]}" || status=$?
exit "$status"
