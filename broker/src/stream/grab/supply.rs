//! The segments of a ring, as the grab thread has them: with the source, published, or with nobody.
//!
//! Pure: no thread, channel, source or wait is known here, and time is passed in. What the source is to get is asked for by
//! [`Supply::hand_over`], what others must hear by [`Supply::take_news`]. So nothing that is done with segments can wait, and random
//! steps can play it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use framebroker_protocol::message::Start;
use framebroker_protocol::ring::{Member, Releases, Retired, SharedRoster, Writer};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::{
    ContextId, FrameHeader, SEGMENT_LIMIT, SegmentIndex, SegmentSet, Sequence, StreamPage, StreamState, monotonic_ns,
    stop_point,
};

use crate::factory::{Epoch, WritableSegment};
use crate::source::Requirements;
use crate::stream::lossless_budget::LosslessBudget;

/// The segments of one ring, and the right to write each.
#[derive(Debug)]
pub struct Supply {
    writer: Writer,
    /// Segments that the source has, in the order it was given them.
    queued: VecDeque<SegmentIndex>,
    /// Published frames and their segments, by index.
    published: Vec<Option<(ContextId, WritableSegment)>>,
    /// Segments that nobody has, in the order the source gets them.
    idle: Vec<WritableSegment>,
    /// What the writer has just retired.
    freed: Vec<Retired>,
    /// Bytes that a segment must offer: smaller ones are given up.
    payload_bytes: usize,
    /// Whom a segment must be made for: others are given up.
    epoch: Epoch,
    /// Segments to be given up.
    surplus: usize,
    /// Published frames in segments that no longer fit.
    outgrown: usize,
    /// The first frame after them.
    outgrown_before: Sequence,
    /// Segments whose frames are in the ring while the source, which can take no more, has started without them.
    left_behind: SegmentSet,
    budget: LosslessBudget,
    /// The lossless reader that is waited for, by its place in memory: only compared.
    awaited: Option<usize>,
    lossless_timeout: Duration,
    news: Vec<News>,
}

/// What the session thread must hear.
#[derive(Debug)]
pub enum News {
    /// The ring has given up a segment.
    Released(SegmentIndex),
    /// The ring is done with a quarantined frame: its segment is given up and the index is free.
    Vacated(ContextId),
    /// The ring no longer waits for this lossless reader.
    Demoted(Arc<Member>),
}

/// What came of looking for segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refilled {
    /// There is as much as the source needs.
    Enough,
    /// There is less: everything else is held.
    Short,
    /// There is less, and the source can wait until a lossless reader has got on.
    AwaitsReader,
}

/// What a stopped source starts without.
#[derive(Debug, Default)]
pub struct Restart {
    /// Segments whose frames are in the ring, where the source can take none later.
    pub left_behind: Vec<SegmentIndex>,
    /// Segments that do not fit and had no frame: the ring has given them up.
    pub given_up: Vec<SegmentIndex>,
}

impl Supply {
    /// A ring without segments, which are to offer so many bytes. Its source may wait for lossless readers so long.
    #[must_use]
    pub fn new(
        page: Arc<Mapped<StreamPage>>,
        roster: Arc<SharedRoster>,
        payload_bytes: usize,
        lossless_timeout: Duration,
    ) -> Self {
        Self {
            writer: Writer::new(page, roster),
            queued: VecDeque::with_capacity(SEGMENT_LIMIT),
            published: std::iter::repeat_with(|| None).take(SEGMENT_LIMIT).collect(),
            idle: Vec::with_capacity(SEGMENT_LIMIT),
            freed: Vec::with_capacity(SEGMENT_LIMIT),
            payload_bytes,
            epoch: Epoch::default(),
            surplus: 0,
            outgrown: 0,
            outgrown_before: Sequence(0),
            left_behind: SegmentSet::EMPTY,
            budget: LosslessBudget::default(),
            awaited: None,
            lossless_timeout,
            news: Vec::with_capacity(SEGMENT_LIMIT),
        }
    }

    /// What is to be told, the oldest first.
    pub fn take_news(&mut self) -> impl Iterator<Item = News> {
        self.news.drain(..)
    }

    /// Where to wait for readers, if [`Self::ask_for_release`] says so.
    #[must_use]
    pub fn releases(&self) -> Releases {
        self.writer.releases()
    }

    /// Whom the segments are made for.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The first of the segments that the source has: what it fills, or will fill next.
    #[must_use]
    pub fn filling(&self) -> Option<SegmentIndex> {
        self.queued.front().copied()
    }

    /// Segments that the source has.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued.len()
    }

    /// Segments that nobody has.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Segments that are still to be given up, one with each frame.
    #[must_use]
    pub fn surplus(&self) -> usize {
        self.surplus
    }

    /// Every segment that the ring has and the source has not.
    pub fn segments(&self) -> impl Iterator<Item = &WritableSegment> {
        self.idle.iter().chain(self.published.iter().flatten().map(|(_, segment)| segment))
    }

    /// A new segment.
    pub fn install(&mut self, segment: WritableSegment) {
        self.writer.set_backing(segment.index(), segment.backing());
        stop_point("growth.installed");
        self.keep(segment);
    }

    /// The segments for a source that runs, or is about to.
    pub fn hand_over(&mut self) -> impl Iterator<Item = WritableSegment> {
        let Self { idle, queued, .. } = self;
        idle.drain(..).inspect(|segment| queued.push_back(segment.index()))
    }

    /// The source has stopped and given back all it had.
    pub fn take_back(&mut self, segments: Vec<WritableSegment>) {
        self.queued.clear();
        self.idle.extend(segments);
    }

    /// The source has given back a segment without a frame that is to be published.
    pub fn withhold(&mut self, segment: WritableSegment) {
        self.queued.retain(|queued| *queued != segment.index());
        self.keep(segment);
    }

    /// Publishes what the source has filled, complete in memory since `header.monotonic_ns`, and wakes the readers that sleep. Returns
    /// the frame, and the ns from then until readers could find it.
    pub fn publish(&mut self, mut segment: WritableSegment, header: FrameHeader) -> (ContextId, u64) {
        let index = segment.index();
        segment.count_use();
        let (context, calls) = self.writer.publish(index, header, header.monotonic_ns);
        let took_ns = monotonic_ns() - header.monotonic_ns;
        // Before the rest, so that nobody sleeps longer than need be.
        self.writer.wake(calls);
        self.queued.retain(|queued| *queued != index);
        if let Some(place) = self.published.get_mut(index.as_usize()) {
            *place = Some((context, segment));
        }
        (context, took_ns)
    }

    /// Tells the stream's state to its readers.
    pub fn announce(&mut self, state: StreamState) {
        let calls = self.writer.set_state(state);
        self.writer.wake(calls);
    }

    /// Begins to wait for a lossless reader; returns its first frame.
    pub fn adopt(&mut self, member: &Member, start: Start) -> Sequence {
        self.writer.adopt_lossless(member, start)
    }

    /// Whether readers may find this frame.
    #[must_use]
    pub fn is_published(&self, context: ContextId) -> bool {
        self.writer.is_published(context)
    }

    /// Retires frames until the source has, with what is idle for it, as many segments as it needs.
    pub fn refill(&mut self, needs: &Requirements) -> Refilled {
        while let Some(wanted) = self.lacks(needs.min_queued) {
            if self.retire(wanted) {
                continue;
            }
            let Some(cursor) = self.writer.slowest_lossless().map(|slowest| slowest.cursor()) else {
                // The cursor that was in the way may have moved since.
                if self.retire(wanted) {
                    continue;
                }
                return Refilled::Short;
            };
            if needs.can_pause && !self.is_budget_over(cursor) {
                self.awaited = self.writer.slowest_lossless().map(|slowest| Arc::as_ptr(slowest).addr());
                return Refilled::AwaitsReader;
            }
            self.demote(needs.can_pause);
        }
        if let Some(wanted) = self.lacks(needs.wanted_queued) {
            self.retire(wanted);
        }
        Refilled::Enough
    }

    /// Retires once more where a lossless reader is in the way. True if there was nothing: readers were asked to wake whoever
    /// waits at [`Self::releases`].
    pub fn ask_for_release(&mut self) -> bool {
        let asked = self.writer.retire_or_ask(1, &mut self.freed);
        self.take_freed();
        asked
    }

    /// The source has waited so long for the lossless reader that was in the way: on its account and that of all.
    pub fn charge(&mut self, waited: Duration) {
        self.budget.charge(waited);
        let is_awaited = |member: &&Arc<Member>| Some(Arc::as_ptr(member).addr()) == self.awaited;
        if let Some(member) = self.writer.lossless().find(is_awaited) {
            member.charge(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Whether the source has less than it needs.
    #[must_use]
    pub fn is_short(&self, needs: &Requirements) -> bool {
        self.lacks(needs.min_queued).is_some()
    }

    fn lacks(&self, segments: usize) -> Option<usize> {
        segments.checked_sub(self.queued.len() + self.idle.len()).filter(|lacking| *lacking > 0)
    }

    fn is_budget_over(&mut self, slowest: Sequence) -> bool {
        if self.budget.renews_at(slowest, self.writer.published() as u64) {
            self.writer.lossless().for_each(|member| member.forgive());
        }
        self.budget.is_over(self.lossless_timeout)
    }

    /// Waits no longer for the slowest reader; or, where the source has waited, for the one that it has waited for longest.
    fn demote(&mut self, has_waited: bool) {
        let worst =
            self.writer.lossless().max_by_key(|member| member.waited_ns()).filter(|_| has_waited).map(Arc::clone);
        let Some(member) = worst.or_else(|| self.writer.slowest_lossless().map(Arc::clone)) else { return };
        member.set_lossless(false);
        // Nobody else is demoted for what this one has used.
        self.budget.give_back(Duration::from_nanos(member.waited_ns()));
        self.news.push(News::Demoted(member));
    }

    /// After a frame: gives up one of the segments that are too many, and one that no longer fits. So no frame takes long, and a
    /// reader that lags finds as many frames as ever.
    pub fn shed(&mut self) {
        self.retire_oldest_outgrown();
        if self.surplus > 0 {
            self.writer.retire(1, &mut self.freed);
        }
        while let Some(retired) = self.freed.pop() {
            match self.reclaim(retired) {
                Some(segment) if self.surplus > 0 && self.fits(&segment) => {
                    self.surplus -= 1;
                    self.give_up(segment);
                }
                Some(segment) => self.keep(segment),
                None => {}
            }
        }
    }

    /// Gives up a frame whose segment no longer fits, if nobody holds it: there may be no memory for other segments beside it.
    pub fn retire_outgrown(&mut self) {
        self.retire_oldest_outgrown();
        self.take_freed();
    }

    fn retire_oldest_outgrown(&mut self) {
        if self.outgrown > 0 {
            self.writer.retire_older(self.outgrown_before, &mut self.freed);
        }
    }

    /// Gives up so many segments more: at once where the source is away, for then no frame comes to give them up with.
    pub fn shrink(&mut self, segments: usize) {
        self.surplus += segments;
        while self.surplus > 0
            && let Some(segment) = self.idle.pop()
        {
            self.surplus -= 1;
            self.give_up(segment);
        }
    }

    /// Gives up all at once, but for those that are held, the frames whose segments no longer fit. True if there were some.
    pub fn make_room(&mut self) -> bool {
        self.outgrown > 0 && self.retire(self.outgrown)
    }

    /// Segments are for this producer from now on, or for a source in the broker. Others are given up: nobody else may get what
    /// a producer can write.
    pub fn set_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    /// The producer has gone: all that it can write is given up.
    pub fn disown(&mut self) {
        self.epoch = Epoch::default();
        self.surplus = 0;
        self.keep_what_fits();
    }

    /// The source is another, or back, or was set: its frames may have another size. Larger segments come beside the old ones,
    /// which go as their frames are retired: a held frame keeps its own and delays nothing.
    pub fn resize(&mut self, needs: &Requirements) -> Restart {
        self.payload_bytes = needs.payload_bytes;
        if needs.fixed_pool {
            // What it must do without is as little as can be.
            self.retire(SEGMENT_LIMIT);
        }
        self.begin_anew(needs)
    }

    /// The stopped source is to start again, and nothing is retired for that.
    pub fn begin_anew(&mut self, needs: &Requirements) -> Restart {
        self.surplus = 0;
        let left_behind = if needs.fixed_pool { self.leave_behind() } else { Vec::new() };
        self.outgrown = self.published.iter().flatten().filter(|(_, segment)| !self.fits(segment)).count();
        self.outgrown_before = self.writer.next_sequence();
        self.keep_what_fits();
        // Told with what the source needs. Told before, others of the old size would be made in their place; told after, memory
        // would seem to be short.
        let mut given_up = Vec::new();
        self.news.retain(|news| {
            if let News::Released(index) = news {
                given_up.push(*index);
            }
            !matches!(news, News::Released(_))
        });
        Restart { left_behind, given_up }
    }

    /// A source whose pool is fixed takes no segment while it runs. So it begins without those whose frames are in the ring,
    /// and gets others in their place; they go as their frames are retired.
    fn leave_behind(&mut self) -> Vec<SegmentIndex> {
        let left_behind: Vec<_> = self.published.iter().flatten().map(|(context, _)| context.segment()).collect();
        left_behind.iter().for_each(|index| self.left_behind.insert(*index));
        left_behind
    }

    fn keep_what_fits(&mut self) {
        let mut idle = std::mem::take(&mut self.idle);
        let others: Vec<_> = idle.extract_if(.., |segment| !self.fits(segment)).collect();
        self.idle = idle;
        others.into_iter().for_each(|segment| self.give_up(segment));
    }

    /// Takes back up to so many frames that nobody holds. True if there were any.
    fn retire(&mut self, wanted: usize) -> bool {
        self.writer.retire(wanted, &mut self.freed);
        self.take_freed()
    }

    /// Keeps the segments of retired frames. True if there were any.
    fn take_freed(&mut self) -> bool {
        let mut got = false;
        while let Some(retired) = self.freed.pop() {
            if let Some(segment) = self.reclaim(retired) {
                self.keep(segment);
                got = true;
            }
        }
        got
    }

    /// The segment of a retired frame, if it may be filled again.
    fn reclaim(&mut self, retired: Retired) -> Option<WritableSegment> {
        match retired {
            Retired::Reusable(index) => self.take_published(index).map(|(_, segment)| segment),
            Retired::Quarantined(index) => {
                self.left_behind.remove(index);
                if let Some((context, _given_up)) = self.take_published(index) {
                    self.writer.vacate(index);
                    stop_point("eviction.vacated");
                    self.news.push(News::Vacated(context));
                }
                None
            }
        }
    }

    fn take_published(&mut self, index: SegmentIndex) -> Option<(ContextId, WritableSegment)> {
        let (context, segment) = self.published.get_mut(index.as_usize())?.take()?;
        if !self.fits(&segment) {
            self.outgrown = self.outgrown.saturating_sub(1);
        }
        Some((context, segment))
    }

    /// A segment that nobody has: the source gets it, unless it does not fit.
    fn keep(&mut self, segment: WritableSegment) {
        if self.fits(&segment) {
            self.idle.push(segment);
        } else {
            self.give_up(segment);
        }
    }

    fn fits(&self, segment: &WritableSegment) -> bool {
        segment.len() >= self.payload_bytes
            && segment.epoch() == self.epoch
            && !self.left_behind.contains(segment.index())
    }

    fn give_up(&mut self, segment: WritableSegment) {
        let index = segment.index();
        self.left_behind.remove(index);
        self.writer.vacate(index);
        stop_point("shrink.vacated");
        drop(segment);
        self.news.push(News::Released(index));
    }
}
