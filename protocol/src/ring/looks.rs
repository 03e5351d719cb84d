//! How often a reader looks again for a frame that the writer hides for a moment.

use std::time::Duration;

use crate::sync::{sleep, spin_loop};

/// Looks without pause: a writer that runs has looked through the holds by then.
const SPINS: u32 = 100;
/// Looks after that, each behind a pause: a writer that has lost its processor gets it back meanwhile, if it runs at all.
const NAPS: u32 = 100;
const NAP: Duration = Duration::from_micros(50);

/// The looks that are left. Each call of a reader has so many, for however many frames: who has stopped the writer cannot
/// stop the reader.
#[derive(Debug)]
pub(super) struct Looks(u32);

impl Looks {
    pub fn new() -> Self {
        #[cfg(loom)]
        return Self(IN_MODELS.get());
        #[cfg(not(loom))]
        Self(SPINS + NAPS)
    }

    /// Whether there is one left.
    pub fn is_any_left(&self) -> bool {
        self.0 > 0
    }

    /// Waits a moment before another look. False if none is left.
    pub fn another(&mut self) -> bool {
        match self.0 {
            0 => return false,
            1..=NAPS => sleep(NAP),
            _ => spin_loop(),
        }
        self.0 -= 1;
        true
    }
}

#[cfg(loom)]
std::thread_local! {
    /// Loom lets every other thread run between two looks: with three threads and many looks no model ends. It runs all
    /// threads of a model in one.
    static IN_MODELS: std::cell::Cell<u32> = const { std::cell::Cell::new(SPINS + NAPS) };
}

/// The model that runs in this thread looks again so often.
#[cfg(loom)]
pub fn looks_in_model(looks: u32) {
    IN_MODELS.set(looks);
}
