//! Durations of settings and of the attribute `deadline`: `250ms`, `10s`, `2m`.
//!
//! The crate humantime accepts more forms (`1h 30min`, `2 days`), which the documentation does not promise.

use std::time::Duration;

/// Parses a whole number above 0 with `ms`, `s` or `m`. The derive has a copy of this function; a test there compares
/// both.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
        for bad in ["", "s", "10", "0s", "-1s", "1h", "1.5s", " 1s", "1 s", "307445734561825861m"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
