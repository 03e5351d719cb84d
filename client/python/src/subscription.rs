//! Subscriptions as Python sees them.

use std::time::{Duration, Instant};

use framebroker_client as client;
use framebroker_client::{ContextId, Error};
use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
use pyo3::prelude::*;

use crate::error::{ClosedError, HeldFramesError, StreamClosedError, forked, raised};
use crate::frame::Frame;
use crate::ledger::{Ledger, Place};
use crate::options::{delivery_name, policy_name, state_name, timeout};
use crate::records::{Counters, MappedSegment, StreamInfo};
use crate::turns::{self, Status, Turns};

pyo3::import_exception!(framebroker._errors, HeldFramesWarning);
pyo3::import_exception!(framebroker._errors, WaitTimeoutError);

/// What the helpers for asyncio are.
const AIO: &str = "framebroker._aio";

/// Frames of one stream. Made by :meth:`Broker.subscribe`.
///
/// A loop over it gets frame after frame and ends when the stream does, or at :meth:`close`; ``async for`` does so in
/// asyncio. It is a context manager: at the end of its ``with`` block the subscription ends, while frames that are held stay as they are.
///
/// Threads may share it: they take turns, each frame goes to one of them.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct Subscription {
    turns: Turns<client::Subscription>,
    ledger: Ledger,
    info: client::StreamInfo,
    name: String,
    delivery: client::Delivery,
    max_held: u32,
    fd: std::os::fd::RawFd,
}

/// How a wait ended.
enum Waited {
    Frame(client::Frame),
    /// Nothing there now.
    Nothing,
    /// All holds are in use.
    Full(Error),
}

impl Subscription {
    pub fn new(subscription: client::Subscription) -> Self {
        use std::os::fd::{AsFd, AsRawFd};
        Self {
            info: subscription.stream_info().clone(),
            name: subscription.name().to_string(),
            delivery: subscription.delivery(),
            max_held: subscription.max_held(),
            fd: subscription.as_fd().as_raw_fd(),
            turns: Turns::new(subscription),
            ledger: Ledger::default(),
        }
    }

    fn status(&self) -> PyResult<Status> {
        self.turns.status()
    }

    /// Takes a frame by `take`, which may wait; where frames stand in the way that nobody uses any more, tries again.
    fn take(
        &self,
        py: Python<'_>,
        place: Place,
        mut take: impl FnMut() -> PyResult<Waited>,
    ) -> PyResult<Option<Frame>> {
        let mut waited = take()?;
        if let Waited::Full(error) = waited {
            self.make_room(py, &error)?;
            waited = take()?;
        }
        match waited {
            Waited::Frame(frame) => Frame::taken(py, frame, &self.ledger, place).map(Some),
            Waited::Nothing => Ok(None),
            Waited::Full(error) => Err(self.full(py, &error)),
        }
    }

    /// Frames in reference cycles, as exceptions make them, are held until the garbage collector finds them. It is asked to
    /// look before the program is told that it holds too many.
    fn make_room(&self, py: Python<'_>, error: &Error) -> PyResult<()> {
        let before = self.ledger.places(py);
        py.import("gc")?.call_method0("collect")?;
        if self.ledger.len() >= before.len() {
            return Err(self.full(py, error));
        }
        let text = format!(
            "as many frames were held as may be, and only the garbage collector found those that are not used any more: \
             release() frames, or use them in a with block{}",
            listed(&before)
        );
        let text = std::ffi::CString::new(text)?;
        let category = py.get_type::<HeldFramesWarning>();
        debug_assert!(category.is_subclass_of::<PyRuntimeWarning>()?);
        PyErr::warn(py, &category, &text, 1)
    }

    fn full(&self, py: Python<'_>, error: &Error) -> PyErr {
        let places = self.ledger.places(py);
        let text = format!(
            "{error}. Arrays, memoryviews and tensors hold their frame too: copy() what is needed longer{}",
            listed(&places)
        );
        HeldFramesError::new_err((text, places))
    }

    fn wait(&self, py: Python<'_>, deadline: Option<Instant>) -> PyResult<Waited> {
        let Some(mut turn) = self.turns.take(py, deadline)? else {
            return Err(WaitTimeoutError::new_err((
                "no frame came in time: another thread waits for one too",
                "frame",
            )));
        };
        let subscription = turn.taken()?;
        let mut signal = Ok(());
        let frame = py.detach(|| {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            subscription.next_while(left, |waiting| {
                self.turns.renew(waiting);
                // Where there is no interpreter any more there is nobody to wait for.
                signal = Python::try_attach(|py| py.check_signals()).unwrap_or_else(|| Err(closed_down()));
                signal.is_ok() && !self.turns.is_closing()
            })
        });
        py.detach(|| drop(turn));
        signal?;
        match frame {
            Ok(Some(frame)) => Ok(Waited::Frame(frame)),
            Ok(None) => Err(closed()),
            Err(error @ Error::Full { .. }) => Ok(Waited::Full(error)),
            Err(error) => Err(raised(&error)),
        }
    }

    fn try_wait(&self, py: Python<'_>) -> PyResult<Waited> {
        let Some(mut turn) = self.turns.take(py, Some(Instant::now()))? else { return Ok(Waited::Nothing) };
        let subscription = turn.taken()?;
        let frame = py.detach(|| subscription.try_next());
        py.detach(|| drop(turn));
        match frame {
            Ok(Some(frame)) => Ok(Waited::Frame(frame)),
            Ok(None) => Ok(Waited::Nothing),
            Err(error @ Error::Full { .. }) => Ok(Waited::Full(error)),
            Err(error) => Err(raised(&error)),
        }
    }

    fn next_from(&self, py: Python<'_>, wait: Option<Duration>) -> PyResult<Frame> {
        // A limit beyond the clock's end is none.
        let deadline = wait.and_then(|wait| Instant::now().checked_add(wait));
        let frame = self.take(py, Place::here(py)?, || self.wait(py, deadline))?;
        frame.ok_or_else(closed)
    }
}

#[pymethods]
impl Subscription {
    /// Waits for the next frame of the policy: for at most ``timeout`` seconds, or with ``None`` as long as it takes.
    ///
    /// Frames published before a stream ended or a broker died come before the exception. Raises
    /// :class:`WaitTimeoutError`, :class:`HeldFramesError`, :class:`StreamClosedError`, :class:`EvictedError`,
    /// :class:`BrokerGoneError`, :class:`ClosedError`, :class:`ForkedError`, :class:`ProtocolError`.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Frame> {
        let wait = self::timeout(timeout)?;
        self.next_from(py, wait)
    }

    /// The next frame if there is one now, else ``None``. After ``None`` :meth:`fileno` becomes readable with the next news.
    ///
    /// Does not wait, but with ``reconnect`` an attempt to join the next broker may take a second. While another thread
    /// waits in :meth:`next`, there is nothing for this one.
    fn try_next(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        self.take(py, Place::here(py)?, || self.try_wait(py))
    }

    /// :meth:`try_next` on behalf of the line that a frame of the interpreter is at.
    fn _try_next_for(&self, py: Python<'_>, caller: &Bound<'_, PyAny>) -> PyResult<Option<Frame>> {
        self.take(py, Place::of(caller)?, || self.try_wait(py))
    }

    /// Waits for the next frame in asyncio: ``frame = await subscription.next_async()``. As :meth:`next` else.
    #[pyo3(signature = (timeout=None))]
    fn next_async<'py>(slf: &Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import(AIO)?.call_method1("next_frame", (slf, timeout))
    }

    /// Holds one certain frame, whatever the policy: by its context ID, from whatever process that comes.
    ///
    /// Raises :class:`FrameGoneError` if it was retired or never was, else as :meth:`next`.
    fn acquire(&self, py: Python<'_>, context: u64) -> PyResult<Frame> {
        let id = ContextId::from_u64(context)
            .ok_or_else(|| PyValueError::new_err(format!("{context} is no context ID: sequence << 16 | segment")))?;
        let acquire = || {
            let Some(mut turn) = self.turns.take(py, None)? else { return Err(closed()) };
            let subscription = turn.taken()?;
            let frame = py.detach(|| subscription.acquire(id));
            py.detach(|| drop(turn));
            match frame {
                Ok(frame) => Ok(Waited::Frame(frame)),
                Err(error @ Error::Full { .. }) => Ok(Waited::Full(error)),
                Err(error) => Err(raised(&error)),
            }
        };
        self.take(py, Place::here(py)?, acquire)?.ok_or_else(closed)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        match self.next_from(py, None) {
            Ok(frame) => Ok(Some(frame)),
            Err(error) if error.is_instance_of::<StreamClosedError>(py) => Ok(None),
            // Closed by another thread, or in the loop's own body.
            Err(error) if error.is_instance_of::<ClosedError>(py) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn __aiter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import(AIO)?.call_method1("Frames", (slf,))
    }

    /// Ends the subscription. Frames that are held stay as they are; a thread that waits is told within a quarter of a
    /// second.
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

    /// A descriptor that is readable whenever :meth:`try_next` may have something to say: for ``select``, ``selectors`` and
    /// event loops. When it is readable, call :meth:`try_next` until it gives ``None``. The same for the life of the
    /// subscription, over reconnections too.
    fn fileno(&self) -> PyResult<i32> {
        self.turns.status()?;
        if self.turns.is_closing() { Err(closed()) } else { Ok(self.fd) }
    }

    /// The segments that are mapped.
    fn mappings(&self, py: Python<'_>) -> PyResult<Vec<Py<MappedSegment>>> {
        let Some(mut turn) = self.turns.take(py, None)? else { return Err(closed()) };
        let mappings = turn.taken()?.mappings();
        mappings.iter().map(|mapping| MappedSegment::from_broker(py, mapping)).collect()
    }

    /// The stream's name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The stream as it was when the subscription began. Every frame has its own geometry.
    #[getter]
    fn info(&self, py: Python<'_>) -> PyResult<Py<StreamInfo>> {
        StreamInfo::from_broker(py, &self.info)
    }

    /// Frames received, lost and skipped. Reconnections go on counting.
    #[getter]
    fn counters(&self, py: Python<'_>) -> PyResult<Py<Counters>> {
        Counters::from_broker(py, &self.status()?.counters)
    }

    /// Whether frames can come now: ``"live"``, ``"offline"`` (the camera is away) or ``"closed"`` (they never will).
    #[getter]
    fn state(&self) -> PyResult<&'static str> {
        let state = self.status()?.state;
        Ok(if self.turns.is_closing() { "closed" } else { state_name(state) })
    }

    /// Why the camera is away, as far as the broker has told; ``None`` while it is there.
    #[getter]
    fn offline_reason(&self) -> PyResult<Option<String>> {
        Ok(self.status()?.offline_reason)
    }

    /// Why the broker no longer waits for this lossless subscription; ``None`` while it does.
    #[getter]
    fn demotion_reason(&self) -> PyResult<Option<String>> {
        Ok(self.status()?.demotion_reason)
    }

    /// The policy in force: ``"sequential"`` after a demotion from ``"lossless"``.
    #[getter]
    fn policy(&self) -> PyResult<&'static str> {
        Ok(policy_name(self.status()?.policy))
    }

    /// By which way frames come.
    #[getter]
    fn delivery(&self) -> &'static str {
        delivery_name(self.delivery)
    }

    /// Frames that may be held at once.
    #[getter]
    fn max_held(&self) -> u32 {
        self.max_held
    }

    /// Frames that are held now, by themselves or by arrays, memoryviews and tensors.
    #[getter]
    fn held(&self) -> PyResult<usize> {
        self.status()?;
        Ok(self.ledger.len())
    }

    /// Context ID of each frame that is held, and the ``file:line`` that took it.
    #[getter]
    fn held_frames(&self, py: Python<'_>) -> PyResult<Vec<(u64, String)>> {
        self.status()?;
        Ok(self.ledger.places(py))
    }

    /// How often the subscription went on at another broker. Sequences and context IDs begin anew with each.
    #[getter]
    fn reconnects(&self) -> PyResult<u64> {
        Ok(self.status()?.reconnects)
    }

    /// Which run of a broker the frames come from.
    #[getter]
    fn broker_id(&self) -> PyResult<u64> {
        Ok(self.status()?.broker.0)
    }

    fn __repr__(&self) -> String {
        let Self { name, max_held, .. } = self;
        match self.status() {
            Ok(status) => format!(
                "<framebroker.Subscription to {name}, {}, {}; {} of {max_held} frames held>",
                policy_name(status.policy),
                if self.turns.is_closing() { "closed" } else { state_name(status.state) },
                self.ledger.len()
            ),
            Err(_forked) => format!("<framebroker.Subscription to {name}, of the parent process>"),
        }
    }
}

/// The frames that are held, a line each.
fn listed(places: &[(u64, String)]) -> String {
    places.iter().map(|(context, place)| format!("\n  frame {context}, taken at {place}")).collect()
}

fn closed() -> PyErr {
    turns::closed::<client::Subscription>()
}

/// The interpreter has gone.
fn closed_down() -> PyErr {
    forked()
}
