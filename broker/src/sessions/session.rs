//! A session: a client, what it reads and what it fills.

use std::collections::BTreeMap;
use std::time::Instant;

use framebroker_protocol::SubscriptionId;
use framebroker_protocol::message::ErrorCode;

use super::client::Client;
use super::production::Production;
use super::subscription::Subscription;

/// One client's session.
#[derive(Debug)]
pub struct Session {
    /// Who it is, and what it is told.
    pub client: Client,
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    pub production: Option<Production>,
}

impl Session {
    /// One that neither reads nor fills a stream.
    pub fn new(client: Client) -> Self {
        Self { client, subscriptions: BTreeMap::new(), production: None }
    }

    /// When something must be done if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.client.deadline().into_iter().chain(self.mapping_deadline()).min()
    }

    /// Fails the session where the client has let a time pass.
    pub fn check_time(&mut self, now: Instant) {
        if self.mapping_deadline().is_some_and(|deadline| now >= deadline) {
            let text = "Mapped did not come in time; a producer maps its segments at once";
            self.client.fail(ErrorCode::TooSlow, text);
        }
        self.client.check_time(now);
    }

    /// Until when it must map what it was sent as a producer.
    fn mapping_deadline(&self) -> Option<Instant> {
        self.production.as_ref().filter(|_| self.client.is_open()).and_then(Production::deadline)
    }

    /// Tells what is new on the streams it reads, as far as the client keeps up with that: changed settings come last, and of
    /// segments that were given up one waits at most. A ring may give up hundreds at once, and a client that does something else
    /// for a moment must not lose its session for that.
    pub fn tell_removed(&mut self) {
        let Self { client, subscriptions, .. } = self;
        for subscription in subscriptions.values_mut().filter(|subscription| subscription.is_active()) {
            let id = subscription.id();
            while client.is_open()
                && !client.is_blocked()
                && let Some(news) = subscription.news().next_removed(id)
            {
                client.tell(0, news);
            }
        }
    }

    /// Tells what was changed in the settings of the streams it reads, as far as the client keeps up with that.
    pub fn tell_changes(&mut self) {
        let Self { client, subscriptions, .. } = self;
        let room = client.room_for_changes();
        let active = subscriptions.values_mut().filter(|subscription| subscription.is_active());
        let changes = active.flat_map(|subscription| {
            let id = subscription.id();
            std::iter::from_fn(move || subscription.news().next_change(id))
        });
        changes.take(room).for_each(|change| client.tell_change(change));
    }
}
