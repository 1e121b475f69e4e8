//! The error codes of the services: for each code the kind of failure, a message and a hint.
//!
//! The retry policy is in [`super::retries`].

use crate::base::Fault;
use crate::kms::KmsError;

/// A row of the table: the code, the kind of failure, the message and the hint.
type ErrorRow = (&'static str, Fault, &'static str, &'static str);

/// The codes that a user can cause (docs/aws-errors.md shows the same table).
const CODES: &[ErrorRow] = &[
    (
        "AccessDeniedException",
        Fault::Refused,
        "the credential has no right to do this with this key",
        "allow kms:Decrypt (to seal: kms:GenerateDataKey) in its policy and in the key's policy, and compare their conditions on the encryption context; a new grant takes minutes",
    ),
    ("AccessDenied", Fault::Refused, "the credential has no right to do this", "check its policies in IAM"),
    (
        "NotFoundException",
        Fault::Refused,
        "the key does not exist in this region and account, or this account may not use it",
        "check the key reference; if the key is in another account, its policy and the credential's policy must both allow this",
    ),
    (
        "DisabledException",
        Fault::Refused,
        "the key is disabled",
        "enable it in the KMS console; this takes effect after some minutes",
    ),
    (
        "KMSInvalidStateException",
        Fault::Refused,
        "the key's state does not allow this",
        "check the key in the KMS console: if it is pending deletion, cancel that now",
    ),
    (
        "InvalidKeyUsageException",
        Fault::Refused,
        "the key is not for encryption and decryption",
        "use a key of usage ENCRYPT_DECRYPT and spec SYMMETRIC_DEFAULT",
    ),
    ("InvalidGrantTokenException", Fault::Refused, "the grant is not valid", "check the grants of the key"),
    (
        "InvalidArnException",
        Fault::Refused,
        "the ARN is not that of a key",
        "check the key reference; `envconf keys list` shows ARNs",
    ),
    (
        "OptInRequired",
        Fault::Refused,
        "the account is not subscribed to KMS or to this region",
        "enable the region in the account's settings",
    ),
    (
        "UnsupportedOperationException",
        Fault::Refused,
        "the key or its region cannot do this",
        "use a symmetric key with key material of KMS",
    ),
    (
        "UnrecognizedClientException",
        Fault::Refused,
        "the access key or session token is not known",
        "check the access key id; the key may have been deleted, or belong to another partition",
    ),
    (
        "InvalidClientTokenId",
        Fault::Refused,
        "the access key or session token is not known",
        "check the access key id; the key may have been deleted, or belong to another partition",
    ),
    ("InvalidSignatureException", Fault::Refused, SIGNATURE, SIGNATURE_ADVICE),
    ("SignatureDoesNotMatch", Fault::Refused, SIGNATURE, SIGNATURE_ADVICE),
    (
        "IncompleteSignature",
        Fault::Refused,
        "the signature did not arrive as it was sent",
        "look for a proxy or gateway that changes the Authorization header",
    ),
    (
        "MissingAuthenticationToken",
        Fault::Refused,
        "the signature did not arrive",
        "look for a proxy or gateway that removes the Authorization header",
    ),
    (
        "ExpiredTokenException",
        Fault::Refused,
        "the session token has expired",
        "get new temporary credentials",
    ),
    ("ExpiredToken", Fault::Refused, "the session token has expired", "get new temporary credentials"),
    ("RequestExpired", Fault::Refused, CLOCK, CLOCK_ADVICE),
    ("RequestTimeTooSkewed", Fault::Refused, CLOCK, CLOCK_ADVICE),
    ("InvalidCiphertextException", Fault::Other, BLOB, BLOB_ADVICE),
    (
        "IncorrectKeyException",
        Fault::Other,
        "the wrapped key was made under another key",
        "restore the .key from git, and find out who changed it",
    ),
    (
        "ThrottlingException",
        Fault::Transient,
        "too many requests for the quota of account and region",
        "try again; start the processes of a fleet one after another, or ask for a higher quota",
    ),
    ("Throttling", Fault::Transient, THROTTLED, THROTTLED_ADVICE),
    ("ThrottledException", Fault::Transient, THROTTLED, THROTTLED_ADVICE),
    ("RequestThrottled", Fault::Transient, THROTTLED, THROTTLED_ADVICE),
    ("RequestThrottledException", Fault::Transient, THROTTLED, THROTTLED_ADVICE),
    ("TooManyRequestsException", Fault::Transient, THROTTLED, THROTTLED_ADVICE),
    ("RequestLimitExceeded", Fault::Transient, THROTTLED, THROTTLED_ADVICE),
    ("SlowDown", Fault::Transient, THROTTLED, THROTTLED_ADVICE),
    (
        "LimitExceededException",
        Fault::Transient,
        "a quota of the account is used up",
        "try again, or ask for a higher quota",
    ),
    (
        "KMSInternalException",
        Fault::Transient,
        "the service failed",
        "try again; if it fails again, give the request id to AWS support",
    ),
    (
        "KeyUnavailableException",
        Fault::Transient,
        "the key is not available at the moment",
        "try again; if it fails again, check the key store that contains its material",
    ),
    (
        "DependencyTimeoutException",
        Fault::Transient,
        "the service failed within its time limit",
        "try again; check the AWS Health Dashboard",
    ),
    ("InternalFailure", Fault::Transient, "the service failed", "try again"),
    ("InternalServerError", Fault::Transient, "the service failed", "try again"),
    ("ServiceUnavailable", Fault::Transient, UNAVAILABLE, UNAVAILABLE_ADVICE),
    ("ServiceUnavailableException", Fault::Transient, UNAVAILABLE, UNAVAILABLE_ADVICE),
    (
        "AlreadyExistsException",
        Fault::Other,
        "another key of this region has this alias",
        "choose another alias, or use that key: `envconf keys list`",
    ),
    (
        "InvalidAliasNameException",
        Fault::Other,
        "the alias is malformed",
        "use 1 to 250 letters, digits and characters of /_-, and not aws/ at the beginning",
    ),
    (
        "ValidationException",
        Fault::Other,
        "a part of the request is malformed",
        "check the key reference, the alias and the number of days (90 to 2560)",
    ),
    ("UnknownOperationException", Fault::Other, ELSEWHERE, ELSEWHERE_ADVICE),
    ("InvalidAction", Fault::Other, ELSEWHERE, ELSEWHERE_ADVICE),
];

const SIGNATURE: &str = "the signature is wrong: access key id and secret do not belong together";
const SIGNATURE_ADVICE: &str =
    "check the secret access key, and that no gateway changes the request or its Host header";
const CLOCK: &str = "this machine's clock is more than 5 minutes off";
const CLOCK_ADVICE: &str = "synchronise the clock";
const BLOB: &str = "the wrapped key is damaged, or of another name or environment";
const BLOB_ADVICE: &str = "restore the .key from git; check that the pair belongs to this environment";
const THROTTLED: &str = "too many requests";
const THROTTLED_ADVICE: &str = "try again; start the processes of a fleet one after another";
const UNAVAILABLE: &str = "the service is not available";
const UNAVAILABLE_ADVICE: &str = "try again; check the AWS Health Dashboard";
const ELSEWHERE: &str = "the endpoint belongs to another service";
const ELSEWHERE_ADVICE: &str = "check ENVCONF_AWS_ENDPOINT and AWS_ENDPOINT_URL";

/// The codes that have another meaning in the service that issues temporary credentials.
const STS_CODES: &[ErrorRow] = &[
    (
        "AccessDenied",
        Fault::Refused,
        "the credential may not assume this role",
        "allow sts:AssumeRole (with an identity token: sts:AssumeRoleWithWebIdentity), and name this identity in the role's trust policy, with the external id that it asks for",
    ),
    (
        "ExpiredTokenException",
        Fault::Refused,
        "the identity token or the credential has expired",
        "get a new one; in a cluster, find out why the token file is not renewed",
    ),
    (
        "InvalidIdentityToken",
        Fault::Refused,
        "the identity token is not valid for this role",
        "check AWS_WEB_IDENTITY_TOKEN_FILE, its audience, and the identity provider that the role trusts",
    ),
    (
        "IDPRejectedClaim",
        Fault::Refused,
        "the identity provider rejected the identity token",
        "get a new token; it may have been revoked",
    ),
    (
        "IDPCommunicationError",
        Fault::Transient,
        "STS could not reach the identity provider",
        "try again; check that the provider answers to the internet",
    ),
    (
        "RegionDisabledException",
        Fault::Refused,
        "STS is not enabled in this region",
        "enable it in the account settings of IAM",
    ),
    (
        "ValidationError",
        Fault::Refused,
        "a part of the request to assume a role is malformed",
        "check the role's ARN, its session name, external id and duration",
    ),
];

/// Returns the error for a code of `service` that came with this HTTP status.
pub(super) fn fault_of(service: &str, code: &str, status: u16) -> KmsError {
    let own = if service == super::sts::SERVICE { STS_CODES } else { &[] };
    let row = own.iter().chain(CODES).find(|row| row.0 == code);
    let (fault, message, advice) = match row {
        Some((_, fault, message, advice)) => (*fault, *message, *advice),
        None if status == 429 => (Fault::Transient, THROTTLED, THROTTLED_ADVICE),
        None if status >= 500 => (Fault::Transient, "the service failed", "try again"),
        None => (
            Fault::Other,
            "the service refused the request",
            "look the code up in the service's documentation",
        ),
    };
    KmsError::new(fault, message).advise(advice).code(code).status(status)
}

/// Replaces message and hint of a refusal that is about the time of the request.
pub(super) fn about_clock(error: KmsError) -> KmsError {
    KmsError { message: CLOCK.into(), ..error }.advise(CLOCK_ADVICE)
}

/// Returns true if the service refused the time of the request. Two codes have several causes, so the service's text
/// must tell them apart.
pub(super) fn is_about_clock(code: &str, words: &str) -> bool {
    match code {
        "RequestExpired" | "RequestTimeTooSkewed" => true,
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            words.contains("Signature expired") || words.contains("not yet current")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_as_a_whole() {
        let fault = |code: &str, status| fault_of("kms", code, status).fault;
        assert_eq!(fault("ThrottlingException", 400), Fault::Transient);
        assert_eq!(fault("KMSInvalidStateException", 400), Fault::Refused);
        assert_eq!(fault("InvalidCiphertextException", 400), Fault::Other);
        assert_eq!(fault("IncorrectKeyException", 400), Fault::Other);
        assert_eq!(fault("Unheard", 400), Fault::Other);
        assert_eq!(fault("Unheard", 429), Fault::Transient);
        assert_eq!(fault("Unheard", 503), Fault::Transient);
        for (at, (code, ..)) in CODES.iter().enumerate() {
            assert!(CODES[..at].iter().all(|earlier| earlier.0 != *code), "{code} occurs twice");
        }
    }

    #[test]
    fn the_services_text_tells_a_late_signature_from_a_wrong_one() {
        for (code, words, expected) in [
            ("InvalidSignatureException", "Signature expired: 20150830T123600Z is now earlier than …", true),
            ("InvalidSignatureException", "Signature not yet current: 2015 is still later than …", true),
            ("SignatureDoesNotMatch", "Signature expired: …", true),
            ("InvalidSignatureException", "The request signature we calculated does not match", false),
            ("RequestExpired", "", true),
            ("AccessDeniedException", "Signature expired", false),
        ] {
            assert_eq!(is_about_clock(code, words), expected, "{code} {words}");
        }
    }

    #[test]
    fn the_hint_for_access_denied_depends_on_the_service() {
        assert!(fault_of("sts", "AccessDenied", 403).advice.unwrap().contains("sts:AssumeRole"));
        assert!(!fault_of("kms", "AccessDenied", 403).advice.unwrap().contains("sts:"));
    }

    #[test]
    fn the_documentation_shows_the_same_table() {
        let document = include_str!("../../../docs/aws-errors.md");
        let row = |(code, _, message, advice): &ErrorRow| format!("| `{code}` | {message} | {advice} |\n");
        for (title, rows) in [("KMS", CODES), ("STS", STS_CODES)] {
            let rows: String = rows.iter().map(row).collect();
            let table = format!("| code of {title} | means | do |\n|---|---|---|\n{rows}");
            assert!(document.contains(&table), "docs/aws-errors.md does not contain:\n{table}");
        }
    }
}
