//! The structures of chunks.

use std::ffi::c_char;

use super::FB_TEXT_BYTES;

/// What a camera sent with an image beside its pixels (SFNC: chunk data), as name and value.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_chunk {
    /// sizeof(fb_chunk); FB_INIT sets it.
    pub struct_size: usize,
    /// FB_VALUE_TEXT: its characters, UTF-8, with no NUL behind them. FB_VALUE_BYTES: the bytes. NULL for other kinds and
    /// where there are none. Read-only memory in the frame's segment, not a copy: valid until fb_frame_release.
    pub data: *const u8,
    /// How many bytes data has.
    pub data_bytes: usize,
    /// The value of FB_VALUE_INTEGER; 1 or 0 of FB_VALUE_BOOLEAN; else 0.
    pub integer: i64,
    /// The value of FB_VALUE_FLOAT; that of FB_VALUE_INTEGER as a floating-point number; else 0.
    pub number: f64,
    /// An fb_value_kind.
    pub kind: u32,
    /// The feature's name: "ChunkExposureTime".
    pub name: [c_char; FB_TEXT_BYTES],
}
