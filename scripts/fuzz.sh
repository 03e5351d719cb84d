#!/usr/bin/env bash
# Feeds made-up bytes to everything that reads what others send, write or keep in a file, under AddressSanitizer, guided by
# which code they reach.
#
#     scripts/fuzz.sh [--seconds N] [--jobs N] [TARGET…]     each target for N seconds (default 60), N of them at once (2)
#     scripts/fuzz.sh --list                                 the targets
#
# It begins with what tests/fuzz/seeds.py writes and tests/fuzz/corpus keeps. What it finds is left in
# target/fuzz/found/TARGET with the command that repeats it; inputs that reach new code are left in target/fuzz/new/TARGET, of
# which scripts/fuzz.sh --keep [TARGET…] puts those that matter into the corpus. Needs a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(codec pages session client configuration png tiff recording)
seconds=60 jobs=2 keep=
chosen=()
while [ $# -gt 0 ]; do
    case $1 in
        --seconds | --jobs)
            [[ ${2-} =~ ^[0-9]+$ ]] || { echo "scripts/fuzz.sh: $1 wants a number" >&2 && exit 2; }
            declare "${1#--}=$2" && shift
            ;;
        --keep) keep=1 ;;
        --list) printf '%s\n' "${targets[@]}" && exit ;;
        *)
            [[ " ${targets[*]} " == *" $1 "* ]] || { echo "scripts/fuzz.sh: no target $1; they are: ${targets[*]}" >&2 && exit 2; }
            chosen+=("$1")
            ;;
    esac
    shift
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${targets[@]}")

# What cargo-fuzz sets, without its need for a nightly compiler: RUSTC_BOOTSTRAP lets the stable one take -Zsanitizer.
host=$(rustc --print host-tuple)
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/fuzz
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0"
# With a target named, build scripts go without these flags.
cargo build --package framebroker-fuzz --profile fuzz --locked --target "$host"
built=$CARGO_TARGET_DIR/$host/fuzz

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
tests/fuzz/seeds.py "$scratch/seeds"

# Begins with true inputs, and with those that were kept.
for target in "${chosen[@]}"; do
    mkdir -p "$scratch/kept/$target"
    [ ! -f "tests/fuzz/corpus/$target.tar.gz" ] || tar -xzf "tests/fuzz/corpus/$target.tar.gz" -C "$scratch/kept/$target"
done

fuzz() {
    local target=$1 found=target/fuzz/found/$1 new=target/fuzz/new/$1
    mkdir -p "$found" "$new"
    local run=("$built/fuzz-$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=4096
        -print_final_stats=1 -artifact_prefix="$found/" "$new" "$scratch/kept/$target" "$scratch/seeds/$target")
    if "${run[@]}" >"$scratch/$target.log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: */inputs /p' "$scratch/$target.log")," \
            "$(grep -o 'cov: [0-9]*' "$scratch/$target.log" | tail -n 1), nothing found"
    else
        tail -n 60 "$scratch/$target.log"
        echo "$target: FOUND; repeat with: RUST_BACKTRACE=1 $built/fuzz-$target $(ls -t "$found"/* 2>/dev/null | head -n 1)"
        return 1
    fi
}

if [ -n "$keep" ]; then
    for target in "${chosen[@]}"; do
        mkdir -p "target/fuzz/new/$target" "$scratch/merged/$target"
        "$built/fuzz-$target" -merge=1 "$scratch/merged/$target" "$scratch/kept/$target" "target/fuzz/new/$target" 2>/dev/null
        tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$scratch/merged/$target" . |
            gzip -9n >"tests/fuzz/corpus/$target.tar.gz"
        echo "$target: $(ls "$scratch/merged/$target" | wc -l) inputs kept"
    done
    exit
fi

export -f fuzz
export scratch built seconds
printf '%s\n' "${chosen[@]}" | xargs -P "$jobs" -I{} bash -c 'fuzz {}'
