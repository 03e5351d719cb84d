//! How long a subscription holds what it holds, as the broker sees it: a page says which frames are held, not since when,
//! and could not be believed if it did. Pure: holds and time are passed in.

use std::time::{Duration, Instant};

use framebroker_protocol::ContextId;

/// The holds of one subscription. A duration counts from the look that first saw the hold to the one that last did: it is
/// never too long, and too short by less than two looks.
#[derive(Debug, Default)]
pub struct HoldTimes {
    standing: Vec<HoldTime>,
    longest: Duration,
}

/// A hold that stands.
#[derive(Debug, Clone, Copy)]
struct HoldTime {
    context: ContextId,
    since: Instant,
    seen: Instant,
    reported: bool,
}

impl HoldTime {
    fn lasted(&self) -> Duration {
        self.seen.duration_since(self.since)
    }
}

impl HoldTimes {
    /// A look at what is held now. A hold is one frame's, in whatever slot it is written. It begins only while its frame
    /// `is_readable`, so that nobody makes himself old with names of frames that do not exist; it then goes on also while
    /// the writer, trying to retire, hides the frame for a moment.
    pub fn look(
        &mut self,
        now: Instant,
        held: impl Iterator<Item = ContextId>,
        is_readable: impl Fn(ContextId) -> bool,
    ) {
        let before = std::mem::take(&mut self.standing);
        for context in held {
            if self.standing.iter().any(|hold| hold.context == context) {
                continue;
            }
            let known = before.iter().find(|hold| hold.context == context).copied();
            let begun = || is_readable(context).then_some(HoldTime { context, since: now, seen: now, reported: false });
            if let Some(hold) = known.or_else(begun) {
                let hold = HoldTime { seen: now, ..hold };
                self.longest = self.longest.max(hold.lasted());
                self.standing.push(hold);
            }
        }
    }

    /// How long a frame has been held; zero where it was not seen held.
    #[must_use]
    pub fn of(&self, context: ContextId) -> Duration {
        let hold = self.standing.iter().find(|hold| hold.context == context);
        hold.map_or(Duration::ZERO, HoldTime::lasted)
    }

    /// The longest there was.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// Holds that stand and are as old as the lease.
    #[must_use]
    pub fn overdue(&self, lease: Duration) -> usize {
        self.standing.iter().filter(|hold| hold.lasted() >= lease).count()
    }

    /// Those among them that were not returned before.
    pub fn newly_overdue(&mut self, lease: Duration) -> Vec<(ContextId, Duration)> {
        let overdue = self.standing.iter_mut().filter(|hold| hold.lasted() >= lease && !hold.reported);
        overdue
            .map(|hold| {
                hold.reported = true;
                (hold.context, hold.lasted())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::{SegmentIndex, Sequence};

    use super::*;

    fn context(sequence: u64) -> ContextId {
        ContextId::new(Sequence(sequence), SegmentIndex::new(1).unwrap())
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_hold_lasts_from_the_first_look_to_the_last() {
        let (mut times, began) = (HoldTimes::default(), Instant::now());
        times.look(began, [context(1)].into_iter(), |_| true);
        assert_eq!((times.of(context(1)), times.longest()), (ms(0), ms(0)));
        times.look(began + ms(30), [context(2), context(1)].into_iter(), |_| true);
        assert_eq!((times.of(context(1)), times.of(context(2))), (ms(30), ms(0)));
        times.look(began + ms(50), [context(2)].into_iter(), |_| true);
        assert_eq!((times.of(context(1)), times.of(context(2))), (ms(0), ms(20)));
        assert_eq!(times.longest(), ms(30), "it is remembered when the hold is gone");
    }

    #[test]
    fn a_frame_that_is_hidden_for_a_moment_stays_held_and_one_that_never_was_there_is_not() {
        let (mut times, began) = (HoldTimes::default(), Instant::now());
        times.look(began, [context(1), context(7)].into_iter(), |context| context.sequence().0 == 1);
        times.look(began + ms(10), [context(1), context(7)].into_iter(), |_| false);
        assert_eq!((times.of(context(1)), times.of(context(7))), (ms(10), ms(0)));
    }

    #[test]
    fn a_hold_is_overdue_for_good_and_reported_once() {
        let (mut times, began) = (HoldTimes::default(), Instant::now());
        for at in [0, 10, 20, 30] {
            // Written down twice, it is still one hold.
            times.look(began + ms(at), [context(1), context(1)].into_iter(), |_| true);
            let reported = times.newly_overdue(ms(20));
            assert_eq!(reported, if at == 20 { vec![(context(1), ms(20))] } else { vec![] });
            assert_eq!(times.overdue(ms(20)), usize::from(at >= 20));
        }
    }
}
