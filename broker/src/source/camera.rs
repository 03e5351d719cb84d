//! What is the same for cameras of every library: their options, how many segments wait for them, their features as clients see
//! them, and what is said of those that do not answer.

use std::time::Duration;

use framebroker_protocol::message::{Access, FeatureKind, FeatureValue, FloatRange, IntegerRange};
use framebroker_protocol::{FeatureName, PixelFormat, Text};

use super::SourceError;
use super::features::options::{set_all, set_geometry};
use super::features::{FeatureError, Features, changes_frames, changes_needs, changes_trigger};

/// How often a wait looks whether the camera is gone.
pub(super) const LOOK_AFTER_CAMERA: Duration = Duration::from_millis(100);

/// The grab thread may come this late before the driver has no segment.
const SHORTEST_QUEUE: Duration = Duration::from_millis(10);

/// Which camera, and how to set it up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CameraOptions {
    /// What its library finds it by; without it, the first camera found.
    pub device: Option<String>,
    /// Features by their GenICam names, set in this order after everything below: they have the last word.
    pub features: Vec<(String, String)>,
    /// Width in pixels; without it, the camera's present one. The same holds for all that follow.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames per second.
    pub fps: Option<f64>,
    /// PFNC pixel format.
    pub pixel_format: Option<PixelFormat>,
}

impl CameraOptions {
    /// Sets pixel format, size and rate; then the features.
    pub(super) fn apply<F: Features>(
        &self,
        features: &mut F,
        set_frame_rate: impl FnOnce(&mut F, f64) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        set_geometry(features, self.pixel_format, self.width, self.height)?;
        self.fps.map_or(Ok(()), |fps| set_frame_rate(features, fps))?;
        set_all(features, &self.features)
    }
}

/// Segments that a driver needs where the grab thread may come late, at so many frames per second.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate; rates are positive")]
pub(super) fn segments_for_late_grab(fps: f64) -> usize {
    (fps * SHORTEST_QUEUE.as_secs_f64()).ceil() as usize
}

/// Vendor and model, of which a camera may tell one only.
pub(super) fn full_model(vendor: &str, model: &str) -> String {
    [vendor, model].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// An integer feature; one that does not tell its bounds (least, most, step) takes any.
pub(super) fn integer(bounds: Option<(i64, i64, i64)>, unit: Text) -> FeatureKind {
    let (min, max, increment) = bounds.unwrap_or((i64::MIN, i64::MAX, 1));
    FeatureKind::Integer(IntegerRange { min, max, increment: increment.max(1), unit })
}

/// A floating-point feature; one that does not tell its bounds takes any.
pub(super) fn float(bounds: Option<(f64, f64)>, unit: Text) -> FeatureKind {
    let (min, max) = bounds.unwrap_or((f64::MIN, f64::MAX));
    FeatureKind::Float(FloatRange { min, max, unit })
}

/// What may be done with a feature of this kind.
pub(super) fn access(kind: &FeatureKind, access: Access) -> Access {
    match (kind, access) {
        // It is never read.
        (FeatureKind::Command, Access::ReadWrite) => Access::WriteOnly,
        (_, access) => access,
    }
}

/// Whether a driver must be set up anew when this is set.
pub(super) fn needs_stop(name: &FeatureName) -> bool {
    changes_frames(name.as_str()) || changes_trigger(name.as_str()) || changes_needs(name.as_str())
}

/// The camera is closed.
pub(super) fn gone() -> FeatureError {
    FeatureError::Failed("the camera is away; it can be asked when it is back".to_owned())
}

/// The camera is silent.
pub(super) fn silent(text: &str) -> FeatureError {
    FeatureError::Failed(format!("the camera does not answer ({text}); check its cable, network and power"))
}

/// The feature was asked to have no value.
pub(super) fn no_value(name: &FeatureName) -> FeatureError {
    FeatureError::Invalid(format!("{name} cannot be set to no value"))
}

/// What is said where the camera does not take a value.
pub(super) fn refused(name: &FeatureName, value: &FeatureValue, text: &str) -> String {
    format!("{name} cannot be {value}: the camera answers: {text}")
}
