//! Who was too slow as a lossless reader while the source paused for it, and may not be one for a while. Pure: time is passed in.
//!
//! Without, a program that subscribes, reads nothing, and subscribes again when it was demoted makes the source pause nearly always.

use std::time::{Duration, Instant};

/// A program that was waited for in vain is not waited for again until so many times as long has passed: together, pauses for it
/// take a twentieth of the time at most.
const REST: u32 = 20;

/// Kept at most; the oldest is forgotten first.
const LIMIT: usize = 256;

/// The last demotions of a stream.
#[derive(Debug, Default)]
pub struct Demotions(Vec<Demotion>);

#[derive(Debug)]
struct Demotion {
    pid: i32,
    uid: u32,
    until: Instant,
}

impl Demotions {
    /// The source has paused for `timeout` for this process in vain.
    pub fn note(&mut self, pid: i32, uid: u32, timeout: Duration, now: Instant) {
        self.0.retain(|demotion| demotion.until > now);
        if self.0.len() >= LIMIT {
            self.0.remove(0);
        }
        self.0.push(Demotion { pid, uid, until: now + timeout.saturating_mul(REST).min(Duration::from_secs(3600)) });
    }

    /// How long this process is not waited for, if so. Processes of a user other than the broker's rest together, so that they
    /// cannot take turns.
    #[must_use]
    pub fn rest_of(&self, pid: i32, other_user: Option<u32>, now: Instant) -> Option<Duration> {
        let same = |demotion: &&Demotion| demotion.pid == pid || other_user == Some(demotion.uid);
        let until = self.0.iter().filter(same).map(|demotion| demotion.until).max()?;
        until.checked_duration_since(now).filter(|rest| !rest.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_process_rests_and_may_then_come_again() {
        let (mut demotions, now) = (Demotions::default(), Instant::now());
        demotions.note(7, 1000, SECOND, now);
        assert_eq!(demotions.rest_of(7, None, now + 5 * SECOND), Some(15 * SECOND));
        assert_eq!(demotions.rest_of(8, None, now), None, "the broker's user has many programs");
        assert_eq!(demotions.rest_of(7, None, now + 20 * SECOND), None);
    }

    #[test]
    fn processes_of_another_user_do_not_take_turns() {
        let (mut demotions, now) = (Demotions::default(), Instant::now());
        demotions.note(7, 1001, SECOND, now);
        assert!(demotions.rest_of(8, Some(1001), now).is_some());
        assert_eq!(demotions.rest_of(8, Some(1002), now), None);
        assert_eq!(demotions.rest_of(8, None, now), None);
    }

    #[test]
    fn no_more_is_kept_than_needed() {
        let (mut demotions, now) = (Demotions::default(), Instant::now());
        for pid in 0..10_000 {
            demotions.note(pid, 1000, Duration::MAX, now);
        }
        assert_eq!(demotions.0.len(), LIMIT);
    }
}
