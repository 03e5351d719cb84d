//! The reader's half: acquire and release. One per subscription, used by `&mut`; releasing works from any thread.

use std::time::Duration;

use super::alarms::FalseAlarms;
use super::looks::Looks;
use crate::header::FrameHeader;
use crate::layout::{ConsumerPage, Counters, StreamPage, StreamState};
use crate::layout::{WAITING_APART, WAITING_FUTEX, WAITING_NO, WAITING_NOTIFY};
use crate::limits::{HOLD_LIMIT, WINDOW_LEN};
use crate::message::Policy;
use crate::shm::Mapped;
use crate::sync::{Arc, AtomicU64, Ordering, fence, load_acquire, load_acquire_u32};
use crate::{Backing, ContextId, SegmentIndex, Sequence, stop_point};

/// The two pages of a subscription. Frames keep them alive until they are released.
#[derive(Debug)]
pub struct Pages {
    /// The stream's page, read-only.
    pub stream: Arc<Mapped<StreamPage>>,
    /// The subscription's own page.
    pub consumer: Arc<Mapped<ConsumerPage>>,
}

/// A frame that is held: nobody refills its segment until [`Pages::release`] gets its `slot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a hold that is not released keeps its segment for ever"]
pub struct Hold {
    /// Which hold slot of the consumer page names the frame.
    pub slot: usize,
    /// The frame.
    pub context: ContextId,
    /// The object that backs its segment.
    pub backing: Backing,
    /// What is known about it.
    pub header: FrameHeader,
}

/// What came of trying to take the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A frame.
    Frame(Hold),
    /// There is none yet.
    Empty,
    /// As many frames are held as were granted.
    Full,
    /// The broker has ended the subscription.
    Revoked,
}

/// What came of trying to hold one certain frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is held.
    Held(Hold),
    /// It was retired, or never existed.
    Gone,
    /// As many frames are held as were granted.
    Full,
}

impl Pages {
    /// Rule L: gives back a held frame. From any thread.
    pub fn release(&self, slot: usize) {
        let Some(hold) = self.consumer.hold.get(slot) else { return };
        // Publishes that all reads of the frame are done to the writer's look through the holds.
        hold.store(0, Ordering::Release);
        stop_point("release.cleared");
        self.let_writer_look();
    }

    /// Wakes a writer that waits for a segment or for a lossless cursor.
    fn let_writer_look(&self) {
        // Pairs with the fence in `Writer::retire_or_ask`: that retire sees what was stored above, or this thread sees
        // that the writer starves.
        fence(Ordering::SeqCst);
        let starved = &self.stream.starved.0;
        if starved.word().load(Ordering::Relaxed) != 0 {
            starved.wake_all();
        }
    }
}

/// The one reader of a subscription.
#[derive(Debug)]
pub struct Reader {
    pages: Arc<Pages>,
    granted: usize,
    policy: Policy,
    cursor: Sequence,
    seen_state: StreamState,
    alarms: FalseAlarms,
}

impl Reader {
    /// A reader that may hold `granted` frames and begins with sequence `first`.
    pub fn new(pages: Arc<Pages>, granted: usize, policy: Policy, first: Sequence) -> Self {
        let cursor = Sequence(first.0.saturating_sub(1));
        let seen_state = pages.stream.state();
        pages.consumer.progress.cursor.store(cursor.0, Ordering::Relaxed);
        let alarms = FalseAlarms::default();
        Self { pages, granted: granted.min(HOLD_LIMIT), policy, cursor, seen_state, alarms }
    }

    /// The pages, for releasing.
    pub fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// How frames are chosen.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The broker no longer waits for this reader: from here on it may lose frames.
    pub fn demote(&mut self) {
        self.policy = Policy::Sequential;
    }

    /// The last sequence taken or passed.
    pub fn cursor(&self) -> Sequence {
        self.cursor
    }

    /// What became of the sequences passed so far.
    pub fn counters(&self) -> Counters {
        self.pages.consumer.counters()
    }

    /// Frames held now.
    pub fn held(&self) -> usize {
        self.hold_slots().filter(|hold| hold.load(Ordering::Relaxed) != 0).count()
    }

    /// Rule A: takes the next frame of the policy, if there is one.
    pub fn try_take(&mut self) -> Taken {
        if self.pages.consumer.is_revoked() {
            return Taken::Revoked;
        }
        let Some(slot) = self.free_slot() else { return Taken::Full };
        let mut looks = Looks::new();
        loop {
            let head = self.pages.stream.head();
            if head <= self.cursor {
                return Taken::Empty;
            }
            let target = match self.policy {
                Policy::Latest | Policy::Upcoming => head,
                Policy::Sequential | Policy::Lossless => {
                    // What the window has moved past is not worth a look each.
                    let oldest_known = Sequence(head.0.saturating_sub(WINDOW_LEN as u64 - 1));
                    let target = self.cursor.next().max(oldest_known);
                    self.pass(Sequence(target.0 - 1));
                    target
                }
            };
            let context = self.pages.stream.context_of(target);
            let claim = context.and_then(|context| self.claim(slot, context, &mut looks));
            if let Some(hold) = claim {
                self.pass(Sequence(target.0 - 1));
                let progress = &self.pages.consumer.progress;
                progress.received.store(progress.received.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
                stop_point("acquire.counted");
                self.advance(target);
                return Taken::Frame(hold);
            }
            if self.pages.consumer.is_revoked() {
                return Taken::Revoked;
            }
            self.pass(target);
        }
    }

    /// Passes over all there is: what is taken next is published after this call.
    pub fn skip_to_head(&mut self) {
        self.pass(self.pages.stream.head());
    }

    /// Holds one certain frame, whatever the policy; leaves cursor and counters alone.
    pub fn take_context(&mut self, context: ContextId) -> Claim {
        let Some(slot) = self.free_slot() else { return Claim::Full };
        self.claim(slot, context, &mut Looks::new()).map_or(Claim::Gone, Claim::Held)
    }

    /// Rule W: sleeps until there may be news, at most `timeout`. It may return for no reason.
    pub fn wait(&mut self, timeout: Duration) {
        if !self.alarms.listens() {
            return self.wait_apart(timeout);
        }
        let pages = Arc::clone(&self.pages);
        let bell = &pages.stream.news.bell;
        let heard = load_acquire_u32(bell.word());
        if self.has_news() {
            return;
        }
        pages.consumer.call.waiting.store(WAITING_FUTEX, Ordering::Relaxed);
        // Pairs with the fence in `Writer::ring_bell`: the writer sees that this reader waits, or the kernel sees
        // another bell than the one heard and does not sleep.
        fence(Ordering::SeqCst);
        stop_point("wait.said");
        let was_woken = bell.wait(heard, timeout);
        pages.consumer.call.waiting.store(WAITING_NO, Ordering::Relaxed);
        self.alarms.note(was_woken && !self.has_news());
    }

    /// Rule W on the reader's own bell, which nobody else can ring but the broker. It costs the broker a call for this reader
    /// alone, so [`Self::wait`] comes here only from others' false alarms.
    pub fn wait_apart(&mut self, timeout: Duration) {
        let call = &self.pages.consumer.call;
        // Relaxed: the writer raises this bell only for a reader that it has seen waiting.
        let heard = call.bell.word().load(Ordering::Relaxed);
        call.waiting.store(WAITING_APART, Ordering::Relaxed);
        // As in `wait`: the writer sees that this reader waits, and raises the bell, or this reader sees the news.
        fence(Ordering::SeqCst);
        if !self.has_news() {
            call.bell.wait(heard, timeout);
        }
        call.waiting.store(WAITING_NO, Ordering::Relaxed);
    }

    /// Asks for a byte on the notify socket at the next news. False if there is news already: take it first.
    pub fn ask_for_notify(&mut self) -> bool {
        self.pages.consumer.call.waiting.store(WAITING_NOTIFY, Ordering::Relaxed);
        // As in `wait`: the writer sees the wish, or this reader sees the news.
        fence(Ordering::SeqCst);
        !self.has_news()
    }

    /// Wants no more bytes on the notify socket.
    pub fn end_notify(&mut self) {
        self.pages.consumer.call.waiting.store(WAITING_NO, Ordering::Relaxed);
    }

    /// Takes nothing more: the writer neither wakes this reader nor, if it is lossless, waits for it. Holds stay.
    pub fn leave(&mut self) {
        self.end_notify();
        self.advance(Sequence(u64::MAX));
    }

    /// The stream's state; from here on only another one counts as news.
    pub fn see_state(&mut self) -> StreamState {
        self.seen_state = self.pages.stream.state();
        self.seen_state
    }

    /// Whether a frame, a change of state or the end of the subscription is there to be seen.
    pub fn has_news(&self) -> bool {
        let stream = &self.pages.stream;
        stream.head() > self.cursor || stream.state() != self.seen_state || self.pages.consumer.is_revoked()
    }

    /// Writes the hold down, then looks whether the frame is still there.
    fn claim(&self, slot: usize, context: ContextId, looks: &mut Looks) -> Option<Hold> {
        let consumer = &self.pages.consumer;
        // Publishes the release of this slot's last frame, for a writer that finds the new hold in its place.
        consumer.hold.get(slot)?.store(context.as_u64(), Ordering::Release);
        // Pairs with the fences in `Writer::try_retire`, `Writer::retire_batch` and `Member::revoke`: they see the hold,
        // or this reader sees what they stored.
        fence(Ordering::SeqCst);
        stop_point("acquire.written");
        let stream = &self.pages.stream;
        let segment = context.segment();
        // Acquire: header and payload of the frame lie behind the slot's store.
        let found = match load_acquire(stream.slot(segment)) {
            0 if looks.is_any_left() => self.find_hidden(segment, looks),
            found => found,
        };
        if found == context.as_u64() && !consumer.is_revoked() {
            let (backing, header) = (stream.backing(segment), stream.read_header(segment));
            stop_point("acquire.seen");
            return Some(Hold { slot, context, backing, header });
        }
        self.pages.release(slot);
        None
    }

    /// What is in a segment whose slot was found empty: 0 if its frame is retired, or not put back for as long as there are
    /// looks left. The hold stands, so no look through the holds that begins from now on retires the frame.
    #[cold]
    fn find_hidden(&self, segment: SegmentIndex, looks: &mut Looks) -> u64 {
        let stream = &self.pages.stream;
        let retiring = &stream.retiring.0;
        while !self.pages.consumer.is_revoked() {
            // Acquire: what was put back by then is seen below.
            let before = load_acquire_u32(retiring);
            // Acquire: if the slot was cleared since, so is the count seen raised that was raised before.
            let found = load_acquire(stream.slot(segment));
            let was_hidden = before % 2 == 1 || retiring.load(Ordering::Relaxed) != before;
            if found != 0 || !was_hidden || !looks.another() {
                return found;
            }
        }
        0
    }

    fn hold_slots(&self) -> impl Iterator<Item = &AtomicU64> {
        self.pages.consumer.hold.iter().take(self.granted)
    }

    fn free_slot(&self) -> Option<usize> {
        // Acquire: the thread that released the slot is done with its frame.
        self.hold_slots().position(|hold| hold.load(Ordering::Acquire) == 0)
    }

    /// Moves the cursor over frames that are not taken, and counts them.
    fn pass(&mut self, upto: Sequence) {
        let passed = upto.since(self.cursor);
        if passed == 0 {
            return;
        }
        let progress = &self.pages.consumer.progress;
        let counter = match self.policy {
            Policy::Latest | Policy::Upcoming => &progress.skipped,
            Policy::Sequential | Policy::Lossless => &progress.lost,
        };
        // Either process may have written anything there.
        counter.store(counter.load(Ordering::Relaxed).saturating_add(passed), Ordering::Relaxed);
        self.advance(upto);
    }

    fn advance(&mut self, cursor: Sequence) {
        self.cursor = cursor;
        // Relaxed: a cursor only lets the writer try to retire; whether the frame is held it then asks the holds (rule T).
        self.pages.consumer.progress.cursor.store(cursor.0, Ordering::Relaxed);
        if self.policy == Policy::Lossless {
            self.pages.let_writer_look();
        }
    }
}
