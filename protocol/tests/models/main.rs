//! Models of the ring that loom runs through every interleaving and every stale read the memory model allows, within a
//! bound of preemptions.
//!
//! Run them with `RUSTFLAGS="--cfg loom" cargo test --release -p framebroker-protocol --test models`.
//! `scripts/loom-mutants.sh` shows that each ordering of the ring is needed: it breaks one and some model fails.
#![cfg(loom)]

mod delivering;
mod hiding;
mod lending;
mod lossless;
mod mailbox;
mod retiring;
mod roster;
mod stage;
mod starving;
mod waiting;
