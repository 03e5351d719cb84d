//! What the control thread sleeps on.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::time::Instant;

use framebroker_protocol::{ClientId, SubscriptionId};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::session::{LAST_SUBSCRIPTION, Phase, Session};

/// Who has news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A connection waits.
    Listener,
    /// A signal came.
    Signals,
    /// Another thread of the broker says something.
    Events,
    /// A client says something, reads on, or has hung up.
    Session(ClientId),
    /// A client's process has ended.
    Process(ClientId),
    /// There is a frame for a socket delivery.
    Bell(ClientId, SubscriptionId),
}

impl Token {
    /// 4 bits of kind, 36 of client, 24 of subscription.
    fn to_bits(self) -> u64 {
        let bits = |kind: u64, client: u64, subscription: u32| {
            kind << 60 | (client & CLIENT_BITS) << 24 | u64::from(subscription & LAST_SUBSCRIPTION)
        };
        match self {
            Self::Listener => bits(0, 0, 0),
            Self::Signals => bits(1, 0, 0),
            Self::Events => bits(2, 0, 0),
            Self::Session(client) => bits(3, client.0, 0),
            Self::Process(client) => bits(4, client.0, 0),
            Self::Bell(client, subscription) => bits(5, client.0, subscription.0),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "24 bits were put in")]
    fn from_bits(bits: u64) -> Self {
        let client = ClientId((bits >> 24) & CLIENT_BITS);
        match bits >> 60 {
            0 => Self::Listener,
            1 => Self::Signals,
            2 => Self::Events,
            3 => Self::Session(client),
            4 => Self::Process(client),
            _ => Self::Bell(client, SubscriptionId(bits as u32 & LAST_SUBSCRIPTION)),
        }
    }
}

/// Sessions that a broker can have, one after the other: at a thousand a second enough for two years.
const CLIENT_BITS: u64 = (1 << 36) - 1;

/// An epoll set of [`Token`]s. What comes in must be taken out: closing does not do where a descriptor has copies.
#[derive(Debug)]
pub struct Poll(Epoll);

impl Poll {
    /// An empty set.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn new() -> Result<Self, Errno> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(Self)
    }

    /// Watches for something to read.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn add(&self, fd: &impl AsFd, token: Token) -> Result<(), Errno> {
        self.0.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token.to_bits()))
    }

    /// Watches no longer.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn remove(&self, fd: &impl AsFd) -> Result<(), Errno> {
        self.0.delete(fd)
    }

    /// Watches a session and its process.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn add_session(&self, session: &Session) -> Result<(), Errno> {
        self.add(session, Token::Session(session.id))?;
        session.pidfd.as_ref().map_or(Ok(()), |pidfd| self.add(pidfd, Token::Process(session.id)))
    }

    /// Watches a session and its process no longer. Their descriptors may have copies, so closing them would not do.
    pub fn remove_session(&self, session: &Session) {
        // A session that was dying is not watched any more.
        let _gone_already = self.0.delete(session);
        if let Some(pidfd) = &session.pidfd {
            let _gone_already = self.0.delete(pidfd);
        }
    }

    /// Watches a session for what it needs now: to read, and to write if something waits.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn watch(&self, session: &Session) -> Result<(), Errno> {
        let mut wanted = EpollFlags::empty();
        if session.is_listened_to() {
            wanted |= EpollFlags::EPOLLIN;
        }
        if session.wants_room() {
            wanted |= EpollFlags::EPOLLOUT;
        }
        if matches!(session.phase, Phase::Dying { .. }) {
            // A closed connection is always ready and says nothing new; its deadline or its process ends it.
            return self.0.delete(session).or_else(|errno| if errno == Errno::ENOENT { Ok(()) } else { Err(errno) });
        }
        let mut event = EpollEvent::new(wanted, Token::Session(session.id).to_bits());
        self.0.modify(session, &mut event)
    }

    /// Waits for news, at most until `deadline`.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<Vec<Token>, Errno> {
        let mut events = [EpollEvent::empty(); 64];
        let timeout = deadline.map_or(EpollTimeout::NONE, |deadline| {
            // A whole millisecond more, so that the deadline has passed when this returns.
            let ms = deadline.saturating_duration_since(Instant::now()).as_millis() + 1;
            EpollTimeout::try_from(ms).unwrap_or(EpollTimeout::MAX)
        });
        match self.0.wait(&mut events, timeout) {
            Ok(count) => Ok(events.iter().take(count).map(|event| Token::from_bits(event.data())).collect()),
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(errno) => Err(errno),
        }
    }
}

/// A descriptor that becomes readable when the process ends.
///
/// # Errors
/// `ESRCH` where the process is gone already; else the kernel's word.
#[expect(unsafe_code, reason = "pidfd_open has no safe interface in nix")]
pub fn pidfd(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two numbers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = Errno::result(fd).and_then(|fd| i32::try_from(fd).map_err(|_no_descriptor| Errno::EBADF))?;
    // SAFETY: the kernel has just installed this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
