//! Joining a broker, and going on with another one when it has ended.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::StreamName;
use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::ErrorCode;

use super::attachment::Attachment;
use super::attempt::{Aim, Attempt};
use super::poll_descriptor::PollDescriptor;
use super::terms::Terms;
use crate::connect::Connector;
use crate::deadline::Deadline;
use crate::limits::RETRY_LAST;
use crate::retry::Retry;
use crate::{Error, Result};

/// Seeks another broker when the one before has ended.
#[derive(Debug)]
pub struct Reconnector {
    aim: Arc<Aim>,
    /// While a broker is sought.
    retry: Option<Retry>,
    /// While a thread tries to join one.
    attempt: Option<Attempt>,
}

impl Reconnector {
    pub fn new(connector: Connector, stream: StreamName, terms: Terms) -> Self {
        Self { aim: Arc::new(Aim { connector, stream, terms }), retry: None, attempt: None }
    }

    pub fn stream(&self) -> &StreamName {
        &self.aim.stream
    }

    pub fn terms(&self) -> &Terms {
        &self.aim.terms
    }

    /// Connects to a broker and subscribes.
    pub fn join(&self, deadline: Deadline) -> Result<Attachment> {
        self.aim.join(deadline)
    }

    /// Why the camera is away, where another broker is or will be sought after this end of the one before; `ended` is not known
    /// where only the stream page tells of it.
    pub fn seeks_after<'a>(&'a self, ended: Option<&'a Error>) -> Option<&'a str> {
        if let Some(retry) = &self.retry {
            return Some(retry.last());
        }
        let goes_on = self.aim.terms.reconnect && ended.is_none_or(is_end_of_broker);
        goes_on.then_some("the broker has ended; the next one is waited for")
    }

    /// Whether a broker is sought.
    pub fn is_seeking(&self) -> bool {
        self.retry.is_some()
    }

    /// Begins to seek another broker if that is wanted after such an end, or else fails with it. False if one is sought
    /// already.
    pub fn seek_after(&mut self, ended: &Error) -> Result<bool> {
        if !self.aim.terms.reconnect || !is_end_of_broker(ended) {
            return Err(ended.clone());
        }
        let begins = self.retry.is_none();
        self.retry.get_or_insert_with(|| Retry::new(Instant::now(), ended.to_string()));
        Ok(begins)
    }

    /// Tries to join the next broker if an attempt is due; nothing if that did not come about by the deadline.
    pub fn rejoin(&mut self, poll: &PollDescriptor, deadline: Deadline) -> Result<Option<Attachment>> {
        if let Some(attempt) = &self.attempt {
            let Some(joined) = attempt.wait(deadline.left(WAIT_SLICE)) else { return Ok(None) };
            self.forget_attempt(poll);
            return self.took(joined);
        }
        if !self.pause().is_zero() {
            return Ok(None);
        }
        let joined = self.join(deadline);
        self.took(joined)
    }

    /// As [`Self::rejoin`], without waiting: the descriptor becomes readable when an attempt has ended, which a thread makes.
    pub fn try_rejoin(&mut self, poll: &PollDescriptor) -> Result<Option<Attachment>> {
        if let Some(attempt) = &self.attempt {
            let Some(joined) = attempt.result() else { return Ok(None) };
            self.forget_attempt(poll);
            return self.took(joined);
        }
        if !self.pause().is_zero() {
            return Ok(None);
        }
        let started = Attempt::start(Arc::clone(&self.aim)).map_err(|error| error.to_string());
        let watched = started.and_then(|attempt| match poll.add(attempt.as_fd()) {
            Ok(()) => Ok(attempt),
            Err(error) => Err(error.to_string()),
        });
        match watched {
            Ok(attempt) => self.attempt = Some(attempt),
            // What is short now may be there the next time.
            Err(error) => self.failed(format!("no thread can be started to join a broker: {error}")),
        }
        Ok(None)
    }

    /// Whether a thread tries to join a broker.
    pub fn is_trying(&self) -> bool {
        self.attempt.is_some()
    }

    fn forget_attempt(&mut self, poll: &PollDescriptor) {
        if let Some(attempt) = self.attempt.take() {
            poll.remove(attempt.as_fd());
        }
    }

    fn took(&mut self, joined: Result<Attachment>) -> Result<Option<Attachment>> {
        match joined {
            Ok(attachment) => {
                self.retry = None;
                Ok(Some(attachment))
            }
            Err(error) if may_pass(&error) => {
                self.failed(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn failed(&mut self, reason: String) {
        if let Some(retry) = &mut self.retry {
            retry.failed(Instant::now(), reason);
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
