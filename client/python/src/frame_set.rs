//! Frames that belong together, as Python sees them.

use std::sync::Arc;

use framebroker_client as client;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyTuple};

use crate::frame::Frame;
use crate::ledger::Place;
use crate::records::nanoseconds;
use crate::subscription::Subscription;

/// Frames of several streams that belong together, a place for each stream: ``left, right = pairs.next()``.
///
/// It is a context manager: at the end of its ``with`` block all its frames are given back, as frames do at the end of theirs.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct FrameSet {
    frames: Py<PyTuple>,
    skew_ns: u64,
    is_complete: bool,
}

impl FrameSet {
    /// A set that was just taken from `members`, by the line of the program at `place`.
    pub fn taken(py: Python<'_>, set: client::FrameSet, members: &[Py<Subscription>], place: Place) -> PyResult<Self> {
        let (skew_ns, is_complete, place) = (nanoseconds(set.skew()), set.is_complete(), Arc::new(place));
        let frames = set.into_frames().into_iter().zip(members).map(|(frame, member)| {
            let taken = |frame| Frame::taken(py, frame, member.get().ledger(), Arc::clone(&place));
            frame.map(|frame| Py::new(py, taken(frame)?)).transpose()
        });
        let frames: Vec<Option<Py<Frame>>> = frames.collect::<PyResult<_>>()?;
        Ok(Self { frames: PyTuple::new(py, frames)?.unbind(), skew_ns, is_complete })
    }

    fn each(&self, py: Python<'_>, mut finish: impl FnMut(&Frame) -> PyResult<()>) -> PyResult<()> {
        let mut result = Ok(());
        for frame in self.frames.bind(py) {
            if let Ok(frame) = frame.cast::<Frame>() {
                result = result.and(finish(frame.get()));
            }
        }
        result
    }
}

#[pymethods]
impl FrameSet {
    /// A :class:`Frame` of each stream, in the order of the subscriptions; ``None`` where the set is incomplete.
    #[getter]
    fn frames(&self, py: Python<'_>) -> Py<PyTuple> {
        self.frames.clone_ref(py)
    }

    /// How far apart its frames are in ns: at most the tolerance, 0 where they are matched by block ID.
    #[getter]
    fn skew_ns(&self) -> u64 {
        self.skew_ns
    }

    /// Whether every stream has a frame in it.
    #[getter]
    fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Gives all frames back. Raises ``BufferError`` where arrays, memoryviews or tensors of one live; the others are given back
    /// nevertheless.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.each(py, |frame| frame.release(py))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.frames.bind(py).len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        self.frames.bind(py).as_any().get_item(index)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.frames.bind(py).try_iter()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.each(py, |frame| {
            frame.give_back();
            Ok(())
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<framebroker.FrameSet {}, {} ns apart>", self.frames.bind(py).repr()?, self.skew_ns))
    }
}
