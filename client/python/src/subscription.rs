//! Subscriptions as Python sees them.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use framebroker_client as client;
use framebroker_client::FrameAddress;
use pyo3::prelude::*;

use crate::features::{self, SettingsChange};
use crate::frame::Frame;
use crate::frame_ref::{FrameRef, context_id};
use crate::ledger::{Ledger, Place};
use crate::member::Member;
use crate::options;
use crate::records::{Counters, MappedSegment, StreamInfo};
use crate::turns::{self, Status, Turns};
use crate::waiting::{Waited, deadline, ended, late, take_with_room, try_wait, until_end, wait, wait_by};

/// What the helpers for asyncio are.
pub const AIO: &str = "framebroker._aio";
/// How often a task that waits looks by itself: its descriptor does not tell whether the subscription was closed.
pub const LOOK_S: f64 = 0.25;

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
    /// Once it was joined with others.
    member: OnceLock<Member>,
}

impl Subscription {
    /// # Errors
    /// Where forks cannot be watched.
    pub fn new(subscription: client::Subscription) -> PyResult<Self> {
        use std::os::fd::{AsFd, AsRawFd};
        Ok(Self {
            info: subscription.stream_info().clone(),
            name: subscription.name().to_string(),
            delivery: subscription.delivery(),
            max_held: subscription.max_held(),
            fd: subscription.as_fd().as_raw_fd(),
            turns: Turns::new(subscription)?,
            ledger: Ledger::new()?,
            member: OnceLock::new(),
        })
    }

    /// What threads take turns with.
    pub fn turns(&self) -> &Turns<client::Subscription> {
        &self.turns
    }

    /// The stream's name.
    pub fn stream_name(&self) -> &str {
        &self.name
    }

    /// Its frames that are out.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// From now on its frames come in sets. Only once, by whoever had the turn.
    pub fn join(&self, member: Member) {
        let _only_once = self.member.set(member);
    }

    fn status(&self) -> PyResult<Status> {
        let own = self.turns.status()?;
        Ok(self.member.get().map_or(Ok(None), Member::status)?.unwrap_or(own))
    }

    fn is_closing(&self) -> bool {
        self.turns.is_closing() || self.member.get().is_some_and(Member::is_closing)
    }

    /// Takes a frame by `take`, which may wait.
    fn take(
        &self,
        py: Python<'_>,
        place: Place,
        take: impl FnMut() -> PyResult<Waited<client::Frame>>,
    ) -> PyResult<Option<Frame>> {
        let frame = take_with_room(py, &[&self.ledger], take)?;
        frame.map(|frame| Frame::taken(py, frame, &self.ledger, Arc::new(place))).transpose()
    }

    fn next_until(&self, py: Python<'_>, deadline: Option<Instant>) -> PyResult<Frame> {
        let frame = self.take(py, Place::here(py)?, || wait(&self.turns, py, deadline))?;
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
        self.next_until(py, deadline(timeout)?)
    }

    /// Waits for the next frame that was exposed with a setting or with a later one, as :meth:`next` does, and passes over those
    /// before it: ``subscription.next_with(broker.set_feature("cam0", "Gain", 6), timeout=1)``.
    ///
    /// ``setting``: what :meth:`Broker.set_feature` gave, news of a change, or a settings version.
    ///
    /// Where the camera waits for triggers, trigger it after it was set and before this is called. Of a camera that runs freely or is
    /// triggered by hardware up to three frames after a setting are passed over: they may have been exposed before it.
    ///
    /// Raises as :meth:`next` does; :class:`WaitTimeoutError` tells how far it came.
    #[pyo3(signature = (setting, timeout=None))]
    fn next_with(&self, py: Python<'_>, setting: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<Frame> {
        let (version, deadline) = (features::version(setting)?, deadline(timeout)?);
        let wait = || {
            wait_by(&self.turns, py, deadline, |frames, left, goes_on| frames.next_with_while(version, left, goes_on))
        };
        self.take(py, Place::here(py)?, wait)?.ok_or_else(closed)
    }

    /// The next frame if there is one now, else ``None``. After ``None`` :meth:`fileno` becomes readable with the next news.
    ///
    /// Does not wait: with ``reconnect`` a thread joins the next broker meanwhile. While another thread waits in :meth:`next`, there is nothing for this one.
    fn try_next(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        self.take(py, Place::here(py)?, || try_wait(&self.turns, py))
    }

    /// :meth:`try_next` on behalf of the line that a frame of the interpreter is at.
    fn _try_next_for(&self, py: Python<'_>, caller: &Bound<'_, PyAny>) -> PyResult<Option<Frame>> {
        self.take(py, Place::of(caller)?, || try_wait(&self.turns, py))
    }

    /// Waits for the next frame in asyncio: ``frame = await subscription.next_async()``. As :meth:`next` else.
    #[pyo3(signature = (timeout=None))]
    fn next_async<'py>(slf: &Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        options::timeout(timeout)?;
        slf.py().import(AIO)?.call_method1("next_of", (slf, timeout))
    }

    /// Holds one certain frame, whatever the policy: by its address (:attr:`Frame.ref`), from whatever thread or process that
    /// comes.
    ///
    /// A bare context ID does too, but nobody can check that it is of this stream and this run of the broker: if it is not, it may
    /// name another frame here.
    ///
    /// Raises :class:`FrameGoneError` if it was retired, never was, or is of another run of the broker,
    /// :class:`OtherStreamError`, else as :meth:`next`.
    fn acquire(&self, py: Python<'_>, frame: &Bound<'_, PyAny>) -> PyResult<Frame> {
        let address = frame.cast::<FrameRef>().ok().map(Bound::get);
        let wanted = match address {
            Some(address) => FrameAddress::Ref(&address.0),
            None => FrameAddress::Context(context_id(frame.extract()?)?),
        };
        let acquire = || {
            let Some(mut turn) = self.turns.take(py, None)? else { return Err(closed()) };
            let subscription = turn.taken()?;
            let frame = py.detach(|| subscription.acquire(wanted));
            py.detach(|| drop(turn));
            ended(frame.map(Some))
        };
        self.take(py, Place::here(py)?, acquire)?.ok_or_else(closed)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        until_end(py, self.next_until(py, None))
    }

    fn __aiter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import(AIO)?.call_method1("Loop", (slf,))
    }

    /// What somebody has changed in the camera's settings: the oldest news not asked for yet; ``None`` if there is none.
    ///
    /// Does not wait: news are heard while frames are asked for, at least five times a second; the newest 64 are kept. While
    /// another thread waits in :meth:`next`, there is nothing for this one. Frames need no such news: each has its own
    /// geometry and ``settings_version``.
    fn next_change(&self, py: Python<'_>) -> PyResult<Option<Py<SettingsChange>>> {
        let change = match self.member.get() {
            Some(member) if !self.turns.is_closing() => member.next_change(py)?,
            _ => match self.turns.take(py, Some(Instant::now()))? {
                Some(mut turn) => turn.taken()?.next_change(),
                None => None,
            },
        };
        change.map(|change| SettingsChange::from_broker(py, &change)).transpose()
    }

    /// Ends the subscription; one that was joined with others ends with them. Frames that are held stay as they are; a thread
    /// that waits is told within a quarter of a second.
    fn close(&self, py: Python<'_>) {
        self.turns.close(py);
        if let Some(member) = self.member.get() {
            member.close(py);
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }

    /// A descriptor that is readable whenever :meth:`try_next` may have something to say: for ``select``, ``selectors`` and
    /// event loops. When it is readable, call :meth:`try_next` until it gives ``None``. The same for the life of the
    /// subscription, over reconnections too.
    fn fileno(&self) -> PyResult<i32> {
        self.turns.check()?;
        Ok(self.fd)
    }

    /// For tasks that have waited so many seconds in vain: what to raise.
    fn _late(&self, py: Python<'_>, timeout: f64) -> PyResult<PyErr> {
        late(&self.turns, py, timeout)
    }

    /// For tasks that wait: descriptors, and seconds after which to look by oneself.
    fn _awaited(&self) -> PyResult<(Vec<i32>, f64)> {
        Ok((vec![self.fileno()?], LOOK_S))
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
        Ok(if self.is_closing() { "closed" } else { state.name() })
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
        Ok(self.status()?.policy.name())
    }

    /// By which way frames come.
    #[getter]
    fn delivery(&self) -> &'static str {
        self.delivery.name()
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

    /// How often the subscription went on at another broker. Sequences and context IDs begin anew with each; :attr:`Frame.ref`
    /// names a frame nevertheless.
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
                status.policy,
                if self.is_closing() { "closed" } else { status.state.name() },
                self.ledger.len()
            ),
            Err(_forked) => format!("<framebroker.Subscription to {name}, of the parent process>"),
        }
    }
}

fn closed() -> PyErr {
    turns::closed::<client::Subscription>()
}
