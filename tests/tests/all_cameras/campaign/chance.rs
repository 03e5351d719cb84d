//! What is random, and the same again from the same seed.

use std::time::Duration;

/// The most that is waited between two things that happen.
const PAUSE_MS: usize = 600;

/// Numbers that follow from a seed (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    /// One of so many numbers, from 0 on.
    pub fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let count = u64::try_from(count).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % count).unwrap()
    }

    /// Waits for a while.
    pub fn pause(&mut self) {
        let millis = self.below(PAUSE_MS);
        std::thread::sleep(Duration::from_millis(u64::try_from(millis).unwrap()));
    }
}
