//! Frames as Python sees them: metadata for ever, bytes while they are held.

use std::ffi::c_int;
use std::sync::{Arc, Mutex, PoisonError};

use framebroker_client as client;
use framebroker_client::{ChunkValue, FrameHeader};
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyTuple};

use crate::dlpack;
use crate::error::ReleasedError;
use crate::features;
use crate::frame_ref::FrameRef;
use crate::hold::{Held, Hold, fill_pixels, has_views};
use crate::ledger::{Ledger, Place};
use crate::pixel_format::PixelFormat;
use crate::records::object;
use crate::unpack::Packed;

/// What the helpers in Python are.
const PIXELS: &str = "framebroker._pixels";

/// A frame: what the camera saw, when, and how it lies in memory.
///
/// Its bytes are the ones the camera's driver wrote, read-only and not copied. While the frame is held, its segment is not
/// filled again. It is given back by :meth:`release`, at the end of a ``with`` block, or when the object goes; but only when
/// no array, memoryview or tensor made of it is left. Metadata stay for ever.
///
/// May be used by any number of threads.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct Frame {
    header: FrameHeader,
    address: client::FrameRef,
    /// `None` once it was given back.
    hold: Mutex<Option<Py<Hold>>>,
}

impl Frame {
    /// A frame that was just taken, by the line of the program at `place`.
    pub fn taken(py: Python<'_>, frame: client::Frame, ledger: &Ledger, place: Arc<Place>) -> PyResult<Self> {
        let (header, address) = (*frame.header(), frame.reference());
        let held = Held::new(frame, ledger.enter(address.context, place));
        let hold = Py::new(py, Hold(Arc::new(held)))?;
        Ok(Self { header, address, hold: Mutex::new(Some(hold)) })
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Py<Hold>>> {
        // Only whole values are put in and taken out.
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Hold>> {
        match &*self.slot() {
            Some(hold) => Ok(hold.bind(py).clone()),
            None => Err(ReleasedError::new_err(format!(
                "frame {} was given back: use its bytes before release() or the end of its with block, or copy() them",
                self.address.context
            ))),
        }
    }

    /// Gives it back, or leaves that to the views of it.
    pub fn give_back(&self) {
        let hold = self.slot().take();
        // Only now that the lock is gone.
        drop(hold);
    }
}

#[pymethods]
impl Frame {
    /// The pixels as a NumPy array, read-only and not copied.
    ///
    /// ``(height, width)`` of grey values and colour filters, ``(height, width, channels)`` of colours and of 4:2:2 (two
    /// values for each pixel); ``uint8``, or ``uint16`` for more than 8 bits. Rows may have padding between them. For packed
    /// and unknown formats all bytes in one dimension: see :meth:`unpack`.
    #[getter]
    fn array<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if let Some(fault) = slf.get().hold(py)?.get().0.fault() {
            return Err(PyValueError::new_err(fault.to_owned()));
        }
        py.import(PIXELS)?.call_method1("array", (slf,))
    }

    /// All bytes of the image as a flat, read-only memoryview.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(self.hold(py)?.as_any())
    }

    /// The chunk data that the camera sent behind the image; empty if it sent none.
    #[getter]
    fn chunk_data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.hold(py)?.get().0.chunk_data()?))
    }

    /// What the camera sent with the image, as its time of exposure: by name, as ``int``, ``float``, ``bool``, ``str`` or
    /// ``bytes``, in the units of the features that the chunks are named after. A dictionary of its own, read when it is asked
    /// for; the values stay when the frame is given back.
    ///
    /// Empty if the camera sent none, or in a form of its own: :attr:`chunk_data` has the bytes.
    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hold = self.hold(py)?;
        let chunks = PyDict::new(py);
        for chunk in client::Chunks::parse(hold.get().0.chunk_data()?).into_iter().flatten() {
            // Where a name stands twice, the first counts.
            if !chunks.contains(chunk.name)? {
                chunks.set_item(chunk.name, chunk_value(py, chunk.value)?)?;
            }
        }
        Ok(chunks)
    }

    /// A copy of the pixels as a NumPy array: writable, without padding, and the frame's no more.
    fn copy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import(PIXELS)?.call_method1("copy", (slf,))
    }

    /// The pixels of a packed format as a NumPy array of its own, ``uint16`` with the values as the camera sent them. Other
    /// formats are copied: whatever the format, the result is the pixels.
    fn unpack<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import(PIXELS)?.call_method1("unpack", (slf,))
    }

    /// An image of its own for Pillow: ``"L"``, ``"RGB"``, ``"RGBA"``, or ``"I;16"`` for grey values of more than 8 bits.
    /// Colour filters stay as they are, 4:2:2 becomes RGB, ``RGB16`` loses its low bits.
    fn to_pil<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import(PIXELS)?.call_method1("to_pil", (slf,))
    }

    /// Gives the frame back. Does nothing if that was done before, and in a forked child.
    ///
    /// Raises ``BufferError`` while arrays, memoryviews or tensors made of the frame live.
    pub fn release(&self, py: Python<'_>) -> PyResult<()> {
        let mut slot = self.slot();
        if let Some(hold) = &*slot
            && has_views(hold.bind(py))
        {
            return Err(PyBufferError::new_err(format!(
                "frame {} is in use: arrays, memoryviews or tensors made of it live; drop them (del) first, or copy() what \
                 is needed longer",
                self.address.context
            )));
        }
        let hold = slot.take();
        drop(slot);
        drop(hold);
        Ok(())
    }

    /// Whether :meth:`release` has not been called, nor a ``with`` block left: whether there are bytes to be had.
    #[getter]
    fn is_held(&self) -> bool {
        self.slot().is_some()
    }

    /// ``file:line`` that took the frame; ``None`` once it was given back.
    #[getter]
    fn taken_at(&self, py: Python<'_>) -> Option<String> {
        self.hold(py).ok().map(|hold| hold.get().0.place().text(py))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.give_back();
    }

    #[expect(unsafe_code, reason = "the buffer protocol is made of raw pointers")]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let hold = slf.get().hold(slf.py())?;
        // SAFETY: `view` is what the interpreter handed to this slot.
        unsafe { fill_pixels(&hold, view, flags) }
    }

    /// For NumPy: ``numpy.asarray(frame)`` is :attr:`array`, or raises what that raises.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import(PIXELS)?.call_method1("as_array", (slf, dtype, copy))
    }

    /// For libraries that speak DLPack, as ``torch.from_dlpack(frame)``: the pixels, marked read-only.
    ///
    /// Raises ``BufferError`` for a consumer older than DLPack 1.0, which cannot be told that a tensor is read-only, unless
    /// it asks for a copy.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__(
        slf: &Bound<'_, Self>,
        stream: Option<&Bound<'_, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        dlpack::check_stream(stream)?;
        if copy == Some(true) {
            let copied = py.import(PIXELS)?.call_method1("dlpack_copy", (slf, max_version, dl_device))?;
            return Ok(copied.unbind());
        }
        dlpack::Wish { max_version, device: dl_device }.check()?;
        let hold = slf.get().hold(py)?;
        let held = &hold.get().0;
        match held.fault() {
            Some(fault) => Err(PyBufferError::new_err(fault.to_owned())),
            None => dlpack::capsule(py, held),
        }
    }

    /// For libraries that speak DLPack: the memory of the CPU.
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::CPU
    }

    /// The values of a packed format, two bytes each; ``None`` for other formats.
    fn _unpacked<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyByteArray>>> {
        let hold = self.hold(py)?;
        let data = hold.get().0.data()?;
        let Some(packed) = Packed::of(&self.header, data) else { return Ok(None) };
        let packed = packed.map_err(PyValueError::new_err)?;
        let values = PyByteArray::new_with(py, packed.unpacked_bytes(), |out| {
            // Nobody else has the bytes yet.
            py.detach(|| packed.write(out));
            Ok(())
        })?;
        Ok(Some(values))
    }

    /// Shape of :attr:`array`. Raises :class:`ReleasedError` once the frame was given back.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.hold(py)?.get().0.geometry().shape())
    }

    /// The frame's address: what to hand to other threads and processes, as it is or as ``str(frame.ref)``. They get this frame by
    /// :meth:`Broker.acquire`, as long as somebody holds it.
    #[getter(r#ref)]
    fn reference(&self) -> FrameRef {
        FrameRef(self.address.clone())
    }

    /// Name of the stream it is of.
    #[getter]
    fn stream(&self) -> &str {
        self.address.stream.as_str()
    }

    /// Which run of a broker it is of.
    #[getter]
    fn broker_id(&self) -> u64 {
        self.address.broker.0
    }

    /// The context ID, ``sequence << 16 | segment``: names the frame within its stream and in the life of its broker, in every
    /// process. :attr:`ref` names it everywhere.
    #[getter]
    fn context(&self) -> u64 {
        self.address.context.as_u64()
    }

    /// The frame's number in its stream: 1, 2, 3, … Gaps are frames that this subscription did not get.
    #[getter]
    fn sequence(&self) -> u64 {
        self.address.context.sequence().0
    }

    /// 1000 + index of the segment that the frame lies in.
    #[getter]
    fn buffer_context(&self) -> u32 {
        self.header.buffer_context
    }

    /// How many times this segment was published, this frame included.
    #[getter]
    fn usage_count(&self) -> u64 {
        self.header.usage_count
    }

    /// The camera's own timestamp in ns, by its own clock; ``None`` where it has none.
    #[getter]
    fn camera_timestamp_ns(&self) -> Option<u64> {
        Some(self.header.camera_timestamp_ns).filter(|ns| *ns != 0)
    }

    /// ``time.monotonic_ns()`` of this machine when the frame was complete in memory.
    #[getter]
    fn monotonic_ns(&self) -> u64 {
        self.header.monotonic_ns
    }

    /// ``time.time_ns()`` of this machine when the frame was complete in memory.
    #[getter]
    fn realtime_ns(&self) -> u64 {
        self.header.realtime_ns
    }

    /// Ns since the frame was complete in memory.
    #[getter]
    fn age_ns(&self) -> u64 {
        framebroker_protocol::monotonic_ns().saturating_sub(self.header.monotonic_ns)
    }

    /// The camera's block ID; ``None`` where it has none.
    #[getter]
    fn block_id(&self) -> Option<u64> {
        Some(self.header.block_id).filter(|id| *id != 0)
    }

    /// In pixels.
    #[getter]
    fn width(&self) -> u32 {
        self.header.width
    }

    /// In pixels.
    #[getter]
    fn height(&self) -> u32 {
        self.header.height
    }

    /// Bytes from row to row; ``None`` for packed formats whose rows do not begin on a byte.
    #[getter]
    fn stride(&self) -> Option<u32> {
        Some(self.header.stride).filter(|stride| *stride != 0)
    }

    /// Left edge on the sensor in pixels.
    #[getter]
    fn offset_x(&self) -> u32 {
        self.header.offset_x
    }

    /// Upper edge on the sensor in pixels.
    #[getter]
    fn offset_y(&self) -> u32 {
        self.header.offset_y
    }

    /// How pixels are stored.
    #[getter]
    fn pixel_format(&self) -> PixelFormat {
        PixelFormat(self.header.pixel_format)
    }

    /// Bytes of the image.
    #[getter]
    fn nbytes(&self) -> u64 {
        self.header.payload_bytes
    }

    /// ``"complete"``, or ``"incomplete"``: a part was lost between camera and broker.
    #[getter]
    fn status(&self) -> &'static str {
        if self.header.is_complete() { "complete" } else { "incomplete" }
    }

    /// Whether every packet of the frame arrived.
    #[getter]
    fn is_complete(&self) -> bool {
        self.header.is_complete()
    }

    /// Frames lost between camera and broker since the frame before.
    #[getter]
    fn lost_at_camera(&self) -> u32 {
        self.header.lost_at_camera
    }

    /// Whether it was exposed with a setting, or with a later one. Where that is not known, as of a frame that was under way when
    /// the camera was set, it is false.
    ///
    /// ``setting``: what :meth:`Broker.set_feature` gave, news of a change, or a settings version.
    fn is_exposed_with(&self, setting: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(features::version(setting)?.is_reached_by(self.header.settings_version))
    }

    /// Raised by every change of a camera setting: a frame with the version of a change (:attr:`Setting.version`), or a later
    /// one, was exposed after that change: see :meth:`is_exposed_with`. Up to three frames right after it keep the version before,
    /// as their exposure may have begun earlier; none where the camera exposes for software triggers only, and was not exposing.
    #[getter]
    fn settings_version(&self) -> u32 {
        self.header.settings_version
    }

    /// Its bytes are not to be copied from process to process.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a frame cannot be pickled: send frame.ref, and take the frame there by acquire(); frame.copy() is an array of your own",
        ))
    }

    fn __repr__(&self) -> String {
        let FrameHeader { width, height, pixel_format, buffer_context, .. } = self.header;
        let state = if self.is_held() { "" } else { ", given back" };
        format!(
            "<framebroker.Frame {}: sequence {} in buffer {buffer_context}, {width}x{height} {pixel_format}{state}>",
            self.context(),
            self.sequence()
        )
    }
}

/// A chunk's value as Python has it.
fn chunk_value(py: Python<'_>, value: ChunkValue<'_>) -> PyResult<Py<PyAny>> {
    match value {
        ChunkValue::Integer(value) => object(py, value),
        ChunkValue::Float(value) => object(py, value),
        ChunkValue::Boolean(value) => object(py, value),
        ChunkValue::Text(value) => object(py, value),
        ChunkValue::Bytes(value) => object(py, PyBytes::new(py, value)),
        // A kind that a later version of the library knows.
        _ => Ok(py.None()),
    }
}
