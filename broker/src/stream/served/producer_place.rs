//! The place of a stream's producer: taken by one session at a time, or by nobody.

use std::fmt;

use framebroker_protocol::{ClientId, ClientName};

use crate::factory::Epoch;
use crate::source::Requirements;
use crate::source::producer::LIKELY_QUEUE;

/// Why a stream is offline that never had a producer.
pub const NO_PRODUCER: &str = "no producer has come yet";

/// Who fills the segments, where that is a process of its own.
#[derive(Debug, Default)]
pub(super) struct ProducerPlace {
    producer: Option<Producer>,
    /// Producers so far.
    count: u64,
}

/// A stream's producer.
#[derive(Debug, Clone)]
pub struct Producer {
    /// Its session.
    pub client: ClientId,
    /// What it calls itself.
    pub name: ClientName,
    /// Its process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Which of the stream's producers it is.
    pub epoch: Epoch,
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, pid {}", self.name, self.pid)
    }
}

impl ProducerPlace {
    pub fn producer(&self) -> Option<&Producer> {
        self.producer.as_ref()
    }

    /// Gives the place to a session, whose producer is known by the number that is returned.
    pub fn take(&mut self, client: ClientId, name: ClientName, pid: i32, uid: u32) -> Epoch {
        self.count += 1;
        let epoch = Epoch(self.count);
        self.producer = Some(Producer { client, name, pid, uid, epoch });
        epoch
    }

    pub fn leave(&mut self) {
        self.producer = None;
    }
}

/// What a producer that is not there is likely to need.
#[must_use]
pub fn vacant_needs() -> Requirements {
    let min_queued = LIKELY_QUEUE;
    Requirements { min_queued, wanted_queued: min_queued, fixed_pool: false, can_pause: false, payload_bytes: 0 }
}
