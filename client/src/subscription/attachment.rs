//! A subscription at one broker: its connection, its segments, what the broker has told, and the frames on their way.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::{Ask, Delivery, ErrorCode, Policy, StreamInfo, Tell};
use framebroker_protocol::socket::Buffer;
use framebroker_protocol::{BrokerId, ContextId, Counters, StreamState, monotonic_ns, stop_point};

use super::by_socket::{BySocket, claimed};
use super::feed::Feed;
use super::shared::Shared;
use super::status::{SettingsChange, Status};
use super::terms::{Granted, Terms};
use crate::connect::refused;
use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::error::{GoneReason, Violation, WaitingFor};
use crate::frame::{Claimed, Frame};
use crate::limits::{ANSWER_TIMEOUT, LOOK_INTERVAL_NS, MAPPING_TIMEOUT, MESSAGES_PER_LOOK, REASON_TIMEOUT};
use crate::link::Incoming;
use crate::segments::{MappedSegment, Segments};
use crate::{Error, Result};

/// How often room is made for a frame that is acquired by socket: the broker may fill it at once with the next frame.
const ROOM_ATTEMPTS: usize = 8;

/// A subscription at one broker. No method may be called in a forked child, but for those that say so.
#[derive(Debug)]
pub struct Attachment {
    connection: Arc<Connection>,
    info: StreamInfo,
    max_held: u32,
    segments: Segments,
    status: Status,
    feed: Feed,
    buffer: Buffer,
    last_request: u32,
    /// The answer to the last request, once it has come.
    answer: Option<Tell>,
    /// A frame whose segment is not mapped yet, and since when it waits for that.
    unmapped: Option<(Claimed, Instant)>,
    /// The broker's news are looked for with the first frame that is published from here on.
    next_look_ns: u64,
}

impl Attachment {
    /// Maps what was granted.
    pub fn new(granted: Granted, terms: &Terms) -> Result<Self> {
        let Granted { session, info, subscribed, fds } = granted;
        let last_request = session.last_request();
        let max_held = subscribed.max_held;
        let mut fds = fds.into_iter();
        let (pages, feed) = match terms.delivery {
            Delivery::Shared => {
                let shared = Shared::map(&subscribed, &mut fds, terms.wait_mode)?;
                (Some(Arc::clone(shared.pages())), Feed::Shared(shared))
            }
            Delivery::Socket => (None, Feed::BySocket(BySocket::new(subscribed.policy, subscribed.first, max_held))),
        };
        let mut segments = Segments::default();
        segments.add(&subscribed.segments, fds)?;
        stop_point("attach.mapped");
        session.link.post(0, Ask::Mapped)?;
        stop_point("attach.acknowledged");
        Ok(Self {
            connection: Arc::new(Connection::new(
                session.link,
                session.broker,
                info.name.clone(),
                subscribed.subscription,
                pages,
            )),
            info,
            max_held,
            segments,
            status: Status::default(),
            feed,
            buffer: session.buffer,
            last_request,
            answer: None,
            unmapped: None,
            next_look_ns: 0,
        })
    }

    /// An error in a forked child.
    pub fn check(&self) -> Result<()> {
        self.connection.check()
    }

    /// Which run of a broker it is at. Also in a forked child.
    pub fn broker(&self) -> BrokerId {
        self.connection.broker
    }

    /// The stream as it was when the subscription began. Also in a forked child.
    pub fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// Frames the caller may hold. Also in a forked child.
    pub fn max_held(&self) -> u32 {
        self.max_held
    }

    /// What the broker has told. Also in a forked child.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The oldest change of settings that was not asked for yet. Also in a forked child.
    pub fn next_change(&mut self) -> Option<SettingsChange> {
        self.status.changes.pop_front()
    }

    /// Another reason counts for the end: no other broker could be joined.
    pub fn replace_end(&mut self, reason: Error) {
        self.status.replace_end(reason);
    }

    /// What is mapped where. Also in a forked child.
    pub fn mappings(&self) -> Vec<MappedSegment> {
        self.segments.list()
    }

    /// Frames the caller holds. Also in a forked child.
    pub fn held(&self) -> u32 {
        let waiting = self.feed.waiting() + usize::from(self.unmapped.is_some());
        self.connection.holds().saturating_sub(u32::try_from(waiting).unwrap_or(u32::MAX))
    }

    /// Which policy is in force. Also in a forked child.
    pub fn policy(&self) -> Policy {
        self.feed.policy()
    }

    /// What became of the sequences; nothing in a forked child.
    pub fn counters(&self) -> Counters {
        if self.connection.is_ours() { self.feed.counters() } else { Counters::default() }
    }

    /// Whether frames can come. Also in a forked child.
    pub fn state(&self) -> StreamState {
        match self.feed.ring() {
            _ if self.status.ended().is_some() => StreamState::Closed,
            Some(ring) => ring.page().state(),
            None if self.status.offline.is_some() => StreamState::Offline,
            None => StreamState::Live,
        }
    }

    /// What a caller waits for in vain. Also in a forked child.
    pub fn waiting_for(&self) -> WaitingFor {
        if self.state() == StreamState::Offline {
            WaitingFor::Source { reason: self.status.offline.clone().unwrap_or_default() }
        } else {
            WaitingFor::Frame
        }
    }

    /// The descriptors on which the broker's news come.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.feed.ring().map(Shared::notify_fd).into_iter().chain([self.connection.link.as_fd()])
    }

    /// Sleeps until there may be a frame or news, at most `longest`.
    pub fn wait(&mut self, longest: Duration) {
        match self.feed.ring_mut() {
            Some(ring) if self.unmapped.is_none() && ring.over_since().is_none() => ring.wait(longest),
            _ => {
                if let Err(error) = self.connection.link.wait(longest.min(WAIT_SLICE)) {
                    self.status.end(error);
                }
                self.look();
            }
        }
    }

    /// Has the broker make a descriptor readable at the next news. False if there is news already.
    pub fn ask(&mut self) -> bool {
        // A frame that waits for its segment to be mapped waits for the connection, whatever the ring brings.
        let is_quiet = self.unmapped.is_some() || self.feed.ring_mut().is_none_or(Shared::ask);
        !self.look() && is_quiet
    }

    /// Descriptors need not become readable any more.
    pub fn unask(&mut self) {
        if let Some(ring) = self.feed.ring_mut() {
            ring.unask();
        }
    }

    /// Passes over what there is: only frames published from now on are wanted.
    pub fn skip(&mut self) {
        self.unmapped = None;
        if self.feed.ring().is_none() {
            self.look();
        }
        self.feed.skip();
    }

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
        if let Some(ring) = self.feed.ring() {
            self.segments.forget_outdated(ring.page());
        }
        heard || (!had_ended && self.status.ended().is_some())
    }

    fn hear(&mut self, message: Incoming) -> Result<()> {
        let Incoming { request, body, fds } = message;
        if body.subscription().is_some_and(|named| named != self.connection.subscription) {
            return Err(Violation::Unexpected("news of another subscription").into());
        }
        if let Tell::SegmentsAdded { segments, .. } = body {
            stop_point("growth.received");
            let mapped = self.segments.add(&segments, fds.into_iter());
            stop_point("growth.mapped");
            // Answered in any case: until then the broker sends no others.
            self.connection.link.post(0, Ask::Mapped)?;
            stop_point("growth.acknowledged");
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
                stop_point("shrink.unmapped");
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

    /// The next frame, if there is one that can be read now.
    pub fn take(&mut self) -> Result<Option<Frame>> {
        loop {
            let (claimed, since) = match self.unmapped.take() {
                Some((claimed, since)) => (claimed, Some(since)),
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
        let claimed = match (self.feed.take(&self.connection, held), &self.feed, self.status.ended()) {
            // Giving frames back is of no use: the broker sends no others.
            (Err(Error::Full { .. }), Feed::BySocket(_), Some(ended)) => return Err(ended.clone()),
            (claimed, ..) => claimed?,
        };
        if claimed.is_none()
            && let Some(since) = self.feed.ring().and_then(Shared::over_since)
        {
            self.look_for_reason(since);
        }
        Ok(claimed)
    }

    /// The pages say that it is over; the connection says why, or is closed.
    fn look_for_reason(&mut self, since: Instant) {
        self.look();
        if since.elapsed() >= REASON_TIMEOUT {
            let reason = "the broker does not say why".to_owned();
            let is_revoked = self.feed.ring().is_some_and(Shared::is_revoked);
            self.status.end(if is_revoked { Error::Evicted { reason } } else { Error::Closed { reason } });
        }
    }

    /// Makes a frame of what was claimed; keeps it for later while its segment's descriptor is on the way.
    fn finish(&mut self, claimed: Claimed, since: Option<Instant>) -> Result<Option<Frame>> {
        let (context, backing) = (claimed.context, claimed.backing);
        if self.segments.find(context.segment(), backing)?.is_none() {
            self.look();
        }
        if let Some(segment) = self.segments.find(context.segment(), backing)? {
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
        self.unmapped = Some((claimed, since));
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
            if let Some(segment) = self.segments.find(context.segment(), claimed.backing)? {
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
        let full = Error::Full { max_held: self.max_held };
        for _ in 0..ROOM_ATTEMPTS {
            self.look();
            let held = self.held();
            if held >= self.max_held {
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
        let frame = self.connection.reference(context);
        self.number_request();
        self.connection.link.post(self.last_request, Ask::Acquire { subscription, frame })?;
        loop {
            let heard = self.look();
            match self.answer.take() {
                Some(Tell::Acquired { backing, header }) => return Ok(claimed(&self.connection, backing, header)?),
                Some(Tell::Error { code: ErrorCode::Gone, .. }) => {
                    return Err(Error::Gone { context, reason: GoneReason::Retired });
                }
                Some(Tell::Error { code: ErrorCode::Full, .. }) => {
                    return Err(Error::Full { max_held: self.max_held });
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

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Some(ring) = self.feed.ring_mut()
            && self.connection.is_ours()
        {
            // Frames that are still held keep the subscription alive: nobody must wake it or wait for it meanwhile.
            ring.leave();
            stop_point("leave.told");
        }
    }
}
