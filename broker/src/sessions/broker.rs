//! Streams, sessions and clock together: what is done when there is news, and when time has passed.
//!
//! Whatever changes a session queues it to be settled: it is sent what can be sent, and ended where it has failed. That is done in
//! one place, when the news has been dealt with.

use std::os::fd::AsFd;
use std::time::Instant;

use framebroker_protocol::codec::encode;
use framebroker_protocol::message::{ErrorCode, Reply, Roles, Tell};
use framebroker_protocol::socket::{Buffer, Channel};
use framebroker_protocol::{BrokerId, ClientId, StreamName, SubscriptionId, Text, stop_point};
use nix::errno::Errno;
use tracing::{info, warn};

use super::client::{Client, HandedOver};
use super::clock::{Alarm, Clock};
use super::descriptors::{DescriptorBudget, RETRY, advice};
use super::end::{DRAIN, Ending, Impatience};
use super::features::{self, Questions};
use super::listener::Accepted;
use super::log_limit::CLIENTS;
use super::poll::Poll;
use super::requests::{self, Desk, Heard, Outcome};
use super::rules::Rules;
use super::session::Session;
use super::socket_reader::SocketReader;
use super::streams::Streams;
use super::subscription::Subscription;
use super::table::Sessions;
use super::{delivery, lease, produce, report, stream_events, subscribe};
use crate::events::Event;
use crate::stream::command::Command;
use crate::stream::process::pidfd_of_peer;
use crate::stream::served::Stream;

/// Messages taken from one client before another's turn.
const TURN: usize = 32;

/// Everything that the session thread knows of clients and streams.
#[derive(Debug)]
pub struct Broker {
    id: BrokerId,
    rules: Rules,
    poll: Poll,
    streams: Streams,
    sessions: Sessions,
    clock: Clock,
    questions: Questions,
    budget: DescriptorBudget,
    buffer: Buffer,
    ending: Option<Ending>,
}

impl Broker {
    /// A broker without clients, which will be watched by this set.
    pub fn new(id: BrokerId, rules: Rules, streams: Streams, poll: Poll, budget: DescriptorBudget) -> Self {
        let mut clock = Clock::default();
        clock.set(Alarm::Statistics, rules.stats_interval.map(|interval| Instant::now() + interval));
        Self {
            id,
            rules,
            poll,
            streams,
            sessions: Sessions::default(),
            clock,
            questions: Questions::default(),
            budget,
            buffer: Buffer::default(),
            ending: None,
        }
    }

    /// What it owns, to be looked at.
    #[cfg(any(test, fuzzing))]
    pub fn parts(&mut self) -> (&mut Streams, &mut Sessions) {
        (&mut self.streams, &mut self.sessions)
    }

    /// When what is to be done.
    pub fn clock(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// Somebody has connected.
    pub fn welcome(&mut self, Accepted { channel, peer, groups }: Accepted) {
        let (pidfd, mut shortage) = match pidfd_of_peer(channel.as_fd(), peer.pid) {
            Ok(pidfd) => (Some(pidfd), None),
            // It connected and died.
            Err(Errno::ESRCH) => return,
            Err(errno @ (Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)) => (None, Some(errno)),
            // It cannot be seen from here (another PID namespace, and an old kernel): only the connection tells of its end.
            Err(_) => (None, None),
        };
        for client in self.sessions.too_many_failed() {
            self.end_session(client, false);
        }
        let allowed = self.rules.access.roles(peer, &groups);
        let (id, roles) = (self.sessions.number(), allowed.unwrap_or(Roles::CONSUMER));
        let other_user = (!self.rules.access.is_own(peer)).then_some(peer.uid);
        let mut client = match Client::new(id, channel, (peer, other_user), roles, &self.poll) {
            Ok(client) => client,
            Err((channel, errno)) => return turn_away(&channel, errno),
        };
        if let Some(pidfd) = pidfd {
            shortage = client.watch_process(pidfd, &self.poll).err();
        }
        let (limits, uid) = (self.rules.limits, peer.uid);
        let (in_all, of_user) = self.sessions.count(uid);
        if let Some(errno) = shortage {
            let text = format_args!("the broker cannot watch this process ({errno}): {}", advice(errno));
            client.fail(ErrorCode::TooManyClients, text);
        } else if allowed.is_none() {
            let text = format_args!("user {uid} may not use this broker; start it with --allow-uid {uid}");
            client.fail(ErrorCode::Forbidden, text);
        } else if in_all >= limits.in_all {
            let max = limits.in_all;
            let text =
                format_args!("the broker has {max} clients, the most that it accepts; raise --max-clients or end some");
            client.fail(ErrorCode::TooManyClients, text);
        } else if other_user.is_some() && of_user >= limits.per_user {
            let text = format_args!(
                "user {uid} has {of_user} clients, the most that one user may have; raise --max-clients-per-user"
            );
            client.fail(ErrorCode::TooManyClients, text);
        }
        self.sessions.insert(Session::new(client));
        stop_point("attach.accepted");
    }

    /// Takes what a client says, and answers it.
    pub fn serve(&mut self, client: ClientId) {
        for _ in 0..TURN {
            let Some(session) = self.sessions.get_mut(client).filter(|session| session.client.is_listened_to()) else {
                return;
            };
            let request = match requests::receive(session, &mut self.streams, &mut self.buffer) {
                Heard::Nothing => return,
                Heard::Ignored => continue,
                Heard::Request(request) => request,
            };
            let mut desk = Desk {
                broker: self.id,
                rules: &self.rules,
                streams: &mut self.streams,
                questions: &mut self.questions,
                is_ending: self.ending.is_some(),
            };
            match requests::answer(session, &mut desk, request.id, request.body) {
                Outcome::Nothing => {}
                Outcome::OthersFirst => return,
                Outcome::Report { request, of, from } => {
                    let (sessions, streams) = (&mut self.sessions, &self.streams);
                    return report::answer(sessions, streams, self.rules.lease, client, request, of, from);
                }
                Outcome::SegmentsChanged => self.sessions.settle_all(),
                Outcome::Overtaken(overtaken) => features::refuse_overtaken(&mut self.sessions, overtaken),
            }
        }
    }

    /// A bell rang for a socket delivery.
    pub fn deliver(&mut self, client: ClientId, subscription: SubscriptionId) {
        let Some(session) = self.sessions.get_mut(client) else { return };
        let reader = session.subscriptions.get_mut(&subscription).and_then(Subscription::socket_reader);
        reader.into_iter().for_each(|reader: &mut SocketReader| reader.hear_bell());
    }

    /// Takes what another thread tells.
    pub fn hear(&mut self, event: Event) {
        let finished = if let Event::Finished { reason, .. } = &event { Some(reason.clone()) } else { None };
        stream_events::take(event, &mut self.sessions, &mut self.streams, &mut self.questions);
        if let Some(reason) = finished
            && self.streams.have_all_finished()
            && self.ending.is_none()
        {
            self.begin_end(Instant::now() + DRAIN, &reason);
        }
    }

    /// Does what is due.
    pub fn ring(&mut self, alarm: Alarm, now: Instant) {
        match alarm {
            Alarm::Session(client) => self.session_is_due(client, now),
            Alarm::Descriptors => {
                self.sessions.iter_mut().for_each(|session| session.client.claim_descriptors(now));
                self.sessions.settle_all();
            }
            Alarm::Holds => self.look_at_holds(now),
            Alarm::Statistics => {
                report::log(&self.sessions, &self.streams);
                // From now on, and not from when it was due: a broker that was stopped has nothing to catch up with.
                self.clock.set(Alarm::Statistics, self.rules.stats_interval.map(|interval| now + interval));
            }
            Alarm::Answers => features::answer_late(&mut self.sessions, &mut self.questions, now),
            // Looked at whenever the thread wakes.
            Alarm::Streams | Alarm::End | Alarm::Listen => {}
        }
    }

    fn session_is_due(&mut self, client: ClientId, now: Instant) {
        let Some(session) = self.sessions.get_mut(client) else { return };
        if session.client.is_over(now) {
            self.end_session(client, false);
        } else {
            session.check_time(now);
        }
    }

    fn look_at_holds(&mut self, now: Instant) {
        lease::look_at_holds(&mut self.sessions, &self.streams, now);
        // Those that did not keep up with the news may have caught up.
        self.sessions.iter_mut().for_each(Session::tell_changes);
        self.sessions.settle_all();
        // What was owed may have been paid by the end of a process.
        self.streams.restore_all();
        lease::keep(&mut self.sessions, &mut self.streams, self.rules.lease);
    }

    /// Settles what has changed: lets subscriptions begin, and sends every client what can be sent.
    pub fn settle(&mut self) {
        subscribe::admit_waiting(&mut self.sessions, &mut self.streams, &self.poll);
        while let Some(client) = self.sessions.next_unsettled() {
            self.settle_one(client);
            // One that has ended has left room for others.
            subscribe::admit_waiting(&mut self.sessions, &mut self.streams, &self.poll);
        }
    }

    fn settle_one(&mut self, id: ClientId) {
        let Some(session) = self.sessions.settling(id) else { return };
        session.client.flush();
        // Before others come in their places.
        session.tell_removed();
        self.hand_over(id);
        self.sessions.settling(id).into_iter().for_each(delivery::send_frames);
        self.hand_over(id);
        let Some(session) = self.sessions.settling(id) else { return };
        subscribe::tell_news(session, &self.streams);
        session.tell_changes();
        let is_ending = !session.client.counts();
        if session.client.has_failed() {
            subscribe::end_all(session, &mut self.streams, false);
        }
        let has_left_a_stream = is_ending && produce::end(session, &mut self.streams);
        session.client.watch();
        self.clock.set(Alarm::Session(id), session.deadline());
        if is_ending {
            self.streams.iter_mut().for_each(|stream| stream.end_control(id));
        }
        if has_left_a_stream {
            self.sessions.settle_all();
        }
    }

    /// Sends the next message with descriptors, if the client has mapped the last.
    fn hand_over(&mut self, id: ClientId) {
        let Some(session) = self.sessions.settling(id) else { return };
        let has_nothing = session.subscriptions.is_empty() && session.production.is_none();
        if !session.client.takes_descriptors() || has_nothing {
            return;
        }
        let in_flight = self.sessions.in_flight();
        let Some(session) = self.sessions.settling(id) else { return };
        let (streams, budget) = (&self.streams, self.budget);
        let sent = produce::hand_over(session, in_flight, budget)
            .unwrap_or_else(|| subscribe::hand_over(session, streams, in_flight, budget));
        if sent == HandedOver::TooManyInFlight {
            // Looked after soon.
            self.clock.set_latest(Alarm::Descriptors, Instant::now() + RETRY);
        }
    }

    /// Ends a session and all it reads and fills.
    pub fn end_session(&mut self, client: ClientId, has_process_ended: bool) {
        let Some(mut session) = self.sessions.remove(client) else { return };
        subscribe::end_all(&mut session, &mut self.streams, has_process_ended);
        stop_point("end.left");
        if produce::end(&mut session, &mut self.streams) {
            self.sessions.settle_all();
        }
        self.questions.forget(client);
        self.streams.iter_mut().for_each(|stream| stream.end_control(client));
        self.clock.set(Alarm::Session(client), None);
        if CLIENTS.may_speak() {
            info!(%client, name = %session.client.name(), pid = session.client.peer().pid, "session ended");
        }
        // What its process owed may be paid by its end.
        self.streams.restore_all();
    }

    /// Before the thread sleeps: lets the streams look at the time, and says when there is something to be done.
    pub fn end_turn(&mut self, now: Instant) {
        self.streams.iter_mut().for_each(Stream::forget_rosters);
        if self.streams.close_drained(now) {
            self.sessions.settle_all();
            self.settle();
        }
        self.clock.set(Alarm::Streams, self.streams.pass_time(now));
        self.clock.set(Alarm::Answers, self.questions.deadline());
        self.clock.set(Alarm::End, self.ending.as_ref().map(|ending| ending.next_look(now)));
        if self.sessions.any_subscription() {
            self.clock.set_latest(Alarm::Holds, now + self.rules.lease.interval());
        }
    }
}

/// Says why to somebody whose connection the kernel does not watch.
fn turn_away(channel: &Channel, errno: Errno) {
    if CLIENTS.may_speak() {
        warn!(%errno, "connection refused: the broker cannot watch its socket; {}", advice(errno));
    }
    let text = Text::cut(format_args!("the broker cannot watch this connection ({errno}): {}", advice(errno)));
    if let Ok(bytes) = encode(&Reply { request: 0, body: Tell::Error { code: ErrorCode::TooManyClients, text } }) {
        // Where that fails too, the end of the connection must do.
        let _unheard = channel.try_send(&bytes, &[]);
    }
}

/// Its end.
impl Broker {
    /// A signal told it to end, perhaps again.
    pub fn signal(&mut self) {
        let now = Instant::now();
        self.begin_end(now, "the broker was told to end");
        self.ending.iter_mut().for_each(|ending| ending.signal(now));
    }

    fn begin_end(&mut self, deadline: Instant, reason: &str) {
        self.ending.get_or_insert_with(|| Ending::new(deadline, reason)).hasten(deadline);
        self.streams.iter().for_each(|stream| stream.tell_grab(Command::Stop));
    }

    /// Whether there is nothing more to be served.
    pub fn is_done(&self) -> bool {
        let Some(ending) = &self.ending else { return false };
        let is_drained = || self.streams.iter().all(Stream::is_drained);
        self.streams.have_all_finished() && (ending.is_over(Instant::now()) || is_drained())
    }

    /// The streams that keep a broker from its end, where they are waited for no longer; and why not.
    pub fn stuck(&self) -> Option<(Impatience, Vec<StreamName>)> {
        let why = self.ending.as_ref()?.impatience(Instant::now())?;
        let stuck = self.streams.iter().filter(|stream| stream.life().finished().is_none());
        Some((why, stuck.map(|stream| stream.name().clone()).collect()))
    }

    /// Tells everyone that the streams have ended, and stops their threads. Returns the streams.
    pub fn close(mut self) -> Vec<Stream> {
        self.streams.iter_mut().for_each(Stream::close);
        self.tell_the_end();
        self.streams.into_all()
    }

    /// Tells everyone that there will be no more frames, where that was not told yet.
    pub fn tell_the_end(&mut self) {
        let reason = self.ending.as_ref().map_or("the broker ends", Ending::reason);
        for Session { client, subscriptions, production } in self.sessions.iter_mut() {
            for subscription in subscriptions.values().filter(|subscription| !subscription.knows_the_end()) {
                client.tell(0, Tell::Closed { subscription: subscription.id(), reason: Text::cut(reason) });
            }
            if production.is_some() {
                client.fail(ErrorCode::StreamClosed, reason);
            }
        }
    }
}
