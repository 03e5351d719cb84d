//! What is random, and the same again from the same seed.

use std::time::Duration;

/// Numbers that follow from a seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Begins from a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of so many numbers, from 0 on.
    ///
    /// # Panics
    /// When there is none to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("a small number");
        usize::try_from(self.number() % count).expect("less than a small number")
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none to choose from.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.get(self.below(choices.len())).expect("a number below the count")
    }

    /// Waits for a while.
    pub fn pause(&mut self, longest: Duration) {
        let millis = self.below(usize::try_from(longest.as_millis()).expect("a short time").max(1));
        std::thread::sleep(Duration::from_millis(u64::try_from(millis).expect("a short time")));
    }
}
