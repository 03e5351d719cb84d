//! Whether a feature can be set to a value; answers say what would do. Pure.

use framebroker_protocol::limits::FEATURE_ENTRIES;
use framebroker_protocol::message::{Access, Feature, FeatureKind, FeatureValue, FloatRange, IntegerRange};
use framebroker_protocol::{FeatureName, Text};

use super::{FeatureError, is_brokers};

/// Names that are so much alike, from 0 to 1, that one may be meant by the other.
const ALIKE: f64 = 0.75;
/// Names suggested for one that does not exist.
const SUGGESTIONS: usize = 3;

/// Whether clients may set or execute a feature.
///
/// # Errors
/// [`FeatureError::NotAccessible`] says why not.
pub fn clients(name: &FeatureName) -> Result<(), FeatureError> {
    if is_brokers(name.as_str()) {
        let text = format!("{name} is the broker's own: it opens, starts and stops the camera");
        return Err(FeatureError::NotAccessible(text));
    }
    Ok(())
}

/// Whether a feature can be set, or executed, now.
///
/// # Errors
/// [`FeatureError::NotAccessible`] says why not.
pub fn access(feature: &Feature) -> Result<(), FeatureError> {
    let done = if feature.kind == FeatureKind::Command { "executed" } else { "set" };
    let reason = match feature.access {
        Access::ReadWrite | Access::WriteOnly => return Ok(()),
        Access::ReadOnly => format!("cannot be {done}: it is read-only"),
        Access::Locked => {
            format!("cannot be {done} now: it is locked while other features have the values they have")
        }
        Access::NotAvailable => {
            format!(
                "cannot be {done}: this camera does not have it, or not while other features have the values they have"
            )
        }
    };
    Err(FeatureError::NotAccessible(format!("{} {reason}", feature.name)))
}

/// The value as one of the feature's kind, within its range.
///
/// # Errors
/// [`FeatureError::Invalid`] says what would do.
pub fn value(feature: &Feature, value: &FeatureValue) -> Result<FeatureValue, FeatureError> {
    let read = match &feature.kind {
        FeatureKind::Integer(range) => integer(range, value),
        FeatureKind::Float(range) => float(range, value),
        FeatureKind::Boolean => boolean(value),
        FeatureKind::Enumeration(entries) => entry(entries, value),
        FeatureKind::String => matches!(value, FeatureValue::Text(_)).then(|| value.clone()),
        FeatureKind::Command => {
            let text = format!("{} is a command: it is executed, not set", feature.name);
            return Err(FeatureError::Invalid(text));
        }
    };
    read.ok_or_else(|| {
        let Feature { name, kind, .. } = feature;
        let given = Text::label(value);
        FeatureError::Invalid(format!("{name} cannot be {given:?}: it takes {kind}", given = given.as_str()))
    })
}

/// That a feature is a command.
///
/// # Errors
/// [`FeatureError::Invalid`] says what it is.
pub fn command(feature: &Feature) -> Result<(), FeatureError> {
    match &feature.kind {
        FeatureKind::Command => Ok(()),
        other => {
            let text = format!("{} is no command but of kind {}: it is set, not executed", feature.name, other.name());
            Err(FeatureError::Invalid(text))
        }
    }
}

/// That there is no feature of this name; names those that may be meant.
#[must_use]
pub fn unknown(name: &FeatureName, known: &[FeatureName]) -> FeatureError {
    let meant = nearest(name.as_str(), known);
    let hint = match meant.as_slice() {
        [] if known.is_empty() => "the source of this stream has no features".to_owned(),
        [] => "`framectl get STREAM` lists those there are".to_owned(),
        names => format!("the nearest is {}", names.join(", ")),
    };
    FeatureError::Unknown(format!("there is no feature {:?}; {hint}", name.as_str()))
}

/// The names most like this one, the best first.
fn nearest<'a>(name: &str, known: &'a [FeatureName]) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let likeness = |other: &str| {
        let other = other.to_lowercase();
        // `Exposure` for `ExposureTimeAbs`.
        if name.len() > 2 && other.contains(&name) { 1.0 } else { strsim::jaro_winkler(&name, &other) }
    };
    let mut rated: Vec<(f64, &str)> = known.iter().map(|other| (likeness(other.as_str()), other.as_str())).collect();
    rated.retain(|(likeness, _)| *likeness >= ALIKE);
    rated.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.len().cmp(&other.len())));
    rated.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect()
}

fn integer(range: &IntegerRange, value: &FeatureValue) -> Option<FeatureValue> {
    let value = match value {
        FeatureValue::Integer(value) => *value,
        FeatureValue::Text(text) => parse_integer(text.as_str().trim())?,
        _ => return None,
    };
    // 128 bits: from the lowest of 64 to a value may be more than 64 can say.
    let on_grid = (i128::from(value) - i128::from(range.min)) % i128::from(range.increment.max(1)) == 0;
    (on_grid && (range.min..=range.max).contains(&value)).then_some(FeatureValue::Integer(value))
}

fn parse_integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a float has the precision it has")]
fn float(range: &FloatRange, value: &FeatureValue) -> Option<FeatureValue> {
    let value = match value {
        FeatureValue::Integer(value) => *value as f64,
        FeatureValue::Float(value) => *value,
        FeatureValue::Text(text) => text.as_str().trim().parse().ok()?,
        _ => return None,
    };
    (value.is_finite() && (range.min..=range.max).contains(&value)).then_some(FeatureValue::Float(value))
}

fn boolean(value: &FeatureValue) -> Option<FeatureValue> {
    match value {
        FeatureValue::Boolean(_) => Some(value.clone()),
        FeatureValue::Text(text) => match text.as_str().trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true.into()),
            "false" | "off" | "no" | "0" => Some(false.into()),
            _ => None,
        },
        _ => None,
    }
}

fn entry(entries: &[Text], value: &FeatureValue) -> Option<FeatureValue> {
    let FeatureValue::Text(text) = value else { return None };
    let name = text.as_str().trim();
    let exact = entries.iter().find(|entry| entry.as_str() == name);
    let alike = || entries.iter().find(|entry| entry.as_str().eq_ignore_ascii_case(name));
    match exact.or_else(alike) {
        Some(entry) => Some(FeatureValue::Text(entry.clone())),
        // There are more than are known here; the camera decides.
        None if entries.len() >= FEATURE_ENTRIES => Some(FeatureValue::from(name)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::message::Visibility;

    use super::*;

    fn feature(kind: FeatureKind, access: Access) -> Feature {
        let (name, display_name, description) = ("Test".parse().unwrap(), Text::cut(""), Text::cut(""));
        Feature { name, display_name, description, visibility: Visibility::Unknown, access, value: 0.into(), kind }
    }

    fn read(kind: &FeatureKind, given: impl Into<FeatureValue>) -> Result<FeatureValue, String> {
        value(&feature(kind.clone(), Access::ReadWrite), &given.into()).map_err(|error| error.to_string())
    }

    #[test]
    fn integers_are_in_range_and_on_the_grid() {
        let kind = FeatureKind::Integer(IntegerRange { min: 2, max: 31, increment: 4, unit: Text::cut("") });
        assert_eq!(read(&kind, 6), Ok(6.into()));
        assert_eq!(read(&kind, " 0x1E "), Ok(30.into()));
        for bad in ["1", "7", "34", "6.0", "six", ""] {
            assert!(read(&kind, bad).unwrap_err().contains("2 to 31 in steps of 4"), "{bad}");
        }
        assert!(read(&kind, 6.0).is_err() && read(&kind, true).is_err());
        let unbound =
            FeatureKind::Integer(IntegerRange { min: i64::MIN, max: i64::MAX, increment: 1, unit: Text::cut("") });
        assert_eq!(read(&unbound, i64::MAX), Ok(i64::MAX.into()));
        let even =
            FeatureKind::Integer(IntegerRange { min: i64::MIN, max: i64::MAX, increment: 2, unit: Text::cut("") });
        assert!(read(&even, 4).is_ok() && read(&even, 5).is_err());
    }

    #[test]
    fn floats_take_whole_numbers_too() {
        let kind = FeatureKind::Float(FloatRange { min: 0.5, max: 10.0, unit: Text::cut("s") });
        assert_eq!(read(&kind, 3), Ok(3.0.into()));
        assert_eq!(read(&kind, "2.5"), Ok(2.5.into()));
        for bad in ["NaN", "inf", "0.4", "10.1", "ten"] {
            assert!(read(&kind, bad).unwrap_err().contains("0.5 to 10"), "{bad}");
        }
    }

    #[test]
    fn booleans_and_entries_are_read_as_people_write_them() {
        assert_eq!(read(&FeatureKind::Boolean, "On"), Ok(true.into()));
        assert!(read(&FeatureKind::Boolean, 1).is_err());
        let entries = FeatureKind::enumeration(["Off", "On"]);
        assert_eq!(read(&entries, "off"), Ok("Off".into()));
        assert!(read(&entries, "Maybe").unwrap_err().contains("one of Off, On"));
        assert!(read(&FeatureKind::String, 5).is_err());
        assert!(read(&FeatureKind::Command, "").unwrap_err().contains("executed"));
    }

    #[test]
    fn what_cannot_be_set_says_why() {
        let why = |access_now| access(&feature(FeatureKind::Boolean, access_now)).map_err(|error| error.to_string());
        assert_eq!(why(Access::ReadWrite), Ok(()));
        assert!(why(Access::ReadOnly).unwrap_err().contains("read-only"));
        assert!(why(Access::Locked).unwrap_err().contains("locked"));
        assert!(
            command(&feature(FeatureKind::Boolean, Access::ReadWrite)).unwrap_err().to_string().contains("boolean")
        );
    }

    #[test]
    fn the_nearest_names_are_suggested() {
        let known: Vec<FeatureName> =
            ["Width", "Height", "ExposureTimeAbs", "ExposureAuto", "Gain"].map(|name| name.parse().unwrap()).to_vec();
        let says = |name: &str| unknown(&name.parse().unwrap(), &known).to_string();
        assert!(says("Widht").ends_with("the nearest is Width"), "{}", says("Widht"));
        assert!(says("exposure").ends_with("the nearest is ExposureAuto, ExposureTimeAbs"), "{}", says("exposure"));
        assert!(says("Zoom").contains("framectl get"), "{}", says("Zoom"));
        assert!(unknown(&"Gain".parse().unwrap(), &[]).to_string().contains("no features"));
    }
}
