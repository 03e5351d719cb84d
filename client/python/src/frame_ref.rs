//! Addresses of frames as Python sees them.

use framebroker_client::{self as client, BrokerId, ContextId, NoFrameRef};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The address of a frame: what to hand to other threads and processes, which get that frame by it (:meth:`Broker.acquire`,
/// :meth:`Subscription.acquire`) or an exception, never another frame. Can be pickled, compared, sorted and used as a key.
///
/// ``str()`` gives a text, as ``9f3c0a1b2c3d4e5f/cam0/589832``, which :meth:`parse` and other languages read.
#[pyclass(frozen, eq, ord, hash, str, module = "framebroker")]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef(pub client::FrameRef);

impl std::fmt::Display for FrameRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A context ID that is given as a number.
///
/// # Errors
/// `ValueError` for a number that names no frame.
pub fn context_id(context: u64) -> PyResult<ContextId> {
    ContextId::from_u64(context)
        .ok_or_else(|| PyValueError::new_err(format!("{context} is no context ID: sequence << 16 | segment")))
}

#[pymethods]
impl FrameRef {
    #[new]
    fn new(broker_id: u64, stream: &str, context: u64) -> PyResult<Self> {
        let stream = stream.parse().map_err(|error| PyValueError::new_err(format!("{error}")))?;
        Ok(Self(client::FrameRef { broker: BrokerId(broker_id), stream, context: context_id(context)? }))
    }

    /// The address that a text says. Raises ``ValueError`` where it is none.
    #[classmethod]
    fn parse(_class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        let parsed = text.parse().map_err(|error: NoFrameRef| PyValueError::new_err(error.to_string()))?;
        Ok(Self(parsed))
    }

    /// Which run of a broker the frame is of.
    #[getter]
    fn broker_id(&self) -> u64 {
        self.0.broker.0
    }

    /// The stream's name.
    #[getter]
    fn stream(&self) -> &str {
        self.0.stream.as_str()
    }

    /// Which of the stream's frames.
    #[getter]
    fn context(&self) -> u64 {
        self.0.context.as_u64()
    }

    /// The frame's number in its stream.
    #[getter]
    fn sequence(&self) -> u64 {
        self.0.context.sequence().0
    }

    fn __repr__(&self) -> String {
        format!("FrameRef.parse('{}')", self.0)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (u64, String, u64)) {
        let frame = slf.get();
        (slf.get_type(), (frame.broker_id(), frame.stream().to_owned(), frame.context()))
    }
}
