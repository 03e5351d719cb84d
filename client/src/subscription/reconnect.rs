//! Joining a broker, and going on with another one when it has ended.

use std::time::{Duration, Instant};

use framebroker_protocol::StreamName;
use framebroker_protocol::message::ErrorCode;

use super::attachment::Attachment;
use super::terms::Terms;
use crate::connect::Connector;
use crate::deadline::Deadline;
use crate::limits::RETRY_LAST;
use crate::retry::Retry;
use crate::{Error, Result};

/// All that is needed to subscribe once more.
#[derive(Debug)]
pub struct Reconnector {
    connector: Connector,
    stream: StreamName,
    terms: Terms,
    /// While a broker is sought.
    retry: Option<Retry>,
}

impl Reconnector {
    pub fn new(connector: Connector, stream: StreamName, terms: Terms) -> Self {
        Self { connector, stream, terms, retry: None }
    }

    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Connects to a broker and subscribes.
    pub fn join(&self, deadline: Deadline) -> Result<Attachment> {
        Attachment::new(self.terms.subscribe(&self.connector, &self.stream, deadline)?, &self.terms)
    }

    /// Why the camera is away, where another broker is or will be sought after this end of the one before; `ended` is not known
    /// where only the stream page tells of it.
    pub fn seeks_after<'a>(&'a self, ended: Option<&'a Error>) -> Option<&'a str> {
        if let Some(retry) = &self.retry {
            return Some(retry.last());
        }
        let goes_on = self.terms.reconnect && ended.is_none_or(is_end_of_broker);
        goes_on.then_some("the broker has ended; the next one is waited for")
    }

    /// Whether a broker is sought.
    pub fn is_seeking(&self) -> bool {
        self.retry.is_some()
    }

    /// Begins to seek another broker if that is wanted after such an end, or else fails with it. False if one is sought
    /// already.
    pub fn seek_after(&mut self, ended: &Error) -> Result<bool> {
        if !self.terms.reconnect || !is_end_of_broker(ended) {
            return Err(ended.clone());
        }
        let begins = self.retry.is_none();
        self.retry.get_or_insert_with(|| Retry::new(Instant::now(), ended.to_string()));
        Ok(begins)
    }

    /// Tries to join the next broker if an attempt is due; nothing if that did not come about.
    pub fn rejoin(&mut self, deadline: Deadline) -> Result<Option<Attachment>> {
        if !self.pause().is_zero() {
            return Ok(None);
        }
        match self.join(deadline) {
            Ok(attachment) => {
                self.retry = None;
                Ok(Some(attachment))
            }
            Err(error) if may_pass(&error) => {
                if let Some(retry) = &mut self.retry {
                    retry.failed(Instant::now(), error.to_string());
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Time until the next attempt.
    pub fn pause(&self) -> Duration {
        self.retry.as_ref().map_or(RETRY_LAST, |retry| retry.left(Instant::now()))
    }

    /// What the last attempt ended with.
    pub fn last_failure(&self) -> String {
        self.retry.as_ref().map(|retry| retry.last().to_owned()).unwrap_or_default()
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
