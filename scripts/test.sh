#!/usr/bin/env bash
# Runs every gate: format, lints, tests, model checks, documentation. Installs nothing but crates.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "tests"
cargo test --workspace --locked

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

step "models of the ring, and that each of its orderings is needed"
scripts/loom-mutants.sh
