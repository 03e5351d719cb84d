//! Basler cameras through Basler's pylon SDK (cargo feature `pylon`).
//!
//! pylon takes its buffers from a factory of ours when it starts, and gets the ring's segments: it fills them, and nothing is
//! copied. While a frame is published or held, its grab result is kept, so that pylon has the buffer out of its hands; letting
//! go of the result queues the buffer again. pylon's buffers are fixed from start to stop (`Requirements::fixed_pool`).
//! `ffi/grabber.rs` argues why that is sound.
//!
//! Chunk data are parsed by pylon, and their names and values written as a chunk list behind the image, into room that each
//! segment has for it.

mod feature;
#[expect(unsafe_code, reason = "pylon is a C++ library; every call to it is in this module")]
mod ffi;
mod frame;
mod open;
mod statistics;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use framebroker_protocol::chunks::{ChunkWriter, Value};

use self::feature::CameraFeatures;
use self::ffi::{ChunkValue, Failure, Frame, Grabber, Library};
use self::frame::{Layout, block_id, frame_info};
use self::statistics::Statistics;
use super::camera::{CameraOptions, LOOK_AFTER_CAMERA, segments_for_late_grab};
use super::losses::FrameLosses;
use super::{
    Description, Event, Features, FrameInfo, Requirements, Source, SourceError, TransportCounters, WritableSegment,
};

pub use self::ffi::DeviceInfo;

/// Segments that the driver has whatever is held: so that three consumers with two holds each fit into eight segments.
const MIN_QUEUED: usize = 1;

/// And as long as not all of them are held: it fills one and needs the next before that is done.
const WANTED_QUEUED: usize = 2;

/// Which camera, and how to set it up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// The device is a serial number, user-defined name or model.
    pub camera: CameraOptions,
    /// A file of settings (`.pfs`), loaded before everything else.
    pub load: Option<PathBuf>,
}

/// pylon, from the first time it is needed until this is dropped: a camera that is looked for again and again does not
/// load and unload it each time.
#[derive(Debug, Default)]
pub struct Pylon(Mutex<Option<Arc<Library>>>);

impl Pylon {
    fn library(&self) -> Result<Arc<Library>, SourceError> {
        let mut library = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*library {
            return Ok(Arc::clone(library));
        }
        let opened = Library::open().map_err(|Failure { text, .. }| {
            SourceError::Driver(format!("pylon cannot be initialized: {text}. Check the installation of the SDK"))
        })?;
        *library = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// The cameras that can be seen now.
    ///
    /// # Errors
    /// pylon's word.
    pub fn list(&self) -> Result<Vec<DeviceInfo>, SourceError> {
        self.library()?.devices().map_err(|failure| SourceError::Driver(format!("pylon: {}", failure.text)))
    }
}

/// One camera.
#[derive(Debug)]
pub struct PylonSource {
    grabber: Grabber,
    device: DeviceInfo,
    description: Description,
    layout: Layout,
    wraps: bool,
    /// Segments queued while stopped, and those that pylon did not start with.
    kept: Vec<WritableSegment>,
    losses: FrameLosses,
    /// A frame that waits until the starved ones before it are reported.
    next: Option<(WritableSegment, FrameInfo)>,
    statistics: Statistics,
    /// Results without a frame, since it was opened.
    failed: u64,
    /// Starved frames of earlier starts.
    starved_before: u64,
    /// Chunks could not be read, or did not fit: said once.
    warned_of_chunks: bool,
}

impl PylonSource {
    /// Finds, opens and sets up the camera. Takes a second or more; can be called again after any error or loss.
    ///
    /// # Errors
    /// Says what to do.
    pub fn open(pylon: &Pylon, options: &Options) -> Result<Self, SourceError> {
        let opened = open::open(&pylon.library()?, options)?;
        Ok(Self {
            grabber: Grabber::new(opened.camera),
            device: opened.device,
            description: opened.description,
            layout: opened.layout,
            wraps: opened.wraps,
            kept: Vec::new(),
            losses: FrameLosses::new(opened.wraps),
            next: None,
            statistics: Statistics::default(),
            failed: 0,
            starved_before: 0,
            warned_of_chunks: false,
        })
    }

    /// The next event that is known already.
    fn due(&mut self) -> Option<Event> {
        if self.losses.take_starved() {
            return Some(Event::Starved);
        }
        self.next.take().map(|(segment, info)| Event::Filled(segment, info))
    }

    /// Takes in what came back from the driver. `None` where it holds no frame and was queued again.
    fn take(&mut self, mut segment: WritableSegment, frame: &Frame) -> Option<Event> {
        let info = frame_info(frame, &self.layout);
        let lost_at_camera = self.losses.arrived(block_id(frame, &self.layout), info.is_some());
        let Some(mut info) = info else {
            self.note_failed(frame);
            self.kept.extend(self.grabber.queue(segment).err());
            return self.due();
        };
        if self.grabber.queued() == 0 {
            self.losses.ran_dry();
        }
        if frame.has_chunks && frame.succeeded {
            self.write_chunks(&mut segment, &mut info);
        }
        self.next = Some((segment, FrameInfo { lost_at_camera, ..info }));
        self.due()
    }

    /// Counts a result without a frame, and logs the first one.
    fn note_failed(&mut self, frame: &Frame) {
        if self.failed == 0 {
            let (code, text) = (format_args!("{:#010x}", frame.error_code), &frame.error);
            tracing::warn!(%code, text, "a frame was dropped: pylon could not grab it, or it is no image that fits its segment");
        }
        self.failed += 1;
    }

    /// Writes the list of chunks behind the buffer, where pylon does not write.
    fn write_chunks(&mut self, segment: &mut WritableSegment, info: &mut FrameInfo) {
        let Layout { buffer_bytes, chunk_room, .. } = self.layout;
        let mut list = [0; open::CHUNK_ROOM];
        let Some(mut writer) = list.get_mut(..chunk_room).and_then(ChunkWriter::new) else { return };
        let mut fit = true;
        let read = self.grabber.chunks(segment, |name, value| {
            fit &= writer.push(name, chunk_value(value)).is_ok();
        });
        let used = writer.finish();
        if let Some(room) = segment.bytes_mut().get_mut(buffer_bytes..)
            && let (Some(room), Some(list)) = (room.get_mut(..used), list.get(..used))
        {
            room.copy_from_slice(list);
            (info.chunk_offset, info.chunk_bytes) = (buffer_bytes, used);
        }
        if (read.is_err() || !fit) && !std::mem::replace(&mut self.warned_of_chunks, true) {
            let reason = read.err().map_or_else(|| "they do not fit".to_owned(), |failure| failure.text);
            tracing::warn!(reason, "some chunk data cannot be passed on");
        }
    }

    /// Nothing came for a while: why, if it is known.
    fn idle(&mut self) -> Option<Event> {
        if self.grabber.camera().nodes().is_removed() {
            return Some(Event::Gone("the camera was unplugged or does not answer".to_owned()));
        }
        if !self.grabber.is_grabbing() {
            return Some(Event::Gone("pylon has ended the grab".to_owned()));
        }
        // A camera that waits for its trigger is only silent.
        if self.description.fps > 0.0 {
            self.losses.report_starving();
        }
        self.due()
    }
}

impl Source for PylonSource {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn requirements(&self) -> Requirements {
        let within = segments_for_late_grab(self.description.fps);
        Requirements {
            min_queued: MIN_QUEUED.max(within),
            wanted_queued: WANTED_QUEUED.max(within),
            fixed_pool: true,
            can_pause: false,
            payload_bytes: self.layout.buffer_bytes.saturating_add(self.layout.chunk_room),
        }
    }

    fn start(&mut self) -> Result<(), SourceError> {
        if self.grabber.is_started() {
            return Ok(());
        }
        self.losses = FrameLosses::new(self.wraps);
        self.statistics = Statistics::of(self.grabber.camera());
        let segments = std::mem::take(&mut self.kept);
        self.grabber.start(segments, self.layout.buffer_bytes).map_err(|failure| {
            let (serial, reason) = (&self.description.serial, failure.text);
            SourceError::Driver(format!("camera {serial} does not start: pylon: {reason}"))
        })
    }

    fn queue(&mut self, segment: WritableSegment) {
        self.kept.extend(self.grabber.queue(segment).err());
    }

    fn wait(&mut self, timeout: Duration) -> Event {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.due() {
                return event;
            }
            if !self.grabber.is_started() {
                std::thread::sleep(timeout);
                return Event::Timeout;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let event = match self.grabber.retrieve(left.min(LOOK_AFTER_CAMERA)) {
                Ok(Some((segment, frame))) => self.take(segment, &frame),
                Ok(None) => self.idle(),
                Err(failure) => Some(Event::Gone(format!("pylon: {}", failure.text))),
            };
            self.statistics.refresh(self.grabber.camera());
            match event {
                Some(event) => return event,
                None if left.is_zero() => return Event::Timeout,
                None => {}
            }
        }
    }

    fn stop(&mut self) -> Vec<WritableSegment> {
        let mut segments = std::mem::take(&mut self.kept);
        segments.extend(self.next.take().map(|(segment, _)| segment));
        segments.extend(self.grabber.stop());
        self.starved_before += self.losses.starved_total();
        self.losses = FrameLosses::new(self.wraps);
        segments
    }

    fn counters(&self) -> TransportCounters {
        let starved = self.starved_before + self.losses.starved_total();
        let Statistics { resent_packets, missing_packets, .. } = self.statistics;
        TransportCounters { resent_packets, missing_packets, failed_frames: self.failed + starved }
    }

    fn features(&self) -> Option<Box<dyn Features>> {
        Some(Box::new(CameraFeatures::of(self.grabber.camera())))
    }

    fn refresh(&mut self) -> Result<(), SourceError> {
        (self.description, self.layout) = open::describe(self.grabber.camera(), &self.device)?;
        Ok(())
    }
}

fn chunk_value(value: ChunkValue<'_>) -> Value<'_> {
    match value {
        ChunkValue::Integer(value) => Value::Integer(value),
        ChunkValue::Float(value) => Value::Float(value),
        ChunkValue::Boolean(value) => Value::Boolean(value),
        ChunkValue::Text(value) => Value::Text(value),
    }
}
