//! One segment: its memory, and the one right to write it.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use framebroker_protocol::message::SegmentInfo;
use framebroker_protocol::shm::ShmError;
use framebroker_protocol::{Backing, SegmentIndex, realtime_ns};

use super::Memory;
use super::registry::{Entry, Registry};

/// A segment's object as the broker keeps it. It counts as freed when the last part of the broker lets go of it; clients
/// that still have it mapped keep the memory.
#[derive(Debug)]
pub struct Segment {
    entry: Entry,
    index: SegmentIndex,
    backing: Backing,
    bytes: usize,
    align: usize,
    allocated_realtime_ns: u64,
    usage: AtomicU64,
    memory: Memory,
}

impl Segment {
    pub(super) fn new(
        registry: &Registry,
        (index, backing): (SegmentIndex, Backing),
        (bytes, align): (usize, usize),
        memory: Memory,
    ) -> Self {
        let (entry, allocated_realtime_ns, usage) = (registry.entry(), realtime_ns(), AtomicU64::new(0));
        Self { entry, index, backing, bytes, align, allocated_realtime_ns, usage, memory }
    }

    /// Which segment of the stream.
    #[must_use]
    pub fn index(&self) -> SegmentIndex {
        self.index
    }

    /// Which object at that index.
    #[must_use]
    pub fn backing(&self) -> Backing {
        self.backing
    }

    /// Payload bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes in pages.
    #[must_use]
    pub fn mapped_bytes(&self) -> usize {
        self.memory.mapping().len()
    }

    /// When it was allocated.
    #[must_use]
    pub fn allocated_realtime_ns(&self) -> u64 {
        self.allocated_realtime_ns
    }

    /// Times it was published.
    #[must_use]
    pub fn usage_count(&self) -> u64 {
        self.usage.load(Ordering::Relaxed)
    }

    /// What a client needs to map it.
    #[must_use]
    pub fn info(&self) -> SegmentInfo {
        SegmentInfo {
            index: self.index,
            backing: self.backing,
            bytes: self.mapped_bytes() as u64,
            // At most a huge page.
            align: u32::try_from(self.align).unwrap_or(1),
            path: self.memory.path(),
        }
    }

    /// The descriptor a client maps it by; `None` where it opens the path of [`Self::info`].
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.memory.descriptor()
    }

    /// Closes every route to write it, but for the mappings there are: its producer has mapped it.
    ///
    /// # Errors
    /// The kernel refuses, or did not keep a seal.
    pub fn seal(&self) -> Result<(), ShmError> {
        self.memory.seal()
    }

    /// Where it lies in this process: a multiple of the alignment asked for.
    #[must_use]
    pub fn address(&self) -> usize {
        self.memory.mapping().as_ptr().addr()
    }

    /// The buffer context: 1000 + index.
    #[must_use]
    pub fn context(&self) -> u32 {
        self.index.buffer_context()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.entry.strike(self);
    }
}

/// The exclusive right to write one segment's payload.
#[derive(Debug)]
pub struct WritableSegment {
    segment: Arc<Segment>,
    epoch: Epoch,
}

/// Whom a segment was made for: 0 for a source in the broker, else the producer of this number. A segment that another
/// producer could write is of no use to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Epoch(pub u64);

impl WritableSegment {
    /// Called once, where the segment is made: whoever has this value is the segment's one writer.
    pub(super) fn only_one_of(segment: &Arc<Segment>) -> Self {
        Self { segment: Arc::clone(segment), epoch: Epoch::default() }
    }

    /// The same right, for a producer.
    #[must_use]
    pub fn for_epoch(self, epoch: Epoch) -> Self {
        Self { epoch, ..self }
    }

    /// Whom it was made for.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Which segment.
    #[must_use]
    pub fn index(&self) -> SegmentIndex {
        self.segment.index
    }

    /// Which object at that index.
    #[must_use]
    pub fn backing(&self) -> Backing {
        self.segment.backing
    }

    /// The buffer context: 1000 + index.
    #[must_use]
    pub fn context(&self) -> u32 {
        self.segment.context()
    }

    /// Counts that it is published once more.
    pub fn count_use(&mut self) {
        self.segment.usage.fetch_add(1, Ordering::Relaxed);
    }

    /// Payload bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no segment is empty")]
    pub fn len(&self) -> usize {
        self.segment.bytes
    }

    /// Keeps the memory mapped, whatever becomes of `self`: for drivers that know its address until they are stopped.
    #[must_use]
    pub fn keep_mapped(&self) -> MappingKept {
        MappingKept(Arc::clone(&self.segment))
    }

    /// Where the payload begins, for drivers that write it themselves. They may do so while they have `self`.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.segment.memory.mapping().as_mut_ptr()
    }

    /// The payload.
    #[expect(unsafe_code, reason = "the one place where a segment becomes plain memory")]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping has at least `bytes` bytes (`Memory::check`), is writable and lives as long as `self.segment`.
        // Nobody else in this process writes or borrows it, as `self` is the segment's only `WritableSegment` and is
        // borrowed mutably. Other processes cannot write it (sealed; a producer that it is lent to is trusted with it, and its
        // source does not call this), or are of the broker's own user and asked not to
        // (named), and what they read while they hold no frame in it is their own fault.
        unsafe { std::slice::from_raw_parts_mut(self.segment.memory.mapping().as_mut_ptr(), self.segment.bytes) }
    }
}

/// Keeps a segment's memory mapped, and gives no right to touch it.
#[derive(Debug)]
pub struct MappingKept(Arc<Segment>);

impl MappingKept {
    /// Whether it is this segment's memory.
    #[must_use]
    pub fn is_of(&self, segment: &WritableSegment) -> bool {
        Arc::ptr_eq(&self.0, &segment.segment)
    }
}
