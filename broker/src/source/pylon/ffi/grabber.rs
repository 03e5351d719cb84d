//! Segments in the driver's hands: the memory-safety argument of this source.
//!
//! pylon takes all its buffers from our factory when it starts, and writes to one of them only while it is *queued*: neither
//! in a grab result that is alive nor freed. A [`WritableSegment`] lies in its slot, out of everyone's reach, while its buffer
//! may be queued:
//! * it leaves the slot when its result was retrieved, which is then alive in the shim until the segment comes back
//!   ([`Grabber::queue`] puts it into the slot first and lets go of the result after that), or
//! * in [`Grabber::stop`], when pylon has stopped and has freed every buffer.
//!
//! **The order of a stop** matters: results that are let go of before pylon has stopped would be filled again, also those of
//! frames that somebody holds. Those kept after the stop would make the next start allocate further buffers.
//!
//! **Mappings stay** until pylon has freed the buffer: the ring may give up a segment that pylon still knows.

use std::ffi::{CStr, c_char};
use std::time::Duration;

use pylon_cxx::{GrabOptions, GrabStrategy};

use super::{Camera, Failure, call, sys, text};
use crate::factory::MappingKept;
use crate::source::WritableSegment;

/// Chunk features read of one frame; cameras have a few dozen.
const MOST_CHUNKS: usize = 128;

/// A camera and the segments under its buffers.
pub(in super::super) struct Grabber {
    camera: Camera,
    /// By segment index.
    slots: Vec<Slot>,
    queued: usize,
    is_started: bool,
    chunks: Vec<sys::Chunk>,
}

/// The place of one segment index.
#[derive(Debug, Default)]
struct Slot {
    /// The segment while its buffer may be queued.
    segment: Option<WritableSegment>,
    /// Its memory, while pylon has a buffer there.
    mapping: Option<MappingKept>,
}

/// What pylon says of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Frame {
    /// 0 where the grab succeeded.
    pub(in super::super) error_code: u32,
    /// Empty where the grab succeeded.
    pub(in super::super) error: String,
    pub(in super::super) succeeded: bool,
    pub(in super::super) is_image: bool,
    pub(in super::super) has_chunks: bool,
    /// PFNC code.
    pub(in super::super) pixel_format: u32,
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(in super::super) offset_x: u32,
    pub(in super::super) offset_y: u32,
    /// Bytes from row to row; 0 where pylon does not tell.
    pub(in super::super) stride: u64,
    pub(in super::super) image_bytes: u64,
    /// Image and chunk data.
    pub(in super::super) payload_bytes: u64,
    pub(in super::super) block_id: u64,
    /// The camera's clock.
    pub(in super::super) ticks: u64,
}

/// The value of a chunk feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum ChunkValue<'a> {
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Text(&'a str),
}

// SAFETY: the pointers in `chunks` are to names that the shim's part of the camera owns, and are read only beside `&mut self`;
// all else is `Send` by itself.
unsafe impl Send for Grabber {}

impl Grabber {
    /// A camera that does not grab yet.
    pub(in super::super) fn new(camera: Camera) -> Self {
        let no_chunk =
            || sys::Chunk { name: std::ptr::null(), kind: 0, text_bytes: 0, integer: 0, number: 0.0, text: [0; 256] };
        let chunks = std::iter::repeat_with(no_chunk).take(MOST_CHUNKS).collect();
        Self { camera, slots: Vec::new(), queued: 0, is_started: false, chunks }
    }

    pub(in super::super) fn camera(&self) -> &Camera {
        &self.camera
    }

    /// Whether [`Self::stop`] has anything to do.
    pub(in super::super) fn is_started(&self) -> bool {
        self.is_started
    }

    /// Segments that the driver has: filled ones that were not retrieved included.
    pub(in super::super) fn queued(&self) -> usize {
        self.queued
    }

    /// Whether pylon still grabs.
    pub(in super::super) fn is_grabbing(&self) -> bool {
        self.camera.instant().is_grabbing()
    }

    /// Starts with these segments as its only buffers, of which images may take the first `buffer_bytes`. After a failure,
    /// [`Self::stop`] returns them.
    pub(in super::super) fn start(
        &mut self,
        segments: Vec<WritableSegment>,
        buffer_bytes: usize,
    ) -> Result<(), Failure> {
        self.is_started = true;
        // SAFETY: the camera is alive.
        let is_free = unsafe { sys::fb_pylon_forget(self.camera.shim()) };
        let mut offered =
            if is_free { Ok(()) } else { Err(Failure::new("pylon still has buffers of an earlier start")) };
        let buffers = segments.len();
        for segment in segments {
            offered = offered.and_then(|()| self.offer(segment, buffer_bytes));
        }
        offered?;
        self.camera.set_buffers(buffers)?;
        // All frames, in order: what consumers want is the ring's business.
        let all = GrabOptions::default().strategy(GrabStrategy::OneByOne);
        Ok(self.camera.instant().start_grabbing(&all)?)
    }

    fn offer(&mut self, mut segment: WritableSegment, buffer_bytes: usize) -> Result<(), Failure> {
        let at = segment.index().as_usize();
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, Slot::default);
        }
        let (memory, bytes) = (segment.as_mut_ptr(), segment.len().min(buffer_bytes));
        let mapping = segment.keep_mapped();
        let Some(slot) = self.slots.get_mut(at) else { return Ok(()) };
        (slot.mapping, slot.segment) = (Some(mapping), Some(segment));
        self.queued += 1;
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        // SAFETY:
        // * the camera is alive, and the shim only writes down the address; what pylon does with it comes with the start;
        // * mapped and writable until pylon has freed the buffer: `slot.mapping`, which `stop` drops after that;
        // * nobody else reads or writes it while the buffer is queued: `slot.segment`, see the head of this file.
        call(|failure| unsafe { sys::fb_pylon_offer(self.camera.shim(), index, memory.cast(), bytes, failure) })
    }

    /// Gives a segment to the driver again; hands it back where it is none of those it was started with.
    pub(in super::super) fn queue(&mut self, segment: WritableSegment) -> Result<(), WritableSegment> {
        let at = segment.index().as_usize();
        let slot = self.slots.get_mut(at);
        let Some(slot) = slot
            .filter(|slot| slot.segment.is_none() && slot.mapping.as_ref().is_some_and(|kept| kept.is_of(&segment)))
        else {
            return Err(segment);
        };
        slot.segment = Some(segment);
        self.queued += 1;
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        // SAFETY: the camera is alive. The buffer is filled again from here on: its segment is in the slot.
        unsafe { sys::fb_pylon_release(self.camera.shim(), index) };
        Ok(())
    }

    /// Waits for a segment to come back from the driver, filled or not. After a failure nothing is grabbed any more.
    pub(in super::super) fn retrieve(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<(WritableSegment, Frame)>, Failure> {
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let mut frame = std::mem::MaybeUninit::<sys::Frame>::zeroed();
        let mut got = 0;
        call(|failure| {
            // SAFETY: the camera is alive, `frame` and `failure` are places of their types.
            got = unsafe { sys::fb_pylon_retrieve(self.camera.shim(), timeout_ms, frame.as_mut_ptr(), failure) };
            got >= 0
        })?;
        if got == 0 {
            return Ok(None);
        }
        // SAFETY: all of its fields are integers, for which zeros are a value.
        let frame = unsafe { frame.assume_init() };
        let slot = usize::try_from(frame.index).ok().and_then(|at| self.slots.get_mut(at));
        let Some(segment) = slot.and_then(|slot| slot.segment.take()) else {
            return Err(Failure::new(format!("pylon delivered buffer {} twice", frame.index)));
        };
        self.queued -= 1;
        Ok(Some((segment, Frame::from(&frame))))
    }

    /// Calls `take` with name and value of each chunk of a frame that was retrieved and is not queued yet.
    pub(in super::super) fn chunks(
        &mut self,
        segment: &WritableSegment,
        mut take: impl FnMut(&str, ChunkValue<'_>),
    ) -> Result<(), Failure> {
        let index = u32::try_from(segment.index().as_usize()).unwrap_or(u32::MAX);
        let room = u32::try_from(self.chunks.len()).unwrap_or(0);
        let mut found = 0;
        call(|failure| {
            // SAFETY: the camera is alive; `chunks` has room for so many; the shim knows results by index.
            found = unsafe { sys::fb_pylon_chunks(self.camera.shim(), index, self.chunks.as_mut_ptr(), room, failure) };
            found >= 0
        })?;
        for chunk in self.chunks.iter().take(usize::try_from(found).unwrap_or(0)) {
            // SAFETY: the shim filled it in: a text with a final zero that lives until the next start.
            let name = unsafe { CStr::from_ptr(chunk.name) };
            if let (Ok(name), Some(value)) = (name.to_str(), value(chunk)) {
                take(name, value);
            }
        }
        Ok(())
    }

    /// Stops; when this returns pylon can write nothing any more. Returns the segments it had.
    pub(in super::super) fn stop(&mut self) -> Vec<WritableSegment> {
        if !std::mem::take(&mut self.is_started) {
            return Vec::new();
        }
        if let Err(failure) = self.camera.instant().stop_grabbing().map_err(Failure::from) {
            tracing::warn!(reason = failure.text, "pylon did not stop cleanly");
        }
        // SAFETY: the camera is alive. pylon has stopped: what is let go of now is freed, not filled again.
        unsafe { sys::fb_pylon_release_all(self.camera.shim()) };
        // SAFETY: the camera is alive.
        let lent = unsafe { sys::fb_pylon_lent(self.camera.shim()) };
        self.queued = 0;
        let slots = std::mem::take(&mut self.slots);
        if lent > 0 {
            tracing::error!(
                buffers = lent,
                "pylon has stopped and not freed its buffers: their segments are abandoned"
            );
            // Mapped for ever, and nobody's: pylon may still write there.
            std::mem::forget(slots);
            return Vec::new();
        }
        slots.into_iter().filter_map(|slot| slot.segment).collect()
    }
}

impl Drop for Grabber {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

impl std::fmt::Debug for Grabber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grabber")
            .field("queued", &self.queued)
            .field("is_started", &self.is_started)
            .finish_non_exhaustive()
    }
}

impl From<&sys::Frame> for Frame {
    fn from(frame: &sys::Frame) -> Self {
        Self {
            error_code: frame.error_code,
            // No memory is taken for an empty one.
            error: if frame.succeeded == 0 { text(&frame.error_text) } else { String::new() },
            succeeded: frame.succeeded != 0,
            is_image: frame.is_image != 0,
            has_chunks: frame.has_chunks != 0,
            pixel_format: frame.pixel_type,
            width: frame.width,
            height: frame.height,
            offset_x: frame.offset_x,
            offset_y: frame.offset_y,
            stride: frame.stride,
            image_bytes: frame.image_bytes,
            payload_bytes: frame.payload_bytes,
            block_id: frame.block_id,
            ticks: frame.ticks,
        }
    }
}

fn value(chunk: &sys::Chunk) -> Option<ChunkValue<'_>> {
    Some(match chunk.kind {
        sys::CHUNK_INTEGER => ChunkValue::Integer(chunk.integer),
        sys::CHUNK_FLOAT => ChunkValue::Float(chunk.number),
        sys::CHUNK_BOOLEAN => ChunkValue::Boolean(chunk.integer != 0),
        sys::CHUNK_TEXT => ChunkValue::Text(utf8(chunk.text.get(..usize::try_from(chunk.text_bytes).ok()?)?)?),
        _ => return None,
    })
}

fn utf8(chars: &[c_char]) -> Option<&str> {
    // SAFETY: as in `text`: bytes under another name, borrowed as long as the result.
    let bytes = unsafe { std::slice::from_raw_parts(chars.as_ptr().cast::<u8>(), chars.len()) };
    std::str::from_utf8(bytes).ok()
}
