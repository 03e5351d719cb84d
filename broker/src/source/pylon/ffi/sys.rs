//! `shim/shim.h` as Rust sees it: the same structures and functions in the same order.

use std::ffi::{c_char, c_int, c_void};

/// Why something failed: a text with a final zero.
#[repr(C)]
pub struct Failure {
    pub is_refusal: u32,
    pub text: [c_char; 1024],
}

/// A camera of the shim's; only ever behind a pointer.
#[repr(C)]
pub struct Camera {
    _private: [u8; 0],
}

/// What is known of a grab result.
#[repr(C)]
pub struct Frame {
    pub index: u32,
    pub succeeded: u32,
    pub error_code: u32,
    pub is_image: u32,
    pub has_chunks: u32,
    pub pixel_type: u32,
    pub width: u32,
    pub height: u32,
    pub offset_x: u32,
    pub offset_y: u32,
    pub stride: u64,
    pub image_bytes: u64,
    pub payload_bytes: u64,
    pub block_id: u64,
    pub ticks: u64,
    pub error_text: [c_char; 256],
}

pub const CHUNK_INTEGER: u32 = 0;
pub const CHUNK_FLOAT: u32 = 1;
pub const CHUNK_BOOLEAN: u32 = 2;
pub const CHUNK_TEXT: u32 = 3;

/// A value sent with an image; `name` is valid until the camera starts again.
#[repr(C)]
pub struct Chunk {
    pub name: *const c_char,
    pub kind: u32,
    pub text_bytes: u32,
    pub integer: i64,
    pub number: f64,
    pub text: [c_char; 256],
}

pub const MAP_CAMERA: u32 = 0;
pub const MAP_STREAM: u32 = 1;

pub const ACCESS_MISSING: u32 = 0;
pub const ACCESS_READ_ONLY: u32 = 2;
pub const ACCESS_READ_WRITE: u32 = 3;
pub const ACCESS_WRITE_ONLY: u32 = 4;
pub const ACCESS_LOCKED: u32 = 5;

pub const VISIBILITY_BEGINNER: u32 = 1;
pub const VISIBILITY_EXPERT: u32 = 2;
pub const VISIBILITY_GURU: u32 = 3;
pub const VISIBILITY_INVISIBLE: u32 = 4;

pub const KIND_INTEGER: u32 = 1;
pub const KIND_FLOAT: u32 = 2;
pub const KIND_BOOLEAN: u32 = 3;
pub const KIND_ENUMERATION: u32 = 4;
pub const KIND_TEXT: u32 = 5;
pub const KIND_COMMAND: u32 = 6;

/// A feature as it is now, but for its texts.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Feature {
    pub kind: u32,
    pub access: u32,
    pub visibility: u32,
    pub has_value: u32,
    pub has_range: u32,
    pub integer: i64,
    pub min: i64,
    pub max: i64,
    pub increment: i64,
    pub number: f64,
    pub lowest: f64,
    pub highest: f64,
}

pub const TEXT_NAME: u32 = 0;
pub const TEXT_VALUE: u32 = 1;
pub const TEXT_ENTRY: u32 = 2;
pub const TEXT_UNIT: u32 = 3;
pub const TEXT_DISPLAY_NAME: u32 = 4;
pub const TEXT_DESCRIPTION: u32 = 5;

/// Takes a text that lives during the call; called by the thread that asks, before its call returns.
pub type Tell = unsafe extern "C" fn(to: *mut c_void, what: u32, text: *const c_char);

pub const REACH_FREE: u32 = 0;
pub const REACH_TAKEN: u32 = 1;
pub const REACH_ABSENT: u32 = 2;

unsafe extern "C" {
    pub fn fb_pylon_initialize(failure: *mut Failure) -> bool;
    pub fn fb_pylon_terminate();
    pub fn fb_pylon_reach(full_name: *const c_char, reach: *mut u32, failure: *mut Failure) -> bool;
    pub fn fb_pylon_create(
        full_name: *const c_char,
        camera: *mut *mut Camera,
        instant: *mut *mut c_void,
        failure: *mut Failure,
    ) -> bool;
    pub fn fb_pylon_destroy(camera: *mut Camera);
    pub fn fb_pylon_forget(camera: *mut Camera) -> bool;
    pub fn fb_pylon_offer(
        camera: *mut Camera,
        index: u32,
        memory: *mut c_void,
        bytes: usize,
        failure: *mut Failure,
    ) -> bool;
    pub fn fb_pylon_lent(camera: *mut Camera) -> usize;
    pub fn fb_pylon_retrieve(camera: *mut Camera, timeout_ms: u32, frame: *mut Frame, failure: *mut Failure) -> c_int;
    pub fn fb_pylon_release(camera: *mut Camera, index: u32);
    pub fn fb_pylon_release_all(camera: *mut Camera);
    pub fn fb_pylon_chunks(
        camera: *mut Camera,
        index: u32,
        chunks: *mut Chunk,
        room: u32,
        failure: *mut Failure,
    ) -> c_int;
    pub fn fb_pylon_is_removed(camera: *mut Camera) -> bool;
    pub fn fb_pylon_feature(
        camera: *mut Camera,
        map: u32,
        name: *const c_char,
        with_details: bool,
        feature: *mut Feature,
        tell: Option<Tell>,
        to: *mut c_void,
        failure: *mut Failure,
    ) -> bool;
    pub fn fb_pylon_feature_names(
        camera: *mut Camera,
        tell: Option<Tell>,
        to: *mut c_void,
        failure: *mut Failure,
    ) -> bool;
    pub fn fb_pylon_feature_is_held(
        camera: *mut Camera,
        name: *const c_char,
        is_held: *mut bool,
        failure: *mut Failure,
    ) -> bool;
    pub fn fb_pylon_set_integer(camera: *mut Camera, name: *const c_char, value: i64, failure: *mut Failure) -> bool;
    pub fn fb_pylon_set_float(camera: *mut Camera, name: *const c_char, value: f64, failure: *mut Failure) -> bool;
    pub fn fb_pylon_set_boolean(camera: *mut Camera, name: *const c_char, value: bool, failure: *mut Failure) -> bool;
    pub fn fb_pylon_set_text(
        camera: *mut Camera,
        name: *const c_char,
        value: *const c_char,
        failure: *mut Failure,
    ) -> bool;
    pub fn fb_pylon_execute(camera: *mut Camera, name: *const c_char, failure: *mut Failure) -> bool;
    pub fn fb_pylon_is_done(
        camera: *mut Camera,
        name: *const c_char,
        is_done: *mut bool,
        failure: *mut Failure,
    ) -> bool;
}
