//! Latencies, in memory that does not grow with their number.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::units::microseconds;

/// Longer ones count as this.
const LONGEST: Duration = Duration::from_secs(3600);
/// Values are kept to this many decimal digits.
const DIGITS: u8 = 3;

/// How many frames took how long from publishing to receiving.
#[derive(Debug)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        let longest_ns = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        let histogram = Histogram::new_with_max(longest_ns, DIGITS);
        Self(histogram.expect("an hour in nanoseconds to three digits is within the library's bounds"))
    }
}

impl Latency {
    /// Counts one.
    pub fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latency in µs that this share of the frames (0 to 1) kept to; 0 without frames.
    pub fn quantile_us(&self, share: f64) -> f64 {
        microseconds(self.0.value_at_quantile(share))
    }

    /// The longest, in µs; 0 without frames.
    pub fn max_us(&self) -> f64 {
        microseconds(self.0.max())
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within a thousandth, as DIGITS promises.
    fn is_about(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected / 1000.0
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut latency = Latency::default();
        (1..=1000).for_each(|us| latency.add(Duration::from_micros(us)));
        assert!(is_about(latency.quantile_us(0.5), 500.0), "{}", latency.quantile_us(0.5));
        assert!(is_about(latency.quantile_us(0.99), 990.0), "{}", latency.quantile_us(0.99));
        assert!(is_about(latency.max_us(), 1000.0), "{}", latency.max_us());
    }

    #[test]
    fn any_latency_is_counted() {
        let mut latency = Latency::default();
        latency.add(Duration::ZERO);
        assert_eq!(latency.max_us(), 0.0);
        latency.add(Duration::MAX);
        assert!(latency.max_us() >= LONGEST.as_secs_f64() * 1e6);
        assert!(!latency.is_empty());
        latency.clear();
        assert!(latency.is_empty());
        assert_eq!((latency.max_us(), latency.quantile_us(0.5)), (0.0, 0.0));
    }
}
