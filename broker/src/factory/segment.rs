//! One segment: a sealed memfd, and the one right to write it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use framebroker_protocol::message::SegmentInfo;
use framebroker_protocol::shm::{Mapping, SharedObject, ShmError};
use framebroker_protocol::{Backing, SegmentIndex, realtime_ns};

use super::Factory;

/// A segment's object as the broker keeps it. It counts as freed when the last part of the broker lets go of it; clients
/// that still have it mapped keep the memory.
#[derive(Debug)]
pub struct Segment {
    factory: Arc<Factory>,
    index: SegmentIndex,
    backing: Backing,
    bytes: usize,
    allocated_realtime_ns: u64,
    usage: AtomicU64,
    mapping: Mapping,
    object: SharedObject,
}

impl Segment {
    /// Made in the order that leaves no route to write it open: create, map, seal, fill with pages.
    pub(super) fn create(
        factory: Arc<Factory>,
        index: SegmentIndex,
        backing: Backing,
        bytes: usize,
    ) -> Result<Self, ShmError> {
        let name = format!("framebroker-segment-{index}");
        let object = SharedObject::create(&name, bytes.next_multiple_of(PAGE_BYTES))?;
        let mapping = object.map_writable()?;
        object.seal()?;
        mapping.populate_write()?;
        let (allocated_realtime_ns, usage) = (realtime_ns(), AtomicU64::new(0));
        Ok(Self { factory, index, backing, bytes, allocated_realtime_ns, usage, mapping, object })
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
        self.mapping.len()
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
        SegmentInfo { index: self.index, backing: self.backing, bytes: self.mapped_bytes() as u64 }
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.object.as_fd()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.factory.count_freed(self);
    }
}

/// The exclusive right to write one segment's payload.
#[derive(Debug)]
pub struct WritableSegment(Arc<Segment>);

impl WritableSegment {
    /// Called once, where the segment is made: whoever has this value is the segment's one writer.
    pub(super) fn only_one_of(segment: &Arc<Segment>) -> Self {
        Self(Arc::clone(segment))
    }

    /// Which segment.
    #[must_use]
    pub fn index(&self) -> SegmentIndex {
        self.0.index
    }

    /// Which object at that index.
    #[must_use]
    pub fn backing(&self) -> Backing {
        self.0.backing
    }

    /// Counts that it is published once more.
    pub fn count_use(&mut self) {
        self.0.usage.fetch_add(1, Ordering::Relaxed);
    }

    /// Payload bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no segment is empty")]
    pub fn len(&self) -> usize {
        self.0.bytes
    }

    /// Where the payload begins, for drivers that write it themselves. They may do so while they have `self`.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.mapping.as_mut_ptr()
    }

    /// The payload.
    #[expect(unsafe_code, reason = "the one place where a segment becomes plain memory")]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping has at least `bytes` bytes, is writable and lives as long as `self.0`. Nobody else in this
        // process writes or borrows it, as `self` is the segment's only `WritableSegment` and is borrowed mutably. Other
        // processes cannot write it (sealed), and what they read while they hold no frame in it is their own fault.
        unsafe { std::slice::from_raw_parts_mut(self.0.mapping.as_mut_ptr(), self.0.bytes) }
    }
}

/// Objects are whole pages.
const PAGE_BYTES: usize = 4096;
