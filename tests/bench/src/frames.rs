//! What all media have in common: the pace of publishing and the record of receiving.

use std::time::{Duration, Instant};

use framebroker_protocol::monotonic_ns;
use framebroker_protocol::ring::{Predictive, WaitMode};
use nix::time::{ClockId, clock_gettime};

use crate::Result;

/// Frames per second.
pub const RATE: u32 = 200;
/// A consumer that sees no frame for so long gives up.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How a consumer waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Wait {
    Block,
    Spin,
    Predictive,
}

impl Wait {
    pub fn mode(self) -> WaitMode {
        match self {
            Self::Block => WaitMode::Block,
            Self::Spin => WaitMode::Spin,
            Self::Predictive => WaitMode::Predictive(Predictive::default()),
        }
    }
}

/// What is measured, in ns of `CLOCK_MONOTONIC`: the same for all processes of a measurement.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Window {
    pub start_ns: u64,
    pub end_ns: u64,
}

/// A frame as a consumer saw it.
pub struct Seen {
    pub sequence: u64,
    pub published_ns: u64,
    pub seen_ns: u64,
}

/// Calls `publish` with the time at [`RATE`], for ever. Sleeps as the broker's pattern source does.
pub fn pace(mut publish: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let period = Duration::from_secs(1) / RATE;
    let mut due = Instant::now();
    loop {
        due = (due + period).max(Instant::now());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        publish(monotonic_ns())?;
    }
}

/// Receives frames until the window ends. Prints processor time in ns, frames lost, and each frame's latency in ns.
pub fn record(window: Window, mut next: impl FnMut() -> Result<Seen>) -> Result<()> {
    let mut latencies_ns = Vec::with_capacity(4096);
    let mut first = next()?;
    while first.published_ns < window.start_ns {
        first = next()?;
    }
    let cpu_ns = cpu_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    let mut last = first.sequence;
    let mut lost = 0;
    loop {
        let seen = next()?;
        if seen.published_ns >= window.end_ns {
            break;
        }
        lost += seen.sequence.saturating_sub(last + 1);
        last = seen.sequence;
        latencies_ns.push(seen.seen_ns.saturating_sub(seen.published_ns));
    }
    let cpu_ns = self::cpu_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID)? - cpu_ns;
    let latencies: Vec<String> = latencies_ns.iter().map(u64::to_string).collect();
    println!("{cpu_ns} {lost} {}", latencies.join(" "));
    Ok(())
}

/// What a processor-time clock shows.
pub fn cpu_ns(clock: ClockId) -> Result<u64> {
    Ok(u64::try_from(Duration::from(clock_gettime(clock)?).as_nanos())?)
}
