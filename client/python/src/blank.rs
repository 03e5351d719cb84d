//! Segments to be filled, as Python sees them.
//!
//! As with frames, every view refers to an object of its own, the [`Sheet`], and the number of references to it tells whether
//! views live. What was published must not be written any more: so publishing is refused while they do.

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

use framebroker_client as client;
use framebroker_protocol::FrameHeader;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use crate::buffer::{self, Access};
use crate::error::{ReleasedError, forked, raised};
use crate::frame_info::{self, Given, Shape};
use crate::geometry::Geometry;

/// What views of a segment refer to. Its own buffer is all its bytes.
#[pyclass(frozen, module = "framebroker._framebroker")]
pub struct Sheet {
    /// `None` once it was published or kept.
    blank: Mutex<Option<client::Blank>>,
    /// Of the frames that the producer said it fills; or why they do not fit.
    geometry: Result<Geometry, String>,
    /// Of all bytes.
    flat: Geometry,
}

impl Sheet {
    fn blank(&self) -> MutexGuard<'_, Option<client::Blank>> {
        // Only whole values are taken out.
        self.blank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> PyResult<*mut u8> {
        let start = self.blank().as_mut().map(client::Blank::as_mut_ptr).ok_or_else(gone)?;
        if start.is_null() { Err(forked()) } else { Ok(start) }
    }
}

#[pymethods]
impl Sheet {
    #[expect(unsafe_code, reason = "the buffer protocol is made of raw pointers")]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let sheet = slf.get();
        // SAFETY: `view` is what the interpreter handed to this slot. The memory is there while the sheet lives, for it has the
        // blank in it until no view is left, and `flat` is as long as that. This process may write it, and this crate never
        // borrows it.
        unsafe { buffer::fill(view, flags, slf.as_any(), sheet.start()?, &sheet.flat, Access::Write) }
    }
}

/// A segment that is this program's alone to fill. Made by :meth:`Producer.take`.
///
/// Write into :attr:`array` or :attr:`data`, or have something else write at :attr:`address`; then :meth:`publish` makes it a
/// frame. A segment that is dropped unpublished, or whose ``with`` block ends before, is spare for the next ``take``.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct Blank {
    /// `None` once it is over.
    sheet: Mutex<Option<Py<Sheet>>>,
    usual: Shape,
    buffer_context: u32,
    bytes: usize,
}

impl Blank {
    pub fn new(py: Python<'_>, blank: client::Blank, usual: Shape) -> PyResult<Self> {
        let (buffer_context, bytes) = (blank.buffer_context(), blank.len());
        let header = FrameHeader {
            payload_bytes: bytes as u64,
            ..client::FrameInfo::new(usual.width, usual.height, usual.pixel_format).header()
        };
        let sheet = Sheet {
            blank: Mutex::new(Some(blank)),
            geometry: Geometry::of(&header, bytes),
            flat: Geometry::bytes(bytes),
        };
        Ok(Self { sheet: Mutex::new(Some(Py::new(py, sheet)?)), usual, buffer_context, bytes })
    }

    fn slot(&self) -> MutexGuard<'_, Option<Py<Sheet>>> {
        // Only whole values are put in and taken out.
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sheet<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Sheet>> {
        self.slot().as_ref().map(|sheet| sheet.bind(py).clone()).ok_or_else(gone)
    }

    /// What is to be published or kept: no view of it is left, and none can be made.
    fn finish(&self, py: Python<'_>, what: &str) -> PyResult<client::Blank> {
        let mut slot = self.slot();
        let sheet = slot.as_ref().ok_or_else(gone)?.bind(py).clone();
        // This reference, and the slot's.
        if references(&sheet) > 2 {
            return Err(PyBufferError::new_err(format!(
                "segment {} is in use: arrays or memoryviews of it live; drop them (del) before you {what} it, for a frame \
                 that is published must not be written any more",
                self.buffer_context
            )));
        }
        let blank = sheet.get().blank().take().ok_or_else(gone)?;
        let emptied = slot.take();
        drop(slot);
        drop(emptied);
        Ok(blank)
    }
}

#[pymethods]
impl Blank {
    /// The pixels as a writable NumPy array, in the shape of the frames that the producer said it fills; the memory has what
    /// the last frame in it left. For packed and unknown formats all bytes in one dimension.
    #[getter]
    fn array<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if let Err(fault) = &slf.get().sheet(py)?.get().geometry {
            return Err(PyValueError::new_err(fault.clone()));
        }
        py.import("framebroker._pixels")?.call_method1("blank", (slf,))
    }

    /// All bytes of the segment as a flat, writable memoryview.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(self.sheet(py)?.as_any())
    }

    /// 1000 + index of the segment.
    #[getter]
    fn buffer_context(&self) -> u32 {
        self.buffer_context
    }

    /// Where it begins in the memory of this process. Valid until it is published.
    #[getter]
    fn address(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.sheet(py)?.get().start()?.addr())
    }

    /// Bytes there are: as many as the producer said its largest frame has.
    #[getter]
    fn nbytes(&self) -> usize {
        self.bytes
    }

    /// Makes it a frame.
    ///
    /// ``width``, ``height``, ``pixel_format``: of this frame; those of the producer if not given.
    /// ``stride``: bytes from row to row; without padding if not given, 0 for rows that do not begin on a byte.
    /// ``offset_x``, ``offset_y``: upper left corner on the sensor, in pixels.
    /// ``image_bytes``, ``chunk_bytes``: bytes of the image, and of chunk data directly behind it.
    /// ``camera_timestamp_ns``, ``block_id``: the camera's own; ``None`` where it has none.
    /// ``complete``: whether nothing of it was lost on the way; the broker counts incomplete frames, and publishes them only
    /// with ``--publish-incomplete``.
    /// ``lost_at_camera``: frames lost on the way since the one before.
    ///
    /// Raises ``BufferError`` while arrays or memoryviews of the segment live, :class:`InvalidFrameError` for what cannot be
    /// true of it (it can be published again, with other words), :class:`StoppedError`, :class:`ReleasedError`.
    #[pyo3(signature = (width=None, height=None, pixel_format=None, *, stride=None, offset_x=0, offset_y=0, image_bytes=None,
                        chunk_bytes=0, camera_timestamp_ns=None, block_id=None, complete=true, lost_at_camera=0))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python, each with a default")]
    fn publish(
        &self,
        py: Python<'_>,
        width: Option<u32>,
        height: Option<u32>,
        pixel_format: Option<Bound<'_, PyAny>>,
        stride: Option<u32>,
        offset_x: u32,
        offset_y: u32,
        image_bytes: Option<usize>,
        chunk_bytes: usize,
        camera_timestamp_ns: Option<u64>,
        block_id: Option<u64>,
        complete: bool,
        lost_at_camera: u32,
    ) -> PyResult<()> {
        let given = Given {
            width,
            height,
            pixel_format,
            stride,
            offset_x,
            offset_y,
            image_bytes,
            chunk_bytes,
            camera_timestamp_ns,
            block_id,
            complete,
            lost_at_camera,
        };
        let info = given.info(self.usual)?;
        frame_info::check(&info, self.bytes)?;
        self.sheet(py)?.get().start()?;
        self.finish(py, "publish")?.publish(&info).map_err(|error| raised(&error))
    }

    /// Leaves it to whoever fills it by its address, such as a driver; :meth:`Producer.publish` makes it a frame, named by its
    /// buffer context. Raises ``BufferError`` while arrays or memoryviews of it live.
    fn keep(&self, py: Python<'_>) -> PyResult<KeptSegment> {
        self.sheet(py)?.get().start()?;
        self.finish(py, "keep")?.keep().map(KeptSegment).ok_or_else(forked)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        let sheet = self.slot().take();
        // Only now that the lock is gone.
        drop(sheet);
    }

    #[expect(unsafe_code, reason = "the buffer protocol is made of raw pointers")]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if flags & ffi::PyBUF_FORMAT != ffi::PyBUF_FORMAT {
            // As for frames: who returns the buffer at once and goes on to use its memory would keep the blank alive only.
            return Err(PyBufferError::new_err(
                "a segment shows its bytes to memoryviews only, which keep it from being published: pass blank.data or \
                 blank.array instead",
            ));
        }
        let sheet = slf.get().sheet(slf.py())?;
        let geometry = sheet.get().geometry.as_ref();
        let geometry =
            geometry.map_err(|fault| PyBufferError::new_err(format!("{fault}; blank.data has the bytes")))?;
        // SAFETY: as for the sheet itself, to which the view then refers; the geometry lies within its bytes.
        unsafe { buffer::fill(view, flags, sheet.as_any(), sheet.get().start()?, geometry, Access::Write) }
    }

    fn __repr__(&self) -> String {
        let state = if self.slot().is_some() { "" } else { ", published, kept or given back" };
        format!("<framebroker.Blank {}, {} bytes{state}>", self.buffer_context, self.bytes)
    }
}

/// A segment that is filled by whoever has its address. It stays mapped while this object lives. Made by :meth:`Blank.keep`.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct KeptSegment(client::KeptSegment);

#[pymethods]
impl KeptSegment {
    /// 1000 + index of the segment.
    #[getter]
    fn buffer_context(&self) -> u32 {
        self.0.buffer_context()
    }

    /// Where it begins in the memory of this process. May be written until the segment is published, and again when it was
    /// taken and kept anew.
    #[getter]
    fn address(&self) -> PyResult<usize> {
        let start = self.0.as_mut_ptr();
        if start.is_null() { Err(forked()) } else { Ok(start.addr()) }
    }

    /// Bytes there are.
    #[getter]
    fn nbytes(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("<framebroker.KeptSegment {}, {} bytes>", self.buffer_context(), self.nbytes())
    }
}

#[expect(unsafe_code, reason = "the number of references has no safe interface")]
fn references(sheet: &Bound<'_, Sheet>) -> isize {
    // SAFETY: the sheet is alive, for it is borrowed.
    unsafe { ffi::Py_REFCNT(sheet.as_ptr()) }
}

fn gone() -> PyErr {
    ReleasedError::new_err("this segment was published, kept or given back: take() another")
}
