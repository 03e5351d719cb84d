//! Who may subscribe: holds are granted only while the source keeps the segments it needs, whatever the holders do.
//!
//! Pure: numbers in, a verdict out.

/// The numbers of a stream that decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Segments the ring has or will have shortly, quarantined ones left out.
    pub segments: usize,
    /// Segments it may grow to; equal to `segments` where it cannot grow.
    pub growable_to: usize,
    /// Segments the source must have, and the newest frame.
    pub reserve: usize,
    /// Segments wanted beyond all holds, so that a reader may lag.
    pub history: usize,
    /// Holds granted so far.
    pub granted: usize,
}

/// What to do with a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is admitted once the ring has `needed` segments; the ring should grow to `target`.
    Admit {
        /// Segments without which it must wait.
        needed: usize,
        /// Segments the ring should grow to.
        target: usize,
    },
    /// There can never be enough segments: `needed` would do.
    Refuse {
        /// Segments that would do.
        needed: usize,
    },
}

impl Capacity {
    /// Whether `max_held` more holds can be granted.
    #[must_use]
    pub fn admit(self, max_held: usize) -> Verdict {
        let needed = self.reserve + self.granted + max_held;
        if needed > self.growable_to.max(self.segments) {
            return Verdict::Refuse { needed };
        }
        Verdict::Admit { needed, target: (needed + self.history).min(self.growable_to).max(self.segments) }
    }

    /// Holds that can still be granted, growth included.
    #[must_use]
    pub fn holds_left(self) -> usize {
        self.growable_to.max(self.segments).saturating_sub(self.reserve + self.granted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EIGHT: Capacity = Capacity { segments: 8, growable_to: 64, reserve: 2, history: 4, granted: 0 };

    #[test]
    fn a_ring_that_is_large_enough_need_not_grow() {
        assert_eq!(EIGHT.admit(2), Verdict::Admit { needed: 4, target: 8 });
    }

    #[test]
    fn eight_default_subscriptions_fit_by_growth() {
        let mut capacity = EIGHT;
        for _ in 0..8 {
            let Verdict::Admit { target, .. } = capacity.admit(2) else { panic!("refused at {capacity:?}") };
            capacity = Capacity { segments: target, granted: capacity.granted + 2, ..capacity };
        }
        assert_eq!((capacity.segments, capacity.granted), (2 + 16 + 4, 16));
    }

    #[test]
    fn a_ring_that_cannot_grow_says_what_would_do() {
        let fixed = Capacity { growable_to: 8, granted: 5, ..EIGHT };
        assert_eq!(fixed.admit(1), Verdict::Admit { needed: 8, target: 8 });
        assert_eq!(fixed.admit(2), Verdict::Refuse { needed: 9 });
        assert_eq!(fixed.holds_left(), 1);
    }

    #[test]
    fn holds_never_reach_the_reserve() {
        for max_held in 1..=64 {
            let mut capacity = EIGHT;
            while let Verdict::Admit { needed, target } = capacity.admit(max_held) {
                assert!(needed <= target && target <= capacity.growable_to);
                capacity = Capacity { segments: target, granted: capacity.granted + max_held, ..capacity };
                assert!(capacity.reserve + capacity.granted <= capacity.segments);
            }
        }
    }
}
