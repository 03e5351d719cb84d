//! One client's connection: what it may, what it has been sent, and what it still has to be.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use framebroker_protocol::codec::{CodecError, encode};
use framebroker_protocol::message::{ErrorCode, Reply, Roles, Tell};
use framebroker_protocol::socket::{Channel, ChannelError};
use framebroker_protocol::{ClientId, ClientName, SubscriptionId, Text};
use tracing::error;

use super::access::Peer;
use super::subscription::Subscription;

/// A client must say `Hello` within this time.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages a client may leave unread beyond what its socket buffer holds.
const UNREAD_LIMIT: usize = 64;
/// A session that failed stays this long so that the client can read why.
const LINGER: Duration = Duration::from_secs(2);
/// How long a closed connection waits for its process to be seen dead. Later, it lives and may still read what it held.
const DYING: Duration = Duration::from_millis(50);

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
    /// How far it is.
    pub phase: Phase,
    /// What it reads.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// Descriptors sent and not yet mapped.
    pub unacknowledged: usize,
    channel: Channel,
    output: VecDeque<Vec<u8>>,
    next_subscription: u32,
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
    Open {
        /// What the client calls itself.
        name: ClientName,
        /// What it is.
        roles: Roles,
    },
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
            phase: Phase::Strange { deadline: Instant::now() + HELLO_TIMEOUT },
            subscriptions: BTreeMap::new(),
            unacknowledged: 0,
            channel,
            output: VecDeque::new(),
            next_subscription: 1,
        }
    }

    /// What the client calls itself.
    #[must_use]
    pub fn name(&self) -> ClientName {
        match &self.phase {
            Phase::Open { name, .. } => name.clone(),
            _ => ClientName::cut("unnamed"),
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
            Phase::Open { .. } => None,
        }
    }

    /// A number for a new subscription; none is ever used twice.
    pub fn number_subscription(&mut self) -> SubscriptionId {
        let id = SubscriptionId(self.next_subscription);
        self.next_subscription += 1;
        id
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
            Err(CodecError::TooLong(error)) => return error!(client = %self.id, %error, "answer left out"),
            Err(error) => return error!(client = %self.id, %error, "answer left out"),
        };
        if matches!(self.phase, Phase::Dying { .. }) {
            return;
        }
        if self.output.len() >= UNREAD_LIMIT {
            if !matches!(self.phase, Phase::Failed { .. }) {
                self.fail(ErrorCode::TooSlow, "you do not read what you are sent; read the socket as it becomes readable");
            }
            return;
        }
        self.output.push_back(bytes);
        self.flush();
    }

    /// Answers a request with an error. Some end the session.
    pub fn refuse(&mut self, request: u32, code: ErrorCode, text: impl std::fmt::Display) {
        if code.ends_session() {
            return self.fail_request(request, code, text);
        }
        self.tell(request, Tell::Error { code, text: Text::cut(text) });
    }

    /// Ends the session for a reason that the client may still read.
    pub fn fail(&mut self, code: ErrorCode, text: impl std::fmt::Display) {
        self.fail_request(0, code, text);
    }

    fn fail_request(&mut self, request: u32, code: ErrorCode, text: impl std::fmt::Display) {
        tracing::warn!(client = %self.id, pid = self.peer.pid, uid = self.peer.uid, ?code, reason = %text, "session failed");
        self.output.clear();
        self.phase = Phase::Failed { deadline: Instant::now() + LINGER };
        self.tell(request, Tell::Error { code, text: Text::cut(text) });
    }

    /// The connection is closed: waits a moment to learn whether the process ended.
    pub fn begin_dying(&mut self) {
        self.output.clear();
        self.phase = Phase::Dying { deadline: Instant::now() + DYING };
    }

    /// Whether nothing is left to be done for it.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Failed { deadline } => self.output.is_empty() || now >= deadline,
            Phase::Dying { deadline } => now >= deadline,
            Phase::Open { .. } | Phase::Strange { .. } => false,
        }
    }

    /// Sends what waits, as far as the client reads.
    pub fn flush(&mut self) {
        while let Some(bytes) = self.output.front() {
            match self.channel.try_send(bytes, &[]) {
                Ok(()) => drop(self.output.pop_front()),
                Err(ChannelError::WouldBlock) => return,
                Err(_closed) => return self.begin_dying(),
            }
        }
    }

    /// Sends a message with descriptors now, or not at all. The client must answer it with `Mapped`.
    pub fn try_hand_over(&mut self, request: u32, body: Tell, fds: &[BorrowedFd<'_>]) -> bool {
        if self.is_blocked() || self.unacknowledged > 0 || !matches!(self.phase, Phase::Open { .. }) {
            return false;
        }
        let bytes = match encode(&Reply { request, body }) {
            Ok(bytes) => bytes,
            Err(error) => {
                error!(client = %self.id, %error, "descriptors not sent");
                return false;
            }
        };
        match self.channel.try_send(&bytes, fds) {
            Ok(()) => {
                self.unacknowledged = fds.len();
                true
            }
            Err(ChannelError::WouldBlock) => false,
            Err(ChannelError::Closed) => {
                self.begin_dying();
                false
            }
            Err(error) => {
                error!(client = %self.id, %error, "descriptors not sent");
                false
            }
        }
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}
