//! Subscriptions: the calls a program makes, and going on with another broker.

mod address;
mod attachment;
mod attempt;
mod builder;
mod by_socket;
mod feed;
mod poll_descriptor;
mod reconnect;
mod shared;
mod status;
mod terms;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::{Delivery, Policy, StreamInfo};
use framebroker_protocol::{BrokerId, Counters, FrameRef, StreamName, StreamState};

pub use self::address::FrameAddress;
pub use self::builder::SubscriptionBuilder;
pub use self::status::SettingsChange;

use self::attachment::Attachment;
use self::poll_descriptor::PollDescriptor;
use self::reconnect::Reconnector;
use self::terms::Terms;
use crate::connect::Connector;
use crate::deadline::Deadline;
use crate::error::{GoneReason, WaitingFor};
use crate::frame::Frame;
use crate::limits::{ADMISSION_TIMEOUT, LOOKS_PER_TRY, REJOIN_TIMEOUT};
use crate::segments::MappedSegment;
use crate::settings_version::SettingsVersion;
use crate::{Error, Result};

/// Frames of one stream, on a connection of its own.
///
/// Dropping it ends the subscription once its last [`Frame`] is dropped too.
///
/// # Waiting in a poll of your own
/// [`AsFd`] gives a descriptor that is readable whenever [`Subscription::try_next`] may have something to say: a frame, or
/// an error. When it is readable, call `try_next` until it gives `None`, which asks the broker to make it readable again;
/// no frame is missed in between. Calling it only once per wake-up is allowed too: the descriptor stays readable. It is
/// readable from the start, and the same for the life of the subscription, over reconnections too. Works with poll, select,
/// epoll (level-triggered) and event loops built on them. Nothing but `try_next` may read from it.
#[derive(Debug)]
pub struct Subscription {
    reconnector: Reconnector,
    attachment: Attachment,
    poll: PollDescriptor,
    /// For [`Policy::Upcoming`]: `try_next` found nothing, so what comes now is upcoming.
    is_expecting: bool,
    reconnects: u64,
    /// Counted at earlier brokers.
    past: Counters,
}

/// Waits for frame after frame: see [`Subscription::frames`].
#[derive(Debug)]
pub struct Frames<'a> {
    subscription: &'a mut Subscription,
    has_failed: bool,
}

impl Subscription {
    pub(crate) fn open(connector: Connector, stream: StreamName, terms: Terms) -> Result<Self> {
        let reconnector = Reconnector::new(connector, stream, terms);
        let attachment = reconnector.join(Deadline::after(Some(ADMISSION_TIMEOUT)))?;
        let poll = PollDescriptor::new()?;
        attachment.descriptors().try_for_each(|fd| poll.add(fd))?;
        let past = Counters::default();
        Ok(Self { reconnector, attachment, poll, is_expecting: false, reconnects: 0, past })
    }

    /// Waits for the next frame of the policy: for at most `timeout`, or with `None` as long as it takes.
    ///
    /// Frames that were published before a stream ended or a broker died are handed out before the error comes.
    ///
    /// # Errors
    /// * [`Error::Timeout`]: no frame came in time; call again.
    /// * [`Error::Full`]: as many frames are held as may be; drop one.
    /// * [`Error::Violation`] about one frame: its header is wrong, or its segment is missing; call again.
    /// * For good: [`Error::Closed`], [`Error::Evicted`], [`Error::BrokerGone`] (not with
    ///   [`SubscriptionBuilder::reconnect`]), [`Error::Refused`], [`Error::Memory`], [`Error::Connection`],
    ///   [`Error::Forked`].
    pub fn next(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Frame> {
        let timeout = timeout.into();
        loop {
            // Nobody stops it, so one turn is all.
            if let Some(frame) = self.next_while(timeout, |_| true)? {
                return Ok(frame);
            }
        }
    }

    /// Waits for the next frame that was exposed with a setting, or with a later one, and passes over those before it:
    /// `next_with(&setting, timeout)`. Takes a [`SettingsChange`] or a version too.
    ///
    /// Where the camera waits for triggers, trigger it after it was set and before this is called. Of a camera that runs freely or
    /// is triggered by hardware up to three frames after a setting are passed over: they may have been exposed before it.
    ///
    /// # Errors
    /// As [`Self::next`]. [`Error::Timeout`] tells how far it came.
    pub fn next_with(
        &mut self,
        setting: impl Into<SettingsVersion>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Frame> {
        let (version, timeout) = (setting.into(), timeout.into());
        loop {
            // Nobody stops it, so one turn is all.
            if let Some(frame) = self.next_with_while(version, timeout, |_| true)? {
                return Ok(frame);
            }
        }
    }

    /// As [`Self::next_with`], for callers that must be able to stop waiting: see [`Self::next_while`].
    ///
    /// # Errors
    /// As [`Self::next_with`].
    pub fn next_with_while(
        &mut self,
        setting: impl Into<SettingsVersion>,
        timeout: impl Into<Option<Duration>>,
        goes_on: impl FnMut(&Self) -> bool,
    ) -> Result<Option<Frame>> {
        let version = setting.into();
        let (mut frames, mut last) = (0, 0);
        let found = self.next_where(timeout.into(), goes_on, |frame| {
            (frames, last) = (frames + 1, frame.settings_version());
            frame.is_exposed_with(version)
        });
        match found {
            Err(Error::Timeout { waited, waiting_for: WaitingFor::Frame }) if frames > 0 => {
                let waiting_for = WaitingFor::Setting { version: version.0, frames, last };
                Err(Error::Timeout { waited, waiting_for })
            }
            found => found,
        }
    }

    /// The next frame that is wanted; those before it are given back.
    pub(crate) fn next_where(
        &mut self,
        timeout: Option<Duration>,
        mut goes_on: impl FnMut(&Self) -> bool,
        mut is_wanted: impl FnMut(&Frame) -> bool,
    ) -> Result<Option<Frame>> {
        let (begun, deadline) = (Instant::now(), Deadline::after(timeout));
        loop {
            let left = timeout.map(|timeout| deadline.left(timeout));
            match self.next_while(left, &mut goes_on) {
                Ok(Some(frame)) if !is_wanted(&frame) => {}
                Err(Error::Timeout { waiting_for, .. }) => {
                    return Err(Error::Timeout { waited: begun.elapsed(), waiting_for });
                }
                found => return found,
            }
        }
    }

    /// Passes over what there is, whatever the policy, for frames published from now on; one of them can be held.
    pub(crate) fn make_ready(&mut self) -> Result<()> {
        self.attachment.check()?;
        self.attachment.look();
        if self.is_over() && !self.rejoin(Deadline::after(Some(REJOIN_TIMEOUT)))? {
            return Err(Error::BrokerGone);
        }
        self.attachment.skip();
        let max_held = self.max_held();
        if self.held() < max_held { Ok(()) } else { Err(Error::Full { max_held }) }
    }

    /// What has not come yet, as [`Error::Timeout`] tells it.
    #[must_use]
    pub fn waiting_for(&self) -> WaitingFor {
        if self.reconnector.is_seeking() {
            return WaitingFor::Broker { last: self.reconnector.last_failure() };
        }
        self.attachment.waiting_for()
    }

    /// As [`Self::next`], for callers that must be able to stop waiting: `goes_on` is asked whenever a signal handler has
    /// run in this thread, and at least every quarter of a second. `None` if it says no.
    ///
    /// Only an attempt to join another broker ([`SubscriptionBuilder::reconnect`]) is waited for to its end.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn next_while(
        &mut self,
        timeout: impl Into<Option<Duration>>,
        mut goes_on: impl FnMut(&Self) -> bool,
    ) -> Result<Option<Frame>> {
        self.attachment.check()?;
        let begun = Instant::now();
        let deadline = Deadline::after(timeout.into());
        self.begin_blocking()?;
        if self.policy() == Policy::Upcoming {
            self.attachment.skip();
        }
        loop {
            if !self.reconnector.is_seeking()
                && let Some(frame) = self.attachment.take()?
            {
                return Ok(Some(frame));
            }
            if self.is_over() {
                if self.rejoin_once(deadline, begun)? {
                    continue;
                }
            } else if deadline.is_over() {
                return Err(Error::Timeout { waited: begun.elapsed(), waiting_for: self.attachment.waiting_for() });
            } else {
                self.attachment.wait(deadline.left(Duration::MAX));
            }
            if !goes_on(self) {
                return Ok(None);
            }
        }
    }

    /// The next frame of the policy if there is one now, `None` if not. After `None`, the descriptor becomes readable with
    /// the next news: see [the type](Subscription#waiting-in-a-poll-of-your-own).
    ///
    /// Never waits: with [`SubscriptionBuilder::reconnect`], while the broker is gone, a thread tries to join the next one. With
    /// [`Policy::Upcoming`] a frame counts as upcoming if it was published
    /// after a call that gave `None`.
    ///
    /// # Errors
    /// As [`Self::next`], but for [`Error::Timeout`].
    pub fn try_next(&mut self) -> Result<Option<Frame>> {
        self.attachment.check()?;
        if self.policy() == Policy::Upcoming && !self.is_expecting {
            self.attachment.skip();
        }
        for _ in 0..LOOKS_PER_TRY {
            if !self.reconnector.is_seeking()
                && let Some(frame) = self.attachment.take()?
            {
                self.is_expecting = false;
                return Ok(Some(frame));
            }
            if self.is_over() {
                if !self.try_rejoin()? {
                    return Ok(None);
                }
            } else if self.attachment.ask() {
                self.poll.lower()?;
                self.is_expecting = true;
                return Ok(None);
            }
        }
        // The broker has news without end and no frame among them. The caller comes again at once, and may do other things before.
        self.poll.raise()?;
        self.is_expecting = true;
        Ok(None)
    }

    /// An iterator that waits for frame after frame. It ends when the stream does; an error is its last item.
    ///
    /// A `for` loop over it needs a `max_held` of one more than it keeps.
    pub fn frames(&mut self) -> Frames<'_> {
        Frames { subscription: self, has_failed: false }
    }

    /// Holds one certain frame, whatever the policy: by its [address](Frame::reference), `acquire(&reference)`. Neither the order
    /// of other frames nor the counters change. Waits for the broker where it must: for a socket delivery always, else only if
    /// the frame's segment is new.
    ///
    /// A [`ContextId`](framebroker_protocol::ContextId) alone does too, but **nobody can check** that it is of this stream and this run of the broker: if it is
    /// not, it may name another frame here.
    ///
    /// With a socket delivery, frames that have come but were not taken may have to give way; they count as lost or
    /// skipped.
    ///
    /// # Errors
    /// [`Error::Gone`] if it was retired, never existed, or is of another run of the broker; [`Error::OtherStream`];
    /// [`Error::Full`] at `max_held`; else as [`Self::next`].
    pub fn acquire<'a>(&mut self, frame: impl Into<FrameAddress<'a>>) -> Result<Frame> {
        self.attachment.check()?;
        self.begin_blocking()?;
        let context = match frame.into() {
            FrameAddress::Context(context) => context,
            FrameAddress::Ref(frame) => {
                self.check_address(frame)?;
                frame.context
            }
        };
        self.attachment.acquire(context)
    }

    /// Whether a frame is of this stream, and of the broker it comes from. If the broker has ended, the next one is joined first.
    fn check_address(&mut self, frame: &FrameRef) -> Result<()> {
        let stream = self.reconnector.stream();
        if frame.stream != *stream {
            return Err(Error::OtherStream { frame: frame.clone(), stream: stream.clone() });
        }
        if frame.broker == self.broker_id() {
            return Ok(());
        }
        let begun = Instant::now();
        self.attachment.look();
        if self.is_over() && !self.rejoin(Deadline::after(Some(REJOIN_TIMEOUT)))? {
            let waiting_for = WaitingFor::Broker { last: self.reconnector.last_failure() };
            return Err(Error::Timeout { waited: begun.elapsed(), waiting_for });
        }
        let (of, at) = (frame.broker, self.broker_id());
        if of == at {
            return Ok(());
        }
        Err(Error::Gone { context: frame.context, reason: GoneReason::OtherBroker { of, at } })
    }

    /// Whether no more frames come from the broker it is at.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_over()
    }

    /// Frames received, lost (retired before they were taken) and skipped (passed over by policy). Since the first frame
    /// the subscription could have got their sum is the number of frames published up to the one taken last. Reconnections
    /// go on counting. Zero in a forked child.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let now = self.attachment.counters();
        Counters {
            received: self.past.received + now.received,
            lost: self.past.lost + now.lost,
            skipped: self.past.skipped + now.skipped,
        }
    }

    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        self.reconnector.stream()
    }

    /// The stream as it was when the subscription began, or when it went on at another broker. Every frame has its own
    /// geometry.
    #[must_use]
    pub fn stream_info(&self) -> &StreamInfo {
        self.attachment.info()
    }

    /// Whether frames can come now: live, offline (the camera is away, or the next broker is waited for) or closed (they never
    /// will).
    #[must_use]
    pub fn state(&self) -> StreamState {
        match self.attachment.state() {
            StreamState::Closed if self.sought().is_some() => StreamState::Offline,
            state => state,
        }
    }

    /// Why another broker is waited for, if so.
    fn sought(&self) -> Option<&str> {
        let is_closed = self.attachment.state() == StreamState::Closed;
        is_closed.then(|| self.reconnector.seeks_after(self.attachment.status().ended()))?
    }

    /// Whether the camera is away.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.state() == StreamState::Offline
    }

    /// Why the camera is away, as far as the broker has told, or why the next broker is waited for. News are heard by [`Self::next`] and [`Self::try_next`].
    #[must_use]
    pub fn offline_reason(&self) -> Option<&str> {
        self.sought().or(self.attachment.status().offline.as_deref())
    }

    /// What somebody has changed in the camera's settings: the oldest news not asked for yet. They are heard by [`Self::next`]
    /// and [`Self::try_next`], at least five times a second; the newest 64 are kept.
    ///
    /// Frames need no such news: each has its own geometry and [settings version](Frame::settings_version).
    pub fn next_change(&mut self) -> Option<SettingsChange> {
        self.attachment.next_change()
    }

    /// Whether the broker no longer waits for this lossless subscription: from then on it may lose frames.
    #[must_use]
    pub fn is_demoted(&self) -> bool {
        self.demotion_reason().is_some()
    }

    /// Why the broker no longer waits for this lossless subscription.
    #[must_use]
    pub fn demotion_reason(&self) -> Option<&str> {
        self.attachment.status().demoted.as_deref()
    }

    /// The policy in force: `Sequential` after a demotion from `Lossless`.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.attachment.policy()
    }

    /// By which way frames come.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.reconnector.terms().delivery
    }

    /// Frames that may be held at once.
    #[must_use]
    pub fn max_held(&self) -> u32 {
        self.attachment.max_held()
    }

    /// Frames that are held now.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.attachment.held()
    }

    /// The segments that are mapped, by index. A mapping keeps its address while it lives: while it is listed here, and
    /// while a frame in it is held.
    #[must_use]
    pub fn mappings(&self) -> Vec<MappedSegment> {
        self.attachment.mappings()
    }

    /// How often the subscription went on at another broker. Sequences and context IDs begin anew with each: a frame's
    /// [address](Frame::reference) names it nevertheless.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Which run of a broker the frames come from.
    #[must_use]
    pub fn broker_id(&self) -> BrokerId {
        self.attachment.broker()
    }

    fn is_over(&self) -> bool {
        self.attachment.status().ended().is_some()
    }

    /// Joins the next broker if one is there, and else waits for a while; fails at the deadline. The subscription has ended.
    fn rejoin_once(&mut self, deadline: Deadline, begun: Instant) -> Result<bool> {
        if self.rejoin(deadline)? {
            return Ok(true);
        }
        if deadline.is_over() {
            let waiting_for = WaitingFor::Broker { last: self.reconnector.last_failure() };
            return Err(Error::Timeout { waited: begun.elapsed(), waiting_for });
        }
        std::thread::sleep(deadline.left(self.reconnector.pause()).min(WAIT_SLICE));
        Ok(false)
    }

    /// Tries to join the next broker if that is wanted and an attempt is due; false if that did not come about. The
    /// descriptor becomes readable when the next attempt is due.
    fn rejoin(&mut self, deadline: Deadline) -> Result<bool> {
        if !self.seeks()? {
            return Ok(true);
        }
        let joined = self.reconnector.rejoin(&self.poll, deadline);
        self.take_up(joined)
    }

    /// As [`Self::rejoin`], without waiting.
    fn try_rejoin(&mut self) -> Result<bool> {
        if !self.seeks()? {
            return Ok(true);
        }
        let joined = self.reconnector.try_rejoin(&self.poll);
        self.take_up(joined)
    }

    /// Whether another broker is sought; fails with the end of the one before where none is.
    fn seeks(&mut self) -> Result<bool> {
        let Some(ended) = self.attachment.status().ended() else { return Ok(false) };
        if self.reconnector.seek_after(ended)? {
            // What has hung up would be readable for ever.
            self.attachment.descriptors().for_each(|fd| self.poll.remove(fd));
        }
        Ok(true)
    }

    fn take_up(&mut self, joined: Result<Option<Attachment>>) -> Result<bool> {
        match joined {
            Ok(Some(attachment)) => self.go_on_with(attachment).map(|()| true),
            Ok(None) if self.reconnector.is_trying() => self.poll.lower().map(|()| false),
            Ok(None) => self.poll.raise_in(self.reconnector.pause()).map(|()| false),
            Err(error) => {
                self.attachment.replace_end(error.clone());
                Err(error)
            }
        }
    }

    fn go_on_with(&mut self, attachment: Attachment) -> Result<()> {
        attachment.descriptors().try_for_each(|fd| self.poll.add(fd))?;
        self.past = self.counters();
        self.attachment = attachment;
        self.reconnects += 1;
        // Nobody has asked the new broker for anything yet.
        self.poll.lower()?;
        self.poll.raise()
    }

    /// The caller waits here, or for an answer, not in a poll of its own: the broker need not send bytes for that. If the
    /// caller polls next, the descriptor is readable.
    fn begin_blocking(&mut self) -> Result<()> {
        self.poll.raise()?;
        self.attachment.unask();
        Ok(())
    }
}

impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.as_fd()
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        match self.subscription.next(None) {
            Err(Error::Closed { .. }) => {
                self.has_failed = true;
                None
            }
            result => {
                self.has_failed = result.is_err();
                Some(result)
            }
        }
    }
}
