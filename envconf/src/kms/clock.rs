//! The time for signatures: this machine's time, or the service's time if this machine's clock is wrong.
//!
//! A service refuses a request whose time is more than 5 minutes off. The `Date` header of that refusal is the only
//! source of the service's time. The process remembers the difference for each *site*. A site is all hosts that share a
//! clock, such as the hosts of one cloud.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::KmsError;

/// The smallest clock difference that is corrected, in seconds. A service accepts smaller differences, so correcting
/// them does not help.
const SMALLEST_CORRECTION: i64 = 60;

/// Seconds to add to this machine's clock, for each site.
static OFFSETS: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());

/// Returns this machine's time in Unix seconds.
pub(crate) fn local() -> Result<u64, KmsError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .map(|since| since.as_secs())
        .map_err(|_| KmsError::other("this machine's clock is before 1970").tries(0))
}

/// Returns the time for a signature that `site` checks, in Unix seconds.
pub(crate) fn now(site: &str) -> Result<u64, KmsError> {
    Ok(local()?.saturating_add_signed(offset(site)))
}

/// Corrects the clock after a failure. If the service's time differs from the time of the signature, the next request
/// is signed with the service's time. Otherwise the clock is not the cause, and a retry would fail again.
///
/// Call this only if the service refused the time of the signature.
pub(crate) fn correct(mut error: KmsError, site: &str, signed: u64, date: Option<&str>) -> KmsError {
    let Some(theirs) = date.and_then(parse) else {
        return error.advise(
            "synchronise this machine's clock; envconf cannot correct it, because the reply has no Date header",
        );
    };
    if theirs.abs_diff(signed).cast_signed() < SMALLEST_CORRECTION {
        return error.advise(
            "look for a proxy that delays or repeats requests: the service's Date agrees with the time of the request",
        );
    }
    if let Some(offset) = date.and_then(ahead) {
        OFFSETS.lock().unwrap_or_else(PoisonError::into_inner).insert(site.to_owned(), offset);
        error.clock_corrected = true;
    }
    error
}

/// Adds to an error that the clock was corrected. The clock needs a fix even if the request failed for another reason.
pub(crate) fn mention_correction(mut error: KmsError, site: &str) -> KmsError {
    let offset = offset(site);
    if offset.abs() >= SMALLEST_CORRECTION && error.tries > 0 {
        let way = if offset > 0 { "behind" } else { "ahead of" };
        let note = format!(
            "; this machine's clock is {} s {way} the service's clock, so envconf used the service's time",
            offset.abs()
        );
        error.message = (error.message.into_owned() + &note).into();
    }
    error
}

fn offset(site: &str) -> i64 {
    OFFSETS.lock().unwrap_or_else(PoisonError::into_inner).get(site).copied().unwrap_or_default()
}

/// Returns the seconds that `date`, the service's time, is ahead of this machine's clock.
pub(crate) fn ahead(date: &str) -> Option<i64> {
    Some(parse(date)?.cast_signed() - local().ok()?.cast_signed())
}

/// Parses an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT` to Unix seconds.
pub(crate) fn parse(date: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(date).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_imf_fixdates_are_parsed() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Mon, 25 Feb 2019 15:11:05 GMT", 1_551_107_465),
            ("Thu, 01 Mar 2096 00:00:00 GMT", 3_981_398_400),
        ] {
            assert_eq!(parse(date), Some(seconds), "{date}");
        }
        for bad in
            ["", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Foo 1994 08:49:37 GMT", "0"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_difference_of_a_minute_is_corrected() {
        let expired = || KmsError::refused("r");
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        correct(expired(), "agrees", 784_111_777 - 59, Some(date));
        assert_eq!(offset("agrees"), 0);
        correct(expired(), "differs", local().unwrap(), Some(date));
        assert!(now("differs").unwrap().abs_diff(784_111_777) < 5);
        let error = mention_correction(KmsError::refused("r"), "differs");
        assert!(error.message.contains("s ahead of the service's clock"), "{}", error.message);
    }
}
