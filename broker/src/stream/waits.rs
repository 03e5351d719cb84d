//! For whom the source has paused in vain, and who may therefore not be a lossless reader for a while. Pure: time is passed in.
//!
//! Without, a program that subscribes, reads nothing, is demoted or leaves before that, and subscribes again makes the source pause
//! nearly always.

use std::time::{Duration, Instant};

use super::process::ProcessKey;

/// What was waited counts for so many times as long, and less and less: together, pauses for one debtor take a fortieth of the time.
const REPAYMENT: u32 = 40;

/// What counts beyond the half of the timeout that is allowed: with it, an hour passes until the next lossless subscription.
const MOST: Duration = Duration::from_secs(3600 / REPAYMENT as u64);

/// Kept at most; who owes least is forgotten first.
const LIMIT: usize = 256;

/// Who answers for what was waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debtor {
    /// A process of the broker's own user, since all programs may be of this user.
    Process(ProcessKey),
    /// All processes of another user, so that they cannot take turns.
    User(u32),
}

/// What was waited on a stream.
#[derive(Debug, Default)]
pub struct Waits(Vec<Wait>);

#[derive(Debug)]
struct Wait {
    debtor: Debtor,
    owed: Duration,
    at: Instant,
}

impl Wait {
    fn owed(&self, now: Instant) -> Duration {
        self.owed.saturating_sub(now.saturating_duration_since(self.at) / REPAYMENT)
    }
}

impl Waits {
    /// The source has paused so long for a reader that has got no further; `timeout` is when such a one is demoted.
    pub fn note(&mut self, debtor: Debtor, waited: Duration, timeout: Duration, now: Instant) {
        self.0.retain(|wait| !wait.owed(now).is_zero());
        let known = self.0.iter().position(|wait| wait.debtor == debtor).map(|at| self.0.swap_remove(at));
        let owed = known.map_or(Duration::ZERO, |wait| wait.owed(now)).saturating_add(waited);
        if owed.is_zero() {
            return;
        }
        if self.0.len() >= LIMIT
            && let Some((least, _)) = self.0.iter().enumerate().min_by_key(|(_, wait)| wait.owed(now))
        {
            self.0.swap_remove(least);
        }
        self.0.push(Wait { debtor, owed: owed.min((timeout / 2).saturating_add(MOST)), at: now });
    }

    /// How long this debtor is not waited for, if so: until it owes half of the timeout.
    #[must_use]
    pub fn rest_of(&self, debtor: Debtor, timeout: Duration, now: Instant) -> Option<Duration> {
        let wait = self.0.iter().find(|wait| wait.debtor == debtor)?;
        let excess = wait.owed(now).saturating_sub(timeout / 2);
        (!excess.is_zero()).then(|| excess.saturating_mul(REPAYMENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn process(inode: u64) -> Debtor {
        Debtor::Process(ProcessKey::Inode(inode))
    }

    #[test]
    fn who_was_demoted_rests_and_may_then_come_again() {
        let (mut waits, now) = (Waits::default(), Instant::now());
        waits.note(process(7), SECOND, SECOND, now);
        assert_eq!(waits.rest_of(process(7), SECOND, now + 5 * SECOND), Some(15 * SECOND));
        assert_eq!(waits.rest_of(process(8), SECOND, now), None);
        assert_eq!(waits.rest_of(Debtor::User(7), SECOND, now), None);
        assert_eq!(waits.rest_of(process(7), SECOND, now + 20 * SECOND), None);
    }

    /// Goal: whoever leaves before it is demoted, however early, has the source pause a fortieth of the time at most, and twice
    /// the timeout at once. Method: one that comes whenever it may, for an hour.
    #[test]
    fn leaving_early_gains_nothing() {
        for share in [1, 5, 9, 10] {
            let (mut waits, begin) = (Waits::default(), Instant::now());
            let (mut now, mut waited) = (begin, Duration::ZERO);
            while now < begin + 3600 * SECOND {
                let pause = SECOND * share / 10;
                (now, waited) = (now + pause, waited + pause);
                waits.note(process(7), pause, SECOND, now);
                now += waits.rest_of(process(7), SECOND, now).unwrap_or(SECOND / 100);
            }
            let most = (now - begin) / REPAYMENT + 2 * SECOND;
            assert!(waited <= most, "{share}: {waited:?} of {:?}", now - begin);
        }
    }

    #[test]
    fn a_short_wait_is_forgiven() {
        let (mut waits, now) = (Waits::default(), Instant::now());
        waits.note(process(7), SECOND / 3, SECOND, now);
        assert_eq!(waits.rest_of(process(7), SECOND, now), None);
        waits.note(process(7), SECOND / 3, SECOND, now + 30 * SECOND);
        assert_eq!(waits.rest_of(process(7), SECOND, now + 30 * SECOND), None);
    }

    #[test]
    fn nobody_rests_for_more_than_an_hour_and_no_more_is_kept_than_needed() {
        let (mut waits, now) = (Waits::default(), Instant::now());
        for inode in 0..10_000 {
            for _ in 0..3 {
                waits.note(process(inode), Duration::MAX, Duration::MAX / 2, now);
            }
        }
        assert_eq!(waits.0.len(), LIMIT);
        assert_eq!(waits.rest_of(process(9999), Duration::MAX / 2, now), Some(3600 * SECOND));
        assert_eq!(waits.rest_of(process(9999), Duration::MAX / 2, now + 3600 * SECOND), None);
    }
}
