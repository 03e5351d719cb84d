//! What happened on a stream, counted by its grab thread and read by anyone.

use std::sync::{Mutex, PoisonError};

use crate::counter::{Counter, TimingCounter};
use crate::source::TransportCounters;

/// The counters of one stream. Only its grab thread raises them.
#[derive(Debug, Default)]
pub struct StreamCounters {
    /// Frames the source delivered.
    pub grabbed: Counter,
    /// Frames published.
    pub published: Counter,
    /// Frames of which a part was lost on the way.
    pub incomplete: Counter,
    /// Frames lost between camera and broker.
    pub lost_at_camera: Counter,
    /// Frames dropped because no segment was free.
    pub starved: Counter,
    /// Publishing, without the wake-up.
    pub publish: TimingCounter,
    /// Retiring.
    pub retire: TimingCounter,
    /// Figures of earlier openings of the source, and of the present one.
    transport: Mutex<(TransportCounters, TransportCounters)>,
}

impl StreamCounters {
    /// The transport's figures over all openings of the source.
    #[must_use]
    pub fn transport(&self) -> TransportCounters {
        let (before, now) = *self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        before + now
    }

    /// Keeps the present source's figures.
    pub fn set_transport(&self, now: TransportCounters) {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner).1 = now;
    }

    /// The present source ends; its figures stay.
    pub fn end_transport(&self) {
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        *transport = (transport.0 + transport.1, TransportCounters::default());
    }
}
