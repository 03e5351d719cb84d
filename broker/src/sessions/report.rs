//! Statistics, for clients and for the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::limits::PAGE_ENTRIES;
use framebroker_protocol::message::{Stats, StatsEntries, StatsOf, Tell};
use framebroker_protocol::stats::{ClientStats, Holder, SegmentState, SegmentStats, StreamStats, SubscriptionStats};
use framebroker_protocol::{ClientId, ContextId, StreamId};
use tracing::info;

use super::lease::look_at_holds;
use super::membership::Membership;
use super::session::Session;
use super::streams::Streams;
use super::subscription::Subscription;
use super::table::Sessions;
use crate::config::Lease;
use crate::factory::Segment;
use crate::stream::served::Stream;

/// Answers with a page of statistics.
pub fn answer(
    sessions: &mut Sessions,
    streams: &Streams,
    lease: Lease,
    client: ClientId,
    request: u32,
    of: StatsOf,
    from: u32,
) {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let now = Instant::now();
    look_at_holds(sessions, streams, now);
    let (entries, more) = match of {
        StatsOf::Streams => {
            let (page, more) = page(streams.iter(), from, PAGE_ENTRIES);
            (StatsEntries::Streams(page.into_iter().map(stream_stats).collect()), more)
        }
        StatsOf::Segments(id) => {
            let stream = streams.get(id);
            let segments = stream.into_iter().flat_map(|stream| stream.pool().segments().map(move |s| (stream, s)));
            let (page, more) = page(segments, from, PAGE_ENTRIES);
            let entry = |(stream, segment)| segment_stats(sessions, stream, segment, lease, now);
            (StatsEntries::Segments(page.into_iter().map(entry).collect()), more)
        }
        StatsOf::Clients => {
            let (page, more) = page(sessions.iter(), from, CLIENT_PAGE_ENTRIES);
            let entry = |session| client_stats(session, streams, lease);
            (StatsEntries::Clients(page.into_iter().map(entry).collect()), more)
        }
    };
    if let Some(session) = sessions.get_mut(client) {
        session.client.tell(request, Tell::Stats(Stats { entries, more }));
    }
}

fn segment_stats(
    sessions: &Sessions,
    stream: &Stream,
    segment: &Arc<Segment>,
    lease: Lease,
    now: Instant,
) -> SegmentStats {
    let index = segment.index();
    let published = stream.core().page.readable_in(index);
    let mut held_by: Vec<Holder> = Vec::new();
    if let Some(context) = published {
        held_by.extend(sessions.iter().filter_map(|session| holder(session, stream.id(), context, lease)));
        held_by.extend(stream.lingering(context).map(|lingering| Holder {
            client: lingering.client,
            name: lingering.name.clone(),
            pid: lingering.pid.unsigned_abs(),
            uid: lingering.uid,
            held_ns: nanoseconds(now.saturating_duration_since(lingering.since)),
            is_overdue: false,
        }));
    }
    let more_holders = held_by.len().saturating_sub(MAX_HOLDERS);
    let state = match published {
        _ if stream.pool().is_quarantined(index) => SegmentState::Quarantined,
        None if stream.core().filling() == Some(index) => SegmentState::Filling,
        None => SegmentState::Queued,
        Some(_) if held_by.is_empty() => SegmentState::Published,
        Some(_) => SegmentState::Held,
    };
    held_by.truncate(MAX_HOLDERS);
    SegmentStats {
        context: index.buffer_context(),
        bytes: segment.bytes() as u64,
        allocated_realtime_ns: segment.allocated_realtime_ns(),
        state,
        usage_count: segment.usage_count(),
        held_by,
        more_holders: u32::try_from(more_holders).unwrap_or(u32::MAX),
    }
}

/// The session as the holder of a frame, if it holds it.
fn holder(session: &Session, stream: StreamId, context: ContextId, lease: Lease) -> Option<Holder> {
    let of_stream = session.subscriptions.values().filter(|subscription| subscription.stream() == stream);
    let holding = of_stream.filter(|subscription| {
        let mut held = subscription.membership().into_iter().flat_map(Membership::held);
        held.any(|held| held == context.as_u64())
    });
    // Two subscriptions of a session may hold one frame: the longer hold counts.
    let held = holding.map(|subscription| subscription.hold_times().of(context)).max()?;
    let (client, peer) = (&session.client, session.client.peer());
    Some(Holder {
        client: client.id(),
        name: client.name().clone(),
        pid: peer.pid.unsigned_abs(),
        uid: peer.uid,
        held_ns: nanoseconds(held),
        is_overdue: lease.time.is_some_and(|time| held >= time),
    })
}

fn client_stats(session: &Session, streams: &Streams, lease: Lease) -> ClientStats {
    let subscriptions = session.subscriptions.values().filter_map(|subscription| {
        let membership = subscription.membership()?;
        let (terms, times, counters) = (subscription.terms(), subscription.hold_times(), membership.counters());
        let overdue = lease.time.map_or(0, |time| times.overdue(time));
        Some(SubscriptionStats {
            id: subscription.id(),
            stream: streams.get(subscription.stream())?.name().clone(),
            policy: membership.policy(terms),
            delivery: terms.delivery,
            received: counters.received,
            lost: counters.lost,
            skipped: counters.skipped,
            held: u32::try_from(membership.held().count()).unwrap_or(u32::MAX),
            max_held: u32::try_from(terms.max_held).unwrap_or(u32::MAX),
            longest_hold_ns: nanoseconds(times.longest()),
            overdue: u32::try_from(overdue).unwrap_or(u32::MAX),
        })
    });
    let (client, peer) = (&session.client, session.client.peer());
    ClientStats {
        id: client.id(),
        name: client.name().clone(),
        pid: peer.pid.unsigned_abs(),
        uid: peer.uid,
        subscriptions: subscriptions.collect(),
    }
}

/// Logs the figures of each stream.
pub fn log(sessions: &Sessions, streams: &Streams) {
    for stream in streams.iter() {
        let subscriptions = sessions.iter().flat_map(|session| session.subscriptions.values());
        let memberships = subscriptions.filter(|s| s.stream() == stream.id()).filter_map(Subscription::membership);
        let readers = memberships.clone().count();
        let held: usize = memberships.map(|membership| membership.held().count()).sum();
        let stats = stream_stats(stream);
        info!(
            stream = %stats.name,
            grabbed = stats.grabbed,
            published = stats.published,
            incomplete = stats.incomplete,
            lost_at_camera = stats.lost_at_camera,
            starved = stats.starved,
            active_buffers = stats.active_buffers,
            current_memory_mb = %format_args!("{:.2}", megabytes(stats.current_bytes)),
            peak_memory_mb = %format_args!("{:.2}", megabytes(stats.peak_bytes)),
            readers,
            held,
            overdue = stats.overdue,
            evicted = stats.evicted,
            missing_buffers = stream.missing(),
            renewals = stream.renewals(),
            "statistics"
        );
    }
}

/// Megabytes of 2^20 bytes.
#[expect(clippy::cast_precision_loss, reason = "for people to read")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Holders named for one segment.
const MAX_HOLDERS: usize = 8;

/// Clients in one answer: with all the subscriptions a session may have, twice as many do not fit in a message.
const CLIENT_PAGE_ENTRIES: usize = PAGE_ENTRIES / 2;

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Entries of one answer, and whether more are there.
fn page<T>(entries: impl Iterator<Item = T>, from: usize, limit: usize) -> (Vec<T>, bool) {
    let mut entries = entries.skip(from);
    let page: Vec<T> = entries.by_ref().take(limit).collect();
    (page, entries.next().is_some())
}

/// The figures of a stream now.
pub(super) fn stream_stats(stream: &Stream) -> StreamStats {
    let factory = stream.factory().stats();
    let counters = &stream.core().counters;
    let (transport, lease) = (counters.transport(), stream.lease_counts());
    StreamStats {
        name: stream.name().clone(),
        id: stream.id(),
        total_allocated: factory.total_allocated,
        total_freed: factory.total_freed,
        active_buffers: factory.active_buffers(),
        current_bytes: factory.current_bytes,
        peak_bytes: factory.peak_bytes,
        mapped_bytes: factory.mapped_bytes,
        given_up_bytes: stream.debts().bytes(),
        max_buffers: stream.limits().max_segments as u64,
        grabbed: counters.grabbed.get(),
        published: counters.published.get(),
        incomplete: counters.incomplete.get(),
        lost_at_camera: counters.lost_at_camera.get(),
        starved: counters.starved.get(),
        overdue: lease.overdue,
        evicted: lease.evicted,
        resent_packets: transport.resent_packets,
        missing_packets: transport.missing_packets,
        failed_frames: transport.failed_frames,
        allocate: factory.allocate,
        publish: counters.publish.timing(),
        retire: counters.retire.timing(),
    }
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::codec::encode;
    use framebroker_protocol::limits::SUBSCRIPTIONS_PER_SESSION;
    use framebroker_protocol::message::{Delivery, Policy, Reply};
    use framebroker_protocol::{ClientId, ClientName, StreamName, SubscriptionId};

    use super::*;

    /// Goal: the largest answers fit in a message; one that does not would be left out. Method: as many entries as there
    /// may be, with the longest names.
    #[test]
    fn the_largest_answers_fit_in_a_message() {
        let (name, stream) = (ClientName::cut(&"n".repeat(99)), "s".repeat(63).parse::<StreamName>().unwrap());
        let fits = |entries| encode(&Reply { request: 1, body: Tell::Stats(Stats { entries, more: true }) }).is_ok();
        let (client, pid, uid, held_ns) = (ClientId(1), 1, 1, 1);
        let holder = Holder { client, name: name.clone(), pid, uid, held_ns, is_overdue: true };
        let segment = SegmentStats {
            context: 1000,
            bytes: 1,
            allocated_realtime_ns: 1,
            state: SegmentState::Held,
            usage_count: 1,
            held_by: vec![holder; MAX_HOLDERS],
            more_holders: 1,
        };
        assert!(fits(StatsEntries::Segments(vec![segment; PAGE_ENTRIES])));
        let subscription = SubscriptionStats {
            id: SubscriptionId(1),
            stream,
            policy: Policy::Latest,
            delivery: Delivery::Socket,
            received: 1,
            lost: 1,
            skipped: 1,
            held: 1,
            max_held: 1,
            longest_hold_ns: 1,
            overdue: 1,
        };
        let subscriptions = vec![subscription; SUBSCRIPTIONS_PER_SESSION];
        let client = ClientStats { id: client, name, pid, uid, subscriptions };
        assert!(fits(StatsEntries::Clients(vec![client.clone(); CLIENT_PAGE_ENTRIES])));
        assert!(!fits(StatsEntries::Clients(vec![client; PAGE_ENTRIES])), "the smaller page is needed");
    }
}
