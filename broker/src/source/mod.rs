//! Sources: what fills segments with frames.
//!
//! The grab thread owns a [`Source`] and is the only one that calls it. A [`WritableSegment`] is the exclusive right to
//! write one segment. It is moved into the source by [`Source::queue`] and comes back in [`Event::Filled`] or from
//! [`Source::stop`], so that the type system shows that no segment is filled while its frame is published.

#[cfg(feature = "aravis")]
pub mod aravis;
#[cfg(any(feature = "aravis", feature = "pylon"))]
pub mod camera;
pub mod features;
#[cfg(any(feature = "aravis", feature = "pylon"))]
mod losses;
mod pattern;
pub mod producer;
#[cfg(feature = "pylon")]
pub mod pylon;
mod replay;

use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use framebroker_protocol::PixelFormat;

pub use crate::factory::WritableSegment;
pub use features::{FeatureError, Features};
pub use framebroker_protocol::FrameInfo;
pub use pattern::{Fill, PatternOptions, PatternSource};
pub use replay::{OnError, ReplayOptions, ReplaySource};

/// What a source needs from the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirements {
    /// Segments the driver must have queued at all times so that it loses nothing.
    pub min_queued: usize,
    /// Segments it has queued as long as nobody holds what it would take for that: at least `min_queued`.
    pub wanted_queued: usize,
    /// The driver takes buffers only while it is stopped, so the ring cannot grow while it runs.
    pub fixed_pool: bool,
    /// Frames can be delayed (replayed or generated) rather than dropped when no segment is queued.
    pub can_pause: bool,
    /// Bytes a segment must offer: image and chunk data.
    pub payload_bytes: usize,
}

/// What a source is and delivers, for `Streams`, the ready line and the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Vendor and model, or the kind of source.
    pub model: String,
    /// Serial number; empty where there is none.
    pub serial: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// PFNC pixel format.
    pub pixel_format: PixelFormat,
    /// Nominal frames per second; 0 where it is not known (a hardware trigger).
    pub fps: f64,
}

impl Default for Description {
    /// Of a source that has not come yet.
    fn default() -> Self {
        let (model, serial, pixel_format) = (String::new(), String::new(), PixelFormat::MONO8);
        Self { model, serial, width: 0, height: 0, pixel_format, fps: 0.0 }
    }
}

/// What [`Source::wait`] saw.
#[derive(Debug)]
pub enum Event {
    /// A frame is in this segment.
    Filled(WritableSegment, FrameInfo),
    /// A frame arrived and was dropped because no segment was queued.
    Starved,
    /// Nothing within the time; a camera that waits for its trigger is only silent.
    Timeout,
    /// The camera is gone; the text says how that was noticed. The broker stops this source and opens it again.
    Gone(String),
    /// There are no more frames, and never will be; the text says why. The stream ends.
    Ended(String),
}

/// Transport figures of a source since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransportCounters {
    /// Packets asked for again.
    pub resent_packets: u64,
    /// Packets that never came.
    pub missing_packets: u64,
    /// Frames the driver gave up or had no buffer for.
    pub failed_frames: u64,
}

impl Add for TransportCounters {
    type Output = Self;

    /// The sum of two spans of time.
    fn add(self, other: Self) -> Self {
        Self {
            resent_packets: self.resent_packets + other.resent_packets,
            missing_packets: self.missing_packets + other.missing_packets,
            failed_frames: self.failed_frames + other.failed_frames,
        }
    }
}

/// Opens a source, again and again if need be.
pub type Opener = Arc<dyn Fn() -> Result<Box<dyn Source>, SourceError> + Send + Sync>;

/// What fills segments with frames. Opening one (finding the camera, setting features) is the constructor's work.
pub trait Source: Send {
    /// What it delivers.
    fn describe(&self) -> Description;
    /// What it needs from the ring.
    fn requirements(&self) -> Requirements;
    /// Begins to deliver frames into the segments queued before and after this call.
    fn start(&mut self) -> Result<(), SourceError>;
    /// Hands over a segment to be filled; in the order given where the driver keeps one.
    fn queue(&mut self, segment: WritableSegment);
    /// Waits for one event, at most `timeout`.
    fn wait(&mut self, timeout: Duration) -> Event;
    /// Stops; returns every segment it still has, when the driver can write nothing any more.
    fn stop(&mut self) -> Vec<WritableSegment>;
    /// Transport figures since it was opened.
    fn counters(&self) -> TransportCounters;
    /// Its features, as a handle of their own for another thread; `None` where it has none. Asked again after each start.
    fn features(&self) -> Option<Box<dyn Features>> {
        None
    }
    /// Takes over what was set by [`Self::features`] while it was stopped: [`Self::describe`] and [`Self::requirements`] tell
    /// it from here on. Called only while it is stopped, perhaps by another thread.
    ///
    /// # Errors
    /// The camera does not answer, or is set to something that cannot be grabbed.
    fn refresh(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
    /// Frames that may have been exposed before a feature was set, and whose [`Self::wait`] begins after it.
    fn frames_under_way(&self) -> usize {
        features::FRAMES_UNDER_WAY
    }
}

/// Why a source cannot be opened or started.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The camera is not there; the text lists those that are.
    #[error("{0}")]
    Absent(String),
    /// Another program has it.
    #[error("{0}")]
    Busy(String),
    /// An option that this source does not take or a value the camera refuses.
    #[error("{0}")]
    Invalid(String),
    /// The driver failed.
    #[error("{0}")]
    Driver(String),
}
