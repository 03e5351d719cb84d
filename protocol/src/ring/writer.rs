//! The writer's half: publish and retire. One per stream, owned by the grab thread.

use std::collections::VecDeque;

use super::alarms::Patience;
use super::roster::{Member, Roster, SharedRoster};
use crate::header::FrameHeader;
use crate::layout::{StreamPage, StreamState, WAITING_APART, WAITING_FUTEX, WAITING_NOTIFY};
use crate::limits::{SEGMENT_LIMIT, STARVED_SLICE};
use crate::shm::Mapped;
use crate::sync::{Arc, Ordering, fence, sleep};
use crate::words::words;
use crate::{Backing, ContextId, SegmentIndex, SegmentSet, Sequence, stop_point};

/// The one writer of a stream.
#[derive(Debug)]
pub struct Writer {
    page: Arc<Mapped<StreamPage>>,
    shared: Arc<SharedRoster>,
    roster: Arc<Roster>,
    granted: usize,
    /// What readers may find, oldest first.
    published: VecDeque<ContextId>,
    /// Times each segment was published.
    usage: Vec<u64>,
    /// What the last look through the holds found held: tried last.
    seen_held: SegmentSet,
    /// As in the page: how often frames were hidden, twice over.
    retiring: u32,
    next: Sequence,
}

/// Who sleeps and wants to know of what was just published; give it to [`Writer::wake`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "sleeping readers wait for Writer::wake"]
pub struct Calls {
    /// Readers sleep on the bell.
    pub bell: bool,
    /// Readers want to be called one by one: by a byte on their notify socket, or by the bell in their own page.
    pub each: bool,
}

/// A segment that left the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// The source may overwrite it.
    Reusable(SegmentIndex),
    /// A revoked subscription held it and may still read it: the object is given up, the index is free.
    Quarantined(SegmentIndex),
}

/// Where the grab thread waits for a reader to release, after [`Writer::retire_or_ask`].
#[derive(Debug)]
pub struct Releases {
    page: Arc<Mapped<StreamPage>>,
    patience: Patience,
}

impl Releases {
    /// Sleeps until a reader releases, for a bounded time.
    pub fn wait(&mut self) {
        let starved = &self.page.starved.0;
        match self.patience.deaf_for(self.page.head()) {
            Some(time) => sleep(time),
            None => self.patience.note(starved.wait(1, STARVED_SLICE)),
        }
        starved.word().store(0, Ordering::Relaxed);
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub enum Start {
    /// With the first frame published after it.
    #[default]
    Next,
    /// With the oldest frame still readable.
    Oldest,
}

words!(Start, "start": Next "next", Oldest "oldest");

impl Writer {
    /// The writer of a new stream.
    pub fn new(page: Arc<Mapped<StreamPage>>, shared: Arc<SharedRoster>) -> Self {
        let roster = shared.current();
        // Written once, so that no frame is the first to touch a page of it.
        let mut published = VecDeque::with_capacity(SEGMENT_LIMIT);
        published.extend((0..SEGMENT_LIMIT).filter_map(SegmentIndex::new).map(|at| ContextId::new(Sequence(1), at)));
        published.clear();
        Self {
            page,
            shared,
            granted: roster.granted(),
            roster,
            published,
            usage: vec![0; SEGMENT_LIMIT],
            seen_held: SegmentSet::EMPTY,
            retiring: 0,
            next: Sequence(1),
        }
    }

    /// Says which object backs a segment from now on. Before the segment is first published with it, never while its
    /// frame is published.
    pub fn set_backing(&mut self, segment: SegmentIndex, backing: Backing) {
        self.page.backing_word(segment).store(backing.0, Ordering::Relaxed);
        if let Some(usage) = self.usage.get_mut(segment.as_usize()) {
            *usage = 0;
        }
    }

    /// Says that a segment's object goes: readers let go of their mappings. Only while no frame in it is published; the next
    /// object there has a higher backing than the one stored here.
    pub fn vacate(&mut self, segment: SegmentIndex) {
        let backing = self.page.backing_word(segment);
        backing.store(backing.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Times a segment's object was published.
    #[must_use]
    pub fn usage_count(&self, segment: SegmentIndex) -> u64 {
        self.usage.get(segment.as_usize()).copied().unwrap_or(0)
    }

    /// Frames that readers may find.
    #[must_use]
    pub fn published(&self) -> usize {
        self.published.len()
    }

    /// The sequence of the frame that is published next.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        self.next
    }

    /// Rule P: makes the frame in `segment` the newest. Context, buffer context and usage count of the header are set
    /// here. `now_ns` is `CLOCK_MONOTONIC`, for readers that predict the next frame.
    pub fn publish(&mut self, segment: SegmentIndex, mut header: FrameHeader, now_ns: u64) -> (ContextId, Calls) {
        let context = ContextId::new(self.next, segment);
        if let Some(usage) = self.usage.get_mut(segment.as_usize()) {
            *usage += 1;
            header.usage_count = *usage;
        }
        header.context = context.as_u64();
        header.buffer_context = segment.buffer_context();
        self.page.write_header(segment, &header);
        stop_point("publish.described");
        // Publishes header and payload to the acquire load of the slot in `Reader::claim`.
        self.page.slot(segment).store(context.as_u64(), Ordering::Release);
        stop_point("publish.slot_set");
        self.page.window(self.next).store(context.as_u64(), Ordering::Relaxed);
        self.keep_rhythm(now_ns);
        // Publishes the window entry and the slot to the acquire load in `StreamPage::head`.
        self.page.news.head.store(self.next.0, Ordering::Release);
        stop_point("publish.head_moved");
        self.published.push_back(context);
        self.next = self.next.next();
        (context, self.ring_bell())
    }

    /// Changes the stream's state and says who wants to know.
    pub fn set_state(&mut self, state: StreamState) -> Calls {
        // Relaxed: the fence in the last publish's `ring_bell` already publishes every frame before it to the acquire load
        // in `StreamPage::state`.
        self.page.news.state.store(state.to_bits(), Ordering::Relaxed);
        self.ring_bell()
    }

    /// Wakes the readers that `calls` found: one futex call for all on the bell, and one call for each that polls or sleeps
    /// apart.
    pub fn wake(&self, calls: Calls) {
        stop_point("publish.bell_rung");
        if calls.bell {
            self.page.news.bell.wake_all();
        }
        if calls.each {
            self.roster.members.iter().for_each(|member| member.call());
        }
    }

    /// Rule T: takes back up to `wanted` frames that nobody holds, oldest first, never the newest and none that a
    /// lossless reader still waits for. Appends to `freed`; allocates nothing while that has room.
    pub fn retire(&mut self, wanted: usize, freed: &mut Vec<Retired>) {
        let mut reusable = 0;
        let mut looked = false;
        while reusable < wanted {
            match self.oldest_eligible() {
                Some(context) if self.try_retire(context) => reusable += usize::from(self.leave(context, freed)),
                Some(_) => return self.retire_batch(wanted - reusable, freed),
                // Everything eligible was held when the holds were last read; they may be free by now.
                None if !looked => {
                    self.refresh_roster();
                    self.seen_held = self.held();
                    looked = true;
                }
                None => return,
            }
        }
    }

    /// Rule T for one frame: takes back the oldest that nobody holds, if it is older than `bound`.
    pub fn retire_older(&mut self, bound: Sequence, freed: &mut Vec<Retired>) {
        let oldest = self.oldest_eligible().filter(|context| context.sequence() < bound);
        if let Some(context) = oldest
            && self.try_retire(context)
        {
            self.leave(context, freed);
        }
    }

    /// As [`Self::retire`]; where nothing can be taken back, readers are asked to wake whoever waits at [`Releases::wait`] when
    /// they release. True if they were asked.
    pub fn retire_or_ask(&mut self, wanted: usize, freed: &mut Vec<Retired>) -> bool {
        let starved = &Arc::clone(&self.page).starved.0;
        starved.word().store(1, Ordering::Relaxed);
        // Pairs with the fence in `Pages::release`: the reader sees `starved`, or the retire below sees its release.
        fence(Ordering::SeqCst);
        let before = freed.len();
        self.retire(wanted, freed);
        if freed.len() > before {
            starved.word().store(0, Ordering::Relaxed);
        }
        freed.len() == before
    }

    /// Where to wait for a release. Apart from the writer, so that who may only write cannot wait.
    #[must_use]
    pub fn releases(&self) -> Releases {
        Releases { page: Arc::clone(&self.page), patience: Patience::new() }
    }

    /// Begins to wait for a lossless subscription that is in the roster: it gets every frame from the returned sequence on.
    pub fn adopt_lossless(&mut self, member: &Member, start: Start) -> Sequence {
        // The next retire chooses among frames before it looks for a new roster.
        self.refresh_roster();
        let first = match (start, self.published.front()) {
            (Start::Oldest, Some(context)) => context.sequence(),
            _ => self.next,
        };
        member.set_cursor(Sequence(first.0 - 1));
        member.set_lossless(true);
        first
    }

    /// The lossless subscription that is furthest behind, if it keeps frames from being retired.
    pub fn slowest_lossless(&mut self) -> Option<&Arc<Member>> {
        self.refresh_roster();
        let newest_takeable = self.published.len().checked_sub(2).and_then(|at| self.published.get(at))?;
        let slowest = self.lossless().min_by_key(|member| member.cursor())?;
        (slowest.cursor() < newest_takeable.sequence()).then_some(slowest)
    }

    /// The subscriptions that the ring waits for.
    pub fn lossless(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.roster.members.iter().filter(|member| member.is_lossless())
    }

    /// Frames up to this sequence may be retired.
    fn gate(&self) -> Sequence {
        self.lossless().map(|member| member.cursor()).min().unwrap_or(Sequence(u64::MAX))
    }

    fn eligible(&self) -> impl Iterator<Item = ContextId> {
        let gate = self.gate();
        let but_the_newest = self.published.len().saturating_sub(1);
        self.published.iter().take(but_the_newest).copied().take_while(move |context| context.sequence() <= gate)
    }

    fn oldest_eligible(&self) -> Option<ContextId> {
        self.eligible().find(|context| !self.seen_held.contains(context.segment()))
    }

    /// Clears one slot; puts it back where a hold names the frame.
    fn try_retire(&mut self, context: ContextId) -> bool {
        self.begin_to_hide();
        self.hide(context);
        // Pairs with the fence in `Reader::claim`: the reader sees the empty slot, or `held` sees its hold.
        fence(Ordering::SeqCst);
        stop_point("retire.cleared");
        self.refresh_roster();
        self.seen_held = self.held();
        let is_held = self.seen_held.contains(context.segment());
        if is_held {
            self.put_back(context);
        }
        self.hide_nothing_more();
        !is_held
    }

    /// Clears so many slots at once that all readers together cannot hold them all, and reads every hold only once: a
    /// reader that races from frame to frame vetoes no more than it was granted.
    fn retire_batch(&mut self, wanted: usize, freed: &mut Vec<Retired>) {
        self.refresh_roster();
        // Quarantined frames come out as well, but they are not what is wanted.
        let enough = wanted + self.granted + self.roster.quarantined.len();
        let batch = self.eligible().take(enough).count();
        self.begin_to_hide();
        self.published.iter().take(batch).for_each(|context| self.hide(*context));
        // As in `try_retire`, for all of them.
        fence(Ordering::SeqCst);
        stop_point("retire.batch_cleared");
        self.refresh_roster();
        self.seen_held = self.held();
        let mut reusable = 0;
        let mut at = 0;
        for _ in 0..batch {
            let Some(&context) = self.published.get(at) else { break };
            if reusable < wanted && !self.seen_held.contains(context.segment()) {
                reusable += usize::from(self.leave(context, freed));
            } else {
                self.put_back(context);
                at += 1;
            }
        }
        self.hide_nothing_more();
    }

    /// From here on a slot of 0 may be a frame that is put back.
    fn begin_to_hide(&mut self) {
        self.retiring = self.retiring.wrapping_add(1);
        // Relaxed: each slot that is cleared publishes it.
        self.page.retiring.0.store(self.retiring, Ordering::Relaxed);
    }

    fn hide(&self, context: ContextId) {
        // Publishes to `Reader::find_hidden` that frames are being hidden: who finds the slot empty finds that as well.
        self.page.slot(context.segment()).store(0, Ordering::Release);
    }

    /// What was hidden is put back or retired.
    fn hide_nothing_more(&mut self) {
        self.retiring = self.retiring.wrapping_add(1);
        // Publishes what was put back to `Reader::find_hidden`.
        self.page.retiring.0.store(self.retiring, Ordering::Release);
    }

    fn put_back(&self, context: ContextId) {
        // Relaxed: the fence since the slot was cleared publishes header and payload to readers that only see this store.
        self.page.slot(context.segment()).store(context.as_u64(), Ordering::Relaxed);
    }

    /// Takes a retired frame out of the books. True if the source may have its segment.
    fn leave(&mut self, context: ContextId, freed: &mut Vec<Retired>) -> bool {
        if let Ok(at) = self.published.binary_search(&context) {
            self.published.remove(at);
        }
        stop_point("retire.left");
        let quarantined = self.roster.quarantined.contains(&context);
        freed.push(if quarantined {
            Retired::Quarantined(context.segment())
        } else {
            Retired::Reusable(context.segment())
        });
        !quarantined
    }

    /// The segments whose published frame some granted hold names.
    fn held(&self) -> SegmentSet {
        let mut held = SegmentSet::EMPTY;
        for member in &self.roster.members {
            // Acquire: what the reader did under an older hold in the same place lies behind us.
            for hold in member.page().holds(member.granted()) {
                let Some(context) = ContextId::from_u64(hold) else { continue };
                if self.is_published(context) {
                    held.insert(context.segment());
                }
            }
        }
        held
    }

    /// Whether readers may find this frame.
    #[must_use]
    pub fn is_published(&self, context: ContextId) -> bool {
        self.published.binary_search(&context).is_ok()
    }

    fn refresh_roster(&mut self) {
        if let Some(roster) = self.shared.take_new() {
            self.granted = roster.granted();
            self.roster = roster;
        }
    }

    fn ring_bell(&mut self) -> Calls {
        let bell = self.page.news.bell.word();
        // Publishes head and state to the acquire load of the bell in `Reader::wait`.
        bell.store(bell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        // Pairs with the fence in `Reader::wait`: the reader sees the new bell, or this thread sees that it waits.
        fence(Ordering::SeqCst);
        self.refresh_roster();
        let mut calls = Calls { bell: false, each: false };
        for member in &self.roster.members {
            match member.waiting() {
                WAITING_FUTEX => calls.bell = true,
                WAITING_NOTIFY | WAITING_APART => calls.each = true,
                _ => {}
            }
        }
        calls
    }

    /// Smooths the time between frames, weight 1/8 for the newest; a pause of over eight intervals starts it anew.
    fn keep_rhythm(&self, now_ns: u64) {
        let (interval_ns, published_ns) = self.page.rhythm();
        if published_ns != 0 {
            let elapsed_ns = now_ns.saturating_sub(published_ns);
            let smoothed_ns = match interval_ns {
                0 => elapsed_ns,
                interval_ns if elapsed_ns > 8 * interval_ns => interval_ns,
                interval_ns => interval_ns - interval_ns / 8 + elapsed_ns / 8,
            };
            self.page.news.interval_ns.store(smoothed_ns, Ordering::Relaxed);
        }
        self.page.news.published_ns.store(now_ns, Ordering::Relaxed);
    }
}
