//! One client: who it is, how far its connection is, and what it is told.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use framebroker_protocol::codec::encode;
use framebroker_protocol::limits::SHORTAGE_PAUSE;
use framebroker_protocol::message::{ErrorCode, Reply, Roles, Tell};
use framebroker_protocol::socket::{Buffer, Channel, ChannelError, Received};
use framebroker_protocol::{ClientId, ClientName, SubscriptionId, Text};
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use tracing::{debug, error, warn};

use super::access::Peer;
use super::log_limit::CLIENTS;
use super::outbox::{Lack, Outbox, Sent};
use super::poll::{LAST_SUBSCRIPTION, Poll, Token, Watched};
use crate::stream::process::{Process, ProcessKey};
use crate::stream::served::ReaderProcess;
use crate::stream::waits::Debtor;

/// A client must say `Hello` within this time.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// A session that failed stays this long, unless the client closes it first: closed earlier, with messages of the client
/// unread, the kernel would show the client an error in place of the reason.
const LINGER: Duration = Duration::from_secs(5);
/// How long a closed connection waits for its process to be seen dead. Later, it lives and may still read what it held.
const DYING: Duration = Duration::from_millis(50);

const NOT_READ: &str = "you do not read what you are sent; read the socket as it becomes readable";
const NO_MEMORY: &str = "the system has no memory for what you are to be sent; end something and connect again";

/// How far a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It has not said `Hello`, and may until then.
    Strange { deadline: Instant },
    /// It may ask for everything that its roles may.
    Open,
    /// The connection is closed and the process not yet seen dead, which is waited for until then.
    Dying { deadline: Instant },
    /// It failed; only the reason is still to be read, until then.
    Failed { deadline: Instant, reason: Text },
}

/// What became of a message with descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedOver {
    Sent,
    /// It must be tried again when the session has changed.
    Later,
    /// Too many descriptors are in flight in all sessions.
    TooManyInFlight,
}

/// The client of a session.
#[derive(Debug)]
pub struct Client {
    id: ClientId,
    peer: Peer,
    /// Its user, unless that is the broker's: what all processes of another user do is counted together.
    other_user: Option<u32>,
    process: ProcessKey,
    pidfd: Option<Watched<OwnedFd>>,
    allowed: Roles,
    /// What it calls itself, once it has said so.
    name: ClientName,
    /// What it is, once it has said so.
    roles: Roles,
    phase: Phase,
    /// Why it failed, if it did and has hung up since.
    failure: Option<Text>,
    channel: Watched<Channel>,
    /// Until then nothing is received: the kernel had no memory for that.
    deaf_until: Option<Instant>,
    outbox: Outbox,
    next_subscription: u32,
}

/// Who it is.
impl Client {
    /// A connection that was just accepted, and is watched from now on.
    ///
    /// # Errors
    /// The kernel does not watch it; gives it back.
    pub fn new(
        id: ClientId,
        channel: Channel,
        (peer, other_user): (Peer, Option<u32>),
        allowed: Roles,
        poll: &Poll,
    ) -> Result<Self, (Channel, Errno)> {
        Ok(Self {
            id,
            peer,
            other_user,
            process: ProcessKey::Session(id),
            pidfd: None,
            allowed,
            name: ClientName::cut("unnamed"),
            roles: Roles::NONE,
            phase: Phase::Strange { deadline: Instant::now() + HELLO_TIMEOUT },
            failure: None,
            channel: Watched::or_back(poll, Token::Session(id), channel)?,
            deaf_until: None,
            outbox: Outbox::default(),
            next_subscription: 1,
        })
    }

    /// Watches its process too.
    ///
    /// # Errors
    /// The kernel does not.
    pub fn watch_process(&mut self, pidfd: OwnedFd, poll: &Poll) -> Result<(), Errno> {
        self.process = ProcessKey::of(self.id, self.peer.pid, Some(&pidfd));
        self.pidfd = Some(Watched::new(poll, Token::Process(self.id), pidfd)?);
        Ok(())
    }

    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Who it is, as the kernel says.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Its user, unless that is the broker's.
    pub fn other_user(&self) -> Option<u32> {
        self.other_user
    }

    /// Which process it is.
    pub fn process_key(&self) -> ProcessKey {
        self.process
    }

    /// Who answers for what is waited for it.
    pub fn debtor(&self) -> Debtor {
        self.other_user.map_or(Debtor::Process(self.process), Debtor::User)
    }

    pub fn name(&self) -> &ClientName {
        &self.name
    }

    pub fn roles(&self) -> Roles {
        self.roles
    }

    pub fn allowed(&self) -> Roles {
        self.allowed
    }

    pub fn called(&self) -> Text {
        Text::label(format_args!("{}, pid {}", self.name, self.peer.pid))
    }

    /// Its process, which may still read what it holds.
    pub fn process(&self) -> ReaderProcess {
        // Without a second descriptor the process counts as one that cannot be watched.
        let pidfd = self.pidfd.as_ref().and_then(|pidfd| pidfd.try_clone().ok());
        let (client, name, uid, pid) = (self.id, self.name.clone(), self.peer.uid, self.peer.pid);
        ReaderProcess::MayLive(Process { client, name, uid, pid, key: self.process, pidfd })
    }

    /// A number for a new subscription; none is ever used twice. None when they are used up.
    pub fn number_subscription(&mut self) -> Option<SubscriptionId> {
        let id = self.next_subscription;
        let is_left = id <= LAST_SUBSCRIPTION;
        self.next_subscription += u32::from(is_left);
        is_left.then_some(SubscriptionId(id))
    }
}

/// How far it is.
impl Client {
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether only the reason why it failed is still to be read.
    pub fn has_failed(&self) -> bool {
        matches!(self.phase, Phase::Failed { .. })
    }

    pub fn failure(&self) -> Option<&Text> {
        if let Phase::Failed { reason, .. } = &self.phase { Some(reason) } else { self.failure.as_ref() }
    }

    /// Whether it is one of the clients whose number is limited: those that are about to end are not.
    pub fn counts(&self) -> bool {
        matches!(self.phase, Phase::Strange { .. } | Phase::Open)
    }

    /// Whether its messages are read: one that does not read is not listened to.
    pub fn is_listened_to(&self) -> bool {
        !self.outbox.is_blocked() && self.deaf_until.is_none() && !matches!(self.phase, Phase::Dying { .. })
    }

    /// When something must be done if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let of_phase = match self.phase {
            Phase::Strange { deadline } | Phase::Dying { deadline } | Phase::Failed { deadline, .. } => Some(deadline),
            Phase::Open => self.outbox.deadline(),
        };
        let again = if let Some(Lack::Memory { again }) = self.outbox.lack() { Some(again) } else { None };
        [of_phase, again, self.deaf_until].into_iter().flatten().min()
    }

    /// Whether nothing is left to be done for it.
    pub fn is_over(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Failed { deadline, .. } | Phase::Dying { deadline } => now >= deadline,
            Phase::Open | Phase::Strange { .. } => false,
        }
    }

    /// Fails the session where a time has passed that the client, or the memory for its messages, had.
    pub fn check_time(&mut self, now: Instant) {
        self.deaf_until.take_if(|until| now >= *until);
        match self.phase {
            Phase::Strange { deadline } if now >= deadline => {
                self.fail(ErrorCode::NoHello, "Hello did not come in time; it must be the first message");
            }
            Phase::Open if self.outbox.deadline().is_some_and(|deadline| now >= deadline) => match self.outbox.lack() {
                Some(Lack::Memory { .. }) => self.fail(ErrorCode::Unavailable, NO_MEMORY),
                Some(Lack::Room) | None => self.fail(ErrorCode::TooSlow, NOT_READ),
            },
            _ => {}
        }
    }

    pub fn open(&mut self, name: ClientName, roles: Roles) {
        (self.phase, self.name, self.roles) = (Phase::Open, name, roles);
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
        self.outbox.clear();
        self.phase = Phase::Failed { deadline: Instant::now() + LINGER, reason: text.clone() };
        self.send(0, Tell::Error { code, text });
    }

    /// The connection is closed: waits a moment to learn whether the process ended.
    pub fn begin_dying(&mut self) {
        let patience = match &self.phase {
            Phase::Dying { .. } => return,
            // Its subscriptions were ended when it failed.
            Phase::Failed { reason, .. } => {
                self.failure = Some(reason.clone());
                Duration::ZERO
            }
            Phase::Strange { .. } | Phase::Open => DYING,
        };
        self.outbox.clear();
        self.phase = Phase::Dying { deadline: Instant::now() + patience };
    }

    /// Watches the connection for what it needs now: to read, and to write if something waits.
    pub fn watch(&mut self) {
        self.outbox.settle();
        let (lack, mut wanted) = (self.outbox.lack(), EpollFlags::empty());
        wanted.set(EpollFlags::EPOLLIN, self.is_listened_to());
        wanted.set(EpollFlags::EPOLLOUT, lack == Some(Lack::Room));
        // A socket that is ready tells nothing of memory, and would wake this thread without end: one alarm, and its hang-up
        // once. It stays in the set, since coming back into it needs memory.
        let is_short = self.deaf_until.is_some() || matches!(lack, Some(Lack::Memory { .. }));
        if is_short {
            wanted = EpollFlags::EPOLLONESHOT;
        }
        // A closed connection is always ready and says nothing new; its deadline or its process ends it.
        let is_dying = matches!(self.phase, Phase::Dying { .. });
        if let Err(errno) = self.channel.want((!is_dying).then_some(wanted)) {
            warn!(%errno, client = %self.id, "session ended: the broker cannot watch its socket");
            self.begin_dying();
        }
    }
}

/// What it says and is told.
impl Client {
    /// The next message.
    ///
    /// # Errors
    /// There is none, or nothing that is one.
    pub fn receive<'a>(&mut self, buffer: &'a mut Buffer) -> Result<Received<'a>, ChannelError> {
        let received = self.channel.try_receive(buffer);
        if matches!(received, Err(ChannelError::Short)) {
            self.deaf_until = Some(Instant::now() + SHORTAGE_PAUSE);
        }
        received
    }

    /// Whether messages wait for the client to read.
    pub fn is_blocked(&self) -> bool {
        self.outbox.is_blocked()
    }

    /// Says something; it waits its turn if the client is slow. One that has failed is told nothing after the reason, behind which
    /// its output is shut.
    pub fn tell(&mut self, request: u32, body: Tell) {
        if !matches!(self.phase, Phase::Dying { .. } | Phase::Failed { .. }) {
            self.send(request, body);
        }
    }

    fn send(&mut self, request: u32, body: Tell) {
        let bytes = match encode(&Reply { request, body }) {
            Ok(bytes) => bytes,
            Err(error) => return error!(client = %self.id, %error, "answer left out"),
        };
        if self.outbox.push(bytes) { self.flush() } else { self.fail(ErrorCode::TooSlow, NOT_READ) }
    }

    /// Answers a request with an error; the session goes on. Request 0 wants no answer.
    pub fn refuse(&mut self, request: u32, code: ErrorCode, text: impl std::fmt::Display) {
        if request == 0 {
            return debug!(client = %self.id, ?code, reason = %text, "refused without an answer");
        }
        self.tell(request, Tell::Error { code, text: Text::cut(text) });
    }

    /// Sends what waits, as far as the client reads.
    pub fn flush(&mut self) {
        let channel = &self.channel;
        let is_there = self.outbox.flush(Instant::now(), |bytes| match channel.try_send(bytes, &[]) {
            Ok(()) => Sent::Done,
            Err(ChannelError::WouldBlock) => Sent::NoRoom,
            Err(ChannelError::Short) => Sent::Short,
            Err(_closed) => Sent::Closed,
        });
        if !is_there {
            self.begin_dying();
        } else if !self.is_blocked() && self.has_failed() {
            self.channel.end_output();
        }
    }

    /// Tells of something that may be left out where the client does not keep up: false where it does not.
    pub fn room_for_changes(&mut self) -> usize {
        let Self { outbox, channel, phase, .. } = self;
        if *phase == Phase::Open { outbox.room_for_changes(|| channel.is_all_received()) } else { 0 }
    }

    /// Tells of a changed setting, for which there is room.
    pub fn tell_change(&mut self, change: Tell) {
        self.outbox.sent_change();
        self.tell(0, change);
    }

    /// Whether a message with descriptors can be sent now.
    pub fn takes_descriptors(&mut self) -> bool {
        self.outbox.takes_descriptors() && self.is_open()
    }

    /// Descriptors that lie in the socket, whatever the client says.
    pub fn in_flight(&mut self) -> usize {
        let Self { outbox, channel, .. } = self;
        outbox.in_flight(|| channel.is_all_received())
    }

    /// Sends a message with descriptors now, or not at all. The client must answer it with `Mapped`.
    pub fn try_hand_over(&mut self, request: u32, body: Tell, fds: &[BorrowedFd<'_>]) -> HandedOver {
        if !self.takes_descriptors() {
            return HandedOver::Later;
        }
        let sent = match encode(&Reply { request, body }) {
            Ok(bytes) => self.channel.try_send(&bytes, fds),
            Err(_too_long) => Err(ChannelError::TooLong),
        };
        let now = Instant::now();
        match sent {
            Ok(()) => {
                // The message itself lies there unread: asking the socket now would tell nothing.
                self.outbox.sent_descriptors(now, fds.len(), || false);
                return HandedOver::Sent;
            }
            Err(ChannelError::WouldBlock) => self.outbox.wait_for(Lack::Room, now),
            Err(ChannelError::Short) => self.outbox.wait_for(Lack::memory(now), now),
            Err(ChannelError::Closed) => self.begin_dying(),
            Err(ChannelError::Failed(Errno::ETOOMANYREFS)) => return HandedOver::TooManyInFlight,
            Err(error) => self.fail(ErrorCode::Unavailable, format_args!("descriptors cannot be sent: {error}")),
        }
        HandedOver::Later
    }

    /// The client says that it has mapped what it was sent. False if it was sent nothing.
    pub fn take_mapped(&mut self) -> bool {
        self.outbox.take_mapped()
    }

    /// Fails the session where it keeps descriptors in flight that others need.
    pub fn claim_descriptors(&mut self, now: Instant) {
        let Self { outbox, channel, .. } = self;
        if outbox.hoards_descriptors(now, || channel.is_all_received()) {
            self.fail(
                ErrorCode::TooSlow,
                "descriptors were not received and others need their share; read the socket as it becomes readable",
            );
        }
    }
}
