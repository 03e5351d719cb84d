//! A subscription in preparation.

use framebroker_protocol::StreamName;
use framebroker_protocol::message::{Delivery, Policy, Start};
use framebroker_protocol::ring::WaitMode;

use super::Subscription;
use super::terms::Terms;
use crate::connect::Connector;
use crate::{Error, Result};

/// A subscription in preparation; every term has a default.
#[derive(Debug, Clone)]
#[must_use = "nothing is subscribed to until open()"]
pub struct SubscriptionBuilder {
    connector: Connector,
    stream: Result<StreamName>,
    terms: Terms,
}

impl SubscriptionBuilder {
    pub(crate) fn new(connector: Connector, stream: &str) -> Self {
        Self { connector, stream: stream.parse().map_err(Error::Name), terms: Terms::default() }
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
