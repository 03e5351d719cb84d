//! How threads wait for what comes one after the other: frames, or sets of them.
//!
//! The interpreter's lock is given up meanwhile; Ctrl-C, `close()` and a time limit end it. Where all holds are in use, the
//! garbage collector is asked first whether they really are.

use std::time::{Duration, Instant};

use framebroker_client as client;
use framebroker_client::{Error, WaitingFor};
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;

use crate::error::{ClosedError, HeldFramesError, StreamClosedError, forked, raised};
use crate::ledger::Ledger;
use crate::options::{seconds, timeout};
use crate::turns::{self, Shared, Turns};

pyo3::import_exception!(framebroker._errors, HeldFramesWarning);
pyo3::import_exception!(framebroker._errors, WaitTimeoutError);

/// What hands out one thing after the other.
pub trait Source: Shared {
    /// What it hands out.
    type Item: Send;
    /// As the Rust library's calls of these names.
    fn next_while(
        &mut self,
        timeout: Option<Duration>,
        goes_on: impl FnMut(&Self) -> bool,
    ) -> client::Result<Option<Self::Item>>;
    /// As the Rust library's calls of these names.
    fn try_next(&mut self) -> client::Result<Option<Self::Item>>;
    /// As the Rust library's calls of these names.
    fn waiting_for(&self) -> WaitingFor;
}

/// How a wait ended.
pub enum Waited<T> {
    /// With what was waited for.
    Taken(T),
    /// Nothing there now.
    Nothing,
    /// All holds are in use.
    Full(Error),
}

impl Source for client::Subscription {
    type Item = client::Frame;

    fn next_while(
        &mut self,
        timeout: Option<Duration>,
        goes_on: impl FnMut(&Self) -> bool,
    ) -> client::Result<Option<client::Frame>> {
        self.next_while(timeout, goes_on)
    }

    fn try_next(&mut self) -> client::Result<Option<client::Frame>> {
        self.try_next()
    }

    fn waiting_for(&self) -> WaitingFor {
        self.waiting_for()
    }
}

/// The end of a wait of so many seconds; `None` for none.
///
/// # Errors
/// `ValueError` for what is no time.
pub fn deadline(seconds: Option<f64>) -> PyResult<Option<Instant>> {
    // A limit beyond the clock's end is none.
    Ok(timeout(seconds)?.and_then(|wait| Instant::now().checked_add(wait)))
}

/// Waits for the next.
///
/// # Errors
/// As `next` of the classes has them, but for [`Waited::Full`].
pub fn wait<T: Source>(turns: &Turns<T>, py: Python<'_>, deadline: Option<Instant>) -> PyResult<Waited<T::Item>> {
    wait_by(turns, py, deadline, |source, left, goes_on| source.next_while(left, goes_on))
}

/// Waits by `next`, which is given the time that is left and asks whether to go on.
///
/// # Errors
/// As [`wait`].
pub fn wait_by<T: Source>(
    turns: &Turns<T>,
    py: Python<'_>,
    deadline: Option<Instant>,
    next: impl FnOnce(&mut T, Option<Duration>, &mut dyn FnMut(&T) -> bool) -> client::Result<Option<T::Item>> + Send,
) -> PyResult<Waited<T::Item>> {
    let Some(mut turn) = turns.take(py, deadline)? else {
        return Err(WaitTimeoutError::new_err(("no frame came in time: another thread waits for one too", "frame")));
    };
    let source = turn.taken()?;
    let mut signal = Ok(());
    let taken = py.detach(|| {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        next(source, left, &mut |waiting| {
            turns.renew(waiting);
            // Where there is no interpreter any more there is nobody to wait for.
            signal = check_signals();
            signal.is_ok() && !turns.is_closing()
        })
    });
    py.detach(|| drop(turn));
    signal?;
    match ended(taken)? {
        Waited::Nothing => Err(turns::closed::<T>()),
        waited => Ok(waited),
    }
}

/// What a signal handler raises, for a thread that waits without the interpreter.
///
/// # Errors
/// That, and where there is no interpreter any more.
pub fn check_signals() -> PyResult<()> {
    Python::try_attach(|py| py.check_signals()).unwrap_or_else(|| Err(forked()))
}

/// The next, if there is one now and no other thread waits for it.
///
/// # Errors
/// As [`wait`], without a time limit.
pub fn try_wait<T: Source>(turns: &Turns<T>, py: Python<'_>) -> PyResult<Waited<T::Item>> {
    let Some(mut turn) = turns.take(py, Some(Instant::now()))? else { return Ok(Waited::Nothing) };
    let source = turn.taken()?;
    let taken = py.detach(|| source.try_next());
    py.detach(|| drop(turn));
    ended(taken)
}

/// What is raised where nothing came within so many seconds.
///
/// # Errors
/// After `close()`, and in a forked child.
pub fn late<T: Source>(turns: &Turns<T>, py: Python<'_>, timeout_s: f64) -> PyResult<PyErr> {
    let waiting_for = match turns.take(py, Some(Instant::now()))? {
        Some(mut turn) => turn.taken()?.waiting_for(),
        None => WaitingFor::Frame,
    };
    Ok(raised(&Error::Timeout { waited: seconds("timeout", timeout_s.max(0.0))?, waiting_for }))
}

/// What a call of the Rust library came to.
///
/// # Errors
/// All but [`Error::Full`].
pub fn ended<T>(taken: client::Result<Option<T>>) -> PyResult<Waited<T>> {
    match taken {
        Ok(Some(taken)) => Ok(Waited::Taken(taken)),
        Ok(None) => Ok(Waited::Nothing),
        Err(error @ Error::Full { .. }) => Ok(Waited::Full(error)),
        Err(error) => Err(raised(&error)),
    }
}

/// Takes by `take`, which may wait; where frames stand in the way that nobody uses any more, tries again. `ledgers` tell
/// which frames are out.
///
/// # Errors
/// What `take` raises, and `HeldFramesError`.
pub fn take_with_room<T>(
    py: Python<'_>,
    ledgers: &[&Ledger],
    mut take: impl FnMut() -> PyResult<Waited<T>>,
) -> PyResult<Option<T>> {
    let mut waited = take()?;
    if let Waited::Full(error) = waited {
        make_room(py, ledgers, &error)?;
        waited = take()?;
    }
    match waited {
        Waited::Taken(taken) => Ok(Some(taken)),
        Waited::Nothing => Ok(None),
        Waited::Full(error) => Err(full(py, ledgers, &error)),
    }
}

/// What a loop gets: `None` at the end of the stream, or where it was closed by another thread or in the loop's own body.
///
/// # Errors
/// All others.
pub fn until_end<T>(py: Python<'_>, taken: PyResult<T>) -> PyResult<Option<T>> {
    match taken {
        Ok(taken) => Ok(Some(taken)),
        Err(error) if error.is_instance_of::<StreamClosedError>(py) => Ok(None),
        Err(error) if error.is_instance_of::<ClosedError>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Frames in reference cycles, as exceptions make them, are held until the garbage collector finds them. It is asked to
/// look before the program is told that it holds too many.
fn make_room(py: Python<'_>, ledgers: &[&Ledger], error: &Error) -> PyResult<()> {
    let before = places(py, ledgers);
    py.import("gc")?.call_method0("collect")?;
    if ledgers.iter().map(|ledger| ledger.len()).sum::<usize>() >= before.len() {
        return Err(full(py, ledgers, error));
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

fn full(py: Python<'_>, ledgers: &[&Ledger], error: &Error) -> PyErr {
    let places = places(py, ledgers);
    let text = format!(
        "{error}. Arrays, memoryviews and tensors hold their frame too: copy() what is needed longer{}",
        listed(&places)
    );
    HeldFramesError::new_err((text, places))
}

fn places(py: Python<'_>, ledgers: &[&Ledger]) -> Vec<(u64, String)> {
    ledgers.iter().flat_map(|ledger| ledger.places(py)).collect()
}

/// The frames that are held, a line each.
fn listed(places: &[(u64, String)]) -> String {
    places.iter().map(|(context, place)| format!("\n  frame {context}, taken at {place}")).collect()
}
