//! All sessions, and the queue of those that must be settled before the session thread sleeps again.

use std::collections::{BTreeMap, BTreeSet};

use framebroker_protocol::ClientId;

use super::client::Client;
use super::session::Session;

/// Sessions that failed and are kept at once until their clients have read why.
const FAILED_AT_ONCE: usize = 64;

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    by_id: BTreeMap<ClientId, Session>,
    last_id: u64,
    /// Those in which something may have changed.
    unsettled: BTreeSet<ClientId>,
}

impl Sessions {
    /// A number for a new session; none is ever used twice.
    pub fn number(&mut self) -> ClientId {
        self.last_id += 1;
        ClientId(self.last_id)
    }

    /// One more session.
    pub fn insert(&mut self, session: Session) {
        let id = session.client.id();
        self.by_id.insert(id, session);
        self.unsettled.insert(id);
    }

    /// A session that is over.
    pub fn remove(&mut self, id: ClientId) -> Option<Session> {
        self.unsettled.remove(&id);
        self.by_id.remove(&id)
    }

    /// A session, to be read.
    pub fn get(&self, id: ClientId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    /// A session, to be changed: it is settled before the turn ends.
    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Session> {
        let session = self.by_id.get_mut(&id)?;
        self.unsettled.insert(id);
        Some(session)
    }

    /// All of them in their order, to be read.
    pub fn iter(&self) -> impl Iterator<Item = &Session> + Clone {
        self.by_id.values()
    }

    /// All of them in their order, to be changed in a way that concerns no client, or is followed by [`Self::settle_all`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.by_id.values_mut()
    }

    /// Something has changed that concerns every session.
    pub fn settle_all(&mut self) {
        self.unsettled.extend(self.by_id.keys());
    }

    /// Takes the next one that must be settled out of the queue.
    pub fn next_unsettled(&mut self) -> Option<ClientId> {
        self.unsettled.pop_first()
    }

    /// A session that is being settled.
    pub fn settling(&mut self, id: ClientId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    /// Whether somebody reads a stream, or is about to.
    pub fn any_subscription(&self) -> bool {
        self.iter().any(|session| !session.subscriptions.is_empty())
    }

    /// Descriptors that lie in the sockets of all of them.
    pub fn in_flight(&mut self) -> usize {
        self.iter_mut().map(|session| session.client.in_flight()).sum()
    }

    /// Sessions that are limited in their number: in all, and of one user.
    pub fn count(&self, uid: u32) -> (usize, usize) {
        let counted = || self.iter().map(|session| &session.client).filter(|client| client.counts());
        (counted().count(), counted().filter(|client| client.peer().uid == uid).count())
    }

    /// Sessions that failed stay until the client has read why. In a flood of them the oldest go early: these.
    pub fn too_many_failed(&self) -> Vec<ClientId> {
        let clients = self.iter().map(|session| &session.client);
        let failed: Vec<ClientId> = clients.filter(|client| client.has_failed()).map(Client::id).collect();
        failed.iter().take(failed.len().saturating_sub(FAILED_AT_ONCE)).copied().collect()
    }
}
