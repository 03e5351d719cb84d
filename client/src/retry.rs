//! When to try again what has failed.

use std::time::{Duration, Instant};

use crate::limits::{RETRY_FIRST, RETRY_LAST};

/// Pauses between attempts, each twice the last up to a bound. Pure: time is passed in.
#[derive(Debug)]
pub struct Retry {
    pause: Duration,
    at: Instant,
    /// What the last attempt ended with.
    last: String,
}

impl Retry {
    /// The first attempt may be made at once.
    pub fn new(now: Instant, last: String) -> Self {
        Self { pause: RETRY_FIRST, at: now, last }
    }

    /// Time until the next attempt; zero when it is due.
    pub fn left(&self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }

    /// An attempt has failed.
    pub fn failed(&mut self, now: Instant, reason: String) {
        self.at = now + self.pause;
        self.pause = (self.pause * 2).min(RETRY_LAST);
        self.last = reason;
    }

    /// What the last attempt ended with.
    pub fn last(&self) -> &str {
        &self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut now = Instant::now();
        let mut retry = Retry::new(now, String::new());
        assert!(retry.left(now).is_zero());
        let mut pauses = Vec::new();
        for _ in 0..10 {
            retry.failed(now, String::new());
            pauses.push(retry.left(now));
            now += retry.left(now);
            assert!(retry.left(now).is_zero());
        }
        assert_eq!((pauses[0], pauses[1], pauses[9]), (RETRY_FIRST, RETRY_FIRST * 2, RETRY_LAST));
    }
}
