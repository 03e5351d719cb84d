//! Until when to wait.

use std::time::{Duration, Instant};

/// A moment, or never.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// That long from now; `None`, or longer than the clock goes, is never.
    pub fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The earlier of this and that long from now.
    pub fn within(self, timeout: Duration) -> Self {
        let other = Self::after(Some(timeout));
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    /// Whether it has passed.
    pub fn is_over(self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }

    /// Time left, at most `longest`.
    pub fn left(self, longest: Duration) -> Duration {
        self.0.map_or(longest, |at| at.saturating_duration_since(Instant::now()).min(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_never_over_and_always_has_time() {
        for never in [Deadline::after(None), Deadline::after(Some(Duration::MAX))] {
            assert!(!never.is_over());
            assert_eq!(never.left(Duration::from_secs(9)), Duration::from_secs(9));
        }
    }

    #[test]
    fn the_earlier_of_two_holds() {
        let soon = Deadline::after(None).within(Duration::ZERO);
        assert!(soon.is_over() && soon.left(Duration::from_secs(1)).is_zero());
        assert!(soon.within(Duration::from_secs(60)).is_over());
    }
}
