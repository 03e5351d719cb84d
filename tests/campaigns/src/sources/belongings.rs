//! What the broker has, so that a leak shows.

use std::time::{Duration, Instant};

use framebroker_tests::rig::{RETURN, Rig};

/// Segments are made anew for larger frames, and for Basler cameras and producers that come back. Those that are held stay beside
/// them: one of each consumer of the six streams of which that is true.
const KEPT_BESIDE: usize = 12;

/// What the broker has of the system.
#[derive(Debug)]
pub struct Belongings {
    files: usize,
    threads: usize,
    segments: usize,
    given_up: u64,
}

impl Belongings {
    pub fn of(rig: &Rig) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{}/task", rig.broker.pid())).unwrap().count();
        // By one connection: each that was made shortly before is still there for a moment.
        let stats = rig.connection.stats().unwrap();
        Self {
            files: rig.broker.open_files(),
            threads,
            segments: stats.iter().map(|stats| usize::try_from(stats.active_buffers).unwrap()).sum(),
            given_up: stats.iter().map(|stats| stats.given_up_bytes).sum(),
        }
    }
}

impl Belongings {
    /// Waits until the broker has no more than that, and the rings their sizes again.
    pub fn must_be_all(&self, rig: &Rig) {
        let deadline = Instant::now() + RETURN;
        loop {
            let now = Self::of(rig);
            let beside = now.segments.checked_sub(self.segments).filter(|beside| *beside <= KEPT_BESIDE);
            let is_whole = beside.is_some_and(|beside| now.files <= self.files + beside);
            if is_whole && now.threads <= self.threads && now.given_up == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "the broker has {now:?}, and had {self:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
