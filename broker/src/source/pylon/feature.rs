//! A camera's features: as they are for clients, and what the source itself asks.

use std::time::{Duration, Instant};

use framebroker_protocol::message::{Feature, FeatureKind, FeatureValue};
use framebroker_protocol::{FeatureName, Text};

use super::ffi::{Camera, Details, Failure, Kind, Map, Nodes, Value, WeakNodes};
use crate::source::camera;
use crate::source::features::{FeatureError, Features};

/// A camera that says no does so at once; one that took longer was silent.
const SILENCE: Duration = Duration::from_millis(500);
/// How long a command may take. Whoever asks gets an answer within 4 s, and is told what became of it.
const COMMAND_TIME: Duration = Duration::from_secs(3);
/// How often it is asked whether it is done.
const COMMAND_LOOK: Duration = Duration::from_millis(10);

/// The features of an open camera. Keeps it open only during a call.
pub(super) struct CameraFeatures(WeakNodes);

impl CameraFeatures {
    pub(super) fn of(camera: &Camera) -> Self {
        Self(camera.nodes().downgrade())
    }

    fn nodes(&self) -> Result<Nodes, FeatureError> {
        self.0.upgrade().ok_or_else(camera::gone)
    }
}

impl Features for CameraFeatures {
    fn names(&mut self) -> Result<Vec<FeatureName>, FeatureError> {
        let names = self.nodes()?.names().map_err(|failure| camera::silent(&failure.text))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn read(&mut self, name: &FeatureName) -> Result<Option<Feature>, FeatureError> {
        let (nodes, began) = (self.nodes()?, Instant::now());
        let is_silent = || began.elapsed() >= SILENCE || nodes.is_removed();
        match nodes.details(name.as_str()) {
            Err(failure) => Err(camera::silent(&failure.text)),
            Ok(Some((_, Details { failure: Some(failure), .. }))) if is_silent() => Err(camera::silent(&failure.text)),
            Ok(known) => Ok(known.and_then(|(known, details)| told(name, known, details))),
        }
    }

    fn write(&mut self, name: &FeatureName, value: &FeatureValue) -> Result<(), FeatureError> {
        let (nodes, feature) = (self.nodes()?, name.as_str());
        let done = match value {
            FeatureValue::None => return Err(camera::no_value(name)),
            FeatureValue::Integer(value) => nodes.set_integer(feature, *value),
            FeatureValue::Float(value) => nodes.set_float(feature, *value),
            FeatureValue::Boolean(value) => nodes.set_boolean(feature, *value),
            FeatureValue::Text(value) => nodes.set_text(feature, value.as_str()),
        };
        done.map_err(|Failure { is_refusal, text }| {
            let text = camera::refused(name, value, &text);
            if is_refusal { FeatureError::Invalid(text) } else { FeatureError::Failed(text) }
        })
    }

    fn execute(&mut self, name: &FeatureName) -> Result<(), FeatureError> {
        let nodes = self.nodes()?;
        let failed = |Failure { text, .. }| FeatureError::Failed(format!("{name}: {text}"));
        nodes.execute(name.as_str()).map_err(failed)?;
        let deadline = Instant::now() + COMMAND_TIME;
        while !nodes.is_done(name.as_str()).map_err(failed)? {
            if Instant::now() >= deadline {
                let seconds = COMMAND_TIME.as_secs();
                return Err(FeatureError::Failed(format!(
                    "{name} was started, and has not finished after {seconds} s"
                )));
            }
            std::thread::sleep(COMMAND_LOOK);
        }
        Ok(())
    }

    fn needs_stop(&self, name: &FeatureName) -> bool {
        let is_held = || self.nodes().is_ok_and(|nodes| nodes.is_held(name.as_str()).unwrap_or(false));
        camera::needs_stop(name) || is_held()
    }
}

/// A feature as clients see it; `None` for what is none.
fn told(name: &FeatureName, known: super::ffi::Feature, details: Details) -> Option<Feature> {
    let Details { display_name, description, unit, entries, integers, floats, failure } = details;
    let unit = Text::label(unit);
    let kind = match known.kind {
        Kind::Integer => camera::integer(integers, unit),
        Kind::Float => camera::float(floats, unit),
        Kind::Boolean => FeatureKind::Boolean,
        Kind::Enumeration => FeatureKind::enumeration(entries),
        Kind::Text => FeatureKind::String,
        Kind::Command => FeatureKind::Command,
        Kind::Other => return None,
    };
    let description = match failure {
        Some(Failure { text, .. }) => format!("(Cannot be read now: {text}) {description}"),
        None => description,
    };
    Some(Feature {
        name: name.clone(),
        display_name: Text::label(display_name),
        description: Text::description(description),
        visibility: known.visibility,
        access: camera::access(&kind, known.access),
        value: known.value.map_or(FeatureValue::None, value),
        kind,
    })
}

fn value(value: Value) -> FeatureValue {
    match value {
        Value::Integer(value) => value.into(),
        // What is no number cannot be told.
        Value::Float(value) if !value.is_finite() => FeatureValue::None,
        Value::Float(value) => value.into(),
        Value::Boolean(value) => value.into(),
        Value::Text(value) | Value::Entry(value, _) => value.as_str().into(),
    }
}

/// The value of an integer, or the code of an enumeration's entry; `None` where the camera has none of this name, or does not
/// tell.
pub(super) fn integer(camera: &Camera, name: &str) -> Option<i64> {
    match read(camera, Map::Camera, name)? {
        Value::Integer(value) | Value::Entry(_, value) => Some(value),
        _ => None,
    }
}

/// A figure of what receives the stream.
pub(super) fn stream_integer(camera: &Camera, name: &str) -> Option<u64> {
    match read(camera, Map::Stream, name)? {
        Value::Integer(value) => u64::try_from(value).ok(),
        _ => None,
    }
}

/// The value of a floating-point feature; `None` where the camera has none of this name, or does not tell.
pub(super) fn float(camera: &Camera, name: &str) -> Option<f64> {
    match read(camera, Map::Camera, name)? {
        Value::Float(value) => Some(value),
        _ => None,
    }
}

/// The value of a boolean; `None` where the camera has none of this name, or does not tell.
pub(super) fn boolean(camera: &Camera, name: &str) -> Option<bool> {
    match read(camera, Map::Camera, name)? {
        Value::Boolean(value) => Some(value),
        _ => None,
    }
}

/// The entry of an enumeration; `None` where the camera has none of this name, or does not tell.
pub(super) fn entry(camera: &Camera, name: &str) -> Option<String> {
    match read(camera, Map::Camera, name)? {
        Value::Entry(value, _) => Some(value),
        _ => None,
    }
}

/// What a start cannot do without.
pub(super) fn needed(camera: &Camera, name: &str) -> Result<i64, Failure> {
    let untold = || Failure { is_refusal: true, text: format!("the camera does not report its {name}") };
    match camera.nodes().feature(Map::Camera, name)?.and_then(|feature| feature.value) {
        Some(Value::Integer(value) | Value::Entry(_, value)) => Ok(value),
        _ => Err(untold()),
    }
}

fn read(camera: &Camera, map: Map, name: &str) -> Option<Value> {
    camera.nodes().feature(map, name).ok()??.value
}
