//! `Feature=Value`: texts into the camera's settings, with answers that say what is allowed.

use std::ffi::CString;
use std::fmt::Display;

use super::ffi::{Access, Camera, Failure, FailureKind, Kind};
use crate::source::SourceError;
use crate::source::feature_text::{integer_range, parse_boolean, parse_integer};

/// Sets a feature from a text, by the type its GenICam node has.
///
/// Integers may be written in hexadecimal (`0x…`), booleans as `true`/`false`, `on`/`off`, `yes`/`no` or `1`/`0`; enumerations
/// take the name of an entry; a command runs with an empty value, `1`, `true` or `execute`.
pub(super) fn set(camera: &Camera, feature: &str, value: &str) -> Result<(), SourceError> {
    let value = value.trim();
    let Some((name, kind)) = find(camera, feature) else { return Err(unknown(feature)) };
    check_access(feature, camera.access(&name))?;
    let named = Feature { camera, name, text: feature, value };
    match kind {
        Kind::Integer => named.set_integer(),
        Kind::Float => named.set_float(),
        Kind::Boolean => named.set_boolean(),
        Kind::Enumeration => named.set_enumeration(),
        Kind::String => named.outcome(named.camera.set_string(&named.name, value)),
        Kind::Command => named.execute(),
        Kind::Other => Err(named.invalid("it is a group or a register, which cannot be set from a text")),
    }
}

/// Whether an integer feature would take this value, where the camera has it and tells its range.
pub(super) fn check_integer(camera: &Camera, feature: &str, value: u32) -> Result<(), SourceError> {
    let Some((name, Kind::Integer)) = find(camera, feature) else { return Ok(()) };
    let text = value.to_string();
    Feature { camera, name, text: feature, value: &text }.parsed_integer().map(drop)
}

/// The value of an enumeration or string feature; `None` where the camera has none of this name.
pub(super) fn text(camera: &Camera, feature: &str) -> Option<String> {
    let (name, kind) = find(camera, feature)?;
    let readable = matches!(kind, Kind::Enumeration | Kind::String) && camera.access(&name) != Access::Unavailable;
    readable.then(|| camera.string(&name).ok()).flatten()
}

/// The value of an integer feature; `None` where the camera has none of this name.
pub(super) fn integer(camera: &Camera, feature: &str) -> Option<i64> {
    let (name, kind) = find(camera, feature)?;
    let readable = kind == Kind::Integer && camera.access(&name) != Access::Unavailable;
    readable.then(|| camera.integer(&name).ok()).flatten()
}

fn find(camera: &Camera, feature: &str) -> Option<(CString, Kind)> {
    let name = CString::new(feature).ok()?;
    let kind = camera.kind(&name)?;
    Some((name, kind))
}

fn unknown(feature: &str) -> SourceError {
    SourceError::Invalid(format!(
        "this camera has no feature {feature:?}. Names are those of the GenICam SFNC; older cameras \
         have some of their own, as ExposureTimeAbs for ExposureTime. `arv-tool-0.8 features` (Debian: aravis-tools-cli) lists \
         the camera's"
    ))
}

fn check_access(feature: &str, access: Access) -> Result<(), SourceError> {
    let reason = match access {
        Access::Writable => return Ok(()),
        Access::ReadOnly => "it is read-only",
        Access::Locked => "it is locked by the present value of another feature",
        Access::Unavailable => "it is not available, or not with the present values of other features",
    };
    Err(SourceError::Invalid(format!("{feature} cannot be set: {reason}")))
}

/// A feature that exists, and the value it is to get.
struct Feature<'a> {
    camera: &'a Camera,
    name: CString,
    text: &'a str,
    value: &'a str,
}

impl Feature<'_> {
    fn set_integer(&self) -> Result<(), SourceError> {
        self.outcome(self.camera.set_integer(&self.name, self.parsed_integer()?))
    }

    fn parsed_integer(&self) -> Result<i64, SourceError> {
        let bounds = self.camera.integer_bounds(&self.name).ok();
        let allowed = bounds.map_or_else(|| "a whole number".to_owned(), integer_range);
        let value = parse_integer(self.value).ok_or_else(|| self.not_allowed(&allowed))?;
        if let Some((min, max, increment)) = bounds {
            let on_grid = increment <= 1 || value.checked_sub(min).is_some_and(|steps| steps % increment == 0);
            if value < min || value > max || !on_grid {
                return Err(self.not_allowed(&allowed));
            }
        }
        Ok(value)
    }

    fn set_float(&self) -> Result<(), SourceError> {
        let bounds = self.camera.float_bounds(&self.name).ok();
        let allowed = bounds.map_or_else(|| "a number".to_owned(), |(min, max)| format!("{min} to {max}"));
        let value = self.value.parse::<f64>().ok().filter(|value| value.is_finite());
        let value = value.ok_or_else(|| self.not_allowed(&allowed))?;
        if bounds.is_some_and(|(min, max)| value < min || value > max) {
            return Err(self.not_allowed(&allowed));
        }
        self.outcome(self.camera.set_float(&self.name, value))
    }

    fn set_boolean(&self) -> Result<(), SourceError> {
        let value = parse_boolean(self.value).ok_or_else(|| self.not_allowed(&"true or false"))?;
        self.outcome(self.camera.set_boolean(&self.name, value))
    }

    fn set_enumeration(&self) -> Result<(), SourceError> {
        let entries = self.camera.entries(&self.name).map_err(|failure| self.failed(failure))?;
        if !entries.iter().any(|entry| entry == self.value) {
            return Err(self.not_allowed(&format!("one of {}", entries.join(", "))));
        }
        self.outcome(self.camera.set_string(&self.name, self.value))
    }

    fn execute(&self) -> Result<(), SourceError> {
        if !matches!(self.value, "" | "1" | "true" | "execute") {
            return Err(self.not_allowed(&format!("nothing, as in \"{}=\": it is a command", self.text)));
        }
        self.outcome(self.camera.execute(&self.name))
    }

    fn outcome(&self, result: Result<(), Failure>) -> Result<(), SourceError> {
        result.map_err(|failure| self.failed(failure))
    }

    fn not_allowed(&self, allowed: &impl Display) -> SourceError {
        SourceError::Invalid(format!("{}={:?} is not possible; allowed: {allowed}", self.text, self.value))
    }

    fn invalid(&self, reason: &str) -> SourceError {
        SourceError::Invalid(format!("{}={:?} is not possible: {reason}", self.text, self.value))
    }

    /// The camera refused the value, or did not answer.
    fn failed(&self, failure: Failure) -> SourceError {
        match failure.kind {
            FailureKind::Timeout | FailureKind::NotFound => {
                SourceError::Driver(format!("setting {}={:?}: {}", self.text, self.value, failure.text))
            }
            FailureKind::Busy | FailureKind::Other => self.invalid(&format!("the camera answers: {}", failure.text)),
        }
    }
}
