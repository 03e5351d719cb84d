//! Keeps what clients can cause from flooding the log.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing::warn;

/// Messages about clients in one period.
const LIMIT: u32 = 50;
const PERIOD: Duration = Duration::from_secs(1);

/// Counts messages.
#[derive(Debug)]
pub struct LogLimit(Mutex<Option<Period>>);

#[derive(Debug)]
struct Period {
    began: Instant,
    asked: u32,
}

/// What is logged about clients.
pub static CLIENTS: LogLimit = LogLimit::new();

impl LogLimit {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether one more message may be logged. Says, with the first of the next period, how many were left out.
    pub fn may_speak(&self) -> bool {
        self.may_speak_at(Instant::now())
    }

    fn may_speak_at(&self, now: Instant) -> bool {
        let mut period = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let current = period.get_or_insert(Period { began: now, asked: 0 });
        if now.duration_since(current.began) >= PERIOD {
            let left_out = current.asked.saturating_sub(LIMIT);
            if left_out > 0 {
                warn!(left_out, "messages about clients were not logged: there were too many");
            }
            *current = Period { began: now, asked: 0 };
        }
        current.asked += 1;
        current.asked <= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_a_new_period_speaks_again() {
        let (limit, now) = (LogLimit::new(), Instant::now());
        let spoken = (0..1000).filter(|_| limit.may_speak_at(now)).count();
        assert_eq!(spoken, LIMIT as usize);
        assert!(limit.may_speak_at(now + PERIOD));
    }
}
