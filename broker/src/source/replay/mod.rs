//! The replay: recorded frames in place of a camera's. From a directory of image files ([`images`]), or from a raw recording
//! with an index ([`recording`]).
//!
//! What the frames are is read when the replay is opened, so that segments fit the largest; their bytes are read or decoded
//! straight into a segment when they are due. A replay can pause: where there is no segment, frames wait.

mod images;
mod recording;
mod usable;

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use framebroker_protocol::PixelFormat;
use tracing::warn;

use super::{Description, Event, FrameInfo, Requirements, Source, SourceError, TransportCounters, WritableSegment};
use images::ImageFile;
use recording::{Index, Recording};
use usable::{Broken, Known, usable};

/// Frames per second where nothing tells.
const DEFAULT_FPS: f64 = 30.0;

/// What becomes of a replay with a frame that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OnError {
    /// It ends there
    #[default]
    Stop,
    /// It goes on with the next frame, and the broken one counts as lost at the camera
    Skip,
}

/// What is replayed, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayOptions {
    /// A directory of images, or the index of a recording.
    pub path: PathBuf,
    /// Frames per second, 0 for as many as possible; `None` for the recording's own times.
    pub fps: Option<f64>,
    /// Begin again after the last frame.
    pub repeat: bool,
    /// With a frame that cannot be read.
    pub on_error: OnError,
    /// Bytes that a frame may take: there is no memory for segments of more.
    pub most_bytes: u64,
}

/// Geometry and format of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    width: u32,
    height: u32,
    pixel_format: PixelFormat,
}

impl Shape {
    /// An image that is neither empty nor larger than a frame may be.
    fn new(width: u32, height: u32, pixel_format: PixelFormat) -> Result<Self, String> {
        let shape = Self { width, height, pixel_format };
        if width == 0 || height == 0 || pixel_format.image_bytes(width, height).is_none() {
            return Err(format!("{width}x{height} in {pixel_format} is no size of a frame"));
        }
        Ok(shape)
    }

    fn bytes(self) -> usize {
        self.pixel_format.image_bytes(self.width, self.height).unwrap_or(usize::MAX)
    }

    fn stride(self) -> u32 {
        self.pixel_format.stride(self.width).unwrap_or(0)
    }
}

/// All frames of a replay, in order.
#[derive(Debug)]
enum Frames {
    Images(Vec<ImageFile>),
    Recording(Recording),
}

/// Gives out recorded frames.
#[derive(Debug)]
pub struct ReplaySource {
    options: ReplayOptions,
    frames: Frames,
    period: Period,
    queued: VecDeque<WritableSegment>,
    /// Frames that were due, broken ones too: the next is this one, modulo their number.
    position: u64,
    /// When the next one is due.
    due: Instant,
    began: Instant,
    /// Broken ones since the last that was read.
    skipped: u32,
    /// Those that were named in the log: once is enough, however often they are due.
    named: BTreeSet<usize>,
}

/// How long a frame is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Period {
    Fixed(Duration),
    /// As the recording's timestamps tell.
    Recorded,
}

impl ReplaySource {
    /// Looks through what is to be replayed.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] where there is nothing to replay, or where a file is broken and not to be skipped.
    pub fn open(options: &ReplayOptions) -> Result<Self, SourceError> {
        let path = &options.path;
        let found = std::fs::metadata(path).map_err(|error| {
            invalid(format!(
                "cannot replay {}: {error}; name a directory of images or a recording's index",
                path.display()
            ))
        })?;
        let frames = if found.is_dir() {
            Frames::Images(usable(images::list(path)?, options)?)
        } else {
            Frames::Recording(Index::open(path)?.usable(|frames| usable(frames, options))?)
        };
        let now = Instant::now();
        let mut source = Self {
            options: options.clone(),
            frames,
            period: Period::Recorded,
            queued: VecDeque::with_capacity(64),
            position: 0,
            due: now,
            began: now,
            skipped: 0,
            named: BTreeSet::new(),
        };
        if source.len() == 0 {
            return Err(invalid(format!("there is nothing to replay in {}: {}", path.display(), images::WANTED)));
        }
        source.period = source.choose_period()?;
        Ok(source)
    }

    fn choose_period(&self) -> Result<Period, SourceError> {
        let has_times = matches!(&self.frames, Frames::Recording(recording) if recording.has_times());
        match self.options.fps {
            None if has_times => Ok(Period::Recorded),
            None => Ok(Period::Fixed(Duration::from_secs_f64(1.0 / DEFAULT_FPS))),
            Some(0.0) => Ok(Period::Fixed(Duration::ZERO)),
            Some(fps) if (1e-3..=1e6).contains(&fps) => Ok(Period::Fixed(Duration::from_secs_f64(1.0 / fps))),
            Some(fps) => Err(invalid(format!("--fps {fps}: it must be 0 (no limit) or 0.001 to 1000000"))),
        }
    }

    fn len(&self) -> usize {
        match &self.frames {
            Frames::Images(images) => images.len(),
            Frames::Recording(recording) => recording.frames().len(),
        }
    }

    /// The frame at a position and the round it belongs to; `None` after the last one.
    fn at(&self, position: u64) -> Option<(usize, u64)> {
        let len = self.len() as u64;
        let round = position / len;
        (round == 0 || self.options.repeat).then_some((usize::try_from(position % len).unwrap_or(0), round))
    }

    /// How long after the frame at `position` the next one is due.
    fn pause_after(&self, position: u64) -> Duration {
        match (&self.frames, self.period) {
            (_, Period::Fixed(period)) => period,
            (Frames::Recording(recording), Period::Recorded) => {
                let at = self.at(position).map_or(0, |(at, _)| at);
                Duration::from_nanos(recording.pause_after_ns(at))
            }
            (Frames::Images(_), Period::Recorded) => Duration::ZERO,
        }
    }

    /// Sets the time of the next frame; a late one does not make the next ones hurry.
    fn schedule_next(&mut self, pause: Duration) {
        let now = Instant::now();
        self.due += pause;
        if self.due + pause < now {
            self.due = now;
        }
    }

    /// Reads the frame at `position` into a segment.
    fn read(&mut self, (at, round): (usize, u64), segment: &mut WritableSegment) -> Result<FrameInfo, Broken> {
        let lost_at_camera = self.skipped;
        let position = self.position;
        let info = match &self.frames {
            Frames::Images(images) => {
                let image = images.get(at).ok_or_else(Broken::nameless)?;
                image.read(segment.bytes_mut()).map_err(|reason| Broken::new(&image.path, reason))?;
                let clock_ns = match self.period {
                    Period::Fixed(period) if !period.is_zero() => period.as_nanos() * u128::from(position + 1),
                    _ => self.began.elapsed().as_nanos(),
                };
                let times = (u64::try_from(clock_ns).unwrap_or(u64::MAX), position + 1);
                frame_info(image.shape, image.shape.stride(), (image.shape.bytes(), 0), times, true)
            }
            Frames::Recording(recording) => {
                let stored = recording.frames().get(at).ok_or_else(Broken::nameless)?;
                recording.read(stored, segment.bytes_mut()).map_err(|reason| Broken::new(&stored.name, reason))?;
                let times = recording.times(at, round);
                let bytes = (stored.image_bytes, stored.chunk_bytes);
                let info = frame_info(stored.shape, stored.stride, bytes, times, stored.complete);
                FrameInfo { offset_x: stored.offset_x, offset_y: stored.offset_y, ..info }
            }
        };
        Ok(FrameInfo { lost_at_camera, ..info })
    }

    /// Goes on without a frame, if there are others.
    fn skip(&mut self, at: usize, broken: &Broken) -> Event {
        if self.named.insert(at) {
            warn!(%broken, "skipped");
        }
        self.skipped += 1;
        if self.skipped as usize >= self.len() {
            return Event::Ended(format!("none of its {} frames can be read any more: {broken}", self.len()));
        }
        Event::Timeout
    }

    fn payload_bytes(&self) -> usize {
        let largest = match &self.frames {
            Frames::Images(images) => images.iter().map(Known::bytes).max(),
            Frames::Recording(recording) => recording.frames().iter().map(Known::bytes).max(),
        };
        largest.unwrap_or(0)
    }
}

impl Source for ReplaySource {
    fn describe(&self) -> Description {
        let (shape, what) = match &self.frames {
            Frames::Images(images) => (images.first().map(|image| image.shape), "images"),
            Frames::Recording(recording) => (recording.frames().first().map(|stored| stored.shape), "recording"),
        };
        let Shape { width, height, pixel_format } =
            shape.unwrap_or(Shape { width: 0, height: 0, pixel_format: PixelFormat::MONO8 });
        let fps = match (self.period, &self.frames) {
            (Period::Fixed(Duration::ZERO), _) => 0.0,
            (Period::Fixed(period), _) => 1.0 / period.as_secs_f64(),
            (Period::Recorded, Frames::Recording(recording)) => recording.fps(),
            (Period::Recorded, Frames::Images(_)) => 0.0,
        };
        let name = self.options.path.file_name().unwrap_or(self.options.path.as_os_str()).to_string_lossy();
        Description { model: format!("{what} {name}"), serial: String::new(), width, height, pixel_format, fps }
    }

    fn requirements(&self) -> Requirements {
        Requirements {
            min_queued: 1,
            wanted_queued: 1,
            fixed_pool: false,
            can_pause: true,
            payload_bytes: self.payload_bytes(),
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
        let Some(next) = self.at(self.position) else { return Event::Ended("the replay has ended".to_owned()) };
        let pause = self.pause_after(self.position);
        self.schedule_next(pause);
        // The frame waits for its time after the next.
        let Some(mut segment) = self.queued.pop_front() else { return Event::Starved };
        let read = self.read(next, &mut segment);
        self.position += 1;
        match (read, self.options.on_error) {
            (Ok(info), _) => {
                self.skipped = 0;
                Event::Filled(segment, info)
            }
            (Err(broken), OnError::Stop) => {
                self.queued.push_front(segment);
                Event::Ended(format!("{broken}; --replay-errors skip goes on with the next"))
            }
            (Err(broken), OnError::Skip) => {
                self.queued.push_front(segment);
                self.skip(next.0, &broken)
            }
        }
    }

    fn stop(&mut self) -> Vec<WritableSegment> {
        self.queued.drain(..).collect()
    }

    fn counters(&self) -> TransportCounters {
        TransportCounters::default()
    }
}

fn frame_info(
    shape: Shape,
    stride: u32,
    (image_bytes, chunk_bytes): (usize, usize),
    (camera_timestamp_ns, block_id): (u64, u64),
    complete: bool,
) -> FrameInfo {
    FrameInfo {
        stride,
        image_bytes,
        chunk_bytes,
        camera_timestamp_ns,
        block_id,
        complete,
        ..FrameInfo::new(shape.width, shape.height, shape.pixel_format)
    }
}

fn invalid(reason: String) -> SourceError {
    SourceError::Invalid(reason)
}
