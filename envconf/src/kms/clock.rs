//! The time that requests are signed with: this machine's, or the service's where this machine's is off.
//!
//! A service refuses a request whose time is more than 5 minutes off. The `Date` header of that refusal is the only
//! source of the service's time. The difference is remembered for the life of the process, for each *site*: all hosts
//! with the same clock, such as the hosts of one cloud.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::KmsError;

/// A difference below this is none that the service refuses, so a correction by it mends nothing.
const TELLING: i64 = 60;

/// Seconds to add to this machine's clock.
static OFFSETS: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());

/// This machine's clock in Unix seconds.
pub(crate) fn local() -> Result<u64, KmsError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .map(|since| since.as_secs())
        .map_err(|_| KmsError::other("this machine's clock is before 1970").tries(0))
}

/// The time of `site`, as far as it is known, in Unix seconds.
pub(crate) fn now(site: &str) -> Result<u64, KmsError> {
    Ok(local()?.saturating_add_signed(offset(site)))
}

/// Reads the clock difference from a failure. If the service's time differs from the time of the signature, the next
/// request is signed with the service's time. Otherwise the clock is not the cause, and a retry would fail again.
///
/// Only for a failure by which the service says that the time of the signature is off.
pub(crate) fn consult(mut error: KmsError, site: &str, signed: u64, date: Option<&str>) -> KmsError {
    let Some(theirs) = date.and_then(parse) else {
        return error.advise(
            "synchronise this machine's clock; the service's Date, which could correct it, is missing",
        );
    };
    if theirs.abs_diff(signed).cast_signed() < TELLING {
        return error.advise(
            "its Date agrees with the time that was sent: look for a proxy that delays or repeats requests",
        );
    }
    if let Some(offset) = date.and_then(ahead) {
        OFFSETS.lock().unwrap_or_else(PoisonError::into_inner).insert(site.to_owned(), offset);
        error.clock_corrected = true;
    }
    error
}

/// Says in a report that the clock was corrected: it needs mending also where it was not what failed in the end.
pub(crate) fn mention(mut error: KmsError, site: &str) -> KmsError {
    let offset = offset(site);
    if offset.abs() >= TELLING && error.tries > 0 {
        let way = if offset > 0 { "behind" } else { "ahead of" };
        let note =
            format!("; this machine's clock is {} s {way} the service's, whose time was used", offset.abs());
        error.message = (error.message.into_owned() + &note).into();
    }
    error
}

fn offset(site: &str) -> i64 {
    OFFSETS.lock().unwrap_or_else(PoisonError::into_inner).get(site).copied().unwrap_or_default()
}

/// Seconds that `date`, the service's time, is ahead of this machine's clock.
pub(crate) fn ahead(date: &str) -> Option<i64> {
    Some(parse(date)?.cast_signed() - local().ok()?.cast_signed())
}

/// Parses an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT`, as Unix seconds.
pub(crate) fn parse(date: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(date).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_their_one_form() {
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
    fn only_a_telling_difference_corrects() {
        let expired = || KmsError::refused("r");
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        consult(expired(), "agrees", 784_111_777 - 59, Some(date));
        assert_eq!(offset("agrees"), 0);
        consult(expired(), "differs", local().unwrap(), Some(date));
        assert!(now("differs").unwrap().abs_diff(784_111_777) < 5);
        let told = mention(KmsError::refused("r"), "differs");
        assert!(told.message.contains("s ahead of the service's"), "{}", told.message);
    }
}
