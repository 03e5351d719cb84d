//! What keeps a frame held: one object that every view of its bytes refers to.
//!
//! A [`Hold`] has no `release`: the frame is given back when the last reference to it goes. [`crate::frame::Frame`] has one
//! reference, and each memoryview, array and DLPack tensor has one of its own. So releasing a frame is dropping a reference,
//! and whether views live is the number of the others.

use std::ffi::c_int;
use std::sync::Arc;

use framebroker_client::Frame;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::buffer::{self, Access};
use crate::error::forked;
use crate::geometry::Geometry;
use crate::ledger::{Entry, Place};

/// A frame that is held, and where it was taken. May be dropped by any thread, with or without the interpreter.
pub struct Held {
    frame: Frame,
    /// Of the pixels; or why there are none, and then all bytes.
    geometry: Result<Geometry, String>,
    /// Of all bytes.
    flat: Geometry,
    entry: Entry,
}

impl Held {
    pub fn new(frame: Frame, entry: Entry) -> Self {
        let len = frame.data().len();
        Self { geometry: Geometry::of(frame.header(), len), flat: Geometry::bytes(len), frame, entry }
    }

    /// The image.
    ///
    /// # Errors
    /// In a forked child, where the bytes are not protected.
    pub fn data(&self) -> PyResult<&[u8]> {
        self.check()?;
        Ok(self.frame.data())
    }

    /// The chunk data.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn chunk_data(&self) -> PyResult<&[u8]> {
        self.check()?;
        Ok(self.frame.chunk_data())
    }

    /// How views of the frame look.
    pub fn geometry(&self) -> &Geometry {
        self.geometry.as_ref().unwrap_or(&self.flat)
    }

    /// Why the pixels cannot be addressed, if so.
    pub fn fault(&self) -> Option<&str> {
        self.geometry.as_ref().err().map(String::as_str)
    }

    /// The line of the program that took the frame.
    pub fn place(&self) -> &Place {
        self.entry.place()
    }

    /// Whether the hold is this process's own, not the parent's.
    pub fn is_ours(&self) -> bool {
        self.frame.is_valid()
    }

    fn check(&self) -> PyResult<()> {
        if self.is_ours() { Ok(()) } else { Err(forked()) }
    }
}

/// What views of a frame refer to. Its own buffer is all bytes of the image, one after the other.
#[pyclass(frozen, module = "framebroker._framebroker")]
pub struct Hold(pub Arc<Held>);

#[pymethods]
impl Hold {
    #[expect(unsafe_code, reason = "the buffer protocol is made of raw pointers")]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let hold = slf.get();
        let data = hold.0.data()?;
        // SAFETY: `view` is what the interpreter handed to this slot. `data` and `flat` belong to the hold, which the view
        // then refers to.
        unsafe { buffer::fill(view, flags, slf.as_any(), data.as_ptr().cast_mut(), &hold.0.flat, Access::Read) }
    }
}

/// The pixels as a buffer. The view refers to the hold, not to the frame: releasing the frame takes nothing from it.
#[expect(unsafe_code, reason = "the buffer protocol is made of raw pointers")]
pub unsafe fn fill_pixels(hold: &Bound<'_, Hold>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
    if flags & ffi::PyBUF_FORMAT != ffi::PyBUF_FORMAT {
        // Who does not ask for the format is no memoryview, but may be one who returns the buffer at once and goes on to
        // use its memory, as long as the object it came from lives. That is the frame, whose memory can be released.
        return Err(PyBufferError::new_err(
            "a frame shows its bytes to memoryviews only, which keep it held: pass frame.data or frame.array instead",
        ));
    }
    let held = &hold.get().0;
    let data = held.data()?;
    if let Some(fault) = held.fault() {
        return Err(PyBufferError::new_err(format!("{fault}; frame.data has the bytes")));
    }
    // SAFETY: the caller hands on what the interpreter handed to it. `data` and the geometry belong to the hold, which the
    // view then refers to.
    unsafe { buffer::fill(view, flags, hold.as_any(), data.as_ptr().cast_mut(), held.geometry(), Access::Read) }
}

/// Whether anything but its frame refers to a hold: a view in Python, or a tensor.
#[expect(unsafe_code, reason = "the number of references has no safe interface")]
pub fn has_views(hold: &Bound<'_, Hold>) -> bool {
    // SAFETY: the hold is alive, for it is borrowed.
    let references = unsafe { ffi::Py_REFCNT(hold.as_ptr()) };
    references > 1 || Arc::strong_count(&hold.get().0) > 1
}
