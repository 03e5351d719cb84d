//! The test pattern: a moving image whose every byte a consumer can check, in any pixel format, size and rate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use framebroker_protocol::PixelFormat;
use framebroker_protocol::pattern::Pattern;

use super::{Description, Event, FrameInfo, Requirements, Source, SourceError, TransportCounters, WritableSegment};

/// What the pattern writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Fill {
    /// The whole moving image.
    #[default]
    Moving,
    /// Nothing: only the header changes, as with a camera that writes by DMA.
    None,
}

/// Geometry and rate of the pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatternOptions {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// PFNC pixel format.
    pub pixel_format: PixelFormat,
    /// Frames per second; 0 for as many as possible.
    pub fps: f64,
    /// What is written.
    pub fill: Fill,
}

/// Generates frames.
#[derive(Debug)]
pub struct PatternSource {
    options: PatternOptions,
    pattern: Pattern,
    period: Duration,
    queued: VecDeque<WritableSegment>,
    /// When the next frame is due.
    due: Instant,
    /// Frames filled. The pattern is the first and only source of its stream and all its frames are published, so this is
    /// the newest sequence.
    filled: u64,
    began: Instant,
}

impl PatternSource {
    /// A pattern of this geometry.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] for a rate or geometry that is none.
    pub fn open(options: PatternOptions) -> Result<Self, SourceError> {
        let pattern = Pattern::new(options.pixel_format, options.width, options.height)
            .map_err(|error| SourceError::Invalid(format!("cannot make the pattern: {error}")))?;
        let period = match options.fps {
            0.0 => Duration::ZERO,
            fps if (1e-3..=1e6).contains(&fps) => Duration::from_secs_f64(1.0 / fps),
            fps => return Err(SourceError::Invalid(format!("--fps {fps}: 0 (no limit) or 0.001 to 1000000 will do"))),
        };
        let now = Instant::now();
        Ok(Self { options, pattern, period, queued: VecDeque::with_capacity(64), due: now, filled: 0, began: now })
    }

    fn frame_info(&self) -> FrameInfo {
        let PatternOptions { width, height, pixel_format, .. } = self.options;
        FrameInfo {
            width,
            height,
            stride: pixel_format.stride(width).unwrap_or(0),
            offset_x: 0,
            offset_y: 0,
            pixel_format,
            image_bytes: self.pattern.image_bytes(),
            chunk_offset: 0,
            chunk_bytes: 0,
            camera_timestamp_ns: u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX),
            block_id: self.filled,
            complete: true,
            lost_at_camera: 0,
        }
    }

    /// Sets the time of the next frame; a late one does not make the next ones hurry.
    fn schedule_next(&mut self) {
        let now = Instant::now();
        self.due += self.period;
        if self.due + self.period < now {
            self.due = now;
        }
    }
}

impl Source for PatternSource {
    fn describe(&self) -> Description {
        Description {
            model: "test pattern".to_owned(),
            serial: String::new(),
            width: self.options.width,
            height: self.options.height,
            pixel_format: self.options.pixel_format,
            fps: self.options.fps,
        }
    }

    fn requirements(&self) -> Requirements {
        Requirements {
            min_queued: 1,
            wanted_queued: 1,
            fixed_pool: false,
            can_pause: true,
            payload_bytes: self.pattern.image_bytes(),
        }
    }

    fn start(&mut self) -> Result<(), SourceError> {
        self.due = Instant::now();
        self.began = self.due;
        Ok(())
    }

    fn queue(&mut self, segment: WritableSegment) {
        self.queued.push_back(segment);
    }

    fn wait(&mut self, timeout: Duration) -> Event {
        let until_due = self.due.saturating_duration_since(Instant::now());
        std::thread::sleep(until_due.min(timeout));
        if until_due > timeout {
            return Event::Timeout;
        }
        self.schedule_next();
        let Some(mut segment) = self.queued.pop_front() else { return Event::Starved };
        self.filled += 1;
        if self.options.fill == Fill::Moving {
            self.pattern.fill(segment.bytes_mut(), self.filled);
        }
        Event::Filled(segment, self.frame_info())
    }

    fn stop(&mut self) -> Vec<WritableSegment> {
        self.queued.drain(..).collect()
    }

    fn counters(&self) -> TransportCounters {
        TransportCounters::default()
    }
}
