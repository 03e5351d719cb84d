//! The words for values that people choose and read: the same in the broker, in every client and in every language.

/// A word that none of a kind has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {kind}; there are {}", .known.join(", "))]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// What it was to name.
    pub kind: &'static str,
    /// The words there are.
    pub known: &'static [&'static str],
}

/// Gives each value of an enumeration its word: `name`, `Display`, and `FromStr`, which knows no others.
macro_rules! words {
    ($type:ident, $kind:literal: $($variant:ident $word:literal),+) => {
        impl $type {
            /// The word for it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::words::UnknownWord { word: word.to_owned(), kind: $kind, known: &[$($word),+] }),
                }
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::StreamState;
    use crate::message::Policy;

    #[test]
    fn a_word_is_read_as_it_is_written_and_others_are_refused_with_advice() {
        for policy in [Policy::Sequential, Policy::Latest, Policy::Lossless, Policy::Upcoming] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert_eq!(format!("{:>8}", StreamState::Live), "    live");
        let error = "fastest".parse::<Policy>().unwrap_err().to_string();
        assert_eq!(error, "\"fastest\" is no policy; there are sequential, latest, upcoming, lossless");
    }
}
