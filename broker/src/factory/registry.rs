//! What a factory has given out: segments by context, and figures.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use framebroker_protocol::stats::Timing;
use framebroker_protocol::{Backing, FIRST_BUFFER_CONTEXT, SEGMENT_LIMIT, SegmentIndex};

use super::{FactoryError, Placement, Segment};
use crate::counter::TimingCounter;

/// The registry of one factory.
#[derive(Debug, Default)]
pub struct Registry(Arc<Inner>);

/// A segment's way to the registry that it stands in, if that is still there: a registry holds segments, so these hold none.
#[derive(Debug)]
pub(super) struct Entry(Weak<Inner>);

#[derive(Debug, Default)]
struct Inner {
    placement: Placement,
    lending: bool,
    figures: Figures,
    segments: Mutex<Segments>,
    allocate: Mutex<TimingCounter>,
}

/// Segments by index.
#[derive(Debug, Default)]
struct Segments {
    by_index: BTreeMap<SegmentIndex, (Backing, Kept)>,
    /// Objects that [`Registry::lowest_free`] has numbered.
    numbered: u32,
}

#[derive(Debug)]
enum Kept {
    /// Being made.
    Awaited,
    /// Until it is freed by its context.
    Here(Arc<Segment>),
    /// By its user; it is freed when that one drops it.
    Elsewhere(Weak<Segment>),
}

/// What was allocated and freed. Bytes are payload asked for.
#[derive(Debug, Default)]
struct Figures {
    allocated: AtomicU64,
    freed: AtomicU64,
    current_bytes: AtomicU64,
    peak_bytes: AtomicU64,
    mapped_bytes: AtomicU64,
}

/// A factory's figures.
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
        self.total_allocated.saturating_sub(self.total_freed)
    }
}

impl Registry {
    /// An empty registry of a factory whose segments shall lie like this.
    #[must_use]
    pub fn new(placement: Placement) -> Self {
        Self(Arc::new(Inner { placement, ..Inner::default() }))
    }

    /// As [`Self::new`], of a factory whose segments a producer process is to fill.
    #[must_use]
    pub fn lending(placement: Placement) -> Self {
        Self(Arc::new(Inner { placement, lending: true, ..Inner::default() }))
    }

    /// Whether a producer process is to fill the segments.
    #[must_use]
    pub fn is_lending(&self) -> bool {
        self.0.lending
    }

    /// Where segments shall lie.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.0.placement
    }

    /// The lowest index without a segment, reserved until [`Self::settle`].
    pub(super) fn lowest_free(&self) -> Result<(SegmentIndex, Backing), FactoryError> {
        let mut segments = self.segments();
        let indices = (0..SEGMENT_LIMIT).filter_map(SegmentIndex::new);
        let free =
            indices.into_iter().find(|index| segments.by_index.get(index).is_none_or(|(_, kept)| kept.is_gone()));
        let index = free.ok_or(FactoryError::NoContext)?;
        segments.numbered += 1;
        let backing = Backing(segments.numbered);
        segments.by_index.insert(index, (backing, Kept::Awaited));
        Ok((index, backing))
    }

    /// Notes the segment that was made for an index, or that there is none.
    pub(super) fn settle(&self, (index, backing): (SegmentIndex, Backing), made: Option<&Arc<Segment>>, keep: bool) {
        let old = match made {
            Some(segment) if keep => self.segments().by_index.insert(index, (backing, Kept::Here(Arc::clone(segment)))),
            Some(segment) => {
                self.segments().by_index.insert(index, (backing, Kept::Elsewhere(Arc::downgrade(segment))))
            }
            None => self.segments().by_index.remove(&index),
        };
        // Only here, since dropping a segment takes the same lock.
        drop(old);
    }

    pub(super) fn find(&self, context: u32) -> Option<Arc<Segment>> {
        match self.segments().by_index.get(&index_of(context)?)? {
            (_, Kept::Here(segment)) => Some(Arc::clone(segment)),
            (_, Kept::Elsewhere(segment)) => segment.upgrade(),
            (_, Kept::Awaited) => None,
        }
    }

    pub(super) fn free(&self, context: u32) -> Result<(), FactoryError> {
        let unknown = FactoryError::UnknownContext { context };
        let Some(index) = index_of(context) else { return Err(unknown) };
        let mut segments = self.segments();
        match segments.by_index.get(&index) {
            Some((_, Kept::Here(_))) => {}
            Some((_, Kept::Elsewhere(segment))) if segment.strong_count() > 0 => {
                return Err(FactoryError::InUse { context });
            }
            _ => return Err(unknown),
        }
        let freed = segments.by_index.remove(&index);
        drop(segments);
        // Only here, since dropping a segment takes the same lock.
        drop(freed);
        Ok(())
    }

    /// The figures now.
    #[must_use]
    pub fn stats(&self) -> FactoryStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let figures = &self.0.figures;
        FactoryStats {
            total_allocated: load(&figures.allocated),
            total_freed: load(&figures.freed),
            current_bytes: load(&figures.current_bytes),
            peak_bytes: load(&figures.peak_bytes),
            mapped_bytes: load(&figures.mapped_bytes),
            allocate: self.0.allocate.lock().unwrap_or_else(PoisonError::into_inner).timing(),
        }
    }

    pub(super) fn count_allocated(&self, segment: &Segment, took: Duration) {
        let figures = &self.0.figures;
        figures.allocated.fetch_add(1, Ordering::Relaxed);
        figures.mapped_bytes.fetch_add(segment.mapped_bytes() as u64, Ordering::Relaxed);
        let bytes = segment.bytes() as u64;
        let current = figures.current_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        figures.peak_bytes.fetch_max(current, Ordering::Relaxed);
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.allocate.lock().unwrap_or_else(PoisonError::into_inner).add(took_ns);
    }

    /// For a segment that stands in this registry.
    pub(super) fn entry(&self) -> Entry {
        Entry(Arc::downgrade(&self.0))
    }

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.0.segments()
    }
}

impl Entry {
    /// The segment goes.
    pub(super) fn strike(&self, segment: &Segment) {
        let Some(registry) = self.0.upgrade() else { return };
        let figures = &registry.figures;
        figures.freed.fetch_add(1, Ordering::Relaxed);
        figures.current_bytes.fetch_sub(segment.bytes() as u64, Ordering::Relaxed);
        figures.mapped_bytes.fetch_sub(segment.mapped_bytes() as u64, Ordering::Relaxed);
        let mut segments = registry.segments();
        // The index may have another object by now.
        if segments.by_index.get(&segment.index()).is_some_and(|(backing, _)| *backing == segment.backing()) {
            segments.by_index.remove(&segment.index());
        }
    }
}

impl Inner {
    fn segments(&self) -> MutexGuard<'_, Segments> {
        // A panic while it was held cannot have left a place half noted.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Elsewhere(segment) if segment.strong_count() == 0)
    }
}

fn index_of(context: u32) -> Option<SegmentIndex> {
    SegmentIndex::new(usize::try_from(context.checked_sub(FIRST_BUFFER_CONTEXT)?).ok()?)
}
