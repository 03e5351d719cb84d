//! The place of a stream's producer: taken by one session at a time, or by nobody.

use std::fmt;

use framebroker_protocol::{ClientId, ClientName};

use super::Stream;
use crate::factory::Epoch;
use crate::source::producer::LIKELY_QUEUE;
use crate::source::{Requirements, Source};
use crate::stream::grab::{Attached, Command};

/// Why a stream is offline that never had a producer.
pub const NO_PRODUCER: &str = "no producer has come yet";

/// Who fills the segments, where that is a process of its own.
#[derive(Debug, Default)]
pub struct Seat {
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

impl Stream {
    /// Its frames come from a process of its own, which is not there yet.
    #[must_use]
    pub fn for_producers(mut self) -> Self {
        self.seat = Some(Seat::default());
        self.offline = Some(NO_PRODUCER.to_owned());
        self
    }

    /// Whether a producer may come.
    #[must_use]
    pub fn takes_producers(&self) -> bool {
        self.seat.is_some()
    }

    /// Whether it waits for a producer.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.seat.as_ref().is_some_and(|seat| seat.producer.is_none())
    }

    /// Its producer, if it has one.
    #[must_use]
    pub fn producer(&self) -> Option<&Producer> {
        self.seat.as_ref()?.producer.as_ref()
    }

    /// Whom its segments are made for.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.producer().map_or_else(Epoch::default, |producer| producer.epoch)
    }

    /// Gives the place to a session, whose producer is known by the number that is returned.
    pub fn seat(&mut self, client: ClientId, name: ClientName, pid: i32, uid: u32) -> Epoch {
        let seat = self.seat.get_or_insert_default();
        seat.count += 1;
        let epoch = Epoch(seat.count);
        seat.producer = Some(Producer { client, name, pid, uid, epoch });
        epoch
    }

    /// Has the grab thread take the producer's frames, once there are segments for them: it answers with what it needs.
    pub fn attach(&mut self, source: Box<dyn Source>) {
        // Where the grab thread has ended, the stream is closed next and says so.
        let _ended = self.commands.send(Command::Attach(Attached { source, epoch: self.epoch() }));
    }

    /// The producer has gone. No segment that it can write counts any more.
    pub fn unseat(&mut self, reason: &str) {
        let epoch = self.epoch();
        if let Some(seat) = &mut self.seat {
            seat.producer = None;
        }
        self.needs = vacant_needs();
        self.pool.require(0, Epoch::default());
        (self.resuming, self.leaving, self.size) = (false, 0, 0);
        // Where the grab thread has ended, nothing is filled any more.
        let _ended = self.commands.send(Command::Detach { epoch, reason: reason.to_owned() });
    }
}

/// What a producer that is not there is likely to need.
#[must_use]
pub fn vacant_needs() -> Requirements {
    Requirements { min_queued: LIKELY_QUEUE, fixed_pool: false, can_pause: false, payload_bytes: 0 }
}
