//! Who is in a stream's ring, and who may still read what was held there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use framebroker_protocol::ring::{Member, Roster, SharedRoster};
use framebroker_protocol::{ClientId, ClientName, ContextId, stop_point};

use crate::stream::process::{Process, ProcessKey};

/// Whether the process of a subscription that ends may still read what it held.
#[derive(Debug)]
pub enum ReaderProcess {
    /// It has ended.
    Ended,
    /// It may live.
    MayLive(Process),
}

/// Somebody whose subscription was ended while it held a frame.
#[derive(Debug)]
pub struct Lingering {
    /// The frame.
    pub context: ContextId,
    /// Its session.
    pub client: ClientId,
    /// What it called itself.
    pub name: ClientName,
    /// Its process.
    pub process: ProcessKey,
    /// The same by its number.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// When its subscription was ended.
    pub since: Instant,
}

/// The members of a ring.
#[derive(Debug)]
pub(super) struct Members {
    roster: Arc<SharedRoster>,
    /// Who may still read what the ring still has, though its subscription has ended.
    lingering: Vec<Lingering>,
    /// Frames that revoked subscriptions held, of which the grab thread has not yet said which are in the ring.
    unconfirmed: usize,
    /// Rosters that the grab thread may still use.
    old_rosters: Vec<Arc<Roster>>,
}

impl Members {
    pub fn new(roster: Arc<SharedRoster>) -> Self {
        Self { roster, lingering: Vec::new(), unconfirmed: 0, old_rosters: Vec::new() }
    }

    /// Puts a subscription into the ring.
    pub fn enter(&mut self, member: &Arc<Member>) {
        let member = Arc::clone(member);
        self.change(move |roster| roster.members.push(member));
    }

    /// Takes a subscription out of the ring whose process has ended.
    pub fn leave(&mut self, member: &Arc<Member>) {
        self.change(|roster| roster.members.retain(|other| !Arc::ptr_eq(other, member)));
    }

    /// Takes a subscription out of the ring whose process may live and read on. Returns what it held.
    pub fn cut_off(&mut self, member: &Arc<Member>, process: &Process, since: Instant) -> Vec<ContextId> {
        let held = member.revoke();
        stop_point("eviction.revoked");
        let Process { client, name, uid, pid, key, .. } = process;
        self.lingering.extend(held.iter().map(|context| Lingering {
            context: *context,
            client: *client,
            name: name.clone(),
            process: *key,
            pid: *pid,
            uid: *uid,
            since,
        }));
        self.unconfirmed += held.len();
        self.change(|roster| {
            roster.members.retain(|other| !Arc::ptr_eq(other, member));
            roster.quarantined.extend(&held);
        });
        held
    }

    /// Of the frames that a client held when it was cut off, `kept` are in the ring and `stale` are not.
    pub fn confirm(&mut self, client: ClientId, kept: &[ContextId], stale: &[ContextId]) {
        self.unconfirmed -= kept.len() + stale.len();
        if !stale.is_empty() {
            self.change(|roster| roster.quarantined.retain(|context| !stale.contains(context)));
            self.lingering.retain(|other| other.client != client || !stale.contains(&other.context));
        }
    }

    /// The ring is done with a quarantined frame. Returns the processes that may still read it.
    pub fn forget(&mut self, context: ContextId) -> BTreeSet<ProcessKey> {
        let gone = self.lingering.extract_if(.., |lingering| lingering.context == context);
        let processes = gone.map(|lingering| lingering.process).collect();
        self.change(|roster| roster.quarantined.retain(|other| other.segment() != context.segment()));
        processes
    }

    /// Who was cut off while it held this frame.
    pub fn lingering(&self, context: ContextId) -> impl Iterator<Item = &Lingering> {
        self.lingering.iter().filter(move |lingering| lingering.context == context)
    }

    /// Frames of which is not known yet whether their segments will be given up.
    pub fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    /// Whether the ring waits for one of them.
    pub fn any_lossless(&self) -> bool {
        self.roster.current().members.iter().any(|member| member.is_lossless())
    }

    /// Frees the rosters, with their members' pages and sockets, that the grab thread no longer has in hand.
    pub fn forget_rosters(&mut self) {
        self.old_rosters.retain(|roster| Arc::strong_count(roster) > 1);
    }

    fn change(&mut self, change: impl FnOnce(&mut Roster)) {
        let old = self.roster.change(change);
        self.old_rosters.push(old);
    }
}
