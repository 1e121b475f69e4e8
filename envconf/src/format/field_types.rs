//! The types of header fields (format.md §§1, 3).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::{Error, Kind, escape};

/// A configuration's name or environment: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}` (format.md §1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let fits = bytes.len() <= 64
            && first.is_ascii_alphanumeric()
            && rest.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b));
        fits.then(|| Self(ascii(bytes)))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_bytes(text.as_bytes()).ok_or_else(|| {
            Error::new(Kind::Usage, format!("`{}` is not a valid name or environment", escape(text)))
                .advise("use 1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit")
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a data key or a signer: 8 bytes, written as 16 lower-case hex digits (format.md §1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 8]);

impl Id {
    /// Returns the id of these bytes.
    pub fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Returns the id's bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    pub(crate) fn from_hex(hex: &[u8]) -> Option<Self> {
        let mut id = [0; 8];
        decode_hex(hex, &mut id).then_some(Self(id))
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_hex(text.as_bytes())
            .ok_or_else(|| Error::new(Kind::Usage, "invalid id: expected 16 lower-case hex digits"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A point in time as the file writes it, `YYYY-MM-DDThh:mm:ssZ` (format.md §3); informative.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Timestamp(String);

impl Timestamp {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let form = b"0000-00-00T00:00:00Z";
        let shaped = bytes.len() == form.len()
            && bytes.iter().zip(form).all(|(b, f)| if *f == b'0' { b.is_ascii_digit() } else { b == f });
        if !shaped {
            return None;
        }
        let two = |at: usize| (bytes[at] - b'0') * 10 + (bytes[at + 1] - b'0');
        let fits = (1..=12).contains(&two(5))
            && (1..=31).contains(&two(8))
            && two(11) < 24
            && two(14) < 60
            && two(17) < 60;
        fits.then(|| Self(ascii(bytes)))
    }

    /// Returns the time `seconds` after 1970-01-01T00:00:00Z; `None` beyond the year 9999.
    pub fn from_unix(seconds: u64) -> Option<Self> {
        let (year, month, day) = civil_date(seconds / 86_400);
        let clock = seconds % 86_400;
        (year <= 9999).then(|| {
            let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
            Self(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
        })
    }

    /// Returns the time as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_bytes(text.as_bytes())
            .ok_or_else(|| Error::new(Kind::Usage, "invalid time: expected YYYY-MM-DDThh:mm:ssZ"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns year, month and day (both from 1) of the day `days` after 1970-01-01, in the proleptic Gregorian calendar.
///
/// The calculation uses eras of 400 years that begin in March, so that leap days come last.
pub(crate) fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Parses a generation: decimal, 1 … 2^63−1, no leading zero.
pub(super) fn generation(bytes: &[u8]) -> Option<u64> {
    let fits = (1..=19).contains(&bytes.len()) && bytes[0] != b'0' && bytes.iter().all(u8::is_ascii_digit);
    let value = fits.then(|| bytes.iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0')))?;
    (value <= crate::format::MAX_GENERATION).then_some(value)
}

/// Decodes strict base64 (format.md §1) of exactly `N` bytes; `None` for anything else.
pub(super) fn b64<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // Check the length here: `decode_slice` only compares its own estimate with the room in `bytes`.
    if text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    (STANDARD.decode_slice(text, &mut bytes) == Ok(N)).then_some(bytes)
}

/// Decodes strict lower-case hex of exactly `out.len()` bytes into `out`. Returns false for anything else.
pub(super) fn decode_hex(hex: &[u8], out: &mut [u8]) -> bool {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    hex.len() == out.len() * 2
        && hex.chunks_exact(2).zip(out).all(|(pair, byte)| match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => {
                *byte = high << 4 | low;
                true
            }
            _ => false,
        })
}

/// Converts bytes that a grammar has just matched as ASCII to text.
pub(super) fn ascii(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_grammar() {
        for good in ["a", "0", "app.conf", "A-_.", &"n".repeat(64)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a b", "é", &"n".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn generations_have_one_spelling() {
        assert_eq!(generation(b"1"), Some(1));
        assert_eq!(generation(b"9223372036854775807"), Some(i64::MAX as u64));
        for bad in ["", "0", "01", "+1", "-1", " 1", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(generation(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(b64::<1>(b"AA=="), Some([0]));
        for bad in ["AA", "AA=", "AB==", "A A==", "AA==\n", "AAA=", "__=="] {
            assert_eq!(b64::<1>(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn timestamps_follow_the_calendar() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_751_271_300, "2025-06-30T08:15:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in known {
            let stamp = Timestamp::from_unix(seconds).unwrap();
            assert_eq!(stamp.as_str(), text);
            assert_eq!(text.parse::<Timestamp>().unwrap(), stamp);
        }
        for bad in
            ["2025-13-01T00:00:00Z", "2025-01-32T00:00:00Z", "2025-01-01T00:00:60Z", "2025-01-01t00:00:00Z"]
        {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }
}
