//! Camera settings as Python sees them: features, what became of setting one, and news of it.

use framebroker_client as client;
use framebroker_client::{FeatureKind, FeatureValue, SettingsVersion, Text};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::records::{IntoAttribute, Nested, nested, object, record};

nested! {
    Feature: client::Feature;
}

record! {
    /// A feature of a camera, by its GenICam name, as it was when the broker was asked.
    Feature(feature: client::Feature) {
        /// Its name, as ``"ExposureTime"``.
        name: String = feature.name.to_string(),
        /// Its name for people; empty where the camera tells none.
        display_name: String = feature.display_name.to_string(),
        /// What it is for; empty where the camera does not tell.
        description: String = feature.description.to_string(),
        /// What its value is: ``"integer"``, ``"float"``, ``"boolean"``, ``"enumeration"``, ``"string"``, or ``"command"``, which
        /// has none.
        kind: &'static str = feature.kind.name(),
        /// What can be done with it now: ``"read-write"``, ``"read-only"``, ``"write-only"``, ``"execute"`` (a command),
        /// ``"locked"`` (not to be set while other features have the values they have) or ``"not available"``.
        access: &'static str = feature.access_name(),
        /// For whom it is meant: ``"beginner"``, ``"expert"``, ``"guru"`` or ``"invisible"``; ``None`` where the camera does not
        /// tell.
        visibility: Option<&'static str> = feature.visibility.name(),
        /// Its value: ``int``, ``float``, ``bool``, or ``str`` for texts and the entries of an enumeration. ``None`` for a command,
        /// and for what cannot be read.
        value: Py<PyAny> = Plain(&feature.value),
        /// The lowest value of an integer or float, in :attr:`unit`; else ``None``.
        min: Py<PyAny> = Plain(&lowest(&feature.kind)),
        /// The highest value of an integer or float, in :attr:`unit`; else ``None``.
        max: Py<PyAny> = Plain(&highest(&feature.kind)),
        /// From one value of an integer to the next, beginning at :attr:`min`; ``None`` for other kinds.
        increment: Option<i64> = increment(&feature.kind),
        /// Unit of the value, as ``"us"``; empty for none.
        unit: String = feature.kind.unit().to_owned(),
        /// What an enumeration can be set to; empty for other kinds.
        entries: Vec<String> = entries(&feature.kind),
        /// Whether its value can be read now.
        is_readable: bool = feature.is_readable(),
        /// Whether it can be set, or executed, now.
        is_writable: bool = feature.is_writable(),
    }
}

record! {
    /// A feature after it was set or executed.
    Setting(setting: client::Setting) {
        /// The feature as it is now. A camera may have rounded the value.
        feature: Py<Feature> = Nested(&setting.feature),
        /// Frames with this ``settings_version`` or a later one were exposed after it was done: :meth:`Frame.is_exposed_with`. A
        /// trigger changes no setting: there it is the present one.
        version: u32 = setting.version,
        /// The newest frame's sequence before the camera was asked; 0 before the first. What a trigger brings comes after it.
        head: u64 = setting.head.0,
    }
}

record! {
    /// News: somebody has set a feature of the stream, or executed a command that is no trigger.
    SettingsChange(change: client::SettingsChange) {
        /// The settings version that began. Where it is not one more than in the news before, others were left out because
        /// they were not read in time.
        version: u32 = change.version,
        /// Name of the feature.
        feature: String = change.feature.to_string(),
        /// Its value now; ``None`` for a command.
        value: Py<PyAny> = Plain(&change.value),
        /// Who has done it, for people.
        by: String = change.by.clone(),
    }
}

/// The settings version that is meant: a setting's, that of news, or as a number.
///
/// # Errors
/// `TypeError` for anything else.
pub fn version(setting: &Bound<'_, PyAny>) -> PyResult<SettingsVersion> {
    if let Ok(setting) = setting.cast::<Setting>() {
        return Ok(SettingsVersion(setting.get().version));
    }
    if let Ok(change) = setting.cast::<SettingsChange>() {
        return Ok(SettingsVersion(change.get().version));
    }
    setting.extract().map(SettingsVersion)
}

/// A value as Python has it.
struct Plain<'a>(&'a FeatureValue);

impl IntoAttribute<Py<PyAny>> for Plain<'_> {
    fn into_attribute(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.0 {
            FeatureValue::None => Ok(py.None()),
            FeatureValue::Integer(value) => object(py, *value),
            FeatureValue::Float(value) => object(py, *value),
            FeatureValue::Boolean(value) => object(py, *value),
            FeatureValue::Text(value) => object(py, value.as_str()),
        }
    }
}

fn lowest(kind: &FeatureKind) -> FeatureValue {
    match kind {
        FeatureKind::Integer(range) => range.min.into(),
        FeatureKind::Float(range) => range.min.into(),
        _ => FeatureValue::None,
    }
}

fn highest(kind: &FeatureKind) -> FeatureValue {
    match kind {
        FeatureKind::Integer(range) => range.max.into(),
        FeatureKind::Float(range) => range.max.into(),
        _ => FeatureValue::None,
    }
}

fn increment(kind: &FeatureKind) -> Option<i64> {
    match kind {
        FeatureKind::Integer(range) => Some(range.increment),
        _ => None,
    }
}

fn entries(kind: &FeatureKind) -> Vec<String> {
    match kind {
        FeatureKind::Enumeration(entries) => entries.iter().map(Text::to_string).collect(),
        _ => Vec::new(),
    }
}

/// What a feature is to be set to. A text is read by the broker, by the feature's kind.
///
/// # Errors
/// `TypeError` for what is no value, `OverflowError` and `ValueError` for what no feature can hold.
pub fn value(given: &Bound<'_, PyAny>) -> PyResult<FeatureValue> {
    // Before integers: True is one.
    if let Ok(value) = given.extract::<bool>() {
        return Ok(value.into());
    }
    if let Ok(text) = given.extract::<String>() {
        let text: Text = text.parse().map_err(|fault| PyValueError::new_err(format!("{fault}")))?;
        return Ok(text.into());
    }
    if given.hasattr("__index__")? {
        return Ok(given.extract::<i64>()?.into());
    }
    if let Ok(value) = given.extract::<f64>() {
        return Ok(value.into());
    }
    let kind = given.get_type().name()?;
    Err(PyTypeError::new_err(format!("a feature is set to an int, float, bool or str, not to {kind}")))
}
