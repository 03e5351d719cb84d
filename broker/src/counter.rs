//! Numbers and durations that one thread counts and any may read.

use std::sync::atomic::{AtomicU64, Ordering};

use framebroker_protocol::stats::Timing;

/// A number with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// It is this number from now on.
    pub fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations with one writer and no lock: a reader may see the three figures of two neighbouring moments.
#[derive(Debug, Default)]
pub struct TimingCounter {
    count: Counter,
    sum_ns: Counter,
    max_ns: AtomicU64,
}

impl TimingCounter {
    /// Counts one duration.
    pub fn add(&self, ns: u64) {
        self.count.add(1);
        self.sum_ns.add(ns);
        self.max_ns.fetch_max(ns, Ordering::Relaxed);
    }

    /// Count, mean and maximum.
    #[must_use]
    pub fn timing(&self) -> Timing {
        let count = self.count.get();
        let mean_ns = self.sum_ns.get().checked_div(count).unwrap_or(0);
        Timing { count, mean_ns, max_ns: self.max_ns.load(Ordering::Relaxed) }
    }
}
