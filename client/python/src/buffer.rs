//! The buffer protocol: how a view of memory is described to whoever asks for it.

use std::ffi::{CStr, c_int};
use std::ptr;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::geometry::{Geometry, Item};

/// Fills a view with `data` as `geometry` arranges it; the view keeps `owner` alive.
///
/// # Errors
/// `BufferError` where `flags` asks for what cannot be: writing, or rows without padding between them.
///
/// # Safety
/// `view` is null or may be written. `data` and `geometry` lie in memory that stays as it is while `owner` lives, and the
/// geometry lies within the data.
#[expect(unsafe_code, reason = "the buffer protocol is made of raw pointers")]
pub unsafe fn fill(
    view: *mut ffi::Py_buffer,
    flags: c_int,
    owner: &Bound<'_, PyAny>,
    data: &[u8],
    geometry: &Geometry,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("no view to fill"));
    }
    check(flags, geometry)?;
    let wants = |flag: c_int| flags & flag == flag;
    let filled = ffi::Py_buffer {
        buf: data.as_ptr().cast_mut().cast(),
        obj: ptr::null_mut(),
        len: isize::try_from(geometry.len() * geometry.item.bytes())?,
        itemsize: isize::try_from(geometry.item.bytes())?,
        readonly: 1,
        ndim: c_int::try_from(geometry.shape().len())?,
        format: if wants(ffi::PyBUF_FORMAT) { format(geometry.item).as_ptr().cast_mut() } else { ptr::null_mut() },
        shape: if wants(ffi::PyBUF_ND) { geometry.shape().as_ptr().cast_mut() } else { ptr::null_mut() },
        strides: if wants(ffi::PyBUF_STRIDES) { geometry.strides().as_ptr().cast_mut() } else { ptr::null_mut() },
        suboffsets: ptr::null_mut(),
        internal: ptr::null_mut(),
    };
    // SAFETY: the view is not null and may be written, says the caller. What the pointers in it point to lives as long as
    // the owner, whose reference is set here; nobody writes through them, as `readonly` says.
    unsafe { view.write(ffi::Py_buffer { obj: owner.clone().into_ptr(), ..filled }) };
    Ok(())
}

fn check(flags: c_int, geometry: &Geometry) -> PyResult<()> {
    let wants = |flag: c_int| flags & flag == flag;
    if wants(ffi::PyBUF_WRITABLE) {
        return Err(PyBufferError::new_err("frames are read-only, by the kernel's word: write into frame.copy()"));
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
