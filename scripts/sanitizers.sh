#!/usr/bin/env bash
# Runs what shares memory under LLVM's sanitizers.
#
#     scripts/sanitizers.sh [address|thread]     both if none is named; some minutes each
#
# address: the ring, the client library, brokers, consumers and producers in processes of their own, C and C++ programs, the
#          Python package. What is freed twice, read after it was freed or beyond its end, or leaked (not in Python), fails.
# thread:  the ring, the client library, and that beside a broker in its own process. Fences are made into operations on one word,
#          since ThreadSanitizer knows no fences.
set -euo pipefail
cd "$(dirname "$0")/.."

# RUSTC_BOOTSTRAP lets the stable compiler take -Zsanitizer. The next two keep these flags from build scripts and macros,
# which run inside the compiler.
export RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_TARGET_APPLIES_TO_HOST=true CARGO_TARGET_APPLIES_TO_HOST=false

step() { printf '\n== %s\n' "$*"; }

address() {
    export RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=$PWD/target/address
    # C programs are linked with gcc's runtime, which the library then uses.
    export CFLAGS="-fsanitize=address" ASAN_OPTIONS=detect_stack_use_after_return=1:handle_segv=0
    step "AddressSanitizer: the ring and the client library"
    cargo test --package framebroker-protocol --package framebroker-client --lib --locked
    step "AddressSanitizer: brokers, consumers and producers"
    # The one left out counts page faults, of which AddressSanitizer makes its own.
    cargo test --package framebroker-tests --locked --test delivery --test producers --test crashes --test hostile -- \
        --skip nothing_is_allocated_and_no_page_faults_once_the_ring_is_up
    step "AddressSanitizer: C and C++ programs"
    # The one left out has an allocator of its own.
    cargo test --package framebroker-tests --locked --test c -- --skip a_frame_costs_no_allocation
    step "AddressSanitizer: the Python package"
    python
}

# The package alone is built with the sanitizer, and lies beside the one that scripts/python.sh has installed; Python itself
# gets gcc's runtime. What Python never frees is no leak of ours. Left out: types, and pypylon, which brings a runtime of its own.
python() {
    local environment=$PWD/target/python package=$CARGO_TARGET_DIR/package
    [ -x "$environment/bin/maturin" ] || (unset RUSTFLAGS CARGO_TARGET_DIR && scripts/python.sh --quiet --collect-only)
    PATH=$environment/bin:$PATH "$environment/bin/pip" install --quiet --disable-pip-version-check --no-build-isolation \
        --no-deps --upgrade --target "$package" --config-settings=build-args="--profile=dev --locked" ./client/python
    (unset RUSTFLAGS CARGO_TARGET_DIR && cargo build --bins --package framebroker --package framectl --locked)
    (
        export FRAMEBROKER_BINARIES=$PWD/target/debug PYTHONPATH=$package PATH=$environment/bin:$PATH
        export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
        cd client/python
        LD_PRELOAD=$(gcc -print-file-name=libasan.so) timeout --kill-after=10 900 python -m pytest --quiet \
            --ignore tests/test_types.py --ignore tests/test_pylon.py
    )
}

thread() {
    # With the standard library built the same way, so that what it orders is seen. Its sources are a component of the compiler.
    [ -d "$(rustc --print sysroot)/lib/rustlib/src" ] || rustup component add rust-src
    unset CARGO_UNSTABLE_TARGET_APPLIES_TO_HOST CARGO_TARGET_APPLIES_TO_HOST
    export CARGO_UNSTABLE_BUILD_STD=std CARGO_TARGET_DIR=$PWD/target/thread
    CARGO_BUILD_TARGET=$(rustc --print host-tuple)
    export CARGO_BUILD_TARGET RUSTFLAGS="-Zsanitizer=thread --cfg thread_sanitizer"
    step "ThreadSanitizer: the ring and the client library"
    cargo test --package framebroker-protocol --package framebroker-client --lib --locked
    # The one left out maps tens of thousands of segments, which is slow here.
    cargo test --package framebroker-client --test fake_broker --locked -- --skip news_without_end_do_not_hold_a_look
}

[ $# -gt 0 ] || set -- address thread
for sanitizer in "$@"; do
    case $sanitizer in
        address | thread) "$sanitizer" ;;
        *) echo "scripts/sanitizers.sh: no sanitizer $sanitizer; they are: address thread" >&2 && exit 2 ;;
    esac
done
