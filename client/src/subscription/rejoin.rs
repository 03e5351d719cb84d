//! Going on with another broker.

use std::time::{Duration, Instant};

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::ErrorCode;

use super::builder::subscribe;
use super::{Attachment, Retry, Subscription, WaitingFor};
use crate::deadline::Deadline;
use crate::limits::RETRY_LAST;
use crate::{Error, Result};

impl Subscription {
    /// Joins the next broker if one is there, and else waits for a while; fails at the deadline. The subscription has ended.
    pub(super) fn rejoin_once(&mut self, deadline: Deadline, begun: Instant) -> Result<bool> {
        if self.rejoin(deadline)? {
            return Ok(true);
        }
        if deadline.is_over() {
            let last = self.retry.as_ref().map(|retry| retry.last.clone()).unwrap_or_default();
            return Err(Error::Timeout { waited: begun.elapsed(), waiting_for: WaitingFor::Broker { last } });
        }
        std::thread::sleep(deadline.left(self.pause()).min(WAIT_SLICE));
        Ok(false)
    }

    /// Tries to join the next broker if that is wanted and an attempt is due; false if that did not come about. The
    /// descriptor becomes readable when the next attempt is due.
    pub(super) fn rejoin(&mut self, deadline: Deadline) -> Result<bool> {
        let Some(ended) = self.attachment.status.ended() else { return Ok(true) };
        if !self.terms.reconnect || !is_end_of_broker(ended) {
            return Err(ended.clone());
        }
        if self.retry.is_none() {
            self.retry = Some(Retry::new(Instant::now(), ended.to_string()));
            // What has hung up would be readable for ever.
            self.attachment.descriptors().for_each(|fd| self.watch.remove(fd));
        }
        if !self.pause().is_zero() {
            self.watch.raise_in(self.pause())?;
            return Ok(false);
        }
        let attempt = subscribe(&self.connector, &self.stream, &self.terms, deadline)
            .and_then(|granted| Attachment::new(granted, &self.terms));
        match attempt {
            Ok(attachment) => self.join(attachment).map(|()| true),
            Err(error) if may_pass(&error) => {
                if let Some(retry) = &mut self.retry {
                    retry.failed(Instant::now(), error.to_string());
                }
                self.watch.raise_in(self.pause())?;
                Ok(false)
            }
            Err(error) => {
                self.attachment.status.replace_end(error.clone());
                Err(error)
            }
        }
    }

    fn join(&mut self, attachment: Attachment) -> Result<()> {
        attachment.descriptors().try_for_each(|fd| self.watch.add(fd))?;
        self.past = self.counters();
        self.attachment = attachment;
        self.reconnects += 1;
        self.retry = None;
        // Nobody has asked the new broker for anything yet.
        self.watch.lower()?;
        self.watch.raise()
    }

    fn pause(&self) -> Duration {
        self.retry.as_ref().map_or(RETRY_LAST, |retry| retry.left(Instant::now()))
    }
}

/// Whether another broker may come after such an end. One that ended in order counts too: it may be restarted.
fn is_end_of_broker(error: &Error) -> bool {
    matches!(error, Error::BrokerGone | Error::Closed { .. })
}

/// Whether a later attempt may succeed: a broker that starts or ends refuses for a while.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::NoBroker { .. } | Error::BrokerGone | Error::Timeout { .. } => true,
        Error::Refused { code, .. } => {
            matches!(code, ErrorCode::StreamClosed | ErrorCode::Unavailable | ErrorCode::TooManyClients)
        }
        _ => false,
    }
}
