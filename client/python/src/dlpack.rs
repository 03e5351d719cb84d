//! DLPack: how tensor libraries take over a frame's memory. Structures and rules are those of DLPack 1.0
//! (<https://dmlc.github.io/dlpack/latest/>) and of the Python array API.
//!
//! A consumer owns the capsule's tensor and calls its deleter when the last tensor over the memory is gone, in whatever
//! thread, with or without the interpreter. Until then the tensor owns a reference to the hold.

use std::ffi::{CStr, c_void};
use std::sync::Arc;

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;

use crate::hold::Held;

/// `kDLCPU`, and the first of its kind.
pub const CPU: (i32, i32) = (1, 0);
/// The version spoken here.
const VERSION: Version = Version { major: 1, minor: 0 };
const READ_ONLY: u64 = 1;
/// `kDLUInt`.
const UNSIGNED: u8 = 1;
const NAME: &CStr = c"dltensor_versioned";

#[repr(C)]
struct Version {
    major: u32,
    minor: u32,
}

#[repr(C)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    /// In elements.
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct ManagedTensor {
    version: Version,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut ManagedTensor)>,
    flags: u64,
    tensor: Tensor,
}

/// What a tensor owns.
struct Owned {
    shape: Vec<i64>,
    strides: Vec<i64>,
    _held: Arc<Held>,
}

/// What a consumer asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    pub max_version: Option<(u32, u32)>,
    pub device: Option<(i32, i32)>,
}

impl Wish {
    /// # Errors
    /// `BufferError` for another device, and for a consumer too old to be told that the memory is read-only: what it made
    /// would end the process at the first write.
    pub fn check(self) -> PyResult<()> {
        if self.device.is_some_and(|device| device != CPU) {
            return Err(PyBufferError::new_err("a frame lies in the memory of the CPU; move the tensor from there"));
        }
        if self.max_version.is_none_or(|(major, _)| major < VERSION.major) {
            return Err(PyBufferError::new_err(
                "this consumer of DLPack cannot be told that a frame is read-only (that takes DLPack 1.0, asked for with \
                 max_version): give it frame.copy()",
            ));
        }
        Ok(())
    }
}

/// A capsule with the frame's pixels.
///
/// # Errors
/// In a forked child, and where rows do not begin on an element.
#[expect(unsafe_code, reason = "a capsule holds a raw pointer")]
pub fn capsule(py: Python<'_>, held: &Arc<Held>) -> PyResult<Py<PyAny>> {
    let tensor = Box::into_raw(tensor(held)?);
    // SAFETY: the pointer is a tensor's, and the name a constant. The capsule's destructor takes it back.
    let capsule = unsafe { ffi::PyCapsule_New(tensor.cast(), NAME.as_ptr(), Some(drop_capsule)) };
    if capsule.is_null() {
        // SAFETY: nobody else has got the tensor.
        unsafe { delete(tensor) };
    }
    // SAFETY: it is a new reference, or null with an exception set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(py, capsule) }?.unbind())
}

fn tensor(held: &Arc<Held>) -> PyResult<Box<ManagedTensor>> {
    let data = held.data()?;
    let geometry = held.geometry();
    let item = i64::try_from(geometry.item.bytes())?;
    let strides: Vec<i64> = geometry.strides().iter().map(|&stride| stride as i64).collect();
    if strides.iter().any(|stride| stride % item != 0) {
        return Err(PyBufferError::new_err("the rows of this frame do not begin on an element: take frame.copy()"));
    }
    let mut owned = Box::new(Owned {
        shape: geometry.shape().iter().map(|&extent| extent as i64).collect(),
        strides: strides.iter().map(|stride| stride / item).collect(),
        _held: Arc::clone(held),
    });
    let tensor = Tensor {
        data: data.as_ptr().cast_mut().cast(),
        device_type: CPU.0,
        device_id: CPU.1,
        ndim: i32::try_from(owned.shape.len())?,
        dtype: DataType { code: UNSIGNED, bits: u8::try_from(item * 8)?, lanes: 1 },
        shape: owned.shape.as_mut_ptr(),
        strides: owned.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let context = Box::into_raw(owned).cast();
    Ok(Box::new(ManagedTensor { version: VERSION, context, deleter: Some(delete), flags: READ_ONLY, tensor }))
}

/// Gives a tensor's memory back.
#[expect(unsafe_code, reason = "consumers call this with the pointer they were given")]
unsafe extern "C" fn delete(tensor: *mut ManagedTensor) {
    // SAFETY: consumers call the deleter once, with the pointer from the capsule, which `capsule` made from a box.
    let tensor = unsafe { Box::from_raw(tensor) };
    // SAFETY: `tensor` made the context from a box, and nobody else touches it.
    drop(unsafe { Box::from_raw(tensor.context.cast::<Owned>()) });
}

/// A capsule that nobody has taken the tensor from still owns it; a consumer renames the capsule.
#[expect(unsafe_code, reason = "the interpreter calls this with the capsule")]
unsafe extern "C" fn drop_capsule(capsule: *mut ffi::PyObject) {
    // SAFETY: the capsule is alive while its destructor runs.
    if unsafe { ffi::PyCapsule_IsValid(capsule, NAME.as_ptr()) } == 0 {
        return;
    }
    // SAFETY: the capsule is valid under this name, so the pointer is the one that `capsule` put in.
    let tensor = unsafe { ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr()) };
    // SAFETY: no consumer has taken it, or the name would be another.
    unsafe { delete(tensor.cast()) };
}

/// # Errors
/// The memory of the CPU has no streams.
pub fn check_stream(stream: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    match stream {
        None => Ok(()),
        Some(_) => {
            Err(PyValueError::new_err("a frame lies in the memory of the CPU, which has no streams: stream=None"))
        }
    }
}
