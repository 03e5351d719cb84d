//! `Feature=Value`: texts into the camera's settings, with answers that say what is allowed.

use super::ffi::{Access, Camera, Failure, Kind, Map};
use crate::source::SourceError;
use crate::source::feature_text::{integer_range, parse_boolean, parse_integer};

/// Sets a feature from a text, by the type its GenICam node has.
///
/// Integers may be written in hexadecimal (`0x…`), booleans as `true`/`false`, `on`/`off`, `yes`/`no` or `1`/`0`; enumerations
/// take the name of an entry; a command runs with an empty value, `1`, `true` or `execute`.
pub(super) fn set(camera: &Camera, feature: &str, value: &str) -> Result<(), SourceError> {
    let value = value.trim();
    let known = camera.feature(Map::Camera, feature).map_err(|Failure(text)| SourceError::Driver(text))?;
    let (kind, access) = known.ok_or_else(|| unknown(feature))?;
    let not_possible = |reason: &str| SourceError::Invalid(format!("{feature}={value:?} is not possible: {reason}"));
    match access {
        Access::Writable => {}
        Access::ReadOnly => {
            return Err(not_possible("it is read-only, or locked by the present value of another feature"));
        }
        Access::Unavailable => {
            return Err(not_possible("it is not available with the present values of other features"));
        }
    }
    let not_allowed = || not_possible(&format!("allowed: {}", allowed(camera, feature, kind)));
    let text = wanted(kind, value).ok_or_else(not_allowed)?;
    if kind == Kind::Enumeration && !camera.entries(feature).is_ok_and(|entries| entries.contains(&text)) {
        return Err(not_allowed());
    }
    camera.set(feature, &text).map_err(|Failure(answer)| {
        not_possible(&format!("pylon answers: {answer}; allowed: {}", allowed(camera, feature, kind)))
    })
}

/// Sets one of several names for the same thing: the first that the camera has. False where it has none.
pub(super) fn set_first(camera: &Camera, names: &[&str], value: &str) -> Result<bool, SourceError> {
    match names.iter().find(|name| camera.feature(Map::Camera, name).is_ok_and(|known| known.is_some())) {
        Some(name) => set(camera, name, value).map(|()| true),
        None => Ok(false),
    }
}

/// The value of an integer; `None` where the camera has none of this name that can be read.
pub(super) fn integer(camera: &Camera, name: &str) -> Option<i64> {
    is(camera, name, Kind::Integer).then(|| camera.integer(Map::Camera, name).ok()).flatten()
}

/// The value of a floating-point feature; `None` where the camera has none of this name that can be read.
pub(super) fn float(camera: &Camera, name: &str) -> Option<f64> {
    is(camera, name, Kind::Float).then(|| camera.float(name).ok()).flatten()
}

/// The value of a boolean; `None` where the camera has none of this name that can be read.
pub(super) fn boolean(camera: &Camera, name: &str) -> Option<bool> {
    is(camera, name, Kind::Boolean).then(|| camera.boolean(name).ok()).flatten()
}

/// The value of an enumeration; `None` where the camera has none of this name that can be read.
pub(super) fn entry(camera: &Camera, name: &str) -> Option<String> {
    is(camera, name, Kind::Enumeration).then(|| camera.text(name).ok()).flatten()
}

fn is(camera: &Camera, name: &str, kind: Kind) -> bool {
    matches!(camera.feature(Map::Camera, name), Ok(Some((found, access))) if found == kind && access != Access::Unavailable)
}

fn unknown(feature: &str) -> SourceError {
    SourceError::Invalid(format!(
        "this camera has no feature {feature:?}. Names are those of the GenICam SFNC; older cameras have some of their own, as \
         ExposureTimeAbs for ExposureTime. pylon Viewer lists the camera's"
    ))
}

/// The text as GenICam reads it; `None` where it cannot be a value of that type.
fn wanted(kind: Kind, value: &str) -> Option<String> {
    match kind {
        Kind::Integer => parse_integer(value).map(|value| value.to_string()),
        Kind::Float => value.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value.to_string()),
        Kind::Boolean => parse_boolean(value).map(|value| u8::from(value).to_string()),
        Kind::Enumeration | Kind::Text => Some(value.to_owned()),
        Kind::Command => matches!(value, "" | "1" | "true" | "execute").then(String::new),
        Kind::Other => None,
    }
}

/// What a feature may be set to, in words.
fn allowed(camera: &Camera, feature: &str, kind: Kind) -> String {
    match kind {
        Kind::Integer => camera.integer_bounds(feature).map_or_else(|_| "a whole number".to_owned(), integer_range),
        Kind::Float => camera.float_bounds(feature).map_or_else(|_| "a number".to_owned(), float_range),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Enumeration => camera
            .entries(feature)
            .map_or_else(|_| "one of its entries".to_owned(), |all| format!("one of {}", all.join(", "))),
        Kind::Text => "a text".to_owned(),
        Kind::Command => format!("nothing, as in \"{feature}=\": it is a command"),
        Kind::Other => "nothing: it is a group or a register, which cannot be set from a text".to_owned(),
    }
}

fn float_range((min, max): (f64, f64)) -> String {
    format!("{min} to {max}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(wanted(Kind::Integer, "0x10").as_deref(), Some("16"));
        assert_eq!(wanted(Kind::Float, "2.5").as_deref(), Some("2.5"));
        assert_eq!(wanted(Kind::Float, "inf"), None);
        assert_eq!(wanted(Kind::Boolean, "off").as_deref(), Some("0"));
        assert_eq!(wanted(Kind::Command, "execute").as_deref(), Some(""));
        assert_eq!(wanted(Kind::Command, "later"), None);
        assert_eq!(wanted(Kind::Other, "1"), None);
    }
}
