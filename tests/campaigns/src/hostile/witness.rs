//! A consumer that keeps the rules, and what it saw.

use std::path::Path;
use std::time::{Duration, Instant};

use framebroker_client::Broker;
use framebroker_protocol::monotonic_ns;
use framebroker_protocol::pattern::Pattern;
use framebroker_tests::{PATIENCE, wait_for};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::READ;

/// What a consumer saw for a while.
#[derive(Debug)]
pub struct Figures {
    /// From publish to received, in ns, sorted.
    latencies: Vec<u64>,
    cpu_ns: f64,
    lost: u64,
    bad: Option<String>,
}

impl Figures {
    /// Reads until then, every byte of every frame, and at least one.
    pub fn of(socket: &Path, until: Instant) -> Self {
        let broker = Broker::builder().socket(socket).name("witness").connect().unwrap();
        // What those before it were granted is given back when the broker has seen that they are gone.
        let mut subscription = wait_for("a place in the ring", PATIENCE, || broker.subscribe(READ).open().ok());
        let (mut latencies, mut bad, mut expected) = (Vec::new(), None, None);
        let (mut pattern, begin) = (None, own_cpu_ns());
        while Instant::now() < until || latencies.is_empty() {
            let frame = subscription.next(Duration::from_secs(5)).unwrap();
            latencies.push(monotonic_ns().saturating_sub(frame.header().monotonic_ns));
            let (width, height) = (frame.width(), frame.height());
            let pattern =
                pattern.get_or_insert_with(|| Pattern::new(frame.pixel_format(), width, height).expect("a pattern"));
            let sequence = frame.sequence().0;
            let in_order = expected.is_none_or(|expected| expected == sequence);
            let fault = pattern.verify(frame.data(), frame.header().block_id).err().map(|fault| fault.to_string());
            bad = bad.or(fault).or_else(|| (!in_order).then(|| format!("{sequence} in place of {expected:?}")));
            expected = Some(sequence + 1);
        }
        let cpu_ns = own_cpu_ns() - begin;
        latencies.sort_unstable();
        Self { latencies, cpu_ns, lost: subscription.counters().lost, bad }
    }

    /// Checks that nothing was lost and every byte was right.
    pub fn must_be_whole(&self, beside: &str) {
        assert!(!self.latencies.is_empty(), "no frame came beside: {beside}");
        assert_eq!(self.lost, 0, "lost beside: {beside}");
        if let Some(bad) = &self.bad {
            panic!("a bad frame beside: {beside}: {bad}");
        }
    }

    pub fn frames(&self) -> usize {
        self.latencies.len()
    }

    pub fn p50(&self) -> f64 {
        self.quantile(50)
    }

    pub fn p99(&self) -> f64 {
        self.quantile(99)
    }

    pub fn cpu_per_frame(&self) -> f64 {
        self.cpu_ns / self.frames() as f64
    }

    fn quantile(&self, percent: usize) -> f64 {
        self.latencies[(self.latencies.len() * percent / 100).min(self.latencies.len() - 1)] as f64
    }
}

/// Of this thread.
fn own_cpu_ns() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 * 1e3
}
