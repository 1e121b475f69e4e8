//! The types of a retry table, and the search for the row of a failure.
//!
//! Each service has a separate table, which its documentation shows.

use super::KmsError;
use super::retry::Again;
use crate::base::Fault;

/// The outcome of a failed try: the left column of a retry table.
pub(crate) enum TryOutcome {
    /// No connection, a lost connection, or no answer in time.
    Network,
    /// A transient failure without a code, with an HTTP status in this range (both ends included).
    Status(u16, u16),
    /// A refusal with this HTTP status and without a code, by a service that has no codes.
    #[cfg_attr(not(feature = "vault"), allow(dead_code, reason = "the other services have codes"))]
    Refused(u16),
    /// A reply that is cut off, or that is not JSON.
    Garbled,
    /// A code of the service, or the first words of a code.
    Code(&'static str),
    /// Any failure that no other row matches.
    Rest,
}

/// Returns the decision of the first row that matches `error`.
pub(crate) fn again(table: &[(TryOutcome, Again)], error: &KmsError) -> Again {
    let row = table.iter().find(|(outcome, _)| outcome.matches(error));
    row.map_or(Again::Never, |(_, again)| *again)
}

impl TryOutcome {
    fn matches(&self, error: &KmsError) -> bool {
        let is_transient = error.fault == Fault::Transient;
        match (self, error.code.as_deref(), error.status) {
            (Self::Rest, ..) => true,
            (Self::Code(row), Some(code), _) => is_code_or_prefix(row, code),
            (Self::Network, None, None) => is_transient,
            (Self::Status(from, to), None, Some(status)) => is_transient && (*from..=*to).contains(&status),
            (Self::Refused(refused), None, Some(status)) => {
                error.fault == Fault::Refused && status == *refused
            }
            (Self::Garbled, None, Some(_)) => is_transient,
            _ => false,
        }
    }
}

/// Returns true if `row` is `code`, or the first words of `code`.
pub(crate) fn is_code_or_prefix(row: &str, code: &str) -> bool {
    code.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_that_matches_decides() {
        let table = [
            (TryOutcome::Network, Again::Few),
            (TryOutcome::Status(429, 429), Again::Throttled),
            (TryOutcome::Status(500, 599), Again::Faulty),
            (TryOutcome::Refused(403), Again::OnceWithNewCredentials),
            (TryOutcome::Code("Expired"), Again::OnceWithNewCredentials),
            (TryOutcome::Garbled, Again::Faulty),
            (TryOutcome::Rest, Again::Never),
        ];
        for (error, expected) in [
            (KmsError::transient("t"), Again::Few),
            (KmsError::transient("t").status(429), Again::Throttled),
            (KmsError::transient("t").status(599), Again::Faulty),
            (KmsError::transient("t").status(200), Again::Faulty),
            (KmsError::refused("r").status(403), Again::OnceWithNewCredentials),
            (KmsError::refused("r").status(404), Again::Never),
            (KmsError::other("o").status(403), Again::Never),
            (KmsError::refused("r"), Again::Never),
            // A code overrides the status.
            (KmsError::refused("r").status(403).code("AccessDenied"), Again::Never),
            (KmsError::refused("r").status(400).code("Expired.Token"), Again::OnceWithNewCredentials),
            (KmsError::refused("r").status(400).code("ExpiredToken"), Again::Never),
            (KmsError::transient("t").status(500).code("Unheard"), Again::Never),
        ] {
            assert_eq!(again(&table, &error), expected, "{error:?}");
        }
        assert_eq!(again(&[], &KmsError::transient("t")), Again::Never);
    }
}
