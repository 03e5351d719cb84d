//! Frames: `fb_frame_…`.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::mem::MaybeUninit;

use framebroker_client::Frame;

use crate::boundary::{Place, Sized_, end, guard, place};
use crate::handles::tables;
use crate::status::{Failure, fb_status};
use crate::types::{fb_frame, fb_frame_info};

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_frame_info {
    const NAME: &'static str = "fb_frame_info";
}

/// Tells all that is known about a frame, and where its bytes are.
///
/// Thread-safe, as all functions on frames are: a frame may be passed to other threads, read by several at once, and
/// released by any. It outlives its subscription, the connection, and the broker.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_frame_describe(frame: *mut fb_frame, info: *mut fb_frame_info) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(info) }?;
        place.put(with(frame, |frame| fb_frame_info::from(frame))?);
        Ok(())
    })
}

/// The bytes of the image, without the rest. *data is read-only memory, in which the camera's driver put them: writing there
/// is a segmentation fault. Valid until fb_frame_release.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_frame_data(
    frame: *mut fb_frame,
    data: Option<&mut MaybeUninit<*const u8>>,
    data_bytes: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| put(with(frame, |frame| extent(frame.data()))?, data, data_bytes))
}

/// A row of the image, row 0 being the uppermost: its pixels, without the padding between it and the next. Read-only and valid as
/// fb_frame_data.
///
/// FB_ERROR_ARGUMENT: the image has no such row, or its rows do not begin on a byte (its stride is 0), or the size of its pixel
/// format is not known. FB_ERROR_HANDLE, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_frame_row(
    frame: *mut fb_frame,
    y: u32,
    row: Option<&mut MaybeUninit<*const u8>>,
    row_bytes: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| put(with(frame, |frame| self::row(frame, y))??, row, row_bytes))
}

/// The chunk data that the camera sent behind the image: NULL and 0 if it sent none. Read-only and valid as fb_frame_data.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_frame_chunk(
    frame: *mut fb_frame,
    chunk: Option<&mut MaybeUninit<*const u8>>,
    chunk_bytes: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| put(with(frame, |frame| extent(frame.chunk_data()))?, chunk, chunk_bytes))
}

/// Whether a frame was exposed with a setting, or with a later one: version is that of an fb_setting or an fb_settings_change. Where
/// that is not known, as of a frame that was under way when the camera was set, it is false.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_frame_is_exposed_with(
    frame: *mut fb_frame,
    version: u32,
    is_exposed_with: Option<&mut MaybeUninit<bool>>,
) -> fb_status {
    guard(|| {
        let place = place("is_exposed_with", is_exposed_with)?;
        place.write(with(frame, |frame| frame.is_exposed_with(version))?);
        Ok(())
    })
}

/// Gives a frame back: from now on its segment may be filled again, and no pointer to its bytes may be used. Any thread may
/// call it, once.
///
/// FB_ERROR_HANDLE if it was released before; nothing happens then. FB_ERROR_FORKED in a forked child: the frame is its
/// parent's.
#[unsafe(no_mangle)]
pub extern "C" fn fb_frame_release(frame: *mut fb_frame) -> fb_status {
    end(frame.addr(), || tables()?.frames.remove(frame.addr()).map(drop))
}

/// Does something with a frame, briefly.
pub fn with<R>(frame: *mut fb_frame, run: impl FnOnce(&Frame) -> R) -> Result<R, Failure> {
    tables()?.frames.with(frame.addr(), |frame| run(frame))
}

/// Where a row of the image is.
fn row(frame: &Frame, y: u32) -> Result<(*const u8, usize), Failure> {
    let header = frame.header();
    if y >= header.height {
        return Err(Failure::argument(format!("there is no row {y}: the image has {}", header.height)));
    }
    let bytes = header.pixel_format.stride(header.width).filter(|_| header.stride != 0);
    let bytes = bytes.ok_or_else(|| {
        Failure::argument(format!(
            "{} has no rows of whole bytes here; fb_frame_data has all of it",
            header.pixel_format
        ))
    })?;
    let begin = u64::from(y) * u64::from(header.stride);
    let extent = begin..begin + u64::from(bytes);
    let row = usize::try_from(extent.start).ok().zip(usize::try_from(extent.end).ok());
    let row = row.and_then(|(begin, end)| frame.data().get(begin..end));
    row.map(self::extent).ok_or_else(|| Failure::argument(format!("the image ends before row {y}")))
}

/// Where bytes are; NULL where there are none. They stay there while the frame is held.
pub fn extent(bytes: &[u8]) -> (*const u8, usize) {
    if bytes.is_empty() { (std::ptr::null(), 0) } else { (bytes.as_ptr(), bytes.len()) }
}

fn put(
    (pointer, length): (*const u8, usize),
    data: Option<&mut MaybeUninit<*const u8>>,
    bytes: Option<&mut MaybeUninit<usize>>,
) -> Result<(), Failure> {
    let (data, bytes) = (place("the place for the pointer", data)?, place("the place for the length", bytes)?);
    data.write(pointer);
    bytes.write(length);
    Ok(())
}

impl From<&Frame> for fb_frame_info {
    fn from(frame: &Frame) -> Self {
        let header = frame.header();
        let (data, data_bytes) = extent(frame.data());
        let (chunk, chunk_bytes) = extent(frame.chunk_data());
        Self {
            struct_size: size_of::<Self>(),
            data,
            data_bytes,
            chunk,
            chunk_bytes,
            context: frame.context().as_u64(),
            sequence: frame.sequence().0,
            usage_count: header.usage_count,
            camera_timestamp_ns: header.camera_timestamp_ns,
            monotonic_ns: header.monotonic_ns,
            realtime_ns: header.realtime_ns,
            block_id: header.block_id,
            payload_offset: header.payload_offset,
            chunk_offset: if chunk_bytes == 0 { 0 } else { header.chunk_offset },
            buffer_context: header.buffer_context,
            width: header.width,
            height: header.height,
            stride: header.stride,
            offset_x: header.offset_x,
            offset_y: header.offset_y,
            pixel_format: header.pixel_format.code(),
            lost_at_camera: header.lost_at_camera,
            settings_version: header.settings_version,
            is_complete: header.is_complete(),
        }
    }
}
