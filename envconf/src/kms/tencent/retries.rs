//! The retry policy for Tencent Cloud, as a table. docs/tencent-errors.md shows the same table, and a test compares the
//! two.

use crate::kms::KmsError;
use crate::kms::retry::Again;
use crate::kms::retry_table::{self, TryOutcome};

/// The first row that matches decides.
const TABLE: &[(TryOutcome, Again)] = &[
    (TryOutcome::Network, Again::Faulty),
    (TryOutcome::Status(500, 599), Again::Faulty),
    (TryOutcome::Status(429, 429), Again::Throttled),
    (TryOutcome::Garbled, Again::Faulty),
    (TryOutcome::Code("RequestLimitExceeded.RotateRateLimited"), Again::Never),
    (TryOutcome::Code("RequestLimitExceeded"), Again::Throttled),
    (TryOutcome::Code("InternalError"), Again::Faulty),
    (TryOutcome::Code("ServiceUnavailable"), Again::Faulty),
    (TryOutcome::Code("UnsupportedOperation.ServiceTemporaryUnavailable"), Again::Faulty),
    (TryOutcome::Code("AuthFailure.SignatureExpire"), Again::OnceByServiceClock),
    (TryOutcome::Code("AuthFailure.TokenFailure"), Again::OnceWithNewCredentials),
    (TryOutcome::Code("AuthFailure.SecretIdNotFound"), Again::OnceWithNewCredentials),
    (TryOutcome::Rest, Again::Never),
];

/// Returns the decision about another try after `error`.
pub(super) fn again(error: &KmsError) -> Again {
    retry_table::again(TABLE, error)
}

#[cfg(test)]
mod tests {
    use super::super::error_codes::fault_of;
    use super::*;
    use crate::base::Fault;
    use crate::kms::retry_table::is_code_or_prefix;

    /// Returns the table in the form of the documentation.
    fn markdown() -> String {
        let row = |(outcome, again): &(TryOutcome, Again)| {
            let outcome = match outcome {
                TryOutcome::Network => "no connection, a lost connection, no answer within 3 s".to_owned(),
                TryOutcome::Status(500, _) => "HTTP 5xx".to_owned(),
                TryOutcome::Status(status, _) => format!("HTTP {status}"),
                TryOutcome::Refused(status) => format!("HTTP {status}"),
                TryOutcome::Garbled => "a reply that is incomplete or not JSON".to_owned(),
                TryOutcome::Code(code) => format!("`{code}`"),
                TryOutcome::Rest => "everything else: credentials, rights, the key's state, a damaged blob, another key in the reply, a redirect, an oversized reply, a certificate that is not trusted".to_owned(),
            };
            let again = match again {
                Again::Never => "no",
                Again::Few => "4 times",
                Again::Faulty => "until the deadline; 4 times if there is another trusted key to try",
                Again::Throttled => "until the deadline",
                Again::OnceByServiceClock => {
                    "once for each service (KMS, STS), signed with the time of its reply's `Date`"
                }
                Again::OnceWithNewCredentials => "once, if credentials can be fetched again (a role)",
            };
            format!("| {outcome} | {again} |\n")
        };
        TABLE.iter().map(row).collect()
    }

    #[test]
    fn the_documentation_shows_the_same_table() {
        let document = include_str!("../../../docs/tencent-errors.md");
        let table = format!("| outcome | retried |\n|---|---|\n{}", markdown());
        assert!(document.contains(&table), "docs/tencent-errors.md does not contain:\n{table}");
        assert_eq!(crate::kms::retry::FEW, 4);
    }

    #[test]
    fn no_row_is_hidden_by_an_earlier_one() {
        let codes: Vec<_> = TABLE
            .iter()
            .filter_map(|(outcome, _)| match outcome {
                TryOutcome::Code(code) => Some(*code),
                _ => None,
            })
            .collect();
        for (at, code) in codes.iter().enumerate() {
            assert!(codes[..at].iter().all(|earlier| !is_code_or_prefix(earlier, code)), "{code}");
        }
    }

    #[test]
    fn only_transient_failures_are_retried_more_than_once() {
        for code in [
            "RequestLimitExceeded",
            "RequestLimitExceeded.IPLimitExceeded",
            "RequestLimitExceeded.RotateRateLimited",
            "InternalError",
            "ServiceUnavailable",
            "AuthFailure",
            "UnauthorizedOperation",
            "ResourceUnavailable.CmkDisabled",
            "FailedOperation.EncryptionError",
            "Unheard.Of",
        ] {
            let error = fault_of("kms", code);
            let is_tried = matches!(again(&error), Again::Faulty | Again::Throttled);
            assert_eq!(is_tried, error.fault == Fault::Transient, "{code}");
        }
        assert_eq!(again(&KmsError::transient("t")), Again::Faulty);
        assert_eq!(again(&KmsError::transient("t").status(502)), Again::Faulty);
        assert_eq!(again(&KmsError::transient("t").status(429)), Again::Throttled);
        assert_eq!(again(&KmsError::transient("t").status(200)), Again::Faulty);
        assert_eq!(again(&KmsError::other("t").status(302)), Again::Never);
        assert_eq!(again(&KmsError::refused("r")), Again::Never);
    }
}
