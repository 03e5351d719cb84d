//! What was received, since the beginning and since the last report. Pure: time is passed in.

use std::time::{Duration, Instant};

use super::latency::Latency;
use crate::units::{megabytes_per_second, per_second};

/// Rates over less than this say nothing: frames that were in the ring already come one right after the other.
const SHORTEST_SPAN: Duration = Duration::from_millis(100);

/// Counts frames.
#[derive(Debug, Default)]
pub struct Tally {
    /// Frames received.
    pub received: u64,
    /// Bytes of image received.
    pub bytes: u64,
    /// Frames checked.
    pub verified: u64,
    /// Frames that were not what they should be.
    pub bad: u64,
    /// Latencies of all frames.
    pub latency: Latency,
    /// Since the last report.
    recent: Recent,
    first_and_last: Option<(Instant, Instant)>,
    first_bytes: u64,
}

/// What came per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Frames.
    pub fps: f64,
    /// Megabytes.
    pub megabytes: f64,
}

/// What was received since the last report.
#[derive(Debug, Default)]
pub struct Recent {
    /// Frames received.
    pub received: u64,
    /// Bytes of image received.
    pub bytes: u64,
    /// Their latencies.
    pub latency: Latency,
}

impl Tally {
    /// Counts a frame received at `now`.
    pub fn add(&mut self, latency: Duration, bytes: usize, now: Instant) {
        self.received += 1;
        self.bytes += bytes as u64;
        self.latency.add(latency);
        self.recent.received += 1;
        self.recent.bytes += bytes as u64;
        self.recent.latency.add(latency);
        self.first_and_last = match self.first_and_last {
            Some((first, _)) => Some((first, now)),
            None => {
                self.first_bytes = bytes as u64;
                Some((now, now))
            }
        };
    }

    /// What was received since the last report.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Begins to count for the next report.
    pub fn reported(&mut self) {
        (self.recent.received, self.recent.bytes) = (0, 0);
        self.recent.latency.clear();
    }

    /// From the first frame to the last.
    pub fn span(&self) -> Duration {
        self.first_and_last.map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
    }

    /// What came per second after the first frame, up to the last. None where that is no time to speak of.
    pub fn rates(&self) -> Option<Rates> {
        let span = self.span();
        (span >= SHORTEST_SPAN).then(|| Rates {
            fps: per_second(self.received.saturating_sub(1), span),
            megabytes: megabytes_per_second(self.bytes.saturating_sub(self.first_bytes), span),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_the_intervals_between_frames() {
        let mut tally = Tally::default();
        assert_eq!(tally.rates(), None);
        let (begin, bytes) = (Instant::now(), 1 << 20);
        tally.add(Duration::from_micros(5), bytes, begin);
        assert_eq!(tally.rates(), None, "one frame has no rate");
        (1..=10).for_each(|n| tally.add(Duration::from_micros(5), bytes, begin + Duration::from_millis(20 * n)));
        assert_eq!((tally.received, tally.bytes), (11, 11 << 20));
        let Rates { fps, megabytes } = tally.rates().unwrap();
        assert!((fps - 50.0).abs() < 1e-9 && (megabytes - 50.0).abs() < 1e-9, "{fps} {megabytes}");
    }

    #[test]
    fn frames_that_were_there_already_have_no_rate() {
        let (mut tally, begin) = (Tally::default(), Instant::now());
        (0..5).for_each(|n| tally.add(Duration::from_millis(200), 100, begin + Duration::from_micros(n)));
        assert_eq!(tally.rates(), None);
    }

    #[test]
    fn a_report_clears_only_what_is_recent() {
        let mut tally = Tally::default();
        tally.add(Duration::from_micros(5), 100, Instant::now());
        tally.reported();
        assert_eq!((tally.recent().received, tally.recent().bytes), (0, 0));
        assert_eq!((tally.received, tally.bytes), (1, 100));
    }
}
