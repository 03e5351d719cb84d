//! What the session thread sleeps on.

use std::ops::Deref;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Instant;

use framebroker_protocol::{ClientId, SubscriptionId};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// The subscriptions that one session can have, one after the other: their numbers fit in a token.
pub const LAST_SUBSCRIPTION: u32 = 0xff_ffff;

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

/// An epoll set of [`Token`]s.
#[derive(Debug, Clone)]
pub struct Poll(Rc<Epoll>);

impl Poll {
    /// An empty set.
    pub fn new() -> Result<Self, Errno> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(|epoll| Self(Rc::new(epoll)))
    }

    /// Waits for news, at most until `deadline`.
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

/// Something with a descriptor that is watched while this lives. It is taken out of the set before it is closed: closing does not
/// do where a descriptor has copies.
#[derive(Debug)]
pub struct Watched<T: AsFd> {
    what: T,
    poll: Poll,
    token: Token,
    /// What it is watched for; nothing where it is not in the set.
    wanted: Option<EpollFlags>,
}

impl<T: AsFd> Watched<T> {
    /// Watches for something to read.
    pub fn new(poll: &Poll, token: Token, what: T) -> Result<Self, Errno> {
        Self::or_back(poll, token, what).map_err(|(_, errno)| errno)
    }

    /// The same; gives back what the kernel does not watch.
    pub fn or_back(poll: &Poll, token: Token, what: T) -> Result<Self, (T, Errno)> {
        let flags = EpollFlags::EPOLLIN;
        match poll.0.add(what.as_fd(), EpollEvent::new(flags, token.to_bits())) {
            Ok(()) => Ok(Self { what, poll: poll.clone(), token, wanted: Some(flags) }),
            Err(errno) => Err((what, errno)),
        }
    }

    /// Watches for what is wanted from now on, and for the end of the other side; with `None` for nothing at all.
    pub fn want(&mut self, wanted: Option<EpollFlags>) -> Result<(), Errno> {
        let event = |flags| EpollEvent::new(flags, self.token.to_bits());
        let (set, fd) = (&self.poll.0, self.what.as_fd());
        match (self.wanted, wanted) {
            (before, now) if before == now => return Ok(()),
            (None, Some(flags)) => set.add(fd, event(flags))?,
            (Some(_), Some(flags)) => set.modify(fd, &mut event(flags))?,
            (_, None) => set.delete(fd)?,
        }
        self.wanted = wanted;
        Ok(())
    }
}

impl<T: AsFd> Deref for Watched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.what
    }
}

impl<T: AsFd> Drop for Watched<T> {
    fn drop(&mut self) {
        // The kernel refuses only what is not in the set.
        let _not_there = self.want(None);
    }
}
