//! The control thread: connections, subscriptions, deaths, and socket deliveries. It never touches a frame's bytes, and
//! nothing a client does makes it wait.

pub mod access;
mod changes;
mod delivery;
mod end;
mod features;
mod holds;
pub mod listener;
mod log_limit;
mod poll;
mod production;
mod report;
mod requests;
mod session;
mod streams;
mod subscription;
mod summary;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use framebroker_protocol::message::ErrorCode;
use framebroker_protocol::socket::Buffer;
use framebroker_protocol::{BrokerId, ClientId};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tracing::{info, warn};

use self::access::{Access, Peer};
use self::listener::Listener;
use self::poll::{Poll, Token};
use self::session::{Phase, Session};
use crate::config::Lease;
use crate::events::EventReceiver;
use crate::stream::served::Stream;
use crate::worker::Worker;

use end::Ending;
pub use end::Failure;
pub use summary::Summary;

/// How long no connection is accepted after one could not be.
const DEAF: Duration = Duration::from_millis(200);
/// Sessions that failed and are kept at once until their clients have read why.
const FAILED_AT_ONCE: usize = 64;
/// Connections accepted before anyone else's turn.
const ACCEPTED_AT_ONCE: usize = 16;
/// How soon descriptors are tried again that were too many in flight.
const DESCRIPTOR_RETRY: Duration = Duration::from_millis(50);

/// How many may come.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// Sessions at once.
    pub in_all: usize,
    /// Sessions at once of one user other than the broker's.
    pub per_user: usize,
}

/// What the command line says about clients.
#[derive(Debug)]
pub struct Rules {
    /// Who may connect.
    pub access: Access,
    /// How many.
    pub limits: ClientLimits,
    /// How long they may hold a frame.
    pub lease: Lease,
    /// How often the figures of each stream are logged, if at all.
    pub stats_interval: Option<Duration>,
    /// Frames a second that a producer may fill at most.
    pub producer_rate: u32,
}

/// The control thread's state.
#[derive(Debug)]
pub struct Control {
    id: BrokerId,
    poll: Poll,
    listener: Listener,
    signals: SignalFd,
    events: EventReceiver,
    worker: Worker,
    access: Access,
    limits: ClientLimits,
    lease: Lease,
    producer_rate: u32,
    /// When the holds are looked at next.
    next_look: Instant,
    statistics: Option<report::Rhythm>,
    streams: Vec<Stream>,
    /// When the streams look at the time again.
    next_of_streams: Option<Instant>,
    sessions: BTreeMap<ClientId, Session>,
    next_client: u64,
    /// Descriptors in flight that all clients together may leave unmapped.
    descriptor_budget: usize,
    /// When sessions that wait for their share of them are looked after.
    descriptor_retry: Option<Instant>,
    /// Until when no connection is accepted, for want of descriptors.
    deaf_until: Option<Instant>,
    questions: features::Questions,
    buffer: Buffer,
    ending: Option<Ending>,
}

impl Control {
    /// The control thread's state; signals must be blocked in every thread.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn new(
        id: BrokerId,
        listener: Listener,
        events: EventReceiver,
        worker: Worker,
        rules: Rules,
        streams: Vec<Stream>,
    ) -> Result<Self, Errno> {
        let signals = SignalFd::with_flags(&end_signals(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let poll = Poll::new()?;
        poll.add(&listener, Token::Listener)?;
        poll.add(&signals, Token::Signals)?;
        poll.add(&events, Token::Events)?;
        let Rules { access, limits, lease, stats_interval, producer_rate } = rules;
        let (open_files, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
        Ok(Self {
            id,
            poll,
            listener,
            signals,
            events,
            worker,
            access,
            limits,
            lease,
            producer_rate,
            next_look: Instant::now(),
            statistics: stats_interval.map(report::Rhythm::new),
            streams,
            next_of_streams: None,
            sessions: BTreeMap::new(),
            next_client: 1,
            // The kernel limits a user's descriptors in flight to its limit on open files; half is left to others.
            descriptor_budget: usize::try_from(open_files / 2).unwrap_or(usize::MAX),
            descriptor_retry: None,
            deaf_until: None,
            questions: features::Questions::default(),
            buffer: Buffer::default(),
            ending: None,
        })
    }

    /// Serves until a signal comes or every stream has ended; returns the streams for the summary.
    ///
    /// # Errors
    /// The kernel's word, or a second signal came before the streams had ended.
    pub fn run(mut self) -> Result<Vec<Stream>, Failure> {
        while !self.is_done() {
            self.check_urgency()?;
            for token in self.poll.wait(self.next_deadline())? {
                self.handle(token);
            }
            self.streams.iter_mut().for_each(Stream::forget_rosters);
            self.handle_deadlines();
        }
        self.close();
        Ok(std::mem::take(&mut self.streams))
    }

    fn handle(&mut self, token: Token) {
        match token {
            Token::Listener => self.accept(),
            Token::Signals => self.take_signal(),
            Token::Events => self.take_events(),
            Token::Session(client) => self.serve(client),
            Token::Process(client) => self.end_session(client, false),
            Token::Bell(client, subscription) => self.deliver(client, subscription),
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.listener.accept() {
                Ok((channel, peer)) => self.welcome(channel, peer),
                Err(Errno::EAGAIN) => return,
                Err(Errno::ECONNABORTED | Errno::EINTR) => {}
                Err(errno) => {
                    // Too many open files, above all: those that wait stay in the backlog until some are closed.
                    if log_limit::CLIENTS.may_speak() {
                        warn!(%errno, "cannot accept a connection; raise the limit on open files (ulimit -n)");
                    }
                    self.stop_listening();
                    return;
                }
            }
        }
    }

    /// A connection that waits and cannot be accepted would wake the control thread without end.
    fn stop_listening(&mut self) {
        match self.poll.remove(&self.listener) {
            Ok(()) => self.deaf_until = Some(Instant::now() + DEAF),
            Err(errno) => warn!(%errno, "cannot stop listening"),
        }
    }

    fn listen_again(&mut self, now: Instant) {
        if self.deaf_until.is_some_and(|until| now >= until) {
            self.deaf_until = match self.poll.add(&self.listener, Token::Listener) {
                Ok(()) => None,
                Err(_no_memory) => Some(now + DEAF),
            };
        }
    }

    fn welcome(&mut self, channel: framebroker_protocol::socket::Channel, peer: Peer) {
        let id = ClientId(self.next_client);
        self.next_client += 1;
        let allowed = self.access.roles(peer);
        let pidfd = match poll::pidfd(peer.pid) {
            Ok(pidfd) => Some(pidfd),
            // It connected and died.
            Err(Errno::ESRCH) => return,
            // It cannot be seen from here (another PID namespace): only the connection tells of its end.
            Err(_) => None,
        };
        self.make_room();
        let counted = || self.sessions.values().filter(|session| session.counts());
        let of_user = counted().filter(|session| session.peer.uid == peer.uid).count();
        let in_all = counted().count();
        let mut session =
            Session::new(id, channel, peer, pidfd, allowed.unwrap_or(framebroker_protocol::message::Roles::CONSUMER));
        if let Err(errno) = self.poll.add_session(&session) {
            warn!(%errno, "connection refused: it cannot be watched");
            return;
        }
        if allowed.is_none() {
            session.fail(
                ErrorCode::Forbidden,
                format_args!("user {} may not use this broker; start it with --allow-uid {}", peer.uid, peer.uid),
            );
        } else if in_all >= self.limits.in_all {
            let max = self.limits.in_all;
            session.fail(
                ErrorCode::TooManyClients,
                format_args!("the broker has {max} clients, as many as it may; raise --max-clients or end some"),
            );
        } else if !self.access.is_own(peer) && of_user >= self.limits.per_user {
            session.fail(
                ErrorCode::TooManyClients,
                format_args!(
                    "user {} has {of_user} clients, as many as it may; raise --max-clients-per-user",
                    peer.uid
                ),
            );
        }
        self.sessions.insert(id, session);
        self.settle(id);
    }

    /// Sessions that failed stay until the client has read why. In a flood of them the oldest go early.
    fn make_room(&mut self) {
        let failed = self.sessions.values().filter(|session| matches!(session.phase, Phase::Failed { .. }));
        let failed: Vec<ClientId> = failed.map(|session| session.id).collect();
        for client in failed.iter().take(failed.len().saturating_sub(FAILED_AT_ONCE)) {
            self.end_session(*client, true);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.sessions.values().filter_map(Session::deadline).min();
        let drain = self.end_at(Instant::now());
        let statistics = self.statistics.as_ref().map(report::Rhythm::next);
        let all = sessions.into_iter().chain(drain).chain(self.deaf_until).chain(self.descriptor_retry);
        let answers = self.questions.deadline();
        all.chain(self.next_look()).chain(statistics).chain(self.next_of_streams).chain(answers).min()
    }

    fn handle_deadlines(&mut self) {
        let now = Instant::now();
        let due: Vec<ClientId> = self
            .sessions
            .values()
            .filter(|session| session.deadline().is_some_and(|deadline| now >= deadline))
            .map(|session| session.id)
            .collect();
        for client in due {
            let Some(session) = self.sessions.get_mut(&client) else { continue };
            if session.is_over(now) {
                // Its process is not known to be dead.
                self.end_session(client, true);
            } else {
                session.check_time(now);
                self.settle(client);
            }
        }
        self.listen_again(now);
        self.close_finished(now);
        self.answer_late_questions(now);
        self.next_of_streams = self.streams.iter_mut().filter_map(|stream| stream.pass_time(now)).min();
        self.keep_lease(now);
        self.log_statistics(now);
        if self.descriptor_retry.is_some_and(|retry| now >= retry) {
            self.descriptor_retry = None;
            self.sessions.values_mut().for_each(|session| session.claim_descriptors(now));
            self.settle_all();
        }
    }

    /// Sessions that wait for their share of descriptors in flight are looked after soon.
    fn retry_descriptors(&mut self) {
        self.descriptor_retry.get_or_insert_with(|| Instant::now() + DESCRIPTOR_RETRY);
    }

    /// Ends a session and all it reads and fills.
    fn end_session(&mut self, client: ClientId, may_still_read: bool) {
        let Some(mut session) = self.sessions.remove(&client) else { return };
        self.end_subscriptions(&mut session, may_still_read);
        self.questions.forget(client);
        self.streams.iter_mut().for_each(|stream| stream.end_control(client));
        self.end_production(&mut session);
        self.poll.remove_session(&session);
        if log_limit::CLIENTS.may_speak() {
            info!(client = %client, name = %session.name, pid = session.peer.pid, "session ended");
        }
        // What its process owed may be paid by its end.
        self.streams.iter_mut().for_each(|stream| stream.restore(&self.worker));
        self.admit_waiting();
    }

    /// After something has changed in a session: sends what can be sent, and ends what has failed.
    fn settle(&mut self, client: ClientId) {
        let Some(mut session) = self.sessions.remove(&client) else { return };
        session.flush();
        // Before others come in their places.
        session.tell_removed();
        self.hand_over(&mut session);
        self.deliver_all(&mut session);
        session.tell_changes();
        if matches!(session.phase, Phase::Failed { .. }) {
            self.end_subscriptions(&mut session, true);
        }
        if matches!(session.phase, Phase::Failed { .. } | Phase::Dying { .. }) {
            self.end_production(&mut session);
        }
        if let Err(errno) = self.poll.watch(&session) {
            warn!(%errno, client = %client, "session lost: it cannot be watched");
            session.begin_dying();
        }
        self.sessions.insert(client, session);
    }
}

/// The signals that end the broker in order.
#[must_use]
pub fn end_signals() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect()
}
