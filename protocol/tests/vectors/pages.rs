//! The three pages in shared memory: live ones, read at the offsets of PROTOCOL.md.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::{
    Filler, Lender, Member, Notify, Pages, Reader, Roster, SharedRoster, Start, Taken, Taker, Writer,
};
use framebroker_protocol::shm::{Mapped, SharedObject};
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{
    Backing, ClientId, ConsumerId, ConsumerPage, FrameHeader, ProducerPage, ProducerState, SegmentIndex, StreamId,
    StreamPage, StreamState, SubscriptionId,
};

use nix::fcntl::{FcntlArg, fcntl};

use crate::decoder::Decoder;
use crate::document::{Row, Table};
use crate::samples::{context, headers};

/// A page's memory, seen through its descriptor and the pages' table alone.
struct Memory {
    object: File,
    table: Table,
    read: RefCell<BTreeSet<&'static str>>,
}

impl Memory {
    fn of(object: &SharedObject, heading: &str) -> Self {
        let object = File::from(object.as_fd().try_clone_to_owned().unwrap());
        Self { object, table: Table::below(heading), read: RefCell::default() }
    }

    /// The first or only element of a field.
    fn number(&self, name: &str) -> u64 {
        self.element(name, 0)
    }

    fn element(&self, name: &str, index: usize) -> u64 {
        self.bytes(name, index).iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn bytes(&self, name: &str, index: usize) -> Vec<u8> {
        let row = self.table.rows().find(|row| row.cell("name") == name).unwrap_or_else(|| panic!("no field {name}"));
        self.read.borrow_mut().insert(row.cell("name"));
        let (element, count) = shape(row);
        assert!(index < count, "{name} has {count} elements");
        let mut bytes = vec![0; element];
        self.object.read_exact_at(&mut bytes, (row.number("offset") + index * element) as u64).unwrap();
        bytes
    }

    /// Fields follow each other without overlap, end in the page, and were all read.
    fn check_is_complete(&self, page_bytes: usize) {
        let mut end = 0;
        for row in self.table.rows() {
            let name = row.cell("name");
            let (element, count) = shape(row);
            assert!(row.number("offset") >= end, "{name} overlaps the field before");
            assert_eq!(row.number("size"), element * count, "size of {name}");
            end = row.number("offset") + row.number("size");
            assert!(self.read.borrow().contains(name), "{name} is not tested");
        }
        assert!(end <= page_bytes);
        assert_eq!(self.object.metadata().unwrap().len(), page_bytes as u64);
    }
}

/// Bytes of an element and number of elements.
fn shape(row: Row<'_>) -> (usize, usize) {
    let kind = row.cell("type");
    let (element, count) = kind.strip_suffix(']').and_then(|kind| kind.split_once('[')).unwrap_or((kind, "1"));
    let bytes = match element {
        "u32" => 4,
        "u64" => 8,
        "FrameHeader" => 128,
        _ => panic!("unknown type {kind}"),
    };
    (bytes, count.parse().unwrap())
}

#[derive(Debug)]
struct Silent;

impl Notify for Silent {
    fn notify(&self) {}
}

/// A stream with one writer, and its memory.
struct Stream {
    page: Arc<Mapped<StreamPage>>,
    roster: Arc<SharedRoster>,
    writer: Writer,
    memory: Memory,
}

impl Stream {
    fn new() -> Self {
        let (page, object) = Mapped::<StreamPage>::create().unwrap();
        page.initialise(StreamId(0x0708_090a));
        let (page, roster) = (Arc::new(page), Arc::new(SharedRoster::default()));
        let writer = Writer::new(Arc::clone(&page), Arc::clone(&roster));
        Self { page, roster, writer, memory: Memory::of(&object, "StreamPage") }
    }

    fn publish(&mut self, at: usize, header: FrameHeader, now_ns: u64) {
        let _nobody_sleeps = self.writer.publish(segment(at), header, now_ns);
    }

    fn publish_and_wake(&mut self, at: usize, header: FrameHeader) {
        let (_, calls) = self.writer.publish(segment(at), header, 0);
        self.writer.wake(calls);
    }

    /// A subscription that may hold two frames.
    fn subscribe(&self, policy: Policy) -> (Reader, Arc<Member>, Memory) {
        let (page, object) = Mapped::<ConsumerPage>::create().unwrap();
        page.initialise(ConsumerId::new(ClientId(5), SubscriptionId(6)));
        let consumer = Arc::new(page);
        let member = Arc::new(Member::new(Arc::clone(&consumer), 2, Box::new(Silent)));
        drop(self.roster.change(|roster: &mut Roster| roster.members.push(Arc::clone(&member))));
        let pages = Arc::new(Pages { stream: Arc::clone(&self.page), consumer });
        let first = self.page.head().next();
        (Reader::new(pages, 2, policy, first), member, Memory::of(&object, "ConsumerPage"))
    }
}

fn segment(at: usize) -> SegmentIndex {
    SegmentIndex::new(at).unwrap()
}

/// Goal: every word of the stream page lies where the pages say. Method: let a writer give each another value, and read
/// the memory at the documented offsets.
#[test]
fn the_stream_page_lies_as_documented() {
    let mut stream = Stream::new();
    let header = headers()[0].1;
    stream.writer.set_backing(segment(3), Backing(9));
    stream.writer.set_backing(segment(1023), Backing(0x0b0c_0d0e));
    stream.publish(1023, header, 5000);
    stream.publish(3, header, 5700);
    let _nobody_sleeps = stream.writer.set_state(StreamState::Live);

    let memory = &stream.memory;
    assert_eq!(memory.number("magic"), u64::from_le_bytes(*b"FBSTREAM"));
    assert_eq!(memory.number("layout_version"), 1);
    assert_eq!(memory.number("stream_id"), 0x0708_090a);
    for row in memory.table.rows().filter(|row| row.cell("writer") == "once") {
        // Where the meaning is a number, it is the value.
        if let Ok(value) = row.cell("meaning").parse::<u64>() {
            assert_eq!(memory.number(row.cell("name")), value, "{}", row.cell("name"));
        }
    }
    for array in ["slot", "backing", "header", "window"] {
        let row = memory.table.rows().find(|row| row.cell("name") == array).unwrap();
        assert_eq!(memory.number(&format!("{array}_offset")), row.number("offset") as u64);
    }
    assert_eq!((memory.number("segment_limit"), memory.number("window_len")), (1024, 2048));
    assert_eq!((memory.number("state"), memory.number("bell"), memory.number("head")), (1, 3, 2));
    assert_eq!((memory.number("interval_ns"), memory.number("published_ns")), (700, 5700));
    let (first, second) = (context(1, 1023).as_u64(), context(2, 3).as_u64());
    assert_eq!(
        (memory.element("slot", 1023), memory.element("slot", 3), memory.element("slot", 0)),
        (first, second, 0)
    );
    assert_eq!((memory.element("backing", 3), memory.element("backing", 1023)), (9, 0x0b0c_0d0e));
    assert_eq!((memory.element("window", 1), memory.element("window", 2)), (first, second));
    let published = FrameHeader { context: first, usage_count: 1, buffer_context: 2023, ..header };
    let found = Decoder::new(&memory.bytes("header", 1023)).value("FrameHeader");
    assert_eq!(found, serde_json::to_value(published).unwrap());
    assert_eq!((memory.number("starved"), memory.number("retiring")), (0, 0));
    stream.writer.retire(1, &mut Vec::new());
    assert_eq!((memory.element("slot", 1023), memory.number("retiring")), (0, 2), "raised before and after");
    memory.check_is_complete(163_840);
}

/// Goal: the states have the documented numbers. Method: set each.
#[test]
fn the_states_are_numbered_as_documented() {
    let mut stream = Stream::new();
    assert_eq!(stream.memory.number("state"), 0, "a new page is offline");
    for (state, number) in [(StreamState::Live, 1), (StreamState::Offline, 0), (StreamState::Closed, 2)] {
        let _nobody_sleeps = stream.writer.set_state(state);
        assert_eq!(stream.memory.number("state"), number);
    }
}

/// Goal: the word a starving writer sleeps on lies where the pages say. Method: starve a writer in a thread until the word
/// is seen to be 1.
#[test]
fn a_starving_writer_shows_where_documented() {
    let Stream { mut writer, memory, .. } = Stream::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let starving = std::thread::spawn(move || {
        let mut freed = Vec::new();
        while stopped.try_recv().is_err() {
            if writer.retire_or_ask(1, &mut freed) {
                writer.releases().wait();
            }
        }
    });
    while memory.number("starved") != 1 {
        assert!(Instant::now() < deadline, "the word was never 1");
    }
    stop.send(()).unwrap();
    starving.join().unwrap();
    assert_eq!(memory.number("starved"), 0);
}

/// Goal: every word of the consumer page lies where the pages say. Method: let readers give each another value, and read
/// the memory at the documented offsets.
#[test]
fn the_consumer_page_lies_as_documented() {
    let mut stream = Stream::new();
    let (mut reader, member, memory) = stream.subscribe(Policy::Sequential);
    let (mut hasty, _, of_hasty) = stream.subscribe(Policy::Latest);
    for at in 0..5 {
        stream.publish(at, headers()[0].1, 0);
    }
    let mut freed = Vec::new();
    stream.writer.retire(2, &mut freed);
    assert_eq!(freed.len(), 2);
    for (sequence, at) in [(3, 2), (4, 3)] {
        assert!(matches!(reader.try_take(), Taken::Frame(hold) if hold.context == context(sequence, at)));
    }
    assert!(matches!(hasty.try_take(), Taken::Frame(hold) if hold.context == context(5, 4)));

    assert_eq!(memory.number("magic"), u64::from_le_bytes(*b"FBREADER"));
    assert_eq!((memory.number("layout_version"), memory.number("hold_limit")), (1, 64));
    assert_eq!(memory.number("id"), 5 << 32 | 6);
    assert_eq!((memory.number("cursor"), memory.number("received")), (4, 2));
    assert_eq!((memory.number("lost"), memory.number("skipped")), (2, 0));
    assert_eq!(
        (memory.element("hold", 0), memory.element("hold", 1)),
        (context(3, 2).as_u64(), context(4, 3).as_u64())
    );
    assert_eq!(memory.element("hold", 2), 0);
    assert_eq!((of_hasty.number("cursor"), of_hasty.number("received")), (5, 1));
    assert_eq!((of_hasty.number("lost"), of_hasty.number("skipped")), (0, 4));

    assert_eq!(memory.number("waiting"), 0);
    reader.ask_for_notify();
    assert_eq!((memory.number("waiting"), memory.number("revoked")), (2, 0));
    assert_eq!(memory.number("bell"), 0);
    let mut apart = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            hasty.wait_apart(Duration::from_secs(30));
            hasty
        });
        wait_until(&of_hasty, "waiting", 3);
        stream.publish_and_wake(0, headers()[0].1);
        waiting.join().unwrap()
    });
    assert_eq!((of_hasty.number("bell"), of_hasty.number("waiting")), (1, 0));
    assert!(matches!(apart.try_take(), Taken::Frame(_)));
    assert_eq!(member.revoke(), [context(3, 2), context(4, 3)]);
    assert_eq!((memory.number("waiting"), memory.number("revoked")), (2, 1));
    reader.leave();
    assert_eq!((memory.number("waiting"), memory.number("cursor")), (0, u64::MAX));
    memory.check_is_complete(4096);
}

/// Goal: every word of the producer page lies where the pages say. Method: let both sides give each another value, and read
/// the memory at the documented offsets.
#[test]
fn the_producer_page_lies_as_documented() {
    let (page, object) = Mapped::<ProducerPage>::create().unwrap();
    page.initialise(ClientId(0x0102_0304_0506), StreamId(7));
    let (page, memory) = (Arc::new(page), Memory::of(&object, "ProducerPage"));
    for row in memory.table.rows().filter(|row| row.cell("writer") == "once") {
        if let Ok(value) = row.cell("meaning").parse::<u64>() {
            assert_eq!(memory.number(row.cell("name")), value, "{}", row.cell("name"));
        }
    }
    assert_eq!(memory.number("magic"), u64::from_le_bytes(*b"FBFILLER"));
    assert_eq!((memory.number("client"), memory.number("stream_id")), (0x0102_0304_0506, 7));
    for array in ["lend", "record"] {
        let row = memory.table.rows().find(|row| row.cell("name") == array).unwrap();
        assert_eq!(memory.number(&format!("{array}_offset")), row.number("offset") as u64);
    }
    let mut lender = Lender::new(Arc::clone(&page));
    let (mut taker, mut filler) = (Taker::new(Arc::clone(&page)), Filler::new(page));
    for (state, number) in [(ProducerState::Preparing, 0), (ProducerState::Running, 1), (ProducerState::Stopped, 2)] {
        lender.set_state(state);
        assert_eq!(memory.number("state"), number);
    }
    [5, 1023, 3].into_iter().for_each(|at| lender.lend(segment(at)));
    let lends: Vec<_> = (0..2).map(|_| taker.try_take().unwrap().unwrap()).collect();
    assert_eq!(memory.number("lent"), 3);
    assert_eq!([1, 2, 3].map(|number| memory.element("lend", number)), [1 << 16 | 5, 2 << 16 | 1023, 3 << 16 | 3]);
    assert_eq!(lends.iter().map(|lend| lend.as_u64()).collect::<Vec<_>>(), [1 << 16 | 5, 2 << 16 | 1023]);
    let header = headers()[0].1;
    filler.fill(lends[1], &header);
    filler.fill(lends[0], &header);
    assert_eq!(memory.number("filled"), 2);
    let filled = FrameHeader { context: 1 << 16 | 5, ..header };
    let found = Decoder::new(&memory.bytes("record", 1)).value("FrameHeader");
    assert_eq!(found, serde_json::to_value(filled).unwrap());
    assert_eq!(lender.collect(), Ok(Some((segment(1023), FrameHeader { context: 2 << 16 | 1023, ..header }))));
    assert_eq!(lender.collect(), Ok(Some((segment(5), filled))));
    assert_eq!((memory.number("broker_waits"), memory.number("producer_waits")), (0, 0));
    assert!(taker.try_take().unwrap().is_some(), "the third lend");
    let of_producer = std::thread::spawn(move || taker.wait(Duration::from_secs(30)));
    wait_until(&memory, "producer_waits", 1);
    lender.lend(segment(7));
    of_producer.join().unwrap();
    let of_broker = std::thread::spawn(move || lender.wait(Duration::from_secs(30)));
    wait_until(&memory, "broker_waits", 1);
    filler.fill(lends[0], &header);
    of_broker.join().unwrap();
    memory.check_is_complete(143_360);
}

fn wait_until(memory: &Memory, name: &'static str, value: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while memory.number(name) != value {
        assert!(Instant::now() < deadline, "{name} was never {value}");
    }
}

/// Goal: the ring sets a lossless reader's first cursor. Method: adopt one from the oldest frame.
#[test]
fn a_lossless_cursor_is_set_by_the_writer() {
    let mut stream = Stream::new();
    for at in 0..3 {
        stream.publish(at, headers()[0].1, 0);
    }
    stream.writer.retire(1, &mut Vec::new());
    let (_reader, member, memory) = stream.subscribe(Policy::Lossless);
    assert_eq!(memory.number("cursor"), 3, "as the reader set it");
    assert_eq!(stream.writer.adopt_lossless(&member, Start::Oldest).0, 2);
    assert_eq!(memory.number("cursor"), 1);
}

/// Goal: received objects have the documented seals. Method: read them as a client gets each object.
#[test]
fn objects_are_sealed_as_documented() {
    // Newer kernels set it on every object.
    const F_SEAL_EXEC: i32 = 0x20;
    let seals = |object: &SharedObject| fcntl(object, FcntlArg::F_GET_SEALS).unwrap() & !F_SEAL_EXEC;
    let (_mapped, page) = Mapped::<ConsumerPage>::create().unwrap();
    assert_eq!(seals(&page), 0x06);
    page.seal().unwrap();
    assert_eq!(seals(&page), 0x17);
}
