#!/usr/bin/env bash
# Installs what is missing and runs every gate. Needs Rust and, for cameras in a network of their own and for other users,
# root. Takes about forty minutes on two cores from a clean checkout.
#
#   scripts/test.sh                 everything
#   scripts/test.sh docs clippy     these parts only
#   scripts/test.sh --list          the parts, in their order
set -euo pipefail
cd "$(dirname "$0")/.."

# In the order in which they run: what fails soonest comes first.
parts=(format docs modules clippy licences unit programs python processes campaigns rustdoc models fuzz)

# Basler's SDK is not ours to give: tests/pylon-sdk stands in for it.
export PYLON_ROOT=$PWD/target/pylon-sdk
# The broker with the sources aravis and pylon is built beside the default one.
cameras=(--package framebroker --features aravis,pylon --locked --target-dir target/cameras)

format() {
    step "format"
    cargo fmt --all --check
}

docs() {
    step "documents"
    scripts/check-docs.py
}

modules() {
    step "modules"
    scripts/check-modules.py
}

clippy() {
    step "clippy"
    cargo clippy --workspace --all-targets --locked -- -D warnings
    step "clippy, with the sources aravis and pylon"
    tests/pylon-sdk/build.sh "$PYLON_ROOT"
    cargo clippy "${cameras[@]}" --all-targets -- -D warnings
}

licences() {
    step "licences, sources and duplicates of dependencies"
    target/tools/bin/cargo-deny --all-features --locked check --hide-inclusion-graph licenses bans sources
}

unit() {
    step "tests of each package"
    cargo test --workspace --exclude framebroker-tests --locked
    # Its other tests are those of the default build.
    step "tests of the sources aravis and pylon"
    tests/pylon-sdk/build.sh "$PYLON_ROOT"
    cargo test "${cameras[@]}" --lib --bins
}

# As the tests with real processes would build them, but before any of their clocks run.
programs() {
    step "programs for the tests with real processes"
    for package in framebroker framectl framebroker-tests; do
        cargo build --bins --package "$package" --locked
    done
    cargo build --package framebroker-c --locked
    tests/pylon-sdk/build.sh "$PYLON_ROOT"
    cargo build --bins "${cameras[@]}"
}

# Before the tests with real processes, one of which runs a program over the package.
python() {
    step "the Python package"
    scripts/python.sh --quiet
}

processes() {
    step "tests with real processes"
    cargo test --package framebroker-tests --locked --no-fail-fast
}

campaigns() {
    for name in $(scripts/campaign.sh --list); do
        step "campaign $name"
        scripts/campaign.sh "$name"
    done
}

rustdoc() {
    step "documentation"
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

models() {
    step "models of the ring, and that each of its orderings is needed"
    scripts/loom-mutants.sh
}

fuzz() {
    step "made-up bytes for everything that reads what others wrote, a minute each"
    scripts/fuzz.sh --seconds 60
}

step() { printf '\n== %s\n' "$*"; }

if [[ ${1-} == --list ]]; then
    printf '%s\n' "${parts[@]}"
    exit
fi
for part in "$@"; do
    if [[ " ${parts[*]} " != *" $part "* ]]; then
        echo "scripts/test.sh: there is no part $part; the parts are: ${parts[*]}" >&2
        exit 2
    fi
done
step "setup"
scripts/setup.sh
for part in "${@:-${parts[@]}}"; do
    "$part"
done
step "all gates passed"
