//! Values of camera features as texts.

/// What an integer with these bounds and steps may be.
pub(super) fn integer_range((min, max, increment): (i64, i64, i64)) -> String {
    let lowest = if min == i64::MIN { "any number".to_owned() } else { min.to_string() };
    match (max, increment) {
        (i64::MAX, ..=1) => format!("{lowest} or more"),
        (i64::MAX, _) => format!("{lowest} or more in steps of {increment}"),
        (_, ..=1) => format!("{lowest} to {max}"),
        _ => format!("{lowest} to {max} in steps of {increment}"),
    }
}

/// A whole number, also in hexadecimal (`0x…`).
pub(super) fn parse_integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Yes or no, as people write it.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(parse_integer("-12"), Some(-12));
        assert_eq!(parse_integer("0x1F"), Some(31));
        assert_eq!(parse_integer("1.5"), None);
        assert_eq!(parse_boolean("On"), Some(true));
        assert_eq!(parse_boolean("2"), None);
    }

    #[test]
    fn ranges_read_well() {
        assert_eq!(integer_range((1, 2048, 4)), "1 to 2048 in steps of 4");
        assert_eq!(integer_range((0, i64::MAX, 1)), "0 or more");
    }
}
