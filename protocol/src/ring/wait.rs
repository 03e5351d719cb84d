//! Ways to wait for the next frame: the trade between latency and processor time is the consumer's.

use std::time::{Duration, Instant};

use super::Reader;

/// How a reader waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitMode {
    /// Sleeps on the stream's futex. Costs nothing while it waits.
    #[default]
    Block,
    /// Looks without pause. Lowest latency, a whole core.
    Spin,
    /// Looks for this long, then sleeps.
    SpinThenBlock(Duration),
    /// Sleeps until shortly before the next frame is due, then looks: for cameras with a steady rate.
    Predictive(Predictive),
}

/// When a predictive wait looks, around the moment the next frame is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predictive {
    /// It begins to look this long before.
    pub lead: Duration,
    /// It sleeps again this long after, if the frame is late.
    pub patience: Duration,
}

impl Default for Predictive {
    fn default() -> Self {
        Self { lead: Duration::from_micros(150), patience: Duration::from_micros(100) }
    }
}

impl Reader {
    /// Waits in the given mode for at most `timeout`. It may return for no reason.
    pub fn wait_by(&mut self, mode: WaitMode, timeout: Duration) {
        mode.wait(self, timeout);
    }
}

impl WaitMode {
    fn wait(self, reader: &mut Reader, timeout: Duration) {
        let deadline = later(Instant::now(), timeout);
        match self {
            Self::Block => reader.wait(timeout),
            Self::Spin => {
                spin_until(reader, deadline);
            }
            Self::SpinThenBlock(spin) => {
                if !spin_until(reader, deadline.min(later(Instant::now(), spin))) {
                    reader.wait(remaining(deadline));
                }
            }
            Self::Predictive(predictive) => predictive.wait(reader, deadline),
        }
    }
}

impl Predictive {
    fn wait(self, reader: &mut Reader, deadline: Instant) {
        let (interval_ns, published_ns) = reader.pages().stream.rhythm();
        let due_ns = published_ns.saturating_add(interval_ns);
        let Some(until_due) =
            due_ns.checked_sub(crate::monotonic_ns()).filter(|_| interval_ns != 0).map(Duration::from_nanos)
        else {
            return reader.wait(remaining(deadline));
        };
        let due = later(Instant::now(), until_due);
        if let Some(sleep) = until_due.checked_sub(self.lead)
            && !sleep.is_zero()
        {
            reader.wait(sleep.min(remaining(deadline)));
        }
        if !spin_until(reader, deadline.min(later(due, self.patience))) {
            reader.wait(remaining(deadline));
        }
    }
}

fn spin_until(reader: &Reader, deadline: Instant) -> bool {
    loop {
        for _ in 0..64 {
            if reader.has_news() {
                return true;
            }
            std::hint::spin_loop();
        }
        if Instant::now() >= deadline {
            return false;
        }
    }
}

/// That long after; a time that the clock does not reach is as good as never.
fn later(moment: Instant, time: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    moment.checked_add(time).unwrap_or_else(|| moment + NEVER)
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
