//! Settings that were changed while a watch was under way.

use framebroker_client::SettingsChange;
use serde::{Serialize, Serializer};

use crate::features::json_value;

/// Changes that `--json` shows; a watch may go on for weeks.
const SHOWN: usize = 256;

/// The changes heard of, the newest of them kept.
#[derive(Debug, Default)]
pub struct Changes(std::collections::VecDeque<SettingsChange>);

impl Changes {
    /// One more.
    pub fn add(&mut self, change: SettingsChange) {
        if self.0.len() >= SHOWN {
            self.0.pop_front();
        }
        self.0.push_back(change);
    }
}

/// As a list of objects.
impl Serialize for Changes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            version: u32,
            feature: &'a str,
            value: crate::features::Value<'a>,
            by: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|SettingsChange { version, feature, value, by }| Shown {
            version: *version,
            feature: feature.as_str(),
            value: json_value(value),
            by,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_shown() {
        let mut changes = Changes::default();
        for version in 0..300 {
            let feature = "Gain".parse().unwrap();
            changes.add(SettingsChange { version, feature, value: 0.5.into(), by: "somebody".to_owned() });
        }
        let json = serde_json::to_value(&changes).unwrap();
        assert_eq!(json.as_array().unwrap().len(), SHOWN);
        assert_eq!((&json[SHOWN - 1]["version"], &json[0]["value"]), (&299.into(), &0.5.into()));
    }
}
