//! The buffer factory: gives out the segments that sources fill, names each by its buffer context, and counts.
//!
//! [`BufferFactory`] is the whole contract. A strategy makes the memory of one segment ([`BufferFactory::create`]); all
//! else is the same for every strategy and stands here: contexts, placement, the look-up, the statistics. The strategies
//! are [`Memfd`] (the default), [`HugeTlb`] and [`Posix`]; others may be added outside this crate, as
//! `examples/file_backing` does.

mod error;
mod hugetlb;
mod memfd;
mod memory;
mod placement;
mod posix;
mod registry;
mod segment;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use framebroker_protocol::shm::PAGE_BYTES;
use framebroker_protocol::{Backing, SegmentIndex};

pub use error::FactoryError;
pub use framebroker_protocol::shm::HugePage;
pub use hugetlb::HugeTlb;
pub use memfd::Memfd;
pub use memory::{Memory, Request, Sharing};
pub use placement::{MAX_ALIGN, MIN_ALIGN, Placement};
pub use posix::{Posix, remove_leftovers};
pub use registry::{FactoryStats, Registry};
pub use segment::{Epoch, MappingKept, Segment, WritableSegment};

/// Gives out segments. Two methods and two facts make a strategy; nobody needs to write the others anew.
pub trait BufferFactory: fmt::Debug + Send + Sync {
    /// What the strategy is called: in the ready line, in lists, and in the names of its objects.
    fn name(&self) -> &str;

    /// How other processes get at its segments.
    fn sharing(&self) -> Sharing;

    /// What it has given out, and where memory shall lie.
    fn registry(&self) -> &Registry;

    /// Makes the memory of one segment: zeros, mapped for writing at [`Request::align`], with no route left to write it
    /// where it is sealed. Pages need not be there yet.
    ///
    /// # Errors
    /// What the system refuses, and what to do.
    fn create(&self, request: &Request) -> Result<Memory, FactoryError>;

    /// A segment's size is rounded up to whole pages of so many bytes, a power of two.
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }

    /// Says beforehand whether so many segments of so many bytes can be had, where that can be known.
    ///
    /// # Errors
    /// What is missing, and what to do.
    fn foresee(&self, segments: usize, bytes: usize) -> Result<(), FactoryError> {
        let _ = (segments, bytes);
        Ok(())
    }

    /// Allocates a segment of at least `bytes` bytes under the lowest free buffer context. The factory keeps it until
    /// [`Self::free`]; what is returned is the one right to write it.
    ///
    /// # Errors
    /// What the system refuses, or no context is left.
    fn allocate(&self, bytes: usize) -> Result<WritableSegment, FactoryError> {
        let place = self.registry().lowest_free()?;
        let allocated = make(self, place, bytes);
        self.registry().settle(place, allocated.as_ref().ok().map(|(segment, _)| segment), true);
        allocated.map(|(_, writable)| writable)
    }

    /// Allocates a segment of at least `bytes` bytes at an index of the caller's: the ring has its own. It is freed when
    /// the last part of it is dropped.
    ///
    /// # Errors
    /// What the system refuses.
    fn allocate_at(
        &self,
        index: SegmentIndex,
        backing: Backing,
        bytes: usize,
    ) -> Result<(Arc<Segment>, WritableSegment), FactoryError> {
        let allocated = make(self, (index, backing), bytes)?;
        self.registry().settle((index, backing), Some(&allocated.0), false);
        Ok(allocated)
    }

    /// Frees a segment of [`Self::allocate`]: its context is free for another. The memory goes, and is counted as freed,
    /// when nobody in this process uses the segment any more.
    ///
    /// # Errors
    /// There is no such segment, or the ring has it.
    fn free(&self, context: u32) -> Result<(), FactoryError> {
        self.registry().free(context)
    }

    /// The segment of a buffer context.
    fn find(&self, context: u32) -> Option<Arc<Segment>> {
        self.registry().find(context)
    }

    /// What was allocated and freed.
    fn stats(&self) -> FactoryStats {
        self.registry().stats()
    }
}

/// Makes a segment and puts its memory in place.
fn make<F: BufferFactory + ?Sized>(
    factory: &F,
    (index, backing): (SegmentIndex, Backing),
    bytes: usize,
) -> Result<(Arc<Segment>, WritableSegment), FactoryError> {
    let began = Instant::now();
    let (registry, page_bytes) = (factory.registry(), factory.page_bytes());
    let placement = registry.placement();
    // A huge page can be mapped nowhere else.
    let align = if page_bytes > PAGE_BYTES { placement.align.max(page_bytes) } else { placement.align };
    let mapped = bytes.max(1).checked_next_multiple_of(page_bytes).ok_or(FactoryError::TooLarge { bytes })?;
    let request = Request { index, backing, bytes: mapped, align, lent: registry.is_lending() };
    let memory = factory.create(&request)?;
    memory.check(factory.sharing(), &request)?;
    placement.apply(memory.mapping()).map_err(|error| memory.explain(error))?;
    let segment = Arc::new(Segment::new(registry, (index, backing), (bytes, align), memory));
    registry.count_allocated(&segment, began.elapsed());
    let writable = WritableSegment::only_one_of(&segment);
    Ok((segment, writable))
}
