//! Nothing on the path of a frame allocates or frees memory. Method: an allocator that counts what this thread asks of it.
#![cfg(not(loom))]

mod counting;

use std::time::Duration;

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::{
    Claim, Member, Notify, Pages, Reader, Retired, Roster, SharedRoster, Start, Taken, Writer,
};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{ConsumerPage, FrameHeader, SegmentIndex, Sequence, StreamPage, StreamState};

use self::counting::calls;

#[derive(Debug)]
struct Silent;

impl Notify for Silent {
    fn notify(&self) {}
}

const SEGMENTS: usize = 8;

struct Ring {
    stream: Arc<Mapped<StreamPage>>,
    roster: Arc<SharedRoster>,
    writer: Writer,
    freed: Vec<Retired>,
    /// Rosters that the writer may still use: kept, as the session thread keeps them, so that it never frees one.
    old: Vec<Arc<Roster>>,
}

impl Ring {
    fn new() -> Self {
        let stream = Arc::new(Mapped::create().expect("memory for a page").0);
        let roster = Arc::<SharedRoster>::default();
        let writer = Writer::new(Arc::clone(&stream), Arc::clone(&roster));
        Self { stream, roster, writer, freed: Vec::with_capacity(2 * SEGMENTS), old: Vec::new() }
    }

    fn member(&self, granted: usize) -> (Arc<Member>, Arc<Mapped<ConsumerPage>>) {
        let page = Arc::new(Mapped::<ConsumerPage>::create().expect("memory for a page").0);
        (Arc::new(Member::new(Arc::clone(&page), granted, Box::new(Silent))), page)
    }

    fn subscribe(&mut self, granted: usize, policy: Policy) -> Reader {
        let (member, consumer) = self.member(granted);
        self.old.push(self.roster.change(|roster| roster.members.push(member)));
        let pages = Arc::new(Pages { stream: Arc::clone(&self.stream), consumer });
        Reader::new(pages, granted, policy, Sequence(1))
    }

    fn publish(&mut self, at: usize) {
        let segment = SegmentIndex::new(at).expect("eight segments");
        let (_, calls) = self.writer.publish(segment, FrameHeader::from_words(&[0; 16]), 1);
        self.writer.wake(calls);
    }

    /// Publishes into what was freed.
    fn publish_freed(&mut self) {
        while let Some(Retired::Reusable(segment) | Retired::Quarantined(segment)) = self.freed.pop() {
            self.publish(segment.as_usize());
        }
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
}

#[test]
fn publish_acquire_release_and_retire_leave_the_allocator_alone() {
    let mut ring = Ring::new();
    let mut readers = [Policy::Sequential, Policy::Latest, Policy::Upcoming].map(|policy| ring.subscribe(2, policy));
    let count = calls(|| {
        (0..SEGMENTS).for_each(|at| ring.publish(at));
        for _ in 0..1000 {
            for reader in &mut readers {
                while let Taken::Frame(hold) = reader.try_take() {
                    reader.pages().release(hold.slot);
                }
                reader.wait(Duration::from_nanos(1));
                reader.ask_for_notify();
                reader.end_notify();
            }
            ring.writer.retire(2, &mut ring.freed);
            assert_eq!(ring.freed.len(), 2);
            ring.publish_freed();
        }
        let calls = ring.writer.set_state(StreamState::Live);
        ring.writer.wake(calls);
    });
    assert_eq!(count, 0);
}

#[test]
fn a_batch_past_held_and_quarantined_frames_leaves_the_allocator_alone() {
    let mut ring = Ring::new();
    let mut reader = ring.subscribe(2, Policy::Sequential);
    (0..SEGMENTS).for_each(|at| ring.publish(at));
    let oldest = reader.try_take();
    assert!(matches!(oldest, Taken::Frame(_)));
    let Claim::Held(third) = reader.take_context(ring.stream.context_of(Sequence(3)).unwrap()) else {
        panic!("frame 3 is there")
    };
    let (member, _) = ring.member(1);
    let quarantined = ring.stream.context_of(Sequence(2)).unwrap();
    let old = ring.roster.change(|roster| {
        roster.members.push(Arc::clone(&member));
        roster.quarantined.push(quarantined);
    });
    ring.old.push(old);
    let count = calls(|| {
        ring.writer.retire(3, &mut ring.freed);
        assert!(ring.freed.contains(&Retired::Quarantined(quarantined.segment())));
        assert_eq!(ring.freed.len(), 4, "three to fill and the quarantined one");
        ring.publish_freed();
        ring.writer.adopt_lossless(&member, Start::Next);
        assert!(ring.writer.slowest_lossless().is_none());
        if ring.writer.retire_or_ask(SEGMENTS, &mut ring.freed) {
            ring.writer.releases().wait();
        }
        if ring.writer.retire_or_ask(SEGMENTS, &mut ring.freed) {
            ring.writer.releases().wait();
        }
        reader.pages().release(third.slot);
    });
    assert_eq!(count, 0);
}
