//! What every model needs: a stream with segments whose payload loom watches, a source that fills them, consumers that read.

use std::sync::atomic::{AtomicUsize, Ordering};

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::{
    Claim, Hold, Member, Notify, Pages, Reader, Retired, SharedRoster, Taken, Writer, looks_in_model,
};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{
    ConsumerPage, ContextId, Counters, FrameHeader, SEGMENT_LIMIT, SegmentIndex, Sequence, StreamPage, StreamState,
};
use loom::cell::UnsafeCell;

/// Preemptions tried where two threads run.
pub const TWO_THREADS: usize = 4;
/// Preemptions tried where three threads run.
pub const THREE_THREADS: usize = 3;

/// Looks for a hidden frame that a reader has, where two threads run: more than loom can part them.
const LOOKS: u32 = 20;

/// Lets loom try every execution of a model with so many preemptions, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
pub fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 10_000;
    // With three threads a frame that is hidden counts as gone: those models ask for other things.
    looks_in_model(if preemptions == TWO_THREADS { LOOKS } else { 0 });
    let executions = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&executions);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} executions", executions.load(Ordering::Relaxed));
}

/// The payload of every segment: one word, the frame's sequence. A writer beside a reader is an error that loom reports.
#[derive(Debug)]
pub struct Payload([UnsafeCell<u64>; SEGMENT_LIMIT]);

// SAFETY: loom panics where two threads touch a cell at the same time and one of them writes.
unsafe impl Sync for Payload {}

#[expect(clippy::indexing_slicing, reason = "a SegmentIndex is below SEGMENT_LIMIT")]
impl Payload {
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| UnsafeCell::new(0)))
    }

    pub fn fill(&self, segment: SegmentIndex, sequence: u64) {
        // SAFETY: loom panics where another thread reads or writes the cell at the same time.
        self.0[segment.as_usize()].with_mut(|cell| unsafe { *cell = sequence });
    }

    pub fn read(&self, segment: SegmentIndex) -> u64 {
        // SAFETY: loom panics where another thread writes the cell at the same time.
        self.0[segment.as_usize()].with(|cell| unsafe { *cell })
    }
}

/// One stream.
#[derive(Clone)]
pub struct Stage {
    pub page: Arc<Mapped<StreamPage>>,
    pub roster: Arc<SharedRoster>,
    pub payload: Arc<Payload>,
}

impl Stage {
    pub fn new() -> Self {
        Self { page: Arc::default(), roster: Arc::default(), payload: Arc::new(Payload::new()) }
    }

    /// A source with this many segments.
    pub fn source(&self, segments: usize) -> Source {
        let free = (0..segments).rev().map(segment).collect();
        let writer = Writer::new(Arc::clone(&self.page), Arc::clone(&self.roster));
        Source { writer, payload: Arc::clone(&self.payload), free, given_up: Vec::new(), published: 0 }
    }

    /// A subscription that is not in the roster yet.
    pub fn member(&self, granted: usize, notify: impl Notify + 'static) -> (Arc<Member>, Arc<Mapped<ConsumerPage>>) {
        let page = Arc::new(Mapped::<ConsumerPage>::default());
        (Arc::new(Member::new(Arc::clone(&page), granted, Box::new(notify))), page)
    }

    /// Puts a subscription into the roster.
    pub fn attach(&self, member: &Arc<Member>) {
        drop(self.roster.change(|roster| roster.members.push(Arc::clone(member))));
    }

    /// Ends a subscription: what it holds is quarantined in the change that drops its page.
    pub fn end(&self, member: &Arc<Member>) {
        let held = member.revoke();
        drop(self.roster.change(|roster| {
            roster.members.retain(|other| !Arc::ptr_eq(other, member));
            roster.quarantined.extend(held);
        }));
    }

    /// A consumer for a subscription, beginning with sequence `first`.
    pub fn consumer(&self, page: Arc<Mapped<ConsumerPage>>, granted: usize, policy: Policy, first: u64) -> Consumer {
        let pages = Arc::new(Pages { stream: Arc::clone(&self.page), consumer: page });
        let reader = Reader::new(pages, granted, policy, Sequence(first));
        Consumer { reader, payload: Arc::clone(&self.payload), first, got: Vec::new() }
    }

    /// A consumer in the roster that may hold one frame.
    pub fn subscribe(&self, policy: Policy, first: u64) -> Consumer {
        let (member, page) = self.member(1, Silent);
        self.attach(&member);
        self.consumer(page, 1, policy, first)
    }

    /// Someone who holds the frame of this sequence for good, in a page of its own.
    pub fn hog(&self, sequence: u64, at: usize) -> Hold {
        let mut consumer = self.subscribe(Policy::Sequential, 1);
        match consumer.reader.take_context(context(sequence, at)) {
            Claim::Held(hold) => hold,
            other => panic!("nobody retires yet, but the claim is {other:?}"),
        }
    }
}

/// Sleeps on the bell or not at all: has no notify socket.
#[derive(Debug)]
pub struct Silent;

impl Notify for Silent {
    fn notify(&self) {}
}

pub fn segment(index: usize) -> SegmentIndex {
    SegmentIndex::new(index).expect("models use few segments")
}

pub fn context(sequence: u64, at: usize) -> ContextId {
    ContextId::new(Sequence(sequence), segment(at))
}

/// What fills segments: the grab thread's side.
pub struct Source {
    pub writer: Writer,
    payload: Arc<Payload>,
    free: Vec<SegmentIndex>,
    given_up: Vec<SegmentIndex>,
    published: u64,
}

impl Source {
    /// Fills a free segment, publishes it and wakes who waits. False where no segment is free.
    pub fn deliver(&mut self) -> bool {
        let Some(segment) = self.free.pop() else { return false };
        assert!(!self.given_up.contains(&segment), "a quarantined segment is refilled");
        self.published += 1;
        self.payload.fill(segment, self.published);
        let header = FrameHeader { block_id: self.published, ..FrameHeader::from_words(&[0; 16]) };
        let (context, calls) = self.writer.publish(segment, header, 0);
        assert_eq!(context.sequence().0, self.published);
        self.writer.wake(calls);
        true
    }

    /// Delivers this many frames: the model has segments for them.
    pub fn deliver_each(&mut self, frames: usize) {
        for _ in 0..frames {
            assert!(self.deliver(), "no segment is free");
        }
    }

    /// Takes back up to `wanted` segments. Returns how many came back, quarantined ones included.
    pub fn retire(&mut self, wanted: usize) -> usize {
        let mut freed = Vec::new();
        self.writer.retire(wanted, &mut freed);
        self.sort(freed)
    }

    /// As [`Self::retire`], and waits where nothing comes back.
    pub fn retire_or_wait(&mut self, wanted: usize) -> usize {
        let mut freed = Vec::new();
        if self.writer.retire_or_ask(wanted, &mut freed) {
            self.writer.releases().wait();
        }
        self.sort(freed)
    }

    pub fn set_state(&mut self, state: StreamState) {
        let calls = self.writer.set_state(state);
        self.writer.wake(calls);
    }

    fn sort(&mut self, freed: Vec<Retired>) -> usize {
        for retired in &freed {
            match *retired {
                Retired::Reusable(segment) => self.free.push(segment),
                Retired::Quarantined(segment) => self.given_up.push(segment),
            }
        }
        freed.len()
    }
}

/// A consumer that checks every frame it gets.
pub struct Consumer {
    pub reader: Reader,
    pub payload: Arc<Payload>,
    first: u64,
    got: Vec<u64>,
}

impl Consumer {
    /// Takes a frame and reads it while it holds it.
    pub fn take(&mut self) -> Taken {
        let taken = self.reader.try_take();
        if let Taken::Frame(hold) = taken {
            assert!(
                self.got.last().is_none_or(|last| *last < hold.context.sequence().0),
                "delivered twice or backwards"
            );
            self.got.push(hold.context.sequence().0);
            read_held(&self.payload, &hold);
        }
        taken
    }

    /// Takes a frame, reads it, gives it back. False where there is none.
    pub fn use_one(&mut self) -> bool {
        let Taken::Frame(hold) = self.take() else { return false };
        read_held(&self.payload, &hold);
        self.reader.pages().release(hold.slot);
        true
    }

    /// Takes all there is.
    pub fn drain(&mut self) {
        while self.use_one() {}
    }

    /// The frames it got; its counters must agree with them and with how far it is.
    pub fn account(&self) -> (&[u64], Counters) {
        let counters = self.reader.counters();
        let span = self.reader.cursor().0 + 1 - self.first;
        assert_eq!(counters.received, self.got.len() as u64);
        assert_eq!(counters.received + counters.lost + counters.skipped, span, "{counters:?}");
        (&self.got, counters)
    }
}

/// A held frame is whole: header and payload are those of the frame that its context ID names.
pub fn read_held(payload: &Payload, hold: &Hold) {
    let sequence = hold.context.sequence().0;
    assert_eq!(payload.read(hold.context.segment()), sequence, "another frame's payload");
    assert_eq!(hold.header.context, hold.context.as_u64(), "another frame's header");
    assert_eq!(hold.header.block_id, sequence, "another frame's header");
}
