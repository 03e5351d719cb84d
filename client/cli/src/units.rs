//! Numbers for people: megabytes, durations, rates.

use std::time::Duration;

/// Bytes of a megabyte, everywhere in framebroker.
const MB: f64 = (1u64 << 20) as f64;

/// Megabytes of 2^20 bytes.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 bytes, and shown with one digit")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MB
}

/// Microseconds.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ns, which is 104 days")]
pub fn microseconds(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

/// How much of something there was per second; 0 where no time passed.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub fn per_second(amount: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { amount as f64 / time.as_secs_f64() }
}

/// Megabytes per second; 0 where no time passed.
pub fn megabytes_per_second(bytes: u64, time: Duration) -> f64 {
    per_second(bytes, time) / MB
}

/// Microseconds in the unit that suits them.
pub fn duration(us: f64) -> String {
    match us {
        ..10.0 => format!("{us:.1} µs"),
        10.0..1e3 => format!("{us:.0} µs"),
        1e3..1e6 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.1} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_suit_their_size() {
        let shown: Vec<String> = [0.0, 0.95, 61.499, 1_234.0, 2.5e6].map(duration).to_vec();
        assert_eq!(shown, ["0.0 µs", "0.9 µs", "61 µs", "1.2 ms", "2.5 s"]);
    }

    #[test]
    fn rates_without_time_are_zero() {
        assert_eq!(per_second(30, Duration::from_millis(500)), 60.0);
        assert_eq!(per_second(30, Duration::ZERO), 0.0);
    }

    #[test]
    fn a_megabyte_has_two_to_the_twentieth_bytes() {
        assert_eq!(megabytes(3 << 20), 3.0);
    }
}
