//! A camera's features: as they are for clients, and what the source itself asks.

use std::ffi::CString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use framebroker_protocol::message::{Access, Feature, FeatureKind, FeatureValue};
use framebroker_protocol::{FeatureName, Text};

use super::ffi::{Camera, Details, Failure, FailureKind, Kind};
use crate::source::features::{FeatureError, Features, check};
use crate::source::{SourceError, camera};

/// A camera that the source and its [`CameraFeatures`] share. `libaravis` guards only what goes over the wire, so they take turns;
/// the source takes its turns when it starts and stops, never while it waits for frames.
pub(super) type Shared = Arc<Mutex<Camera>>;

/// A turn with the camera.
pub(super) fn lock(camera: &Shared) -> MutexGuard<'_, Camera> {
    // A panic of the other one leaves a camera that answers or does not, as ever.
    camera.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The features of an open camera. Keeps it open only during a call.
pub(super) struct CameraFeatures(Weak<Mutex<Camera>>);

impl CameraFeatures {
    pub(super) fn of(camera: &Shared) -> Self {
        Self(Arc::downgrade(camera))
    }

    fn with<T>(&self, run: impl FnOnce(&Camera) -> Result<T, FeatureError>) -> Result<T, FeatureError> {
        let shared = self.0.upgrade().ok_or_else(camera::gone)?;
        let camera = lock(&shared);
        // Each question to one that is lost would take seconds.
        if camera.is_lost() { Err(camera::gone()) } else { run(&camera) }
    }
}

impl Features for CameraFeatures {
    fn names(&mut self) -> Result<Vec<FeatureName>, FeatureError> {
        self.with(|camera| Ok(camera.features().iter().filter_map(|name| name.to_str().ok()?.parse().ok()).collect()))
    }

    fn read(&mut self, name: &FeatureName) -> Result<Option<Feature>, FeatureError> {
        self.with(|camera| read(camera, name))
    }

    fn write(&mut self, name: &FeatureName, value: &FeatureValue) -> Result<(), FeatureError> {
        self.with(|camera| write(camera, name, value))
    }

    fn execute(&mut self, name: &FeatureName) -> Result<(), FeatureError> {
        self.with(|camera| execute(camera, name))
    }

    fn needs_stop(&self, name: &FeatureName) -> bool {
        camera::needs_stop(name)
    }
}

fn read(camera: &Camera, name: &FeatureName) -> Result<Option<Feature>, FeatureError> {
    let Some((at, of)) = find(camera, name.as_str()) else { return Ok(None) };
    let Details { display_name, description, visibility, unit } = camera.details(&at);
    let unit = Text::label(unit);
    // Values first: at the first question, a camera that is silent is not asked further.
    let (kind, value) = match of {
        Kind::Integer => {
            let value = told(camera.integer(&at))?.map(FeatureValue::Integer);
            (camera::integer(told(camera.integer_bounds(&at))?, unit), value)
        }
        Kind::Float => {
            let value = told(camera.float(&at))?.filter(|value| value.is_finite());
            (camera::float(told(camera.float_bounds(&at))?, unit), value.map(FeatureValue::Float))
        }
        Kind::Boolean => (FeatureKind::Boolean, told(camera.boolean(&at))?.map(FeatureValue::Boolean)),
        Kind::Enumeration => {
            let value = text_value(camera, &at)?;
            (FeatureKind::enumeration(told(camera.entries(&at))?.unwrap_or_default()), value)
        }
        Kind::String => (FeatureKind::String, text_value(camera, &at)?),
        Kind::Command => (FeatureKind::Command, None),
        Kind::Other => return Ok(None),
    };
    let access = camera::access(&kind, camera.access(&at));
    let is_readable = !matches!(access, Access::WriteOnly | Access::NotAvailable);
    Ok(Some(Feature {
        name: name.clone(),
        display_name: Text::label(display_name),
        description: Text::description(description),
        visibility,
        access,
        value: value.filter(|_| is_readable).unwrap_or(FeatureValue::None),
        kind,
    }))
}

fn text_value(camera: &Camera, at: &CString) -> Result<Option<FeatureValue>, FeatureError> {
    Ok(told(camera.string(at))?.map(|text| FeatureValue::from(text.as_str())))
}

fn write(camera: &Camera, name: &FeatureName, value: &FeatureValue) -> Result<(), FeatureError> {
    let at = c_name(name)?;
    let done = match value {
        FeatureValue::None => return Err(camera::no_value(name)),
        FeatureValue::Integer(value) => camera.set_integer(&at, *value),
        FeatureValue::Float(value) => camera.set_float(&at, *value),
        FeatureValue::Boolean(value) => camera.set_boolean(&at, *value),
        FeatureValue::Text(value) => camera.set_string(&at, value.as_str()),
    };
    done.map_err(|failure| match failure.kind {
        FailureKind::Timeout | FailureKind::NotFound => camera::silent(&failure.text),
        FailureKind::Busy | FailureKind::Other => FeatureError::Invalid(camera::refused(name, value, &failure.text)),
    })
}

fn execute(camera: &Camera, name: &FeatureName) -> Result<(), FeatureError> {
    camera.execute(&c_name(name)?).map_err(|failure| FeatureError::Failed(format!("{name}: {}", failure.text)))
}

/// What a camera tells. `None` where it refuses, as some do for features that others switch off; only silence is an error.
fn told<T>(result: Result<T, Failure>) -> Result<Option<T>, FeatureError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.kind == FailureKind::Timeout => Err(camera::silent(&failure.text)),
        Err(_refused) => Ok(None),
    }
}

fn c_name(name: &FeatureName) -> Result<CString, FeatureError> {
    CString::new(name.as_str()).map_err(|error| FeatureError::Unknown(format!("there is no feature {name}: {error}")))
}

/// Whether an integer feature would take this value, where the camera has it and tells its range.
pub(super) fn check_integer(camera: &Camera, feature: &str, value: u32) -> Result<(), SourceError> {
    let Ok(name) = feature.parse() else { return Ok(()) };
    match read(camera, &name) {
        Ok(Some(found)) if matches!(found.kind, FeatureKind::Integer(_)) => match check::value(&found, &value.into()) {
            Ok(_) => Ok(()),
            Err(error) => Err(SourceError::Invalid(error.to_string())),
        },
        _ => Ok(()),
    }
}

/// The value of an enumeration or string feature; `None` where the camera has none of this name.
pub(super) fn text(camera: &Camera, feature: &str) -> Option<String> {
    let (name, kind) = find(camera, feature)?;
    let readable = matches!(kind, Kind::Enumeration | Kind::String) && camera.access(&name) != Access::NotAvailable;
    readable.then(|| camera.string(&name).ok()).flatten()
}

/// The value of an integer feature; `None` where the camera has none of this name.
pub(super) fn integer(camera: &Camera, feature: &str) -> Option<i64> {
    let (name, kind) = find(camera, feature)?;
    let readable = kind == Kind::Integer && camera.access(&name) != Access::NotAvailable;
    readable.then(|| camera.integer(&name).ok()).flatten()
}

fn find(camera: &Camera, feature: &str) -> Option<(CString, Kind)> {
    let name = CString::new(feature).ok()?;
    let kind = camera.kind(&name)?;
    Some((name, kind))
}
