//! Settings that are made while no frame is under way: the next frame has their version, and not only a later one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::FeatureName;
use framebroker_protocol::message::{Feature, FeatureValue};

use super::Device;
use crate::source::FeatureError;

/// The time of exposure in µs, by the names it has.
const EXPOSURES: [&str; 2] = ["ExposureTime", "ExposureTimeAbs"];

impl Device {
    /// Triggers a frame. It is counted before: the frame may come before the answer does.
    pub(super) fn trigger(&mut self, name: &FeatureName) -> Result<(), FeatureError> {
        let core = Arc::clone(&self.parts.core);
        let start = core.triggers.start();
        core.triggers.send();
        self.waiting.trigger(Instant::now());
        // Where it fails the camera may have had it all the same.
        let done = self.features().and_then(|features| features.execute(name));
        self.waiting.sent(start, core.triggers.start());
        done
    }

    /// The camera was set. Where no frame is under way, the version that began settles.
    pub(super) fn settle(&mut self) {
        if self.is_still() {
            let core = &self.parts.core;
            core.settle(core.settings_version());
        }
    }

    /// Frames may be exposed for as long as this says, if it is of that.
    pub(super) fn note_exposure(&mut self, feature: &Feature) {
        if let FeatureValue::Float(us) = feature.value
            && EXPOSURES.contains(&feature.name.as_str())
        {
            self.waiting.exposure(Duration::try_from_secs_f64(us / 1e6).unwrap_or(Duration::MAX));
        }
    }

    /// Whether nothing is exposed or on its way: each frame is made for a software trigger, and has come.
    ///
    /// That it was so since the source started need not be asked: what changes it is set while the source is stopped.
    fn is_still(&mut self) -> bool {
        let (start, under_way) = (self.parts.core.triggers.start(), self.parts.core.triggers.under_way());
        // Asked in this order: of a camera that runs freely nothing is read.
        under_way.is_some()
            && self.waiting.is_sure(start)
            && self.is_software_triggered().unwrap_or(false)
            && (under_way == Some(0) || self.gives_up())
    }

    fn is_software_triggered(&mut self) -> Result<bool, FeatureError> {
        // The selector says of which trigger the others tell. Where there is no choice, there is no such feature.
        let is = |value: Option<FeatureValue>, wanted: &str| value.is_none_or(|value| value == wanted.into());
        Ok(self.value("TriggerMode")?.is_some_and(|mode| mode == "On".into())
            && is(self.value("TriggerSelector")?, "FrameStart")
            && is(self.value("TriggerSource")?, "Software"))
    }

    /// Whether no frame comes any more for the triggers that brought none.
    fn gives_up(&mut self) -> bool {
        for name in EXPOSURES {
            if let Ok(Some(feature)) = self.read(name) {
                self.note_exposure(&feature);
            }
        }
        let is_over = self.waiting.is_over(Instant::now());
        if is_over {
            self.parts.core.triggers.give_up();
        }
        is_over
    }

    fn value(&mut self, name: &str) -> Result<Option<FeatureValue>, FeatureError> {
        Ok(self.read(name)?.map(|feature| feature.value))
    }

    fn read(&mut self, name: &str) -> Result<Option<Feature>, FeatureError> {
        let Ok(name) = name.parse() else { return Ok(None) };
        self.features()?.read(&name)
    }
}
