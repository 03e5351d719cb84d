//! What a filled buffer means: its geometry, and the frames that were lost before it.

use framebroker_protocol::PixelFormat;

use super::ffi::{Region, Report, Statistics, Status};
use crate::source::FrameInfo;

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

/// Follows the block IDs of a stream and tells which are missing.
///
/// GigE Vision 1.x counts 1 to 65535 and begins again at 1; extended IDs and USB3 Vision count with 64 bits. Nothing says
/// which one a GigE Vision camera uses, so 16 bits are assumed until an ID is larger.
#[derive(Debug, Clone, Copy)]
struct BlockIds {
    last: Option<u64>,
    wraps: bool,
}

/// Where 16-bit IDs end.
const LAST_SHORT_ID: u64 = 0xffff;

/// A larger jump is a camera that began to count anew rather than one that lost so many frames.
const LARGEST_GAP: u64 = 0x7fff;

impl BlockIds {
    /// Frames missing between the last one and this one.
    fn missing_before(&mut self, id: u64) -> u64 {
        if id > LAST_SHORT_ID {
            self.wraps = false;
        }
        let Some(last) = self.last.replace(id) else { return 0 };
        let ahead = match id.checked_sub(last) {
            Some(ahead) => ahead,
            None if self.wraps => id.saturating_add(LAST_SHORT_ID).saturating_sub(last),
            None => 0,
        };
        let missing = ahead.saturating_sub(1);
        if missing > LARGEST_GAP { 0 } else { missing }
    }
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
    ids: BlockIds,
    underruns: u64,
    /// No buffer was queued at some time since the last gap.
    starving: bool,
    /// Starved frames of the next gap that were reported before the frame that shows it.
    reported: u64,
    /// Frames that were received and not delivered since the last one delivered.
    withheld: u64,
    /// Starved frames still to be reported.
    due: u64,
    /// All starved frames so far.
    starved_total: u64,
}

impl Losses {
    /// For a stream that was just created.
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport,
            ids: BlockIds { last: None, wraps: transport == Transport::GigE },
            underruns: 0,
            starving: false,
            reported: 0,
            withheld: 0,
            due: 0,
            starved_total: 0,
        }
    }

    /// Takes in the stream's figures, before a frame and (`idle`) when none came for a while.
    pub(super) fn observe(&mut self, statistics: &Statistics, idle: bool) {
        let new = statistics.underruns.saturating_sub(self.underruns);
        self.underruns = statistics.underruns;
        match self.transport {
            Transport::Fake => self.add_starved(new),
            Transport::Usb => {}
            Transport::GigE => {
                self.starving |= new > 0;
                if self.starving && idle && self.reported == 0 {
                    // At least one frame: told now, as nobody knows when the next one comes to show how many.
                    self.reported = 1;
                    self.add_starved(1);
                }
            }
        }
    }

    /// The driver has no segment left.
    pub(super) fn ran_dry(&mut self) {
        self.starving |= self.transport == Transport::Usb;
    }

    /// Takes in a frame that arrived; answers how many were lost on their way since the last one delivered.
    pub(super) fn arrived(&mut self, id: u64, delivered: bool) -> u32 {
        let missing = self.ids.missing_before(id);
        let mut lost = missing;
        if missing > 0 && std::mem::take(&mut self.starving) {
            let reported = std::mem::take(&mut self.reported);
            self.add_starved(missing.saturating_sub(reported));
            lost = 0;
        }
        if !delivered {
            self.withheld = self.withheld.saturating_add(lost).saturating_add(1);
            return 0;
        }
        let lost = lost.saturating_add(std::mem::take(&mut self.withheld));
        u32::try_from(lost).unwrap_or(u32::MAX)
    }

    /// Takes one starved frame that is still to be reported.
    pub(super) fn take_starved(&mut self) -> bool {
        let any = self.due > 0;
        self.due = self.due.saturating_sub(1);
        any
    }

    /// All frames so far that found no buffer.
    pub(super) fn starved_total(&self) -> u64 {
        self.starved_total
    }

    fn add_starved(&mut self, frames: u64) {
        self.due = self.due.saturating_add(frames);
        self.starved_total = self.starved_total.saturating_add(frames);
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
