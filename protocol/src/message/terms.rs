//! What clients and broker agree on: terms of a subscription, roles, kinds of failure.

use serde::{Deserialize, Serialize};

use crate::StreamId;
use crate::words::words;

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

words!(Policy, "policy": Sequential "sequential", Latest "latest", Upcoming "upcoming", Lossless "lossless");

/// Which frames a subscription asks for: a [`Policy`] under its number, or the stream's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum AskedPolicy {
    /// [`Policy::Sequential`].
    Sequential,
    /// [`Policy::Latest`].
    Latest,
    /// [`Policy::Lossless`].
    Lossless,
    /// [`Policy::Upcoming`].
    Upcoming,
    /// Whatever the broker's owner chose for those who choose nothing (`--grab-strategy`).
    #[default]
    OfStream,
}

impl AskedPolicy {
    /// The policy, where `of_stream` is the stream's.
    #[must_use]
    pub fn or(self, of_stream: Policy) -> Policy {
        match self {
            Self::Sequential => Policy::Sequential,
            Self::Latest => Policy::Latest,
            Self::Lossless => Policy::Lossless,
            Self::Upcoming => Policy::Upcoming,
            Self::OfStream => of_stream,
        }
    }
}

impl From<Policy> for AskedPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Sequential => Self::Sequential,
            Policy::Latest => Self::Latest,
            Policy::Lossless => Self::Lossless,
            Policy::Upcoming => Self::Upcoming,
        }
    }
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

words!(Delivery, "delivery": Shared "shared", Socket "socket");

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
    /// The stream has a producer already, or as many requests wait for its camera as may.
    Busy,
    /// The producer broke the rules of its page. Closes the session.
    Breach,
    /// The stream's source has no feature of that name.
    UnknownFeature,
    /// The feature cannot be read, set or executed, or not now: it is read-only, locked or not available.
    NotAccessible,
    /// Another session has sole control of the stream.
    Controlled,
    /// The camera is away, refused it, or did not answer in time.
    CameraFailed,
}
