//! What clients ask.

use framebroker_protocol::codec::{decode, hello_version};
use framebroker_protocol::limits::{PAGE_ENTRIES, PROTOCOL_VERSION, SEGMENTS_PER_MESSAGE, SUBSCRIPTIONS_PER_SESSION};
use framebroker_protocol::message::{Ask, Delivery, ErrorCode, Policy, Request, Roles, Start, Tell};
use framebroker_protocol::socket::ChannelError;
use framebroker_protocol::{ClientId, ConsumerId, Sequence, StreamName, StreamState, SubscriptionId, Text};
use tracing::{info, warn};

use super::Control;
use super::log_limit::CLIENTS;
use super::poll::Token;
use super::production::unsealed;
use super::session::{HandedOver, Phase as SessionPhase, Session};
use super::subscription::{Phase, Place, Subscription, Terms};
use crate::events::SubscriptionKey;
use crate::stream::admission::Verdict;
use crate::stream::device::What;
use crate::stream::grab::Command;
use crate::stream::served::ReaderProcess;

/// Messages taken from one client before another's turn.
const TURN: usize = 32;
/// What a shared delivery gets beside its segments: two pages and a socket.
const PAGE_DESCRIPTORS: usize = 3;

/// The share of the memory limit, one in so many, that segments may take which a process or user was holding when its
/// subscriptions ended.
const LARGEST_DEBT: u64 = 4;

/// What a look for a client's message found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// None, or the end.
    Nothing,
    /// One that is answered at once.
    Message,
    /// One whose answer takes so long that others come first now.
    Costly,
}

impl Control {
    /// Takes what a client says, and sends what waits for it.
    pub(super) fn serve(&mut self, client: ClientId) {
        let Some(mut session) = self.sessions.remove(&client) else { return };
        for _ in 0..TURN {
            if !session.is_listened_to() || self.take_message(&mut session) != Taken::Message {
                break;
            }
        }
        self.sessions.insert(client, session);
        self.admit_waiting();
        self.settle(client);
    }

    fn take_message(&mut self, session: &mut Session) -> Taken {
        let (version, request) = match session.channel().try_receive(&mut self.buffer) {
            Ok(_) if matches!(session.phase, SessionPhase::Failed { .. }) => return Taken::Message,
            Ok(received) if !received.fds.is_empty() => {
                session.fail(ErrorCode::Malformed, "no message of a consumer carries descriptors");
                return Taken::Nothing;
            }
            Ok(received) => (hello_version(received.bytes), decode::<Request>(received.bytes)),
            Err(ChannelError::WouldBlock) => return Taken::Nothing,
            Err(ChannelError::TooLong | ChannelError::TooManyFds) => {
                session.fail(ErrorCode::Malformed, "a message is longer or carries more descriptors than allowed");
                return Taken::Nothing;
            }
            Err(_gone) => {
                session.begin_dying();
                session.subscriptions.values().filter_map(|s| s.place.as_ref()).for_each(|place| {
                    // Nothing more is acquired; what is held stays held until the process is seen dead or alive.
                    drop(place.member.revoke());
                });
                return Taken::Nothing;
            }
        };
        let strange = matches!(session.phase, SessionPhase::Strange { .. });
        if strange && version.is_some_and(|version| version != PROTOCOL_VERSION) {
            let theirs = version.unwrap_or_default();
            session.fail(
                ErrorCode::WrongVersion,
                format_args!("this broker speaks version {PROTOCOL_VERSION} of the protocol, you speak {theirs}; use matching releases"),
            );
            return Taken::Nothing;
        }
        match request {
            Err(error) => session.fail(ErrorCode::Malformed, error),
            Ok(Request { id, body }) => {
                let costly = matches!(body, Ask::Stats { .. } | Ask::ListStreams { .. });
                self.answer(session, id, body);
                if costly {
                    return Taken::Costly;
                }
            }
        }
        Taken::Message
    }

    fn answer(&mut self, session: &mut Session, request: u32, ask: Ask) {
        if matches!(session.phase, SessionPhase::Strange { .. }) && !matches!(ask, Ask::Hello { .. }) {
            return session.fail(ErrorCode::NoHello, "the first message must be Hello");
        }
        if let Some(fault) = ask.fault() {
            return session.refuse(request, ErrorCode::Invalid, fault);
        }
        match ask {
            Ask::Hello { name, roles, .. } => self.greet(session, request, name, roles),
            Ask::Ping => session.tell(request, Tell::Pong),
            Ask::ListStreams { from } => self.list_streams(session, request, from),
            Ask::Stats { of, from } => self.report(session, request, of, from),
            Ask::Subscribe { stream, policy, delivery, max_held, start } => {
                let max_held = usize::try_from(max_held).unwrap_or(usize::MAX);
                let of_stream = self.streams.iter().find(|known| *known.name() == stream);
                let policy = policy.or(of_stream.map_or(Policy::default(), |known| known.limits().default_policy));
                self.subscribe(session, request, &stream, Terms { policy, delivery, max_held, start });
            }
            Ask::Produce(asked) => self.produce(session, request, asked),
            Ask::Features { stream, from } => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                self.ask_device(session, request, &stream, What::List { from });
            }
            Ask::GetFeature { stream, feature } => self.ask_device(session, request, &stream, What::Get(feature)),
            Ask::SetFeature { stream, feature, value } => {
                self.ask_device(session, request, &stream, What::Set(feature, value));
            }
            Ask::Execute { stream, feature } => self.ask_device(session, request, &stream, What::Execute(feature)),
            Ask::Control { stream, sole } => self.control(session, request, &stream, sole),
            Ask::Mapped => self.mapped(session),
            Ask::Release { subscription, context } => self.release(session, request, subscription, context),
            Ask::Acquire { subscription, context } => self.acquire(session, request, subscription, context),
            Ask::Unsubscribe { subscription } => match session.subscriptions.remove(&subscription) {
                Some(mut ended) => {
                    self.end_subscription(&mut ended, session.reader());
                    if let Phase::Waiting { request, .. }
                    | Phase::Adopting { request }
                    | Phase::Announcing { request, .. } = ended.phase
                    {
                        session.refuse(request, ErrorCode::UnknownSubscription, "it was ended before it began");
                    }
                    session.tell(request, Tell::Unsubscribed { subscription });
                }
                None => unknown_subscription(session, request, subscription),
            },
        }
    }

    fn greet(&mut self, session: &mut Session, request: u32, name: framebroker_protocol::ClientName, roles: Roles) {
        if session.phase == SessionPhase::Open {
            return session.fail(ErrorCode::Malformed, "Hello comes only once");
        }
        if !session.allowed.contains(roles) {
            let (uid, allowed) = (session.peer.uid, session.allowed);
            return session.fail(
                ErrorCode::Forbidden,
                format_args!("user {uid} may be {allowed}, not {roles}; see --allow-uid of the broker"),
            );
        }
        if CLIENTS.may_speak() {
            info!(client = %session.id, %name, pid = session.peer.pid, uid = session.peer.uid, %roles, "session began");
        }
        session.phase = SessionPhase::Open;
        session.name = name;
        session.roles = roles;
        let welcome = Tell::Welcome { version: PROTOCOL_VERSION, broker: self.id, client: session.id };
        session.tell(request, welcome);
    }

    fn list_streams(&self, session: &mut Session, request: u32, from: u32) {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let streams: Vec<_> = self.streams.iter().skip(from).take(PAGE_ENTRIES).map(|stream| stream.info()).collect();
        let more = from.saturating_add(streams.len()) < self.streams.len();
        session.tell(request, Tell::Streams { streams, more });
    }

    /// Where the stream of a name is; where there is none, the session is told which there are.
    pub(super) fn find_stream(&self, session: &mut Session, request: u32, name: &StreamName) -> Option<usize> {
        let found = self.streams.iter().position(|stream| stream.name() == name);
        if found.is_none() {
            let known: Vec<&str> = self.streams.iter().map(|stream| stream.name().as_str()).collect();
            let known = known.join(", ");
            let text = format_args!("there is no stream \"{name}\"; there is {known}");
            session.refuse(request, ErrorCode::UnknownStream, text);
        }
        found
    }

    fn subscribe(&mut self, session: &mut Session, request: u32, name: &StreamName, terms: Terms) {
        let Some(at) = self.find_stream(session, request, name) else { return };
        let Some(stream) = self.streams.get_mut(at) else { return };
        if !session.roles.contains(Roles::CONSUMER) {
            return session.refuse(
                request,
                ErrorCode::Forbidden,
                "only a session of the role consumer subscribes; ask for that role when you connect",
            );
        }
        if session.subscriptions.len() >= SUBSCRIPTIONS_PER_SESSION {
            return session.refuse(request, ErrorCode::Invalid, "a session has 16 subscriptions at most; open another");
        }
        if stream.life().finished().is_some() || stream.core().page.state() == StreamState::Closed {
            return session.refuse(request, ErrorCode::StreamClosed, format_args!("stream {name} has ended"));
        }
        if terms.policy == Policy::Lossless && !stream.limits().lossless {
            let text = "this broker waits for nobody (--lossless-timeout 0); use policy sequential";
            return session.refuse(request, ErrorCode::NotAdmitted, text);
        }
        let owed_bytes =
            stream.debts().bytes_of(session.peer.pid, (!self.access.is_own(session.peer)).then_some(session.peer.uid));
        if owed_bytes > stream.limits().memory_bytes / LARGEST_DEBT {
            let text = "too many frames were still held when earlier subscriptions ended: their memory counts until the process \
                        that may read them ends. Release frames before you end a subscription";
            return session.refuse(request, ErrorCode::NotAdmitted, text);
        }
        if terms.delivery == Delivery::Shared && !stream.is_sealed() {
            let backing = stream.factory().name();
            return session.refuse(request, ErrorCode::Invalid, format_args!(
                "stream {name} has the backing {backing}, whose segments are not protected: only delivery by socket is granted (framectl: --delivery socket); for shared delivery start the broker with --backing memfd",
            ));
        }
        match stream.grant(&self.worker, terms.max_held) {
            Verdict::Refuse { needed } => {
                let max_held = terms.max_held;
                let capacity = stream.capacity();
                session.refuse(request, ErrorCode::NotAdmitted, format_args!(
                    "stream {name} cannot grant {max_held} more holds: it may have {} segments, of which the source and the newest frame need {} and other subscriptions {}; start the broker with --segments {needed} (and --max-segments and --memory-limit to match), or ask for fewer holds",
                    capacity.growable_to.max(capacity.segments), capacity.reserve, capacity.granted,
                ));
            }
            Verdict::Admit { needed, .. } => {
                let Some(id) = session.number_subscription() else {
                    stream.take_back_grant(terms.max_held);
                    let text = "this session has had as many subscriptions as it may; open another";
                    return session.refuse(request, ErrorCode::Invalid, text);
                };
                let key = SubscriptionKey { client: session.id, subscription: id };
                session.subscriptions.insert(id, Subscription::waiting(at, terms, request, needed));
                stream.line_up(key);
            }
        }
    }

    /// Puts a subscription into the ring.
    pub(super) fn begin(&mut self, at: usize, key: SubscriptionKey) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        let Some(session) = self.sessions.get_mut(&key.client) else { return };
        let Some(subscription) = session.subscriptions.get_mut(&key.subscription) else { return };
        let Phase::Waiting { request, .. } = subscription.phase else { return };
        let terms = subscription.terms;
        let place = Place::create(ConsumerId::new(key.client, key.subscription), terms);
        let mut place = match place {
            Ok(place) => place,
            Err(error) => {
                stream.take_back_grant(terms.max_held);
                session.subscriptions.remove(&key.subscription);
                return session.refuse(request, ErrorCode::Unavailable, error);
            }
        };
        if let Some(delivering) = place.delivering()
            && let Err(errno) = self.poll.add(&*delivering.bell, Token::Bell(key.client, key.subscription))
        {
            warn!(%errno, "a socket delivery cannot be watched");
        }
        if let Some(reason) = stream.life().offline() {
            // What was told before it began.
            subscription.early_news.push(Tell::Offline { subscription: key.subscription, reason: Text::cut(reason) });
        }
        stream.enter(&place.member);
        let member = std::sync::Arc::clone(&place.member);
        subscription.place = Some(place);
        if terms.policy == Policy::Lossless {
            subscription.phase = Phase::Adopting { request };
            // Where the grab thread has ended, the stream is closed next and says so.
            stream.tell_grab(Command::Adopt { key, member, start: terms.start });
            return;
        }
        let page = &stream.core().page;
        let next = page.head().next();
        let first = if terms.start == Start::Oldest { page.oldest().unwrap_or(next) } else { next };
        self.announce(key, first);
    }

    /// The first frame of a subscription is known: the client can be told.
    pub(super) fn announce(&mut self, key: SubscriptionKey, first: Sequence) {
        let Some(session) = self.sessions.get_mut(&key.client) else { return };
        let Some(subscription) = session.subscriptions.get_mut(&key.subscription) else { return };
        let (Phase::Waiting { request, .. } | Phase::Adopting { request }) = subscription.phase else { return };
        let Some(stream) = self.streams.get(subscription.stream) else { return };
        let terms = subscription.terms;
        if let Some(place) = &mut subscription.place {
            place.begin(stream.core(), terms, first);
        }
        subscription.phase = Phase::Announcing { request, first };
        self.settle(key.client);
    }

    /// Sends the next message with descriptors, if the client has mapped the last.
    pub(super) fn hand_over(&mut self, session: &mut Session) {
        session.forget_room();
        if session.is_unmapped() || session.is_blocked() || session.has_nothing() {
            return;
        }
        let in_flight = session.in_flight() + self.sessions.values_mut().map(Session::in_flight).sum::<usize>();
        let at_once = SEGMENTS_PER_MESSAGE.min(self.descriptor_budget.saturating_sub(PAGE_DESCRIPTORS)).max(1);
        if self.hand_over_to_producer(session, in_flight, at_once) {
            return;
        }
        let mut subscriptions = std::mem::take(&mut session.subscriptions);
        for (id, subscription) in &mut subscriptions {
            let Some(stream) = self.streams.get(subscription.stream) else { continue };
            let segments = subscription.untold(stream.pool().segments(), at_once);
            if in_flight > 0 && in_flight + segments.len() + PAGE_DESCRIPTORS > self.descriptor_budget {
                self.retry_descriptors();
                break;
            }
            let sent = match subscription.phase {
                Phase::Announcing { request, first } => {
                    let (message, fds) = subscription.announcement(*id, stream.core(), first, &segments);
                    session.try_hand_over(request, Tell::Subscribed(message), &fds)
                }
                Phase::Active if !segments.is_empty() => {
                    let infos = segments.iter().map(|segment| segment.info()).collect();
                    let fds: Vec<_> = segments.iter().filter_map(|segment| segment.descriptor()).collect();
                    session.try_hand_over(0, Tell::SegmentsAdded { subscription: *id, segments: infos }, &fds)
                }
                _ => continue,
            };
            match sent {
                HandedOver::Sent => {
                    subscription.tell_of(&segments);
                    subscription.phase = Phase::Active;
                    std::mem::take(&mut subscription.early_news).into_iter().for_each(|news| session.tell(0, news));
                }
                HandedOver::TooManyInFlight => self.retry_descriptors(),
                HandedOver::Later => {}
            }
            break;
        }
        session.subscriptions = subscriptions;
    }

    fn mapped(&mut self, session: &mut Session) {
        if !session.take_mapped() {
            return session.fail(ErrorCode::Malformed, "Mapped answers a message with segments; none is unanswered");
        }
        match self.producer_mapped(session) {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => return unsealed(session, &error),
        }
        let active = session.subscriptions.values_mut().filter(|s| s.phase == Phase::Active);
        let failed = active.filter_map(|s| s.place.as_mut()).find_map(|place| place.seal().err());
        if let Some(error) = failed {
            session.fail(ErrorCode::Unavailable, error);
        }
    }

    /// Ends a session's subscriptions.
    pub(super) fn end_subscriptions(&mut self, session: &mut Session, may_still_read: bool) {
        for mut subscription in std::mem::take(&mut session.subscriptions).into_values() {
            let reader = if may_still_read { session.reader() } else { ReaderProcess::Ended };
            self.end_subscription(&mut subscription, reader);
        }
    }

    pub(super) fn end_subscription(&mut self, subscription: &mut Subscription, reader: ReaderProcess) {
        let Some(stream) = self.streams.get_mut(subscription.stream) else { return };
        stream.take_back_grant(subscription.terms.max_held);
        if let Some(place) = &mut subscription.place {
            if let Some(delivering) = place.delivering()
                && let Err(errno) = self.poll.remove(&*delivering.bell)
            {
                warn!(%errno, "the bell of a delivery that ended is still heard");
            }
            stream.leave(&place.member, reader, std::time::Instant::now());
        }
    }
}

pub(super) fn unknown_subscription(session: &mut Session, request: u32, id: SubscriptionId) {
    session.refuse(request, ErrorCode::UnknownSubscription, format_args!("this session has no subscription {id}"));
}

/// Only a delivery by socket has frames that are released or acquired by message.
pub(super) fn is_by_socket(subscription: &Subscription) -> bool {
    subscription.terms.delivery == Delivery::Socket
}
