//! How often something may happen.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Counts what happens in a second. Pure: time is passed in.
#[derive(Debug)]
pub struct Meter {
    limit: u32,
    began: Option<Instant>,
    counted: u32,
}

impl Meter {
    /// At most `limit` a second.
    pub fn new(limit: u32) -> Self {
        Self { limit, began: None, counted: 0 }
    }

    /// How many a second there may be.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Counts one; false if it is one too many in its second.
    pub fn count(&mut self, now: Instant) -> bool {
        if self.began.is_none_or(|began| now.duration_since(began) >= SECOND) {
            (self.began, self.counted) = (Some(now), 0);
        }
        self.counted = self.counted.saturating_add(1);
        self.counted <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_count() {
        let (mut meter, now) = (Meter::new(3), Instant::now());
        let counted: Vec<bool> = (0..5).map(|at| meter.count(now + SECOND / 10 * at)).collect();
        assert_eq!(counted, [true, true, true, false, false]);
        assert!(meter.count(now + SECOND));
    }
}
