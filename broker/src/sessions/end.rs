//! How the broker ends: told to by a signal, or because all streams have. Pure: time is passed in.

use std::time::{Duration, Instant};

/// Readers have this long to take the last frames of a stream that ended by itself.
pub const DRAIN: Duration = Duration::from_secs(1);
/// How often is looked whether they have.
pub const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// So long after the first signal to end, another one is not its echo: Ctrl-C in a terminal and a script's own signal come
/// together.
const INSISTENCE: Duration = Duration::from_secs(1);

/// The broker ends.
#[derive(Debug)]
pub struct Ending {
    /// Until when readers may still take frames.
    deadline: Instant,
    /// Told to the clients.
    reason: String,
    /// When a signal asked for it.
    told: Option<Instant>,
    /// Another signal came [`INSISTENCE`] later: nothing is waited for.
    is_urgent: bool,
}

impl Ending {
    /// It ends for this reason; readers may take frames until then.
    pub fn new(deadline: Instant, reason: &str) -> Self {
        Self { deadline, reason: reason.to_owned(), told: None, is_urgent: false }
    }

    /// Readers may take frames until then at the latest.
    pub fn hasten(&mut self, deadline: Instant) {
        self.deadline = self.deadline.min(deadline);
    }

    /// A signal asked for it, perhaps again.
    pub fn signal(&mut self, now: Instant) {
        let first = *self.told.get_or_insert(now);
        self.is_urgent = now.saturating_duration_since(first) >= INSISTENCE;
    }

    /// Why, for the clients.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether nothing is waited for, not even for a driver.
    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Whether readers have had their time.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    /// When to look whether readers are done.
    pub fn next_look(&self, now: Instant) -> Instant {
        self.deadline.min(now + DRAIN_LOOK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_of_a_signal_is_not_insistence() {
        let now = Instant::now();
        let mut ending = Ending::new(now + DRAIN, "over");
        ending.signal(now);
        ending.signal(now + INSISTENCE / 2);
        assert!(!ending.is_urgent());
        ending.signal(now + INSISTENCE);
        assert!(ending.is_urgent());
        ending.hasten(now);
        assert!(ending.is_over(now) && ending.next_look(now) == now);
    }
}
