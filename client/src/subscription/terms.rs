//! The terms of a subscription, and asking a broker for them.

use std::os::fd::OwnedFd;

use framebroker_protocol::message::{Ask, AskedPolicy, Delivery, Policy, Start, StreamInfo, Subscribed, Tell};
use framebroker_protocol::ring::WaitMode;
use framebroker_protocol::{DEFAULT_MAX_HELD, StreamName, stop_point};

use crate::connect::{Connector, Session};
use crate::deadline::Deadline;
use crate::error::Violation;
use crate::limits::ADMISSION_TIMEOUT;
use crate::link::Incoming;
use crate::{Error, Result};

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
    pub subscribed: Subscribed,
    /// The pages of a shared delivery, and the segments.
    pub fds: Vec<OwnedFd>,
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

impl Terms {
    /// Connects and subscribes.
    pub fn subscribe(&self, connector: &Connector, stream: &StreamName, deadline: Deadline) -> Result<Granted> {
        let mut session = connector.connect(deadline)?;
        stop_point("attach.connected");
        let streams = session.list_streams(deadline.within(connector.timeout))?;
        let Self { policy, delivery, max_held, start, .. } = *self;
        let policy = policy.map_or(AskedPolicy::OfStream, AskedPolicy::from);
        let ask = Ask::Subscribe { stream: stream.clone(), policy, delivery, max_held, start };
        let Incoming { body, fds, .. } = session.ask("Subscribe", ask, deadline.within(ADMISSION_TIMEOUT))?;
        stop_point("attach.granted");
        // Looked for only now: if there is no such stream, the broker's own error says which there are.
        let info = streams.into_iter().find(|info| info.name == *stream);
        let info = info.ok_or(Violation::Unexpected("a subscription to a stream that is not listed"))?;
        Ok(Granted { session, info, subscribed: self.check(body)?, fds })
    }

    /// The broker's answer, if it grants what was asked for.
    fn check(&self, answer: Tell) -> Result<Subscribed> {
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
