//! Watches a stream's counters for what an operator should hear of.

use std::time::{Duration, Instant};

use tracing::warn;

use super::StreamCore;

/// How often the counters are looked at.
const PERIOD: Duration = Duration::from_secs(10);

/// What was seen last.
#[derive(Debug)]
pub struct Health {
    next_look: Instant,
    incomplete: u64,
    starved: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self { next_look: Instant::now() + PERIOD, incomplete: 0, starved: 0 }
    }
}

impl Health {
    /// When to look next.
    #[must_use]
    pub fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Logs what went wrong since the last look, if it is time for one.
    pub fn look(&mut self, core: &StreamCore, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + PERIOD;
        let counters = &core.counters;
        let (incomplete, starved) = (counters.incomplete.get(), counters.starved.get());
        if incomplete > self.incomplete {
            warn!(
                stream = %core.name,
                frames = incomplete - self.incomplete,
                missing_packets = counters.transport().missing_packets,
                "frames arrive incomplete; give the receive buffer more room (net.core.rmem_max, --socket-buffer), use larger \
                 packets (--packet-size), or lower --fps"
            );
        }
        if starved > self.starved {
            let frames = starved - self.starved;
            warn!(stream = %core.name, frames, "frames were dropped because no segment was free; give the ring more --segments");
        }
        (self.incomplete, self.starved) = (incomplete, starved);
    }
}
