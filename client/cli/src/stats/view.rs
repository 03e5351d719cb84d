//! Statistics as `--json` shows them.

use framebroker_client::stats::{ClientStats, Holder, SegmentStats, StreamStats, SubscriptionStats, Timing};
use serde::Serialize;

use crate::units::{megabytes, microseconds};

fn milliseconds(ns: u64) -> f64 {
    microseconds(ns) / 1000.0
}

/// All that is printed.
#[derive(Debug, Serialize)]
pub struct Report {
    pub streams: Vec<StreamView>,
    /// `None` where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<ClientView>>,
}

/// A stream. Memory is payload asked for, in MB of 2^20 bytes, but for `mapped_mb`, which is what it takes in pages.
#[derive(Debug, Serialize)]
pub struct StreamView {
    pub name: String,
    pub total_allocated: u64,
    pub total_freed: u64,
    pub active_buffers: u64,
    pub max_buffers: u64,
    pub current_memory_mb: f64,
    pub peak_memory_mb: f64,
    pub mapped_mb: f64,
    /// Given up, but a living process may still read it.
    pub given_up_mb: f64,
    pub grabbed: u64,
    pub published: u64,
    pub incomplete: u64,
    pub lost_at_camera: u64,
    pub starved: u64,
    /// Holds that became older than the lease.
    pub overdue: u64,
    /// Subscriptions ended for one.
    pub evicted: u64,
    pub packets: Packets,
    pub timings: Timings,
    /// `None` where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<SegmentView>>,
}

/// What the driver counts.
#[derive(Debug, Serialize)]
pub struct Packets {
    pub resent: u64,
    pub missing: u64,
    pub failed_frames: u64,
}

/// How long things took.
#[derive(Debug, Serialize)]
pub struct Timings {
    pub allocate: TimingView,
    pub publish: TimingView,
    pub retire: TimingView,
}

/// How often something was done, and how long it took.
#[derive(Debug, Serialize)]
pub struct TimingView {
    pub count: u64,
    pub mean_ns: u64,
    pub max_ns: u64,
}

/// A segment.
#[derive(Debug, Serialize)]
pub struct SegmentView {
    /// 1000 + index.
    pub buffer_context: u32,
    pub bytes: u64,
    pub allocated_realtime_ns: u64,
    pub state: &'static str,
    pub usage_count: u64,
    pub held_by: Vec<HolderView>,
    /// Holders beyond those.
    pub more_holders: u32,
}

/// Who holds a segment's frame.
#[derive(Debug, Serialize)]
pub struct HolderView {
    pub client: u64,
    pub name: String,
    pub pid: u32,
    pub uid: u32,
    /// For how long, as the broker has seen it.
    pub held_ms: f64,
    /// Longer than the lease.
    pub overdue: bool,
}

/// A client; its figures are those of its subscriptions together.
#[derive(Debug, Serialize)]
pub struct ClientView {
    pub id: u64,
    pub name: String,
    pub pid: u32,
    pub uid: u32,
    pub received: u64,
    pub lost: u64,
    pub skipped: u64,
    pub held: u64,
    pub longest_hold_ms: f64,
    pub overdue: u64,
    pub subscriptions: Vec<SubscriptionView>,
}

/// What a client reads.
#[derive(Debug, Serialize)]
pub struct SubscriptionView {
    pub id: u32,
    pub stream: String,
    /// What is in force: `sequential` for a lossless subscription that was demoted.
    pub policy: &'static str,
    pub delivery: &'static str,
    pub received: u64,
    pub lost: u64,
    pub skipped: u64,
    pub held: u32,
    pub max_held: u32,
    /// As the broker has seen it, holds that stand included.
    pub longest_hold_ms: f64,
    /// Holds older than the lease.
    pub overdue: u32,
}

impl StreamView {
    pub fn new(stats: &StreamStats, segments: Option<&[SegmentStats]>) -> Self {
        Self {
            name: stats.name.to_string(),
            total_allocated: stats.total_allocated,
            total_freed: stats.total_freed,
            active_buffers: stats.active_buffers,
            max_buffers: stats.max_buffers,
            current_memory_mb: megabytes(stats.current_bytes),
            peak_memory_mb: megabytes(stats.peak_bytes),
            mapped_mb: megabytes(stats.mapped_bytes),
            given_up_mb: megabytes(stats.given_up_bytes),
            grabbed: stats.grabbed,
            published: stats.published,
            incomplete: stats.incomplete,
            lost_at_camera: stats.lost_at_camera,
            starved: stats.starved,
            overdue: stats.overdue,
            evicted: stats.evicted,
            packets: Packets {
                resent: stats.resent_packets,
                missing: stats.missing_packets,
                failed_frames: stats.failed_frames,
            },
            timings: Timings {
                allocate: stats.allocate.into(),
                publish: stats.publish.into(),
                retire: stats.retire.into(),
            },
            segments: segments.map(|segments| segments.iter().map(SegmentView::from).collect()),
        }
    }
}

impl From<Timing> for TimingView {
    fn from(timing: Timing) -> Self {
        let Timing { count, mean_ns, max_ns } = timing;
        Self { count, mean_ns, max_ns }
    }
}

impl From<&SegmentStats> for SegmentView {
    fn from(stats: &SegmentStats) -> Self {
        Self {
            buffer_context: stats.context,
            bytes: stats.bytes,
            allocated_realtime_ns: stats.allocated_realtime_ns,
            state: stats.state.name(),
            usage_count: stats.usage_count,
            held_by: stats.held_by.iter().map(HolderView::from).collect(),
            more_holders: stats.more_holders,
        }
    }
}

impl From<&Holder> for HolderView {
    fn from(holder: &Holder) -> Self {
        let Holder { client, name, pid, uid, held_ns, is_overdue } = holder;
        let (held_ms, name) = (milliseconds(*held_ns), name.to_string());
        Self { client: client.0, name, pid: *pid, uid: *uid, held_ms, overdue: *is_overdue }
    }
}

impl ClientView {
    /// A client with those of its subscriptions whose stream is wanted.
    pub fn new(stats: ClientStats, is_wanted: impl Fn(&str) -> bool) -> Self {
        let wanted = stats.subscriptions.iter().filter(|subscription| is_wanted(subscription.stream.as_str()));
        let sum = |of: fn(&SubscriptionStats) -> u64| wanted.clone().map(of).sum();
        Self {
            id: stats.id.0,
            name: stats.name.to_string(),
            pid: stats.pid,
            uid: stats.uid,
            received: sum(|of| of.received),
            lost: sum(|of| of.lost),
            skipped: sum(|of| of.skipped),
            held: sum(|of| of.held.into()),
            longest_hold_ms: milliseconds(wanted.clone().map(|of| of.longest_hold_ns).max().unwrap_or(0)),
            overdue: sum(|of| of.overdue.into()),
            subscriptions: wanted.map(SubscriptionView::from).collect(),
        }
    }
}

impl From<&SubscriptionStats> for SubscriptionView {
    fn from(stats: &SubscriptionStats) -> Self {
        Self {
            id: stats.id.0,
            stream: stats.stream.to_string(),
            policy: stats.policy.name(),
            delivery: stats.delivery.name(),
            received: stats.received,
            lost: stats.lost,
            skipped: stats.skipped,
            held: stats.held,
            max_held: stats.max_held,
            longest_hold_ms: milliseconds(stats.longest_hold_ns),
            overdue: stats.overdue,
        }
    }
}
