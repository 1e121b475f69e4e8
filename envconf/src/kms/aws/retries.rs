//! The retry policy for AWS, as a table. docs/aws-errors.md shows the same table, and a test compares the two.

use crate::base::Fault;
use crate::kms::KmsError;
use crate::kms::retry::Again;
use crate::kms::retry_table::{self, TryOutcome};

/// The first row that matches decides.
const TABLE: &[(TryOutcome, Again)] = &[
    (TryOutcome::Network, Again::Faulty),
    (TryOutcome::Status(500, 599), Again::Faulty),
    (TryOutcome::Status(429, 429), Again::Throttled),
    (TryOutcome::Garbled, Again::Faulty),
    (TryOutcome::Code("ThrottlingException"), Again::Throttled),
    (TryOutcome::Code("Throttling"), Again::Throttled),
    (TryOutcome::Code("ThrottledException"), Again::Throttled),
    (TryOutcome::Code("RequestThrottled"), Again::Throttled),
    (TryOutcome::Code("RequestThrottledException"), Again::Throttled),
    (TryOutcome::Code("TooManyRequestsException"), Again::Throttled),
    (TryOutcome::Code("RequestLimitExceeded"), Again::Throttled),
    (TryOutcome::Code("SlowDown"), Again::Throttled),
    (TryOutcome::Code("LimitExceededException"), Again::Throttled),
    (TryOutcome::Code("KMSInternalException"), Again::Faulty),
    (TryOutcome::Code("KeyUnavailableException"), Again::Faulty),
    (TryOutcome::Code("DependencyTimeoutException"), Again::Faulty),
    (TryOutcome::Code("InternalFailure"), Again::Faulty),
    (TryOutcome::Code("InternalServerError"), Again::Faulty),
    (TryOutcome::Code("ServiceUnavailable"), Again::Faulty),
    (TryOutcome::Code("ServiceUnavailableException"), Again::Faulty),
    (TryOutcome::Code("IDPCommunicationError"), Again::Faulty),
    (TryOutcome::Code("ExpiredTokenException"), Again::OnceWithNewCredentials),
    (TryOutcome::Code("ExpiredToken"), Again::OnceWithNewCredentials),
    (TryOutcome::Code("UnrecognizedClientException"), Again::OnceWithNewCredentials),
    (TryOutcome::Code("InvalidClientTokenId"), Again::OnceWithNewCredentials),
    (TryOutcome::Code("InvalidSignatureException"), Again::OnceWithNewCredentials),
    (TryOutcome::Code("SignatureDoesNotMatch"), Again::OnceWithNewCredentials),
    (TryOutcome::Code("IncompleteSignature"), Again::OnceWithNewCredentials),
    (TryOutcome::Code("MissingAuthenticationToken"), Again::OnceWithNewCredentials),
    (TryOutcome::Rest, Again::Never),
];

/// Returns the decision about another try after `error`.
pub(super) fn again(error: &KmsError) -> Again {
    if error.clock_corrected {
        return Again::OnceByServiceClock;
    }
    match (retry_table::again(TABLE, error), error.status) {
        // No row names this code, so decide by the HTTP status.
        (Again::Never, Some(status)) if error.code.is_some() && error.fault == Fault::Transient => {
            retry_table::again(TABLE, &KmsError::transient("an unknown code").status(status))
        }
        (again, _) => again,
    }
}

#[cfg(test)]
mod tests {
    use super::super::error_codes::fault_of;
    use super::*;
    use crate::kms::retry_table::is_code_or_prefix;

    /// Returns the table in the form of the documentation.
    fn markdown() -> String {
        let row = |(outcome, again): &(TryOutcome, Again)| {
            let outcome = match outcome {
                TryOutcome::Network => "no connection, a lost connection, no answer within 3 s".to_owned(),
                TryOutcome::Status(500, _) => "HTTP 5xx with any code".to_owned(),
                TryOutcome::Status(status, _) | TryOutcome::Refused(status) => format!("HTTP {status}"),
                TryOutcome::Garbled => "a reply that is incomplete or not JSON".to_owned(),
                TryOutcome::Code(code) => format!("`{code}`"),
                TryOutcome::Rest => "everything else: rights, the key's state, a damaged wrapped key, another key in the reply, a redirect, an oversized reply, a certificate that is not trusted".to_owned(),
            };
            let again = match again {
                Again::Never => "no",
                Again::Few => "4 times",
                Again::Faulty => "until the deadline; 4 times if there is another trusted key to try",
                Again::Throttled => "until the deadline",
                Again::OnceByServiceClock => {
                    "once for each service (KMS, STS), signed with the time of its reply's `Date`"
                }
                Again::OnceWithNewCredentials => {
                    "once, if credentials can be fetched again (a role, SSO, a process)"
                }
            };
            format!("| {outcome} | {again} |\n")
        };
        TABLE.iter().map(row).collect()
    }

    #[test]
    fn the_documentation_shows_the_same_table() {
        let document = include_str!("../../../docs/aws-errors.md");
        let table = format!("| outcome | retried |\n|---|---|\n{}", markdown());
        assert!(document.contains(&table), "docs/aws-errors.md does not contain:\n{table}");
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
            "ThrottlingException",
            "LimitExceededException",
            "KMSInternalException",
            "KeyUnavailableException",
            "DependencyTimeoutException",
            "AccessDeniedException",
            "NotFoundException",
            "DisabledException",
            "InvalidCiphertextException",
            "IncorrectKeyException",
            "Unheard",
        ] {
            for status in [400, 429, 500, 503] {
                let error = fault_of("kms", code, status);
                let is_tried = matches!(again(&error), Again::Faulty | Again::Throttled);
                assert_eq!(is_tried, error.fault == Fault::Transient, "{code} {status}");
            }
        }
        assert_eq!(again(&fault_of("kms", "Unheard", 429)), Again::Throttled);
        assert_eq!(again(&fault_of("kms", "ExpiredTokenException", 400)), Again::OnceWithNewCredentials);
        assert_eq!(again(&KmsError::other("t").status(302)), Again::Never);
        let mut late = fault_of("kms", "InvalidSignatureException", 400);
        late.clock_corrected = true;
        assert_eq!(again(&late), Again::OnceByServiceClock);
    }
}
