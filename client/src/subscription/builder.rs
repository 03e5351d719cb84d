//! What a subscription is asked for with, and the asking.

use framebroker_protocol::message::{Ask, AskedPolicy, Delivery, Policy, Start, StreamInfo, Subscribed, Tell};
use framebroker_protocol::ring::WaitMode;
use framebroker_protocol::{DEFAULT_MAX_HELD, StreamName, TextError};

use super::Subscription;
use crate::broker::list_streams;
use crate::connect::{Connector, Session};
use crate::deadline::Deadline;
use crate::error::Violation;
use crate::limits::ADMISSION_TIMEOUT;
use crate::link::Incoming;
use crate::{Error, Result};

/// A subscription in preparation; every term has a default.
#[derive(Debug, Clone)]
#[must_use = "nothing is subscribed to until open()"]
pub struct SubscriptionBuilder {
    connector: Connector,
    stream: Result<StreamName, TextError>,
    terms: Terms,
}

/// The terms of a subscription, without its stream.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// None: the stream's.
    pub policy: Option<Policy>,
    pub delivery: Delivery,
    pub max_held: u32,
    pub start: Start,
    pub wait_mode: WaitMode,
    pub reconnect: bool,
}

/// What a broker granted.
#[derive(Debug)]
pub struct Granted {
    pub session: Session,
    pub info: StreamInfo,
    pub subscribed: Incoming,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            policy: None,
            delivery: Delivery::default(),
            max_held: DEFAULT_MAX_HELD,
            start: Start::default(),
            wait_mode: WaitMode::default(),
            reconnect: false,
        }
    }
}

impl SubscriptionBuilder {
    pub(crate) fn new(connector: Connector, stream: &str) -> Self {
        Self { connector, stream: stream.parse(), terms: Terms::default() }
    }

    /// Which frames come. Default: the stream's, which is [`Policy::Sequential`] unless the broker was started with another
    /// `--grab-strategy`; [`Subscription::policy`] tells.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.terms.policy = Some(policy);
        self
    }

    /// By which way frames come. Default: [`Delivery::Shared`], the fast one.
    ///
    /// By [`Delivery::Socket`] the broker sends frames ahead, up to `max_held`. With [`Policy::Latest`] the newest that
    /// has come is handed out: where all are out it may be as old as the moment the last one was dropped.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.terms.delivery = delivery;
        self
    }

    /// Frames that may be held at once, 1 to 64. Default: 2, since `frame = subscription.next(…)?` still holds the old
    /// frame while it waits for the new. Every hold costs the broker a segment.
    pub fn max_held(mut self, frames: u32) -> Self {
        self.terms.max_held = frames;
        self
    }

    /// With which frame it begins. Default: [`Start::Next`].
    pub fn start(mut self, start: Start) -> Self {
        self.terms.start = start;
        self
    }

    /// How [`Subscription::next`] waits for a shared delivery: less latency for more processor time. Default:
    /// [`WaitMode::Block`].
    pub fn wait_mode(mut self, mode: WaitMode) -> Self {
        self.terms.wait_mode = mode;
        self
    }

    /// Whether to go on with the next broker when this one dies or ends: see [`Subscription::reconnects`]. Default: no.
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.terms.reconnect = reconnect;
        self
    }

    /// Subscribes. May take as long as the broker needs to allocate segments.
    ///
    /// # Errors
    /// [`Error::Name`]; [`Error::NoBroker`]; [`Error::Refused`] with code `UnknownStream`, `NotAdmitted` (too few segments;
    /// the text says how many would do), `StreamClosed`, `Invalid` or `Unavailable`; [`Error::Memory`] and
    /// [`Error::System`] where this machine fails; [`Error::Timeout`] where the broker does not answer within 30 s.
    pub fn open(self) -> Result<Subscription> {
        Subscription::open(self.connector, self.stream?, self.terms)
    }
}

/// Connects and subscribes.
pub fn subscribe(connector: &Connector, stream: &StreamName, terms: &Terms, deadline: Deadline) -> Result<Granted> {
    let mut session = connector.connect(deadline)?;
    let streams = list_streams(&mut session, deadline.within(connector.timeout))?;
    let Terms { policy, delivery, max_held, start, .. } = *terms;
    let policy = policy.map_or(AskedPolicy::OfStream, AskedPolicy::from);
    let ask = Ask::Subscribe { stream: stream.clone(), policy, delivery, max_held, start };
    let subscribed = session.ask("Subscribe", ask, deadline.within(ADMISSION_TIMEOUT))?;
    // Looked for only now: if there is no such stream, the broker's own error says which there are.
    let info = streams.into_iter().find(|info| info.name == *stream);
    let info = info.ok_or(Violation::Unexpected("a subscription to a stream that is not listed"))?;
    Ok(Granted { session, info, subscribed })
}

impl Terms {
    /// The broker's answer, if it grants what was asked for.
    pub fn check(&self, answer: Tell) -> Result<Subscribed> {
        let Tell::Subscribed(subscribed) = answer else {
            return Err(Violation::Unexpected("no Subscribed").into());
        };
        let granted = [
            ("policy", self.policy.is_none_or(|policy| subscribed.policy == policy)),
            ("delivery", subscribed.delivery == self.delivery),
            ("max_held", subscribed.max_held == self.max_held),
        ];
        match granted.into_iter().find(|(_, as_asked)| !as_asked) {
            Some((term, _)) => Err(Error::Violation(Violation::Terms(term))),
            None => Ok(subscribed),
        }
    }
}
