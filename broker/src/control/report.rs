//! Statistics, for clients and for the summary at the end.

use std::fmt;
use std::sync::Arc;

use framebroker_protocol::limits::PAGE_ENTRIES;
use framebroker_protocol::message::{Stats, StatsEntries, StatsOf, Tell};
use framebroker_protocol::stats::{ClientStats, Holder, SegmentState, SegmentStats, StreamStats, SubscriptionStats};
use framebroker_protocol::{ContextId, StreamId};

use super::Control;
use super::session::Session;
use crate::factory::Segment;
use crate::stream::live::Stream;
use crate::stream::pool::Pool;

impl Control {
    pub(super) fn report(&mut self, session: &mut Session, request: u32, of: StatsOf, from: u32) {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let (entries, more) = match of {
            StatsOf::Streams => {
                let (page, more) = page(self.streams.iter(), from);
                (StatsEntries::Streams(page.into_iter().map(stream_stats).collect()), more)
            }
            StatsOf::Segments(id) => {
                let stream = self.streams.iter().find(|stream| stream.core.id == id);
                let (page, more) = page(stream.into_iter().flat_map(|stream| stream.pool.segments()), from);
                let entry = |segment: &Arc<Segment>| self.segment_stats(session, id, segment);
                (StatsEntries::Segments(page.into_iter().map(entry).collect()), more)
            }
            StatsOf::Clients => {
                // The session that is served is not among the others.
                let mut all: Vec<&Session> = self.sessions.values().chain(std::iter::once(&*session)).collect();
                all.sort_unstable_by_key(|session| session.id);
                let (page, more) = page(all.into_iter(), from);
                (StatsEntries::Clients(page.into_iter().map(|client| self.client_stats(client)).collect()), more)
            }
        };
        session.tell(request, Tell::Stats(Stats { entries, more }));
    }

    fn segment_stats(&self, asking: &Session, stream: StreamId, segment: &Segment) -> SegmentStats {
        let at = self.streams.iter().position(|known| known.core.id == stream);
        let stream = at.and_then(|at| self.streams.get(at));
        let published = stream.and_then(|stream| stream.core.page.readable_in(segment.index()));
        let held_by: Vec<Holder> = self
            .sessions
            .values()
            .chain(std::iter::once(asking))
            .filter(|session| published.is_some_and(|context| holds(session, at, context)))
            .take(MAX_HOLDERS)
            .map(|session| Holder {
                client: session.id,
                name: session.name.clone(),
                pid: session.peer.pid.unsigned_abs(),
                uid: session.peer.uid,
            })
            .collect();
        let quarantined = stream.is_some_and(|stream| stream.pool.is_quarantined(segment.index()));
        SegmentStats {
            context: segment.index().buffer_context(),
            bytes: segment.bytes() as u64,
            allocated_realtime_ns: segment.allocated_realtime_ns(),
            state: match published {
                _ if quarantined => SegmentState::Quarantined,
                None => SegmentState::Queued,
                Some(_) if held_by.is_empty() => SegmentState::Published,
                Some(_) => SegmentState::Held,
            },
            usage_count: segment.usage_count(),
            held_by,
        }
    }

    fn client_stats(&self, session: &Session) -> ClientStats {
        let subscriptions = session.subscriptions.iter().filter_map(|(id, subscription)| {
            let place = subscription.place.as_ref()?;
            let counters = place.counters();
            Some(SubscriptionStats {
                id: *id,
                stream: self.streams.get(subscription.stream)?.core.name.clone(),
                policy: place.policy(subscription.terms),
                delivery: subscription.terms.delivery,
                received: counters.received,
                lost: counters.lost,
                skipped: counters.skipped,
                held: u32::try_from(place.held().count()).unwrap_or(u32::MAX),
                max_held: u32::try_from(subscription.terms.max_held).unwrap_or(u32::MAX),
            })
        });
        ClientStats {
            id: session.id,
            name: session.name.clone(),
            pid: session.peer.pid.unsigned_abs(),
            uid: session.peer.uid,
            subscriptions: subscriptions.collect(),
        }
    }
}

/// Holders named for one segment.
const MAX_HOLDERS: usize = 8;

fn holds(session: &Session, stream: Option<usize>, context: ContextId) -> bool {
    let of_stream = session.subscriptions.values().filter(|subscription| Some(subscription.stream) == stream);
    of_stream.filter_map(|s| s.place.as_ref()).any(|place| place.held().any(|held| held == context.as_u64()))
}

/// Entries of one answer, and whether more are there.
fn page<T>(entries: impl Iterator<Item = T>, from: usize) -> (Vec<T>, bool) {
    let mut entries = entries.skip(from);
    let page: Vec<T> = entries.by_ref().take(PAGE_ENTRIES).collect();
    (page, entries.next().is_some())
}

fn stream_stats(stream: &Stream) -> StreamStats {
    let factory = stream.factory.stats();
    let counters = &stream.core.counters;
    let transport = counters.transport();
    StreamStats {
        name: stream.core.name.clone(),
        id: stream.core.id,
        total_allocated: factory.total_allocated,
        total_freed: factory.total_freed,
        active_buffers: factory.active_buffers(),
        current_bytes: factory.current_bytes,
        peak_bytes: factory.peak_bytes,
        mapped_bytes: factory.mapped_bytes,
        max_buffers: stream.limits.max_segments as u64,
        grabbed: counters.grabbed.get(),
        published: counters.published.get(),
        incomplete: counters.incomplete.get(),
        lost_at_camera: counters.lost_at_camera.get(),
        starved: counters.starved.get(),
        resent_packets: transport.resent_packets,
        missing_packets: transport.missing_packets,
        failed_frames: transport.failed_frames,
        allocate: factory.allocate,
        publish: counters.publish.timing(),
        retire: counters.retire.timing(),
    }
}

/// The buffer statistics of a stream that has ended.
#[derive(Debug)]
pub struct Summary {
    stats: StreamStats,
    usage: Vec<String>,
}

impl Summary {
    /// Frees the stream's segments and counts what is left.
    #[must_use]
    pub fn of(mut stream: Stream) -> Self {
        let uses = |segment: &Arc<Segment>| format!("{} x{}", segment.index().buffer_context(), segment.usage_count());
        let usage = stream.pool.segments().map(uses).collect();
        stream.pool = Pool::default();
        Self { stats: stream_stats(&stream), usage }
    }

    /// Whether every buffer was freed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.stats.active_buffers == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamStats { name, published, starved, incomplete, lost_at_camera, .. } = &self.stats;
        let StreamStats { total_allocated, total_freed, active_buffers, max_buffers, .. } = &self.stats;
        writeln!(
            f,
            "stream {name}: {published} frames published, {incomplete} incomplete, {lost_at_camera} lost at the camera, \
             {starved} starved"
        )?;
        writeln!(f, "  total allocated  {total_allocated} buffers")?;
        writeln!(f, "  total freed      {total_freed} buffers")?;
        writeln!(f, "  active           {active_buffers} buffers")?;
        writeln!(f, "  maximum          {max_buffers} buffers")?;
        writeln!(f, "  current memory   {:.2} MB", megabytes(self.stats.current_bytes))?;
        writeln!(f, "  peak memory      {:.2} MB", megabytes(self.stats.peak_bytes))?;
        writeln!(f, "  usage            {}", self.usage.join(", "))?;
        if !self.is_clean() {
            writeln!(f, "  WARNING: {active_buffers} buffers leaked: they were allocated and not freed")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
