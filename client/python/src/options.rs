//! Words for the options of subscriptions and sets of them, and times in seconds.

use std::time::Duration;

use framebroker_client::{Content, Delivery, Incomplete, Policy, Predictive, Start, StreamState, SyncBy, WaitMode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

const POLICIES: [(&str, Policy); 4] = [
    ("sequential", Policy::Sequential),
    ("latest", Policy::Latest),
    ("upcoming", Policy::Upcoming),
    ("lossless", Policy::Lossless),
];
const DELIVERIES: [(&str, Delivery); 2] = [("shared", Delivery::Shared), ("socket", Delivery::Socket)];
const STARTS: [(&str, Start); 2] = [("next", Start::Next), ("oldest", Start::Oldest)];
const INCOMPLETE: [(&str, Incomplete); 2] = [("drop", Incomplete::Drop), ("deliver", Incomplete::Deliver)];
const SYNC_BY: [&str; 3] = ["arrival", "camera-time", "block-id"];
const WAIT_MODES: [&str; 4] = ["block", "spin", "spin-then-block", "predictive"];
/// What `spin-then-block` spins for unless it is told.
const DEFAULT_SPIN_S: f64 = 50e-6;

/// # Errors
/// `ValueError` that lists what would do.
pub fn policy(word: &str) -> PyResult<Policy> {
    choose("policy", word, &POLICIES)
}

/// # Errors
/// As [`policy`].
pub fn delivery(word: &str) -> PyResult<Delivery> {
    choose("delivery", word, &DELIVERIES)
}

/// # Errors
/// As [`policy`].
pub fn start(word: &str) -> PyResult<Start> {
    choose("start", word, &STARTS)
}

/// # Errors
/// As [`policy`]; `spin` belongs to `spin-then-block` alone, and is no negative number.
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
/// As [`policy`].
pub fn incomplete(word: &str) -> PyResult<Incomplete> {
    choose("incomplete", word, &INCOMPLETE)
}

/// # Errors
/// As [`policy`]; a tolerance belongs to times alone, and they need one.
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

/// # Errors
/// `ValueError` for what is no time.
pub fn seconds(what: &str, given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given)
        .map_err(|_fault| PyValueError::new_err(format!("{what} is a time in seconds, 0 or more, not {given}")))
}

fn choose<T: Copy>(what: &str, word: &str, choices: &[(&str, T)]) -> PyResult<T> {
    let found = choices.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value).ok_or_else(|| unknown(what, word, choices.iter().map(|(name, _)| *name)))
}

fn unknown<'a>(what: &str, word: &str, choices: impl IntoIterator<Item = &'a str>) -> PyErr {
    let choices: Vec<&str> = choices.into_iter().collect();
    PyValueError::new_err(format!("{word:?} is no {what}; there are {}", choices.join(", ")))
}

/// The word for a policy.
pub fn policy_name(policy: Policy) -> &'static str {
    name(policy, &POLICIES)
}

/// The word for a delivery.
pub fn delivery_name(delivery: Delivery) -> &'static str {
    name(delivery, &DELIVERIES)
}

fn name<T: PartialEq>(value: T, choices: &[(&'static str, T)]) -> &'static str {
    choices.iter().find(|(_, choice)| *choice == value).map_or("unknown", |(name, _)| name)
}

/// The word for what can be said of a stream's bytes.
pub fn content_name(content: Content) -> &'static str {
    match content {
        Content::Pattern => "pattern",
        Content::Opaque => "opaque",
    }
}

/// The word for a state.
pub fn state_name(state: StreamState) -> &'static str {
    match state {
        StreamState::Live => "live",
        StreamState::Offline => "offline",
        StreamState::Closed => "closed",
    }
}
