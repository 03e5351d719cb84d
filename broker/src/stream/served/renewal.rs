//! Makes the ring of a fixed pool whole again after evictions.
//!
//! Such a source takes buffers only when it starts. So it is stopped for a moment, and started with new segments in place of those
//! that the ring was told to give up. That costs the frames of that moment, and therefore waits until the losses have settled and
//! no lossless reader is there; and it is rare, so that whoever is evicted again and again cannot keep the camera busy with
//! starting. Time is passed in.

use std::time::{Duration, Instant};

use framebroker_protocol::StreamName;
use tracing::{info, warn};

/// How long no further segment must have been lost: evictions come in bursts.
const SETTLE: Duration = Duration::from_secs(2);

/// From one stop to the next; doubled with each up to [`LONGEST_PAUSE`], and forgotten after a loss that comes later than that.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// When to look again where something is in the way.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What keeps the source from being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It goes by itself, soon.
    Unsettled,
    /// It would lose frames that it was promised.
    LosslessReader,
    /// Segments could not be made beside those that are there.
    NoMemory,
}

/// When the source may be stopped to make the ring whole again.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// Segments that were missing at the last look.
    missing: usize,
    /// When to look, while there are some.
    look_at: Option<Instant>,
    last: Option<Instant>,
    pause: Duration,
    /// What was said to be in the way.
    told: Option<Obstacle>,
    /// The source was stopped for it and has not started yet.
    is_under_way: bool,
    /// Times the source was stopped for it.
    count: u64,
}

impl Renewal {
    /// How often the source was stopped for it.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When to look, while segments are missing.
    pub fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether it is time, where so many of a ring's segments are missing. Logs what has changed.
    pub fn look(&mut self, now: Instant, stream: &StreamName, missing: usize, segments: usize, is_live: bool) -> bool {
        if missing > self.missing {
            warn!(
                %stream, missing, segments,
                "the ring is smaller: readers were cut off while they held frames, and the source takes no buffers while it runs"
            );
        }
        if missing == 0 && is_live && std::mem::take(&mut self.is_under_way) {
            info!(%stream, segments, "the ring is whole again");
        }
        self.is_due(now, missing)
    }

    /// True when it is time. A loss begins the wait anew.
    fn is_due(&mut self, now: Instant, missing: usize) -> bool {
        let before = std::mem::replace(&mut self.missing, missing);
        if missing == 0 {
            (self.look_at, self.told) = (None, None);
        } else if missing > before || self.look_at.is_none() {
            let settled = now + SETTLE;
            self.look_at = Some(self.last.map_or(settled, |last| settled.max(last + self.pause)));
        }
        self.look_at.is_some_and(|look_at| now >= look_at)
    }

    /// The source is stopped for it.
    pub fn begin(&mut self, now: Instant) {
        let is_calm = self.last.is_none_or(|last| now.saturating_duration_since(last) > LONGEST_PAUSE);
        self.pause = if is_calm { FIRST_PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
        (self.last, self.look_at, self.told) = (Some(now), Some(now + self.pause), None);
        self.count += 1;
        self.is_under_way = true;
    }

    /// Something is in the way, which is said once.
    pub fn put_off(&mut self, now: Instant, stream: &StreamName, obstacle: Obstacle) {
        if self.is_news(now, obstacle) {
            warn!(%stream, missing = self.missing, "the ring stays smaller {}", obstacle.why());
        }
    }

    fn is_news(&mut self, now: Instant, obstacle: Obstacle) -> bool {
        self.look_at = Some(now + LOOK_AGAIN);
        obstacle != Obstacle::Unsettled && self.told.replace(obstacle) != Some(obstacle)
    }
}

impl Obstacle {
    fn why(self) -> &'static str {
        match self {
            Self::Unsettled => "for a moment",
            Self::LosslessReader => "until no lossless reader is there, since it would lose frames",
            Self::NoMemory => {
                "until there is memory for new segments beside the old ones: raise --memory-limit, or end the programs that were \
                 cut off"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_waits_until_no_more_are_lost() {
        let (mut renewal, began) = (Renewal::default(), Instant::now());
        assert!(!renewal.is_due(began, 0) && renewal.look_at.is_none());
        assert!(!renewal.is_due(began, 1));
        assert!(!renewal.is_due(began + s(1), 3), "another two");
        assert!(!renewal.is_due(began + s(2), 3));
        assert!(!renewal.is_due(began + s(2), 2), "fewer are no loss");
        assert!(renewal.is_due(began + s(3), 2));
        assert!(!renewal.is_due(began + s(3), 0) && renewal.look_at.is_none(), "the camera came back by itself");
    }

    /// Goal: an hour of evictions without end stops the source a few times, and a day of rest forgives that.
    #[test]
    fn it_is_no_loop() {
        let (mut renewal, began, mut now) = (Renewal::default(), Instant::now(), Duration::ZERO);
        while now < s(3600) {
            for missing in [1, 0] {
                let settled = began + now + SETTLE;
                renewal.is_due(began + now, missing);
                if renewal.is_due(settled, missing) {
                    renewal.begin(settled);
                }
                now += s(3);
            }
        }
        assert!((8..=12).contains(&renewal.count), "{} times", renewal.count);
        let later = began + s(90_000);
        renewal.is_due(later, 1);
        assert!(renewal.is_due(later + SETTLE, 1));
        renewal.begin(later + SETTLE);
        assert_eq!(renewal.pause, FIRST_PAUSE);
    }

    #[test]
    fn what_is_in_the_way_is_said_once() {
        let (mut renewal, now) = (Renewal::default(), Instant::now());
        renewal.is_due(now, 1);
        assert!(renewal.is_news(now, Obstacle::LosslessReader));
        assert!(!renewal.is_news(now + s(1), Obstacle::LosslessReader));
        assert!(!renewal.is_news(now + s(2), Obstacle::Unsettled));
        assert!(renewal.is_news(now + s(3), Obstacle::NoMemory));
        assert!(!renewal.is_due(now + s(3), 1) && renewal.is_due(now + s(4), 1), "and looked for again");
    }
}
