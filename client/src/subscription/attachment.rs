//! A subscription at one broker: its connection, its mappings, and the frames on their way.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::{Ask, Delivery, Policy, StreamInfo, Tell};
use framebroker_protocol::ring::{Pages, Reader};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::socket::{Buffer, Channel};
use framebroker_protocol::{BrokerId, Counters, StreamState};

use super::builder::{Granted, Terms};
use super::by_socket::BySocket;
use super::shared::Shared;
use super::status::Status;
use crate::connection::Connection;
use crate::error::{Violation, WaitingFor};
use crate::frame::Claimed;
use crate::link::Incoming;
use crate::segments::{Segments, descriptors};
use crate::{Error, Result};

/// A subscription at one broker. No method may be called in a forked child, but for those that say so.
#[derive(Debug)]
pub struct Attachment {
    pub connection: Arc<Connection>,
    pub broker: BrokerId,
    pub info: StreamInfo,
    pub segments: Segments,
    pub status: Status,
    pub(super) feed: Feed,
    pub(super) buffer: Buffer,
    pub(super) last_request: u32,
    /// The answer to the last request, once it has come.
    pub(super) answer: Option<Tell>,
    /// A frame whose segment is not mapped yet, and since when it waits for that.
    pub(super) unmapped: Option<(Claimed, Option<Instant>)>,
    /// The broker's news are looked for with the first frame that is published from here on.
    pub(super) next_look_ns: u64,
    max_held: u32,
}

/// By which way frames come.
#[derive(Debug)]
pub(super) enum Feed {
    Shared(Shared),
    BySocket(BySocket),
}

impl Attachment {
    /// Maps what was granted.
    pub fn new(granted: Granted, terms: &Terms) -> Result<Self> {
        let Granted { session, info, subscribed: Incoming { body, fds, .. } } = granted;
        let subscribed = terms.check(body)?;
        let last_request = session.last_request();
        let (policy, first, max_held) = (subscribed.policy, subscribed.first, subscribed.max_held);
        let mut fds = fds.into_iter();
        let mut segments = Segments::default();
        let (pages, feed) = match terms.delivery {
            Delivery::Shared => {
                let (pages, notify) = map_pages(&mut fds, descriptors(&subscribed.segments))?;
                let granted = usize::try_from(max_held).unwrap_or(usize::MAX);
                let reader = Reader::new(Arc::clone(&pages), granted, policy, first);
                (Some(pages), Feed::Shared(Shared::new(reader, notify, terms.wait_mode, max_held)))
            }
            Delivery::Socket => (None, Feed::BySocket(BySocket::new(policy, first, max_held))),
        };
        segments.add(&subscribed.segments, fds)?;
        session.link.post(0, Ask::Mapped)?;
        Ok(Self {
            connection: Arc::new(Connection::new(session.link, subscribed.subscription, pages)),
            broker: session.broker,
            info,
            segments,
            status: Status::default(),
            feed,
            buffer: session.buffer,
            last_request,
            answer: None,
            unmapped: None,
            next_look_ns: 0,
            max_held,
        })
    }

    /// The descriptors on which the broker's news come.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let notify = match &self.feed {
            Feed::Shared(feed) => Some(feed.notify_fd()),
            Feed::BySocket(_) => None,
        };
        notify.into_iter().chain([self.connection.link.as_fd()])
    }

    /// Sleeps until there may be a frame or news, at most `longest`.
    pub fn wait(&mut self, longest: Duration) {
        match &mut self.feed {
            Feed::Shared(feed) if self.unmapped.is_none() && feed.over_since().is_none() => feed.wait(longest),
            _ => {
                if let Err(error) = self.connection.link.wait(longest.min(WAIT_SLICE)) {
                    self.status.end(error);
                }
                self.look();
            }
        }
    }

    /// Has the broker make a descriptor readable at the next news. False if there is news already.
    pub fn ask(&mut self) -> bool {
        let is_quiet = match &mut self.feed {
            // A frame that waits for its segment to be mapped waits for the connection, whatever the ring brings.
            Feed::Shared(feed) => self.unmapped.is_some() || feed.ask(),
            Feed::BySocket(_) => true,
        };
        !self.look() && is_quiet
    }

    /// Descriptors need not become readable any more.
    pub fn unask(&mut self) {
        if let Feed::Shared(feed) = &mut self.feed {
            feed.unask();
        }
    }

    /// Passes over what there is: only frames published from now on are wanted.
    pub fn skip(&mut self) {
        self.unmapped = None;
        match &mut self.feed {
            Feed::Shared(feed) => feed.skip(),
            Feed::BySocket(_) => {
                self.look();
                if let Feed::BySocket(feed) = &mut self.feed {
                    feed.skip();
                }
            }
        }
    }

    /// Frames the caller holds. Also in a forked child.
    pub fn held(&self) -> u32 {
        let queued = match &self.feed {
            Feed::Shared(_) => 0,
            Feed::BySocket(feed) => feed.waiting(),
        };
        let ours = queued + usize::from(self.unmapped.is_some());
        self.connection.leases().saturating_sub(u32::try_from(ours).unwrap_or(u32::MAX))
    }

    /// Frames the caller may hold. Also in a forked child.
    pub fn max_held(&self) -> u32 {
        self.max_held
    }

    /// Which policy is in force. Also in a forked child.
    pub fn policy(&self) -> Policy {
        match &self.feed {
            Feed::Shared(feed) => feed.policy(),
            Feed::BySocket(feed) => feed.policy(),
        }
    }

    /// What became of the sequences; nothing in a forked child.
    pub fn counters(&self) -> Counters {
        match &self.feed {
            Feed::Shared(_) if !self.connection.is_ours() => Counters::default(),
            Feed::Shared(feed) => feed.reader().counters(),
            Feed::BySocket(feed) => feed.counters(),
        }
    }

    /// Whether frames can come. Also in a forked child.
    pub fn state(&self) -> StreamState {
        match &self.feed {
            _ if self.status.ended().is_some() => StreamState::Closed,
            Feed::Shared(feed) => feed.reader().pages().stream.state(),
            Feed::BySocket(_) if self.status.offline.is_some() => StreamState::Offline,
            Feed::BySocket(_) => StreamState::Live,
        }
    }

    /// What a caller waits for in vain. Also in a forked child.
    pub fn waiting_for(&self) -> WaitingFor {
        if self.state() == StreamState::Offline {
            WaitingFor::Source { reason: self.status.offline.clone().unwrap_or_default() }
        } else {
            WaitingFor::Frame
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Feed::Shared(feed) = &mut self.feed
            && self.connection.is_ours()
        {
            // Frames that are still held keep the subscription alive: nobody must wake it or wait for it meanwhile.
            feed.leave();
        }
    }
}

/// Maps the two pages and takes the notify socket: the first three descriptors of a shared subscription.
fn map_pages(fds: &mut std::vec::IntoIter<OwnedFd>, segments: usize) -> Result<(Arc<Pages>, Channel)> {
    const PAGES_AND_NOTIFY: usize = 3;
    let (expected, found) = (segments + PAGES_AND_NOTIFY, fds.len());
    let wrong_count = || Error::Violation(Violation::Descriptors { expected, found });
    if expected != found {
        return Err(wrong_count());
    }
    let mut next = || fds.next().ok_or_else(wrong_count);
    let stream = Arc::new(Mapped::read_only(next()?)?);
    let consumer = Arc::new(Mapped::writable(next()?)?);
    let notify = Channel::from(next()?);
    Ok((Arc::new(Pages { stream, consumer }), notify))
}
