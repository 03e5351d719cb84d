//! Whether a frame is under way in a source that makes one for each software trigger only.
//!
//! The device thread counts a trigger *before* the source gets it, the grab thread a frame *after* it has read which settings are
//! settled ([`StreamCore`](super::StreamCore)) and *before* it publishes it. So where the device thread finds both counts equal, all
//! frames that were triggered have been stamped already, and nothing that it settles from then on can be taken for theirs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A trigger whose frame has not come for so long, and for the longest exposure in addition, brings none: cameras ignore those that
/// come while they expose, and frames are lost on the way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Triggers, and the frames that have come for them since the source started.
#[derive(Debug, Default)]
pub struct Triggers {
    /// For the device thread alone to write.
    sent: AtomicU64,
    /// For the grab thread alone to write.
    came: AtomicU64,
    /// How often the source was started. For the grab thread alone to write.
    starts: AtomicU64,
}

impl Triggers {
    /// A frame has come, was stamped, and is published next. For the grab thread.
    pub fn frame_came(&self) {
        // Release: pairs with `under_way`. The stamp was made of what had been settled before.
        self.came.store(self.came.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// The source starts: nothing is under way in it. For the grab thread.
    pub fn begin(&self) {
        self.starts.store(self.starts.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        self.came.store(self.sent.load(Ordering::Relaxed), Ordering::Release);
    }

    /// Which start of the source this is. For the device thread: one that begins while a trigger is sent has forgotten that, and its
    /// frame may come all the same.
    pub fn start(&self) -> u64 {
        self.starts.load(Ordering::Acquire)
    }

    /// A trigger is sent next. For the device thread.
    pub fn send(&self) {
        self.sent.store(self.sent.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Triggers whose frames have not come. `None` where more frames have come than were triggered: something else makes frames
    /// too. For the device thread.
    pub fn under_way(&self) -> Option<u64> {
        // Acquire: pairs with `frame_came`.
        self.sent.load(Ordering::Relaxed).checked_sub(self.came.load(Ordering::Acquire))
    }

    /// No frame comes for those whose frames have not come. If one comes after all, nothing is believed until the source starts
    /// again. For the device thread.
    pub fn give_up(&self) {
        self.sent.store(self.came.load(Ordering::Acquire), Ordering::Relaxed);
    }
}

/// For how long a trigger may be without its frame.
#[derive(Debug, Default)]
pub struct Waiting {
    last: Option<Instant>,
    longest_exposure: Duration,
    /// The start of the source in which the count of triggers is not to be believed.
    doubted: Option<u64>,
}

impl Waiting {
    /// A trigger was sent.
    pub fn trigger(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// A trigger was sent from this start of the source on, and it is this one now.
    pub fn sent(&mut self, before: u64, now: u64) {
        if before != now {
            self.doubted = Some(now);
        }
    }

    /// Whether the count of triggers is to be believed in this start of the source.
    pub fn is_sure(&self, start: u64) -> bool {
        self.doubted != Some(start)
    }

    /// Frames may be exposed for so long, or may have been when they were triggered.
    pub fn exposure(&mut self, exposure: Duration) {
        self.longest_exposure = self.longest_exposure.max(exposure);
    }

    /// Whether the last trigger brings no frame any more.
    pub fn is_over(&self, now: Instant) -> bool {
        let longest = PATIENCE.saturating_add(self.longest_exposure);
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_for_each_trigger_leaves_nothing_under_way() {
        let triggers = Triggers::default();
        triggers.begin();
        assert_eq!(triggers.under_way(), Some(0));
        for _ in 0..3 {
            triggers.send();
            triggers.send();
            triggers.frame_came();
            assert_eq!(triggers.under_way(), Some(1));
            triggers.frame_came();
            assert_eq!(triggers.under_way(), Some(0));
        }
    }

    #[test]
    fn frames_without_a_trigger_are_believed_to_be_under_way_until_the_next_start() {
        let triggers = Triggers::default();
        triggers.begin();
        triggers.frame_came();
        triggers.send();
        triggers.send();
        triggers.frame_came();
        triggers.frame_came();
        assert_eq!(triggers.under_way(), None);
        triggers.begin();
        assert_eq!(triggers.under_way(), Some(0));
    }

    #[test]
    fn a_start_forgets_what_the_source_was_triggered_for_before() {
        let triggers = Triggers::default();
        triggers.send();
        triggers.begin();
        assert_eq!(triggers.under_way(), Some(0));
    }

    #[test]
    fn a_start_while_a_trigger_is_sent_leaves_doubt_until_the_next() {
        let (triggers, mut waiting) = (Triggers::default(), Waiting::default());
        let before = triggers.start();
        triggers.send();
        waiting.sent(before, triggers.start());
        assert!(waiting.is_sure(triggers.start()));
        let before = triggers.start();
        triggers.send();
        triggers.begin();
        waiting.sent(before, triggers.start());
        assert_eq!((triggers.under_way(), waiting.is_sure(triggers.start())), (Some(0), false));
        triggers.begin();
        assert!(waiting.is_sure(triggers.start()));
    }

    #[test]
    fn a_trigger_that_is_ignored_is_given_up_and_its_late_frame_is_noticed() {
        let triggers = Triggers::default();
        triggers.send();
        assert_eq!(triggers.under_way(), Some(1));
        triggers.give_up();
        assert_eq!(triggers.under_way(), Some(0));
        triggers.frame_came();
        assert_eq!(triggers.under_way(), None);
    }

    #[test]
    fn a_long_exposure_is_waited_for() {
        let (mut waiting, began) = (Waiting::default(), Instant::now());
        assert!(waiting.is_over(began));
        waiting.trigger(began);
        waiting.exposure(Duration::from_secs(30));
        waiting.exposure(Duration::from_millis(1));
        assert!(!waiting.is_over(began + PATIENCE + Duration::from_secs(29)));
        assert!(waiting.is_over(began + PATIENCE + Duration::from_secs(30)));
        waiting.exposure(Duration::MAX);
        assert!(!waiting.is_over(began + PATIENCE + Duration::from_secs(30)));
    }
}
