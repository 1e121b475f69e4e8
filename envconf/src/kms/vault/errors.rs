//! The server's refusals: for each the kind of failure, a message and a hint.
//!
//! Transit replies with `{"errors": [TEXT]}` and has no error codes. envconf recognises a refusal by its HTTP status
//! and by a closed list of phrases in the text. It never shows the text, because a text may repeat the request.

use crate::base::Fault;
use crate::kms::KmsError;

/// A row of the table: the status (0: any), a phrase of the server's text, the kind of failure, the message and the
/// hint.
type RefusalRow = (u16, &'static str, Fault, &'static str, &'static str);

/// The message for status 404 without a known phrase. Listing the keys of a mount without keys has this reply, too.
pub(super) const NOT_FOUND: &str = "the path does not belong to transit, or the key does not exist";

/// The first row that matches decides; docs/vault-errors.md shows the same table.
const TABLE: &[RefusalRow] = &[
    (
        403,
        "",
        Fault::Refused,
        "permission denied: the token is invalid or expired, it lacks the right, or the key does not exist",
        "check the token, and that its policy allows `update` on MOUNT/decrypt/KEY (to seal: MOUNT/encrypt/KEY)",
    ),
    (
        400,
        "encryption key not found",
        Fault::Refused,
        "the key does not exist",
        "check the mount and the name in the key reference",
    ),
    (
        400,
        "disallowed by policy (too old)",
        Fault::Refused,
        "the key no longer decrypts this version (min_decryption_version)",
        "lower min_decryption_version of the key, rewrap, and raise it again",
    ),
    (
        400,
        "refusing to use soft-deleted key",
        Fault::Refused,
        "the key is soft-deleted",
        "restore it: POST MOUNT/keys/KEY/soft-delete-restore",
    ),
    (
        400,
        "missing 'context' for key derivation",
        Fault::Refused,
        "the key is a derived key, which envconf does not support",
        "use a key without `derived`: envconf binds the context by itself",
    ),
    (400, "message authentication failed", Fault::Other, BLOB, BLOB_ADVICE),
    (400, "invalid ciphertext", Fault::Other, BLOB, BLOB_ADVICE),
    (400, "does not support", Fault::Refused, "the key cannot wrap data keys", TYPE_ADVICE),
    (400, "unsupported key type", Fault::Refused, "the key cannot wrap data keys", TYPE_ADVICE),
    (400, "requested version for encryption", Fault::Refused, "the key cannot wrap data keys", TYPE_ADVICE),
    (404, "namespace not found", Fault::Refused, "the namespace does not exist", NAMESPACE_ADVICE),
    (404, "no handler for route", Fault::Refused, "the mount does not exist", NAMESPACE_ADVICE),
    (404, "", Fault::Refused, NOT_FOUND, NAMESPACE_ADVICE),
    (405, "", Fault::Refused, "the path does not belong to transit", NAMESPACE_ADVICE),
    (
        429,
        "",
        Fault::Transient,
        "too many requests for a quota of the server",
        "try again; start the processes of a fleet one after another, or raise the quota in sys/quotas/rate-limit",
    ),
    (412, "", Fault::Transient, "the node has not caught up with the active one", "try again"),
    (472, "", Fault::Transient, "the node is a standby of a replica", STANDBY_ADVICE),
    (473, "", Fault::Transient, "the node is a standby", STANDBY_ADVICE),
    (503, "sealed", Fault::Transient, "the server is sealed", "unseal it; then try again"),
    (503, "", Fault::Transient, "the server is not available", "try again; check the state of the server"),
];

const BLOB: &str = "the wrapped key is damaged, or was made under another key";
const BLOB_ADVICE: &str =
    "restore the .key from git; check that the pair belongs to this environment and server";
const TYPE_ADVICE: &str =
    "use a key of type aes256-gcm96, aes128-gcm96, chacha20-poly1305 or xchacha20-poly1305";
const NAMESPACE_ADVICE: &str =
    "check mount and key of the reference; write a key in a namespace as vault:-:NAMESPACE/MOUNT/KEY";
const STANDBY_ADVICE: &str = "point VAULT_ADDR to the load balancer or the active node";

/// Returns the error for a redirect. A standby node that does not forward requests sends one.
pub(super) fn redirect(status: u16) -> KmsError {
    KmsError::other("the server sent a redirect to another node, which envconf does not follow")
        .advise(STANDBY_ADVICE)
        .status(status)
}

/// Returns the error for a status and the server's texts.
pub(super) fn refusal(status: u16, texts: &[&str]) -> KmsError {
    let has = |phrase: &str| phrase.is_empty() || texts.iter().any(|text| text.contains(phrase));
    let row = TABLE.iter().find(|(of, phrase, ..)| (*of == 0 || *of == status) && has(phrase));
    let (fault, message, advice) = match (row, status) {
        (Some((_, _, fault, message, advice)), _) => (*fault, *message, *advice),
        (None, 500..=599) => {
            (Fault::Transient, "the server failed", "try again; if it fails again, check the server's log")
        }
        (None, _) => {
            (Fault::Other, "the server refused the request", "check the server's log, and the endpoint")
        }
    };
    KmsError::new(fault, message).advise(advice).status(status)
}

/// Returns the error for a failed login; `advice` is the hint of its method.
pub(super) fn login_refusal(status: u16, texts: &[&str], advice: &'static str) -> KmsError {
    let error = match status {
        400..=405 => {
            let unmounted = texts.iter().any(|text| text.contains("no handler for route"));
            match unmounted {
                true => KmsError::refused("the login was refused: no auth method is mounted there").advise(
                    "check ENVCONF_VAULT_MOUNT; if the method is in a namespace, set VAULT_NAMESPACE",
                ),
                false => KmsError::refused("the login was refused").advise(advice),
            }
        }
        _ => {
            let mut error = refusal(status, texts);
            error.message = format!("the login: {}", error.message).into();
            error
        }
    };
    error.status(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_recognised_by_status_and_phrase() {
        for (status, text, fault, says) in [
            (403, "permission denied", Fault::Refused, "permission denied"),
            (403, "1 error occurred:\n\t* permission denied\n\n", Fault::Refused, "permission denied"),
            (400, "encryption key not found", Fault::Refused, "does not exist"),
            (
                400,
                "ciphertext or signature version is disallowed by policy (too old)",
                Fault::Refused,
                "version",
            ),
            (400, "refusing to use soft-deleted key", Fault::Refused, "soft-deleted"),
            (400, "missing 'context' for key derivation; the key was", Fault::Refused, "derived"),
            (400, "cipher: message authentication failed", Fault::Other, "damaged"),
            (400, "chacha20poly1305: message authentication failed", Fault::Other, "damaged"),
            (400, "invalid ciphertext: no prefix", Fault::Other, "damaged"),
            (400, "invalid ciphertext length", Fault::Other, "damaged"),
            (400, "anything", Fault::Other, "refused the request"),
            (401, "anything", Fault::Other, "refused the request"),
            (
                404,
                "no handler for route \"x\". route entry not found.",
                Fault::Refused,
                "the mount does not exist",
            ),
            (404, "namespace not found", Fault::Refused, "namespace"),
            (404, "", Fault::Refused, "transit"),
            (405, "unsupported operation", Fault::Refused, "transit"),
            (412, "", Fault::Transient, "caught up"),
            (429, "rate limit quota exceeded", Fault::Transient, "too many"),
            (472, "", Fault::Transient, "standby"),
            (473, "", Fault::Transient, "standby"),
            (500, "internal error", Fault::Transient, "failed"),
            (502, "", Fault::Transient, "failed"),
            (503, "Vault is sealed", Fault::Transient, "sealed"),
            (503, "OpenBao is sealed", Fault::Transient, "sealed"),
            (503, "", Fault::Transient, "not available"),
            (599, "", Fault::Transient, "failed"),
        ] {
            let error = refusal(status, &[text]);
            assert_eq!((error.fault, error.status), (fault, Some(status)), "{status} {text}");
            assert!(
                error.message.contains(says) && error.advice.is_some(),
                "{status} {text}: {}",
                error.message
            );
        }
    }

    #[test]
    fn a_refused_login_has_the_hint_of_its_method() {
        for status in [400, 401, 403, 404] {
            let error = login_refusal(status, &["permission denied"], "check the role");
            assert_eq!((error.fault, error.advice.as_deref()), (Fault::Refused, Some("check the role")));
        }
        assert!(login_refusal(404, &["no handler for route"], "x").advice.unwrap().contains("MOUNT"));
        for status in [429, 500, 503] {
            assert_eq!(login_refusal(status, &["x"], "x").fault, Fault::Transient);
        }
    }

    /// Returns the table as the documentation shows it.
    fn markdown() -> String {
        let row = |(status, phrase, fault, message, advice): &RefusalRow| {
            let phrase = if phrase.is_empty() { "anything else" } else { phrase };
            let class = match fault {
                Fault::Transient => "transient",
                Fault::Refused => "refused",
                _ => "other",
            };
            format!("| {status} | {phrase} | {class} | {message} | {advice} |\n")
        };
        TABLE.iter().map(row).collect()
    }

    #[test]
    fn the_documentation_shows_the_same_table() {
        let document = include_str!("../../../docs/vault-errors.md");
        let table =
            format!("| status | phrase | class | means | do |\n|---|---|---|---|---|\n{}", markdown());
        assert!(document.contains(&table), "docs/vault-errors.md does not contain:\n{table}");
    }
}
