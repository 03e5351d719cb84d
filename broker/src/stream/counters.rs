//! What happened on a stream, counted by its grab thread and read by anyone.

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
    resent_packets: TransportCounter,
    missing_packets: TransportCounter,
    failed_frames: TransportCounter,
}

/// A figure of the transport. The grab thread writes it with each frame: a lock that a thread of a lower priority holds would
/// keep it waiting.
#[derive(Debug, Default)]
struct TransportCounter {
    /// Over all openings of the source.
    all: Counter,
    /// Over those before the present one.
    before: Counter,
}

impl StreamCounters {
    /// The transport's figures over all openings of the source.
    #[must_use]
    pub fn transport(&self) -> TransportCounters {
        TransportCounters {
            resent_packets: self.resent_packets.all.get(),
            missing_packets: self.missing_packets.all.get(),
            failed_frames: self.failed_frames.all.get(),
        }
    }

    /// Keeps the present source's figures.
    pub fn set_transport(&self, now: TransportCounters) {
        let TransportCounters { resent_packets, missing_packets, failed_frames } = now;
        self.resent_packets.set(resent_packets);
        self.missing_packets.set(missing_packets);
        self.failed_frames.set(failed_frames);
    }

    /// The present source ends; its figures stay.
    pub fn end_transport(&self) {
        [&self.resent_packets, &self.missing_packets, &self.failed_frames].into_iter().for_each(TransportCounter::end);
    }
}

impl TransportCounter {
    fn set(&self, now: u64) {
        self.all.set(self.before.get() + now);
    }

    fn end(&self) {
        self.before.set(self.all.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_earlier_openings_stay() {
        let counters = StreamCounters::default();
        let figures = |missing_packets| TransportCounters { missing_packets, ..TransportCounters::default() };
        counters.set_transport(figures(3));
        counters.set_transport(figures(5));
        counters.end_transport();
        counters.set_transport(figures(2));
        assert_eq!(counters.transport(), figures(7));
        counters.end_transport();
        counters.end_transport();
        assert_eq!(counters.transport(), figures(7));
    }
}
