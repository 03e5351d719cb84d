//! Text in messages: bounded, and checked where it names something.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{
    CLIENT_NAME_BYTES, DESCRIPTION_BYTES, FEATURE_NAME_BYTES, LABEL_BYTES, STREAM_NAME_BYTES, TEXT_BYTES,
};

/// A name or text that cannot be used; says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not a stream name.
    #[error("{0:?} is not a stream name: use 1 to {STREAM_NAME_BYTES} of A-Z, a-z, 0-9, '_', '.', '-'")]
    StreamName(String),
    /// Not a client name.
    #[error("{0:?} is not a client name: use 1 to {CLIENT_NAME_BYTES} bytes without control characters")]
    ClientName(String),
    /// Not a feature's name.
    #[error("{0:?} is not a feature name: use 1 to {FEATURE_NAME_BYTES} bytes without control characters")]
    FeatureName(String),
    /// Too long.
    #[error("a text of {0} bytes is longer than the {TEXT_BYTES} allowed")]
    TooLong(usize),
}

/// The beginning of a text that may be long.
fn excerpt(text: &str) -> String {
    text.chars().take(STREAM_NAME_BYTES).collect()
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                let check: fn(String) -> Result<String, TextError> = $check;
                check(text).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

checked_text!(
    /// Names a stream: `cam0`.
    StreamName,
    |text| {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let fits = (1..=STREAM_NAME_BYTES).contains(&text.len()) && text.chars().all(good);
        if fits { Ok(text) } else { Err(TextError::StreamName(excerpt(&text))) }
    }
);

checked_text!(
    /// What a client calls itself, for statistics and logs.
    ClientName,
    |text| {
        let fits = (1..=CLIENT_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(text) } else { Err(TextError::ClientName(excerpt(&text))) }
    }
);

checked_text!(
    /// Names a feature of a camera: `ExposureTime`.
    FeatureName,
    |text| {
        let fits = (1..=FEATURE_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(text) } else { Err(TextError::FeatureName(excerpt(&text))) }
    }
);

checked_text!(
    /// A text for people.
    Text,
    |text| if text.len() <= TEXT_BYTES { Ok(text) } else { Err(TextError::TooLong(text.len())) }
);

impl Text {
    /// The text, cut to [`TEXT_BYTES`].
    #[must_use]
    pub fn cut(text: impl fmt::Display) -> Self {
        Self::cut_to(TEXT_BYTES, text)
    }

    /// The text, cut to [`LABEL_BYTES`]: for entries of lists.
    #[must_use]
    pub fn label(text: impl fmt::Display) -> Self {
        Self::cut_to(LABEL_BYTES, text)
    }

    /// The text, cut to [`DESCRIPTION_BYTES`]: for what a camera says of a feature.
    #[must_use]
    pub fn description(text: impl fmt::Display) -> Self {
        Self::cut_to(DESCRIPTION_BYTES, text)
    }

    fn cut_to(bytes: usize, text: impl fmt::Display) -> Self {
        let mut text = text.to_string();
        text.truncate(text.floor_char_boundary(bytes));
        Self(text)
    }
}

impl ClientName {
    /// The name with what is not allowed left out; `unnamed` if nothing is left.
    #[must_use]
    pub fn cut(name: &str) -> Self {
        let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
        name.truncate(name.floor_char_boundary(CLIENT_NAME_BYTES));
        Self(if name.is_empty() { "unnamed".to_owned() } else { name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_names_are_short_and_plain() {
        assert!("cam0".parse::<StreamName>().is_ok());
        for bad in ["", "a b", "cam/0", "ü", &"x".repeat(64)] {
            assert!(bad.parse::<StreamName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = Text::cut("ü".repeat(2000));
        assert_eq!(text.as_str().len(), TEXT_BYTES);
        assert_eq!(ClientName::cut("a\nb").as_str(), "ab");
        assert_eq!(ClientName::cut("").as_str(), "unnamed");
    }
}
