//! The messages on the socket. PROTOCOL.md specifies every byte; `vectors/` holds one of each.

use serde::{Deserialize, Serialize};

use crate::limits::SEGMENT_BYTES;
pub use crate::ring::Start;
use crate::stats::{ClientStats, SegmentStats, StreamStats};
use crate::{
    Backing, BrokerId, ClientId, ClientName, ContextId, FrameHeader, HOLD_LIMIT, MAX_SEGMENTS, PixelFormat,
    SegmentIndex, Sequence, StreamId, StreamName, SubscriptionId, Text,
};

/// A message of a client, with a number of the client's choice that the answer repeats.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Repeated by the answer; 0 is for messages that get none.
    pub id: u32,
    /// What is asked.
    pub body: Ask,
}

/// What a client asks or says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// First message of every session. Answer: `Welcome`.
    Hello {
        /// [`crate::PROTOCOL_VERSION`].
        version: u32,
        /// For statistics and logs.
        name: ClientName,
        /// What the client wants to be.
        roles: Roles,
    },
    /// Answer: `Streams`.
    ListStreams {
        /// How many streams to pass over: answers come in pages.
        from: u32,
    },
    /// Answer: `Subscribed`, once it is admitted.
    Subscribe {
        /// The stream's name.
        stream: StreamName,
        /// Which frames.
        policy: Policy,
        /// By which way.
        delivery: Delivery,
        /// Frames it may hold at once, 1 to [`HOLD_LIMIT`].
        max_held: u32,
        /// Where it begins.
        start: Start,
    },
    /// The segments of the last message that named any are mapped or not wanted. No answer.
    Mapped,
    /// Gives back a frame of a socket delivery. No answer.
    Release {
        /// Whose frame.
        subscription: SubscriptionId,
        /// Which frame.
        context: ContextId,
    },
    /// Holds one certain frame for a socket delivery. Answer: `Acquired`, or an error with code `Gone` or `Full`.
    Acquire {
        /// For which subscription.
        subscription: SubscriptionId,
        /// Which frame.
        context: ContextId,
    },
    /// Ends a subscription. Answer: `Unsubscribed`.
    Unsubscribe {
        /// Which one.
        subscription: SubscriptionId,
    },
    /// Answer: `Stats`.
    Stats {
        /// Of what.
        of: StatsOf,
        /// How many entries to pass over.
        from: u32,
    },
    /// Answer: `Pong`.
    Ping,
    /// Becomes the producer of a stream, or, from the one that is, says that its frames change. Answer: `Producing`.
    Produce(Produce),
}

/// What a producer will deliver, and what it needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Produce {
    /// The stream's name.
    pub stream: StreamName,
    /// Bytes that a segment must offer: of image and chunk data of the largest frame.
    pub payload_bytes: u64,
    /// Segments it must have at all times so as to lose nothing.
    pub min_queued: u32,
    /// It cannot take further segments once it has begun.
    pub fixed_pool: bool,
    /// It can wait for a segment rather than lose a frame.
    pub can_pause: bool,
    /// Nominal width in pixels.
    pub width: u32,
    /// Nominal height in pixels.
    pub height: u32,
    /// PFNC code.
    pub pixel_format: PixelFormat,
    /// Nominal frames per second in thousandths; 0 unknown.
    pub millihertz: u64,
    /// Vendor and model of what it gets its frames from.
    pub model: Text,
    /// Serial number, empty for none.
    pub serial: Text,
}

/// A message of the broker: the answer to a request, or news (request 0).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The request it answers; 0 for news.
    pub request: u32,
    /// What is said.
    pub body: Tell,
}

/// What the broker says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Tell {
    /// The session is open.
    Welcome {
        /// [`crate::PROTOCOL_VERSION`].
        version: u32,
        /// Which run of a broker this is.
        broker: BrokerId,
        /// Which session this is.
        client: ClientId,
    },
    /// A page of streams.
    Streams {
        /// At most [`crate::limits::PAGE_ENTRIES`].
        streams: Vec<StreamInfo>,
        /// More are there: ask again from the next.
        more: bool,
    },
    /// A subscription begins. Descriptors, shared delivery: stream page, consumer page, notify socket, then one per
    /// segment that has no path; socket delivery: only those. To be answered with `Mapped`.
    Subscribed(Subscribed),
    /// A frame of a socket delivery; held until it is released.
    Frame {
        /// Whose frame.
        subscription: SubscriptionId,
        /// The object that backs its segment.
        backing: Backing,
        /// Context ID and all else.
        header: FrameHeader,
    },
    /// The frame asked for is held.
    Acquired {
        /// The object that backs its segment.
        backing: Backing,
        /// Context ID and all else.
        header: FrameHeader,
    },
    /// Segments a frame may lie in from now on; one descriptor for each that has no path. To be answered with `Mapped`.
    SegmentsAdded {
        /// For whom.
        subscription: SubscriptionId,
        /// At most [`crate::limits::SEGMENTS_PER_MESSAGE`].
        segments: Vec<SegmentInfo>,
    },
    /// The source is away.
    Offline {
        /// Whose source.
        subscription: SubscriptionId,
        /// What happened.
        reason: Text,
    },
    /// The source is back.
    Online {
        /// Whose source.
        subscription: SubscriptionId,
    },
    /// A lossless subscription goes on as a sequential one.
    Demoted {
        /// Which one.
        subscription: SubscriptionId,
        /// Why.
        reason: Text,
    },
    /// The broker has ended a subscription.
    Evicted {
        /// Which one.
        subscription: SubscriptionId,
        /// Why.
        reason: Text,
    },
    /// The stream has ended; no more frames come.
    Closed {
        /// Whose stream.
        subscription: SubscriptionId,
        /// Why.
        reason: Text,
    },
    /// The subscription has ended as asked.
    Unsubscribed {
        /// Which one.
        subscription: SubscriptionId,
    },
    /// A page of statistics.
    Stats(Stats),
    /// The request failed, and nothing else has changed; or (request 0) the session failed and is closed.
    Error {
        /// What kind of failure.
        code: ErrorCode,
        /// What happened and what to do, for people.
        text: Text,
    },
    /// Still here.
    Pong,
    /// Socket delivery: a segment is given up, and can be unmapped once no frame in it is held.
    SegmentRemoved {
        /// For whom.
        subscription: SubscriptionId,
        /// Which index.
        index: SegmentIndex,
        /// Which object at that index.
        backing: Backing,
    },
    /// The client is a stream's producer. Descriptor: its producer page, to be mapped for writing. To be answered with
    /// `Mapped`.
    Producing {
        /// The stream.
        stream: StreamId,
    },
    /// Segments for a producer, to be mapped for writing; one descriptor each. To be answered with `Mapped`: they are lent
    /// in the producer page from then on.
    SegmentsLent {
        /// At most [`crate::limits::SEGMENTS_PER_MESSAGE`].
        segments: Vec<SegmentInfo>,
    },
    /// The producer has the segments it needs, and what it fills is published.
    Started {
        /// Sequence of the next frame.
        first: Sequence,
    },
    /// A segment is not lent to the producer again and can be unmapped.
    SegmentWithdrawn {
        /// Which index.
        index: SegmentIndex,
        /// Which object at that index.
        backing: Backing,
    },
}

/// A subscription as it was granted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Subscribed {
    /// Names it in this session.
    pub subscription: SubscriptionId,
    /// The stream.
    pub stream: StreamId,
    /// As asked.
    pub policy: Policy,
    /// As asked.
    pub delivery: Delivery,
    /// Frames it may hold.
    pub max_held: u32,
    /// The first sequence it may get.
    pub first: Sequence,
    /// The segments there are, at most [`crate::limits::SEGMENTS_PER_MESSAGE`]; `SegmentsAdded` brings the others.
    pub segments: Vec<SegmentInfo>,
}

/// A segment as it is handed over: by descriptor, or by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentInfo {
    /// Which index.
    pub index: SegmentIndex,
    /// Which object at that index.
    pub backing: Backing,
    /// Bytes to map.
    pub bytes: u64,
    /// Payload begins at a multiple of so many bytes from the start of the object; a power of two. Whoever maps the object
    /// at such an address finds it aligned in memory.
    pub align: u32,
    /// Where the object lies in the file system, to be opened and mapped; empty where a descriptor comes.
    pub path: Text,
}

/// A stream as it is listed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StreamInfo {
    /// Its name.
    pub name: StreamName,
    /// Its number in the broker.
    pub id: StreamId,
    /// 0 offline, 1 live, 2 closed.
    pub state: u32,
    /// Kind of source: `pattern`, `aravis`, …
    pub source: Text,
    /// Vendor and model.
    pub model: Text,
    /// Serial number, empty for none.
    pub serial: Text,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// PFNC code.
    pub pixel_format: PixelFormat,
    /// Nominal frames per second in thousandths; 0 unknown.
    pub millihertz: u64,
    /// What can be said about every byte of a frame.
    pub content: Content,
    /// What backs its segments: `memfd`, `hugetlb`, `posix`, …
    pub backing: Text,
    /// Whether shared delivery is granted: segments that are not protected go by socket only.
    pub shared: bool,
    /// Segments now.
    pub segments: u32,
    /// Segments it may grow to.
    pub max_segments: u32,
    /// Holds that can still be granted, growth included.
    pub holds_left: u32,
    /// Newest sequence.
    pub head: Sequence,
    /// Who fills its segments, where that is another process: its name and process ID. Else empty.
    pub producer: Text,
}

/// Whether consumers can verify the bytes of a stream's frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Content {
    /// Whatever the camera saw.
    Opaque,
    /// The test pattern of [`crate::pattern`].
    Pattern,
}

/// Which frames a subscription gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Policy {
    /// All in order; those that were retired too early are counted lost. pylon's OneByOne and `LatestImages`.
    #[default]
    Sequential,
    /// The newest; those passed over are counted skipped. pylon's `LatestImageOnly`.
    Latest,
    /// All in order, and the ring waits within a bound.
    Lossless,
    /// The first that is published after the call. pylon's `UpcomingImage`.
    Upcoming,
}

/// By which way frames come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Delivery {
    /// Through the ring in shared memory: nothing is sent per frame.
    #[default]
    Shared,
    /// A `Frame` message each: for languages without futex and atomics.
    Socket,
}

/// Which statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StatsOf {
    /// One entry per stream.
    Streams,
    /// One entry per segment of the stream.
    Segments(StreamId),
    /// One entry per session.
    Clients,
}

/// A page of statistics.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// What was asked for.
    pub entries: StatsEntries,
    /// More are there: ask again from the next.
    pub more: bool,
}

/// The entries of a page of statistics.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum StatsEntries {
    /// Per stream.
    Streams(Vec<StreamStats>),
    /// Per segment.
    Segments(Vec<SegmentStats>),
    /// Per session.
    Clients(Vec<ClientStats>),
}

/// What a session may do: bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(u32);

impl Roles {
    /// None yet.
    pub const NONE: Self = Self(0);
    /// Read frames.
    pub const CONSUMER: Self = Self(1);
    /// Fill segments.
    pub const PRODUCER: Self = Self(2);
    /// Change camera settings.
    pub const CONTROL: Self = Self(4);
    /// Every role.
    pub const ALL: Self = Self(7);

    /// The number on the wire; unknown bits are kept so that they can be refused.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::fmt::Display for Roles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [(Self::CONSUMER, "consumer"), (Self::PRODUCER, "producer"), (Self::CONTROL, "control")];
        let held: Vec<&str> = names.iter().filter(|(role, _)| self.contains(*role)).map(|(_, name)| *name).collect();
        f.write_str(&held.join(", "))
    }
}

/// Kinds of failure. Those that close the session say so; they answer no request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ErrorCode {
    /// The message breaks the protocol. Closes the session.
    Malformed,
    /// Another protocol version. Closes the session.
    WrongVersion,
    /// `Hello` did not come first or in time. Closes the session.
    NoHello,
    /// The user may not do this. Closes the session where it is the session itself.
    Forbidden,
    /// The broker, or this user, has as many clients as are allowed. Closes the session.
    TooManyClients,
    /// The client does not read what it is sent. Closes the session.
    TooSlow,
    /// No stream of that name.
    UnknownStream,
    /// There are not enough segments for what was asked; the text says how many would do.
    NotAdmitted,
    /// No such subscription in this session.
    UnknownSubscription,
    /// The frame is not held by this subscription.
    NotHeld,
    /// The frame was retired.
    Gone,
    /// As many frames are held as were granted.
    Full,
    /// A value out of its range.
    Invalid,
    /// The stream has ended.
    StreamClosed,
    /// The broker's machine failed it: memory, descriptors.
    Unavailable,
    /// The stream has a producer already.
    Busy,
    /// The producer broke the rules of its page. Closes the session.
    Breach,
}

impl Ask {
    /// What is wrong with the values, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Subscribe { max_held, .. } if !(1..=HOLD_LIMIT as u64).contains(&u64::from(*max_held)) => {
                Some("max_held must be 1 to 64")
            }
            Self::Produce(produce) => produce.fault(),
            Self::Hello { roles, .. } if roles.bits() == 0 || !Roles::ALL.contains(*roles) => {
                Some("roles must be a sum of 1 (consumer), 2 (producer) and 4 (control)")
            }
            _ => None,
        }
    }
}

impl Produce {
    fn fault(&self) -> Option<&'static str> {
        if !(1..=SEGMENT_BYTES).contains(&self.payload_bytes) {
            return Some("payload_bytes must be 1 to 2^40");
        }
        if !(1..=MAX_SEGMENTS as u64).contains(&u64::from(self.min_queued)) {
            return Some("min_queued must be 1 to 512");
        }
        None
    }
}
