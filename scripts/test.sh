#!/usr/bin/env bash
# Installs what is missing and runs every gate. Needs Rust and, for cameras in a network of their own and for other users,
# root. Takes about twenty minutes on two cores from a clean checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "setup"
scripts/setup.sh

step "format"
cargo fmt --all --check

step "documents"
scripts/check-docs.py

step "modules"
scripts/check-modules.py

step "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings

# Basler's SDK is not ours to give: tests/pylon-sdk stands in for it.
export PYLON_ROOT=$PWD/target/pylon-sdk

step "a stand-in for the pylon SDK"
tests/pylon-sdk/build.sh "$PYLON_ROOT"

step "clippy, with the sources aravis and pylon"
cargo clippy --package framebroker --features aravis,pylon --all-targets --locked --target-dir target/cameras -- -D warnings

step "licences, sources and duplicates of dependencies"
target/tools/bin/cargo-deny --all-features --locked check --hide-inclusion-graph licenses bans sources

step "tests of each package"
cargo test --workspace --exclude framebroker-tests --locked

# Its other tests are those of the default build.
step "tests of the sources aravis and pylon"
cargo test --package framebroker --features aravis,pylon --locked --target-dir target/cameras --lib --bins

# As the tests would build them, but before any of their clocks run.
step "programs for the tests with real processes"
for package in framebroker framectl framebroker-tests; do
    cargo build --bins --package "$package" --locked
done
cargo build --package framebroker-c --locked
cargo build --bins --package framebroker --features aravis,pylon --locked --target-dir target/cameras

# Before the tests with real processes, one of which runs a program over the package.
step "the Python package"
scripts/python.sh --quiet

step "tests with real processes"
cargo test --package framebroker-tests --locked --no-fail-fast

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

step "models of the ring, and that each of its orderings is needed"
scripts/loom-mutants.sh

step "all gates passed"
