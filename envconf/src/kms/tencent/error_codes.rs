//! The error codes of the service: for each code the kind of failure, a message and a hint.
//!
//! The retry policy is in [`super::retries`].

use crate::base::Fault;
use crate::kms::KmsError;
use crate::kms::retry_table::is_code_or_prefix;

/// The code for a signature with a wrong time.
pub(super) const SIGNATURE_EXPIRED: &str = "AuthFailure.SignatureExpire";

/// A row of the table: the first words of a code, the kind of failure, the message and the hint.
type Row = (&'static str, Fault, &'static str, &'static str);

/// The codes that a user can cause. The first row that matches decides (docs/tencent-errors.md shows the same table).
const CODES: &[Row] = &[
    (
        "AuthFailure.SignatureExpire",
        Fault::Refused,
        "this machine's clock is more than 5 minutes off",
        "synchronise the clock",
    ),
    (
        "AuthFailure.SignatureFailure",
        Fault::Refused,
        "the signature is wrong: secret id and key do not belong together",
        "check the secret key",
    ),
    (
        "AuthFailure.SecretIdNotFound",
        Fault::Refused,
        "the secret id is not known",
        "check the secret id; the key may have been deleted or disabled in CAM",
    ),
    (
        "AuthFailure.TokenFailure",
        Fault::Refused,
        "the session token is wrong, missing or has expired",
        "get new temporary credentials, and set id, key and TENCENTCLOUD_TOKEN together",
    ),
    (
        "AuthFailure.UnauthorizedOperation",
        Fault::Refused,
        "the credential has no right to do this",
        "grant kms:Decrypt (to seal: kms:GenerateDataKey) on this CMK in CAM",
    ),
    (
        "AuthFailure.InvalidSecretId",
        Fault::Refused,
        "the secret id is not that of a cloud API key",
        "use a key from CAM, in the console under API keys",
    ),
    (
        "AuthFailure.InvalidAuthorization",
        Fault::Refused,
        "the signature did not arrive as it was sent",
        "look for a proxy or gateway that changes the Authorization header",
    ),
    (
        "AuthFailure.MFAFailure",
        Fault::Refused,
        "the account requires a second factor",
        "use a role or a sub-account without a second factor",
    ),
    ("AuthFailure", Fault::Refused, "the credential is refused", "check the credential in CAM"),
    (
        "UnauthorizedOperation",
        Fault::Refused,
        "the credential has no right to do this",
        "grant kms:Decrypt (to seal: kms:GenerateDataKey) on this CMK in CAM",
    ),
    ("IpInBlacklist", Fault::Refused, "this machine's address is refused", "check the address lists in CAM"),
    (
        "IpNotInWhitelist",
        Fault::Refused,
        "this machine's address is not allowed",
        "check the address lists in CAM",
    ),
    (
        "RequestLimitExceeded.RotateRateLimited",
        Fault::Other,
        "a key can rotate only once a day",
        "wait until tomorrow",
    ),
    (
        "RequestLimitExceeded",
        Fault::Transient,
        "too many requests for the account's quota",
        "try again; start the processes of a fleet one after another, or ask for a higher quota",
    ),
    (
        "InternalError",
        Fault::Transient,
        "the service failed",
        "try again; if it fails again, give the request id to the service's support",
    ),
    (
        "ServiceUnavailable",
        Fault::Transient,
        "the service is not available",
        "try again; check the service's status page",
    ),
    (
        "UnsupportedOperation.ServiceTemporaryUnavailable",
        Fault::Transient,
        "the service is not available",
        "try again",
    ),
    (
        "ResourceUnavailable.CmkDisabled",
        Fault::Refused,
        "the CMK is disabled",
        "enable it in the KMS console",
    ),
    (
        "ResourceUnavailable.CmkNotFound",
        Fault::Refused,
        "the CMK does not exist in this region and account",
        "check the region and the key id in the key reference, and the account of the credential",
    ),
    (
        "ResourceUnavailable.CmkArchived",
        Fault::Refused,
        "the CMK is archived: it can unwrap, but not wrap",
        "seal for another CMK, or cancel the archiving",
    ),
    (
        "ResourceUnavailable.KeyPendingDelete",
        Fault::Refused,
        "the CMK is about to be deleted",
        "cancel its deletion in the KMS console, now",
    ),
    (
        "ResourceUnavailable.CmkStateNotSupport",
        Fault::Refused,
        "the CMK's state does not allow this",
        "check the key's state in the KMS console",
    ),
    (
        "ResourceUnavailable",
        Fault::Refused,
        "the CMK or the service is not available to this account",
        "check the key and the account's state in the KMS console",
    ),
    (
        "InvalidParameterValue.InvalidKeyId",
        Fault::Other,
        "the key id is malformed",
        "use the CMK's id; `envconf keys list` shows ids and aliases",
    ),
    (
        "InvalidParameterValue.InvalidKeyUsage",
        Fault::Other,
        "the CMK is not for encryption and decryption",
        "use a symmetric CMK of usage ENCRYPT_DECRYPT",
    ),
    (
        "InvalidParameterValue.InvalidPlaintext",
        Fault::Other,
        "the CMK cannot wrap this data key",
        "use a symmetric CMK of usage ENCRYPT_DECRYPT",
    ),
    (
        "InvalidParameterValue.AliasAlreadyExists",
        Fault::Other,
        "another key of this region has this alias",
        "choose another alias, or use that key: `envconf keys list`",
    ),
    (
        "InvalidParameterValue.InvalidAlias",
        Fault::Other,
        "the alias is malformed",
        "use 1 to 60 letters, digits, _ and -, a letter or digit first, and not kms- at the beginning",
    ),
    ("InvalidParameterValue.InvalidCiphertext", Fault::Other, BLOB, BLOB_ADVICE),
    ("FailedOperation", Fault::Other, BLOB, BLOB_ADVICE),
    ("UnsupportedRegion", Fault::Other, "the region has no KMS", "check the region of the key reference"),
    (
        "UnsupportedProtocol",
        Fault::Other,
        "the service does not accept requests of this form",
        "unset ENVCONF_TENCENT_METHOD",
    ),
    (
        "UnsupportedOperation.ExternalCmkCanNotRotate",
        Fault::Other,
        "a CMK with imported material does not rotate",
        "create a CMK with key material of the service, and move to it with `envconf rewrap`",
    ),
    (
        "UnsupportedOperation",
        Fault::Other,
        "the CMK or its region cannot do this",
        "use a symmetric CMK of usage ENCRYPT_DECRYPT",
    ),
    (
        "LimitExceeded",
        Fault::Refused,
        "the account's quota of keys is used up",
        "delete keys, or ask for a higher quota",
    ),
    ("InvalidAction", Fault::Other, ELSEWHERE, ELSEWHERE_ADVICE),
    ("NoSuchVersion", Fault::Other, ELSEWHERE, ELSEWHERE_ADVICE),
    ("NoSuchProduct", Fault::Other, ELSEWHERE, ELSEWHERE_ADVICE),
];

const ELSEWHERE: &str = "the endpoint belongs to another service";
const ELSEWHERE_ADVICE: &str = "check ENVCONF_TENCENT_ENDPOINT and ENVCONF_TENCENT_STS_ENDPOINT";

/// One message for several causes, because the service's documentation does not tell them apart.
const BLOB: &str =
    "the wrapped key is damaged, or of another name or environment, or of another account or region";
const BLOB_ADVICE: &str =
    "restore the .key from git; check that the pair belongs to this environment and account";

/// The codes that have another meaning in the service that issues temporary credentials.
const STS_CODES: &[Row] = &[
    ("AuthFailure.UnauthorizedOperation", Fault::Refused, ROLE, ROLE_ADVICE),
    ("UnauthorizedOperation", Fault::Refused, ROLE, ROLE_ADVICE),
    ("ResourceNotFound.RoleNotFound", Fault::Refused, "the role does not exist", "check the role's ARN"),
    ("InvalidParameter.RoleArn", Fault::Refused, "the role does not exist", "check the role's ARN"),
    (
        "InvalidParameter.WebIdentityToken",
        Fault::Refused,
        "the identity token is wrong or has expired",
        "check TKE_WEB_IDENTITY_TOKEN_FILE, and that TKE_PROVIDER_ID belongs to this cluster",
    ),
];

const ROLE: &str = "the credential may not assume this role";
const ROLE_ADVICE: &str = "allow sts:AssumeRole (in TKE: sts:AssumeRoleWithWebIdentity), and name this identity in the role's trust policy";

/// Returns the error for a code of `service`.
pub(super) fn fault_of(service: &str, code: &str) -> KmsError {
    let own = if service == super::sts::SERVICE { STS_CODES } else { &[] };
    let (fault, message, advice) = match own.iter().chain(CODES).find(|row| is_code_or_prefix(row.0, code)) {
        Some((_, fault, message, advice)) => (*fault, *message, *advice),
        None => (
            Fault::Other,
            "the service refused the request",
            "look the code up in the service's documentation",
        ),
    };
    KmsError::new(fault, message).advise(advice).code(code)
}

/// Replaces message and hint if the service refused a blob that another program made without a context.
pub(super) fn about_bare_blob(error: KmsError) -> KmsError {
    let is_about_blob =
        |code: &str| code.ends_with(".InvalidCiphertext") || code.starts_with("FailedOperation.");
    if !error.code.as_deref().is_some_and(is_about_blob) {
        return error;
    }
    let message = "the blob is damaged, or was made with a context, or in another account or region".into();
    KmsError { message, ..error }
        .advise("check the region, and the account of the credential; restore a damaged file from git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_hides_a_longer_one() {
        let fault = |code: &str| fault_of("kms", code).fault;
        assert_eq!(fault("RequestLimitExceeded"), Fault::Transient);
        assert_eq!(fault("RequestLimitExceeded.UinLimitExceeded"), Fault::Transient);
        assert_eq!(fault("RequestLimitExceeded.RotateRateLimited"), Fault::Other);
        assert_eq!(fault("AuthFailure.Anything"), Fault::Refused);
        assert_eq!(fault("AuthFailureX"), Fault::Other);
        assert_eq!(fault("InternalError.Something"), Fault::Transient);
        for (at, (prefix, ..)) in CODES.iter().enumerate() {
            let earlier = CODES[..at].iter().find(|(earlier, ..)| prefix.starts_with(earlier));
            assert!(earlier.is_none(), "{prefix} is hidden by {earlier:?}");
        }
    }

    /// Returns the table in the form of the documentation.
    fn markdown() -> String {
        let row = |(code, _, message, advice): &Row| format!("| `{code}` | {message} | {advice} |\n");
        STS_CODES.iter().chain(CODES).map(row).collect()
    }

    #[test]
    fn the_documentation_shows_the_same_table() {
        let document = include_str!("../../../docs/tencent-errors.md");
        let table = format!("| code | means | do |\n|---|---|---|\n{}", markdown());
        assert!(document.contains(&table), "docs/tencent-errors.md does not contain:\n{table}");
    }

    #[test]
    fn the_hint_for_a_missing_right_depends_on_the_service() {
        assert!(fault_of("kms", "UnauthorizedOperation").advice.unwrap().contains("kms:Decrypt"));
        assert!(fault_of("sts", "UnauthorizedOperation").advice.unwrap().contains("sts:AssumeRole"));
    }
}
