//! What happened on a stream, counted by its grab thread and read by anyone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use framebroker_protocol::stats::Timing;

use crate::source::TransportCounters;

/// The counters of one stream. Only its grab thread raises them.
#[derive(Debug, Default)]
pub struct StreamCounters {
    /// Frames the source delivered.
    pub grabbed: Counter,
    /// Frames published.
    pub published: Counter,
    /// Frames of which a part was lost on the way.
    pub incomplete: Counter,
    /// Frames lost between camera and broker.
    pub lost_at_camera: Counter,
    /// Frames dropped because no segment was free.
    pub starved: Counter,
    /// Publishing, without the wake-up.
    pub publish: TimingCounter,
    /// Retiring.
    pub retire: TimingCounter,
    /// Figures of earlier openings of the source, and of the present one.
    transport: Mutex<(TransportCounters, TransportCounters)>,
}

impl StreamCounters {
    /// The transport's figures over all openings of the source.
    #[must_use]
    pub fn transport(&self) -> TransportCounters {
        let (before, now) = *self.transport.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        before.plus(now)
    }

    /// Keeps the present source's figures.
    pub fn set_transport(&self, now: TransportCounters) {
        self.transport.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1 = now;
    }

    /// The present source ends; its figures stay.
    pub fn end_transport(&self) {
        let mut transport = self.transport.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *transport = (transport.0.plus(transport.1), TransportCounters::default());
    }
}

/// A number with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
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
