//! Statistics as they travel.

use serde::{Deserialize, Serialize};

use crate::message::{Delivery, Policy};
use crate::words::words;
use crate::{ClientId, ClientName, StreamId, StreamName, SubscriptionId};

/// How often something was done and how long it took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Timing {
    /// Times done.
    pub count: u64,
    /// Mean duration in ns.
    pub mean_ns: u64,
    /// Longest duration in ns.
    pub max_ns: u64,
}

/// Figures of one stream. Bytes are payload asked for, `mapped_bytes` what it takes in pages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreamStats {
    /// The stream.
    pub name: StreamName,
    /// Its number.
    pub id: StreamId,
    /// Segments ever allocated.
    pub total_allocated: u64,
    /// Segments freed.
    pub total_freed: u64,
    /// Segments now.
    pub active_buffers: u64,
    /// Payload bytes of the segments now.
    pub current_bytes: u64,
    /// The most payload bytes at any time.
    pub peak_bytes: u64,
    /// Bytes of the segments' pages now.
    pub mapped_bytes: u64,
    /// Payload bytes of segments that were given up because a living process may still read them.
    pub given_up_bytes: u64,
    /// Segments the stream may grow to.
    pub max_buffers: u64,
    /// Frames the source delivered.
    pub grabbed: u64,
    /// Frames published.
    pub published: u64,
    /// Frames of which a part was lost on the way.
    pub incomplete: u64,
    /// Frames lost between camera and broker.
    pub lost_at_camera: u64,
    /// Frames dropped because no segment was free.
    pub starved: u64,
    /// Holds that became older than the lease.
    pub overdue: u64,
    /// Subscriptions that were ended for such a hold.
    pub evicted: u64,
    /// Packets asked for again.
    pub resent_packets: u64,
    /// Packets that never came.
    pub missing_packets: u64,
    /// Frames the driver gave up.
    pub failed_frames: u64,
    /// Allocating a segment: creating, sealing, filling with pages.
    pub allocate: Timing,
    /// Publishing a frame, without the wake-up.
    pub publish: Timing,
    /// Retiring frames.
    pub retire: Timing,
}

/// What a segment is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SegmentState {
    /// With the source, behind the one that is filled; or waiting for the source.
    Queued,
    /// The source writes it, or will write it next.
    Filling,
    /// Readable, held by nobody.
    Published,
    /// Readable and held.
    Held,
    /// Held by a subscription that was ended while it read; never filled again.
    Quarantined,
}

words!(
    SegmentState, "segment state": Queued "queued", Filling "filling", Published "published", Held "held",
    Quarantined "quarantined"
);

/// Figures of one segment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentStats {
    /// Buffer context: 1000 + index.
    pub context: u32,
    /// Payload bytes.
    pub bytes: u64,
    /// `CLOCK_REALTIME` in ns when it was allocated.
    pub allocated_realtime_ns: u64,
    /// What it is doing.
    pub state: SegmentState,
    /// Times it was published.
    pub usage_count: u64,
    /// Who holds its frame; the first 8.
    pub held_by: Vec<Holder>,
    /// How many more hold it.
    pub more_holders: u32,
}

/// Who holds a frame; of a quarantined one also who held it when its subscription was ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The session.
    pub client: ClientId,
    /// Its name.
    pub name: ClientName,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// For how long in ns, as the broker has seen it; since the subscription was ended where that held it.
    pub held_ns: u64,
    /// Whether that is longer than the lease.
    pub is_overdue: bool,
}

/// Figures of one session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientStats {
    /// The session.
    pub id: ClientId,
    /// Its name.
    pub name: ClientName,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// What it reads.
    pub subscriptions: Vec<SubscriptionStats>,
}

/// Figures of one subscription. For shared delivery received, lost, skipped and held are the client's own word; how long
/// it holds is what the broker has seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SubscriptionStats {
    /// Names it in its session.
    pub id: SubscriptionId,
    /// The stream.
    pub stream: StreamName,
    /// Which frames, now: a demoted lossless subscription is sequential.
    pub policy: Policy,
    /// By which way.
    pub delivery: Delivery,
    /// Frames taken.
    pub received: u64,
    /// Frames retired before they were taken.
    pub lost: u64,
    /// Frames passed over.
    pub skipped: u64,
    /// Frames held.
    pub held: u32,
    /// Frames it may hold.
    pub max_held: u32,
    /// Its longest hold in ns, those that stand included.
    pub longest_hold_ns: u64,
    /// Holds that are older than the lease.
    pub overdue: u32,
}
