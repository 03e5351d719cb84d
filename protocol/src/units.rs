//! Times and sizes as people write them, on command lines and in configuration files: the same in all of framebroker's programs.

use std::time::Duration;

/// Units of time, in seconds.
const TIMES: &[(&str, f64)] = &[("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0)];
/// Units of memory, in bytes.
const SIZES: &[(&str, f64)] = &[("B", 1.0), ("k", 1024.0), ("M", 1_048_576.0), ("G", 1_073_741_824.0)];

/// A text that is no such quantity; says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("give {0}")]
pub struct NotAQuantity(String);

/// Reads a time: a number with a unit, as in `500us`, `2ms`, `1.5s`, `3min`, `1h`, or one of `bare` without. One that is too long for a
/// [`Duration`] is as good as the longest.
///
/// # Errors
/// The text is something else, or below 0.
pub fn parse_time(text: &str, bare: Option<&'static str>) -> Result<Duration, NotAQuantity> {
    let seconds = quantity(text, TIMES, bare).filter(|seconds| *seconds >= 0.0);
    seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).ok_or_else(|| {
        NotAQuantity(match bare {
            Some(unit) => format!("a time as in 500us, 2ms, 1.5s or 3min; a number without a unit is in {unit}"),
            None => "a time with its unit, as in 500us, 2ms or 1.5s".to_owned(),
        })
    })
}

/// Reads a size of memory in bytes: a number with a unit, as in `64k`, `500M`, `2G` (1 k = 1024 bytes; `MB` and `MiB` mean the same), or
/// one of `bare` without.
///
/// # Errors
/// The text is something else, or below 0.
pub fn parse_bytes(text: &str, bare: &'static str) -> Result<u64, NotAQuantity> {
    const LIMIT: f64 = u64::MAX as f64;
    let short =
        ["iB", "B"].iter().find_map(|end| text.strip_suffix(end).filter(|rest| rest.ends_with(char::is_alphabetic)));
    let bytes = quantity(short.unwrap_or(text), SIZES, Some(bare)).filter(|bytes| (0.0..LIMIT).contains(bytes));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range; a part of a byte is none")]
    bytes.map(|bytes| bytes as u64).ok_or_else(|| {
        NotAQuantity(format!("a size as in 64k, 500M or 2G (1 M = 2^20 bytes); a number without a unit is in {bare}"))
    })
}

/// The number before the unit, in the unit that counts as 1.
fn quantity(text: &str, units: &[(&str, f64)], bare: Option<&str>) -> Option<f64> {
    let number = text.trim_end_matches(char::is_alphabetic);
    let unit = Some(text.get(number.len()..)?).filter(|unit| !unit.is_empty()).or(bare)?;
    let (_, worth) =
        units.iter().find(|(name, _)| *name == unit || (units == SIZES && name.eq_ignore_ascii_case(unit)))?;
    number.trim_end().parse::<f64>().ok().map(|number| number * worth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_or_the_one_that_is_meant() {
        for (text, expected) in [
            ("2000", Duration::from_secs(2)),
            ("0", Duration::ZERO),
            ("1.5s", Duration::from_millis(1500)),
            ("2 ms", Duration::from_millis(2)),
            ("500us", Duration::from_micros(500)),
            ("7µs", Duration::from_micros(7)),
            ("3min", Duration::from_secs(180)),
            ("1h", Duration::from_secs(3600)),
            ("1e300s", Duration::MAX),
        ] {
            assert_eq!(parse_time(text, Some("ms")), Ok(expected), "{text}");
        }
        for text in ["", "s", "-1s", "nan", "inf", "2 weeks", "2S", "2,5s", "0x10"] {
            let error = parse_time(text, Some("ms")).unwrap_err().to_string();
            assert!(error.contains("in ms"), "{text}: {error}");
        }
        assert!(parse_time("2", None).unwrap_err().to_string().contains("with its unit"));
    }

    #[test]
    fn sizes_are_powers_of_two() {
        for (text, expected) in [
            ("500", 500 << 20),
            ("64k", 65_536),
            ("64K", 65_536),
            ("64kB", 65_536),
            ("2M", 2 << 20),
            ("2MiB", 2 << 20),
            ("1G", 1 << 30),
            ("1.5GB", 3 << 29),
            ("4096B", 4096),
            ("0", 0),
        ] {
            assert_eq!(parse_bytes(text, "M"), Ok(expected), "{text}");
        }
        for text in ["", "-1", "B", "iB", "1T", "nanM", "infM", "1e300", "20000000000000G", "1 GBB"] {
            let error = parse_bytes(text, "M").unwrap_err().to_string();
            assert!(error.contains("500M"), "{text}: {error}");
        }
    }
}
