//! Frames that belong together, and what is counted of them.

use std::time::Duration;

use super::matcher::Matched;
use crate::Frame;

/// Frames that belong together.
#[derive(Debug)]
pub struct FrameSet {
    frames: Vec<Option<Frame>>,
    /// In ns.
    skew: u64,
}

impl FrameSet {
    pub(super) fn new(matched: Matched<Frame>) -> Self {
        Self { frames: matched.members, skew: matched.skew }
    }

    /// A place for each stream, in the order of the subscriptions; `None` where the set is incomplete.
    #[must_use]
    pub fn frames(&self) -> &[Option<Frame>] {
        &self.frames
    }

    /// The frames themselves, to be kept or handed on.
    #[must_use]
    pub fn into_frames(self) -> Vec<Option<Frame>> {
        self.frames
    }

    /// Whether every stream has a frame in it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.frames.iter().all(Option::is_some)
    }

    /// How far apart its frames are: at most the tolerance, zero where they are matched by block ID.
    #[must_use]
    pub fn skew(&self) -> Duration {
        Duration::from_nanos(self.skew)
    }
}

/// What was matched so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncStats {
    /// Sets with a frame of every stream.
    pub complete: u64,
    /// Sets without: dropped, or delivered, as was asked for.
    pub incomplete: u64,
    /// Of each stream, frames that are in no complete set.
    pub unmatched: Vec<u64>,
    /// The largest skew of a complete set.
    pub max_skew: Duration,
    /// Sum of the skews of all complete sets, in ns.
    sum_skew_ns: u128,
}

impl SyncStats {
    pub(super) fn new(streams: usize) -> Self {
        Self { unmatched: vec![0; streams], ..Self::default() }
    }

    /// The mean skew of complete sets; zero before the first.
    #[must_use]
    pub fn mean_skew(&self) -> Duration {
        let mean = self.sum_skew_ns.checked_div(u128::from(self.complete)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    pub(super) fn add(&mut self, set: &FrameSet) {
        if set.is_complete() {
            self.complete += 1;
            self.max_skew = self.max_skew.max(set.skew());
            self.sum_skew_ns += u128::from(set.skew);
            return;
        }
        self.incomplete += 1;
        for (unmatched, frame) in self.unmatched.iter_mut().zip(&set.frames) {
            *unmatched += u64::from(frame.is_some());
        }
    }
}
