//! What the broker says, and what the client does meanwhile, read from an input. At its end the broker is honest.

mod ring;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use framebroker_client::{Broker, Delivery, Frame, FrameRef, Policy, Start, Subscription, fuzzing};
use framebroker_fuzz::Cursor;
use framebroker_protocol::codec::{decode, encode};
use framebroker_protocol::message::{Content, Reply, SegmentInfo, StreamInfo, Subscribed, Tell};
use framebroker_protocol::socket::{Buffer, Channel};
use framebroker_protocol::{
    BrokerId, ClientId, ContextId, PROTOCOL_VERSION, PixelFormat, Sequence, StreamId, StreamState, SubscriptionId, Text,
};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use self::ring::Ring;

const STEPS: usize = 200;
const MAX_HELD: u32 = 3;
/// For what the library is told to wait.
const A_MOMENT: Duration = Duration::from_micros(100);
/// The only subscription.
const ID: SubscriptionId = SubscriptionId(1);
/// The last request of a client that subscribes: Hello, `ListStreams`, Subscribe.
const SUBSCRIBE: u32 = 3;

/// Does what the bytes say, and checks that no descriptor is left.
pub fn run(input: &[u8]) {
    let before = open_descriptors();
    lie(&mut Cursor::new(input));
    // Connections that nobody took.
    while fuzzing::connection().is_some() {}
    assert_eq!(open_descriptors(), before, "descriptors are left");
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// The broker's end of a connection.
struct Liar {
    channel: Option<Channel>,
    buffer: Buffer,
}

impl Liar {
    /// The client's next connection leads here.
    fn awaited() -> Option<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).ok()?;
        fuzzing::connect_to(theirs);
        Some(Self { channel: Some(Channel::from(ours)), buffer: Buffer::default() })
    }

    /// Says what an honest broker would, or something else.
    fn say(&self, input: &mut Cursor<'_>, request: u32, honest: Tell, fds: &[BorrowedFd<'_>], ring: &Ring) {
        let how = input.byte();
        let others = if how & 1 == 0 { Vec::new() } else { ring.some_descriptors(input) };
        let others: Vec<BorrowedFd<'_>> = others.iter().map(OwnedFd::as_fd).collect();
        let fds = if how & 1 == 0 { fds } else { &others };
        let request = if how & 2 == 0 { request } else { u32::from(input.byte()) };
        let bytes = match how >> 5 {
            0..=4 => encode(&Reply { request, body: honest }).ok(),
            // Another message, in its place.
            5 | 6 => decode::<Reply>(input.string())
                .ok()
                .and_then(|Reply { body, .. }| encode(&Reply { request, body }).ok()),
            _ => Some(input.string().to_vec()),
        };
        if let (Some(bytes), Some(channel)) = (bytes, &self.channel) {
            // What finds no room is not said.
            let _unsaid = channel.try_send(&bytes, fds);
        }
    }

    /// Reads what the client says, and does not care.
    fn listen(&mut self) {
        if let Some(channel) = &self.channel {
            while channel.try_receive(&mut self.buffer).is_ok() {}
        }
    }

    fn hang_up(&mut self) {
        self.channel = None;
    }
}

fn welcome() -> Tell {
    Tell::Welcome { version: PROTOCOL_VERSION, broker: BrokerId(1), client: ClientId(1) }
}

fn streams(more: bool) -> Tell {
    let stream = StreamInfo {
        name: "cam0".parse().expect("a name"),
        id: StreamId(0),
        state: StreamState::Live,
        source: Text::cut("made up"),
        model: Text::cut(""),
        serial: Text::cut(""),
        width: 64,
        height: 48,
        pixel_format: PixelFormat::from_name("Mono8").expect("a format"),
        millihertz: 0,
        content: Content::Opaque,
        backing: Text::cut("memfd"),
        shared: true,
        segments: 1,
        max_segments: 8,
        holds_left: 8,
        head: Sequence(0),
        producer: Text::cut(""),
    };
    Tell::Streams { streams: vec![stream], more }
}

fn subscribed(delivery: Delivery, policy: Policy, segments: Vec<SegmentInfo>) -> Tell {
    Tell::Subscribed(Subscribed {
        subscription: ID,
        stream: StreamId(0),
        policy,
        delivery,
        max_held: MAX_HELD,
        first: Sequence(1),
        segments,
    })
}

fn lie(input: &mut Cursor<'_>) -> Option<()> {
    let terms = input.byte();
    let delivery = if terms & 1 == 0 { Delivery::Shared } else { Delivery::Socket };
    let policy = if terms & 2 == 0 { Policy::Sequential } else { Policy::Latest };
    let start = if terms & 4 == 0 { Start::Oldest } else { Start::Next };
    let mut ring = Ring::new();
    let questions = Liar::awaited()?;
    questions.say(input, 1, welcome(), &[], &ring);
    let broker = Broker::builder().socket("made up").timeout(A_MOMENT).connect().ok()?;
    for request in 2..2 + u32::from(input.byte() % 4) {
        let more = input.byte() & 1 == 1;
        questions.say(input, request, streams(more), &[], &ring);
    }
    if terms & 8 != 0 {
        let _answers = (broker.streams(), broker.stats(), broker.ping(), broker.features("cam0"));
    }
    let liar = Liar::awaited()?;
    liar.say(input, 1, welcome(), &[], &ring);
    liar.say(input, 2, streams(false), &[], &ring);
    let (segments, objects) = ring.hand_over(input.byte() % 4);
    let pages = if delivery == Delivery::Shared { ring.pages() } else { Vec::new() };
    let fds: Vec<BorrowedFd<'_>> = pages.iter().map(OwnedFd::as_fd).chain(objects.iter().map(OwnedFd::as_fd)).collect();
    liar.say(input, SUBSCRIBE, subscribed(delivery, policy, segments), &fds, &ring);
    let builder = broker.subscribe("cam0").delivery(delivery).policy(policy).start(start).max_held(MAX_HELD);
    let frames = builder.open().ok()?;
    Play { liar, frames, held: Vec::new(), request: SUBSCRIBE }.act(input, &mut ring);
    Some(())
}

/// A subscription, and the broker at its other end.
struct Play {
    liar: Liar,
    frames: Subscription,
    held: Vec<Frame>,
    /// The client's last request.
    request: u32,
}

impl Play {
    fn act(mut self, input: &mut Cursor<'_>, ring: &mut Ring) {
        for _ in 0..STEPS {
            if input.is_at_end() {
                break;
            }
            self.liar.listen();
            match input.byte() % 20 {
                0..=4 => ring.publish(input),
                5 => ring.scribble(input),
                6 => {
                    let (segments, objects) = ring.hand_over(1 + input.byte() % 3);
                    let fds: Vec<BorrowedFd<'_>> = objects.iter().map(OwnedFd::as_fd).collect();
                    self.liar.say(input, 0, Tell::SegmentsAdded { subscription: ID, segments }, &fds, ring);
                }
                7 | 8 => {
                    let (backing, header) = ring.frame(input);
                    self.liar.say(input, 0, Tell::Frame { subscription: ID, backing, header }, &[], ring);
                }
                9 => self.news(input, ring),
                10 => ring.ring_bell(input),
                11 | 12 => self.keep(|frames| frames.try_next().ok().flatten()),
                13 => self.keep(|frames| frames.next(A_MOMENT).ok()),
                14 => drop((!self.held.is_empty()).then(|| self.held.remove(0))),
                15 => self.acquire(input, ring),
                16 => {
                    let frames = &self.frames;
                    let _told = (frames.counters(), frames.state(), frames.mappings(), frames.waiting_for());
                    let _change = self.frames.next_change();
                }
                17 => self.look(),
                18 => self.keep(|frames| frames.next_with(1, A_MOMENT).ok()),
                _ if input.byte() == 0 => self.liar.hang_up(),
                _ => {}
            }
        }
    }

    fn keep(&mut self, take: impl FnOnce(&mut Subscription) -> Option<Frame>) {
        self.held.extend(take(&mut self.frames));
    }

    /// Something that is news, else any message there is.
    fn news(&mut self, input: &mut Cursor<'_>, ring: &Ring) {
        let reason = Text::cut("so");
        let honest = match input.byte() % 8 {
            0 => Tell::Offline { subscription: ID, reason },
            1 => Tell::Online { subscription: ID },
            2 => Tell::Demoted { subscription: ID, reason },
            3 => Tell::Evicted { subscription: ID, reason },
            4 => Tell::Closed { subscription: ID, reason },
            5 => {
                let (backing, header) = ring.frame(input);
                let index = ContextId::from_u64(header.context).map(ContextId::segment);
                index.map_or(Tell::Pong, |index| Tell::SegmentRemoved { subscription: ID, index, backing })
            }
            _ => Tell::Pong,
        };
        self.liar.say(input, 0, honest, &[], ring);
    }

    fn acquire(&mut self, input: &mut Cursor<'_>, ring: &Ring) {
        let (backing, header) = ring.frame(input);
        let Some(context) = ContextId::from_u64(header.context) else { return };
        // A delivery by socket asks for it.
        self.liar.say(input, self.request + 1, Tell::Acquired { backing, header }, &[], ring);
        self.request += u32::from(self.frames.delivery() == Delivery::Socket);
        let address = FrameRef { broker: BrokerId(1), stream: "cam0".parse().expect("a name"), context };
        self.keep(|frames| frames.acquire(&address).ok());
    }

    /// Reads all there is in the frames that are held.
    fn look(&self) {
        for frame in &self.held {
            let bytes: u64 = frame.data().iter().chain(frame.chunk_data()).map(|byte| u64::from(*byte)).sum();
            let chunks = frame.chunks().map_or(0, Iterator::count);
            let _all = (bytes, chunks, frame.stride(), frame.is_valid(), frame.age(), frame.reference());
        }
    }
}
