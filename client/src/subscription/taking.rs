//! From the ring, or from the broker's messages, to a frame.

use std::time::{Duration, Instant};

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::{Ask, ErrorCode, Policy, Tell};
use framebroker_protocol::{ContextId, monotonic_ns};

use super::attachment::{Attachment, Feed};
use super::by_socket::claimed;
use crate::connect::refused;
use crate::deadline::Deadline;
use crate::error::{Violation, WaitingFor};
use crate::frame::{Claimed, Frame};
use crate::limits::{ANSWER_TIMEOUT, MAPPING_TIMEOUT, REASON_TIMEOUT};
use crate::{Error, Result};

/// How often room is made for a frame that is acquired by socket: the broker may fill it at once with the next frame.
const ROOM_ATTEMPTS: usize = 8;

impl Attachment {
    /// The next frame, if there is one that can be read now.
    pub fn take(&mut self) -> Result<Option<Frame>> {
        loop {
            let (claimed, since) = match self.unmapped.take() {
                Some(waiting) => waiting,
                None => match self.claim()? {
                    Some(claimed) => (claimed, None),
                    None if monotonic_ns() < self.next_look_ns => return Ok(None),
                    None => {
                        self.look();
                        continue;
                    }
                },
            };
            let frame = self.finish(claimed, since)?;
            // By the frames' own clock: reading another would cost each of them.
            if frame.as_ref().is_some_and(|frame| frame.monotonic_ns() >= self.next_look_ns) {
                self.look();
            }
            if frame.is_some() || self.unmapped.is_some() {
                return Ok(frame);
            }
        }
    }

    fn claim(&mut self) -> Result<Option<Claimed>> {
        // What waits in the queue may be old: the newest may still be in the socket.
        if let Feed::BySocket(feed) = &self.feed
            && (feed.waiting() == 0 || feed.policy() == Policy::Latest)
        {
            self.look();
        }
        let held = self.held();
        match &mut self.feed {
            Feed::BySocket(feed) => match (feed.take(held), self.status.ended()) {
                // Giving frames back is of no use to a subscription that has ended.
                (Err(Error::Full { .. }), Some(ended)) => Err(ended.clone()),
                (taken, _) => taken,
            },
            Feed::Shared(feed) => {
                let claimed = feed.take(&self.connection)?;
                if claimed.is_none()
                    && let Some(since) = feed.over_since()
                {
                    self.look_for_reason(since);
                }
                Ok(claimed)
            }
        }
    }

    /// The pages say that it is over; the connection says why, or is closed.
    fn look_for_reason(&mut self, since: Instant) {
        self.look();
        if since.elapsed() >= REASON_TIMEOUT {
            let reason = "the broker does not say why".to_owned();
            let is_revoked = matches!(&self.feed, Feed::Shared(feed) if feed.reader().pages().consumer.is_revoked());
            self.status.end(if is_revoked { Error::Evicted { reason } } else { Error::Closed { reason } });
        }
    }

    /// Makes a frame of what was claimed; keeps it for later while its segment's descriptor is on the way.
    fn finish(&mut self, claimed: Claimed, since: Option<Instant>) -> Result<Option<Frame>> {
        let (context, backing) = (claimed.context, claimed.backing);
        if self.segments.find(context.segment(), backing).is_none() {
            self.look();
        }
        if let Some(segment) = self.segments.find(context.segment(), backing) {
            return Ok(Some(Frame::new(claimed, segment)?));
        }
        if self.status.ended().is_some() {
            // Its descriptor will never come; frames in other segments may still be there.
            return Ok(None);
        }
        let since = since.unwrap_or_else(Instant::now);
        if since.elapsed() >= MAPPING_TIMEOUT {
            return Err(Violation::Unmapped { context }.into());
        }
        self.unmapped = Some((claimed, Some(since)));
        Ok(None)
    }

    /// Holds one certain frame.
    pub fn acquire(&mut self, context: ContextId) -> Result<Frame> {
        let claimed = match &mut self.feed {
            Feed::Shared(feed) => feed.acquire(&self.connection, context)?,
            Feed::BySocket(_) => self.acquire_by_socket(context)?,
        };
        let deadline = Deadline::after(Some(MAPPING_TIMEOUT));
        loop {
            if let Some(segment) = self.segments.find(context.segment(), claimed.backing) {
                return Ok(Frame::new(claimed, segment)?);
            }
            if let Some(error) = self.status.ended() {
                return Err(error.clone());
            }
            if deadline.is_over() {
                return Err(Violation::Unmapped { context }.into());
            }
            if !self.look() {
                self.connection.link.wait(deadline.left(WAIT_SLICE))?;
            }
        }
    }

    fn acquire_by_socket(&mut self, context: ContextId) -> Result<Claimed> {
        let full = Error::Full { max_held: self.max_held() };
        for _ in 0..ROOM_ATTEMPTS {
            self.look();
            let held = self.held();
            if held >= self.max_held() {
                return Err(self.status.ended().cloned().unwrap_or(full));
            }
            let Feed::BySocket(feed) = &mut self.feed else { break };
            if let Some(claimed) = feed.take_context(context) {
                return Ok(claimed);
            }
            // Frames that nobody has taken fill the broker's account: the oldest gives way.
            feed.make_room(held);
            match self.ask_for(context) {
                Err(Error::Full { .. }) => {}
                result => return result,
            }
        }
        Err(full)
    }

    /// Asks the broker for a frame.
    fn ask_for(&mut self, context: ContextId) -> Result<Claimed> {
        let begun = Instant::now();
        let deadline = Deadline::after(Some(ANSWER_TIMEOUT));
        let subscription = self.connection.subscription;
        self.number_request();
        self.connection.link.post(self.last_request, Ask::Acquire { subscription, context })?;
        loop {
            let heard = self.look();
            match self.answer.take() {
                Some(Tell::Acquired { backing, header }) => return Ok(claimed(&self.connection, backing, header)?),
                Some(Tell::Error { code: ErrorCode::Gone, .. }) => return Err(Error::Gone { context }),
                Some(Tell::Error { code: ErrorCode::Full, .. }) => {
                    return Err(Error::Full { max_held: self.max_held() });
                }
                Some(Tell::Error { code, text }) => return Err(refused(code, text.as_str())),
                Some(_) => return Err(Violation::Unexpected("no Acquired").into()),
                None => {}
            }
            if let Some(error) = self.status.ended() {
                return Err(error.clone());
            }
            if deadline.is_over() {
                // From here on the answer is late: the frame it may bring is given back.
                self.number_request();
                return Err(Error::Timeout { waited: begun.elapsed(), waiting_for: WaitingFor::Answer("Acquire") });
            }
            if !heard {
                self.connection.link.wait(deadline.left(Duration::from_secs(1)))?;
            }
        }
    }

    fn number_request(&mut self) {
        self.last_request = self.last_request.wrapping_add(1).max(1);
        self.answer = None;
    }
}
