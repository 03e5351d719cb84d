//! A camera's features as they travel, by their GenICam names (SFNC: the EMVA's Standard Features Naming Convention).

use serde::{Deserialize, Serialize};

use crate::limits::{FEATURE_ENTRIES, FEATURE_NAME_BYTES};
use crate::{FeatureName, Text};

/// A feature of a camera, as it is now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Feature {
    /// Its name: `ExposureTime`.
    pub name: FeatureName,
    /// Its name for people; empty where the camera tells none.
    pub display_name: Text,
    /// What it is for; empty where the camera does not tell.
    pub description: Text,
    /// For whom it is meant.
    pub visibility: Visibility,
    /// What can be done with it now.
    pub access: Access,
    /// Its value; [`FeatureValue::None`] for a command, and for what cannot be read.
    pub value: FeatureValue,
    /// Of what kind it is, and within which bounds.
    pub kind: FeatureKind,
}

/// For whom a feature is meant (SFNC).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Visibility {
    /// The camera does not tell.
    Unknown,
    /// Everyone.
    Beginner,
    /// Those who know cameras.
    Expert,
    /// Those who could harm the camera's settings.
    Guru,
    /// Programs only.
    Invisible,
}

/// What can be done with a feature now; other features' values may change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Access {
    /// It can be read and set; a command can be executed.
    ReadWrite,
    /// It can only be read.
    ReadOnly,
    /// It can only be set.
    WriteOnly,
    /// It can be read, and cannot be set while other features have the values they have.
    Locked,
    /// Not on this camera, or not while other features have the values they have.
    NotAvailable,
}

/// Kinds of features, and what their values may be.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FeatureKind {
    /// A whole number.
    Integer(IntegerRange),
    /// A floating-point number.
    Float(FloatRange),
    /// True or false.
    Boolean,
    /// One of these names; at most [`FEATURE_ENTRIES`].
    Enumeration(Vec<Text>),
    /// A text.
    String,
    /// Something that can be executed.
    Command,
}

/// What an integer may be: `min`, `min + increment`, … up to `max`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IntegerRange {
    /// Lowest value.
    pub min: i64,
    /// Highest value.
    pub max: i64,
    /// From one value to the next, at least 1.
    pub increment: i64,
    /// Unit; empty for none.
    pub unit: Text,
}

/// What a floating-point number may be.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FloatRange {
    /// Lowest value.
    pub min: f64,
    /// Highest value.
    pub max: f64,
    /// Unit; empty for none.
    pub unit: Text,
}

/// The value of a feature.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FeatureValue {
    /// There is none: a command, or what cannot be read. No feature can be set to it.
    None,
    /// Of an integer. A float can be set to it too.
    Integer(i64),
    /// Of a float; finite.
    Float(f64),
    /// Of a boolean.
    Boolean(bool),
    /// Of a string, or the name of an enumeration's entry. Every feature can be set to one: the broker reads it as people
    /// write values of the feature's kind.
    Text(Text),
}

impl Feature {
    /// Whether its value can be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        matches!(self.access, Access::ReadWrite | Access::ReadOnly | Access::Locked)
    }

    /// Whether it can be set, or executed, now.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        matches!(self.access, Access::ReadWrite | Access::WriteOnly)
    }

    /// What can be done with it, in a word.
    #[must_use]
    pub fn access_name(&self) -> &'static str {
        match self.access {
            Access::ReadWrite => "read-write",
            Access::ReadOnly => "read-only",
            Access::WriteOnly if self.kind == FeatureKind::Command => "execute",
            Access::WriteOnly => "write-only",
            Access::Locked => "locked",
            Access::NotAvailable => "not available",
        }
    }
}

impl Visibility {
    /// In a word; `None` where the camera does not tell.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Beginner => Some("beginner"),
            Self::Expert => Some("expert"),
            Self::Guru => Some("guru"),
            Self::Invisible => Some("invisible"),
        }
    }
}

impl FeatureKind {
    /// An enumeration of these entries; those beyond [`FEATURE_ENTRIES`] and those too long to be named are left out.
    pub fn enumeration(entries: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let entries = entries.into_iter().filter(|entry| entry.as_ref().len() <= FEATURE_NAME_BYTES);
        Self::Enumeration(entries.take(FEATURE_ENTRIES).map(|entry| Text::label(entry.as_ref())).collect())
    }

    /// In a word, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Boolean => "boolean",
            Self::Enumeration(_) => "enumeration",
            Self::String => "string",
            Self::Command => "command",
        }
    }

    /// The unit; empty for none.
    #[must_use]
    pub fn unit(&self) -> &str {
        match self {
            Self::Integer(range) => range.unit.as_str(),
            Self::Float(range) => range.unit.as_str(),
            _ => "",
        }
    }
}

/// What its values may be, for people: `16 to 4096 in steps of 4`.
impl std::fmt::Display for FeatureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(range) => range.fmt(f),
            Self::Float(range) => range.fmt(f),
            Self::Boolean => f.write_str("true or false"),
            Self::Enumeration(entries) => {
                let entries: Vec<&str> = entries.iter().map(Text::as_str).collect();
                write!(f, "one of {}", entries.join(", "))
            }
            Self::String => f.write_str("a text"),
            Self::Command => f.write_str("nothing: it is a command"),
        }
    }
}

impl std::fmt::Display for IntegerRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.min, self.max) {
            (i64::MIN, i64::MAX) => f.write_str("any whole number")?,
            (i64::MIN, max) => write!(f, "{max} or less")?,
            (min, i64::MAX) => write!(f, "{min} or more")?,
            (min, max) => write!(f, "{min} to {max}")?,
        }
        if self.increment > 1 { write!(f, " in steps of {}", self.increment) } else { Ok(()) }
    }
}

impl std::fmt::Display for FloatRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (lowest, highest) = (self.min <= f64::MIN, self.max >= f64::MAX);
        match (lowest, highest) {
            (true, true) => f.write_str("any number"),
            (true, false) => write!(f, "{} or less", Number(self.max)),
            (false, true) => write!(f, "{} or more", Number(self.min)),
            (false, false) => write!(f, "{} to {}", Number(self.min), Number(self.max)),
        }
    }
}

impl std::fmt::Display for FeatureValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => Number(*value).fmt(f),
            Self::Boolean(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// A floating-point number without hundreds of zeros.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.0.abs();
        if size == 0.0 || (1e-6..1e15).contains(&size) { write!(f, "{}", self.0) } else { write!(f, "{:e}", self.0) }
    }
}

impl From<i64> for FeatureValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for FeatureValue {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u32> for FeatureValue {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for FeatureValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for FeatureValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<Text> for FeatureValue {
    fn from(value: Text) -> Self {
        Self::Text(value)
    }
}

/// Cut to the length that a text may have.
impl From<&str> for FeatureValue {
    fn from(value: &str) -> Self {
        Self::Text(Text::cut(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_well() {
        let integer = |min, max, increment| IntegerRange { min, max, increment, unit: Text::cut("") }.to_string();
        assert_eq!(integer(1, 2048, 4), "1 to 2048 in steps of 4");
        assert_eq!(integer(0, i64::MAX, 1), "0 or more");
        assert_eq!(integer(i64::MIN, i64::MAX, 1), "any whole number");
        let float = |min, max| FloatRange { min, max, unit: Text::cut("") }.to_string();
        assert_eq!(float(0.5, 1e6), "0.5 to 1000000");
        assert_eq!(float(f64::MIN, f64::MAX), "any number");
        assert_eq!(float(1e-9, 1e30), "1e-9 to 1e30");
    }

    #[test]
    fn entries_that_no_message_could_carry_are_left_out() {
        let many = (0..300).map(|number| format!("Entry{number}")).chain(["x".repeat(200)]);
        let FeatureKind::Enumeration(entries) = FeatureKind::enumeration(many) else { panic!("an enumeration") };
        assert_eq!(entries.len(), FEATURE_ENTRIES);
    }
}
