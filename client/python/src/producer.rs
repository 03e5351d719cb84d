//! Producers as Python sees them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use framebroker_client as client;
use framebroker_client::{Error, ProducerBuilder};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::blank::Blank;
use crate::error::raised;
use crate::frame_info::{Given, Shape};
use crate::options;
use crate::pixel_format::PixelFormat;
use crate::records::MappedSegment;
use crate::turns::{self, Turns};
use crate::waiting::deadline;

pyo3::import_exception!(framebroker._errors, WaitTimeoutError);

/// How often a thread that waits for a segment looks for signals.
const SLICE: Duration = Duration::from_millis(100);

/// Fills the segments of a stream in place of one of the broker's cameras. Made by :meth:`Broker.produce`.
///
/// A stream has one producer at a time. It is a context manager: at the end of its ``with`` block the stream's readers wait
/// for the next producer, while frames that are held stay as they are.
///
/// Threads may share it: one may wait in :meth:`take` while another calls :meth:`publish`.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct Producer {
    turns: Turns<client::Producer>,
    name: String,
    current: Mutex<Current>,
}

/// From one change of its frames to the next.
#[derive(Clone)]
struct Current {
    publisher: client::Publisher,
    shape: Shape,
}

impl Producer {
    /// Opens what was prepared. May take as long as the broker needs to allocate segments.
    pub fn open(py: Python<'_>, name: String, builder: ProducerBuilder, shape: Shape) -> PyResult<Self> {
        let producer = py.detach(|| builder.open()).map_err(|error| raised(&error))?;
        let current = Mutex::new(Current { publisher: producer.publisher(), shape });
        Ok(Self { turns: Turns::new(producer)?, name, current })
    }

    fn current(&self) -> PyResult<MutexGuard<'_, Current>> {
        self.turns.check_process()?;
        // Only whole values are put in.
        Ok(self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the producer when it is this thread's turn; `None` where that does not come in time.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        deadline: Option<Instant>,
        ask: impl FnOnce(&mut client::Producer) -> client::Result<T> + Send,
    ) -> PyResult<Option<client::Result<T>>> {
        let Some(mut turn) = self.turns.take(py, deadline)? else { return Ok(None) };
        let producer = turn.taken()?;
        let answer = py.detach(|| ask(producer));
        py.detach(|| drop(turn));
        Ok(Some(answer))
    }

    /// As [`Self::ask`], however long the turn takes to come.
    fn tell<T: Send>(
        &self,
        py: Python<'_>,
        tell: impl FnOnce(&mut client::Producer) -> client::Result<T> + Send,
    ) -> PyResult<T> {
        let answer = self.ask(py, None, tell)?;
        answer.ok_or_else(turns::closed::<client::Producer>)?.map_err(|error| raised(&error))
    }

    fn blank(&self, py: Python<'_>, blank: client::Blank) -> PyResult<Blank> {
        let shape = self.current()?.shape;
        Blank::new(py, blank, shape)
    }
}

#[pymethods]
impl Producer {
    /// Waits for a segment to fill: for at most ``timeout`` seconds, or with ``None`` as long as it takes.
    ///
    /// Raises :class:`WaitTimeoutError` (readers may hold all segments); for good :class:`StreamClosedError`,
    /// :class:`RefusedError` (the broker disconnected this producer; the text says why), :class:`BrokerGoneError`,
    /// :class:`ProtocolError`, :class:`MachineError`, :class:`ClosedError`, :class:`ForkedError`.
    #[pyo3(signature = (timeout=None))]
    fn take(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Blank> {
        let deadline = self::deadline(timeout)?;
        loop {
            let left = deadline.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()).min(SLICE));
            match self.ask(py, deadline, |producer| producer.take(left))? {
                Some(Ok(blank)) => return self.blank(py, blank),
                Some(Err(Error::Timeout { .. })) | None => {}
                Some(Err(error)) => return Err(raised(&error)),
            }
            py.check_signals()?;
            if deadline.is_some_and(|end| Instant::now() >= end) {
                let seconds = timeout.unwrap_or_default();
                let text = format!("no segment came back to be filled within {seconds} s (readers may hold them all)");
                return Err(WaitTimeoutError::new_err((text, "segment")));
            }
        }
    }

    /// A segment to fill if there is one now, else ``None``; also while another thread waits in :meth:`take`.
    fn try_take(&self, py: Python<'_>) -> PyResult<Option<Blank>> {
        let Some(taken) = self.ask(py, Some(Instant::now()), client::Producer::try_take)? else { return Ok(None) };
        let blank = taken.map_err(|error| raised(&error))?;
        blank.map(|blank| self.blank(py, blank)).transpose()
    }

    /// Makes a segment that was taken and kept (:meth:`Blank.keep`) a frame, named by its buffer context. The other words are
    /// those of :meth:`Blank.publish`.
    ///
    /// Raises :class:`NotKeptError`, :class:`InvalidFrameError`, :class:`StoppedError`, :class:`ClosedError`.
    #[pyo3(signature = (buffer_context, width=None, height=None, pixel_format=None, *, stride=None, offset_x=0, offset_y=0,
                        image_bytes=None, chunk_bytes=0, camera_timestamp_ns=None, block_id=None, complete=true,
                        lost_at_camera=0))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python, each with a default")]
    fn publish(
        &self,
        buffer_context: u32,
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
        let Current { publisher, shape } = self.current()?.clone();
        if self.turns.is_closing() {
            return Err(turns::closed::<client::Producer>());
        }
        publisher.publish(buffer_context, &given.info(shape)?).map_err(|error| raised(&error))
    }

    /// Whether the broker still takes what is filled: raises what :meth:`take` would, if not.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        // Whoever has the turn finds out by itself.
        let checked = self.ask(py, Some(Instant::now()), |producer| producer.check())?;
        checked.unwrap_or(Ok(())).map_err(|error| raised(&error))
    }

    /// Says that the frames change: to another geometry, or a size that needs other segments. What is not given stays. Frames
    /// of another geometry that fit in the segments need not be announced. The stream stays live meanwhile.
    ///
    /// Raises :class:`StillFillingError` unless all that was taken is published or given back, else as
    /// :meth:`Broker.produce`.
    #[pyo3(signature = (*, width=None, height=None, pixel_format=None, payload_bytes=None, fps=None))]
    fn change(
        &self,
        py: Python<'_>,
        width: Option<u32>,
        height: Option<u32>,
        pixel_format: Option<Bound<'_, PyAny>>,
        payload_bytes: Option<u64>,
        fps: Option<f64>,
    ) -> PyResult<()> {
        let before = self.current()?.shape;
        let shape = Shape {
            width: width.unwrap_or(before.width),
            height: height.unwrap_or(before.height),
            pixel_format: pixel_format.map_or(Ok(before.pixel_format), |given| PixelFormat::parse(&given))?,
        };
        let interval = fps.map(interval).transpose()?;
        let publisher = self.tell(py, |producer| {
            producer.change(|builder| {
                let mut builder = builder.geometry(shape.width, shape.height, shape.pixel_format);
                if let Some(bytes) = payload_bytes {
                    builder = builder.payload_bytes(bytes);
                }
                if let Some(interval) = interval {
                    builder = builder.interval(interval);
                }
                builder
            })?;
            Ok(producer.publisher())
        })?;
        *self.current()? = Current { publisher, shape };
        Ok(())
    }

    /// Every segment that is lent now or will be again, and where it is mapped, for writing. The address of one stays the same
    /// while its ``backing`` does.
    fn segments(&self, py: Python<'_>) -> PyResult<Vec<Py<MappedSegment>>> {
        let segments = self.tell(py, |producer| Ok(producer.segments()))?;
        segments.iter().map(|segment| MappedSegment::from_broker(py, segment)).collect()
    }

    /// Ends it. Readers of the stream wait for the next producer; a thread that waits in :meth:`take` is told within a quarter
    /// of a second.
    fn close(&self, py: Python<'_>) {
        self.turns.close(py);
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.turns.close(py);
    }

    /// The sequence that the first frame gets, since the producer was made or its frames changed. Those that follow are
    /// numbered without a gap, but for incomplete ones that the broker does not publish.
    #[getter]
    fn first_sequence(&self) -> PyResult<u64> {
        self.turns.status()
    }

    /// The stream's name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Of its frames, in pixels, unless a frame says otherwise.
    #[getter]
    fn width(&self) -> PyResult<u32> {
        Ok(self.current()?.shape.width)
    }

    /// Of its frames, in pixels, unless a frame says otherwise.
    #[getter]
    fn height(&self) -> PyResult<u32> {
        Ok(self.current()?.shape.height)
    }

    /// How pixels are stored, unless a frame says otherwise.
    #[getter]
    fn pixel_format(&self) -> PyResult<PixelFormat> {
        Ok(PixelFormat(self.current()?.shape.pixel_format))
    }

    fn __repr__(&self) -> String {
        let Ok(Current { shape: Shape { width, height, pixel_format }, .. }) = self.current().map(|now| now.clone())
        else {
            return format!("<framebroker.Producer of {}, of the parent process>", self.name);
        };
        let state = if self.turns.is_closing() { ", closed" } else { "" };
        format!("<framebroker.Producer of {}: {width}x{height} {pixel_format}{state}>", self.name)
    }
}

/// Time between frames.
///
/// # Errors
/// `ValueError` for what is no rate.
pub fn interval(fps: f64) -> PyResult<Duration> {
    if !(fps.is_finite() && fps > 0.0) {
        return Err(PyValueError::new_err(format!("fps is a number of frames per second above 0, not {fps}")));
    }
    options::seconds("the time between two frames", 1.0 / fps)
}
