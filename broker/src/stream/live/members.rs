//! Who is in a stream's ring, and who may still read what was held there.

use std::sync::Arc;
use std::time::Instant;

use framebroker_protocol::ring::{Member, Roster};
use framebroker_protocol::{ClientId, ClientName, ContextId};

use super::Stream;
use crate::stream::grab::Command;
use crate::stream::owed::Process;

/// Whether the process of a subscription that ends may still read what it held.
#[derive(Debug)]
pub enum Reader {
    /// It has ended.
    Dead,
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
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// When its subscription was ended.
    pub since: Instant,
}

impl Stream {
    /// Puts a subscription into the ring.
    pub fn enter(&mut self, member: &Arc<Member>) {
        let member = Arc::clone(member);
        self.change_roster(move |roster| roster.members.push(member));
    }

    /// Takes a subscription out of the ring. What it held is given up if its process may still read it.
    pub fn leave(&mut self, member: &Arc<Member>, reader: Reader, now: Instant) {
        let (held, process) = match reader {
            Reader::Dead => (Vec::new(), None),
            Reader::MayLive(process) => (member.revoke(), Some(process)),
        };
        let client = process.filter(|_| !held.is_empty()).map(|process| self.linger(&held, process, now));
        self.change_roster(|roster| {
            roster.members.retain(|other| !Arc::ptr_eq(other, member));
            roster.quarantined.extend(&held);
        });
        if let Some(client) = client {
            self.unconfirmed += held.len();
            // Where the grab thread has ended, nothing is refilled any more.
            let _ended = self.commands.send(Command::Confirm { held, client });
        }
    }

    /// Writes down who may still read what it held, before the ring can be done with any of it.
    fn linger(&mut self, held: &[ContextId], process: Process, since: Instant) -> ClientId {
        let Process { client, name, uid, pid, pidfd } = process;
        self.owed.watch(pid, uid, pidfd);
        let each =
            held.iter().map(|context| Lingering { context: *context, client, name: name.clone(), pid, uid, since });
        self.lingering.extend(each);
        client
    }

    /// Of the frames that a client's subscription held when it was ended, these are in the ring; the others are not, or no
    /// longer.
    pub fn quarantine(&mut self, client: ClientId, kept: &[ContextId], stale: &[ContextId]) {
        self.unconfirmed -= kept.len() + stale.len();
        if !stale.is_empty() {
            self.change_roster(|roster| roster.quarantined.retain(|context| !stale.contains(context)));
            self.lingering.retain(|other| other.client != client || !stale.contains(&other.context));
        }
        kept.iter().for_each(|context| self.pool.quarantine(context.segment()));
    }

    /// The ring is done with a quarantined frame: the index of its segment is free, its memory is owed to who may read it.
    pub fn vacate(&mut self, context: ContextId) {
        let bytes = self.pool.vacate(context.segment());
        let pids = self.lingering(context).map(|lingering| lingering.pid).collect();
        self.owed.add(bytes, pids);
        self.lingering.retain(|lingering| lingering.context != context);
        self.change_roster(|roster| roster.quarantined.retain(|other| other.segment() != context.segment()));
    }

    /// Who was cut off while it held this frame.
    pub fn lingering(&self, context: ContextId) -> impl Iterator<Item = &Lingering> {
        self.lingering.iter().filter(move |lingering| lingering.context == context)
    }

    fn change_roster(&mut self, change: impl FnOnce(&mut Roster)) {
        let old = self.core.roster.change(change);
        self.old_rosters.push(old);
    }

    /// Frees the rosters, with their members' pages and sockets, that the grab thread no longer has in hand.
    pub fn forget_rosters(&mut self) {
        self.old_rosters.retain(|roster| Arc::strong_count(roster) > 1);
    }
}
