//! `framectl get`, `set` and `exec`: the features of a camera.

use framebroker_client::{Broker, Feature, FeatureKind, FeatureValue, Setting, Text};
use serde::Serialize;

use crate::console::{plain, print, print_json};
use crate::failure::Failure;
use crate::options::{ExecOptions, GetOptions, SetOptions};
use crate::table::{Table, words};

/// Characters of a range that a table shows.
const RANGE_CHARACTERS: usize = 60;

/// A feature as `--json` shows it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    name: &'a str,
    kind: &'static str,
    /// `null` for a command, and for what cannot be read.
    value: Value<'a>,
    unit: Option<&'a str>,
    access: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    increment: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<&'a str>>,
    visibility: Option<&'static str>,
    display_name: &'a str,
    description: &'a str,
    /// Of `set` and `exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings_version: Option<u32>,
}

/// A value as JSON has it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Value<'a> {
    /// `null`.
    None(()),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A string.
    Text(&'a str),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Number {
    Integer(i64),
    Float(f64),
}

/// Shows all of one feature, or a table of several or all.
pub fn get(broker: &Broker, options: &GetOptions, json: bool) -> Result<(), Failure> {
    let features = match &options.features[..] {
        [] => broker.features(&options.stream)?,
        [name] => {
            let feature = broker.feature(&options.stream, name)?;
            return if json { print_json(&Shown::from(&feature)) } else { print(&described(&feature)) };
        }
        names => names.iter().map(|name| broker.feature(&options.stream, name)).collect::<Result<_, _>>()?,
    };
    if json {
        print_json(&features.iter().map(Shown::from).collect::<Vec<_>>())
    } else if features.is_empty() {
        print("the source of this stream has no features\n")
    } else {
        print(&table(&features).to_string())
    }
}

/// Sets features one after the other and shows what the camera made of them. Ends with the first that cannot be set.
pub fn set(broker: &Broker, options: &SetOptions, json: bool) -> Result<(), Failure> {
    let assignments = options.assignments()?;
    let is_single = assignments.len() == 1;
    let (mut settings, mut ended) = (Vec::new(), Ok(()));
    for (at, (feature, value)) in assignments.iter().enumerate() {
        let text = value.parse::<Text>().map_err(framebroker_client::Error::from);
        match text.and_then(|text| broker.set_feature(&options.stream, feature, text)) {
            Ok(setting) => settings.push(setting),
            Err(error) if is_single => return Err(error.into()),
            Err(source) => {
                let names = |of: &[(&str, &str)]| of.iter().map(|(name, _)| (*name).to_owned()).collect();
                let (done, left) = assignments.split_at(at);
                let left = names(left.get(1..).unwrap_or_default());
                ended = Err(Failure::SetInPart {
                    feature: (*feature).to_owned(),
                    done: names(done),
                    left,
                    source: Box::new(source),
                });
                break;
            }
        }
    }
    match &settings[..] {
        [setting] if is_single && json => print_json(&Shown::of(setting))?,
        _ if json => print_json(&settings.iter().map(Shown::of).collect::<Vec<_>>())?,
        _ => {
            for Setting { feature, version, .. } in &settings {
                print(&format!("{} (settings version {version})\n", assignment(feature)))?;
            }
        }
    }
    ended
}

/// Executes a command.
pub fn execute(broker: &Broker, options: &ExecOptions, json: bool) -> Result<(), Failure> {
    let setting = broker.execute(&options.stream, &options.command)?;
    if json {
        return print_json(&Shown::of(&setting));
    }
    print(&format!("{} is executed (settings version {})\n", plain(setting.feature.name.as_str()), setting.version))
}

/// A value as `--json` shows it.
pub fn json_value(value: &FeatureValue) -> Value<'_> {
    match value {
        FeatureValue::None => Value::None(()),
        FeatureValue::Integer(value) => Value::Integer(*value),
        FeatureValue::Float(value) => Value::Float(*value),
        FeatureValue::Boolean(value) => Value::Boolean(*value),
        FeatureValue::Text(value) => Value::Text(value.as_str()),
    }
}

fn table(features: &[Feature]) -> Table {
    let mut table = Table::new(&[words("FEATURE"), words("VALUE"), words("ACCESS"), words("TAKES")]);
    for feature in features {
        let mut takes = range(feature);
        if takes.chars().count() > RANGE_CHARACTERS {
            takes = takes.chars().take(RANGE_CHARACTERS - 1).chain(['…']).collect();
        }
        table.row([plain(feature.name.as_str()), value(feature), feature.access_name().to_owned(), takes]);
    }
    table
}

/// All there is to say of one.
fn described(feature: &Feature) -> String {
    let mut text = format!("{}\n", assignment(feature));
    let name = feature.display_name.as_str();
    let mut line = |title: &str, what: String| {
        if !what.is_empty() {
            text += &format!("  {title:<12} {what}\n");
        }
    };
    line("name", plain(name));
    line("kind", feature.kind.name().to_owned());
    line("access", feature.access_name().to_owned());
    line("takes", range(feature));
    line("meant for", feature.visibility.name().unwrap_or_default().to_owned());
    line("description", plain(feature.description.as_str()));
    text
}

fn assignment(feature: &Feature) -> String {
    let name = plain(feature.name.as_str());
    match (&feature.kind, value(feature)) {
        (FeatureKind::Command, _) => name,
        (_, value) => format!("{name} = {value}"),
    }
}

fn value(feature: &Feature) -> String {
    let value = plain(&feature.value.to_string());
    let unit = plain(feature.kind.unit());
    if value.is_empty() || unit.is_empty() { value } else { format!("{value} {unit}") }
}

/// What it takes; nothing where that says nothing.
fn range(feature: &Feature) -> String {
    match &feature.kind {
        FeatureKind::Command => "a command".to_owned(),
        kind => plain(&kind.to_string()),
    }
}

impl<'a> Shown<'a> {
    fn of(setting: &'a Setting) -> Self {
        Self { settings_version: Some(setting.version), ..Self::from(&setting.feature) }
    }
}

impl<'a> From<&'a Feature> for Shown<'a> {
    fn from(feature: &'a Feature) -> Self {
        let (min, max, increment, entries) = match &feature.kind {
            FeatureKind::Integer(range) => {
                (Some(Number::Integer(range.min)), Some(Number::Integer(range.max)), Some(range.increment), None)
            }
            FeatureKind::Float(range) => (Some(Number::Float(range.min)), Some(Number::Float(range.max)), None, None),
            FeatureKind::Enumeration(entries) => (None, None, None, Some(entries.iter().map(Text::as_str).collect())),
            FeatureKind::Boolean | FeatureKind::String | FeatureKind::Command => (None, None, None, None),
        };
        Self {
            name: feature.name.as_str(),
            kind: feature.kind.name(),
            value: json_value(&feature.value),
            unit: Some(feature.kind.unit()).filter(|unit| !unit.is_empty()),
            access: feature.access_name(),
            min,
            max,
            increment,
            entries,
            visibility: feature.visibility.name(),
            display_name: feature.display_name.as_str(),
            description: feature.description.as_str(),
            settings_version: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use framebroker_client::{Access, FloatRange, Visibility};

    use super::*;

    fn exposure() -> Feature {
        Feature {
            name: "ExposureTime".parse().unwrap(),
            display_name: Text::cut("Exposure\x1b Time"),
            description: Text::cut(""),
            visibility: Visibility::Beginner,
            access: Access::ReadWrite,
            value: 5000.5.into(),
            kind: FeatureKind::Float(FloatRange { min: 10.0, max: 1e6, unit: Text::cut("us") }),
        }
    }

    #[test]
    fn a_feature_is_told_with_its_range() {
        let text = described(&exposure());
        assert!(text.starts_with("ExposureTime = 5000.5 us\n"), "{text}");
        assert!(text.contains("10 to 1000000") && text.contains("read-write") && !text.contains('\x1b'), "{text}");
        assert!(!text.contains("description"), "{text}");
        let row = table(&[exposure()]).to_string().lines().nth(1).unwrap().to_owned();
        assert!(row.contains("5000.5 us  read-write  10 to 1000000"), "{row}");
    }

    #[test]
    fn json_has_the_kinds_of_values() {
        let feature = exposure();
        let json = serde_json::to_value(Shown::from(&feature)).unwrap();
        assert_eq!((&json["value"], &json["max"], &json["kind"]), (&5000.5.into(), &1e6.into(), &"float".into()));
        assert!(json.get("entries").is_none() && json["unit"] == "us");
        let command = Feature { kind: FeatureKind::Command, value: FeatureValue::None, ..feature };
        assert!(serde_json::to_value(Shown::from(&command)).unwrap()["value"].is_null());
        assert_eq!(assignment(&command), "ExposureTime");
    }
}
