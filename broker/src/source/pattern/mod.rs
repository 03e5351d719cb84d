//! The test pattern: a moving image whose every byte a consumer can check, in any pixel format, size and rate.

mod features;
mod pace;
mod settings;

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::PixelFormat;
use framebroker_protocol::pattern::Pattern;

use self::features::PatternFeatures;
use self::settings::{Region, Shared};
use super::{
    Description, Event, Features, FrameInfo, Requirements, Source, SourceError, TransportCounters, WritableSegment,
};

/// Frames per second that can be asked for.
const RATES: RangeInclusive<f64> = 1e-3..=1e6;

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
    shared: Arc<Shared>,
    fill: Fill,
    /// What frames show, as of the last [`Source::refresh`].
    region: Region,
    pattern: Pattern,
    queued: VecDeque<WritableSegment>,
    /// When the last frame was due; none since the start.
    last: Option<Instant>,
    /// Frames filled. The pattern is the first and only source of its stream and all its frames are published, so this is
    /// the newest sequence.
    filled: u64,
}

impl PatternSource {
    /// A pattern of this geometry.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] for a rate or geometry that is none.
    pub fn open(options: PatternOptions) -> Result<Self, SourceError> {
        if options.fps != 0.0 && !RATES.contains(&options.fps) {
            let fps = options.fps;
            return Err(SourceError::Invalid(format!("--fps {fps}: it must be 0 (no limit) or 0.001 to 1000000")));
        }
        let fill = options.fill;
        let shared = Arc::new(Shared::new(options));
        let region = shared.lock().region;
        let pattern = pattern(region)?;
        Ok(Self { shared, fill, region, pattern, queued: VecDeque::with_capacity(64), last: None, filled: 0 })
    }

    fn frame_info(&self, camera_timestamp_ns: u64) -> FrameInfo {
        let Region { width, height, offset_x, offset_y, pixel_format } = self.region;
        FrameInfo {
            width,
            height,
            stride: pixel_format.stride(width).unwrap_or(0),
            offset_x,
            offset_y,
            pixel_format,
            image_bytes: self.pattern.image_bytes(),
            chunk_offset: 0,
            chunk_bytes: 0,
            camera_timestamp_ns,
            block_id: self.filled,
            complete: true,
            lost_at_camera: 0,
        }
    }
}

fn pattern(region: Region) -> Result<Pattern, SourceError> {
    Pattern::new(region.pixel_format, region.width, region.height)
        .map_err(|error| SourceError::Invalid(format!("cannot make the pattern: {error}")))
}

impl Source for PatternSource {
    fn describe(&self) -> Description {
        let Region { width, height, pixel_format, .. } = self.region;
        Description {
            model: "test pattern".to_owned(),
            serial: String::new(),
            width,
            height,
            pixel_format,
            fps: self.shared.pace.nominal_rate(),
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
        self.last = None;
        Ok(())
    }

    fn queue(&mut self, segment: WritableSegment) {
        self.queued.push_back(segment);
    }

    fn wait(&mut self, timeout: Duration) -> Event {
        let Some(due) = self.shared.pace.wait(self.last, Instant::now() + timeout) else { return Event::Timeout };
        self.last = Some(due);
        let Some(mut segment) = self.queued.pop_front() else { return Event::Starved };
        self.filled += 1;
        let clock_ns = self.shared.pace.clock_ns();
        if self.fill == Fill::Moving {
            self.pattern.fill(segment.bytes_mut(), self.filled);
        }
        Event::Filled(segment, self.frame_info(clock_ns))
    }

    fn stop(&mut self) -> Vec<WritableSegment> {
        self.queued.drain(..).collect()
    }

    fn counters(&self) -> TransportCounters {
        TransportCounters::default()
    }

    fn features(&self) -> Option<Box<dyn Features>> {
        Some(Box::new(PatternFeatures::of(&self.shared)))
    }

    fn refresh(&mut self) -> Result<(), SourceError> {
        let region = self.shared.lock().region;
        self.pattern = pattern(region)?;
        self.region = region;
        Ok(())
    }

    /// A frame is made when it is due, as everything is set then.
    fn frames_under_way(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    /// A thread that has the settings locked and no processor keeps no frame waiting.
    #[test]
    fn no_frame_waits_for_the_settings() {
        const FRAMES: usize = 3;
        let (width, height, pixel_format) = (64, 64, PixelFormat::MONO8);
        let options = PatternOptions { width, height, pixel_format, fps: 1000.0, fill: Fill::None };
        let mut source = PatternSource::open(options).unwrap();
        let shared = Arc::clone(&source.shared);
        let _locked = shared.lock();
        let (sender, events) = channel();
        thread::spawn(move || {
            (0..FRAMES).try_for_each(|_| sender.send((source.wait(Duration::from_secs(1)), source.describe().fps)))
        });
        for _ in 0..FRAMES {
            let (event, fps) = events.recv_timeout(Duration::from_secs(30)).expect("a frame is due");
            // It was given no segment.
            assert!(matches!(event, Event::Starved), "{event:?}");
            assert!((fps - 1000.0).abs() < 1e-9, "{fps}");
        }
    }
}
