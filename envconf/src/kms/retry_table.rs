//! The table that says what is tried again: the type of its rows, and how a failure finds its row.
//!
//! Each service has a separate table, which its documentation shows.

use super::KmsError;
use super::retry::Again;
use crate::base::Fault;

/// The outcome of one try, as far as it matters for another one.
pub(crate) enum TryOutcome {
    /// No connection, a lost one, or no answer in time.
    Network,
    /// A transient failure with an HTTP status from this one up to that one, without a code.
    Status(u16, u16),
    /// A refusal with this HTTP status, without a code: of services that have none.
    #[cfg_attr(not(feature = "vault"), allow(dead_code, reason = "the other services have codes"))]
    Refused(u16),
    /// A reply that is cut or no JSON.
    Garbled,
    /// A code of the service, or the first words of one.
    Code(&'static str),
    /// Everything that no other row is about.
    Rest,
}

/// Returns what another try is worth after `error`: the first row that fits counts.
pub(crate) fn again(table: &[(TryOutcome, Again)], error: &KmsError) -> Again {
    let row = table.iter().find(|(outcome, _)| outcome.is(error));
    row.map_or(Again::Never, |(_, again)| *again)
}

impl TryOutcome {
    fn is(&self, error: &KmsError) -> bool {
        let is_transient = error.fault == Fault::Transient;
        match (self, error.code.as_deref(), error.status) {
            (Self::Rest, ..) => true,
            (Self::Code(row), Some(code), _) => stands_for(row, code),
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

/// Returns true if `row` is `code`, or the first words of it.
pub(crate) fn stands_for(row: &str, code: &str) -> bool {
    code.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_that_fits_counts() {
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
            // A code says more than a status.
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
