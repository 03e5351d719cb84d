//! What clients ask: messages are parsed, and each request goes to who answers it.

use framebroker_protocol::codec::{decode, hello_version};
use framebroker_protocol::limits::{PAGE_ENTRIES, PROTOCOL_VERSION};
use framebroker_protocol::message::{Ask, ErrorCode, Request, Roles, StatsOf, Tell};
use framebroker_protocol::socket::{Buffer, ChannelError};
use framebroker_protocol::{BrokerId, ClientName, stop_point};
use tracing::info;

use super::client::{Client, Phase};
use super::delivery;
use super::features::{self, Overtaken, Questions};
use super::log_limit::CLIENTS;
use super::produce::{self, Mapping};
use super::rules::Rules;
use super::session::Session;
use super::streams::Streams;
use super::subscribe::{self, Wanted};
use crate::stream::device::What;

/// What requests are answered with.
#[derive(Debug)]
pub struct Desk<'a> {
    /// Which run of a broker this is.
    pub broker: BrokerId,
    /// What the command line says about clients.
    pub rules: &'a Rules,
    /// The streams.
    pub streams: &'a mut Streams,
    /// What cameras are asked.
    pub questions: &'a mut Questions,
    /// The broker ends.
    pub is_ending: bool,
}

/// What a look for a client's message found.
#[derive(Debug)]
pub enum Heard {
    /// None, or the end.
    Nothing,
    /// One that nobody answers any more.
    Ignored,
    /// One that is to be answered.
    Request(Request),
}

/// What a request leads to outside its session.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing.
    Nothing,
    /// The answer took long: others come first now.
    OthersFirst,
    /// The answer is taken from all sessions.
    Report {
        /// To be answered.
        request: u32,
        /// Of what.
        of: StatsOf,
        /// How many entries to pass over.
        from: u32,
    },
    /// The ring of a stream has other segments: every session is told.
    SegmentsChanged,
    /// Requests of others can no longer be done.
    Overtaken(Vec<Overtaken>),
}

/// Takes a message of a client. One that breaks the protocol ends the session.
pub fn receive(session: &mut Session, streams: &mut Streams, buffer: &mut Buffer) -> Heard {
    let client = &mut session.client;
    let (version, request) = match client.receive(buffer) {
        Ok(_) if client.has_failed() => return Heard::Ignored,
        Ok(received) if !received.fds.is_empty() => {
            client.fail(ErrorCode::Malformed, "no message of a consumer carries descriptors");
            return Heard::Nothing;
        }
        Ok(received) => (hello_version(received.bytes), decode::<Request>(received.bytes)),
        Err(ChannelError::WouldBlock | ChannelError::Short) => return Heard::Nothing,
        Err(ChannelError::TooLong | ChannelError::TooManyFds) => {
            client.fail(ErrorCode::Malformed, "a message is longer or carries more descriptors than allowed");
            return Heard::Nothing;
        }
        Err(_gone) => {
            client.begin_dying();
            subscribe::revoke_all(session, streams);
            return Heard::Nothing;
        }
    };
    let is_strange = matches!(client.phase(), Phase::Strange { .. });
    if is_strange && version.is_some_and(|version| version != PROTOCOL_VERSION) {
        let theirs = version.unwrap_or_default();
        client.fail(
            ErrorCode::WrongVersion,
            format_args!(
                "this broker speaks version {PROTOCOL_VERSION} of the protocol, you speak {theirs}; use matching releases"
            ),
        );
        return Heard::Nothing;
    }
    match request {
        Ok(request) => Heard::Request(request),
        Err(error) => {
            client.fail(ErrorCode::Malformed, error);
            Heard::Ignored
        }
    }
}

/// Answers a request, as far as that can be done at once.
pub fn answer(session: &mut Session, desk: &mut Desk<'_>, request: u32, ask: Ask) -> Outcome {
    let Desk { streams, questions, rules, .. } = desk;
    let client = &mut session.client;
    if matches!(client.phase(), Phase::Strange { .. }) && !matches!(ask, Ask::Hello { .. }) {
        client.fail(ErrorCode::NoHello, "the first message must be Hello");
        return Outcome::Nothing;
    }
    if let Some(fault) = ask.fault() {
        client.refuse(request, ErrorCode::Invalid, fault);
        return Outcome::Nothing;
    }
    match ask {
        Ask::Hello { name, roles, .. } => greet(client, desk.broker, request, name, roles),
        Ask::Ping => client.tell(request, Tell::Pong),
        Ask::ListStreams { from } => {
            list_streams(client, streams, request, from);
            return Outcome::OthersFirst;
        }
        Ask::Stats { of, from } => return Outcome::Report { request, of, from },
        Ask::Subscribe { stream, policy, delivery, max_held, start } => {
            let wanted = Wanted { stream, policy, delivery, max_held, start };
            subscribe::ask(session, streams, request, &wanted);
            return Outcome::OthersFirst;
        }
        Ask::Unsubscribe { subscription } => {
            subscribe::unsubscribe(session, streams, request, subscription);
            return Outcome::OthersFirst;
        }
        Ask::Release { subscription, context } => delivery::release(session, request, subscription, context),
        Ask::Acquire { subscription, frame } => {
            delivery::acquire(session, streams, desk.broker, request, subscription, &frame);
        }
        Ask::Produce(asked) => {
            produce::ask(session, streams, request, asked, rules.producer_rate, desk.is_ending);
            return Outcome::OthersFirst;
        }
        Ask::Mapped => return mapped(session, streams),
        Ask::Control { stream, sole } => {
            return Outcome::Overtaken(features::control(client, streams, questions, request, &stream, sole));
        }
        Ask::Features { stream, from } => {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            features::ask(client, streams, questions, request, &stream, What::List { from });
        }
        Ask::GetFeature { stream, feature } => {
            features::ask(client, streams, questions, request, &stream, What::Get(feature));
        }
        Ask::SetFeature { stream, feature, value } => {
            features::ask(client, streams, questions, request, &stream, What::Set(feature, value));
        }
        Ask::Execute { stream, feature } => {
            features::ask(client, streams, questions, request, &stream, What::Execute(feature));
        }
    }
    Outcome::Nothing
}

fn greet(client: &mut Client, broker: BrokerId, request: u32, name: ClientName, roles: Roles) {
    let (uid, allowed) = (client.peer().uid, client.allowed());
    if client.is_open() {
        return client.fail(ErrorCode::Malformed, "Hello comes only once");
    }
    if !allowed.contains(roles) {
        let text = format_args!("user {uid} may be {allowed}, not {roles}; see --allow-uid of the broker");
        return client.fail(ErrorCode::Forbidden, text);
    }
    if CLIENTS.may_speak() {
        info!(client = %client.id(), %name, pid = client.peer().pid, uid, %roles, "session began");
    }
    client.open(name, roles);
    stop_point("attach.greeted");
    client.tell(request, Tell::Welcome { version: PROTOCOL_VERSION, broker, client: client.id() });
}

fn list_streams(client: &mut Client, streams: &Streams, request: u32, from: u32) {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let listed: Vec<_> = streams.iter().skip(from).take(PAGE_ENTRIES).map(|stream| stream.info()).collect();
    let more = from.saturating_add(listed.len()) < streams.iter().len();
    client.tell(request, Tell::Streams { streams: listed, more });
}

fn mapped(session: &mut Session, streams: &mut Streams) -> Outcome {
    if !session.client.take_mapped() {
        let text = "Mapped answers a message with segments, and there was none to answer";
        session.client.fail(ErrorCode::Malformed, text);
        return Outcome::Nothing;
    }
    match produce::mapped(session, streams) {
        Mapping::Segments => return Outcome::SegmentsChanged,
        Mapping::Page => {}
        Mapping::Nothing => subscribe::mapped(session),
    }
    Outcome::Nothing
}
