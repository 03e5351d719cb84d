//! One client's connection: what it may, what it has been sent, and what it still has to be.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use framebroker_protocol::codec::encode;
use framebroker_protocol::message::{ErrorCode, Reply, Roles, Tell};
use framebroker_protocol::socket::{Channel, ChannelError};
use framebroker_protocol::{ClientId, ClientName, SubscriptionId, Text};
use nix::errno::Errno;
use tracing::{debug, error, warn};

use super::access::Peer;
use super::changes::UNREAD;
use super::log_limit::CLIENTS;
use super::production::Production;
use super::subscription::{self, Subscription};
use crate::stream::debts::Process;
use crate::stream::served::ReaderProcess;

/// A client must say `Hello` within this time.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages a client may leave unread beyond what its socket buffer holds.
const UNREAD_LIMIT: usize = 64;
/// How long a client may read nothing while messages wait for it.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that has not received descriptors for this time may lose its session when others need its share of what all may
/// have in flight.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A session that failed stays this long, unless the client closes it first: closed earlier, with messages of the client
/// unread, the kernel would show the client an error in place of the reason.
const LINGER: Duration = Duration::from_secs(5);
/// The subscriptions that one session can have, one after the other: their numbers fit in a poll token.
pub const LAST_SUBSCRIPTION: u32 = 0xff_ffff;
/// How long a closed connection waits for its process to be seen dead. Later, it lives and may still read what it held.
const DYING: Duration = Duration::from_millis(50);

const NOT_READ: &str = "you do not read what you are sent; read the socket as it becomes readable";

/// A client's connection.
#[derive(Debug)]
pub struct Session {
    /// Names it.
    pub id: ClientId,
    /// Who it is, by the kernel's word.
    pub peer: Peer,
    /// Readable when its process has ended.
    pub pidfd: Option<OwnedFd>,
    /// What it may ask to be.
    pub allowed: Roles,
    /// What the client calls itself, once it has said so.
    pub name: ClientName,
    /// What it is, once it has said so.
    pub roles: Roles,
    /// How far it is.
    pub phase: Phase,
    /// What it reads.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// What it fills.
    pub production: Option<Production>,
    /// Why it failed, if it did.
    pub failure: Option<Text>,
    /// Descriptors were sent that are to be answered with `Mapped`.
    unmapped: bool,
    in_flight: Option<InFlight>,
    /// News of changed settings that the client may not have received.
    unread_changes: usize,
    /// Descriptors found no room in the socket.
    wants_room: bool,
    channel: Channel,
    output: VecDeque<Vec<u8>>,
    /// Until when the client may read nothing, if messages wait for it.
    unread_deadline: Option<Instant>,
    next_subscription: u32,
}

/// Descriptors that the client may not have received.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    count: usize,
    deadline: Instant,
}

/// How far a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It has not said `Hello`.
    Strange {
        /// Until when it may.
        deadline: Instant,
    },
    /// It is open.
    Open,
    /// The connection is closed and the process not yet seen dead.
    Dying {
        /// Until when that is waited for.
        deadline: Instant,
    },
    /// It failed; only the reason is still to be read.
    Failed {
        /// Until when.
        deadline: Instant,
    },
}

impl Session {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(id: ClientId, channel: Channel, peer: Peer, pidfd: Option<OwnedFd>, allowed: Roles) -> Self {
        Self {
            id,
            peer,
            pidfd,
            allowed,
            name: ClientName::cut("unnamed"),
            roles: Roles::NONE,
            phase: Phase::Strange { deadline: Instant::now() + HELLO_TIMEOUT },
            subscriptions: BTreeMap::new(),
            production: None,
            failure: None,
            unmapped: false,
            in_flight: None,
            unread_changes: 0,
            wants_room: false,
            channel,
            output: VecDeque::new(),
            unread_deadline: None,
            next_subscription: 1,
        }
    }

    /// The connection.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// When something must be done if nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Strange { deadline } | Phase::Dying { deadline } | Phase::Failed { deadline } => Some(deadline),
            Phase::Open => self.unread_deadline.into_iter().chain(self.mapping_deadline()).min(),
        }
    }

    /// Fails the session where the client has let a time pass.
    pub fn check_time(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Strange { .. } => {
                self.fail(ErrorCode::NoHello, "Hello did not come in time; it must be the first message");
            }
            Phase::Open if self.mapping_deadline().is_some_and(|deadline| now >= deadline) => {
                self.fail(ErrorCode::TooSlow, "Mapped did not come in time; a producer maps its segments at once");
            }
            Phase::Open => self.fail(ErrorCode::TooSlow, NOT_READ),
            Phase::Dying { .. } | Phase::Failed { .. } => {}
        }
    }

    /// Fails the session where it keeps descriptors in flight that others need.
    pub fn claim_descriptors(&mut self, now: Instant) {
        if self.in_flight() > 0 && self.in_flight.is_some_and(|in_flight| now >= in_flight.deadline) {
            self.fail(
                ErrorCode::TooSlow,
                "descriptors were not received and others need their share; read the socket as it becomes readable",
            );
        }
    }

    /// Whether it is one of the clients whose number is limited: those that are about to end are not.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self.phase, Phase::Strange { .. } | Phase::Open)
    }

    /// Whether the client's messages are read: one that does not read is not listened to.
    #[must_use]
    pub fn is_listened_to(&self) -> bool {
        !self.is_blocked() && !matches!(self.phase, Phase::Dying { .. })
    }

    /// Whether something waits for room in the socket.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.is_blocked() || self.wants_room
    }

    /// Whether it neither reads nor fills a stream.
    #[must_use]
    pub fn has_nothing(&self) -> bool {
        self.subscriptions.is_empty() && self.production.is_none()
    }

    /// Whether descriptors were sent that are not mapped yet.
    #[must_use]
    pub fn is_unmapped(&self) -> bool {
        self.unmapped
    }

    /// The client says that it has mapped what it was sent. False if it was sent nothing.
    pub fn take_mapped(&mut self) -> bool {
        std::mem::take(&mut self.unmapped)
    }

    /// Descriptors that lie in the socket, whatever the client says.
    pub fn in_flight(&mut self) -> usize {
        self.in_flight = self.in_flight.filter(|_| !self.channel.is_all_received());
        self.in_flight.map_or(0, |in_flight| in_flight.count)
    }

    /// Nothing waits for room in the socket but what is tried from here on.
    pub fn forget_room(&mut self) {
        self.wants_room = false;
    }

    /// Its process, which may still read what it holds.
    #[must_use]
    pub fn reader(&self) -> ReaderProcess {
        // Without a second descriptor the process counts as one that cannot be watched.
        let pidfd = self.pidfd.as_ref().and_then(|pidfd| pidfd.try_clone().ok());
        let (client, name, uid, pid) = (self.id, self.name.clone(), self.peer.uid, self.peer.pid);
        ReaderProcess::MayLive(Process { client, name, uid, pid, pidfd })
    }

    /// A number for a new subscription; none is ever used twice. None when they are used up.
    pub fn number_subscription(&mut self) -> Option<SubscriptionId> {
        let id = self.next_subscription;
        self.next_subscription += 1;
        (id <= LAST_SUBSCRIPTION).then_some(SubscriptionId(id))
    }

    /// Whether messages wait for the client to read.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.output.is_empty()
    }

    /// Says something; it waits its turn if the client is slow.
    pub fn tell(&mut self, request: u32, body: Tell) {
        let bytes = match encode(&Reply { request, body }) {
            Ok(bytes) => bytes,
            Err(error) => return error!(client = %self.id, %error, "answer left out"),
        };
        if matches!(self.phase, Phase::Dying { .. }) {
            return;
        }
        if self.output.len() >= UNREAD_LIMIT {
            return self.fail(ErrorCode::TooSlow, NOT_READ);
        }
        self.output.push_back(bytes);
        self.flush();
    }

    /// Tells of segments that were given up: what the socket takes, and one more that waits. A ring may give up hundreds at once,
    /// and a client that does something else for a moment must not lose its session for that.
    pub fn tell_removed(&mut self) {
        let mut subscriptions = std::mem::take(&mut self.subscriptions);
        for (id, subscription) in subscriptions.iter_mut().filter(|(_, s)| s.phase == subscription::Phase::Active) {
            while !self.is_blocked()
                && self.phase == Phase::Open
                && let Some(news) = subscription.take_removed(*id)
            {
                self.tell(0, news);
            }
        }
        self.subscriptions = subscriptions;
    }

    /// Tells what was changed in the settings of the streams it reads, as far as the client keeps up with that.
    pub fn tell_changes(&mut self) {
        if self.is_blocked() || self.phase != Phase::Open {
            return;
        }
        if self.unread_changes > 0 && self.channel.is_all_received() {
            self.unread_changes = 0;
        }
        let active = self.subscriptions.values_mut().filter(|s| s.phase == subscription::Phase::Active);
        let changes: Vec<Tell> = active
            .flat_map(|subscription| std::iter::from_fn(|| subscription.changes.take()))
            .take(UNREAD.saturating_sub(self.unread_changes))
            .collect();
        for news in changes {
            self.unread_changes += 1;
            self.tell(0, news);
        }
    }

    /// Answers a request with an error; the session goes on. Request 0 wants no answer.
    pub fn refuse(&mut self, request: u32, code: ErrorCode, text: impl std::fmt::Display) {
        if request == 0 {
            return debug!(client = %self.id, ?code, reason = %text, "refused without an answer");
        }
        self.tell(request, Tell::Error { code, text: Text::cut(text) });
    }

    /// Ends the session for a reason that the client may still read: an error that answers no request.
    pub fn fail(&mut self, code: ErrorCode, text: impl std::fmt::Display) {
        let text = Text::cut(text);
        if matches!(self.phase, Phase::Dying { .. } | Phase::Failed { .. }) {
            return;
        }
        if CLIENTS.may_speak() {
            warn!(client = %self.id, pid = self.peer.pid, uid = self.peer.uid, ?code, reason = %Text::label(&text), "session failed");
        }
        self.output.clear();
        self.phase = Phase::Failed { deadline: Instant::now() + LINGER };
        self.failure = Some(text.clone());
        self.tell(0, Tell::Error { code, text });
    }

    /// The connection is closed: waits a moment to learn whether the process ended.
    pub fn begin_dying(&mut self) {
        let patience = match self.phase {
            Phase::Dying { .. } => return,
            // Its subscriptions were ended when it failed.
            Phase::Failed { .. } => Duration::ZERO,
            Phase::Strange { .. } | Phase::Open => DYING,
        };
        self.output.clear();
        self.phase = Phase::Dying { deadline: Instant::now() + patience };
    }

    /// Whether nothing is left to be done for it.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Failed { deadline } | Phase::Dying { deadline } => now >= deadline,
            Phase::Open | Phase::Strange { .. } => false,
        }
    }

    /// Sends what waits, as far as the client reads.
    pub fn flush(&mut self) {
        while let Some(bytes) = self.output.front() {
            match self.channel.try_send(bytes, &[]) {
                Ok(()) => {
                    self.output.pop_front();
                    self.unread_deadline = None;
                }
                Err(ChannelError::WouldBlock) => {
                    self.unread_deadline.get_or_insert_with(|| Instant::now() + UNREAD_TIMEOUT);
                    return;
                }
                Err(_closed) => return self.begin_dying(),
            }
        }
        if matches!(self.phase, Phase::Failed { .. }) {
            self.channel.end_output();
        }
    }

    /// Sends a message with descriptors now, or not at all. The client must answer it with `Mapped`.
    pub fn try_hand_over(&mut self, request: u32, body: Tell, fds: &[BorrowedFd<'_>]) -> HandedOver {
        if self.is_blocked() || self.unmapped || self.phase != Phase::Open {
            return HandedOver::Later;
        }
        let sent = match encode(&Reply { request, body }) {
            Ok(bytes) => self.channel.try_send(&bytes, fds),
            Err(_too_long) => Err(ChannelError::TooLong),
        };
        match sent {
            Ok(()) => {
                self.unmapped = true;
                let count = self.in_flight() + fds.len();
                self.in_flight = Some(InFlight { count, deadline: Instant::now() + RECEIVE_TIMEOUT });
                return HandedOver::Sent;
            }
            Err(ChannelError::WouldBlock) => self.wants_room = true,
            Err(ChannelError::Closed) => self.begin_dying(),
            Err(ChannelError::Failed(Errno::ETOOMANYREFS)) => return HandedOver::TooManyInFlight,
            Err(error) => self.fail(ErrorCode::Unavailable, format_args!("descriptors cannot be sent: {error}")),
        }
        HandedOver::Later
    }
}

/// What became of a message with descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedOver {
    /// It is on its way.
    Sent,
    /// It must be tried again when the session has changed.
    Later,
    /// Too many descriptors are in flight in all sessions.
    TooManyInFlight,
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}
