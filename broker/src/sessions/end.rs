//! How the broker ends: told to by a signal, or because all streams have. Pure: time is passed in.

use std::time::{Duration, Instant};

/// Readers have this long to take the last frames of a stream that ended by itself.
pub const DRAIN: Duration = Duration::from_secs(1);
/// How often is looked whether they have.
pub const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// So long after the first signal to end, another one is not its echo: Ctrl-C in a terminal and a script's own signal come
/// together.
const INSISTENCE: Duration = Duration::from_secs(1);

/// So long after the first signal, drivers that have not returned are waited for no longer: a camera without power lets each
/// question to it take seconds.
pub const DRIVER_TIME: Duration = Duration::from_secs(5);

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

/// Why drivers are waited for no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impatience {
    /// Another signal came.
    Insisted,
    /// They have had [`DRIVER_TIME`].
    TookTooLong,
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

    /// Whether nothing is waited for any more, not even a driver; and why.
    pub fn impatience(&self, now: Instant) -> Option<Impatience> {
        let told = self.told?;
        let took_long = now.saturating_duration_since(told) >= DRIVER_TIME;
        let took_too_long = took_long.then_some(Impatience::TookTooLong);
        if self.is_urgent { Some(Impatience::Insisted) } else { took_too_long }
    }

    /// Whether readers have had their time.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    /// When to look whether readers are done, and then whether the drivers are.
    pub fn next_look(&self, now: Instant) -> Instant {
        let look = now + DRAIN_LOOK;
        if self.is_over(now) { look } else { self.deadline.min(look) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_have_their_time_after_a_signal() {
        let now = Instant::now();
        let mut ending = Ending::new(now, "over");
        assert_eq!(ending.impatience(now + 2 * DRIVER_TIME), None, "nobody has asked for it");
        ending.signal(now);
        assert_eq!(ending.impatience(now + DRIVER_TIME / 2), None);
        assert_eq!(ending.impatience(now + DRIVER_TIME), Some(Impatience::TookTooLong));
    }

    #[test]
    fn an_echo_of_a_signal_is_not_insistence() {
        let now = Instant::now();
        let mut ending = Ending::new(now + DRAIN, "over");
        ending.signal(now);
        ending.signal(now + INSISTENCE / 2);
        assert_eq!(ending.impatience(now + INSISTENCE), None);
        ending.signal(now + INSISTENCE);
        assert_eq!(ending.impatience(now + INSISTENCE), Some(Impatience::Insisted));
        ending.hasten(now);
        assert!(ending.is_over(now) && ending.next_look(now) == now + DRAIN_LOOK, "a driver may take its time");
    }
}
