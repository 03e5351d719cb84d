//! Every kind of source in one broker at once: two simulated GigE Vision cameras, two Basler cameras of the stand-in for the
//! pylon SDK, a test pattern, a replay and a producer. What happens to one is nobody else's matter.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod campaign;
mod control;
mod matching;
mod others;
mod reader;
mod recovery;
mod rig;
mod settings;

use std::time::Duration;

/// Longer than a camera takes to be missed or found again on a busy machine.
const RETURN: Duration = Duration::from_secs(60);
