//! The buffer factory: allocates the segments that sources fill, names each by its buffer context, and counts.

mod segment;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use framebroker_protocol::shm::ShmError;
use framebroker_protocol::stats::Timing;
use framebroker_protocol::{Backing, SegmentIndex};

pub use segment::{Segment, WritableSegment};

/// Allocates segments and keeps the books on them.
#[derive(Debug, Default)]
pub struct Factory {
    books: Books,
    allocate: Mutex<TimingSum>,
}

/// What was allocated and freed. Bytes are payload asked for.
#[derive(Debug, Default)]
struct Books {
    allocated: AtomicU64,
    freed: AtomicU64,
    current_bytes: AtomicU64,
    peak_bytes: AtomicU64,
    mapped_bytes: AtomicU64,
}

/// The factory's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactoryStats {
    /// Segments ever allocated.
    pub total_allocated: u64,
    /// Segments freed.
    pub total_freed: u64,
    /// Payload bytes allocated now.
    pub current_bytes: u64,
    /// The most payload bytes at any time.
    pub peak_bytes: u64,
    /// Bytes in pages now.
    pub mapped_bytes: u64,
    /// How long allocating took.
    pub allocate: Timing,
}

impl FactoryStats {
    /// Segments now.
    #[must_use]
    pub fn active_buffers(&self) -> u64 {
        self.total_allocated - self.total_freed
    }
}

impl Factory {
    /// A segment of at least `bytes` bytes: created, mapped, sealed against everyone else's writing, and backed by
    /// memory page for page.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn allocate(
        self: &Arc<Self>,
        index: SegmentIndex,
        backing: Backing,
        bytes: usize,
    ) -> Result<(Arc<Segment>, WritableSegment), ShmError> {
        let began = Instant::now();
        let segment = Arc::new(Segment::create(Arc::clone(self), index, backing, bytes)?);
        self.count_allocated(&segment);
        self.allocate.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(began.elapsed().as_nanos());
        let writable = WritableSegment::only_one_of(&segment);
        Ok((segment, writable))
    }

    /// The figures now.
    #[must_use]
    pub fn stats(&self) -> FactoryStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FactoryStats {
            total_allocated: load(&self.books.allocated),
            total_freed: load(&self.books.freed),
            current_bytes: load(&self.books.current_bytes),
            peak_bytes: load(&self.books.peak_bytes),
            mapped_bytes: load(&self.books.mapped_bytes),
            allocate: self.allocate.lock().unwrap_or_else(std::sync::PoisonError::into_inner).timing(),
        }
    }

    fn count_allocated(&self, segment: &Segment) {
        let books = &self.books;
        books.allocated.fetch_add(1, Ordering::Relaxed);
        books.mapped_bytes.fetch_add(segment.mapped_bytes() as u64, Ordering::Relaxed);
        let bytes = segment.bytes() as u64;
        let current = books.current_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        books.peak_bytes.fetch_max(current, Ordering::Relaxed);
    }

    fn count_freed(&self, segment: &Segment) {
        self.books.freed.fetch_add(1, Ordering::Relaxed);
        self.books.current_bytes.fetch_sub(segment.bytes() as u64, Ordering::Relaxed);
        self.books.mapped_bytes.fetch_sub(segment.mapped_bytes() as u64, Ordering::Relaxed);
    }
}

/// Adds up durations.
#[derive(Debug, Default, Clone, Copy)]
pub struct TimingSum {
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl TimingSum {
    /// Counts one duration.
    pub fn add(&mut self, ns: impl TryInto<u64>) {
        let ns = ns.try_into().unwrap_or(u64::MAX);
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Count, mean and maximum.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing { count: self.count, mean_ns: self.sum_ns.checked_div(self.count).unwrap_or(0), max_ns: self.max_ns }
    }
}
