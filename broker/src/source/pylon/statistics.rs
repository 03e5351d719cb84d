//! What pylon counts of a stream's packets.

use std::time::{Duration, Instant};

use super::feature::stream_integer;
use super::ffi::Camera;

/// Reading takes pylon's locks and some memory: not for every frame.
const REFRESH: Duration = Duration::from_secs(1);

/// `GigE` only; other cameras have no such figures.
const RESENT: &str = "Statistic_Resend_Packet_Count";
const MISSING: &str = "Statistic_Failed_Packet_Count";

/// The figures of a start, at most a second old.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Statistics {
    pub(super) resent_packets: u64,
    pub(super) missing_packets: u64,
    /// When they are to be read again; never, where pylon has none.
    due: Option<Instant>,
}

impl Statistics {
    /// Of a camera that is about to be started.
    pub(super) fn of(camera: &Camera) -> Self {
        let exists = stream_integer(camera, MISSING).is_some();
        Self { due: exists.then(Instant::now), ..Self::default() }
    }

    /// Reads them, if it is time to.
    pub(super) fn refresh(&mut self, camera: &Camera) {
        let now = Instant::now();
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = Some(now + REFRESH);
        self.resent_packets = stream_integer(camera, RESENT).unwrap_or(self.resent_packets);
        self.missing_packets = stream_integer(camera, MISSING).unwrap_or(self.missing_packets);
    }
}
