//! Segments to be filled: `fb_blank_…`.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use framebroker_client::{Blank, Error, FrameInfo, PixelFormat};

use crate::boundary::{Options, Place, Sized_, end, guard, options};
use crate::handles::tables;
use crate::status::{Failure, fb_status};
use crate::types::{fb_blank, fb_blank_info, fb_frame_fill};

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_blank_info {
    const NAME: &'static str = "fb_blank_info";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_frame_fill {
    const NAME: &'static str = "fb_frame_fill";
}
// SAFETY: integers.
unsafe impl Options for fb_frame_fill {}

/// Tells where a segment to be filled is, and which.
///
/// Thread-safe, as all functions on blanks are. A blank outlives its producer, but cannot be published then.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_blank_describe(blank: *mut fb_blank, info: *mut fb_blank_info) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(info) }?;
        place.put(tables()?.blanks.with(blank.addr(), |blank| blank.into())?);
        Ok(())
    })
}

/// Makes a filled segment a frame: from now on no pointer to it may be written, until it is taken again. Ends the blank.
///
/// FB_ERROR_ARGUMENT: fill cannot be true of the segment; the text says why, and the blank stays. FB_ERROR_STOPPED: the
/// broker takes nothing more, or the producer was closed; the blank has ended. FB_ERROR_HANDLE, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_blank_publish(blank: *mut fb_blank, fill: *const fb_frame_fill) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let info = unsafe { frame_info(fill) }?;
        let blanks = &tables()?.blanks;
        let bytes = blanks.with(blank.addr(), |blank| blank.len())?;
        // Before the blank is given up.
        FrameInfo::checked(&info.header(), bytes).map_err(|fault| Error::Frame { fault })?;
        Ok(blanks.remove(blank.addr())?.publish(&info)?)
    })
}

/// Leaves a segment to whoever fills it by its address, such as a driver. fb_producer_publish makes it a frame, named by its
/// buffer context. Ends the blank: its memory may be written until the segment is published, and stays mapped until then,
/// unless the producer is closed.
///
/// FB_ERROR_HANDLE, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_blank_keep(blank: *mut fb_blank) -> fb_status {
    guard(|| {
        // The producer keeps it, whether or not this process has more of it than its address.
        let _kept = tables()?.blanks.remove(blank.addr())?.keep();
        Ok(())
    })
}

/// Gives a segment up unfilled: the next fb_producer_take brings it again. Ends the blank.
///
/// FB_ERROR_HANDLE, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_blank_drop(blank: *mut fb_blank) -> fb_status {
    end(blank.addr(), || tables()?.blanks.remove(blank.addr()).map(drop))
}

impl From<&mut Blank> for fb_blank_info {
    fn from(blank: &mut Blank) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            data: blank.as_mut_ptr(),
            data_bytes: blank.len(),
            buffer_context: blank.buffer_context(),
            segment: u32::from(blank.index().as_u16()),
        }
    }
}

/// What the caller says of a frame, with the defaults put in.
///
/// # Safety
/// The pointer is NULL or leads to a structure as large as its `struct_size` says.
pub unsafe fn frame_info(fill: *const fb_frame_fill) -> Result<FrameInfo, Failure> {
    // SAFETY: the caller vouches for it.
    let fill = unsafe { options(fill) }?.ok_or_else(|| Failure::argument("fill is NULL"))?;
    let pixel_format = PixelFormat::from_code(fill.pixel_format);
    let plain = FrameInfo::new(fill.width, fill.height, pixel_format);
    let info = FrameInfo {
        stride: if fill.stride == 0 { plain.stride } else { fill.stride },
        offset_x: fill.offset_x,
        offset_y: fill.offset_y,
        image_bytes: match (fill.image_bytes, fill.stride) {
            (0, 0) => plain.image_bytes,
            (0, stride) => bytes_of_rows(stride, &plain),
            (bytes, _) => bytes,
        },
        chunk_bytes: fill.chunk_bytes,
        camera_timestamp_ns: fill.camera_timestamp_ns,
        block_id: fill.block_id,
        complete: fill.is_incomplete == 0,
        lost_at_camera: fill.lost_at_camera,
        ..plain
    };
    if info.image_bytes == 0 && fill.width != 0 && fill.height != 0 && fill.pixel_format != 0 {
        return Err(Failure::argument("the size of this pixel format is not known: say image_bytes"));
    }
    Ok(info)
}

/// Rows so far apart; the last one without its padding.
fn bytes_of_rows(stride: u32, plain: &FrameInfo) -> usize {
    let last = plain.pixel_format.stride(plain.width).unwrap_or(stride);
    let bytes = u64::from(stride) * u64::from(plain.height.saturating_sub(1)) + u64::from(last);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONO8: u32 = 0x0108_0001;

    fn read(change: impl FnOnce(&mut fb_frame_fill)) -> Result<FrameInfo, Failure> {
        let mut fill = fb_frame_fill {
            struct_size: size_of::<fb_frame_fill>(),
            image_bytes: 0,
            chunk_bytes: 0,
            camera_timestamp_ns: 0,
            block_id: 0,
            width: 4,
            height: 3,
            pixel_format: MONO8,
            stride: 0,
            offset_x: 0,
            offset_y: 0,
            lost_at_camera: 0,
            is_incomplete: 0,
        };
        change(&mut fill);
        // SAFETY: it is a structure of its size.
        unsafe { frame_info(&raw const fill) }
    }

    #[test]
    fn what_is_not_said_is_that_of_a_plain_image() {
        assert_eq!(read(|_| {}).unwrap(), FrameInfo::new(4, 3, PixelFormat::MONO8));
        let padded = read(|fill| fill.stride = 8).unwrap();
        assert_eq!((padded.stride, padded.image_bytes), (8, 20), "the last row needs no padding");
        assert_eq!(read(|fill| (fill.stride, fill.image_bytes) = (8, 24)).unwrap().image_bytes, 24);
        assert!(!read(|fill| fill.is_incomplete = 1).unwrap().complete);
        let unknown = 0x8000_0001;
        assert!(read(|fill| fill.pixel_format = unknown).unwrap_err().text.contains("image_bytes"));
        assert_eq!(read(|fill| (fill.pixel_format, fill.image_bytes) = (unknown, 9)).unwrap().image_bytes, 9);
    }

    #[test]
    fn every_field_arrives() {
        let info = read(|fill| {
            *fill = fb_frame_fill { offset_x: 1, offset_y: 2, block_id: 3, camera_timestamp_ns: 4, ..*fill };
            (fill.chunk_bytes, fill.lost_at_camera) = (5, 6);
        });
        let plain = FrameInfo::new(4, 3, PixelFormat::MONO8);
        let said = FrameInfo { offset_x: 1, offset_y: 2, block_id: 3, camera_timestamp_ns: 4, ..plain };
        assert_eq!(info.unwrap(), FrameInfo { chunk_bytes: 5, lost_at_camera: 6, ..said });
    }
}
