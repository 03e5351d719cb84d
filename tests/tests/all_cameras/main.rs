//! Every kind of source in one broker at once. What happens to one is nobody else's matter.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod control;
mod matching;
mod others;
mod recovery;
