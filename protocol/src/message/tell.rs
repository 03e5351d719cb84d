//! What the broker answers and tells.

use serde::{Deserialize, Serialize};

use super::{Delivery, ErrorCode, Feature, FeatureValue, Policy};
use crate::stats::{ClientStats, SegmentStats, StreamStats};
use crate::words::words;
use crate::{
    Backing, BrokerId, ClientId, FeatureName, FrameHeader, PixelFormat, SegmentIndex, Sequence, StreamId, StreamName,
    StreamState, SubscriptionId, Text,
};

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
    /// A page of features.
    Features {
        /// At most [`crate::limits::PAGE_ENTRIES`].
        features: Vec<Feature>,
        /// More are there: ask again from the next.
        more: bool,
    },
    /// A feature, as it is now.
    Feature {
        /// The stream's settings version when it was read.
        version: u32,
        /// The newest frame before the source was asked: what a command makes comes later.
        head: Sequence,
        /// The feature.
        feature: Feature,
    },
    /// Who has sole control has changed as asked.
    Control {
        /// Whether this session has it now.
        sole: bool,
    },
    /// A client has set a feature of the stream, or executed a command.
    SettingsChanged {
        /// Whose stream.
        subscription: SubscriptionId,
        /// The settings version from this change on.
        version: u32,
        /// Which feature.
        feature: FeatureName,
        /// Its value now.
        value: FeatureValue,
        /// Who has done it.
        by: Text,
    },
}

impl Tell {
    /// Which subscription it names, if it is the news of one.
    #[must_use]
    pub fn subscription(&self) -> Option<SubscriptionId> {
        match self {
            Self::Frame { subscription, .. }
            | Self::SegmentsAdded { subscription, .. }
            | Self::SegmentRemoved { subscription, .. }
            | Self::Offline { subscription, .. }
            | Self::Online { subscription }
            | Self::Demoted { subscription, .. }
            | Self::Evicted { subscription, .. }
            | Self::Closed { subscription, .. }
            | Self::SettingsChanged { subscription, .. }
            | Self::Unsubscribed { subscription } => Some(*subscription),
            _ => None,
        }
    }
}

/// A subscription as it was granted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Subscribed {
    /// Names it in this session.
    pub subscription: SubscriptionId,
    /// The stream.
    pub stream: StreamId,
    /// As asked, or the stream's.
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
    /// Whether frames can come. As a number: 0 offline, 1 live, 2 closed; others count as offline.
    pub state: StreamState,
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

words!(Content, "content": Opaque "opaque", Pattern "pattern");

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

#[cfg(test)]
mod tests {
    use crate::StreamState;
    use crate::codec::{decode, encode};

    /// Goal: states travel as the numbers of the stream page, and one of a later version is offline for every client.
    #[test]
    fn an_unknown_state_is_offline() {
        for (number, state) in [(0u32, "offline"), (1, "live"), (2, "closed"), (3, "offline"), (u32::MAX, "offline")] {
            let read: StreamState = decode(&encode(&number).unwrap()).unwrap();
            assert_eq!(read.name(), state);
            assert_eq!(encode(&read).unwrap(), encode(&read.to_bits()).unwrap());
        }
    }
}
