//! The one place that calls pylon: through pylon-cxx, and through the C++ shim beside it for what pylon-cxx lacks.
//!
//! | what | by |
//! |---|---|
//! | the library's life, list of cameras, open and close, start and stop, `.pfs` files | pylon-cxx |
//! | cameras whose buffers are segments, grab results that are kept, chunk data, features | `shim/` |
//!
//! What the types own:
//! * [`Library`] keeps pylon initialized.
//! * [`Camera`] is a camera for the one thread that grabs; it and each [`Nodes`], for any thread, own a share of what is open:
//!   pylon-cxx's camera and the shim's part of it, two views of one `CInstantCamera`. `camera.rs` argues why that is sound.
//! * [`Grabber`] owns a camera and the segments that lie under its buffers: `grabber.rs` argues why that is sound.
//!
//! Every function of the shim catches all C++ exceptions. Those of pylon-cxx that are called here catch what pylon throws.

mod camera;
mod feature;
mod grabber;
mod library;
#[allow(missing_docs, reason = "shim.h documents it")]
mod sys;

use std::ffi::{CStr, CString, c_char};

pub(super) use camera::Camera;
pub(super) use feature::{Details, Feature, Kind, Map, Nodes, Value, WeakNodes};
pub(super) use grabber::{ChunkValue, Frame, Grabber};
pub use library::DeviceInfo;
pub(super) use library::{Library, Reach};

/// What pylon says of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The camera is well and says no: not this value, or not now.
    pub(super) is_refusal: bool,
    pub(super) text: String,
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self { is_refusal: false, text: text.into() }
    }
}

impl From<pylon_cxx::PylonError> for Failure {
    fn from(error: pylon_cxx::PylonError) -> Self {
        // `PylonError(TEXT)`, and the text may begin with the exception's class.
        let text = error.to_string();
        let text = text.strip_prefix("PylonError(").and_then(|text| text.strip_suffix(')')).unwrap_or(&text);
        Self::new(text.trim_start_matches("Pylon::GenericException: "))
    }
}

/// Runs a function of the shim that fills in a failure when it answers false.
fn call(function: impl FnOnce(*mut sys::Failure) -> bool) -> Result<(), Failure> {
    let mut failure = sys::Failure { is_refusal: 0, text: [0; 1024] };
    if function(&raw mut failure) {
        return Ok(());
    }
    Err(Failure { is_refusal: failure.is_refusal != 0, text: text(&failure.text) })
}

/// The text before the first zero.
fn text(chars: &[c_char]) -> String {
    // SAFETY: `c_char` and `u8` have one size and alignment, and every value of either is one of the other; the slice is
    // borrowed as long as the result.
    let bytes = unsafe { std::slice::from_raw_parts(chars.as_ptr().cast::<u8>(), chars.len()) };
    CStr::from_bytes_until_nul(bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A name as C wants it; one with a zero inside names nothing.
fn c_string(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_zero_inside| Failure::new(format!("{text:?} has a zero byte in it")))
}
