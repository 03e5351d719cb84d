//! The broker: grabs camera frames into a ring of shared memory and serves it to other processes.
//!
//! [`config`] is the command line, [`run`] the broker's life, and [`factory`] allocates segments: that is what a program needs
//! that brings a factory of its own. The rest is no interface. From the bottom up:
//!
//! * `source` fills segments; `stream` moves them through the ring.
//! * `events` joins the threads; `worker` allocates beside them; `sessions` talks to clients.
#![deny(unsafe_code)]

pub mod config;
mod counter;
pub mod factory;
pub mod run;
mod sessions;

// Of these, the random steps in tests/interleavings drive what the broker runs.
#[doc(hidden)]
pub mod events;
#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod stream;
#[doc(hidden)]
pub mod worker;

/// The way in for tests/fuzz.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    /// Does what the bytes say with sessions.
    pub fn sessions(input: &[u8]) {
        crate::sessions::tests::sessions(input);
    }
}
