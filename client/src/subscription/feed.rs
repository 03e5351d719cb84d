//! By which way frames come: what differs between the deliveries.

use std::sync::Arc;

use framebroker_protocol::Counters;
use framebroker_protocol::message::Policy;

use super::by_socket::BySocket;
use super::shared::Shared;
use crate::Result;
use crate::connection::Connection;
use crate::frame::Claimed;

/// The frames of one subscription.
#[derive(Debug)]
pub enum Feed {
    /// Taken here, from the ring.
    Shared(Shared),
    /// Sent by the broker.
    BySocket(BySocket),
}

impl Feed {
    /// The ring, where frames come from one.
    pub fn ring(&self) -> Option<&Shared> {
        match self {
            Self::Shared(feed) => Some(feed),
            Self::BySocket(_) => None,
        }
    }

    /// As [`Self::ring`].
    pub fn ring_mut(&mut self) -> Option<&mut Shared> {
        match self {
            Self::Shared(feed) => Some(feed),
            Self::BySocket(_) => None,
        }
    }

    /// The next frame, if there is one. `held` is what the caller holds.
    pub fn take(&mut self, connection: &Arc<Connection>, held: u32) -> Result<Option<Claimed>> {
        match self {
            Self::Shared(feed) => feed.take(connection),
            Self::BySocket(feed) => feed.take(held),
        }
    }

    /// Passes over what there is: only frames published from now on are wanted.
    pub fn skip(&mut self) {
        match self {
            Self::Shared(feed) => feed.skip(),
            Self::BySocket(feed) => feed.skip(),
        }
    }

    /// The broker no longer waits for this lossless subscription.
    pub fn demote(&mut self) {
        match self {
            Self::Shared(feed) => feed.demote(),
            Self::BySocket(feed) => feed.demote(),
        }
    }

    /// Which policy is in force. Also in a forked child.
    pub fn policy(&self) -> Policy {
        match self {
            Self::Shared(feed) => feed.policy(),
            Self::BySocket(feed) => feed.policy(),
        }
    }

    /// Frames that are held already and wait here to be taken.
    pub fn waiting(&self) -> usize {
        match self {
            Self::Shared(_) => 0,
            Self::BySocket(feed) => feed.waiting(),
        }
    }

    /// What became of the sequences.
    pub fn counters(&self) -> Counters {
        match self {
            Self::Shared(feed) => feed.counters(),
            Self::BySocket(feed) => feed.counters(),
        }
    }
}
