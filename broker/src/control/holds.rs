//! The lease: for how long frames are held, who holds one too long, and what becomes of him.

use std::time::{Duration, Instant};

use framebroker_protocol::message::Tell;
use framebroker_protocol::{ClientId, ContextId, SubscriptionId, Text};
use tracing::warn;

use super::Control;
use super::log_limit::CLIENTS;
use super::session::{Phase as SessionPhase, Session};
use super::subscription::Phase;
use crate::stream::served::Stream;

/// A hold that has become older than the lease.
struct Overdue {
    client: ClientId,
    subscription: SubscriptionId,
    context: ContextId,
    held: Duration,
}

impl Control {
    /// When the holds are looked at next; `None` while nobody can hold anything.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let any = self.sessions.values().any(|session| !session.subscriptions.is_empty());
        any.then_some(self.next_look)
    }

    /// Looks at every hold where that is due, reports those that are overdue, and evicts their owners.
    pub(super) fn keep_lease(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + self.lease.interval();
        self.look_at_all_holds(now);
        // Those that did not keep up with the news may have caught up.
        self.sessions.values_mut().for_each(Session::tell_changes);
        // What was owed may have been paid by the end of a process.
        self.streams.iter_mut().for_each(|stream| stream.restore(&self.worker));
        let Some(lease) = self.lease.time else { return };
        for overdue in self.newly_overdue(lease) {
            self.report_overdue(&overdue, lease);
        }
    }

    /// Looks at the holds of every session but one that is being served.
    pub(super) fn look_at_all_holds(&mut self, now: Instant) {
        let Self { sessions, streams, .. } = self;
        sessions.values_mut().for_each(|session| look_at_holds(session, streams, now));
    }

    fn newly_overdue(&mut self, lease: Duration) -> Vec<Overdue> {
        let mut found = Vec::new();
        for session in self.sessions.values_mut().filter(|session| session.phase == SessionPhase::Open) {
            let client = session.id;
            for (id, subscription) in session.subscriptions.iter_mut().filter(|(_, s)| s.phase == Phase::Active) {
                let overdue = subscription.hold_times.newly_overdue(lease);
                let overdue = overdue.into_iter();
                found.extend(overdue.map(|(context, held)| Overdue { client, subscription: *id, context, held }));
            }
        }
        found
    }

    fn report_overdue(&mut self, overdue: &Overdue, lease: Duration) {
        let Overdue { client, subscription, context, held } = overdue;
        // Evicted for another hold, perhaps.
        let Some(session) = self.sessions.get(client) else { return };
        let Some(at) = session.subscriptions.get(subscription).map(|subscription| subscription.stream) else { return };
        let Some(stream) = self.streams.get_mut(at) else { return };
        stream.count_overdue();
        if CLIENTS.may_speak() {
            warn!(
                stream = %stream.name(), client = %client, name = %session.name, pid = session.peer.pid,
                uid = session.peer.uid, %context, held_ms = held.as_millis(), lease_ms = lease.as_millis(),
                evicted = self.lease.evict, "a frame is held longer than the lease"
            );
        }
        if self.lease.evict {
            self.evict(at, overdue, lease);
        }
    }

    /// Ends the subscription: its process may read on what it held, which is never filled again; what it was granted
    /// others may have.
    fn evict(&mut self, at: usize, overdue: &Overdue, lease: Duration) {
        let Overdue { client, subscription: id, context, held } = *overdue;
        let Some(mut session) = self.sessions.remove(&client) else { return };
        if let Some(mut ended) = session.subscriptions.remove(&id) {
            self.end_subscription(&mut ended, session.reader());
            if let Some(stream) = self.streams.get_mut(at) {
                stream.count_evicted();
            }
            let (held_ms, lease_ms) = (held.as_millis(), lease.as_millis());
            let reason = Text::cut(format_args!(
                "frame {context} was held for {held_ms} ms, longer than the lease of {lease_ms} ms; release frames sooner, copy what is needed longer, or start the broker with a longer --lease"
            ));
            session.tell(0, Tell::Evicted { subscription: id, reason });
        }
        self.sessions.insert(client, session);
        self.admit_waiting();
        self.settle(client);
    }
}

/// Looks at the holds of one session.
pub(super) fn look_at_holds(session: &mut Session, streams: &[Stream], now: Instant) {
    for subscription in session.subscriptions.values_mut() {
        if let Some(stream) = streams.get(subscription.stream) {
            subscription.look_at_holds(stream.core(), now);
        }
    }
}
