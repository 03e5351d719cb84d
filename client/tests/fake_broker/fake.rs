//! A broker in this process that says whatever a test wants.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use framebroker_client::{Broker, Delivery, PixelFormat, Policy, Result, Subscription, SubscriptionBuilder};
use framebroker_protocol::codec::{decode, encode};
use framebroker_protocol::message::{Ask, Content, Reply, Request, SegmentInfo, StreamInfo, Subscribed, Tell};
use framebroker_protocol::ring::{Member, Notify, SharedRoster, Writer};
use framebroker_protocol::shm::{Mapped, SharedObject};
use framebroker_protocol::socket::{Buffer, Channel};
use framebroker_protocol::{
    Backing, BrokerId, ClientId, ConsumerId, ConsumerPage, FrameHeader, PROTOCOL_VERSION, SegmentIndex, Sequence,
    StreamId, StreamPage, StreamState, SubscriptionId, Text, monotonic_ns,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket};

/// Bytes of every segment.
pub const SEGMENT_BYTES: usize = 4096;
/// The only subscription there ever is.
pub const ID: SubscriptionId = SubscriptionId(1);

/// A listening socket.
pub struct Fake {
    listener: OwnedFd,
    path: PathBuf,
}

/// A client's connection.
pub struct Session {
    channel: Channel,
    buffer: Buffer,
}

/// A stream with its memory.
pub struct Ring {
    page: SharedObject,
    consumer: SharedObject,
    notify: Channel,
    pub member: Arc<Member>,
    pub writer: Writer,
}

#[derive(Debug)]
struct Bytes(Channel);

impl Notify for Bytes {
    fn notify(&self) {
        self.0.try_send(&[1], &[]).unwrap();
    }
}

impl Fake {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("fake-broker-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let listener = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&listener, Backlog::new(8).unwrap()).unwrap();
        Self { listener, path }
    }

    /// Connects in another thread, and greets it here.
    pub fn connect(&self) -> (Broker, Session) {
        let builder = Broker::builder().socket(&self.path).timeout(Duration::from_secs(10));
        let client = std::thread::spawn(|| builder.connect());
        let mut session = self.accept();
        session.greet();
        (client.join().unwrap().unwrap(), session)
    }

    /// Connects, with a short patience.
    pub fn connect_impatiently(&self) -> std::thread::JoinHandle<Result<Broker>> {
        let builder = Broker::builder().socket(&self.path).timeout(Duration::from_millis(200));
        std::thread::spawn(|| builder.connect())
    }

    /// Subscribes in another thread; `answer` plays the broker's part from `Subscribe` on.
    pub fn subscribe(
        &self,
        terms: impl FnOnce(SubscriptionBuilder) -> SubscriptionBuilder,
        answer: impl FnOnce(&mut Session, u32),
    ) -> (Result<Subscription>, Session) {
        let (broker, _questions) = self.connect();
        let builder = terms(broker.subscribe("cam0"));
        let client = std::thread::spawn(|| builder.open());
        let mut session = self.accept();
        session.greet();
        let (id, ask) = session.hear();
        assert!(matches!(ask, Ask::ListStreams { from: 0 }));
        session.tell(id, Tell::Streams { streams: vec![stream_info()], more: false }, &[]);
        let (id, ask) = session.hear();
        assert!(matches!(ask, Ask::Subscribe { .. }));
        answer(&mut session, id);
        (client.join().unwrap(), session)
    }

    /// A subscription in order, and its stream with so many segments handed over.
    pub fn stream(&self, segments: usize) -> (Subscription, Session, Ring) {
        let ring = Ring::new();
        let memory: Vec<_> = (0..segments).map(|at| segment(at, 0)).collect();
        let (subscription, mut session) = self.subscribe(
            |builder| builder,
            |session, request| {
                let (infos, fds): (Vec<_>, Vec<_>) =
                    memory.iter().map(|(info, object)| (info.clone(), object.as_fd())).unzip();
                session.tell(request, granted(infos), &ring.fds(&fds));
            },
        );
        assert_eq!(session.hear(), (0, Ask::Mapped));
        (subscription.unwrap(), session, ring)
    }

    /// Grants the next subscription, in order, with one segment.
    pub fn grant(&self, ring: &Ring) -> Session {
        let (info, object) = segment(0, 0);
        let mut session = self.accept();
        session.greet();
        let (id, ask) = session.hear();
        assert!(matches!(ask, Ask::ListStreams { from: 0 }));
        session.tell(id, Tell::Streams { streams: vec![stream_info()], more: false }, &[]);
        let (id, ask) = session.hear();
        assert!(matches!(ask, Ask::Subscribe { .. }));
        session.tell(id, granted(vec![info]), &ring.fds(&[object.as_fd()]));
        assert_eq!(session.hear(), (0, Ask::Mapped));
        session
    }

    pub fn accept(&self) -> Session {
        wait_readable(self.listener.as_fd());
        let fd = accept4(self.listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC).unwrap();
        // SAFETY: accept4 has just installed this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Session { channel: Channel::from(fd), buffer: Buffer::default() }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

impl Session {
    pub fn greet(&mut self) {
        let (id, ask) = self.hear();
        assert!(matches!(ask, Ask::Hello { version: PROTOCOL_VERSION, .. }));
        self.tell(id, Tell::Welcome { version: PROTOCOL_VERSION, broker: BrokerId(1), client: ClientId(1) }, &[]);
    }

    pub fn hear(&mut self) -> (u32, Ask) {
        wait_readable(self.channel.as_fd());
        let Request { id, body } = decode(self.channel.try_receive(&mut self.buffer).unwrap().bytes).unwrap();
        (id, body)
    }

    pub fn tell(&self, request: u32, body: Tell, fds: &[BorrowedFd<'_>]) {
        self.channel.try_send(&encode(&Reply { request, body }).unwrap(), fds).unwrap();
    }

    pub fn tell_bytes(&self, bytes: &[u8]) {
        self.channel.try_send(bytes, &[]).unwrap();
    }

    /// Says it unless the client has not read what was said before; reads what the client says, and does not care.
    pub fn say_if_there_is_room(&mut self, body: Tell, fds: &[BorrowedFd<'_>]) {
        let _no_room = self.channel.try_send(&encode(&Reply { request: 0, body }).unwrap(), fds);
        while self.channel.try_receive(&mut self.buffer).is_ok() {}
    }

    /// Hands a segment over.
    pub fn add_segment(&mut self, index: usize, backing: u32) {
        let (info, object) = segment(index, backing);
        self.tell(0, Tell::SegmentsAdded { subscription: ID, segments: vec![info] }, &[object.as_fd()]);
    }
}

impl Ring {
    pub fn new() -> Self {
        let (stream, page) = Mapped::<StreamPage>::create().unwrap();
        stream.initialise(StreamId(0));
        let (mapped, consumer) = Mapped::<ConsumerPage>::create().unwrap();
        mapped.initialise(ConsumerId::new(ClientId(1), ID));
        let (ours, notify) = Channel::pair().unwrap();
        let member = Arc::new(Member::new(Arc::new(mapped), 2, Box::new(Bytes(ours))));
        let roster = Arc::new(SharedRoster::default());
        drop(roster.change(|roster| roster.members.push(Arc::clone(&member))));
        let mut writer = Writer::new(Arc::new(stream), roster);
        let calls = writer.set_state(StreamState::Live);
        writer.wake(calls);
        Self { page, consumer, notify, member, writer }
    }

    /// The descriptors of a `Subscribed`.
    pub fn fds<'a>(&'a self, segments: &[BorrowedFd<'a>]) -> Vec<BorrowedFd<'a>> {
        [&[self.page.as_fd(), self.consumer.as_fd(), self.notify.as_fd()], segments].concat()
    }

    pub fn publish(&mut self, segment: usize, payload_bytes: u64) {
        self.publish_at(segment, 0, payload_bytes);
    }

    pub fn publish_at(&mut self, segment: usize, payload_offset: u64, payload_bytes: u64) {
        let index = SegmentIndex::new(segment).unwrap();
        let header = FrameHeader { payload_offset, payload_bytes, ..FrameHeader::from_words(&[0; 16]) };
        let (_, calls) = self.writer.publish(index, header, monotonic_ns());
        self.writer.wake(calls);
    }
}

/// A segment's memory.
pub fn segment(index: usize, backing: u32) -> (SegmentInfo, SharedObject) {
    let object = SharedObject::create("fake-segment", SEGMENT_BYTES).unwrap();
    let (index, backing) = (SegmentIndex::new(index).unwrap(), Backing(backing));
    (SegmentInfo { index, backing, bytes: SEGMENT_BYTES as u64, align: 4096, path: Text::cut("") }, object)
}

/// What the defaults of a subscription ask for.
pub fn granted(segments: Vec<SegmentInfo>) -> Tell {
    Tell::Subscribed(Subscribed {
        subscription: ID,
        stream: StreamId(0),
        policy: Policy::Sequential,
        delivery: Delivery::Shared,
        max_held: 2,
        first: Sequence(1),
        segments,
    })
}

fn stream_info() -> StreamInfo {
    StreamInfo {
        name: "cam0".parse().unwrap(),
        id: StreamId(0),
        state: StreamState::Live,
        source: Text::cut("fake"),
        model: Text::cut(""),
        serial: Text::cut(""),
        width: 64,
        height: 64,
        pixel_format: PixelFormat::from_name("Mono8").unwrap(),
        millihertz: 0,
        content: Content::Opaque,
        backing: Text::cut("memfd"),
        shared: true,
        segments: 1,
        max_segments: 8,
        holds_left: 8,
        head: Sequence(0),
        producer: Text::cut(""),
    }
}

/// Fails the test where nothing comes.
pub fn wait_readable(fd: BorrowedFd<'_>) {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::from(10_000u16)).unwrap(), 1, "nothing came within 10 s");
}
