//! What the pattern is set to, shared by the grab thread that makes frames and the device thread that sets features.
//!
//! The lock is held for a few assignments only, by these two threads only.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use framebroker_protocol::PixelFormat;

use super::{Fill, PatternOptions};

/// The side of the sensor that the pattern is a part of, unless a larger image was asked for.
const SENSOR: u32 = 16384;
/// The rate that is set where there was no limit.
const DEFAULT_RATE: f64 = 30.0;
/// Triggers that may wait for their frames.
const TRIGGERS: u32 = 16;

/// Settings, and the news that they have changed.
#[derive(Debug)]
pub struct Shared {
    settings: Mutex<Settings>,
    changed: Condvar,
}

/// What is set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub region: Region,
    /// Width and height that region and offset must fit in.
    pub sensor: (u32, u32),
    pub fill: Fill,
    /// Frames per second.
    pub rate: f64,
    /// Whether it counts; else frames are made as fast as possible.
    pub is_rate_limited: bool,
    /// A frame is made for each trigger only.
    pub is_triggered: bool,
    /// Triggers whose frames are to be made.
    pub triggers: u32,
    /// When the clock of the frames began.
    pub began: Instant,
    pub user_id: String,
}

/// What a frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub width: u32,
    pub height: u32,
    pub offset_x: u32,
    pub offset_y: u32,
    pub pixel_format: PixelFormat,
}

impl Settings {
    /// From one frame to the next; none where frames are made as fast as possible.
    pub fn period(&self) -> Duration {
        if self.is_rate_limited { Duration::from_secs_f64(1.0 / self.rate) } else { Duration::ZERO }
    }

    /// Nominal frames per second; 0 where they are not known.
    pub fn nominal_rate(&self) -> f64 {
        if self.is_rate_limited && !self.is_triggered { self.rate } else { 0.0 }
    }

    /// One more frame shall be made. False where as many wait as may.
    pub fn trigger(&mut self) -> bool {
        let has_room = self.triggers < TRIGGERS;
        self.triggers += u32::from(has_room);
        has_room
    }
}

impl Shared {
    pub fn new(options: PatternOptions) -> Self {
        let PatternOptions { width, height, pixel_format, fps, fill } = options;
        let is_rate_limited = fps > 0.0;
        let settings = Settings {
            region: Region { width, height, offset_x: 0, offset_y: 0, pixel_format },
            sensor: (width.max(SENSOR), height.max(SENSOR)),
            fill,
            rate: if is_rate_limited { fps } else { DEFAULT_RATE },
            is_rate_limited,
            is_triggered: false,
            triggers: 0,
            began: Instant::now(),
            user_id: String::new(),
        };
        Self { settings: Mutex::new(settings), changed: Condvar::new() }
    }

    /// The settings.
    pub fn lock(&self) -> MutexGuard<'_, Settings> {
        // Each change is one assignment: a panic leaves nothing half done.
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes them, and wakes who waits for the next frame's time.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until a frame is to be made, at most until `deadline`. `last` is when the frame before was due. Returns when this
    /// one was; `None` when the time is over.
    pub fn wait(&self, last: Option<Instant>, deadline: Instant) -> Option<Instant> {
        let mut settings = self.lock();
        loop {
            let now = Instant::now();
            let due = match last {
                _ if settings.is_triggered && settings.triggers > 0 => {
                    settings.triggers -= 1;
                    return Some(now);
                }
                _ if settings.is_triggered => deadline,
                Some(last) => last + settings.period(),
                None => now,
            };
            if !settings.is_triggered && now >= due {
                // A late frame does not make the next ones hurry.
                let period = settings.period();
                let is_far_behind = due + 2 * period < now;
                return Some(if is_far_behind { now.checked_sub(period).unwrap_or(now) } else { due });
            }
            if now >= deadline {
                return None;
            }
            let wait = due.min(deadline).saturating_duration_since(now);
            (settings, _) = self.changed.wait_timeout(settings, wait).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
