//! The ring on real shared memory: what the models of `tests/models` are too small to show.

mod hiding;
mod hostile;
mod reading;
mod retiring;
mod stress;
mod waiting;

use super::{Hold, Member, Notify, Pages, Reader, Retired, SharedRoster, Taken, Writer};
use crate::message::Policy;
use crate::shm::Mapped;
use crate::sync::{Arc, AtomicU32, Ordering};
use crate::{ConsumerPage, ContextId, FrameHeader, SegmentIndex, Sequence, StreamPage};

/// A stream whose source has some segments, all free at first.
struct Ring {
    page: Arc<Mapped<StreamPage>>,
    roster: Arc<SharedRoster>,
    writer: Writer,
    free: Vec<SegmentIndex>,
}

impl Ring {
    fn new(segments: usize) -> Self {
        let page = Arc::new(Mapped::create().expect("memory for a page").0);
        let roster = Arc::new(SharedRoster::default());
        let writer = Writer::new(Arc::clone(&page), Arc::clone(&roster));
        Self { page, roster, writer, free: (0..segments).rev().map(segment).collect() }
    }

    /// Publishes so many frames, each into a free segment.
    fn publish(&mut self, frames: usize) {
        for _ in 0..frames {
            let segment = self.free.pop().expect("a segment is free");
            let (_, calls) = self.writer.publish(segment, header(), crate::monotonic_ns());
            self.writer.wake(calls);
        }
    }

    /// Retires up to `wanted` frames; the segments that come back are free again.
    fn retire(&mut self, wanted: usize) -> Vec<Retired> {
        let mut freed = Vec::new();
        self.writer.retire(wanted, &mut freed);
        self.free.extend(freed.iter().filter_map(|retired| match retired {
            Retired::Reusable(segment) => Some(*segment),
            Retired::Quarantined(_) => None,
        }));
        freed
    }

    /// Frame after frame, each retiring the oldest where no segment is free.
    fn run(&mut self, frames: usize) {
        for _ in 0..frames {
            if self.free.is_empty() {
                assert_eq!(self.retire(1).len(), 1, "nobody holds anything");
            }
            self.publish(1);
        }
    }

    fn member(&self, granted: usize) -> (Arc<Member>, Arc<Mapped<ConsumerPage>>) {
        self.member_with(granted, Bytes::default())
    }

    /// A subscription in the roster.
    fn member_with(&self, granted: usize, notify: Bytes) -> (Arc<Member>, Arc<Mapped<ConsumerPage>>) {
        let page = Arc::new(Mapped::<ConsumerPage>::create().expect("memory for a page").0);
        let member = Arc::new(Member::new(Arc::clone(&page), granted, Box::new(notify)));
        drop(self.roster.change(|roster| roster.members.push(Arc::clone(&member))));
        (member, page)
    }

    fn reader_of(&self, consumer: Arc<Mapped<ConsumerPage>>, granted: usize, policy: Policy, first: u64) -> Reader {
        let pages = Arc::new(Pages { stream: Arc::clone(&self.page), consumer });
        Reader::new(pages, granted, policy, Sequence(first))
    }

    /// A reader whose subscription is in the roster.
    fn reader(&self, granted: usize, policy: Policy, first: u64) -> Reader {
        let (_, page) = self.member(granted);
        self.reader_of(page, granted, policy, first)
    }
}

/// Counts the bytes a notify socket would get.
#[derive(Debug, Clone, Default)]
struct Bytes(Arc<AtomicU32>);

impl Notify for Bytes {
    fn notify(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

fn header() -> FrameHeader {
    crate::header::sample()
}

fn segment(index: usize) -> SegmentIndex {
    SegmentIndex::new(index).expect("tests use few segments")
}

fn context(sequence: u64, at: usize) -> ContextId {
    ContextId::new(Sequence(sequence), segment(at))
}

fn take(reader: &mut Reader) -> Hold {
    match reader.try_take() {
        Taken::Frame(hold) => hold,
        other => panic!("a frame should be there, not {other:?}"),
    }
}

/// Takes a frame, gives it back and says which it was; `None` where there is none.
fn use_one(reader: &mut Reader) -> Option<u64> {
    let Taken::Frame(hold) = reader.try_take() else { return None };
    reader.pages().release(hold.slot);
    Some(hold.context.sequence().0)
}

fn use_all(reader: &mut Reader) -> Vec<u64> {
    std::iter::from_fn(|| use_one(reader)).collect()
}

/// Received, lost, skipped.
fn counters(reader: &Reader) -> [u64; 3] {
    let counters = reader.counters();
    [counters.received, counters.lost, counters.skipped]
}
