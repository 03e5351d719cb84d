#!/usr/bin/env bash
# Measures framebroker beside a bare futex broadcast and prints Markdown tables. For figures to compare, run it on a
# machine with nothing else to do.
#
#   scripts/bench.sh            all cases, about ten minutes
#   scripts/bench.sh --quick    under 20 seconds: does it all still run?
#   scripts/bench.sh --help     the other options
set -euo pipefail
cd "$(dirname "$0")/.."

directory=${CARGO_TARGET_DIR:-target}/release
build=(cargo build --release --locked -p framebroker -p framebroker-bench)
bench=(timeout --foreground --kill-after=5 3600 "$directory/ringbench" "$@")

# Sockets of the brokers, gone whatever happens.
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

"${build[@]}" >&2
echo '```'
echo "${build[*]}"
echo "${bench[*]}"
echo '```'
"${bench[@]}"
