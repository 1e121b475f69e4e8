//! Requests, replies, and one table from service codes to our kinds.
//!
//! An API error comes with HTTP 200, and libraries have missed it behind an unusual content type: every body is
//! looked at, whatever its status and type. The service's own words are never kept: they may repeat what was sent.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use zeroize::Zeroizing;

use super::credentials::Credential;
use super::endpoint::Endpoint;
use super::sign::{self, sign};
use crate::envelope::DataKey;
use crate::error::Fault;
use crate::format::ContentType;
use crate::http::{self, Post, Reply};
use crate::kms::{KeyRef, KmsError, WrappedKey};
use crate::layers::{
    self,
    tree::{Table, Value},
};
use crate::secret::SecretBytes;

const VERSION: &str = "2019-01-18";
const SERVICE: &str = "kms";
const JSON: &str = "application/json";

/// Name and value of a request's parameter.
pub(super) type Parameter<'a> = (&'static str, &'a str);

/// One action of the service.
pub(super) struct Call<'a> {
    pub(super) action: &'static str,
    pub(super) region: &'a str,
    pub(super) endpoint: &'a Endpoint,
    pub(super) parameters: &'a [Parameter<'a>],
    pub(super) ca_file: Option<&'a PathBuf>,
}

/// Signs `call` with the time of this moment, sends it once, and reads the answer.
pub(super) async fn send(call: &Call<'_>, credential: &Credential) -> Result<Answer, KmsError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let timestamp = since.map_err(|_| KmsError::other("this machine's clock is before 1970"))?.as_secs();
    let body = json_object(call.parameters);
    let headers = headers(call, credential, &body, timestamp)?;
    let reply = http::send(Post { url: call.endpoint.url(), headers, body }, call.ca_file).await?;
    Answer::read(&reply)
}

fn headers(
    call: &Call<'_>,
    credential: &Credential,
    body: &[u8],
    timestamp: u64,
) -> Result<HeaderMap, KmsError> {
    let signed = sign(
        &sign::Request {
            method: "POST",
            host: call.endpoint.host(),
            query: "",
            content_type: JSON,
            payload: body,
            service: SERVICE,
            timestamp,
        },
        &credential.secret_id,
        &credential.secret_key,
    );
    let mut headers = HeaderMap::with_capacity(9);
    headers.insert(AUTHORIZATION, http::sensitive(&signed.authorization)?);
    headers.insert(CONTENT_TYPE, http::plain(JSON)?);
    headers.insert(http::name("x-tc-action"), http::plain(call.action)?);
    headers.insert(http::name("x-tc-version"), http::plain(VERSION)?);
    headers.insert(http::name("x-tc-timestamp"), http::plain(&timestamp.to_string())?);
    headers.insert(http::name("x-tc-region"), http::plain(call.region)?);
    headers.insert(http::name("x-tc-language"), http::plain("en-US")?);
    headers.insert(
        http::name("x-tc-requestclient"),
        http::plain(concat!("envconf_", env!("CARGO_PKG_VERSION")))?,
    );
    if let Some(token) = &credential.token {
        headers.insert(http::name("x-tc-token"), http::sensitive(token)?);
    }
    Ok(headers)
}

/// The parameters as a JSON object, in a wiped buffer that never grows.
///
/// Values are printable ASCII (keys, blobs, base64, the context), so `"` and `\` are all there is to escape.
fn json_object(parameters: &[Parameter<'_>]) -> Zeroizing<Vec<u8>> {
    let len: usize = parameters.iter().map(|(name, value)| name.len() + 2 * value.len() + 6).sum();
    let mut json = Zeroizing::new(Vec::with_capacity(len + 2));
    json.push(b'{');
    for (at, (name, value)) in parameters.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        json.extend_from_slice(b"\"");
        json.extend_from_slice(name.as_bytes());
        json.extend_from_slice(b"\":\"");
        for byte in value.bytes() {
            if byte == b'"' || byte == b'\\' {
                json.push(b'\\');
            }
            json.push(byte);
        }
        json.push(b'"');
    }
    json.push(b'}');
    json
}

/// What a successful reply holds, as far as it is needed.
pub(super) struct Answer {
    key_id: Option<String>,
    blob: Option<String>,
    plaintext: Option<Zeroizing<String>>,
    request_id: Option<String>,
    status: u16,
}

impl Answer {
    fn read(reply: &Reply) -> Result<Self, KmsError> {
        let senseless = |what| match reply.status {
            300..=399 => KmsError::other("the service redirects, which is not followed")
                .advise("check the endpoint")
                .status(reply.status),
            400..=499 => KmsError::other("a gateway refused the request")
                .advise("check the endpoint, and proxies on the way")
                .status(reply.status),
            status => KmsError::transient(what).status(status),
        };
        let text = std::str::from_utf8(reply.body.expose()).map_err(|_| senseless("the reply is no JSON"))?;
        let root =
            layers::parse(ContentType::Json, text).map_err(|_| senseless("the reply is cut, or no JSON"))?;
        let Value::Table(root) = &root.value else { return Err(senseless("the reply is no JSON object")) };
        let Some(Value::Table(response)) = field(root, "Response") else {
            return Err(senseless("the reply has no Response"));
        };
        let request_id = string(response, "RequestId");
        if let Some(Value::Table(error)) = field(response, "Error") {
            let code = string(error, "Code").unwrap_or_default();
            return Err(fault_of(code).request_id(request_id.unwrap_or_default()).status(reply.status));
        }
        if reply.status != 200 {
            return Err(senseless("the service answers with an error status"));
        }
        let owned = |name| string(response, name).map(str::to_owned);
        let plaintext = string(response, "Plaintext").map(|text| {
            let mut copy = Zeroizing::new(String::with_capacity(text.len()));
            copy.push_str(text);
            copy
        });
        Ok(Self {
            key_id: owned("KeyId"),
            blob: owned("CiphertextBlob"),
            plaintext,
            request_id: request_id.map(str::to_owned),
            status: reply.status,
        })
    }

    /// The answer is about the key that was meant.
    pub(super) fn check_key(&self, key: &KeyRef) -> Result<(), KmsError> {
        if self.key_id.as_deref() == Some(key.key_id()) {
            return Ok(());
        }
        Err(self.wrong("the service used another key than the trusted one")
            .advise("the wrapped key was made under a foreign key; restore the .key from git, and find out who changed it"))
    }

    /// The data key: `Plaintext`, decoded once and strictly.
    pub(super) fn data_key(&self) -> Result<DataKey, KmsError> {
        let wrong = || self.wrong("the service gave no data key in strict base64");
        let text = self.plaintext.as_ref().ok_or_else(wrong)?;
        let mut bytes = SecretBytes::zeroed(decoded_len(text));
        let written = STANDARD.decode_slice(text.as_bytes(), bytes.expose_mut()).map_err(|_| wrong())?;
        if written != bytes.expose().len() {
            return Err(wrong());
        }
        Ok(DataKey::from_secret(bytes))
    }

    /// `CiphertextBlob`, verbatim.
    pub(super) fn wrapped_key(&self) -> Result<WrappedKey, KmsError> {
        let blob = self.blob.clone().and_then(WrappedKey::new);
        blob.ok_or_else(|| self.wrong("the service gave no wrapped key that a .key can hold"))
    }

    fn wrong(&self, message: &'static str) -> KmsError {
        KmsError::other(message)
            .request_id(self.request_id.as_deref().unwrap_or_default())
            .status(self.status)
    }
}

/// Bytes that well-formed base64 of this text stands for.
fn decoded_len(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

fn field<'t, 'a>(table: &'t Table<'a>, name: &str) -> Option<&'t Value<'a>> {
    table.get(name).map(|entry| &entry.node.value)
}

fn string<'t>(table: &'t Table<'_>, name: &str) -> Option<&'t str> {
    match field(table, name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A line of the table: what codes begin so, what they mean, and what to do.
type Row = (&'static str, Fault, &'static str, &'static str);

/// Every code that a user can cause has its line; the first prefix that fits counts (docs/tencent.md lists them).
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
        "check TENCENTCLOUD_SECRET_KEY",
    ),
    (
        "AuthFailure.SecretIdNotFound",
        Fault::Refused,
        "the secret id is not known",
        "check TENCENTCLOUD_SECRET_ID; the key may have been deleted or disabled in CAM",
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
        "the credential may not do this",
        "grant kms:Decrypt (to seal: kms:GenerateDataKey) on this CMK in CAM",
    ),
    ("AuthFailure", Fault::Refused, "the credential is refused", "check the credential in CAM"),
    (
        "UnauthorizedOperation",
        Fault::Refused,
        "the credential may not do this",
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
        "a key rotates once a day",
        "wait until tomorrow",
    ),
    (
        "RequestLimitExceeded",
        Fault::Transient,
        "too many requests for the account's quota",
        "try again; spread starts of a fleet, or ask for a higher quota",
    ),
    (
        "InternalError",
        Fault::Transient,
        "the service failed",
        "try again; if it stays so, give the request id to the service's support",
    ),
    (
        "ServiceUnavailable",
        Fault::Transient,
        "the service is not available",
        "try again; look at the service's status page",
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
        "there is no such CMK in this region and account",
        "check region and key id of the key reference, and whose credential it is",
    ),
    (
        "ResourceUnavailable.CmkArchived",
        Fault::Refused,
        "the CMK is archived: it unwraps and does not wrap",
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
        "look at the key's state in the KMS console",
    ),
    (
        "ResourceUnavailable",
        Fault::Refused,
        "the CMK or the service is not available to this account",
        "look at the key and at the account's state in the KMS console",
    ),
    (
        "InvalidParameterValue.InvalidKeyId",
        Fault::Other,
        "the key id is malformed",
        "use the CMK's id, not its alias",
    ),
    (
        "InvalidParameterValue.InvalidKeyUsage",
        Fault::Other,
        "the CMK is not for encryption and decryption",
        "use a symmetric CMK of usage ENCRYPT_DECRYPT",
    ),
    ("InvalidParameterValue.InvalidCiphertext", Fault::Other, BLOB, BLOB_ADVICE),
    ("FailedOperation", Fault::Other, BLOB, BLOB_ADVICE),
    ("UnsupportedRegion", Fault::Other, "the region has no KMS", "check the region of the key reference"),
];

/// No document tells these three apart.
const BLOB: &str =
    "the wrapped key is damaged, or of another name or environment, or of another account or region";
const BLOB_ADVICE: &str =
    "restore the .key from git; check that the pair belongs to this environment and account";

fn fault_of(code: &str) -> KmsError {
    let fits =
        |row: &&Row| code.strip_prefix(row.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let (fault, message, advice) = match CODES.iter().find(fits) {
        Some((_, fault, message, advice)) => (*fault, *message, *advice),
        None => (
            Fault::Other,
            "the service refused the request",
            "look the code up in the service's documentation",
        ),
    };
    let error = match fault {
        Fault::Transient => KmsError::transient(message),
        Fault::Refused => KmsError::refused(message),
        Fault::Other => KmsError::other(message),
    };
    error.advise(advice).code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Answer, KmsError> {
        Answer::read(&Reply { status, body: SecretBytes::copy_of(body.as_bytes()) })
    }

    const ID: &str = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";

    #[test]
    fn an_error_is_found_whatever_the_status() {
        let body = format!(
            r#"{{"Response":{{"Error":{{"Code":"ResourceUnavailable.CmkDisabled","Message":"secret"}},"RequestId":"{ID}"}}}}"#
        );
        for status in [200, 400, 500] {
            let error = read(status, &body).err().unwrap();
            assert_eq!(error.fault, Fault::Refused);
            assert_eq!(error.code.as_deref(), Some("ResourceUnavailable.CmkDisabled"));
            assert_eq!(error.request_id.as_deref(), Some(ID));
            assert!(!format!("{error:?}").contains("secret"));
        }
    }

    #[test]
    fn what_is_no_answer_is_transient_unless_a_gateway_says_no() {
        for (status, body, fault) in [
            (200, "", Fault::Transient),
            (200, "{\"Response\":{\"KeyId\":", Fault::Transient),
            (200, "[]", Fault::Transient),
            (200, "{}", Fault::Transient),
            (502, "<html>", Fault::Transient),
            (503, "{\"Response\":{}}", Fault::Transient),
            (307, "", Fault::Other),
            (403, "<html>", Fault::Other),
        ] {
            assert_eq!(read(status, body).err().unwrap().fault, fault, "{status} {body}");
        }
    }

    #[test]
    fn codes_map_by_their_longest_row() {
        let fault = |code: &str| fault_of(code).fault;
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

    #[test]
    fn a_data_key_is_decoded_strictly() {
        let answer = |plaintext: &str| {
            read(200, &format!(r#"{{"Response":{{"Plaintext":"{plaintext}"}}}}"#)).unwrap().data_key()
        };
        assert_eq!(answer("AAEC").unwrap().expose(), [0, 1, 2]);
        assert_eq!(answer("AA==").unwrap().expose(), [0]);
        assert_eq!(answer(r"\/\/\/\/").unwrap().expose(), [255, 255, 255]);
        for bad in ["AAE", "AAEC\\n", " AAEC", "AB==", "AAEC=", "__8="] {
            assert!(answer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_become_json_without_growing() {
        let json = json_object(&[("A", "x\"y\\z"), ("B", "")]);
        assert_eq!(&**json, br#"{"A":"x\"y\\z","B":""}"#);
        let long = "\"".repeat(1000);
        assert_eq!(json_object(&[("Name", &long)]).len(), "{\"Name\":\"\"}".len() + 2000);
    }
}
