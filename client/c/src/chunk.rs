//! Chunks: `fb_frame_chunk_…`.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::c_char;
use std::mem::MaybeUninit;

use framebroker_client::{Chunk, ChunkValue, Chunks, Frame};

use crate::boundary::{Place, Sized_, fixed, guard, needed_text, place};
use crate::frame::{extent, with};
use crate::status::{Failure, fb_status};
use crate::types::{fb_chunk, fb_frame, fb_value_kind};
use crate::value::{of_boolean, of_float, of_integer};

/// Names that an error lists.
const NAMED: usize = 20;

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_chunk {
    const NAME: &'static str = "fb_chunk";
}

/// How many chunks a frame has by name: 0 if the camera sent none, and if they are in the camera's own form, which
/// fb_frame_chunk shows. Which sources send a list of them, the broker's README tells.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_frame_chunk_count(frame: *mut fb_frame, count: Option<&mut MaybeUninit<usize>>) -> fb_status {
    guard(|| {
        let place = place("count", count)?;
        place.write(with(frame, |frame| frame.chunks().map_or(0, Iterator::count))?);
        Ok(())
    })
}

/// One chunk of a frame by its place, 0 to the count of fb_frame_chunk_count - 1, in the camera's order. Nothing is allocated,
/// and the bytes of texts are not copied: they are valid until fb_frame_release.
///
/// FB_ERROR_NO_CHUNK, FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_frame_chunk_at(frame: *mut fb_frame, index: usize, chunk: *mut fb_chunk) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(chunk) }?;
        let missing = |chunks: Chunks<'_>| format!("index is {index}, and the frame has {} chunks", chunks.count());
        place.put(with(frame, |frame| find(frame, |chunks| chunks.nth(index), missing))??);
        Ok(())
    })
}

/// One chunk of a frame by its name, as "ChunkExposureTime". As fb_frame_chunk_at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_frame_chunk_named(
    frame: *mut fb_frame,
    name: *const c_char,
    chunk: *mut fb_chunk,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a text, or is NULL.
        let name = unsafe { needed_text("name", name) }?;
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(chunk) }?;
        let missing = |chunks: Chunks<'_>| {
            let names: Vec<&str> = chunks.take(NAMED).map(|chunk| chunk.name).collect();
            format!("the frame has no chunk {name:?}; it has {}", names.join(", "))
        };
        place.put(with(frame, |frame| find(frame, |chunks| chunks.find(|chunk| chunk.name == name), missing))??);
        Ok(())
    })
}

/// Finds a chunk of a frame, or says why it has none.
fn find(
    frame: &Frame,
    choose: impl for<'a> FnOnce(&mut Chunks<'a>) -> Option<Chunk<'a>>,
    missing: impl FnOnce(Chunks<'_>) -> String,
) -> Result<fb_chunk, Failure> {
    let none = |text: String| Failure::new(fb_status::FB_ERROR_NO_CHUNK, text);
    let Some(chunks) = frame.chunks() else {
        return Err(none(match frame.chunk_data().len() {
            0 => {
                "the frame came without chunks: switch them on in the camera (ChunkModeActive, ChunkEnable)".to_owned()
            }
            bytes => format!(
                "the {bytes} bytes of chunk data are in the camera's own form, not a list of names: fb_frame_chunk shows them"
            ),
        }));
    };
    let chosen = choose(&mut chunks.clone());
    chosen.map(|chunk| (&chunk).into()).ok_or_else(|| none(missing(chunks)))
}

impl From<&Chunk<'_>> for fb_chunk {
    fn from(chunk: &Chunk<'_>) -> Self {
        let ((kind, integer, number), bytes): (_, &[u8]) = match chunk.value {
            ChunkValue::Integer(value) => (of_integer(value), &[]),
            ChunkValue::Float(value) => (of_float(value), &[]),
            ChunkValue::Boolean(value) => (of_boolean(value), &[]),
            ChunkValue::Text(text) => ((fb_value_kind::FB_VALUE_TEXT, 0, 0.0), text.as_bytes()),
            ChunkValue::Bytes(bytes) => ((fb_value_kind::FB_VALUE_BYTES, 0, 0.0), bytes),
            // A kind that a later version of the client library has.
            _ => ((fb_value_kind::FB_VALUE_NONE, 0, 0.0), &[]),
        };
        let (data, data_bytes) = extent(bytes);
        let (struct_size, name) = (size_of::<Self>(), fixed(chunk.name));
        Self { struct_size, data, data_bytes, integer, number, kind: kind as u32, name }
    }
}
