//! The structures of producers.

use std::ffi::c_char;

/// Fills the segments of one stream, on a connection of its own. A handle: not an address, do not follow it.
#[derive(Debug)]
pub struct fb_producer {
    _opaque: (),
}

/// A segment to be filled, which nobody else writes or reads. A handle: not an address, do not follow it.
#[derive(Debug)]
pub struct fb_blank {
    _opaque: (),
}

/// What a producer says of its frames. Begin with FB_INIT(fb_produce_options); width, height and pixel_format are needed, 0
/// and NULL stand for the defaults of the rest.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_produce_options {
    /// sizeof(fb_produce_options); FB_INIT sets it.
    pub struct_size: usize,
    /// Bytes of image and chunk data of the largest frame. Default: those of the image, where the pixel format is known.
    pub payload_bytes: u64,
    /// Nominal time between frames in ns, to be shown. Default: unknown.
    pub interval_ns: u64,
    /// Vendor and model of what the frames come from. Default: "producer".
    pub model: *const c_char,
    /// Its serial number. Default: none.
    pub serial: *const c_char,
    /// Width in pixels. Each frame carries its own geometry: this one is shown, and says how large segments must be.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// PFNC code: an fb_pixel_format, or one that is not listed there.
    pub pixel_format: u32,
    /// Segments that are needed at all times so as to lose nothing; the broker grants no hold that would take one of them.
    /// Default: 2, one to be filled while the next is awaited.
    pub min_queued: u32,
    /// Not 0: no segment can come once it has begun, as where a driver has all its buffers from the start. The ring then
    /// cannot grow for new readers: start the broker with as many --segments as they will need.
    pub fixed_pool: u32,
    /// Not 0: frames can be delayed, as recorded ones can and those of a camera cannot; the ring may then wait for lossless
    /// readers.
    pub can_pause: u32,
}

/// Where a segment to be filled is.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_blank_info {
    /// sizeof(fb_blank_info); FB_INIT sets it.
    pub struct_size: usize,
    /// Its first byte, with what the last frame in it left: the image begins here, chunk data follow it directly. May be
    /// written until the blank is published or dropped.
    pub data: *mut u8,
    /// Bytes that may be written: the payload_bytes of the producer.
    pub data_bytes: usize,
    /// Its buffer context: 1000 + segment.
    pub buffer_context: u32,
    /// Its index.
    pub segment: u32,
}

/// What is in a segment that was filled. Begin with FB_INIT(fb_frame_fill); width, height and pixel_format are needed, 0
/// stands for the default of the rest. Units: pixels, bytes, nanoseconds.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_frame_fill {
    /// sizeof(fb_frame_fill); FB_INIT sets it.
    pub struct_size: usize,
    /// Bytes of image, from the first byte of the segment on. Default: those of its rows, where the pixel format is known.
    pub image_bytes: usize,
    /// Bytes of chunk data directly behind the image. Default: none.
    pub chunk_bytes: usize,
    /// The camera's own clock. Default: it has none.
    pub camera_timestamp_ns: u64,
    /// The camera's block ID. Default: it has none.
    pub block_id: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// PFNC code: an fb_pixel_format, or one that is not listed there.
    pub pixel_format: u32,
    /// Bytes from row to row. Default: rows have no padding.
    pub stride: u32,
    /// Where the image lies on the sensor.
    pub offset_x: u32,
    /// Where the image lies on the sensor.
    pub offset_y: u32,
    /// Frames known to be lost between camera and segment since the frame before.
    pub lost_at_camera: u32,
    /// Not 0: a part of the frame is missing. The broker counts it, and publishes it only with --publish-incomplete.
    pub is_incomplete: u32,
}

/// A segment that is lent to a producer, as it is mapped in this process: to give a driver all of them at once.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_lent_segment {
    /// sizeof(fb_lent_segment); FB_INIT sets it.
    pub struct_size: usize,
    /// Where the mapping begins. It stays the same while it is listed, also when the segment is taken again; may be written
    /// while the segment is taken, or kept and not published.
    pub address: *mut u8,
    /// Bytes mapped.
    pub length: usize,
    /// Its buffer context: 1000 + index of the segment.
    pub buffer_context: u32,
    /// Which object backs it: another one under the same buffer context has another number, and another address.
    pub backing: u32,
}
