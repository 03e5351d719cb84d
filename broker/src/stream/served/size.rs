//! How large a stream's ring should be, and what it is giving up. Pure: time is passed in.

use std::time::{Duration, Instant};

/// The size of a ring.
#[derive(Debug)]
pub(super) struct RingSize {
    /// Segments the ring should have, once memory allows.
    wanted: usize,
    /// Segments that the ring is giving up.
    leaving: usize,
    /// When it gives up those that are too many now.
    shrink_at: Option<Instant>,
    /// The grab thread was asked to give up frames, so that there is memory for segments that fit.
    is_making_room: bool,
}

impl RingSize {
    pub fn new(wanted: usize) -> Self {
        Self { wanted, leaving: 0, shrink_at: None, is_making_room: false }
    }

    pub fn wanted(&self) -> usize {
        self.wanted
    }

    pub fn leaving(&self) -> usize {
        self.leaving
    }

    pub fn shrink_at(&self) -> Option<Instant> {
        self.shrink_at
    }

    /// It should have so many, if it should not have more already.
    pub fn raise(&mut self, wanted: usize) {
        self.wanted = self.wanted.max(wanted);
    }

    /// It should have so many.
    pub fn set(&mut self, wanted: usize) {
        self.wanted = wanted;
    }

    /// So many more are being given up.
    pub fn give_up(&mut self, segments: usize) {
        self.leaving += segments;
    }

    /// One that is in use was given up.
    pub fn gave_up_one(&mut self) {
        self.leaving = self.leaving.saturating_sub(1);
    }

    /// The source is stopped: nothing is given up with its frames.
    pub fn keep_all(&mut self) {
        self.leaving = 0;
    }

    /// Whether segments that are too many have been so for long enough. They are not where there is no surplus.
    pub fn is_shrinking_due(&mut self, now: Instant, surplus: usize, shrink_after: Duration) -> bool {
        // A time that the clock does not reach is never.
        let at = if surplus == 0 { None } else { self.shrink_at.or_else(|| now.checked_add(shrink_after)) };
        let is_due = at.is_some_and(|at| now >= at);
        self.shrink_at = at.filter(|_| !is_due);
        is_due
    }

    /// The grab thread must make room. False where it has been asked and not answered yet.
    pub fn ask_for_room(&mut self) -> bool {
        !std::mem::replace(&mut self.is_making_room, true)
    }

    /// It has, or has found none.
    pub fn room_was_made(&mut self) {
        self.is_making_room = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_shrinks_when_its_surplus_has_lasted() {
        let (mut size, began, grace) = (RingSize::new(8), Instant::now(), Duration::from_secs(10));
        assert!(!size.is_shrinking_due(began, 2, grace) && size.shrink_at() == Some(began + grace));
        assert!(!size.is_shrinking_due(began + grace / 2, 0, grace) && size.shrink_at().is_none(), "it was needed");
        assert!(!size.is_shrinking_due(began + grace, 1, grace));
        assert!(size.is_shrinking_due(began + 2 * grace, 1, grace) && size.shrink_at().is_none());
        assert!(!size.is_shrinking_due(began, 1, Duration::MAX) && size.shrink_at().is_none(), "never");
        assert!(size.is_shrinking_due(began, 1, Duration::ZERO), "at once");
    }

    #[test]
    fn room_is_asked_for_once() {
        let mut size = RingSize::new(8);
        assert!(size.ask_for_room() && !size.ask_for_room());
        size.room_was_made();
        assert!(size.ask_for_room());
    }
}
