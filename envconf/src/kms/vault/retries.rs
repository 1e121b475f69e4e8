//! The retry policy for Vault, as a table. docs/vault-errors.md shows the same table, and a test compares the two.

use crate::kms::KmsError;
use crate::kms::retry::Again;
use crate::kms::retry_table::{self, TryOutcome};

/// The first row that matches decides.
const TABLE: &[(TryOutcome, Again)] = &[
    (TryOutcome::Network, Again::Faulty),
    (TryOutcome::Status(429, 429), Again::Throttled),
    (TryOutcome::Status(412, 412), Again::Faulty),
    (TryOutcome::Status(472, 473), Again::Faulty),
    (TryOutcome::Status(500, 599), Again::Faulty),
    (TryOutcome::Garbled, Again::Faulty),
    (TryOutcome::Refused(403), Again::OnceWithNewCredentials),
    (TryOutcome::Rest, Again::Never),
];

/// Returns the decision about another try after `error`.
pub(super) fn again(error: &KmsError) -> Again {
    retry_table::again(TABLE, error)
}

#[cfg(test)]
mod tests {
    use super::super::errors::refusal;
    use super::*;
    use crate::base::Fault;

    /// Returns the table in the form of the documentation.
    fn markdown() -> String {
        let row = |(outcome, again): &(TryOutcome, Again)| {
            let outcome = match outcome {
                TryOutcome::Network => "no connection, a lost connection, no answer within 3 s".to_owned(),
                TryOutcome::Status(500, _) => "HTTP 5xx, a sealed server among them".to_owned(),
                TryOutcome::Status(from, to) if from == to => format!("HTTP {from}"),
                TryOutcome::Status(from, to) => format!("HTTP {from}, {to}"),
                TryOutcome::Garbled => "a reply that is incomplete or not JSON".to_owned(),
                TryOutcome::Refused(status) => format!("HTTP {status}"),
                TryOutcome::Code(code) => format!("`{code}`"),
                TryOutcome::Rest => "everything else: a missing or deleted key, a damaged wrapped key, a redirect, an oversized reply, a certificate that is not trusted".to_owned(),
            };
            let again = match again {
                Again::Never => "no",
                Again::Few => "4 times",
                Again::Faulty => "until the deadline; 4 times if there is another trusted key to try",
                Again::Throttled => "until the deadline",
                Again::OnceByServiceClock => "once",
                Again::OnceWithNewCredentials => "once, with a new login",
            };
            format!("| {outcome} | {again} |\n")
        };
        TABLE.iter().map(row).collect()
    }

    #[test]
    fn the_documentation_shows_the_same_table() {
        let document = include_str!("../../../docs/vault-errors.md");
        let table = format!("| outcome | retried |\n|---|---|\n{}", markdown());
        assert!(document.contains(&table), "docs/vault-errors.md does not contain:\n{table}");
    }

    #[test]
    fn only_transient_failures_are_retried_more_than_once() {
        for status in [400, 401, 403, 404, 405, 412, 418, 429, 472, 473, 500, 502, 503, 504, 599] {
            let error = refusal(status, &["x"]);
            let expected = match (error.fault, status) {
                (_, 403) => Again::OnceWithNewCredentials,
                (Fault::Transient, 429) => Again::Throttled,
                (Fault::Transient, _) => Again::Faulty,
                _ => Again::Never,
            };
            assert_eq!(again(&error), expected, "{status}");
        }
        assert_eq!(again(&KmsError::transient("t")), Again::Faulty);
        assert_eq!(again(&KmsError::transient("t").status(200)), Again::Faulty);
        assert_eq!(again(&KmsError::other("t").status(307)), Again::Never);
    }
}
