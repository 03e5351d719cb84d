//! The one place that calls libaravis (and the few functions of GLib it needs).
//!
//! What the types own:
//! * [`Camera`] owns one reference to an open camera and, with it, the device, its heartbeat thread and its handler.
//! * [`Stream`] owns the receiving thread: when it has been dropped, libaravis writes to no buffer any more.
//! * [`Buffer`] owns one reference to an `ArvBuffer`, which only *names* a segment's memory and never frees it.
//! * [`Receiver`] owns a stream, its buffers and the segments they lie over.
//!
//! Rules that make this sound:
//! 1. A buffer in a stream has a second reference, which the stream owns: where a buffer is never decides whether it lives.
//! 2. A buffer that was once pushed is dropped after its stream (libaravis keeps USB transfers under the buffer's address).
//! 3. No type here is `Sync`; libaravis ties no object to a thread, so each may move to another. Two threads that use one camera
//!    take turns by a mutex around it; the receiving and the heartbeat thread of libaravis share only what it guards itself.

mod camera;
mod feature;
mod receiver;
mod socket;
mod stream;
mod system;

use std::ffi::{CStr, CString, c_char};

use glib_sys::GError;

use stream::{Buffer, Stream};

pub(super) use camera::{Camera, Region};
pub(super) use feature::{Details, Kind};
pub(super) use receiver::Receiver;
pub(super) use stream::{Report, Statistics, Status};
pub use system::DeviceInfo;
pub(super) use system::{devices, enable_fake_interface};

/// What libaravis reported in a `GError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) text: String,
}

/// The distinctions the source makes between failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// No such camera.
    NotFound,
    /// Another program controls the camera.
    Busy,
    /// The camera did not answer.
    Timeout,
    /// Anything else.
    Other,
}

impl Failure {
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self { kind: FailureKind::Other, text: text.into() }
    }
}

/// Runs a call that reports failure through a `GError`, and turns that into a [`Failure`].
fn call<T>(operation: impl FnOnce(*mut *mut GError) -> T) -> Result<T, Failure> {
    let mut error: *mut GError = std::ptr::null_mut();
    let value = operation(&raw mut error);
    if error.is_null() { Ok(value) } else { Err(take_error(error)) }
}

/// Reads and frees the error that a call left behind.
fn take_error(error: *mut GError) -> Failure {
    // SAFETY: `call` passes only a non-null error; the callee set it to a GError that it allocated and gave to us.
    let GError { domain, code, message } = unsafe { error.read() };
    // SAFETY: a GError's message is a NUL-terminated string that lives until the error is freed below.
    let text = unsafe { string(message) }.unwrap_or_else(|| "unknown error".to_owned());
    // SAFETY: `error` is ours (see above), is freed once, and `text` is a copy.
    unsafe { glib_sys::g_error_free(error) };
    // SAFETY: no arguments; returns a constant.
    let device_errors = unsafe { aravis_sys::arv_device_error_quark() };
    let kind = if domain == device_errors { device_failure(code, &text) } else { FailureKind::Other };
    Failure { kind, text }
}

/// The kind of an error of the domain `ArvDeviceError`.
fn device_failure(code: i32, text: &str) -> FailureKind {
    match code {
        aravis_sys::ARV_DEVICE_ERROR_NOT_FOUND => FailureKind::NotFound,
        aravis_sys::ARV_DEVICE_ERROR_NOT_CONTROLLER
        | aravis_sys::ARV_DEVICE_ERROR_PROTOCOL_ERROR_ACCESS_DENIED
        | aravis_sys::ARV_DEVICE_ERROR_PROTOCOL_ERROR_BUSY => FailureKind::Busy,
        // A USB camera's interface is claimed by whoever has it open; libaravis has no code for that.
        _ if text.starts_with("Failed to claim USB interface") => FailureKind::Busy,
        aravis_sys::ARV_DEVICE_ERROR_TIMEOUT | aravis_sys::ARV_DEVICE_ERROR_NOT_CONNECTED => FailureKind::Timeout,
        _ => FailureKind::Other,
    }
}

/// A copy of a C string; `None` for a null pointer.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that lives during the call.
unsafe fn string(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the terminator and the lifetime.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

/// A string for C; a NUL inside, which no camera can know, is refused.
fn c_string(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|error| Failure::other(format!("{text:?}: {error}")))
}
