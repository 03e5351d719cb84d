//! Keeps the lease: finds who holds a frame too long, says so, and ends their subscriptions where that is wanted.

use std::time::{Duration, Instant};

use framebroker_protocol::{ClientId, ContextId, SubscriptionId, Text};
use tracing::warn;

use super::log_limit::CLIENTS;
use super::streams::Streams;
use super::subscribe;
use super::table::Sessions;
use crate::config::Lease;

/// A hold that has become older than the lease.
struct Overdue {
    client: ClientId,
    subscription: SubscriptionId,
    context: ContextId,
    held: Duration,
}

/// Looks at every hold.
pub fn look_at_holds(sessions: &mut Sessions, streams: &Streams, now: Instant) {
    for subscription in sessions.iter_mut().flat_map(|session| session.subscriptions.values_mut()) {
        if let Some(stream) = streams.get(subscription.stream()) {
            subscription.look_at_holds(stream.core(), now);
        }
    }
}

/// Reports the holds that have become older than the lease, and evicts their owners where that is wanted.
pub fn keep(sessions: &mut Sessions, streams: &mut Streams, lease: Lease) {
    let Some(time) = lease.time else { return };
    for overdue in newly_overdue(sessions, time) {
        report(sessions, streams, lease, time, &overdue);
    }
}

fn newly_overdue(sessions: &mut Sessions, time: Duration) -> Vec<Overdue> {
    let mut found = Vec::new();
    for session in sessions.iter_mut().filter(|session| session.client.is_open()) {
        let client = session.client.id();
        for subscription in session.subscriptions.values_mut().filter(|subscription| subscription.is_active()) {
            let id = subscription.id();
            let overdue = subscription.hold_times_mut().newly_overdue(time).into_iter();
            found.extend(overdue.map(|(context, held)| Overdue { client, subscription: id, context, held }));
        }
    }
    found
}

fn report(sessions: &mut Sessions, streams: &mut Streams, lease: Lease, time: Duration, overdue: &Overdue) {
    let Overdue { client, subscription: id, context, held } = *overdue;
    let Some(session) = sessions.get_mut(client) else { return };
    // Evicted for another hold, perhaps.
    let Some(subscription) = session.subscriptions.get(&id) else { return };
    let Some(stream) = streams.get_mut(subscription.stream()) else { return };
    stream.count_overdue();
    let (held_ms, lease_ms) = (held.as_millis(), time.as_millis());
    if CLIENTS.may_speak() {
        let (name, peer) = (session.client.name(), session.client.peer());
        warn!(
            stream = %stream.name(), client = %client, %name, pid = peer.pid, uid = peer.uid, %context, held_ms, lease_ms,
            evicted = lease.evict, "a frame is held longer than the lease"
        );
    }
    if lease.evict {
        stream.count_evicted();
        let reason = Text::cut(format_args!(
            "frame {context} was held for {held_ms} ms, longer than the lease of {lease_ms} ms; release frames sooner, copy what is needed longer, or start the broker with a longer --lease"
        ));
        subscribe::evict(session, streams, id, reason);
    }
}
