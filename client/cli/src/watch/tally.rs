//! What was received, since the beginning and since the last report. Pure: time is passed in.

use std::time::{Duration, Instant};

use super::latency::Latency;
use crate::units::per_second;

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
        let first = self.first_and_last.map_or(now, |(first, _)| first);
        self.first_and_last = Some((first, now));
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

    /// Frames per second between the first and the last; 0 for less than two.
    pub fn fps(&self) -> f64 {
        per_second(self.received.saturating_sub(1), self.span())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_the_intervals_between_frames() {
        let mut tally = Tally::default();
        assert_eq!(tally.fps(), 0.0);
        let begin = Instant::now();
        tally.add(Duration::from_micros(5), 100, begin);
        assert_eq!(tally.fps(), 0.0, "one frame has no rate");
        (1..=10).for_each(|n| tally.add(Duration::from_micros(5), 100, begin + Duration::from_millis(20 * n)));
        assert_eq!((tally.received, tally.bytes), (11, 1100));
        assert!((tally.fps() - 50.0).abs() < 1e-9, "{}", tally.fps());
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
