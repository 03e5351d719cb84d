//! The buffer protocol: how a view of memory is described to whoever asks for it.

use std::ffi::{CStr, c_int};
use std::ptr;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::geometry::{Geometry, Item};

/// What may be done through a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Frames.
    Read,
    /// Segments to be filled.
    Write,
}

/// Fills a view with what begins at `start`, as `geometry` arranges it; the view keeps `owner` alive.
///
/// # Errors
/// `BufferError` where `flags` asks for what cannot be: writing, or rows without padding between them.
///
/// # Safety
/// `view` is null or may be written. `geometry` and the memory it spans from `start` on are there while `owner` lives; for
/// [`Access::Read`] that memory stays as it is, for [`Access::Write`] this process may write it and borrows none of it.
#[expect(unsafe_code, reason = "the buffer protocol is made of raw pointers")]
pub unsafe fn fill(
    view: *mut ffi::Py_buffer,
    flags: c_int,
    owner: &Bound<'_, PyAny>,
    start: *mut u8,
    geometry: &Geometry,
    access: Access,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("no view to fill"));
    }
    check(flags, geometry, access)?;
    let wants = |flag: c_int| flags & flag == flag;
    let filled = ffi::Py_buffer {
        buf: start.cast(),
        obj: ptr::null_mut(),
        len: isize::try_from(geometry.len() * geometry.item.bytes())?,
        itemsize: isize::try_from(geometry.item.bytes())?,
        readonly: c_int::from(access == Access::Read),
        ndim: c_int::try_from(geometry.shape().len())?,
        format: if wants(ffi::PyBUF_FORMAT) { format(geometry.item).as_ptr().cast_mut() } else { ptr::null_mut() },
        shape: if wants(ffi::PyBUF_ND) { geometry.shape().as_ptr().cast_mut() } else { ptr::null_mut() },
        strides: if wants(ffi::PyBUF_STRIDES) { geometry.strides().as_ptr().cast_mut() } else { ptr::null_mut() },
        suboffsets: ptr::null_mut(),
        internal: ptr::null_mut(),
    };
    // SAFETY: the view is not null and may be written, says the caller. What the pointers in it point to lives as long as
    // the owner, whose reference is set here; nobody writes through them where `readonly` says so.
    unsafe { view.write(ffi::Py_buffer { obj: owner.clone().into_ptr(), ..filled }) };
    Ok(())
}

fn check(flags: c_int, geometry: &Geometry, access: Access) -> PyResult<()> {
    let wants = |flag: c_int| flags & flag == flag;
    if access == Access::Read && wants(ffi::PyBUF_WRITABLE) {
        return Err(PyBufferError::new_err("frames are read-only, and the kernel sees to it: write into frame.copy()"));
    }
    let rows_first = wants(ffi::PyBUF_C_CONTIGUOUS) || !wants(ffi::PyBUF_STRIDES);
    let columns_first = wants(ffi::PyBUF_F_CONTIGUOUS) && geometry.shape().len() > 1;
    if columns_first || ((rows_first || wants(ffi::PyBUF_ANY_CONTIGUOUS)) && !geometry.is_contiguous()) {
        return Err(PyBufferError::new_err(
            "the rows of this frame do not follow each other as asked for: take frame.copy()",
        ));
    }
    Ok(())
}

/// As the module `struct` names it.
fn format(item: Item) -> &'static CStr {
    match item {
        Item::U8 => c"B",
        Item::U16 => c"H",
    }
}
