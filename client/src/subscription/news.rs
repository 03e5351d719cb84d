//! What a broker says on a subscription's connection.

use framebroker_protocol::message::{Ask, Tell};
use framebroker_protocol::{SubscriptionId, monotonic_ns};

use super::attachment::{Attachment, Feed};
use super::by_socket::claimed;
use crate::error::Violation;
use crate::limits::{LOOK_INTERVAL_NS, MESSAGES_PER_LOOK};
use crate::link::Incoming;
use crate::{Error, Result};

impl Attachment {
    /// Takes what the broker has said, without waiting. False if it has said nothing. What goes wrong ends the
    /// subscription.
    pub fn look(&mut self) -> bool {
        self.next_look_ns = monotonic_ns().saturating_add(LOOK_INTERVAL_NS);
        let had_ended = self.status.ended().is_some();
        let mut heard = false;
        if let Err(error) = self.connection.link.flush() {
            self.status.end(error);
        }
        for _ in 0..MESSAGES_PER_LOOK {
            match self.connection.link.receive(&mut self.buffer) {
                Ok(Some(message)) => {
                    heard = true;
                    if let Err(error) = self.hear(message) {
                        self.status.end(error);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.status.end(error);
                    break;
                }
            }
        }
        if let Feed::Shared(feed) = &self.feed {
            self.segments.forget_outdated(feed.page());
        }
        heard || (!had_ended && self.status.ended().is_some())
    }

    fn hear(&mut self, message: Incoming) -> Result<()> {
        let Incoming { request, body, fds } = message;
        if subscription_of(&body).is_some_and(|named| named != self.connection.subscription) {
            return Err(Violation::Unexpected("news of another subscription").into());
        }
        if let Tell::SegmentsAdded { segments, .. } = body {
            let mapped = self.segments.add(&segments, fds.into_iter());
            // Answered in any case: until then the broker sends no others.
            self.connection.link.post(0, Ask::Mapped)?;
            return mapped;
        }
        if !fds.is_empty() {
            return Err(Violation::Descriptors { expected: 0, found: fds.len() }.into());
        }
        match (body, &mut self.feed) {
            (answer @ (Tell::Acquired { .. } | Tell::Error { .. }), _) if request != 0 => {
                self.hear_answer(request, answer).map_err(Error::from)
            }
            (Tell::Frame { backing, header, .. }, Feed::BySocket(feed)) => {
                Ok(feed.put(&self.connection, backing, header)?)
            }
            (Tell::SegmentRemoved { index, backing, .. }, _) => {
                self.segments.remove(index, backing);
                Ok(())
            }
            (news, feed) => {
                if matches!(news, Tell::Demoted { .. }) {
                    feed.demote();
                }
                Ok(self.status.hear(news)?)
            }
        }
    }

    fn hear_answer(&mut self, request: u32, answer: Tell) -> Result<(), Violation> {
        if request == self.last_request {
            self.answer = Some(answer);
        } else if let Tell::Acquired { backing, header } = answer {
            // It was waited for no longer: given back at once.
            drop(claimed(&self.connection, backing, header)?);
        }
        Ok(())
    }
}

impl Feed {
    fn demote(&mut self) {
        match self {
            Self::Shared(feed) => feed.demote(),
            Self::BySocket(feed) => feed.demote(),
        }
    }
}

/// Which subscription a message names, if it names one.
fn subscription_of(body: &Tell) -> Option<SubscriptionId> {
    match body {
        Tell::Frame { subscription, .. }
        | Tell::SegmentsAdded { subscription, .. }
        | Tell::SegmentRemoved { subscription, .. }
        | Tell::Offline { subscription, .. }
        | Tell::Online { subscription }
        | Tell::Demoted { subscription, .. }
        | Tell::Evicted { subscription, .. }
        | Tell::Closed { subscription, .. }
        | Tell::SettingsChanged { subscription, .. }
        | Tell::Unsubscribed { subscription } => Some(*subscription),
        _ => None,
    }
}
