//! Sole control of a camera's settings.

use std::sync::Weak;

use framebroker_protocol::message::{Ask, Tell};
use framebroker_protocol::{BrokerId, ClientId, StreamName};

use crate::Result;
use crate::connect::Session;
use crate::deadline::Deadline;
use crate::error::Violation;
use crate::questions::{At, Questions};

/// Sole control of a stream's settings: others can read them, and are told who has it when they set one. Given back when this is
/// dropped, which waits for the broker's answer. Made by [`Broker::take_control`](crate::Broker::take_control).
#[derive(Debug)]
#[must_use = "sole control is given back when this is dropped"]
pub struct SoleControl {
    questions: Weak<Questions>,
    stream: StreamName,
    /// Whose it is: that session of that broker.
    owner: (BrokerId, ClientId),
    is_kept: bool,
}

impl SoleControl {
    pub(crate) fn new(questions: Weak<Questions>, stream: StreamName, at: &At) -> Self {
        Self { questions, stream, owner: (at.broker, at.client), is_kept: false }
    }

    /// Whose settings.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Keeps it until [`Self::give`], [`Broker::give_control`](crate::Broker::give_control) or the end of the connection, whatever
    /// becomes of this.
    pub fn kept(mut self) -> Self {
        self.is_kept = true;
        self
    }

    /// Gives it back. Does nothing where the connection has ended on which it was taken: it ended with that.
    ///
    /// # Errors
    /// As [`Broker::streams`](crate::Broker::streams).
    pub fn give(&self) -> Result<()> {
        let Some(questions) = self.questions.upgrade() else { return Ok(()) };
        questions.ask(|session, deadline| {
            if (session.broker, session.client) == self.owner {
                ask_control(session, deadline, &self.stream, false)
            } else {
                Ok(())
            }
        })
    }
}

impl Drop for SoleControl {
    fn drop(&mut self) {
        if !self.is_kept {
            // Where nobody can be asked any more it has ended with the connection.
            let _ended_already = self.give();
        }
    }
}

/// Takes sole control, or gives it back.
pub fn ask_control(session: &mut Session, deadline: Deadline, stream: &StreamName, sole: bool) -> Result<()> {
    let ask = Ask::Control { stream: stream.clone(), sole };
    match session.ask("Control", ask, deadline)?.body {
        Tell::Control { sole: now } if now == sole => Ok(()),
        _ => Err(Violation::Unexpected("no Control as asked for").into()),
    }
}
