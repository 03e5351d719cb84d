//! What a filled buffer means: its geometry, and the frames that were lost before it.

use framebroker_protocol::PixelFormat;

use super::ffi::{Region, Report, Statistics, Status};
use crate::source::FrameInfo;
use crate::source::losses::FrameLosses;

/// What holds for all frames between one start and the stop: cameras lock these settings while they send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes of image and chunk data that the camera announces.
    pub(super) payload_bytes: usize,
    pub(super) region: Region,
    pub(super) pixel_format: PixelFormat,
    /// Bytes from one row to the next where the camera tells and they are more than the pixels take.
    pub(super) line_pitch: Option<u32>,
}

/// Reads the metadata of a frame. `None` where what the packets say cannot be a frame in a segment of `segment_bytes`.
pub(super) fn frame_info(report: &Report, layout: &Layout, segment_bytes: usize) -> Option<FrameInfo> {
    let complete = report.status == Status::Complete;
    let (region, pixel_format) = match report.status {
        Status::Complete if report.is_image => (report.region, PixelFormat::from_code(report.pixel_format)),
        // The packet that tells the geometry may be missing; the camera's settings tell it too.
        Status::Incomplete => (layout.region, layout.pixel_format),
        Status::Complete | Status::NoFrame => return None,
    };
    if region.width == 0 || region.height == 0 {
        return None;
    }
    let received = report.data_bytes.min(layout.payload_bytes).min(segment_bytes);
    let (stride, image_bytes) = image_size(region, pixel_format, layout, received)?;
    if image_bytes > segment_bytes {
        return None;
    }
    let has_chunks = complete && report.has_chunks;
    Some(FrameInfo {
        width: region.width,
        height: region.height,
        stride,
        offset_x: region.offset_x,
        offset_y: region.offset_y,
        pixel_format,
        image_bytes,
        chunk_offset: image_bytes,
        chunk_bytes: if has_chunks { received.saturating_sub(image_bytes) } else { 0 },
        camera_timestamp_ns: report.timestamp_ns,
        block_id: report.frame_id,
        complete,
        lost_at_camera: 0,
    })
}

/// Stride and bytes of the image. One in a format that PFNC does not describe has no stride and is as long as what arrived.
fn image_size(region: Region, format: PixelFormat, layout: &Layout, received: usize) -> Option<(u32, usize)> {
    let as_announced = region.width == layout.region.width && format == layout.pixel_format;
    if let Some(pitch) = layout.line_pitch.filter(|_| as_announced) {
        let rows = usize::try_from(region.height).ok()?;
        return Some((pitch, usize::try_from(pitch).ok()?.checked_mul(rows)?));
    }
    let tells_its_size = format.image_bytes(1, 1).is_some();
    let image_bytes = match format.image_bytes(region.width, region.height) {
        Some(image_bytes) => image_bytes,
        None if tells_its_size => return None, // too large for memory
        None => received,
    };
    Some((format.stride(region.width).unwrap_or(0), image_bytes))
}

/// How frames come from the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// GigE Vision.
    GigE,
    /// USB3 Vision.
    Usb,
    /// The library's simulated camera.
    Fake,
}

/// Says of every missing frame whether it was lost on its way or found no buffer (starved).
///
/// The block IDs tell how many are missing, not why. libaravis' counter of underruns answers that
/// * for `Fake` exactly: it counts frames, and those frames have no IDs;
/// * for GigE Vision roughly: it counts packets, so any since the last gap make the frames of this gap starved;
/// * for USB not at all (it counts how often the thread looked): there it matters whether the driver had no segment left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Losses {
    transport: Transport,
    frames: FrameLosses,
    underruns: u64,
}

impl Losses {
    /// For a stream that was just created.
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport, frames: FrameLosses::new(transport == Transport::GigE), underruns: 0 }
    }

    /// Takes in the stream's figures, before a frame and (`idle`) when none came for a while.
    pub(super) fn observe(&mut self, statistics: &Statistics, idle: bool) {
        let new = statistics.underruns.saturating_sub(self.underruns);
        self.underruns = statistics.underruns;
        match self.transport {
            Transport::Fake => self.frames.add_starved(new),
            Transport::Usb => {}
            Transport::GigE => {
                if new > 0 {
                    self.frames.ran_dry();
                }
                if idle {
                    // At least one frame: told now, as nobody knows when the next one comes to show how many.
                    self.frames.report_starving();
                }
            }
        }
    }

    /// The driver has no segment left.
    pub(super) fn ran_dry(&mut self) {
        if self.transport == Transport::Usb {
            self.frames.ran_dry();
        }
    }

    /// Takes in a frame that arrived; answers how many were lost on their way since the last one delivered.
    pub(super) fn arrived(&mut self, id: u64, delivered: bool) -> u32 {
        self.frames.arrived(Some(id), delivered)
    }

    /// Takes one starved frame that is still to be reported.
    pub(super) fn take_starved(&mut self) -> bool {
        self.frames.take_starved()
    }

    /// All frames so far that found no buffer.
    pub(super) fn starved_total(&self) -> u64 {
        self.frames.starved_total()
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
