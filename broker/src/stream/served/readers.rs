//! A stream's readers: what they are granted, how they wait, come and leave.

use std::sync::Arc;
use std::time::Instant;

use framebroker_protocol::ring::Member;
use framebroker_protocol::{ClientId, ContextId};

use super::{ReaderProcess, Stream};
use crate::events::SubscriptionKey;
use crate::stream::admission::{Capacity, Verdict};
use crate::stream::command::Command;
use crate::worker::Worker;

impl Stream {
    /// One more hold has become older than the lease.
    pub fn count_overdue(&mut self) {
        self.lease_counts.overdue += 1;
    }

    /// One more subscription was ended for that.
    pub fn count_evicted(&mut self) {
        self.lease_counts.evicted += 1;
    }

    pub fn capacity(&self) -> Capacity {
        if self.is_ringless() {
            return self.segments.capacity_to_come(self.granted);
        }
        let can_grow = !self.needs().fixed_pool || self.is_resuming();
        self.segments.capacity(self.granted, self.members.unconfirmed(), can_grow)
    }

    /// Grants holds where there are or will be segments for them.
    pub fn grant(&mut self, worker: &Worker, max_held: usize) -> Verdict {
        let verdict = self.capacity().admit(max_held);
        if let Verdict::Admit { target, .. } = verdict {
            self.granted += max_held;
            self.segments.size_mut().raise(target);
            self.order(worker, target);
        }
        verdict
    }

    /// Holds that were granted to a subscription can be granted to others.
    pub fn take_back_grant(&mut self, max_held: usize) {
        self.granted -= max_held;
    }

    /// A subscription that was granted its holds waits for the ring to grow.
    pub fn line_up(&mut self, key: SubscriptionKey) {
        self.waiting.push_back(key);
    }

    pub fn first_in_line(&self) -> Option<SubscriptionKey> {
        self.waiting.front().copied()
    }

    pub fn leave_line(&mut self) {
        self.waiting.pop_front();
    }

    /// Whether a subscription can begin that was admitted on condition of `needed` segments; `None` where it never can. Others
    /// may have left since: what is granted now decides.
    pub fn may_begin(&self, needed: usize) -> Option<bool> {
        let needed = needed.min(self.segments.reserve() + self.granted);
        let may = self.has(needed);
        (may || self.is_ringless() || self.segments.expected() >= needed).then_some(may)
    }

    pub fn enter(&mut self, member: &Arc<Member>) {
        self.members.enter(member);
    }

    /// Takes a subscription out of the ring. What it held is given up if its process may still read it.
    pub fn leave(&mut self, member: &Arc<Member>, process: ReaderProcess, now: Instant) {
        let ReaderProcess::MayLive(process) = process else { return self.members.leave(member) };
        let held = self.members.cut_off(member, &process, now);
        if !held.is_empty() {
            self.segments.debts_mut().watch(process.key, process.uid, process.pidfd);
            self.tell_grab(Command::Confirm { held, client: process.client });
        }
    }

    /// Of the frames that a client's subscription held when it was ended, these are in the ring; the others are not, or no
    /// longer.
    pub fn quarantine(&mut self, client: ClientId, kept: &[ContextId], stale: &[ContextId]) {
        self.members.confirm(client, kept, stale);
        kept.iter().for_each(|context| self.segments.quarantine(context.segment()));
    }

    /// The ring is done with a quarantined frame: the index of its segment is free, its memory is owed to who may read it.
    pub fn vacate(&mut self, context: ContextId) {
        self.segments.vacate(context, self.members.forget(context));
    }

    /// Frees the rosters, with their members' pages and sockets, that the grab thread no longer has in hand.
    pub fn forget_rosters(&mut self) {
        self.members.forget_rosters();
    }
}
