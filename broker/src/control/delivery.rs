//! Deliveries by socket: the control thread takes frames from the ring on a client's behalf.

use framebroker_protocol::message::{ErrorCode, Policy, Tell};
use framebroker_protocol::ring::{Claim, Hold, Taken};
use framebroker_protocol::{ClientId, ContextId, SubscriptionId};

use super::Control;
use super::requests::{is_by_socket, unknown_subscription};
use super::session::Session;
use super::subscription::{Delivering, Phase, Subscription};

impl Control {
    /// A bell rang for a socket delivery.
    pub(super) fn deliver(&mut self, client: ClientId, subscription: SubscriptionId) {
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let Some(subscription) = session.subscriptions.get_mut(&subscription) else { return };
        if let Some(delivering) = subscription.place.as_mut().and_then(|place| place.delivering()) {
            // Rung again from now on.
            let _was_silent = delivering.bell.read();
        }
        self.settle(client);
    }

    /// Sends a session the frames there are for it.
    pub(super) fn deliver_all(&mut self, session: &mut Session) {
        let mut subscriptions = std::mem::take(&mut session.subscriptions);
        for (id, subscription) in &mut subscriptions {
            if subscription.phase == Phase::Active && is_by_socket(subscription) {
                pump(session, *id, subscription);
            }
        }
        // Sending may have failed the session; its subscriptions are then ended by whoever asked.
        session.subscriptions = subscriptions;
        self.hand_over(session);
    }

    pub(super) fn release(&mut self, session: &mut Session, request: u32, id: SubscriptionId, context: ContextId) {
        let Some(delivering) = delivering(session, id) else { return unknown_subscription(session, request, id) };
        let Some(at) = delivering.holds.iter().position(|hold| hold.context == context) else {
            return session.refuse(request, ErrorCode::NotHeld, format_args!("frame {context} is not held"));
        };
        let hold = delivering.holds.swap_remove(at);
        let Some(reader) = &mut delivering.reader else { return };
        reader.pages().release(hold.slot);
        if reader.policy() == Policy::Upcoming {
            // The client is ready now: what was published before is not upcoming.
            reader.skip_to_head();
        }
    }

    pub(super) fn acquire(&mut self, session: &mut Session, request: u32, id: SubscriptionId, context: ContextId) {
        let Some(delivering) = delivering(session, id) else { return unknown_subscription(session, request, id) };
        let Some(reader) = &mut delivering.reader else { return };
        match reader.take_context(context) {
            Claim::Held(hold) => delivering.unsent.push_back((Some(request), hold)),
            Claim::Gone => session.refuse(request, ErrorCode::Gone, format_args!("frame {context} was retired")),
            Claim::Full => session.refuse(
                request,
                ErrorCode::Full,
                "as many frames are held as were granted; release one, or subscribe with a larger max_held",
            ),
        }
    }
}

fn delivering(session: &mut Session, id: SubscriptionId) -> Option<&mut Delivering> {
    let subscription = session.subscriptions.get_mut(&id).filter(|s| s.phase == Phase::Active)?;
    subscription.place.as_mut()?.delivering()
}

/// Sends frames until there is none, the client holds as many as it may, or it does not read.
fn pump(session: &mut Session, id: SubscriptionId, subscription: &mut Subscription) {
    while !session.is_blocked() {
        let Some((request, hold)) = take(subscription) else { return };
        let is_told = subscription.is_told(hold.context.segment(), hold.backing);
        let Some(delivering) = subscription.place.as_mut().and_then(|place| place.delivering()) else { return };
        if !is_told {
            // Until the descriptor is on its way.
            return delivering.unsent.push_front((request, hold));
        }
        delivering.holds.push(hold);
        let Hold { backing, header, .. } = hold;
        match request {
            Some(request) => session.tell(request, Tell::Acquired { backing, header }),
            None => session.tell(0, Tell::Frame { subscription: id, backing, header }),
        }
    }
}

/// The next frame. Where there is none, the bell rings for the next; where the client holds enough, it is left silent.
fn take(subscription: &mut Subscription) -> Option<(Option<u32>, Hold)> {
    let delivering = subscription.place.as_mut()?.delivering()?;
    if let Some(unsent) = delivering.unsent.pop_front() {
        return Some(unsent);
    }
    let reader = delivering.reader.as_mut()?;
    loop {
        reader.see_state();
        match reader.try_take() {
            Taken::Frame(hold) => return Some((None, hold)),
            Taken::Empty if reader.ask_for_notify() => return None,
            Taken::Empty => {}
            Taken::Full | Taken::Revoked => {
                reader.end_notify();
                return None;
            }
        }
    }
}
