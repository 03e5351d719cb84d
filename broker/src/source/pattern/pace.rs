//! When a frame of the pattern is to be made: set by the device thread, followed by the grab thread.
//!
//! Atomics and no lock: the grab thread may have a priority that the device thread has not, and would wait for it all the same.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use framebroker_protocol::sync::FutexWord;

/// Triggers that may wait for their frames.
const TRIGGERS: u32 = 16;

/// What makes a frame due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Beat {
    /// As many frames per second.
    Rate(f64),
    /// Nothing: frames are made as fast as possible.
    Free,
    /// A trigger.
    Trigger,
}

/// The pace of one source.
#[derive(Debug)]
pub struct Pace {
    /// A [`Beat`], as the bits of frames per second: infinite for [`Beat::Free`], 0 for [`Beat::Trigger`].
    rate: AtomicU64,
    /// Triggers whose frames are to be made.
    triggers: AtomicU32,
    origin: Instant,
    /// When the clock of the frames began, in ns since `origin`.
    clock_began_ns: AtomicU64,
    /// Raised by every change; the grab thread sleeps on it.
    changes: FutexWord,
}

impl Pace {
    pub fn new(beat: Beat) -> Self {
        Self {
            rate: AtomicU64::new(bits(beat)),
            triggers: AtomicU32::new(0),
            origin: Instant::now(),
            clock_began_ns: AtomicU64::new(0),
            changes: FutexWord::default(),
        }
    }

    /// Frames are due by this from now on.
    pub fn set_beat(&self, beat: Beat) {
        self.rate.store(bits(beat), Ordering::Relaxed);
        self.wake();
    }

    /// One more frame shall be made. False where as many wait as may.
    pub fn trigger(&self) -> bool {
        let more = |triggers| (triggers < TRIGGERS).then_some(triggers + 1);
        let has_room = self.triggers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.wake();
        has_room
    }

    /// Makes no frames for the triggers so far.
    pub fn forget_triggers(&self) {
        self.triggers.store(0, Ordering::Relaxed);
    }

    /// Begins the clock of the frames at 0.
    pub fn reset_clock(&self) {
        self.clock_began_ns.store(since(self.origin), Ordering::Relaxed);
    }

    /// The clock of the frames, in ns.
    pub fn clock_ns(&self) -> u64 {
        since(self.origin).saturating_sub(self.clock_began_ns.load(Ordering::Relaxed))
    }

    /// Nominal frames per second; 0 where they are not known.
    pub fn nominal_rate(&self) -> f64 {
        if let Beat::Rate(rate) = self.beat() { rate } else { 0.0 }
    }

    /// Waits until a frame is to be made, at most until `deadline`. `last` is when the frame before was due. Returns when this
    /// one was; `None` when the time is over.
    pub fn wait(&self, last: Option<Instant>, deadline: Instant) -> Option<Instant> {
        loop {
            // Pairs with the store in `wake`: what was changed by then is seen below, or the kernel sees another count.
            let changes = self.changes.word().load(Ordering::Acquire);
            let now = Instant::now();
            let period = match self.beat() {
                Beat::Rate(rate) => Some(Duration::from_secs_f64(1.0 / rate)),
                Beat::Free => Some(Duration::ZERO),
                Beat::Trigger if self.take_trigger() => return Some(now),
                Beat::Trigger => None,
            };
            let due = period.map_or(deadline, |period| last.map_or(now, |last| last + period));
            if let Some(period) = period
                && now >= due
            {
                // A late frame does not make the next ones hurry.
                let is_far_behind = due + 2 * period < now;
                return Some(if is_far_behind { now.checked_sub(period).unwrap_or(now) } else { due });
            }
            if now >= deadline {
                return None;
            }
            self.changes.wait(changes, due.min(deadline).saturating_duration_since(now));
        }
    }

    fn beat(&self) -> Beat {
        match f64::from_bits(self.rate.load(Ordering::Relaxed)) {
            0.0 => Beat::Trigger,
            f64::INFINITY => Beat::Free,
            rate => Beat::Rate(rate),
        }
    }

    fn take_trigger(&self) -> bool {
        let less = |triggers: u32| triggers.checked_sub(1);
        self.triggers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Has the grab thread look at what was changed.
    fn wake(&self) {
        self.changes.word().fetch_add(1, Ordering::Release);
        self.changes.wake_all();
    }
}

fn bits(beat: Beat) -> u64 {
    let rate = match beat {
        Beat::Rate(rate) => rate,
        Beat::Free => f64::INFINITY,
        Beat::Trigger => 0.0,
    };
    rate.to_bits()
}

fn since(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
