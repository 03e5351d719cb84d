//! A subscription's life, in its order: it is asked for, waits for the ring to grow, enters the ring, is announced to its client,
//! is sent the segments that come later, and ends.

use std::time::Instant;

use framebroker_protocol::limits::SUBSCRIPTIONS_PER_SESSION;
use framebroker_protocol::message::{AskedPolicy, Delivery, ErrorCode, Policy, Roles, Start, Tell};
use framebroker_protocol::{Sequence, StreamName, StreamState, SubscriptionId, Text, stop_point};

use super::client::{Client, HandedOver};
use super::delivery::unknown_subscription;
use super::descriptors::{DescriptorBudget, PAGE_DESCRIPTORS};
use super::membership::Membership;
use super::news::StreamState as StreamNews;
use super::poll::Poll;
use super::session::Session;
use super::streams::Streams;
use super::subscription::Subscription;
use super::table::Sessions;
use super::terms::Terms;
use crate::events::SubscriptionKey;
use crate::stream::admission::Verdict;
use crate::stream::command::Command;
use crate::stream::served::{ReaderProcess, Stream};

/// The share of the memory limit, one in so many, that segments may take which a process or user was holding when its
/// subscriptions ended.
const LARGEST_DEBT: u64 = 4;

/// A refusal: what kind, and what to do.
type Refusal = (ErrorCode, Text);

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub stream: StreamName,
    pub policy: AskedPolicy,
    pub delivery: Delivery,
    pub max_held: u32,
    pub start: Start,
}

/// A client asks for a subscription, which waits from now on until the ring is large enough, or is refused.
pub fn ask(session: &mut Session, streams: &mut Streams, request: u32, wanted: &Wanted) {
    if let Err((code, text)) = try_ask(session, streams, request, wanted) {
        session.client.refuse(request, code, text);
    }
}

fn try_ask(session: &mut Session, streams: &mut Streams, request: u32, wanted: &Wanted) -> Result<(), Refusal> {
    let id = streams.named(&wanted.stream).map_err(|text| (ErrorCode::UnknownStream, Text::cut(text)))?;
    let Some(stream) = streams.get(id) else { return Ok(()) };
    let max_held = usize::try_from(wanted.max_held).unwrap_or(usize::MAX);
    let policy = wanted.policy.or(stream.limits().default_policy);
    let terms = Terms { policy, delivery: wanted.delivery, max_held, start: wanted.start };
    may_subscribe(session, stream, terms)?;
    let Some(number) = session.client.number_subscription() else {
        return refuse(ErrorCode::Invalid, "this session has used all its subscription numbers; open another session");
    };
    let verdict = streams.grant(id, max_held);
    let Some(stream) = streams.get_mut(id) else { return Ok(()) };
    match verdict {
        None => {}
        Some(Verdict::Refuse { needed }) => return Err(not_admitted(stream, max_held, needed)),
        Some(Verdict::Admit { needed, .. }) => {
            stream.line_up(SubscriptionKey { client: session.client.id(), subscription: number });
            let subscription = Subscription::waiting(number, id, terms, request, needed);
            session.subscriptions.insert(number, subscription);
        }
    }
    Ok(())
}

fn refuse<T>(code: ErrorCode, text: impl std::fmt::Display) -> Result<T, Refusal> {
    Err((code, Text::cut(text)))
}

/// Whether a session may subscribe to a stream on these terms, if there are segments enough.
fn may_subscribe(session: &Session, stream: &Stream, terms: Terms) -> Result<(), Refusal> {
    let name = stream.name();
    if !session.client.roles().contains(Roles::CONSUMER) {
        let text = "only a session of the role consumer subscribes; ask for that role when you connect";
        return refuse(ErrorCode::Forbidden, text);
    }
    if session.subscriptions.len() >= SUBSCRIPTIONS_PER_SESSION {
        return refuse(ErrorCode::Invalid, "a session has 16 subscriptions at most; open another session");
    }
    if stream.life().finished().is_some() || stream.core().page.state() == StreamState::Closed {
        return refuse(ErrorCode::StreamClosed, format_args!("stream {name} has ended"));
    }
    if terms.policy == Policy::Lossless {
        if stream.limits().lossless_timeout.is_zero() {
            let text = "this broker does not wait for readers (--lossless-timeout 0); use policy sequential";
            return refuse(ErrorCode::NotAdmitted, text);
        }
        if let Some(rest) = stream.rest_of(session.client.debtor(), Instant::now()) {
            let text = format_args!(
                "this program, or another of its user, was too slow as a lossless reader of stream {name}, and the source waited \
                 for it in vain; subscribe with policy sequential, or again in {} s",
                rest.as_secs() + 1
            );
            return refuse(ErrorCode::NotAdmitted, text);
        }
    }
    let owed_bytes = stream.debts().bytes_of(session.client.process_key(), session.client.other_user());
    if owed_bytes > stream.limits().memory_bytes / LARGEST_DEBT {
        let text = "too many frames were still held when earlier subscriptions ended: their memory counts until the process \
                    that may read them ends. Release frames before you end a subscription";
        return refuse(ErrorCode::NotAdmitted, text);
    }
    if terms.delivery == Delivery::Shared && !stream.is_sealed() {
        let backing = stream.factory().name();
        let text = format_args!(
            "stream {name} has the backing {backing}, whose segments are not protected: only delivery by socket is granted \
             (framectl: --delivery socket); for shared delivery start the broker with --backing memfd",
        );
        return refuse(ErrorCode::Invalid, text);
    }
    Ok(())
}

fn not_admitted(stream: &Stream, max_held: usize, needed: usize) -> Refusal {
    let (name, capacity) = (stream.name(), stream.capacity());
    let text = format_args!(
        "stream {name} cannot grant {max_held} more holds: it may have {} segments, of which the source and the newest frame \
         need {} and other subscriptions {}; start the broker with --segments {needed} (and --max-segments and --memory-limit \
         to match), or ask for fewer holds",
        capacity.growable_to.max(capacity.segments),
        capacity.reserve,
        capacity.granted,
    );
    (ErrorCode::NotAdmitted, Text::cut(text))
}

/// Lets subscriptions begin that waited for the ring to grow; refuses those that wait in vain.
pub fn admit_waiting(sessions: &mut Sessions, streams: &mut Streams, poll: &Poll) {
    for stream in streams.iter_mut() {
        while let Some(key) = stream.first_in_line() {
            if !admit_or_refuse(sessions, stream, key, poll) {
                break;
            }
            stream.leave_line();
        }
    }
}

/// True if the subscription no longer waits.
fn admit_or_refuse(sessions: &mut Sessions, stream: &mut Stream, key: SubscriptionKey, poll: &Poll) -> bool {
    let subscription = sessions.get(key.client).and_then(|session| session.subscriptions.get(&key.subscription));
    let Some((request, needed)) = subscription.and_then(Subscription::waits_for) else { return true };
    let has_ended = stream.life().finished().is_some();
    let may_begin = stream.may_begin(needed);
    if may_begin == Some(false) && !has_ended {
        return false;
    }
    let Some(Session { client, subscriptions, .. }) = sessions.get_mut(key.client) else { return true };
    let Some(subscription) = subscriptions.get_mut(&key.subscription) else { return true };
    let begun = match may_begin {
        // Nobody makes segments any more, nor waits for readers.
        _ if has_ended => refuse(ErrorCode::StreamClosed, format_args!("stream {} has ended", stream.name())),
        Some(_) => begin(subscription, stream, key, poll).map_err(|text| (ErrorCode::Unavailable, text)),
        None => {
            let text =
                "the broker's machine has no memory for the segments this subscription needs; ask for fewer holds";
            refuse(ErrorCode::Unavailable, text)
        }
    };
    if let Err((code, text)) = begun {
        stream.take_back_grant(subscription.terms().max_held);
        subscriptions.remove(&key.subscription);
        client.refuse(request, code, text);
    }
    true
}

/// Puts a subscription into the ring. A lossless one can be announced when the grab thread waits for it.
fn begin(subscription: &mut Subscription, stream: &mut Stream, key: SubscriptionKey, poll: &Poll) -> Result<(), Text> {
    let terms = subscription.terms();
    let membership = Membership::create(key, terms, poll).map_err(Text::cut)?;
    stream.enter(membership.member());
    stop_point("attach.entered");
    if terms.policy == Policy::Lossless {
        let member = std::sync::Arc::clone(membership.member());
        stream.tell_grab(Command::Adopt { key, member, start: terms.start });
        subscription.adopt(membership);
        return Ok(());
    }
    let page = &stream.core().page;
    let next = page.head().next();
    let first = if terms.start == Start::Oldest { page.oldest().unwrap_or(next) } else { next };
    subscription.begin(membership, stream, first);
    Ok(())
}

/// The grab thread waits for a lossless subscription, from this frame on.
pub fn adopted(sessions: &mut Sessions, streams: &Streams, key: SubscriptionKey, first: Sequence) {
    let Some(session) = sessions.get_mut(key.client) else { return };
    let Some(subscription) = session.subscriptions.get_mut(&key.subscription) else { return };
    if let Some(stream) = streams.get(subscription.stream()) {
        subscription.announce(stream, first);
    }
}

/// Sends the next message with descriptors to a client that can take one: the announcement of a subscription, or segments
/// that have come since.
pub fn hand_over(session: &mut Session, streams: &Streams, in_flight: usize, budget: DescriptorBudget) -> HandedOver {
    let Session { client, subscriptions, .. } = session;
    for subscription in subscriptions.values_mut() {
        let Some(stream) = streams.get(subscription.stream()) else { continue };
        let segments = subscription.unknown(stream.pool().segments(), budget.segments_at_once());
        let announced = subscription.to_be_announced();
        if announced.is_none() && (segments.is_empty() || !subscription.is_active()) {
            continue;
        }
        if !budget.allows(in_flight, segments.len() + PAGE_DESCRIPTORS) {
            return HandedOver::TooManyInFlight;
        }
        let sent = if let Some((request, first)) = announced {
            let (message, fds) = subscription.announcement(stream.core(), first, &segments);
            client.try_hand_over(request, Tell::Subscribed(message), &fds)
        } else {
            let infos = segments.iter().map(|segment| segment.info()).collect();
            let fds: Vec<_> = segments.iter().filter_map(|segment| segment.descriptor()).collect();
            client.try_hand_over(0, Tell::SegmentsAdded { subscription: subscription.id(), segments: infos }, &fds)
        };
        if sent == HandedOver::Sent {
            stop_point(if announced.is_some() { "attach.announced" } else { "growth.announced" });
            subscription.has_sent(&segments);
        }
        return sent;
    }
    HandedOver::Later
}

/// The client has mapped what it was sent: its pages are sealed.
pub fn mapped(session: &mut Session) {
    let Session { client, subscriptions, .. } = session;
    let active = subscriptions.values_mut().filter(|subscription| subscription.is_active());
    stop_point("attach.sealing");
    let failed = active.filter_map(Subscription::membership_mut).find_map(|membership| membership.seal().err());
    if let Some(error) = failed {
        client.fail(ErrorCode::Unavailable, error);
    }
}

/// Tells of what has happened to the streams that a session reads.
pub fn tell_news(session: &mut Session, streams: &Streams) {
    let Session { client, subscriptions, .. } = session;
    for subscription in subscriptions.values_mut().filter(|subscription| subscription.is_active()) {
        let Some(stream) = streams.get(subscription.stream()) else { continue };
        let id = subscription.id();
        while client.is_open()
            && !client.is_blocked()
            && let Some(news) = subscription.news().next(id, StreamNews::of(stream))
        {
            client.tell(0, news);
        }
    }
}

/// The client ends a subscription, whether it has begun or not.
pub fn unsubscribe(session: &mut Session, streams: &mut Streams, request: u32, id: SubscriptionId) {
    let Session { client, subscriptions, .. } = session;
    let Some(ended) = subscriptions.remove(&id) else { return unknown_subscription(client, request, id) };
    let unanswered = ended.unanswered();
    end(ended, streams, client, client.process());
    if let Some(request) = unanswered {
        client.refuse(request, ErrorCode::UnknownSubscription, "it was ended before it began");
    }
    client.tell(request, Tell::Unsubscribed { subscription: id });
}

/// The broker ends a subscription: its process may read on what it held, which is never filled again; what it was granted
/// others may have.
pub fn evict(session: &mut Session, streams: &mut Streams, id: SubscriptionId, reason: Text) {
    let Session { client, subscriptions, .. } = session;
    let Some(ended) = subscriptions.remove(&id) else { return };
    end(ended, streams, client, client.process());
    stop_point("eviction.done");
    client.tell(0, Tell::Evicted { subscription: id, reason });
}

/// The session ends, or its process has ended.
pub fn end_all(session: &mut Session, streams: &mut Streams, has_process_ended: bool) {
    for subscription in std::mem::take(&mut session.subscriptions).into_values() {
        let process = if has_process_ended { ReaderProcess::Ended } else { session.client.process() };
        end(subscription, streams, &session.client, process);
    }
}

/// Nothing more is acquired by a client that has hung up; what it holds stays held until its process is seen dead or alive.
pub fn revoke_all(session: &mut Session, streams: &mut Streams) {
    let Session { client, subscriptions, .. } = session;
    for subscription in subscriptions.values_mut() {
        if let Some(stream) = streams.get_mut(subscription.stream()) {
            note_wait(subscription, stream, client, false);
        }
        if let Some(membership) = subscription.membership() {
            drop(membership.member().revoke());
        }
    }
}

/// Notes how long the source has paused for a subscription that is no longer waited for, by its own will or not: leaving before it
/// is demoted does not help.
pub fn note_wait(subscription: &mut Subscription, stream: &mut Stream, client: &Client, was_demoted: bool) {
    if let Some(waited) = subscription.take_waited() {
        stream.note_wait(client.debtor(), waited, was_demoted, Instant::now());
    }
}

fn end(mut subscription: Subscription, streams: &mut Streams, client: &Client, process: ReaderProcess) {
    let Some(stream) = streams.get_mut(subscription.stream()) else { return };
    stream.take_back_grant(subscription.terms().max_held);
    note_wait(&mut subscription, stream, client, false);
    if let Some(membership) = subscription.membership() {
        stream.leave(membership.member(), process, Instant::now());
    }
}
