//! The life of a session that fills a stream's segments, in its order.
//!
//! The order is what keeps frames read-only for everyone else: a segment is made, handed to its producer alone, mapped by it,
//! and sealed; only then is it installed, and only then do others get its descriptor.

use std::sync::Arc;

use framebroker_protocol::message::{ErrorCode, Produce, Roles, Tell};
use framebroker_protocol::shm::{Mapped, ShmError};
use framebroker_protocol::{ProducerPage, SegmentIndex, StreamId, Text, stop_point};
use tracing::{info, warn};

use super::client::{Client, HandedOver};
use super::descriptors::DescriptorBudget;
use super::log_limit::CLIENTS;
use super::production::{Offer, Offered, Production};
use super::session::Session;
use super::streams::Streams;
use super::table::Sessions;
use crate::factory::{Segment, WritableSegment};
use crate::source::producer::ProducerSource;
use crate::source::{Description, Requirements};
use crate::stream::served::Stream;

/// A refusal: what kind, and what to do.
type Refusal = (ErrorCode, Text);

/// A session wants to fill a stream, or the one that does has other frames from now on. `rate` frames a second are the most.
pub fn ask(session: &mut Session, streams: &mut Streams, request: u32, asked: Produce, rate: u32, is_ending: bool) {
    if let Err((code, text)) = try_ask(session, streams, request, asked, rate, is_ending) {
        session.client.refuse(request, code, text);
    }
}

fn try_ask(
    session: &mut Session,
    streams: &mut Streams,
    request: u32,
    asked: Produce,
    rate: u32,
    is_ending: bool,
) -> Result<(), Refusal> {
    if !session.client.roles().contains(Roles::PRODUCER) {
        let text = "only a session of the role producer fills segments; ask for that role when you connect";
        return refuse(ErrorCode::Forbidden, text);
    }
    let id = streams.named(&asked.stream).map_err(|text| (ErrorCode::UnknownStream, Text::cut(text)))?;
    let Some(stream) = streams.get_mut(id) else { return Ok(()) };
    let needs = needs(&asked);
    may_produce(stream, session, &needs)?;
    if is_ending || stream.life().finished().is_some() {
        return refuse(ErrorCode::StreamClosed, format_args!("stream {} has ended", asked.stream));
    }
    let (page, object) =
        Mapped::<ProducerPage>::create().map_err(|error| (ErrorCode::Unavailable, Text::cut(error)))?;
    let Session { client, production, .. } = session;
    page.initialise(client.id(), id);
    let page = Arc::new(page);
    let before = production.take();
    if before.is_none() {
        let peer = client.peer();
        let epoch = stream.take_producer(client.id(), client.name().clone(), peer.pid, peer.uid);
        if CLIENTS.may_speak() {
            info!(stream = %asked.stream, client = %client.id(), name = %client.name(), pid = peer.pid, producer = epoch.0, "a producer has come");
        }
    }
    let source = ProducerSource::new(Arc::clone(&page), who(client), describe(asked), needs, rate);
    stream.attach(Box::new(source));
    *production = Some(match before {
        Some(before) => before.with_new_page(page, object, request),
        None => Production::new(id, page, object, request),
    });
    Ok(())
}

fn refuse<T>(code: ErrorCode, text: impl std::fmt::Display) -> Result<T, Refusal> {
    Err((code, Text::cut(text)))
}

/// A segment has been made: for the ring, or for its producer to map first.
pub fn take_segment(
    sessions: &mut Sessions,
    streams: &mut Streams,
    id: StreamId,
    segment: &Arc<Segment>,
    writable: WritableSegment,
) {
    let Some(stream) = streams.get_mut(id) else { return };
    let producer = stream.producer().and_then(|producer| sessions.get_mut(producer.client));
    match producer.and_then(|session| session.production.as_mut()) {
        Some(production) if stream.awaits(segment.index()) => production.take_segment(segment, writable),
        None if !stream.takes_producers() => stream.install(segment, writable),
        // It was made for a producer that has gone.
        _ => stream.do_without(segment.index()),
    }
    // It may have become too small meanwhile.
    streams.restore(id);
}

/// Sends a producer the next thing it must map. None where there is nothing.
pub fn hand_over(session: &mut Session, in_flight: usize, budget: DescriptorBudget) -> Option<HandedOver> {
    let Session { client, production, .. } = session;
    let production = production.as_mut()?;
    let ready = production.ready(budget.segments_at_once());
    if ready == 0 {
        return None;
    }
    let is_allowed = budget.allows(in_flight, ready);
    Some(if is_allowed { production.send_next(client, ready) } else { HandedOver::TooManyInFlight })
}

/// What a producer has mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// It was sent nothing as a producer.
    Nothing,
    Page,
    /// Segments, which are in the ring now.
    Segments,
}

/// A producer has mapped what it was sent: from here on nobody else can write it.
pub fn mapped(session: &mut Session, streams: &mut Streams) -> Mapping {
    let Session { client, production, .. } = session;
    let Some(production) = production else { return Mapping::Nothing };
    let (mapping, sealed) = match production.take_mapped() {
        Offered::Nothing => return Mapping::Nothing,
        Offered::Page(object) => (Mapping::Page, object.seal()),
        Offered::Segments(offers) => (Mapping::Segments, seal(production, streams, offers)),
    };
    if let Err(error) = sealed {
        warn!(client = %client.id(), %error, "a producer's memory cannot be sealed");
        client.fail(ErrorCode::Unavailable, error);
    }
    mapping
}

fn seal(production: &mut Production, streams: &mut Streams, offers: Vec<Offer>) -> Result<(), ShmError> {
    let Some(stream) = streams.get_mut(production.stream()) else { return Ok(()) };
    let mut all = Ok(());
    stop_point("lend.sealing");
    for (segment, writable) in offers {
        match segment.seal() {
            Ok(()) if stream.awaits(segment.index()) => {
                production.lend(&segment);
                let epoch = stream.epoch();
                stream.install(&segment, writable.for_epoch(epoch));
            }
            // Its place is free whatever becomes of the others: none may count that is not there.
            sealed => {
                stream.do_without(segment.index());
                all = all.and(sealed);
            }
        }
    }
    streams.restore(production.stream());
    all
}

/// The grab thread takes what a producer fills.
pub fn started(sessions: &mut Sessions, streams: &Streams, id: StreamId) {
    let Some(stream) = streams.get(id) else { return };
    let Some(session) = producer_of(stream, sessions) else { return };
    if let Some(production) = &mut session.production {
        production.start();
    }
    session.client.tell(0, Tell::Started { first: stream.core().page.head().next() });
}

/// The ring has given up a segment: its producer can unmap it.
pub fn withdraw(sessions: &mut Sessions, streams: &Streams, id: StreamId, index: SegmentIndex) {
    let Some(stream) = streams.get(id) else { return };
    let Some(Session { client, production, .. }) = producer_of(stream, sessions) else { return };
    if let Some(backing) = production.as_mut().and_then(|production| production.withdraw(index)) {
        client.tell(0, Tell::SegmentWithdrawn { index, backing });
    }
}

/// The grab thread takes nothing more from a stream's producer, for this reason.
pub fn fail(sessions: &mut Sessions, stream: &Stream, code: ErrorCode, reason: &str) {
    if let Some(session) = producer_of(stream, sessions) {
        session.client.fail(code, reason);
    }
}

/// Ends what a session fills, where it is over. True where it filled a stream.
pub fn end(session: &mut Session, streams: &mut Streams) -> bool {
    let Session { client, production, .. } = session;
    let Some(production) = production.take() else { return false };
    let Some(stream) = streams.get_mut(production.stream()) else { return false };
    production.unmapped().for_each(|index| stream.do_without(index));
    let reason = match client.failure() {
        Some(failure) => format!("{} was disconnected: {failure}", who(client)),
        None => format!("{} has ended", who(client)),
    };
    stop_point("produce.ending");
    stream.lose_producer(&reason);
    production.wake_grab_thread();
    true
}

/// The source of a stream has gone: its producer has broken a rule, if what it fills was published. One that waits for memory has
/// not.
pub fn fail_running(sessions: &mut Sessions, streams: &Streams, id: StreamId, reason: &str) {
    let Some(stream) = streams.get(id) else { return };
    let Some(Session { client, production, .. }) = producer_of(stream, sessions) else { return };
    if production.as_ref().is_some_and(Production::is_running) {
        client.fail(ErrorCode::Breach, reason);
    }
}

fn producer_of<'a>(stream: &Stream, sessions: &'a mut Sessions) -> Option<&'a mut Session> {
    sessions.get_mut(stream.producer()?.client)
}

/// Whether a session may fill a stream.
fn may_produce(stream: &Stream, session: &Session, needs: &Requirements) -> Result<(), (ErrorCode, Text)> {
    let refuse = |code, text: std::fmt::Arguments<'_>| Err((code, Text::cut(text)));
    let name = &stream.name();
    if !stream.takes_producers() {
        let source = stream.source();
        return refuse(
            ErrorCode::Invalid,
            format_args!(
                "stream {name} is filled by the broker's own source {source}; start a broker with --source producer"
            ),
        );
    }
    if let Some(other) = stream.producer().filter(|other| other.client != session.client.id()) {
        let (pid, uid) = (other.pid, other.uid);
        let other = &other.name;
        return refuse(
            ErrorCode::Busy,
            format_args!(
                "stream {name} is filled by {other} (pid {pid}, user {uid}); end it first, or start another broker"
            ),
        );
    }
    if let Some(production) = &session.production {
        if production.stream() != stream.id() {
            return refuse(
                ErrorCode::Invalid,
                format_args!("this session fills another stream; open another for {name}"),
            );
        }
        if !production.is_running() {
            return refuse(ErrorCode::Invalid, format_args!("wait for Started before you ask again"));
        }
    }
    let (reserve, granted, limits) = (needs.min_queued + 1, stream.granted(), stream.limits());
    if reserve + granted > limits.max_segments {
        let max_segments = limits.max_segments;
        return refuse(
            ErrorCode::NotAdmitted,
            format_args!(
                "stream {name} may have {max_segments} segments: the producer and the newest frame need {reserve}, and {granted} are granted to readers; raise --max-segments"
            ),
        );
    }
    let bytes = (needs.payload_bytes as u64).saturating_mul(reserve as u64);
    if bytes > limits.memory_bytes {
        let limit_mb = limits.memory_bytes >> 20;
        return refuse(
            ErrorCode::NotAdmitted,
            format_args!(
                "{reserve} segments of {} bytes are more than --memory-limit {limit_mb} allows; raise it",
                needs.payload_bytes
            ),
        );
    }
    Ok(())
}

fn needs(asked: &Produce) -> Requirements {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Requirements {
        min_queued: number(asked.min_queued.into()),
        wanted_queued: number(asked.min_queued.into()),
        fixed_pool: asked.fixed_pool,
        can_pause: asked.can_pause,
        payload_bytes: number(asked.payload_bytes),
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn describe(asked: Produce) -> Description {
    let Produce { width, height, pixel_format, millihertz, model, serial, .. } = asked;
    Description {
        model: model.into(),
        serial: serial.into(),
        width,
        height,
        pixel_format,
        fps: millihertz as f64 / 1000.0,
    }
}

fn who(client: &Client) -> String {
    format!("the producer {}, pid {},", client.name(), client.peer().pid)
}
