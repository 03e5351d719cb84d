//! Golden messages, frame headers, chunk lists, pixel formats and test images for programs in any language, and the proof that they
//! and PROTOCOL.md say what this crate does.
//!
//! The files in `vectors/` are only compared. After a change of the protocol that is meant, write them anew with
//! `UPDATE_VECTORS=1 cargo test -p framebroker-protocol --test vectors`, and look at what changed.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what cannot be unwrapped or indexed fails the test")]

mod chunks;
mod decoder;
mod document;
mod golden;
mod images;
mod messages;
mod numbers;
mod pages;
mod samples;
