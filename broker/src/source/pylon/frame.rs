//! What a grab result means: geometry, time, and whether it is a frame at all.

use framebroker_protocol::PixelFormat;

use super::ffi::Frame;
use crate::source::FrameInfo;

/// What holds for all frames between one start and the stop: cameras lock these settings while they send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes of a segment that pylon may fill: image, and the chunk data as the camera sends them.
    pub(super) buffer_bytes: usize,
    /// Bytes behind those for the list of chunks that consumers read; 0 where the camera sends none.
    pub(super) chunk_room: usize,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) offset_x: u32,
    pub(super) offset_y: u32,
    pub(super) pixel_format: PixelFormat,
    /// Of the camera's clock.
    pub(super) ticks_per_second: u64,
    /// Block ID 0 is a frame's number (USB3 Vision), and not the word for none (`GigE` Vision).
    pub(super) counts_from_zero: bool,
}

/// `GigE` Vision: packets of the frame are missing.
const INCOMPLETELY_GRABBED: u32 = 0xE100_0014;

/// USB3 Vision: the camera had to leave out a part of the frame.
const PAYLOAD_DISCARDED: u32 = 0xE200_0212;

/// pylon's word for no block ID.
const NO_BLOCK_ID: u64 = u64::MAX;

/// The camera's number of the frame, if it counts.
pub(super) fn block_id(frame: &Frame, layout: &Layout) -> Option<u64> {
    match frame.block_id {
        NO_BLOCK_ID => None,
        0 if !layout.counts_from_zero => None,
        id => Some(id),
    }
}

/// Reads the metadata of a frame. `None` where the result holds no frame that fits its segment.
pub(super) fn frame_info(frame: &Frame, layout: &Layout) -> Option<FrameInfo> {
    let is_partial = matches!(frame.error_code, INCOMPLETELY_GRABBED | PAYLOAD_DISCARDED);
    if !frame.succeeded && !is_partial || frame.succeeded && !frame.is_image {
        return None;
    }
    let info = FrameInfo {
        width: layout.width,
        height: layout.height,
        stride: 0,
        offset_x: layout.offset_x,
        offset_y: layout.offset_y,
        pixel_format: layout.pixel_format,
        image_bytes: 0,
        chunk_offset: 0,
        chunk_bytes: 0,
        camera_timestamp_ns: nanoseconds(frame.ticks, layout.ticks_per_second),
        block_id: block_id(frame, layout).unwrap_or(0),
        complete: frame.succeeded,
        lost_at_camera: 0,
    };
    // Of a partial frame, the part that tells the geometry may be missing; the camera's settings tell it too.
    let info = if frame.succeeded { told(frame, info)? } else { assumed(info, layout)? };
    let fits = info.width > 0 && info.height > 0 && info.image_bytes > 0 && info.image_bytes <= layout.buffer_bytes;
    fits.then_some(info)
}

/// With the geometry of the result itself.
fn told(frame: &Frame, info: FrameInfo) -> Option<FrameInfo> {
    Some(FrameInfo {
        width: frame.width,
        height: frame.height,
        stride: u32::try_from(frame.stride).ok()?,
        offset_x: frame.offset_x,
        offset_y: frame.offset_y,
        pixel_format: PixelFormat::from_code(frame.pixel_format),
        image_bytes: usize::try_from(frame.image_bytes).ok()?,
        ..info
    })
}

/// With the geometry that the camera is set to.
fn assumed(info: FrameInfo, layout: &Layout) -> Option<FrameInfo> {
    let format = info.pixel_format;
    let image_bytes = format.image_bytes(info.width, info.height).unwrap_or(layout.buffer_bytes);
    Some(FrameInfo { stride: format.stride(info.width).unwrap_or(0), image_bytes, ..info })
}

/// Ticks of a clock in ns.
pub(super) fn nanoseconds(ticks: u64, ticks_per_second: u64) -> u64 {
    let ns = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_per_second.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        buffer_bytes: 4096,
        chunk_room: 0,
        width: 64,
        height: 32,
        offset_x: 4,
        offset_y: 8,
        pixel_format: PixelFormat::MONO8,
        ticks_per_second: 125_000_000,
        counts_from_zero: false,
    };

    fn frame() -> Frame {
        Frame {
            error_code: 0,
            error: String::new(),
            succeeded: true,
            is_image: true,
            has_chunks: false,
            pixel_format: PixelFormat::MONO8.code(),
            width: 60,
            height: 30,
            offset_x: 2,
            offset_y: 3,
            stride: 64,
            image_bytes: 64 * 30,
            payload_bytes: 64 * 30,
            block_id: 7,
            ticks: 250,
        }
    }

    #[test]
    fn a_frame_has_the_geometry_it_tells() {
        let info = frame_info(&frame(), &LAYOUT).unwrap();
        assert_eq!((info.width, info.height, info.stride, info.image_bytes), (60, 30, 64, 1920));
        assert_eq!((info.offset_x, info.offset_y, info.block_id, info.camera_timestamp_ns), (2, 3, 7, 2000));
        assert!(info.complete);
    }

    #[test]
    fn a_partial_frame_has_the_geometry_of_the_settings() {
        let partial = Frame { succeeded: false, error_code: INCOMPLETELY_GRABBED, width: 0, height: 0, ..frame() };
        let info = frame_info(&partial, &LAYOUT).unwrap();
        assert_eq!((info.width, info.height, info.stride, info.image_bytes), (64, 32, 64, 2048));
        assert!(!info.complete);
        assert_eq!(frame_info(&Frame { error_code: 0xE100_0001, ..partial }, &LAYOUT), None);
    }

    #[test]
    fn what_is_no_image_or_does_not_fit_is_no_frame() {
        assert_eq!(frame_info(&Frame { is_image: false, ..frame() }, &LAYOUT), None);
        assert_eq!(frame_info(&Frame { image_bytes: 4097, ..frame() }, &LAYOUT), None);
        assert_eq!(frame_info(&Frame { width: 0, ..frame() }, &LAYOUT), None);
        assert_eq!(frame_info(&Frame { stride: u64::MAX, ..frame() }, &LAYOUT), None);
    }

    #[test]
    fn cameras_that_do_not_count_have_no_block_id() {
        let usb = Layout { counts_from_zero: true, ..LAYOUT };
        assert_eq!(block_id(&Frame { block_id: u64::MAX, ..frame() }, &usb), None);
        assert_eq!(block_id(&Frame { block_id: 0, ..frame() }, &usb), Some(0));
        assert_eq!(block_id(&Frame { block_id: 0, ..frame() }, &LAYOUT), None);
    }

    #[test]
    fn ticks_of_any_clock_are_nanoseconds() {
        assert_eq!(nanoseconds(125_000_000, 125_000_000), 1_000_000_000);
        assert_eq!(nanoseconds(u64::MAX, 1_000_000_000), u64::MAX);
        assert_eq!(nanoseconds(u64::MAX, 1), u64::MAX);
        assert_eq!(nanoseconds(5, 0), 5_000_000_000);
    }
}
