//! The connection to a broker for questions, and the way to subscriptions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::message::{Ask, Delivery, ErrorCode, Policy, Roles, StatsEntries, StatsOf, StreamInfo, Tell};
use framebroker_protocol::stats::{ClientStats, SegmentStats, StreamStats};
use framebroker_protocol::{BrokerId, ClientId, ClientName, DEFAULT_MAX_HELD, FrameRef, StreamId, StreamName};

use crate::connect::{Connector, Session, paged};
use crate::deadline::Deadline;
use crate::error::Violation;
use crate::kept::Kept;
use crate::producer::ProducerBuilder;
use crate::questions::{At, Questions};
use crate::sole_control::SoleControl;
use crate::subscription::{Subscription, SubscriptionBuilder};
use crate::{Error, Frame, Result};

/// A connection to a broker, for questions. May be used by several threads; they take turns.
///
/// When the broker has ended, the next question goes to the one that is there then: [`Self::id`] tells which. What belonged to the
/// connection, as sole control of a camera, is gone with the broker that gave it.
///
/// Subscriptions have connections of their own: they go on when this is dropped.
#[derive(Debug)]
pub struct Broker {
    questions: Arc<Questions>,
    max_acquired: u32,
    /// By which frames are acquired.
    acquiring: Kept,
    /// By which the frames of triggers come.
    triggering: Kept,
}

/// How to connect to a broker.
#[derive(Debug, Clone)]
pub struct BrokerBuilder {
    connector: Connector,
    wait: Option<Duration>,
    max_acquired: u32,
}

impl Default for BrokerBuilder {
    fn default() -> Self {
        Self { connector: Connector::default(), wait: Some(Duration::ZERO), max_acquired: DEFAULT_MAX_HELD }
    }
}

impl BrokerBuilder {
    /// The broker's socket. Without it: the variable `FRAMEBROKER_SOCKET`, else the first of
    /// `$XDG_RUNTIME_DIR/framebroker.sock`, `/run/framebroker/broker.sock` and `/tmp/framebroker-$UID/broker.sock` on which
    /// a broker answers.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.connector.socket = Some(path.into());
        self
    }

    /// What this client is called in statistics and logs; cut to 63 bytes. Default: the program's name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.connector.name = ClientName::cut(name);
        self
    }

    /// Trusts a broker that runs as this user, beside one's own user and root. May be given more than once.
    ///
    /// Whom you trust here can change frames while you read them.
    #[must_use]
    pub fn server_uid(mut self, uid: u32) -> Self {
        self.connector.server_uids.push(uid);
        self
    }

    /// Whether this connection may change camera settings; the broker must allow it. Default: it only reads. Subscriptions
    /// never need it.
    #[must_use]
    pub fn control(mut self, wanted: bool) -> Self {
        self.connector.roles = if wanted { Roles::CONSUMER.with(Roles::CONTROL) } else { Roles::CONSUMER };
        self
    }

    /// How long [`Self::connect`] waits for a broker that is not there yet; `None`: as long as it takes. Default: not at all.
    #[must_use]
    pub fn wait(mut self, longest: impl Into<Option<Duration>>) -> Self {
        self.wait = longest.into();
        self
    }

    /// How long connecting to a broker that is there, and every answer, may take. Default: 5 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.connector.timeout = timeout;
        self
    }

    /// Frames of one stream that [`Broker::acquire`] may hold at once, 1 to 64. Default: 2. Each costs the broker a segment.
    #[must_use]
    pub fn max_acquired(mut self, frames: u32) -> Self {
        self.max_acquired = frames;
        self
    }

    /// Connects and says hello.
    ///
    /// # Errors
    /// [`Error::NoBroker`] with every path tried and what came of it.
    pub fn connect(self) -> Result<Broker> {
        loop {
            // Nobody stops it, so one turn is all.
            if let Some(broker) = self.clone().connect_while(|| true)? {
                return Ok(broker);
            }
        }
    }

    /// As [`Self::connect`], for callers that must be able to stop waiting: `goes_on` is asked at least every quarter of a second
    /// while no broker is there. `None` if it says no.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_while(self, goes_on: impl FnMut() -> bool) -> Result<Option<Broker>> {
        let questions = Questions::connect(self.connector, self.wait, goes_on)?;
        Ok(questions.map(|questions| Broker {
            questions: Arc::new(questions),
            max_acquired: self.max_acquired,
            acquiring: Kept::default(),
            triggering: Kept::default(),
        }))
    }
}

impl Broker {
    /// Connects to the broker of this user or this machine.
    ///
    /// # Errors
    /// [`Error::NoBroker`] with every path tried and what came of it.
    pub fn connect() -> Result<Self> {
        Self::builder().connect()
    }

    /// Connects with options.
    #[must_use]
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// Which run of a broker this is: a broker started anew has another.
    #[must_use]
    pub fn id(&self) -> BrokerId {
        self.questions.at().broker
    }

    /// Names this connection in [`Self::clients`].
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.questions.at().client
    }

    /// The socket on which the broker answered.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.questions.at().socket
    }

    /// The broker's process, as the kernel tells it; 0 where it is in a PID namespace that cannot be seen from here.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.questions.at().pid
    }

    /// All streams, as they are now.
    ///
    /// # Errors
    /// [`Error::NoBroker`]: the broker has ended, and there is no other yet; [`Error::BrokerGone`]: it ended while it was asked;
    /// [`Error::Timeout`], [`Error::Forked`], [`Error::Violation`].
    pub fn streams(&self) -> Result<Vec<StreamInfo>> {
        self.with_session(Session::list_streams)
    }

    /// Figures of all streams, as they are now.
    ///
    /// # Errors
    /// As [`Self::streams`].
    pub fn stats(&self) -> Result<Vec<StreamStats>> {
        self.entries(StatsOf::Streams, |entries| match entries {
            StatsEntries::Streams(entries) => Some(entries),
            _ => None,
        })
    }

    /// Figures of a stream's segments. Empty for a stream that does not exist.
    ///
    /// # Errors
    /// As [`Self::streams`].
    pub fn segments(&self, stream: StreamId) -> Result<Vec<SegmentStats>> {
        self.entries(StatsOf::Segments(stream), |entries| match entries {
            StatsEntries::Segments(entries) => Some(entries),
            _ => None,
        })
    }

    /// Figures of all sessions, this one among them.
    ///
    /// # Errors
    /// As [`Self::streams`].
    pub fn clients(&self) -> Result<Vec<ClientStats>> {
        self.entries(StatsOf::Clients, |entries| match entries {
            StatsEntries::Clients(entries) => Some(entries),
            _ => None,
        })
    }

    /// Asks whether the broker is still there; tells how long the answer took.
    ///
    /// # Errors
    /// As [`Self::streams`].
    pub fn ping(&self) -> Result<Duration> {
        self.with_session(|session, deadline| {
            let begun = Instant::now();
            match session.ask("Ping", Ask::Ping, deadline)?.body {
                Tell::Pong => Ok(begun.elapsed()),
                _ => Err(Violation::Unexpected("no Pong").into()),
            }
        })
    }

    /// Prepares a subscription to a stream, by its name (`cam0`), on a connection of its own.
    pub fn subscribe(&self, stream: &str) -> SubscriptionBuilder {
        SubscriptionBuilder::new(Connector { roles: Roles::CONSUMER, ..self.questions.connector().clone() }, stream)
    }

    /// Prepares to fill the segments of a stream, by its name (`cam0`), on a connection of its own. The broker of that stream
    /// was started with `--source producer`.
    pub fn produce(&self, stream: &str) -> ProducerBuilder {
        ProducerBuilder::new(self.questions.connector().clone(), stream)
    }

    /// Holds the frame of an [address](Frame::reference), from whatever thread or process that comes. Subscribes to its stream
    /// when a frame of it is first asked for, on a connection of its own, which is kept until this object is dropped; then and
    /// where the broker was started anew it may take as long as [`SubscriptionBuilder::open`]. Threads may ask at once.
    ///
    /// # Errors
    /// [`Error::Gone`] if it was retired, never existed, or is of another run of the broker; [`Error::Full`] where
    /// [`BrokerBuilder::max_acquired`] of its stream are held; else as [`SubscriptionBuilder::open`] and
    /// [`Subscription::next`].
    pub fn acquire(&self, frame: &FrameRef) -> Result<Frame> {
        // Before the lock: in a forked child another thread of the parent may seem to hold it for ever.
        self.questions.check()?;
        // No frame but those that are asked for is wanted.
        let open = || self.open_either(&frame.stream, Policy::Latest, self.max_acquired);
        self.acquiring.take(&frame.stream, open, |subscription| subscription.acquire(frame))
    }

    /// Takes frames by the subscription that is kept for those of triggers.
    pub(crate) fn with_trigger_subscription<T>(
        &self,
        stream: &StreamName,
        take: impl FnMut(&mut Subscription) -> Result<T>,
    ) -> Result<T> {
        self.questions.check()?;
        let open = || self.open_either(stream, Policy::Sequential, DEFAULT_MAX_HELD);
        self.triggering.take(stream, open, take)
    }

    /// Subscribes by the way that the stream grants.
    fn open_either(&self, stream: &StreamName, policy: Policy, max_held: u32) -> Result<Subscription> {
        let builder = self.subscribe(stream.as_str()).policy(policy).max_held(max_held);
        match builder.clone().delivery(Delivery::Shared).open() {
            // Segments that anybody could change are handed out by socket only.
            Err(Error::Refused { code: ErrorCode::Invalid, .. }) => builder.delivery(Delivery::Socket).open(),
            opened => opened,
        }
    }

    pub(crate) fn sole_control(&self, stream: StreamName, at: &At) -> SoleControl {
        SoleControl::new(Arc::downgrade(&self.questions), stream, at)
    }

    fn entries<T>(&self, of: StatsOf, take: impl Fn(StatsEntries) -> Option<Vec<T>>) -> Result<Vec<T>> {
        self.with_session(|session, deadline| {
            paged(|from| match session.ask("Stats", Ask::Stats { of, from }, deadline)?.body {
                Tell::Stats(stats) => take(stats.entries)
                    .map(|entries| (entries, stats.more))
                    .ok_or(Error::Violation(Violation::Unexpected("other Stats than asked for"))),
                _ => Err(Violation::Unexpected("no Stats").into()),
            })
        })
    }

    /// Puts pages together that may each take as long as an answer may.
    pub(crate) fn paged_slowly<T>(
        &self,
        mut page: impl FnMut(&mut Session, u32, Deadline) -> Result<(Vec<T>, bool)>,
    ) -> Result<Vec<T>> {
        paged(|from| self.with_session(|session, deadline| page(session, from, deadline)))
    }

    pub(crate) fn with_session<T>(&self, run: impl FnOnce(&mut Session, Deadline) -> Result<T>) -> Result<T> {
        self.questions.ask(run)
    }
}
