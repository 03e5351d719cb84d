//! The memory of the stream that is made up.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use framebroker_fuzz::Cursor;
use framebroker_protocol::message::SegmentInfo;
use framebroker_protocol::ring::{Member, Notify, SharedRoster, Writer};
use framebroker_protocol::shm::{Mapped, SharedObject};
use framebroker_protocol::socket::Channel;
use framebroker_protocol::{
    Backing, ClientId, ConsumerId, ConsumerPage, FrameHeader, SegmentIndex, StreamId, StreamPage, StreamState,
    SubscriptionId, Text, monotonic_ns,
};

const SEGMENTS: u8 = 8;
const SEGMENT_BYTES: usize = 4096;

pub struct Ring {
    page: SharedObject,
    consumer: SharedObject,
    notify: Arc<Channel>,
    theirs: Channel,
    writer: Writer,
    /// Somebody else has written into the page since, which its writer need not bear.
    is_spoiled: bool,
    segments: Vec<SharedObject>,
}

#[derive(Debug)]
struct Bell(Arc<Channel>);

impl Notify for Bell {
    fn notify(&self) {
        let _full = self.0.try_send(&[1], &[]);
    }
}

impl Ring {
    /// Live, without a frame.
    pub fn new() -> Self {
        let (stream, page) = Mapped::<StreamPage>::create().expect("memory for a page");
        stream.initialise(StreamId(0));
        let (mapped, consumer) = Mapped::<ConsumerPage>::create().expect("memory for a page");
        mapped.initialise(ConsumerId::new(ClientId(1), SubscriptionId(1)));
        let (ours, theirs) = Channel::pair().expect("a pair of sockets");
        let notify = Arc::new(ours);
        let member = Arc::new(Member::new(Arc::new(mapped), 3, Box::new(Bell(Arc::clone(&notify)))));
        let roster = Arc::new(SharedRoster::default());
        drop(roster.change(|roster| roster.members.push(member)));
        let mut writer = Writer::new(Arc::new(stream), roster);
        let calls = writer.set_state(StreamState::Live);
        writer.wake(calls);
        Self { page, consumer, notify, theirs, writer, is_spoiled: false, segments: Vec::new() }
    }

    /// The descriptors of a delivery in shared memory.
    pub fn pages(&self) -> Vec<OwnedFd> {
        [self.page.as_fd(), self.consumer.as_fd(), self.theirs.as_fd()].map(copy).into()
    }

    /// So many more segments.
    pub fn hand_over(&mut self, count: u8) -> (Vec<SegmentInfo>, Vec<OwnedFd>) {
        let from = self.segments.len();
        for _ in 0..count {
            self.segments.push(SharedObject::create("made-up", SEGMENT_BYTES).expect("memory for a segment"));
        }
        let info = |at: usize| SegmentInfo {
            index: SegmentIndex::new(at % usize::from(SEGMENTS)).expect("a segment"),
            backing: Backing(u32::try_from(at / usize::from(SEGMENTS)).expect("few segments")),
            bytes: SEGMENT_BYTES as u64,
            align: 4096,
            path: Text::cut(""),
        };
        let objects = self.segments.iter().skip(from).map(|object| copy(object.as_fd()));
        ((from..self.segments.len()).map(info).collect(), objects.collect())
    }

    /// A frame, with a header that fits or not.
    pub fn publish(&mut self, input: &mut Cursor<'_>) {
        let (header, segment) = (some_header(input), some_segment(input));
        if !self.is_spoiled {
            let (_, calls) = self.writer.publish(segment, header, monotonic_ns());
            self.writer.wake(calls);
        }
    }

    /// What a message says of a frame.
    pub fn frame(&self, input: &mut Cursor<'_>) -> (Backing, FrameHeader) {
        let (sequence, segment) = (u64::from(input.byte()), u64::from(input.byte() % SEGMENTS));
        let header = FrameHeader { context: sequence << 16 | segment, ..some_header(input) };
        (Backing(u32::from(input.byte() % 4)), header)
    }

    /// Something anywhere in a page.
    pub fn scribble(&mut self, input: &mut Cursor<'_>) {
        let (object, bytes) = if input.byte() & 1 == 0 {
            self.is_spoiled = true;
            (self.page.as_fd(), size_of::<StreamPage>())
        } else {
            (self.consumer.as_fd(), size_of::<ConsumerPage>())
        };
        let at = (usize::from(input.byte()) << 8 | usize::from(input.byte())) * 8 % bytes;
        let what = input.string();
        let what = what.get(..bytes - at).unwrap_or(what);
        // A sealed page takes nothing.
        let _sealed = nix::sys::uio::pwrite(object, what, i64::try_from(at).expect("an offset in a page"));
    }

    /// Bytes without news, or with some.
    pub fn ring_bell(&self, input: &mut Cursor<'_>) {
        let _full = self.notify.try_send(input.string(), &[]);
    }

    /// Descriptors of whatever kind, as many as are wanted.
    pub fn some_descriptors(&self, input: &mut Cursor<'_>) -> Vec<OwnedFd> {
        let kind = |choice: u8| match choice % 6 {
            0 => copy(self.page.as_fd()),
            1 => copy(self.consumer.as_fd()),
            2 => copy(self.theirs.as_fd()),
            3 => copy(self.notify.as_fd()),
            4 => self.segments.first().map_or_else(|| copy(self.page.as_fd()), |object| copy(object.as_fd())),
            _ => std::fs::File::open("/dev/null").expect("a file").into(),
        };
        (0..input.byte() % 8).map(|_| kind(input.byte())).collect()
    }
}

fn copy(fd: BorrowedFd<'_>) -> OwnedFd {
    fd.try_clone_to_owned().expect("a descriptor")
}

fn some_segment(input: &mut Cursor<'_>) -> SegmentIndex {
    SegmentIndex::new(usize::from(input.byte() % SEGMENTS)).expect("a segment")
}

/// Of 64x48 bytes, or of anything.
fn some_header(input: &mut Cursor<'_>) -> FrameHeader {
    if input.byte() & 7 != 0 {
        return FrameHeader { payload_bytes: 64 * 48, ..FrameHeader::from_words(&[0; 16]) };
    }
    let mut words = [0; 16];
    words.iter_mut().for_each(|word| *word = if input.byte() & 1 == 0 { 0 } else { input.number() });
    FrameHeader::from_words(&words)
}
