//! What the pattern is set to. Only the device thread, and who opens a source, takes the lock: what the grab thread needs of it with
//! each frame is the [`Pace`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use framebroker_protocol::PixelFormat;

use super::pace::{Beat, Pace};
use super::{Fill, PatternOptions};

/// The side of the sensor that the pattern is a part of, unless a larger image was asked for.
const SENSOR: u32 = 16384;
/// The rate that is set where there was no limit.
const DEFAULT_RATE: f64 = 30.0;

/// Settings, and what the grab thread sees of them.
#[derive(Debug)]
pub struct Shared {
    settings: Mutex<Settings>,
    pub pace: Pace,
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
    fn beat(&self) -> Beat {
        match self {
            Self { is_triggered: true, .. } => Beat::Trigger,
            Self { is_rate_limited: false, .. } => Beat::Free,
            Self { rate, .. } => Beat::Rate(*rate),
        }
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
            user_id: String::new(),
        };
        Self { pace: Pace::new(settings.beat()), settings: Mutex::new(settings) }
    }

    /// The settings.
    pub fn lock(&self) -> MutexGuard<'_, Settings> {
        // Each change is one assignment: a panic leaves nothing half done.
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes them, and the pace with them.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.lock();
        change(&mut settings);
        self.pace.set_beat(settings.beat());
    }
}
