//! Words for the options of subscriptions and sets of them, and times in seconds.

use std::str::FromStr;
use std::time::Duration;

use framebroker_client::{Incomplete, Predictive, SyncBy, WaitMode};
use framebroker_protocol::UnknownWord;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

const SYNC_BY: &[&str] = &["arrival", "camera-time", "block-id"];
const WAIT_MODES: &[&str] = &["block", "spin", "spin-then-block", "predictive"];
/// What `spin-then-block` spins for unless it is told.
const DEFAULT_SPIN_S: f64 = 50e-6;

/// A word of the protocol.
///
/// # Errors
/// `ValueError` that lists what would do.
pub fn word<T: FromStr<Err = UnknownWord>>(word: &str) -> PyResult<T> {
    word.parse().map_err(|unknown: UnknownWord| PyValueError::new_err(unknown.to_string()))
}

/// # Errors
/// As [`word`]; `spin` belongs to `spin-then-block` alone, and is no negative number.
pub fn wait_mode(word: &str, spin_s: Option<f64>) -> PyResult<WaitMode> {
    if spin_s.is_some() && word != "spin-then-block" {
        return Err(PyValueError::new_err("spin is a time for wait_mode=\"spin-then-block\""));
    }
    match word {
        "block" => Ok(WaitMode::Block),
        "spin" => Ok(WaitMode::Spin),
        "spin-then-block" => Ok(WaitMode::SpinThenBlock(seconds("spin", spin_s.unwrap_or(DEFAULT_SPIN_S))?)),
        "predictive" => Ok(WaitMode::Predictive(Predictive::default())),
        _ => Err(unknown("wait_mode", word, WAIT_MODES)),
    }
}

/// # Errors
/// As [`word`].
pub fn incomplete(word: &str) -> PyResult<Incomplete> {
    match word {
        "drop" => Ok(Incomplete::Drop),
        "deliver" => Ok(Incomplete::Deliver),
        _ => Err(unknown("incomplete", word, &["drop", "deliver"])),
    }
}

/// # Errors
/// As [`word`]; a tolerance belongs to times alone, and they need one.
pub fn sync_by(word: &str, tolerance_s: Option<f64>) -> PyResult<SyncBy> {
    let tolerance = || match tolerance_s {
        Some(given) => seconds("tolerance", given),
        None => Err(PyValueError::new_err(format!(
            "by={word:?} needs a tolerance in seconds, below half the time between two frames"
        ))),
    };
    match word {
        "arrival" => tolerance().map(SyncBy::Arrival),
        "camera-time" => tolerance().map(SyncBy::CameraTime),
        "block-id" if tolerance_s.is_some() => {
            Err(PyValueError::new_err("block IDs are the same or not: there is no tolerance"))
        }
        "block-id" => Ok(SyncBy::BlockId),
        _ => Err(unknown("by", word, SYNC_BY)),
    }
}

/// A time limit; `None` for none.
///
/// # Errors
/// `ValueError` for a negative one.
pub fn timeout(seconds_given: Option<f64>) -> PyResult<Option<Duration>> {
    match seconds_given {
        Some(given) if given == f64::INFINITY => Ok(None),
        Some(given) => seconds("timeout", given).map(Some),
        None => Ok(None),
    }
}

/// Any time; one that is too long for a [`Duration`] is as good as the longest.
///
/// # Errors
/// `ValueError` for what is no time.
pub fn seconds(what: &str, given: f64) -> PyResult<Duration> {
    if given >= 0.0 {
        Ok(Duration::try_from_secs_f64(given).unwrap_or(Duration::MAX))
    } else {
        Err(PyValueError::new_err(format!("{what} is a time in seconds, 0 or more, not {given}")))
    }
}

fn unknown(kind: &'static str, word: &str, known: &'static [&'static str]) -> PyErr {
    PyValueError::new_err(UnknownWord { word: word.to_owned(), kind, known }.to_string())
}
