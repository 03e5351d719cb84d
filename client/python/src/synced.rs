//! Several subscriptions as one, as Python sees them.
//!
//! The subscriptions that are joined are taken out of their objects for good. Those still tell how they are, for they ask the
//! set: see [`Member`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_client as client;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::frame_set::FrameSet;
use crate::ledger::{Ledger, Place};
use crate::member::Member;
use crate::options;
use crate::records::SyncStats;
use crate::subscription::{AIO, LOOK_S, Subscription};
use crate::turns::{self, Turns};
use crate::waiting::{Source, Waited, deadline, late, take_with_room, try_wait, until_end, wait};

impl Source for client::SyncedSubscription {
    type Item = client::FrameSet;

    fn next_while(
        &mut self,
        timeout: Option<Duration>,
        goes_on: impl FnMut(&Self) -> bool,
    ) -> client::Result<Option<client::FrameSet>> {
        self.next_while(timeout, goes_on)
    }

    fn try_next(&mut self) -> client::Result<Option<client::FrameSet>> {
        self.try_next()
    }

    fn waiting_for(&self) -> client::WaitingFor {
        self.waiting_for()
    }
}

/// Several subscriptions, whose frames are handed out in sets that belong together.
///
/// The subscriptions are its own from then on: they tell how they are, but only this hands out frames, and closing one of them
/// closes it. A loop over it gets set after set and ends when all streams have; ``async for`` does so in asyncio. It is a
/// context manager: at the end of its ``with`` block the subscriptions end, while frames that are held stay as they are. Threads
/// may share it: they take turns.
///
/// A stream that is ahead waits with its frames held, at most its subscription's ``max_held``. Subscribe with as many as the
/// streams may be apart, plus those of the sets that you keep. Where a stream can hold no more, of the frames that wait
/// all but the last are given up, as incomplete sets. One that is offline or has ended is not waited for.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct SyncedSubscription {
    turns: Arc<Turns<client::SyncedSubscription>>,
    members: Vec<Py<Subscription>>,
}

impl SyncedSubscription {
    fn ledgers(&self) -> Vec<&Ledger> {
        self.members.iter().map(|member| member.get().ledger()).collect()
    }

    /// Takes a set by `take`, which may wait.
    fn take(
        &self,
        py: Python<'_>,
        place: Place,
        take: impl FnMut() -> PyResult<Waited<client::FrameSet>>,
    ) -> PyResult<Option<FrameSet>> {
        let set = take_with_room(py, &self.ledgers(), take)?;
        set.map(|set| FrameSet::taken(py, set, &self.members, place)).transpose()
    }

    fn next_until(&self, py: Python<'_>, deadline: Option<Instant>) -> PyResult<FrameSet> {
        let set = self.take(py, Place::here(py)?, || wait(&self.turns, py, deadline))?;
        set.ok_or_else(closed)
    }
}

#[pymethods]
impl SyncedSubscription {
    /// Joins subscriptions, each with terms of its own. Policy ``"sequential"`` usually fits.
    ///
    /// ``by``: what makes frames belong together: ``"arrival"`` (the time at which they were complete in this machine's memory),
    /// ``"camera-time"`` (the cameras' own times, for those whose clocks are set by one another, and recordings of them) or
    /// ``"block-id"`` (the same number of the camera's, for those that are started together and triggered by one signal).
    /// ``tolerance``: seconds that times may be apart: below half the time between two frames.
    /// ``incomplete``: what happens to a set in which a stream has no frame: ``"drop"`` (given back and counted) or
    /// ``"deliver"`` (handed out, with ``None`` in that stream's place).
    /// ``patience``: seconds that the first frame of a set waits for the others.
    ///
    /// Raises ``ValueError``, :class:`ClosedError`, :class:`JoinedError`.
    #[new]
    #[pyo3(signature = (subscriptions, *, by="arrival", tolerance=None, incomplete="drop", patience=0.5))]
    fn new(
        py: Python<'_>,
        subscriptions: &Bound<'_, PyAny>,
        by: &str,
        tolerance: Option<f64>,
        incomplete: &str,
        patience: f64,
    ) -> PyResult<Self> {
        let (by, incomplete) = (options::sync_by(by, tolerance)?, options::incomplete(incomplete)?);
        let patience = options::seconds("patience", patience)?;
        let members: PyResult<Vec<Py<Subscription>>> =
            subscriptions.try_iter()?.map(|member| Ok(member?.cast_into::<Subscription>()?.unbind())).collect();
        let members = members?;
        let synced = client::SyncedSubscription::new(taken_out(py, &members)?, by);
        let turns = Arc::new(Turns::new(synced.incomplete(incomplete).patience(patience))?);
        for (at, member) in members.iter().enumerate() {
            member.get().join(Member::new(&turns, at));
        }
        Ok(Self { turns, members })
    }

    /// Waits for the next set: for at most ``timeout`` seconds, or with ``None`` as long as it takes.
    ///
    /// Raises :class:`WaitTimeoutError`, :class:`HeldFramesError`, :class:`StreamClosedError` (all streams have ended),
    /// :class:`NotComparableError`, :class:`EvictedError`, :class:`BrokerGoneError`, :class:`ClosedError`,
    /// :class:`ForkedError`, :class:`ProtocolError`.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<FrameSet> {
        self.next_until(py, deadline(timeout)?)
    }

    /// The next set if there is one now, else ``None``. Does not wait, but as :meth:`Subscription.try_next` does. While another
    /// thread waits in :meth:`next`, there is nothing for this one.
    fn try_next(&self, py: Python<'_>) -> PyResult<Option<FrameSet>> {
        self.take(py, Place::here(py)?, || try_wait(&self.turns, py))
    }

    /// :meth:`try_next` on behalf of the line that a frame of the interpreter is at.
    fn _try_next_for(&self, py: Python<'_>, caller: &Bound<'_, PyAny>) -> PyResult<Option<FrameSet>> {
        self.take(py, Place::of(caller)?, || try_wait(&self.turns, py))
    }

    /// For tasks that have waited so many seconds in vain: what to raise.
    fn _late(&self, py: Python<'_>, timeout: f64) -> PyResult<PyErr> {
        late(&self.turns, py, timeout)
    }

    /// For tasks that wait: descriptors, and seconds after which to look by oneself.
    fn _awaited(&self, py: Python<'_>) -> PyResult<(Vec<i32>, f64)> {
        use std::os::fd::AsRawFd;
        let Some(mut turn) = self.turns.take(py, Some(Instant::now()))? else { return Ok((Vec::new(), LOOK_S)) };
        let synced = turn.taken()?;
        let descriptors = synced.descriptors().map(|descriptor| descriptor.as_raw_fd()).collect();
        Ok((descriptors, synced.look_within().as_secs_f64()))
    }

    /// Waits for the next set in asyncio: ``left, right = await pairs.next_async()``. As :meth:`next` else.
    #[pyo3(signature = (timeout=None))]
    fn next_async<'py>(slf: &Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        options::timeout(timeout)?;
        slf.py().import(AIO)?.call_method1("next_of", (slf, timeout))
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<FrameSet>> {
        until_end(py, self.next_until(py, None))
    }

    fn __aiter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import(AIO)?.call_method1("Loop", (slf,))
    }

    /// Ends the subscriptions. Frames that are held stay as they are; a thread that waits is told within a quarter of a
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

    /// The subscriptions that were joined, for their counters, states and news of changed settings.
    #[getter]
    fn subscriptions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.members.iter().map(|member| member.bind(py)))
    }

    /// What was matched so far.
    #[getter]
    fn stats(&self, py: Python<'_>) -> PyResult<Py<SyncStats>> {
        SyncStats::from_broker(py, &self.turns.status()?.stats)
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.members.iter().map(|member| member.get().stream_name()).collect();
        let state = if self.turns.is_closing() { ", closed" } else { "" };
        format!("<framebroker.SyncedSubscription to {}{state}>", names.join(", "))
    }
}

impl Drop for SyncedSubscription {
    /// Its members would keep the subscriptions.
    fn drop(&mut self) {
        // Where there is no interpreter any more, the process ends.
        let _ended = Python::try_attach(|py| self.turns.close(py));
    }
}

/// The Rust library's subscriptions. All are taken out, or none.
fn taken_out(py: Python<'_>, members: &[Py<Subscription>]) -> PyResult<Vec<client::Subscription>> {
    if members.is_empty() {
        return Err(PyValueError::new_err("there are no subscriptions to join"));
    }
    let mut taken = Vec::new();
    for member in members {
        let member = member.get();
        let turn = member.turns().take(py, Some(Instant::now()))?.ok_or_else(|| {
            let name = member.stream_name();
            PyValueError::new_err(format!(
                "the subscription to {name} is in use: it is named twice, or another thread waits for its frames"
            ))
        })?;
        taken.push(turn);
    }
    taken.into_iter().map(turns::Turn::join).collect()
}

fn closed() -> PyErr {
    turns::closed::<client::SyncedSubscription>()
}
