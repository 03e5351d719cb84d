//! The segments of a stream: those it has, those it is having made, those it gives up, and those it gave up to somebody who may
//! still read them.

use std::collections::BTreeSet;
use std::sync::Arc;

use framebroker_protocol::{ContextId, SegmentIndex, stop_point};
use tracing::warn;

use super::Limits;
use super::size::RingSize;
use crate::factory::{BufferFactory, Epoch, Segment};
use crate::source::Requirements;
use crate::stream::StreamCore;
use crate::stream::admission::Capacity;
use crate::stream::debts::Debts;
use crate::stream::pool::Pool;
use crate::stream::process::ProcessKey;
use crate::worker::{Order, Worker};

/// The segments of a stream.
#[derive(Debug)]
pub(super) struct Segments {
    core: Arc<StreamCore>,
    factory: Arc<dyn BufferFactory>,
    pool: Pool,
    size: RingSize,
    /// Segments that were given up while somebody may read them.
    debts: Debts,
    needs: Requirements,
    limits: Limits,
    has_warned: bool,
}

impl Segments {
    pub fn new(
        core: Arc<StreamCore>,
        factory: Arc<dyn BufferFactory>,
        pool: Pool,
        needs: Requirements,
        limits: Limits,
    ) -> Self {
        let size = RingSize::new(pool.expected());
        Self { core, factory, pool, size, debts: Debts::default(), needs, limits, has_warned: false }
    }

    pub fn factory(&self) -> &Arc<dyn BufferFactory> {
        &self.factory
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn needs(&self) -> Requirements {
        self.needs
    }

    pub fn size(&self) -> &RingSize {
        &self.size
    }

    pub fn size_mut(&mut self) -> &mut RingSize {
        &mut self.size
    }

    pub fn debts(&self) -> &Debts {
        &self.debts
    }

    pub fn debts_mut(&mut self) -> &mut Debts {
        &mut self.debts
    }

    /// What the source needs now; segments that did for it still do.
    pub fn set_needs(&mut self, needs: Requirements) {
        self.needs = needs;
    }

    /// From here on only segments that fit these needs count, and made for this epoch.
    pub fn require(&mut self, needs: Requirements, epoch: Epoch) {
        self.needs = needs;
        self.pool.require(needs.payload_bytes, epoch);
        // The grab thread takes back what it was to give up with frames to come.
        self.size.keep_all();
    }

    pub fn leave_behind(&mut self, indices: &[SegmentIndex]) {
        indices.iter().for_each(|index| self.pool.leave_behind(*index));
    }

    /// Segments that the source needs, and the newest frame, which is never retired.
    pub fn reserve(&self) -> usize {
        self.needs.min_queued + 1
    }

    /// Segments in use and ordered that stay.
    pub fn expected(&self) -> usize {
        self.pool.expected().saturating_sub(self.size.leaving())
    }

    /// Segments in use that stay, also where so many may turn out to be lost.
    pub fn staying(&self, unconfirmed: usize) -> usize {
        self.pool.installed().saturating_sub(unconfirmed + self.size.leaving())
    }

    fn free_bytes(&self) -> u64 {
        self.limits.memory_bytes.saturating_sub(self.debts.bytes() + self.pool.bytes())
    }

    pub fn capacity(&self, granted: usize, unconfirmed: usize, can_grow: bool) -> Capacity {
        let expected = self.expected();
        let growable_to = if can_grow {
            let more = usize::try_from(self.free_bytes() / self.needs.payload_bytes.max(1) as u64);
            let most = expected.saturating_add(more.unwrap_or(usize::MAX));
            self.limits.max_segments.saturating_sub(self.size.leaving()).min(most)
        } else {
            expected
        };
        // Each of the unconfirmed may turn out to be a segment less. What is beyond the limit, since segments that had been too
        // small fit again, is given up.
        let segments = expected.saturating_sub(unconfirmed).min(self.limits.max_segments);
        Capacity { segments, growable_to, reserve: self.reserve(), history: self.limits.history, granted }
    }

    /// The same where there is no ring: it is made when the source comes.
    pub fn capacity_to_come(&self, granted: usize) -> Capacity {
        let (segments, growable_to) = (self.limits.max_segments, self.limits.max_segments);
        Capacity { segments, growable_to, reserve: self.reserve(), history: self.limits.history, granted }
    }

    /// Whether a whole ring could be made beside the one that is there.
    pub fn has_room_for_another_ring(&self) -> bool {
        let needed = (self.needs.payload_bytes as u64).saturating_mul(self.size.wanted() as u64);
        self.free_bytes() >= needed && self.pool.vacant() >= self.size.wanted()
    }

    /// Orders segments until there will be so many.
    pub fn order(&mut self, worker: &Worker, target: usize) {
        while self.expected() < target {
            let Some((index, backing)) = self.pool.order(self.needs.payload_bytes) else { return };
            let (stream, factory) = (self.core.id, Arc::clone(&self.factory));
            worker.order(Order { stream, factory, index, backing, bytes: self.needs.payload_bytes });
            stop_point("growth.ordered");
        }
    }

    pub fn install(&mut self, segment: &Arc<Segment>) {
        self.pool.install(segment);
        self.watch_memory();
    }

    /// One that was ordered cannot be had, or is not wanted any more.
    pub fn do_without(&mut self, index: SegmentIndex) {
        self.pool.vacate(index);
    }

    pub fn release(&mut self, index: SegmentIndex) {
        if self.pool.counts(index) {
            self.size.gave_up_one();
        }
        self.pool.vacate(index);
    }

    /// It no longer counts: somebody may read its frame for ever.
    pub fn quarantine(&mut self, index: SegmentIndex) {
        self.pool.quarantine(index);
    }

    /// The ring is done with a quarantined frame: the index of its segment is free, its memory is owed to who may read it.
    pub fn vacate(&mut self, context: ContextId, readers: BTreeSet<ProcessKey>) {
        let bytes = self.pool.vacate(context.segment());
        self.debts.add(bytes, readers);
    }

    /// Frees all; returns the contexts of those that somebody else in this process still has.
    pub fn free_all(&mut self) -> Vec<u32> {
        let kept = self.pool.empty();
        kept.iter().filter_map(std::sync::Weak::upgrade).map(|segment| segment.index().buffer_context()).collect()
    }

    /// Warns, once, when they take more memory than is liked.
    pub fn watch_memory(&mut self) {
        let Some(limit) = self.limits.memory_warn_bytes.filter(|_| !self.has_warned) else { return };
        let current = self.factory.stats().current_bytes;
        if current > limit {
            self.has_warned = true;
            let (current_mb, warn_mb) = (current.div_ceil(1 << 20), limit >> 20);
            warn!(stream = %self.core.name, current_mb, warn_mb, "segments take more memory than --memory-warn");
        }
    }
}
