//! Temporary credentials in replies, and their expiry.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::AwsCredential;
use crate::kms::credential_cache::{CredentialCache, Fetched, Renewable};
use crate::kms::credential_source::fits;
use crate::kms::{KmsError, clock};

pub(super) static CACHE: CredentialCache<AwsCredential> = CredentialCache::new();

impl Renewable for AwsCredential {
    fn dated(self, generation: u64, expires: u64) -> Self {
        Self { generation: Some(generation), expires: Some(expires), ..self }
    }

    fn generation(&self) -> Option<u64> {
        self.generation
    }
}

/// The defect of temporary credentials in a reply.
pub(in super::super) enum TemporaryProblem {
    Incomplete,
    Expired,
}

/// Temporary credentials of a reply, before they are checked. Each part may be missing.
pub(in super::super) struct ExpiringKeys<'a> {
    pub(in super::super) access_key_id: Option<Zeroizing<String>>,
    pub(in super::super) secret_access_key: Option<Zeroizing<String>>,
    pub(in super::super) session_token: Option<Zeroizing<String>>,
    /// The expiry, in the form that [`moment`] parses.
    pub(in super::super) expiration: Option<&'a str>,
    /// The reply's `Date`. It and the expiry come from the same clock, so this machine's clock does not matter.
    pub(in super::super) date: Option<&'a str>,
}

impl ExpiringKeys<'_> {
    /// Checks the parts, and returns the credential with its lifetime.
    pub(in super::super) fn into_fetched(
        self,
        source: Cow<'static, str>,
        problem: impl Fn(TemporaryProblem) -> KmsError,
    ) -> Result<Fetched<AwsCredential>, KmsError> {
        let usable = |value: Option<Zeroizing<String>>| value.filter(|value| fits(value));
        let (Some(access_key_id), Some(secret_access_key), Some(token)) =
            (usable(self.access_key_id), usable(self.secret_access_key), usable(self.session_token))
        else {
            return Err(problem(TemporaryProblem::Incomplete));
        };
        let now = self.date.and_then(clock::parse).map_or_else(clock::local, Ok)?;
        let expires = self.expiration.and_then(moment);
        let lifetime = expires.and_then(|expires| expires.checked_sub(now)).filter(|left| *left > 0);
        let lifetime = lifetime.ok_or_else(|| problem(TemporaryProblem::Expired))?;
        let credential = AwsCredential {
            access_key_id,
            secret_access_key,
            session_token: Some(token),
            generation: None,
            expires: None,
            source,
        };
        Ok(Fetched { credential, lifetime })
    }
}

/// Parses a time of RFC 3339, such as `2026-11-25T10:00:00Z` or `…00.123+00:00`, to Unix seconds. Cuts off fractions.
/// Also accepts `UTC` as the zone, which older versions of the `aws` command write.
pub(in super::super) fn moment(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() > 19
        && bytes[..19].iter().zip(b"0000-00-00T00:00:00").all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't' | b' '),
            form => byte == form,
        });
    if !shaped {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let zone = text.get(19..)?;
    let zone = match zone.strip_prefix('.') {
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            (rest.len() < fraction.len()).then_some(rest)?
        }
        None => zone,
    };
    let clock = hour * 3600 + minute * 60 + second;
    let local = fits.then(|| days(year, month, day) * 86_400 + clock)?;
    local.checked_add_signed(-offset(zone)?)
}

/// Returns the seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z" | "UTC") {
        return Some(0);
    }
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        5 => rest.split_once(':')?,
        4 => rest.split_at_checked(2)?,
        _ => return None,
    };
    let part = |text: &str, most: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| is_number && *number <= most)
    };
    Some(sign * (part(hours, 23)? * 3600 + part(minutes, 59)? * 60))
}

/// Returns the days from 1970-01-01 to this date, in the proleptic Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Count years from March, so that the leap day is the last day of a year.
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::json::secret;

    #[test]
    fn times_of_rfc_3339_are_parsed() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1994-11-06T08:49:37Z", 784_111_777),
            ("1994-11-06T08:49:37UTC", 784_111_777),
            ("1994-11-06 08:49:37.999Z", 784_111_777),
            ("1994-11-06T09:49:37+01:00", 784_111_777),
            ("1994-11-06T03:19:37.5-0530", 784_111_777),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2096-03-01T00:00:00+00:00", 3_981_398_400),
        ] {
            assert_eq!(moment(text), Some(seconds), "{text}");
        }
        for bad in [
            "",
            "soon",
            "1994-11-06T08:49:37",
            "1994-11-06T08:49:37.Z",
            "1994-11-06T08:49:37 Z",
            "1994-13-06T08:49:37Z",
            "1994-11-06T24:49:37Z",
            "1994-11-06T08:49:37+1:00",
            "1994-11-06T08:49:37+0é0",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "+994-11-06T08:49:37Z",
        ] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

    #[test]
    fn incomplete_and_expired_credentials_are_rejected() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let read = |missing: usize, expiration| {
            let value = |at| (at != missing).then(|| secret("x"));
            let keys = ExpiringKeys {
                access_key_id: value(0),
                secret_access_key: value(1),
                session_token: value(2),
                expiration,
                date,
            };
            let problem = |what| match what {
                TemporaryProblem::Incomplete => KmsError::other("incomplete"),
                TemporaryProblem::Expired => KmsError::other("expired"),
            };
            let fetched = keys.into_fetched("here".into(), problem);
            fetched.map(|fetched| fetched.lifetime).map_err(|error| error.message.into_owned())
        };
        assert_eq!(read(9, Some("1994-11-06T08:50:37Z")), Ok(60));
        for missing in 0..3 {
            assert_eq!(read(missing, Some("1994-11-06T08:50:37Z")), Err("incomplete".to_owned()));
        }
        for expired in [None, Some("x"), Some("1994-11-06T08:49:37Z"), Some("1990-01-01T00:00:00Z")] {
            assert_eq!(read(9, expired), Err("expired".to_owned()), "{expired:?}");
        }
    }
}
