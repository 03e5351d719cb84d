//! Frames through the ring in shared memory.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::{Policy, Subscribed};
use framebroker_protocol::ring::{Claim, Hold, Pages, Reader, Taken, WaitMode};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::socket::Channel;
use framebroker_protocol::{ContextId, Counters, StreamPage, StreamState};
use nix::sys::socket::{MsgFlags, recv};

use crate::connection::{Connection, Held};
use crate::error::{GoneReason, Violation};
use crate::frame::Claimed;
use crate::limits::MESSAGES_PER_LOOK;
use crate::segments::descriptors;
use crate::{Error, Result};

/// The reader of a shared delivery.
#[derive(Debug)]
pub struct Shared {
    reader: Reader,
    notify: Channel,
    wait_mode: WaitMode,
    max_held: u32,
    /// The broker has been asked for a byte on the notify socket.
    is_asked: bool,
    /// Since when the pages say that it is over. Why, the socket tells.
    over_since: Option<Instant>,
}

impl Shared {
    /// Maps the pages that the first descriptors of a subscription lead to, and leaves those of the segments.
    pub fn map(subscribed: &Subscribed, fds: &mut IntoIter<OwnedFd>, wait_mode: WaitMode) -> Result<Self> {
        const PAGES_AND_NOTIFY: usize = 3;
        let (expected, found) = (descriptors(&subscribed.segments) + PAGES_AND_NOTIFY, fds.len());
        let wrong_count = || Error::Violation(Violation::Descriptors { expected, found });
        if expected != found {
            return Err(wrong_count());
        }
        let mut next = || fds.next().ok_or_else(wrong_count);
        let stream = Arc::new(Mapped::read_only(next()?)?);
        let consumer = Arc::new(Mapped::writable(next()?)?);
        let notify = Channel::from(next()?);
        let Subscribed { policy, first, max_held, .. } = *subscribed;
        let granted = usize::try_from(max_held).unwrap_or(usize::MAX);
        let reader = Reader::new(Arc::new(Pages { stream, consumer }), granted, policy, first);
        Ok(Self { reader, notify, wait_mode, max_held, is_asked: false, over_since: None })
    }

    pub fn pages(&self) -> &Arc<Pages> {
        self.reader.pages()
    }

    pub fn counters(&self) -> Counters {
        self.reader.counters()
    }

    /// Whether the broker has ended this subscription.
    pub fn is_revoked(&self) -> bool {
        self.pages().consumer.is_revoked()
    }

    pub fn notify_fd(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }

    /// Since when the pages say that no more frames come.
    pub fn over_since(&self) -> Option<Instant> {
        self.over_since
    }

    pub fn demote(&mut self) {
        self.reader.demote();
    }

    /// Passes over what there is: only frames published from now on are wanted.
    pub fn skip(&mut self) {
        self.reader.skip_to_head();
    }

    /// The next frame, if there is one.
    pub fn take(&mut self, connection: &Arc<Connection>) -> Result<Option<Claimed>> {
        // Before looking for a frame: the last one was published before the stream was closed.
        let is_closed = self.reader.see_state() == StreamState::Closed;
        match self.reader.try_take() {
            Taken::Frame(hold) => Ok(Some(claimed(connection, hold))),
            Taken::Full => Err(Error::Full { max_held: self.max_held }),
            Taken::Empty if !is_closed => Ok(None),
            Taken::Empty | Taken::Revoked => {
                self.over_since.get_or_insert_with(Instant::now);
                Ok(None)
            }
        }
    }

    /// The stream's page.
    pub fn page(&self) -> &StreamPage {
        &self.pages().stream
    }

    /// Holds one certain frame.
    pub fn acquire(&mut self, connection: &Arc<Connection>, context: ContextId) -> Result<Claimed> {
        match self.reader.take_context(context) {
            Claim::Held(hold) => Ok(claimed(connection, hold)),
            Claim::Gone => Err(Error::Gone { context, reason: GoneReason::Retired }),
            Claim::Full => Err(Error::Full { max_held: self.max_held }),
        }
    }

    /// Sleeps until there may be a frame, at most `longest`.
    pub fn wait(&mut self, longest: Duration) {
        self.reader.wait_by(self.wait_mode, longest.min(WAIT_SLICE));
    }

    /// Has the broker send a byte at the next news. False if there is news already.
    pub fn ask(&mut self) -> bool {
        self.hear_out();
        self.is_asked = true;
        // What a revoked page says is no news any more.
        self.reader.ask_for_notify() || self.over_since.is_some()
    }

    /// No more bytes are wanted.
    pub fn unask(&mut self) {
        if self.is_asked {
            self.reader.end_notify();
            self.is_asked = false;
        }
    }

    /// The broker must neither wake this reader any more nor wait for it. Frames stay held.
    pub fn leave(&mut self) {
        self.reader.leave();
    }

    /// Which policy is in force.
    pub fn policy(&self) -> Policy {
        self.reader.policy()
    }

    /// Takes the bytes off the notify socket.
    fn hear_out(&self) {
        let mut bytes = [0; 8];
        // What is left makes the descriptor readable once more.
        for _ in 0..MESSAGES_PER_LOOK {
            // An end or an error shows on the session's socket as well, and is taken from there.
            let Ok(1..) = recv(self.notify.as_fd().as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) else { break };
        }
    }
}

fn claimed(connection: &Arc<Connection>, hold: Hold) -> Claimed {
    let Hold { slot, context, backing, header } = hold;
    Claimed { hold: connection.hold(Held::InPage { slot }), context, backing, header }
}
