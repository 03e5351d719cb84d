//! For how long the ring waits for lossless readers. Pure: time is passed in.

use std::time::Duration;

use framebroker_protocol::Sequence;

/// How long the ring has waited for its lossless readers together, so that they cannot take turns. The account is cleared
/// when the slowest has got on by a ring of frames.
#[derive(Debug, Default)]
pub struct Patience {
    cursor: Sequence,
    waited: Duration,
}

impl Patience {
    /// The ring has waited so long once more.
    pub fn charge(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// Whether the slowest reader, with its cursor at `slowest`, has used up `limit` within a `ring` of frames.
    pub fn is_over(&mut self, slowest: Sequence, ring: u64, limit: Duration) -> bool {
        if slowest.since(self.cursor) >= ring {
            *self = Self { cursor: slowest, waited: Duration::ZERO };
        }
        self.waited >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_that_take_turns_have_one_account() {
        let (mut patience, limit) = (Patience::default(), Duration::from_millis(10));
        assert!(!patience.is_over(Sequence(100), 8, limit), "the account begins here");
        for at in 0..10 {
            patience.charge(Duration::from_millis(1));
            assert_eq!(patience.is_over(Sequence(100 + at % 7), 8, limit), at == 9);
        }
        assert!(!patience.is_over(Sequence(108), 8, limit), "a ring further");
    }
}
