//! Figures of segments and clients: `fb_broker_segments`, `fb_broker_clients`, `fb_broker_subscriptions`.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::c_char;
use std::mem::MaybeUninit;

use framebroker_client::stats::{ClientStats, Holder, SegmentState, SegmentStats, SubscriptionStats};

use crate::boundary::{Places, Sized_, fixed, guard, needed_text};
use crate::broker::find;
use crate::status::{Failure, fb_status};
use crate::subscription::{delivery_bits, policy_bits};
use crate::types::{
    FB_HOLDERS, FB_NAME_BYTES, fb_broker, fb_client_stats, fb_holder, fb_segment_state, fb_segment_stats,
    fb_subscription_stats,
};

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_segment_stats {
    const NAME: &'static str = "fb_segment_stats";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_client_stats {
    const NAME: &'static str = "fb_client_stats";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_subscription_stats {
    const NAME: &'static str = "fb_subscription_stats";
}

/// What each segment of a stream is doing, and who holds it for how long, by index. Other arguments and errors as those of
/// fb_broker_streams; FB_ERROR_UNKNOWN_STREAM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_broker_segments(
    broker: *mut fb_broker,
    stream: *const c_char,
    segments: *mut fb_segment_stats,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        let broker = find(broker)?;
        // SAFETY: the caller's pointer leads to a text, or is NULL.
        let stream = unsafe { needed_text("stream", stream) }?;
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(segments, capacity, count) }?;
        let streams = broker.streams()?;
        let named = streams.iter().find(|info| info.name.as_str() == stream).ok_or_else(|| {
            let known: Vec<&str> = streams.iter().map(|info| info.name.as_str()).collect();
            let text = format!("there is no stream {stream:?}; there is {}", known.join(", "));
            Failure::new(fb_status::FB_ERROR_UNKNOWN_STREAM, text)
        })?;
        let found = broker.segments(named.id)?;
        places.put(found.iter().map(fb_segment_stats::from));
        Ok(())
    })
}

/// All connections to the broker, this one among them. Arguments and errors as those of fb_broker_streams.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_broker_clients(
    broker: *mut fb_broker,
    clients: *mut fb_client_stats,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        let broker = find(broker)?;
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(clients, capacity, count) }?;
        let found = broker.clients()?;
        places.put(found.iter().map(fb_client_stats::from));
        Ok(())
    })
}

/// The subscriptions of all clients. Arguments and errors as those of fb_broker_streams.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_broker_subscriptions(
    broker: *mut fb_broker,
    subscriptions: *mut fb_subscription_stats,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        let broker = find(broker)?;
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(subscriptions, capacity, count) }?;
        let clients = broker.clients()?;
        let of = |client: &ClientStats| -> Vec<fb_subscription_stats> {
            client.subscriptions.iter().map(|subscription| figures(client, subscription)).collect()
        };
        let found: Vec<fb_subscription_stats> = clients.iter().flat_map(of).collect();
        places.put(found.into_iter());
        Ok(())
    })
}

fn figures(client: &ClientStats, stats: &SubscriptionStats) -> fb_subscription_stats {
    fb_subscription_stats {
        struct_size: size_of::<fb_subscription_stats>(),
        client_id: client.id.0,
        received: stats.received,
        lost: stats.lost,
        skipped: stats.skipped,
        longest_hold_ns: stats.longest_hold_ns,
        id: stats.id.0,
        policy: policy_bits(stats.policy),
        delivery: delivery_bits(stats.delivery),
        held: stats.held,
        max_held: stats.max_held,
        overdue: stats.overdue,
        pid: client.pid,
        uid: client.uid,
        name: fixed(client.name.as_str()),
        stream: fixed(stats.stream.as_str()),
    }
}

impl From<&ClientStats> for fb_client_stats {
    fn from(stats: &ClientStats) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            client_id: stats.id.0,
            pid: stats.pid,
            uid: stats.uid,
            subscription_count: u32::try_from(stats.subscriptions.len()).unwrap_or(u32::MAX),
            name: fixed(stats.name.as_str()),
        }
    }
}

impl From<&SegmentStats> for fb_segment_stats {
    fn from(stats: &SegmentStats) -> Self {
        let mut holders = [NOBODY; FB_HOLDERS];
        for (place, holder) in holders.iter_mut().zip(&stats.held_by) {
            *place = holder.into();
        }
        let told = stats.held_by.len().min(FB_HOLDERS);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            struct_size: size_of::<Self>(),
            bytes: stats.bytes,
            allocated_realtime_ns: stats.allocated_realtime_ns,
            usage_count: stats.usage_count,
            buffer_context: stats.context,
            state: state(stats.state) as u32,
            holders,
            holder_count: count(told),
            more_holders: stats.more_holders.saturating_add(count(stats.held_by.len() - told)),
        }
    }
}

const NOBODY: fb_holder =
    fb_holder { client_id: 0, held_ns: 0, pid: 0, uid: 0, is_overdue: false, name: [0; FB_NAME_BYTES] };

impl From<&Holder> for fb_holder {
    fn from(holder: &Holder) -> Self {
        let Holder { client, name, pid, uid, held_ns, is_overdue } = holder;
        let name = fixed(name.as_str());
        Self { client_id: client.0, held_ns: *held_ns, pid: *pid, uid: *uid, is_overdue: *is_overdue, name }
    }
}

fn state(state: SegmentState) -> fb_segment_state {
    match state {
        SegmentState::Queued => fb_segment_state::FB_SEGMENT_QUEUED,
        SegmentState::Filling => fb_segment_state::FB_SEGMENT_FILLING,
        SegmentState::Published => fb_segment_state::FB_SEGMENT_PUBLISHED,
        SegmentState::Held => fb_segment_state::FB_SEGMENT_HELD,
        SegmentState::Quarantined => fb_segment_state::FB_SEGMENT_QUARANTINED,
    }
}
