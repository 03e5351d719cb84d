//! False alarms. Whoever can read a futex word can wake all who sleep on it, so every reader of a stream can keep the others
//! awake. Who is woken again and again for nothing stops listening to that word.

use std::time::{Duration, Instant};

use crate::Sequence;
use crate::limits::STARVED_SLICE;

/// What a reader makes of its wake-ups.
#[derive(Debug, Default)]
pub(super) struct FalseAlarms {
    in_a_row: u32,
    /// So many waits more the reader does not listen to the bell of all.
    deaf: u32,
}

impl FalseAlarms {
    /// A wake-up may come for a frame that was taken just before it, and one that other readers asked for.
    const TOO_MANY: u32 = 4;
    /// Long enough that what the false alarms cost is little beside it; then the reader tries again.
    const DEAF_WAITS: u32 = 100;

    /// Whether to listen to the bell of all, for one wait.
    pub fn listens(&mut self) -> bool {
        self.deaf = self.deaf.saturating_sub(1);
        self.deaf == 0
    }

    /// The bell of all has ended a wait, for nothing or not.
    pub fn note(&mut self, is_false: bool) {
        self.in_a_row = if is_false { self.in_a_row + 1 } else { 0 };
        if self.in_a_row >= Self::TOO_MANY {
            *self = Self { in_a_row: 0, deaf: Self::DEAF_WAITS };
        }
    }
}

/// What the writer makes of the wake-ups while it waits for one release. Readers that get on wake it as well, and free nothing.
#[derive(Debug)]
pub(super) struct Patience {
    /// The newest frame: with another one, another wait has begun.
    head: Sequence,
    began: Instant,
    wakes: u32,
}

impl Patience {
    /// Enough for all releases of a few readers. From there on the writer does not listen; it looks by itself, at growing intervals.
    const ENOUGH: u32 = 32;

    pub fn new() -> Self {
        Self { head: Sequence(0), began: Instant::now(), wakes: 0 }
    }

    /// How long to sleep without listening, if so. A release is noticed later by at most an eighth of the time waited for it.
    pub fn deaf_for(&mut self, head: Sequence) -> Option<Duration> {
        if head != self.head {
            *self = Self { head, ..Self::new() };
        }
        (self.wakes >= Self::ENOUGH).then(|| STARVED_SLICE.min(self.began.elapsed() / 8))
    }

    /// A wait has ended, early or not.
    pub fn note(&mut self, was_woken: bool) {
        self.wakes += u32::from(was_woken);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reader_stops_listening_after_false_alarms_in_a_row_and_tries_again() {
        let mut alarms = FalseAlarms::default();
        for is_false in [true, true, true, false, true, true, true] {
            alarms.note(is_false);
            assert!(alarms.listens());
        }
        alarms.note(true);
        let deaf = std::iter::from_fn(|| Some(alarms.listens())).take_while(|listens| !listens).count();
        assert_eq!(deaf, FalseAlarms::DEAF_WAITS as usize - 1);
        alarms.note(true);
        assert!(alarms.listens(), "the count began anew");
    }

    #[test]
    fn the_writer_listens_again_with_the_next_frame() {
        let mut patience = Patience::new();
        for _ in 0..Patience::ENOUGH {
            assert_eq!(patience.deaf_for(Sequence(1)), None);
            patience.note(true);
        }
        assert!(patience.deaf_for(Sequence(1)).is_some_and(|time| time <= STARVED_SLICE));
        assert_eq!(patience.deaf_for(Sequence(2)), None);
    }
}
