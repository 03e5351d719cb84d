//! The one list of deadlines: what the session thread must do at a time, if nothing happens before. Pure.

use std::collections::BTreeMap;
use std::time::Instant;

use framebroker_protocol::ClientId;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// Look whether the broker can end.
    End,
    /// Accept connections again.
    Listen,
    /// Send descriptors again that were too many in flight.
    Descriptors,
    /// Look at what is held.
    Holds,
    /// Log the figures of each stream.
    Statistics,
    /// Answer in the place of cameras that do not.
    Answers,
    /// Let the streams look at the time.
    Streams,
    /// A client has let a time pass.
    Session(ClientId),
}

/// When what is to be done.
#[derive(Debug, Default)]
pub struct Clock(BTreeMap<Alarm, Instant>);

impl Clock {
    /// It is to be done then, or not at all.
    pub fn set(&mut self, alarm: Alarm, at: Option<Instant>) {
        match at {
            Some(at) => self.0.insert(alarm, at),
            None => self.0.remove(&alarm),
        };
    }

    /// It is to be done at this time at the latest.
    pub fn set_latest(&mut self, alarm: Alarm, at: Instant) {
        let time = self.0.entry(alarm).or_insert(at);
        *time = at.min(*time);
    }

    /// When there is something to be done.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// Takes out what is to be done by now.
    pub fn take_due(&mut self, now: Instant) -> Vec<Alarm> {
        self.0.extract_if(.., |_, at| now >= *at).map(|(alarm, _)| alarm).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_is_done_once() {
        let (mut clock, now, s) = (Clock::default(), Instant::now(), Duration::from_secs(1));
        assert_eq!(clock.next(), None);
        clock.set(Alarm::Holds, Some(now + s));
        clock.set(Alarm::Session(ClientId(7)), Some(now + 3 * s));
        clock.set(Alarm::Listen, Some(now));
        clock.set(Alarm::Listen, None);
        assert_eq!(clock.next(), Some(now + s));
        assert_eq!(clock.take_due(now), []);
        assert_eq!(clock.take_due(now + 2 * s), [Alarm::Holds]);
        assert_eq!((clock.take_due(now + 2 * s), clock.next()), (vec![], Some(now + 3 * s)));
    }

    #[test]
    fn a_time_that_was_promised_is_kept() {
        let (mut clock, now, s) = (Clock::default(), Instant::now(), Duration::from_secs(1));
        clock.set_latest(Alarm::Descriptors, now + s);
        clock.set_latest(Alarm::Descriptors, now + 2 * s);
        assert_eq!(clock.next(), Some(now + s));
        clock.set_latest(Alarm::Descriptors, now);
        assert_eq!(clock.next(), Some(now));
    }
}
