//! A session that fills a stream's segments.
//!
//! The order is what keeps frames read-only for everyone else: a segment is made, handed to its producer alone, mapped by it,
//! and sealed; only then is it installed, and only then do others get its descriptor.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::message::{ErrorCode, Produce, Roles, Tell};
use framebroker_protocol::shm::{Mapped, SharedObject, ShmError};
use framebroker_protocol::{Backing, ProducerPage, SegmentIndex, StreamId, Text};
use tracing::{info, warn};

use super::Control;
use super::log_limit::CLIENTS;
use super::session::{HandedOver, Phase, Session};
use crate::factory::{Segment, WritableSegment};
use crate::source::producer::ProducerSource;
use crate::source::{Description, Requirements};
use crate::stream::served::Stream;

/// How long a producer that comes may take to map what it was sent: until then the stream is of no use to anyone.
const FIRST_MAPPING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one that fills segments may take: it may wait for a trigger, and readers wait for the ring to grow.
const LATER_MAPPING_TIMEOUT: Duration = Duration::from_secs(30);

/// What a producer's session has been given.
#[derive(Debug)]
pub struct Production {
    /// Which of the broker's streams it fills.
    stream: usize,
    page: Arc<Mapped<ProducerPage>>,
    /// The page's object and the request it answers, until it is sent.
    unsent: Option<(u32, SharedObject)>,
    /// Segments that were made for it and not sent yet.
    made: VecDeque<Offer>,
    /// What it was sent and has not mapped yet.
    offered: Offered,
    /// Until when it must have.
    deadline: Option<Instant>,
    /// Segments it has mapped.
    lent: BTreeMap<SegmentIndex, Backing>,
    /// What it fills is published.
    is_running: bool,
}

/// A segment, and the right to write it.
type Offer = (Arc<Segment>, WritableSegment);

#[derive(Debug)]
enum Offered {
    Nothing,
    Page(SharedObject),
    Segments(Vec<Offer>),
}

impl Production {
    fn new(stream: usize, page: Arc<Mapped<ProducerPage>>, unsent: (u32, SharedObject)) -> Self {
        Self {
            stream,
            page,
            unsent: Some(unsent),
            made: VecDeque::new(),
            offered: Offered::Nothing,
            deadline: None,
            lent: BTreeMap::new(),
            is_running: false,
        }
    }

    /// When it loses its session, if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// A segment has been made, which this producer must map before the ring has it.
    pub fn take_segment(&mut self, segment: &Arc<Segment>, writable: WritableSegment) {
        self.made.push_back((Arc::clone(segment), writable));
    }

    fn offer(&mut self, offered: Offered) {
        self.offered = offered;
        let timeout = if self.is_running { LATER_MAPPING_TIMEOUT } else { FIRST_MAPPING_TIMEOUT };
        self.deadline = Some(Instant::now() + timeout);
    }
}

impl Control {
    /// A session wants to fill a stream, or the one that does has other frames from now on.
    pub(super) fn produce(&mut self, session: &mut Session, request: u32, asked: Produce) {
        if !session.roles.contains(Roles::PRODUCER) {
            let text = "only a session of the role producer fills segments; ask for that role when you connect";
            return session.refuse(request, ErrorCode::Forbidden, text);
        }
        let Some(at) = self.find_stream(session, request, &asked.stream) else { return };
        let Some(stream) = self.streams.get_mut(at) else { return };
        let needs = needs(&asked);
        if let Err((code, text)) = may_produce(stream, at, session, &needs) {
            return session.refuse(request, code, text);
        }
        if self.ending.is_some() || stream.life().finished().is_some() {
            return session.refuse(request, ErrorCode::StreamClosed, format_args!("stream {} has ended", asked.stream));
        }
        let page = match Mapped::<ProducerPage>::create() {
            Ok((page, object)) => {
                page.initialise(session.id, stream.id());
                (Arc::new(page), object)
            }
            Err(error) => return session.refuse(request, ErrorCode::Unavailable, error),
        };
        let (page, object) = page;
        let before = session.production.take();
        if before.is_none() {
            let epoch = stream.take_producer(session.id, session.name.clone(), session.peer.pid, session.peer.uid);
            if CLIENTS.may_speak() {
                info!(stream = %asked.stream, client = %session.id, name = %session.name, pid = session.peer.pid, producer = epoch.0, "a producer has come");
            }
        }
        let source = ProducerSource::new(Arc::clone(&page), who(session), describe(asked), needs, self.producer_rate);
        stream.attach(Box::new(source));
        let mut production = Production::new(at, page, (request, object));
        if let Some(before) = before {
            before.page.call_broker();
            let Production { made, offered, deadline, lent, .. } = before;
            production = Production { made, offered, deadline, lent, ..production };
        }
        session.production = Some(production);
    }

    /// Sends a producer the next thing it must map. True if there was something, whether it could be sent or not.
    pub(super) fn hand_over_to_producer(&mut self, session: &mut Session, in_flight: usize, at_once: usize) -> bool {
        let Some(mut production) = session.production.take() else { return false };
        let ready = if production.unsent.is_some() { 1 } else { production.made.len().min(at_once) };
        if ready == 0 {
            session.production = Some(production);
            return false;
        }
        let is_too_much = in_flight > 0 && in_flight + ready > self.descriptor_budget;
        let sent =
            if is_too_much { HandedOver::TooManyInFlight } else { self.send_next(session, &mut production, ready) };
        if sent == HandedOver::TooManyInFlight {
            self.retry_descriptors();
        }
        session.production = Some(production);
        true
    }

    fn send_next(&self, session: &mut Session, production: &mut Production, ready: usize) -> HandedOver {
        if let Some((request, object)) = production.unsent.take() {
            let Some(stream) = self.streams.get(production.stream) else { return HandedOver::Later };
            let sent = session.try_hand_over(request, Tell::Producing { stream: stream.id() }, &[object.as_fd()]);
            if sent == HandedOver::Sent {
                production.offer(Offered::Page(object));
            } else {
                production.unsent = Some((request, object));
            }
            return sent;
        }
        let infos = production.made.iter().take(ready).map(|(segment, _)| segment.info()).collect();
        let fds: Vec<_> = production.made.iter().take(ready).filter_map(|(segment, _)| segment.descriptor()).collect();
        let sent = session.try_hand_over(0, Tell::SegmentsLent { segments: infos }, &fds);
        if sent == HandedOver::Sent {
            let offers = production.made.drain(..ready).collect();
            production.offer(Offered::Segments(offers));
        }
        sent
    }

    /// A producer has mapped what it was sent: from here on nobody else can write it. False if it was sent nothing.
    ///
    /// # Errors
    /// The kernel did not seal it.
    pub(super) fn producer_mapped(&mut self, session: &mut Session) -> Result<bool, ShmError> {
        let Some(production) = &mut session.production else { return Ok(false) };
        production.deadline = None;
        let offers = match std::mem::replace(&mut production.offered, Offered::Nothing) {
            Offered::Nothing => return Ok(false),
            Offered::Page(object) => return object.seal().map(|()| true),
            Offered::Segments(offers) => offers,
        };
        let Some(stream) = self.streams.get_mut(production.stream) else { return Ok(false) };
        let mut unsealed = None;
        for (segment, writable) in offers {
            match segment.seal() {
                Ok(()) if stream.awaits(segment.index()) => {
                    production.lent.insert(segment.index(), segment.backing());
                    let epoch = stream.epoch();
                    stream.install(&segment, writable.for_epoch(epoch));
                }
                // Its place is free whatever becomes of the others: none may count that is not there.
                sealed => {
                    stream.do_without(segment.index());
                    unsealed = unsealed.or(sealed.err());
                }
            }
        }
        if let Some(error) = unsealed {
            return Err(error);
        }
        stream.restore(&self.worker);
        self.settle_all();
        Ok(true)
    }

    /// The grab thread takes what a producer fills.
    pub(super) fn tell_started(&mut self, id: StreamId) {
        let Self { streams, sessions, .. } = self;
        let Some(stream) = streams.iter().find(|stream| stream.id() == id) else { return };
        let Some(client) = stream.producer().map(|producer| producer.client) else { return };
        let Some(session) = sessions.get_mut(&client) else { return };
        if let Some(production) = &mut session.production {
            production.is_running = true;
        }
        session.tell(0, Tell::Started { first: stream.core().page.head().next() });
        self.settle(client);
    }

    /// Whether what a stream's producer fills is published. One that waits for memory has broken no rule.
    pub(super) fn has_begun(&self, id: StreamId) -> bool {
        let stream = self.streams.iter().find(|stream| stream.id() == id);
        let session = stream.and_then(Stream::producer).and_then(|producer| self.sessions.get(&producer.client));
        session.and_then(|session| session.production.as_ref()).is_some_and(|production| production.is_running)
    }

    /// The ring has given up a segment: its producer can unmap it.
    pub(super) fn tell_withdrawn(&mut self, id: StreamId, index: SegmentIndex) {
        let Some(stream) = self.streams.iter().find(|stream| stream.id() == id) else { return };
        let Some(client) = stream.producer().map(|producer| producer.client) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let backing = session.production.as_mut().and_then(|production| production.lent.remove(&index));
        if let Some(backing) = backing {
            session.tell(0, Tell::SegmentWithdrawn { index, backing });
            self.settle(client);
        }
    }

    /// The grab thread takes nothing more from a stream's producer, for this reason.
    pub(super) fn fail_producer(&mut self, id: StreamId, code: ErrorCode, reason: &str) {
        let Some(stream) = self.streams.iter().find(|stream| stream.id() == id) else { return };
        let Some(client) = stream.producer().map(|producer| producer.client) else { return };
        if let Some(session) = self.sessions.get_mut(&client) {
            session.fail(code, reason);
            self.settle(client);
        }
    }

    /// Ends what a session produces, where it is over.
    pub(super) fn end_production(&mut self, session: &mut Session) {
        let Some(production) = session.production.take() else { return };
        let Some(stream) = self.streams.get_mut(production.stream) else { return };
        let Production { page, made, offered, .. } = production;
        let offers = if let Offered::Segments(offers) = offered { offers } else { Vec::new() };
        for (segment, _writable) in made.into_iter().chain(offers) {
            stream.do_without(segment.index());
        }
        let reason = match &session.failure {
            Some(failure) => format!("{} was disconnected: {failure}", who(session)),
            None => format!("{} has ended", who(session)),
        };
        let outages = stream.outages();
        stream.lose_producer(&reason);
        page.call_broker();
        if stream.outages() > outages {
            let id = stream.id();
            self.tell_of_outage(id, &reason);
        }
    }

    /// Tells every producer that there is nothing more to be filled.
    pub(super) fn dismiss_producers(&mut self, reason: &str) {
        for session in self.sessions.values_mut().filter(|session| session.production.is_some()) {
            session.fail(ErrorCode::StreamClosed, reason);
        }
    }
}

/// Whether a session may fill a stream.
fn may_produce(stream: &Stream, at: usize, session: &Session, needs: &Requirements) -> Result<(), (ErrorCode, Text)> {
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
    if let Some(other) = stream.producer().filter(|other| other.client != session.id) {
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
        if production.stream != at {
            return refuse(
                ErrorCode::Invalid,
                format_args!("this session fills another stream; open another for {name}"),
            );
        }
        if !production.is_running {
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

fn who(session: &Session) -> String {
    format!("the producer {}, pid {},", session.name, session.peer.pid)
}

impl Session {
    /// Until when it must map what it was sent as a producer.
    pub(super) fn mapping_deadline(&self) -> Option<Instant> {
        let is_open = self.phase == Phase::Open;
        self.production.as_ref().filter(|_| is_open).and_then(Production::deadline)
    }
}

/// The kernel's word on a producer's memory.
pub(super) fn unsealed(session: &mut Session, error: &ShmError) {
    warn!(client = %session.id, %error, "a producer's memory cannot be sealed");
    session.fail(ErrorCode::Unavailable, error);
}
