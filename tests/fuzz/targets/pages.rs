//! Pages as the other side reads them. What a page's owner writes is its own affair: no value that it writes makes the
//! reader of it panic, wait or go outside the page.
#![no_main]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use framebroker_fuzz::Cursor;
use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::{
    Claim, Filler, Lender, Member, Notify, Pages, Reader, SharedRoster, Start, Taken, Taker, Writer,
};
use framebroker_protocol::shm::{Mapped, Page, SharedObject};
use framebroker_protocol::{
    ClientId, ConsumerId, ConsumerPage, ContextId, FrameInfo, PixelFormat, ProducerPage, SegmentIndex, StreamId,
    StreamPage,
};
use libfuzzer_sys::fuzz_target;

const STEPS: usize = 200;
const GRANTED: usize = 4;
const SEGMENTS: usize = 8;
const SEGMENT_BYTES: usize = 4096;

fuzz_target!(|input: &[u8]| {
    let mut input = Cursor::new(input);
    match input.byte() % 4 {
        0 => consumer(&mut input),
        1 => producer(&mut input),
        2 => writer(&mut input),
        _ => lender(&mut input),
    }
});

/// A page and a way for its owner to write anything anywhere.
struct Owned<T: Page> {
    page: Arc<Mapped<T>>,
    object: SharedObject,
}

impl<T: Page> Owned<T> {
    fn new() -> Self {
        let (page, object) = Mapped::create().expect("memory for a page");
        Self { page: Arc::new(page), object }
    }

    /// What the other side gets.
    fn descriptor(&self) -> OwnedFd {
        self.object.as_fd().try_clone_to_owned().expect("a descriptor")
    }

    /// Something anywhere: bytes, or one 8-byte word.
    fn scribble(&self, input: &mut Cursor<'_>) {
        let at = usize::from(input.byte()) << 8 | usize::from(input.byte());
        let at = at * 8 % size_of::<T>();
        let bytes = input.string();
        write(self.object.as_fd(), bytes.get(..size_of::<T>() - at).unwrap_or(bytes), at);
    }
}

fn write(object: BorrowedFd<'_>, bytes: &[u8], at: usize) {
    let at = i64::try_from(at).expect("an offset in a page");
    nix::sys::uio::pwrite(object, bytes, at).expect("writing to a page");
}

fn some_context(input: &mut Cursor<'_>) -> Option<ContextId> {
    ContextId::from_u64(input.number())
}

fn some_segment(input: &mut Cursor<'_>) -> SegmentIndex {
    SegmentIndex::new(usize::from(input.byte()) % SEGMENTS).expect("a segment")
}

/// A broker lies to a consumer.
fn consumer(input: &mut Cursor<'_>) {
    let (stream, own) = (Owned::<StreamPage>::new(), Owned::<ConsumerPage>::new());
    stream.page.initialise(StreamId(0));
    own.page.initialise(ConsumerId(1));
    let Ok(page) = Mapped::<StreamPage>::read_only(stream.descriptor()) else { return };
    let pages = Arc::new(Pages { stream: Arc::new(page), consumer: Arc::clone(&own.page) });
    let policy = [Policy::Sequential, Policy::Latest, Policy::Upcoming, Policy::Lossless];
    let policy = policy.into_iter().nth(usize::from(input.byte()) % 4).unwrap_or_default();
    let mut reader = Reader::new(Arc::clone(&pages), GRANTED, policy, framebroker_protocol::Sequence(input.number()));
    let mut held = Vec::new();
    for _ in 0..STEPS {
        if input.is_at_end() {
            break;
        }
        match input.byte() % 10 {
            0..=2 => stream.scribble(input),
            3 => own.scribble(input),
            4 | 5 => {
                if let Taken::Frame(hold) = reader.try_take() {
                    held.push(hold);
                }
            }
            6 => {
                let context = some_context(input);
                if let Some(Claim::Held(hold)) = context.map(|context| reader.take_context(context)) {
                    held.push(hold);
                }
            }
            7 => {
                if let Some(hold) = held.pop() {
                    pages.release(hold.slot);
                }
            }
            8 => reader.skip_to_head(),
            _ => {
                let _seen = (reader.see_state(), reader.has_news(), reader.counters(), reader.held());
                let _seen = (pages.stream.rhythm(), pages.stream.oldest(), pages.stream.check().is_ok());
                reader.wait(Duration::ZERO);
            }
        }
    }
}

/// A broker lies to a producer.
fn producer(input: &mut Cursor<'_>) {
    let page = Owned::<ProducerPage>::new();
    page.page.initialise(ClientId(1), StreamId(0));
    let Ok(own) = Mapped::<ProducerPage>::writable(page.descriptor()) else { return };
    let own = Arc::new(own);
    let (mut taker, mut filler) = (Taker::new(Arc::clone(&own)), Filler::new(own));
    let mut lent = Vec::new();
    for _ in 0..STEPS {
        if input.is_at_end() {
            break;
        }
        match input.byte() % 4 {
            0 => page.scribble(input),
            1 => match taker.try_take() {
                Ok(Some(lend)) => lent.push(lend),
                Ok(None) => taker.wait(Duration::from_nanos(1)),
                Err(_lie) => break,
            },
            2 => {
                if let Some(lend) = lent.pop() {
                    filler.fill(lend, &FrameInfo::new(8, 8, PixelFormat::MONO8).header());
                }
            }
            _ => {
                let _seen = (filler.state(), page.page.check().is_ok());
            }
        }
    }
}

#[derive(Debug)]
struct Silent;

impl Notify for Silent {
    fn notify(&self) {}
}

/// A consumer lies to the broker, which still never gives out a segment twice.
fn writer(input: &mut Cursor<'_>) {
    let stream = Owned::<StreamPage>::new();
    stream.page.initialise(StreamId(0));
    let shared = Arc::new(SharedRoster::default());
    let mut writer = Writer::new(Arc::clone(&stream.page), Arc::clone(&shared));
    let (own, other) = (Owned::<ConsumerPage>::new(), Owned::<ConsumerPage>::new());
    let members = [&own, &other].map(|page| {
        page.page.initialise(ConsumerId(1));
        Arc::new(Member::new(Arc::clone(&page.page), GRANTED, Box::new(Silent)))
    });
    let _before = shared.change(|roster| roster.members = members.to_vec());
    let [liar, honest] = members;
    let mut free: Vec<SegmentIndex> = (0..SEGMENTS).filter_map(SegmentIndex::new).collect();
    let (mut freed, mut now_ns) = (Vec::new(), 0);
    for _ in 0..STEPS {
        if input.is_at_end() {
            break;
        }
        match input.byte() % 10 {
            0..=2 => own.scribble(input),
            3 | 4 => {
                if let Some(segment) = free.pop() {
                    let header = FrameInfo::new(8, 8, PixelFormat::MONO8).header();
                    now_ns += u64::from(input.byte()) << (input.byte() % 32);
                    let (_context, calls) = writer.publish(segment, header, now_ns);
                    writer.wake(calls);
                }
            }
            5 => writer.retire(input.byte().into(), &mut freed),
            6 => drop(writer.retire_or_ask(input.byte().into(), &mut freed)),
            7 => {
                liar.set_lossless(input.byte() & 1 == 1);
                let _first =
                    writer.adopt_lossless(&liar, if input.byte() & 1 == 1 { Start::Oldest } else { Start::Next });
            }
            8 => {
                let _seen = (writer.slowest_lossless().is_some(), liar.cursor(), liar.page().counters());
                let _seen = (honest.cursor(), honest.page().is_revoked());
            }
            _ => {
                let held = liar.revoke();
                assert!(held.len() <= GRANTED, "more holds than were granted");
                let _before = shared.change(|roster| roster.members.retain(|member| !Arc::ptr_eq(member, &liar)));
            }
        }
        for retired in freed.drain(..) {
            use framebroker_protocol::ring::Retired::{Quarantined, Reusable};
            let (Reusable(segment) | Quarantined(segment)) = retired;
            assert!(!free.contains(&segment), "{segment:?} was given out twice");
            free.push(segment);
        }
        assert_eq!(free.len() + writer.published(), SEGMENTS, "a segment is lost");
    }
}

/// A producer lies to the broker, which still takes each segment back once.
fn lender(input: &mut Cursor<'_>) {
    let page = Owned::<ProducerPage>::new();
    page.page.initialise(ClientId(1), StreamId(0));
    let mut lender = Lender::new(Arc::clone(&page.page));
    let mut lent = [false; SEGMENTS];
    for _ in 0..STEPS {
        if input.is_at_end() {
            break;
        }
        match input.byte() % 4 {
            0 => page.scribble(input),
            1 => {
                let segment = some_segment(input);
                if let Some(lent) = lent.get_mut(segment.as_usize()).filter(|lent| !**lent) {
                    *lent = true;
                    lender.lend(segment);
                }
            }
            2 => match lender.collect() {
                Ok(Some((segment, record))) => {
                    let lent = lent.get_mut(segment.as_usize()).expect("a segment that was lent");
                    assert!(std::mem::take(lent), "{segment:?} was not lent");
                    if let Ok(info) = FrameInfo::checked(&record, SEGMENT_BYTES) {
                        assert!(
                            info.chunk_bytes <= SEGMENT_BYTES && info.image_bytes <= SEGMENT_BYTES - info.chunk_bytes,
                            "{info:?} is more than there is"
                        );
                    }
                }
                Ok(None) => lender.wait(Duration::from_nanos(1)),
                Err(_breach) => break,
            },
            _ => lender.set_state(framebroker_protocol::ProducerState::from_bits(input.byte().into())),
        }
    }
}
