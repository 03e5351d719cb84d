//! For how long the ring waits for lossless readers. Pure: time is passed in.

use std::time::Duration;

use framebroker_protocol::Sequence;

/// How long the ring has waited for its lossless readers together, so that they cannot take turns; each has an account of its
/// own beside it (`Member::charge`), and who has used most is demoted. All accounts begin anew when the slowest has got on by
/// a ring of frames.
#[derive(Debug, Default)]
pub struct LosslessBudget {
    cursor: Sequence,
    waited: Duration,
}

impl LosslessBudget {
    /// Begins anew if the slowest reader, with its cursor at `slowest`, has got on by a `ring` of frames. True if so.
    pub fn renews_at(&mut self, slowest: Sequence, ring: u64) -> bool {
        let renews = slowest.since(self.cursor) >= ring;
        if renews {
            *self = Self { cursor: slowest, waited: Duration::ZERO };
        }
        renews
    }

    /// The ring has waited so long once more.
    pub fn charge(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// The reader that has used so much of it is waited for no longer: what the others have used is left.
    pub fn give_back(&mut self, waited: Duration) {
        self.waited = self.waited.saturating_sub(waited);
    }

    /// Whether `limit` is used up.
    #[must_use]
    pub fn is_over(&self, limit: Duration) -> bool {
        self.waited >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_that_take_turns_have_one_account() {
        let (mut budget, limit) = (LosslessBudget::default(), Duration::from_millis(10));
        assert!(budget.renews_at(Sequence(100), 8), "the account begins here");
        for at in 1..=10 {
            budget.charge(Duration::from_millis(1));
            assert!(!budget.renews_at(Sequence(100 + at % 7), 8));
            assert_eq!(budget.is_over(limit), at == 10);
        }
        budget.give_back(Duration::from_millis(7));
        assert!(!budget.is_over(limit), "the others have used 3 ms");
        budget.charge(Duration::from_millis(7));
        assert!(budget.is_over(limit));
        assert!(budget.renews_at(Sequence(108), 8), "a ring further");
        assert!(!budget.is_over(limit));
    }
}
