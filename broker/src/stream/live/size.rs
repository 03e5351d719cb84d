//! How large a stream's ring is: what its source needs, what readers are granted, what limits allow.

use std::sync::Arc;
use std::time::Instant;

use framebroker_protocol::SegmentIndex;
use tracing::warn;

use super::Stream;
use crate::factory::{Segment, WritableSegment};
use crate::source::Requirements;
use crate::stream::admission::Capacity;
use crate::stream::grab::Command;
use crate::worker::{Order, Worker};

impl Stream {
    /// The numbers that decide about admission.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        if self.is_ringless() {
            // The ring is made when the source comes.
            let (segments, growable_to) = (self.limits.max_segments, self.limits.max_segments);
            let (reserve, history, granted) = (self.reserve(), self.limits.history, self.granted);
            return Capacity { segments, growable_to, reserve, history, granted };
        }
        let expected = self.expected();
        let growable_to = if self.can_grow() {
            let free = self.limits.memory_bytes.saturating_sub(self.owed.bytes() + self.pool.bytes());
            let more = usize::try_from(free / self.needs.payload_bytes.max(1) as u64).unwrap_or(usize::MAX);
            self.limits.max_segments.saturating_sub(self.leaving).min(expected.saturating_add(more))
        } else {
            expected
        };
        Capacity {
            // Each of the unconfirmed may turn out to be a segment less. What is beyond the limit, since segments that had
            // been too small fit again, is given up.
            segments: expected.saturating_sub(self.unconfirmed).min(self.limits.max_segments),
            growable_to,
            reserve: self.reserve(),
            history: self.limits.history,
            granted: self.granted,
        }
    }

    /// Whether there are no segments because nobody knows what the source needs: it has not been there yet, or is a producer
    /// that has gone.
    fn is_ringless(&self) -> bool {
        self.unseen || self.is_vacant()
    }

    fn can_grow(&self) -> bool {
        !self.needs.fixed_pool || self.resuming
    }

    /// Whether a subscription that was admitted on condition of `needed` segments can begin. Where the source has not been
    /// there yet it can: there is nothing to hold before the segments are made, for all holds granted by then.
    #[must_use]
    pub fn has(&self, needed: usize) -> bool {
        self.is_ringless() || self.pool.installed().saturating_sub(self.unconfirmed + self.leaving) >= needed
    }

    /// Whether it will be able to.
    #[must_use]
    pub fn will_have(&self, needed: usize) -> bool {
        self.is_ringless() || self.expected() >= needed
    }

    /// Segments in use and ordered that stay.
    pub(super) fn expected(&self) -> usize {
        self.pool.expected().saturating_sub(self.leaving)
    }

    /// Orders segments until the ring will have `target`.
    pub fn grow(&mut self, worker: &Worker, target: usize) {
        self.size = self.size.max(target);
        self.order(worker, target);
    }

    /// Orders segments in place of those that were given up, as far as the limits go. Without, the ring still has enough for
    /// the holds that are granted: what was given up was held.
    pub fn restore(&mut self, worker: &Worker) {
        if !self.is_ringless() && self.expected() < self.size {
            self.order(worker, self.size.min(self.capacity().growable_to));
        }
        self.resume();
    }

    fn order(&mut self, worker: &Worker, target: usize) {
        while !self.is_ringless() && self.expected() < target {
            let Some((index, backing)) = self.pool.order(self.needs.payload_bytes) else { return };
            let (stream, factory) = (self.core.id, Arc::clone(&self.factory));
            worker.order(Order { stream, factory, index, backing, bytes: self.needs.payload_bytes });
        }
    }

    /// The source is stopped and needs other segments: those that do not fit, and those left behind, no longer count. It is
    /// resumed when enough have come.
    pub fn require(&mut self, needs: Requirements, restart: u64, left_behind: &[SegmentIndex]) {
        self.needs = needs;
        self.restart = restart;
        self.pool.require(needs.payload_bytes, self.epoch());
        left_behind.iter().for_each(|index| self.pool.leave_behind(*index));
        self.resuming = true;
        if std::mem::take(&mut self.unseen) || self.takes_producers() {
            let needed = self.reserve() + self.granted + self.limits.history;
            self.size = needed.max(self.limits.min_segments).min(self.limits.max_segments);
        }
        // It may need more than before: its rate was set.
        self.size = self.size.max((self.reserve() + self.granted).min(self.limits.max_segments));
        // The grab thread takes it back as well.
        self.leaving = 0;
    }

    /// Has the source resumed once there are segments for all holds that are granted, or as many as there can be. Frames that
    /// are still held in the old ones delay nothing.
    pub fn resume(&mut self) {
        let excess = self.expected().saturating_sub(self.limits.max_segments);
        // A source that takes segments only while it is stopped must have them all; a producer likes to know them all.
        let is_partial = (self.needs.fixed_pool || self.takes_producers()) && self.pool.ordered() > 0;
        let is_enough = self.has(self.reserve() + self.granted) && excess == 0 && !is_partial;
        if !self.resuming || !is_enough && self.pool.ordered() > 0 {
            return;
        }
        let (needed, there) = (self.reserve(), self.pool.installed().saturating_sub(self.unconfirmed));
        if there >= needed {
            self.resuming = false;
            // Where the grab thread has ended, there is nothing to be resumed.
            let _ended = self.commands.send(Command::Resume(self.restart));
            // Segments that were too small for the frames before may fit again.
            self.give_up(excess);
            return;
        }
        let (bytes, limit_mb) = (self.needs.payload_bytes, self.limits.memory_bytes >> 20);
        let reason = format!(
            "the source is back, and needs {needed} segments of {bytes} bytes: with --memory-limit {limit_mb} there are {there}. \
             Raise the limit, or end programs that hold frames"
        );
        if self.offline.is_some() {
            self.stay_offline(reason.clone());
        }
        if !std::mem::replace(&mut self.making_room, true) {
            // Where the grab thread has ended, nobody needs it.
            let _ended = self.commands.send(Command::MakeRoom(reason));
        }
    }

    /// The grab thread has made room for other segments, or has found none.
    pub fn made_room(&mut self, worker: &Worker, has_made_room: bool) {
        self.making_room = false;
        if has_made_room {
            self.restore(worker);
        }
    }

    /// Segments that the source needs, and the newest frame, which is never retired.
    fn reserve(&self) -> usize {
        self.needs.min_queued + 1
    }

    /// The ring has given up a segment.
    pub fn release(&mut self, index: SegmentIndex) {
        if self.pool.counts(index) {
            self.leaving = self.leaving.saturating_sub(1);
        }
        self.pool.vacate(index);
    }

    /// When there is something to be done about the size of the ring.
    #[must_use]
    pub fn shrink_at(&self) -> Option<Instant> {
        self.shrink_at
    }

    /// Has the ring give up what it has not needed for a while.
    pub fn shrink(&mut self, now: Instant) {
        let Capacity { reserve, history, granted, .. } = self.capacity();
        let needed = (reserve + granted + history).max(self.limits.min_segments);
        // Those that are only ordered, or may turn out to be quarantined, cannot stand in for what is given up.
        let surplus = self.pool.installed().saturating_sub(needed + self.leaving + self.unconfirmed);
        if surplus == 0 || self.needs.fixed_pool || self.resuming || !self.waiting.is_empty() {
            self.shrink_at = None;
        } else if now >= *self.shrink_at.get_or_insert(now + self.limits.shrink_after) {
            self.shrink_at = None;
            self.size = needed;
            self.give_up(surplus);
        }
    }

    /// Has the ring give up so many segments, one with each frame.
    fn give_up(&mut self, segments: usize) {
        if segments > 0 {
            self.leaving += segments;
            // Where the grab thread has ended, all segments go next.
            let _ended = self.commands.send(Command::Shrink(segments));
        }
    }

    /// A segment that was ordered has come.
    pub fn install(&mut self, segment: &Arc<Segment>, writable: WritableSegment) {
        self.pool.install(segment);
        // Where the grab thread has ended, nothing is filled any more.
        let _ended = self.commands.send(Command::Install(writable));
        self.watch_memory();
    }

    /// Warns, once, when the segments take more memory than is liked.
    pub fn watch_memory(&mut self) {
        let Some(limit) = self.limits.memory_warn_bytes.filter(|_| !self.warned) else { return };
        let current = self.factory.stats().current_bytes;
        if current > limit {
            self.warned = true;
            let (current_mb, warn_mb) = (current.div_ceil(1 << 20), limit >> 20);
            warn!(stream = %self.core.name, current_mb, warn_mb, "segments take more memory than --memory-warn");
        }
    }
}
