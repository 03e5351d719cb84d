//! What clients have set, to be set again when the source comes back from a loss. A camera may have lost its power meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framebroker_protocol::FeatureName;
use framebroker_protocol::message::FeatureValue;
use tracing::{info, warn};

use crate::source::features::{FeatureError, check};
use crate::source::{Features, Opener, Source, SourceError};

/// Settings remembered; more than a camera has. The oldest is forgotten first.
const LIMIT: usize = 1024;
/// SFNC: a feature of this ending selects what others, as `Gain`, are about.
const SELECTOR: &str = "Selector";

/// What clients have set on a stream, shared by the device thread and whoever opens the source.
#[derive(Debug, Clone, Default)]
pub struct Settings(Arc<Mutex<Journal>>);

impl Settings {
    /// A feature was set.
    pub fn remember(&self, name: &FeatureName, value: &FeatureValue) {
        self.journal().remember(name, value);
    }

    /// Opens sources that have the same settings as the last.
    #[must_use]
    pub fn kept_by(&self, open: Opener) -> Opener {
        let settings = self.clone();
        Arc::new(move || {
            let mut source = open()?;
            settings.apply(&mut *source)?;
            Ok(source)
        })
    }

    /// Sets everything again on a source that is not started. What the camera refuses is logged: it is not what it was.
    fn apply(&self, source: &mut dyn Source) -> Result<(), SourceError> {
        let steps = self.journal().steps();
        let Some(mut features) = source.features().filter(|_| !steps.is_empty()) else { return Ok(()) };
        let total = steps.len();
        // What depends on a later setting, as a width on the offset, succeeds the second time.
        let left = set_all(&mut *features, steps)?;
        let steps = left.into_iter().map(|(step, _)| step).collect();
        for ((name, value), error) in set_all(&mut *features, steps)? {
            let value = value.to_string();
            warn!(feature = %name, ?value, %error, "a setting of a client could not be set again");
        }
        info!(settings = total, "settings of clients were set again");
        source.refresh()
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Step = (FeatureName, FeatureValue);

/// Sets one after the other; returns those that were refused.
fn set_all(features: &mut dyn Features, steps: Vec<Step>) -> Result<Vec<(Step, FeatureError)>, SourceError> {
    let mut refused = Vec::new();
    for (name, value) in steps {
        match set(features, &name, &value) {
            Ok(()) => {}
            Err(FeatureError::Failed(reason)) => {
                return Err(SourceError::Driver(format!("the camera fails while {name} is set again: {reason}")));
            }
            Err(error) => refused.push(((name, value), error)),
        }
    }
    Ok(refused)
}

/// Sets a feature by all rules.
///
/// # Errors
/// Says what would do.
pub fn set(features: &mut dyn Features, name: &FeatureName, value: &FeatureValue) -> Result<(), FeatureError> {
    let Some(feature) = features.read(name)? else { return Err(check::unknown(name, &features.names()?)) };
    let value = check::value(&feature, value)?;
    check::access(&feature)?;
    features.write(name, &value)
}

/// The settings in their order. Pure.
///
/// What a feature is about may depend on selectors (`Gain` on `GainSelector`), so each is remembered together with the selectors as
/// clients had set them by then.
#[derive(Debug, Default)]
struct Journal {
    selectors: Vec<Step>,
    settings: Vec<(Vec<Step>, Step)>,
}

impl Journal {
    fn remember(&mut self, name: &FeatureName, value: &FeatureValue) {
        let step = (name.clone(), value.clone());
        if name.as_str().ends_with(SELECTOR) {
            return replace(&mut self.selectors, step);
        }
        self.settings.retain(|(selectors, (other, _))| other != name || *selectors != self.selectors);
        if self.settings.len() >= LIMIT {
            self.settings.remove(0);
        }
        self.settings.push((self.selectors.clone(), step));
    }

    /// What to set, in this order; selectors only where they change.
    fn steps(&self) -> Vec<Step> {
        let (mut steps, mut selected) = (Vec::new(), Vec::new());
        let mut select = |steps: &mut Vec<Step>, wanted: &[Step]| {
            for step in wanted.iter().filter(|step| !selected.contains(*step)).cloned().collect::<Vec<_>>() {
                replace(&mut selected, step.clone());
                steps.push(step);
            }
        };
        for (selectors, step) in &self.settings {
            select(&mut steps, selectors);
            steps.push(step.clone());
        }
        select(&mut steps, &self.selectors);
        steps
    }
}

/// Puts a setting at the end, in place of an older one of the same feature.
fn replace(steps: &mut Vec<Step>, step: Step) {
    steps.retain(|(name, _)| *name != step.0);
    if steps.len() < LIMIT {
        steps.push(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(settings: &[(&str, i64)]) -> Vec<(String, i64)> {
        let mut journal = Journal::default();
        settings.iter().for_each(|(name, value)| journal.remember(&name.parse().unwrap(), &(*value).into()));
        let number = |value| if let FeatureValue::Integer(number) = value { number } else { panic!("{value}") };
        journal.steps().into_iter().map(|(name, value)| (name.to_string(), number(value))).collect()
    }

    fn steps(steps: &[(&str, i64)]) -> Vec<(String, i64)> {
        steps.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn the_last_value_counts_in_the_order_of_setting() {
        let done = journal(&[("Width", 640), ("OffsetX", 8), ("Width", 320)]);
        assert_eq!(done, steps(&[("OffsetX", 8), ("Width", 320)]));
    }

    #[test]
    fn what_a_selector_chooses_is_kept_apart() {
        let done = journal(&[
            ("GainSelector", 1),
            ("Gain", 10),
            ("GainSelector", 2),
            ("Gain", 20),
            ("Gain", 21),
            ("GainSelector", 1),
            ("Gain", 11),
            ("GainSelector", 3),
        ]);
        let expected = [("GainSelector", 2), ("Gain", 21), ("GainSelector", 1), ("Gain", 11), ("GainSelector", 3)];
        assert_eq!(done, steps(&expected));
    }

    #[test]
    fn no_more_is_kept_than_a_camera_has() {
        let mut journal = Journal::default();
        for number in 0..3000 {
            journal.remember(&format!("Feature{number}").parse().unwrap(), &number.into());
        }
        assert_eq!(journal.steps().len(), LIMIT);
        assert_eq!(journal.steps().last().unwrap().1, 2999.into());
    }
}
