//! The lease: for how long a frame may be held.

use std::time::Duration;

/// How often the holds are looked at without a lease, and at the most seldom.
const LONGEST_INTERVAL: Duration = Duration::from_millis(100);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(5);

/// How long a frame may be held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lease {
    /// A hold that is older is reported; `None` reports none.
    pub time: Option<Duration>,
    /// Ends the subscription of who has such a hold.
    pub evict: bool,
}

impl Lease {
    /// How often the holds are looked at: a hold is found overdue at most a fourth of the lease too late.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.time.map_or(LONGEST_INTERVAL, |time| (time / 8).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_looked_at_as_often_as_the_lease_needs() {
        let interval = |ms| Lease { time: Some(Duration::from_millis(ms)), evict: false }.interval().as_millis();
        assert_eq!([1, 40, 80, 400, 800, 60_000].map(interval), [5, 5, 10, 50, 100, 100]);
        assert_eq!(Lease::default().interval(), LONGEST_INTERVAL);
    }
}
