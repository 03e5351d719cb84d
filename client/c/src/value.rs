//! Features and values, as C sees them.

use framebroker_client::{Access, Feature, FeatureKind, FeatureValue, SettingsChange, Text, Visibility};

use crate::boundary::fixed;
use crate::types::{
    fb_access, fb_feature_entry, fb_feature_info, fb_feature_kind, fb_settings_change, fb_value, fb_value_kind,
    fb_visibility,
};

/// Kind, integer and floating-point number of a value that is no text.
pub fn of_integer(value: i64) -> (fb_value_kind, i64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "who needs every digit takes the integer")]
    let number = value as f64;
    (fb_value_kind::FB_VALUE_INTEGER, value, number)
}

pub fn of_float(value: f64) -> (fb_value_kind, i64, f64) {
    (fb_value_kind::FB_VALUE_FLOAT, 0, value)
}

pub fn of_boolean(value: bool) -> (fb_value_kind, i64, f64) {
    (fb_value_kind::FB_VALUE_BOOLEAN, i64::from(value), 0.0)
}

impl From<&FeatureValue> for fb_value {
    fn from(value: &FeatureValue) -> Self {
        let (kind, integer, number) = match value {
            FeatureValue::None => (fb_value_kind::FB_VALUE_NONE, 0, 0.0),
            FeatureValue::Integer(value) => of_integer(*value),
            FeatureValue::Float(value) => of_float(*value),
            FeatureValue::Boolean(value) => of_boolean(*value),
            FeatureValue::Text(_) => (fb_value_kind::FB_VALUE_TEXT, 0, 0.0),
        };
        Self { integer, number, kind: kind as u32, text: fixed(&value.to_string()) }
    }
}

/// The values that an enumeration may have; none of another kind.
pub fn entries_of(feature: &Feature) -> &[Text] {
    match &feature.kind {
        FeatureKind::Enumeration(entries) => entries,
        _ => &[],
    }
}

impl From<&Text> for fb_feature_entry {
    fn from(entry: &Text) -> Self {
        Self { struct_size: size_of::<Self>(), name: fixed(entry.as_str()) }
    }
}

impl From<&Feature> for fb_feature_info {
    fn from(feature: &Feature) -> Self {
        let (mut integers, mut floats) = ((0, 0, 0), (0.0, 0.0));
        let kind = match &feature.kind {
            FeatureKind::Integer(range) => {
                integers = (range.min, range.max, range.increment);
                fb_feature_kind::FB_FEATURE_INTEGER
            }
            FeatureKind::Float(range) => {
                floats = (range.min, range.max);
                fb_feature_kind::FB_FEATURE_FLOAT
            }
            FeatureKind::Boolean => fb_feature_kind::FB_FEATURE_BOOLEAN,
            FeatureKind::Enumeration(_) => fb_feature_kind::FB_FEATURE_ENUMERATION,
            FeatureKind::String => fb_feature_kind::FB_FEATURE_STRING,
            FeatureKind::Command => fb_feature_kind::FB_FEATURE_COMMAND,
        };
        Self {
            struct_size: size_of::<Self>(),
            integer_min: integers.0,
            integer_max: integers.1,
            integer_increment: integers.2,
            float_min: floats.0,
            float_max: floats.1,
            entry_count: entries_of(feature).len(),
            kind: kind as u32,
            access: access(feature.access) as u32,
            visibility: visibility(feature.visibility) as u32,
            name: fixed(feature.name.as_str()),
            display_name: fixed(feature.display_name.as_str()),
            unit: fixed(feature.kind.unit()),
            description: fixed(feature.description.as_str()),
            value: (&feature.value).into(),
        }
    }
}

impl From<&SettingsChange> for fb_settings_change {
    fn from(change: &SettingsChange) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            version: change.version,
            feature: fixed(change.feature.as_str()),
            value: fb_value::from(&change.value),
            by: fixed(&change.by),
        }
    }
}

fn access(access: Access) -> fb_access {
    match access {
        Access::ReadWrite => fb_access::FB_ACCESS_READ_WRITE,
        Access::ReadOnly => fb_access::FB_ACCESS_READ_ONLY,
        Access::WriteOnly => fb_access::FB_ACCESS_WRITE_ONLY,
        Access::Locked => fb_access::FB_ACCESS_LOCKED,
        Access::NotAvailable => fb_access::FB_ACCESS_NOT_AVAILABLE,
    }
}

fn visibility(visibility: Visibility) -> fb_visibility {
    match visibility {
        Visibility::Unknown => fb_visibility::FB_VISIBILITY_UNKNOWN,
        Visibility::Beginner => fb_visibility::FB_VISIBILITY_BEGINNER,
        Visibility::Expert => fb_visibility::FB_VISIBILITY_EXPERT,
        Visibility::Guru => fb_visibility::FB_VISIBILITY_GURU,
        Visibility::Invisible => fb_visibility::FB_VISIBILITY_INVISIBLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framebroker_client::Text;

    fn seen(value: impl Into<FeatureValue>) -> (u32, i64, f64, usize) {
        let seen = fb_value::from(&value.into());
        let text = seen.text.iter().position(|byte| *byte == 0).unwrap();
        (seen.kind, seen.integer, seen.number, text)
    }

    #[test]
    fn a_value_is_seen_by_its_kind_and_as_a_text() {
        assert_eq!(seen(-7), (1, -7, -7.0, 2));
        assert_eq!(seen(2.5), (2, 0, 2.5, 3));
        assert_eq!(seen(true), (3, 1, 0.0, 4));
        assert_eq!(seen("Mono8"), (4, 0, 0.0, 5));
        assert_eq!(seen(FeatureValue::None), (0, 0, 0.0, 0));
        // The longest text there is fits.
        assert_eq!(seen(Text::cut("x".repeat(9999))).3, framebroker_protocol::limits::TEXT_BYTES);
    }
}
