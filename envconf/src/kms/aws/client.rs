//! Requests to KMS and to the services that issue credentials, and their replies.
//!
//! Errors never contain the services' own text, because it may repeat the request.

use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use zeroize::Zeroizing;

use super::credentials::AwsCredential;
use super::endpoint;
use super::error_codes::{about_clock, fault_of, is_about_clock};
use super::sign::{self, Sigv4Request, amz_date};
use crate::base::{KeyRef, SecretBytes};
use crate::envelope::DataKey;
use crate::format::ContentType;
use crate::kms::endpoint::Endpoint;
use crate::kms::http::{self, Method, Reply, Request, Route};
#[cfg(feature = "tools")]
use crate::kms::json::boolean;
use crate::kms::json::{Parameter, decoded, field, json_object, secret, string};
use crate::kms::{KmsError, WrappedKey, clock, last_reply};
use crate::syntax;
use crate::syntax::{Table, Value};

/// Time limit of one try.
pub(super) const PER_TRY: Duration = Duration::from_secs(3);
/// The spec of keys that wrap data keys, and the name of their algorithm.
pub(super) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
/// Limit of KMS for a wrapped key, in bytes.
const LARGEST_BLOB: usize = 6144;
/// The shortest possible wrapped key in bytes: AES-GCM adds 28 to a data key of at least 16.
const SMALLEST_BLOB: usize = 44;

/// One POST to a service of AWS.
pub(super) struct AwsPost<'a> {
    /// The name of the service in the signature's scope.
    pub(super) service: &'static str,
    pub(super) region: &'a str,
    pub(super) endpoint: &'a Endpoint,
    pub(super) action: &'static str,
    pub(super) content_type: &'static str,
    /// The name of the action with its prefix, for services with JSON requests.
    pub(super) target: Option<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) largest_reply: usize,
}

impl<'a> AwsPost<'a> {
    /// Returns the request for an action of KMS.
    pub(super) fn to_kms(
        action: &'static str,
        region: &'a str,
        endpoint: &'a Endpoint,
        parameters: &[Parameter<'_>],
    ) -> Self {
        Self {
            service: "kms",
            region,
            endpoint,
            action,
            content_type: "application/x-amz-json-1.1",
            target: Some(format!("TrentService.{action}")),
            body: json_object(parameters),
            // Lists of keys and aliases are longer than any other reply.
            largest_reply: if action.starts_with("List") { 1024 * 1024 } else { http::LARGEST_REPLY },
        }
    }

    /// Signs the request with the current time, sends it once, and passes a successful reply to `read`. Without a
    /// credential, the request is not signed, as `AssumeRoleWithWebIdentity` requires.
    pub(super) async fn send<T>(
        &self,
        credential: Option<&AwsCredential>,
        route: &Route,
        read: impl FnOnce(&Reply) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let site = endpoint::site(self.endpoint.host());
        let timestamp = clock::now(site)?;
        let request = Request {
            method: Method::POST,
            url: self.endpoint.url(),
            headers: self.headers(credential, timestamp)?,
            body: self.body.clone(),
            limit: PER_TRY,
            largest_reply: self.largest_reply,
        };
        let sent = Instant::now();
        let result = match http::send(request, route).await {
            Ok(reply) => {
                let date = reply.date.as_deref();
                let granted = reply.status == 200;
                let id = request_id(&reply).filter(|_| granted);
                last_reply::record(self.action, id, date.and_then(clock::ahead), sent.elapsed());
                if granted {
                    read(&reply)
                } else {
                    let (error, is_late) = refusal(self.service, &reply);
                    Err(if is_late {
                        clock::correct(about_clock(error), site, timestamp, date)
                    } else {
                        error
                    })
                }
            }
            Err(error) => Err(error),
        };
        result.map_err(|error| clock::mention_correction(error, site))
    }

    fn headers(&self, credential: Option<&AwsCredential>, timestamp: u64) -> Result<HeaderMap, KmsError> {
        let time = amz_date(timestamp);
        let mut headers = HeaderMap::with_capacity(7);
        headers.insert(CONTENT_TYPE, http::plain(self.content_type)?);
        headers.insert(USER_AGENT, http::plain(concat!("envconf/", env!("CARGO_PKG_VERSION")))?);
        headers.insert(http::name("x-amz-date"), http::plain(&time)?);
        if let Some(target) = &self.target {
            headers.insert(http::name("x-amz-target"), http::plain(target)?);
        }
        let Some(credential) = credential else { return Ok(headers) };
        let mut signed = vec![
            (CONTENT_TYPE.as_str(), self.content_type),
            (HOST.as_str(), self.endpoint.host()),
            ("x-amz-date", time.as_str()),
        ];
        signed.extend(self.target.as_deref().map(|target| ("x-amz-target", target)));
        if let Some(token) = &credential.session_token {
            headers.insert(http::name("x-amz-security-token"), http::sensitive(token)?);
            signed.push(("x-amz-security-token", token));
        }
        let request = Sigv4Request {
            method: "POST",
            query: "",
            headers: &signed,
            payload: &self.body,
            region: self.region,
            service: self.service,
            timestamp,
        };
        let signature = sign::sign(&request, &credential.access_key_id, &credential.secret_access_key);
        headers.insert(AUTHORIZATION, http::sensitive(&signature.authorization)?);
        Ok(headers)
    }
}

/// Returns the id of a request, which every service of AWS sends in this header.
pub(super) fn request_id(reply: &Reply) -> Option<&str> {
    reply.header("x-amzn-requestid")
}

/// Returns the error for a reply with another status than 200, and whether the service refused the time of the
/// signature.
fn refusal(service: &str, reply: &Reply) -> (KmsError, bool) {
    let status = reply.status;
    let text = std::str::from_utf8(reply.body.expose()).unwrap_or_default();
    let header = reply.header("x-amzn-errortype");
    let json = syntax::parse(ContentType::Json, text).ok();
    let table = json.as_ref().and_then(|root| match &root.value {
        Value::Table(table) => Some(table),
        _ => None,
    });
    let of_json = |name| table.and_then(|table| string(table, name));
    let code = of_json("__type").or(header).or_else(|| tag(text, "Code"));
    let id = request_id(reply).or_else(|| tag(text, "RequestId")).unwrap_or_default();
    let Some(code) = code.map(bare_code).filter(|code| !code.is_empty()) else {
        return (without_code(status).request_id(id), false);
    };
    let words = of_json("message").or_else(|| of_json("Message")).or_else(|| tag(text, "Message"));
    let is_late = is_about_clock(code, words.unwrap_or_default());
    (fault_of(service, code, status).request_id(id), is_late)
}

/// Returns the code without the namespace before it, and without the address that some gateways add after it.
fn bare_code(code: &str) -> &str {
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    code.split(':').next().unwrap_or_default().trim()
}

/// Returns the text between the first tags of this name in XML. The text must not contain tags.
pub(super) fn tag<'t>(xml: &'t str, name: &str) -> Option<&'t str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let len = xml[start..].find(&format!("</{name}>"))?;
    Some(xml[start..start + len].trim())
}

/// Returns the error for a reply with an error status and without a code. It is probably the reply of a gateway.
fn without_code(status: u16) -> KmsError {
    let error = match status {
        300..=399 => KmsError::other("the service sent a redirect, which envconf does not follow")
            .advise("check the endpoint"),
        429 => KmsError::transient("a gateway refused the request: too many requests")
            .advise("try again; start the processes of a fleet one after another"),
        400..=499 => KmsError::other("a gateway refused the request")
            .advise("check the endpoint, and proxies on the way"),
        _ => KmsError::transient("the service returned an error status"),
    };
    error.status(status)
}

/// The fields of a reply that is not an error.
pub(super) struct AwsReply<'a> {
    fields: &'a Table<'a>,
    pub(super) request_id: Option<&'a str>,
}

impl AwsReply<'_> {
    /// Passes the fields of a JSON object to `read`. If `is_empty` is true, the reply has no fields.
    pub(super) fn read<T>(
        reply: &Reply,
        is_empty: bool,
        read: impl FnOnce(&AwsReply<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let garbled =
            || KmsError::transient("the reply is incomplete, or is not a JSON object").status(reply.status);
        let text = std::str::from_utf8(reply.body.expose()).map_err(|_| garbled())?;
        let text = if is_empty { "{}" } else { text };
        let root = syntax::parse(ContentType::Json, text).map_err(|_| garbled())?;
        let Value::Table(fields) = &root.value else { return Err(garbled()) };
        read(&AwsReply { fields, request_id: request_id(reply) })
    }

    /// Returns a field that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        string(self.fields, name)
    }

    /// Returns all fields.
    #[cfg(feature = "tools")]
    pub(super) fn fields(&self) -> &Table<'_> {
        self.fields
    }

    /// Returns a field that is an object.
    #[cfg(feature = "tools")]
    pub(super) fn table(&self, name: &str) -> Option<&Table<'_>> {
        match field(self.fields, name) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// Returns a field that is a list: those of its items that are objects.
    #[cfg(feature = "tools")]
    pub(super) fn tables(&self, name: &str) -> impl Iterator<Item = &Table<'_>> {
        let items = match field(self.fields, name) {
            Some(Value::Array(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter().filter_map(|item| match &item.value {
            Value::Table(table) => Some(table),
            _ => None,
        })
    }

    /// Returns a field that is true or false.
    #[cfg(feature = "tools")]
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        boolean(self.fields, name)
    }

    /// Returns the error for a reply with unexpected content.
    #[cfg(feature = "tools")]
    pub(super) fn wrong(&self, message: &'static str) -> KmsError {
        KmsError::other(message).request_id(self.request_id.unwrap_or_default()).status(200)
    }
}

/// The relevant fields of a reply about a key.
pub(super) struct KeyReply {
    key: Option<String>,
    source_key: Option<String>,
    algorithms_fit: bool,
    blob: Option<String>,
    plaintext: Option<Zeroizing<String>>,
    request_id: Option<String>,
}

impl KeyReply {
    /// Reads the fields. Never fails: the return type is the one that callers of replies expect.
    pub(super) fn read(reply: &AwsReply<'_>) -> Result<Self, KmsError> {
        let owned = |name| reply.text(name).map(str::to_owned);
        // Not every action names an algorithm, and some servers that emulate KMS do not either.
        let fits = |name| field(reply.fields, name).is_none() || reply.text(name) == Some(SYMMETRIC);
        let names = ["EncryptionAlgorithm", "SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm"];
        Ok(Self {
            key: owned("KeyId"),
            source_key: owned("SourceKeyId"),
            algorithms_fit: names.into_iter().all(fits),
            blob: owned("CiphertextBlob"),
            plaintext: reply.text("Plaintext").map(secret),
            request_id: reply.request_id.map(str::to_owned),
        })
    }

    /// Checks that the service used the expected key, by its ARN, and authenticated encryption.
    pub(super) fn check_key(&self, key: &KeyRef) -> Result<(), KmsError> {
        if self.key.as_deref() != Some(key.key_id()) {
            return Err(self.wrong("the service used another key than the trusted one").advise(
                "restore the .key from git, and find out who changed it; also check that the endpoint is that of AWS KMS",
            ));
        }
        match self.algorithms_fit {
            true => Ok(()),
            false => Err(self
                .wrong("the service used another algorithm than SYMMETRIC_DEFAULT")
                .advise("use a key of spec SYMMETRIC_DEFAULT")),
        }
    }

    /// Checks that the service re-wrapped a blob of the expected key.
    pub(super) fn check_source(&self, key: &KeyRef) -> Result<(), KmsError> {
        if self.source_key.as_deref() == Some(key.key_id()) {
            return Ok(());
        }
        Err(self.wrong("the service unwrapped with another key than the trusted one"))
    }

    /// Decodes the data key from strict base64.
    pub(super) fn data_key(&self) -> Result<DataKey, KmsError> {
        let bytes: Option<SecretBytes> = self.plaintext.as_ref().and_then(|text| decoded(text));
        let bytes = bytes.ok_or_else(|| self.wrong("the service returned no data key in strict base64"))?;
        Ok(DataKey::from_secret(bytes))
    }

    /// Returns `CiphertextBlob`, verbatim.
    pub(super) fn wrapped_key(&self) -> Result<WrappedKey, KmsError> {
        let blob = self.blob.clone().filter(|blob| is_blob(blob)).and_then(WrappedKey::new);
        blob.ok_or_else(|| self.wrong("the service returned no valid wrapped key"))
    }

    fn wrong(&self, message: &'static str) -> KmsError {
        KmsError::other(message).request_id(self.request_id.as_deref().unwrap_or_default()).status(200)
    }
}

/// Returns the text of a wrapped key, for a request.
///
/// # Errors
/// For a text that KMS would refuse in any case.
pub(super) fn blob(wrapped: &WrappedKey) -> Result<&str, KmsError> {
    match is_blob(wrapped.as_str()) {
        true => Ok(wrapped.as_str()),
        false => Err(KmsError::other("the wrapped key is damaged: it does not have the form of AWS KMS")
            .advise("restore the .key from git")
            .tries(0)),
    }
}

fn is_blob(text: &str) -> bool {
    decoded(text).is_some_and(|bytes| (SMALLEST_BLOB..=LARGEST_BLOB).contains(&bytes.expose().len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fault;

    const ID: &str = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        headers
            .iter()
            .fold(Reply::of(status, body.as_bytes()), |reply, (name, value)| reply.with(name, value))
    }

    fn refused(status: u16, headers: &[(&str, &str)], body: &str) -> KmsError {
        refusal("kms", &reply(status, headers, body)).0
    }

    #[test]
    fn an_error_code_is_found_in_all_its_forms() {
        let id = ("x-amzn-requestid", ID);
        for (headers, body) in [
            (&[id][..], r#"{"__type":"DisabledException","message":"secret"}"#),
            (&[id], r#"{"__type":"com.amazonaws.kms#DisabledException","Message":"secret"}"#),
            (&[id, ("x-amzn-errortype", "DisabledException:http://internal.amazon.com/")], "secret"),
            (&[id, ("x-amzn-errortype", "DisabledException")], r#"{"message":"secret"}"#),
            (
                &[],
                "<ErrorResponse><Error><Type>Sender</Type><Code>DisabledException</Code><Message>secret</Message></Error><RequestId>7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab</RequestId></ErrorResponse>",
            ),
        ] {
            let error = refused(400, headers, body);
            assert_eq!(error.code.as_deref(), Some("DisabledException"), "{body}");
            assert_eq!((error.fault, error.status), (Fault::Refused, Some(400)));
            assert_eq!(error.request_id.as_deref(), Some(ID));
            assert!(!format!("{error:?}").contains("secret"));
        }
    }

    #[test]
    fn an_invalid_reply_is_transient_unless_a_gateway_refused() {
        for (status, body, fault) in [
            (502, "<html>", Fault::Transient),
            (500, "{}", Fault::Transient),
            (429, "", Fault::Transient),
            (307, "", Fault::Other),
            (403, "<html>", Fault::Other),
            (400, "{\"__type\":\"\"}", Fault::Other),
            (400, "{\"__type\":7}", Fault::Other),
        ] {
            assert_eq!(refused(status, &[], body).fault, fault, "{status} {body}");
        }
        for body in ["", "{\"KeyId\":", "[]", "null", "<html>"] {
            let error = AwsReply::read(&reply(200, &[], body), false, KeyReply::read).err().unwrap();
            assert_eq!(error.fault, Fault::Transient, "{body}");
        }
    }

    fn answer(body: &str) -> KeyReply {
        AwsReply::read(&reply(200, &[], body), false, KeyReply::read).unwrap()
    }

    #[test]
    fn a_data_key_is_decoded_strictly() {
        let key = |text: &str| answer(&format!(r#"{{"Plaintext":"{text}"}}"#)).data_key();
        assert_eq!(key("AAEC").unwrap().expose(), [0, 1, 2]);
        assert_eq!(key(r"\/\/\/\/").unwrap().expose(), [255, 255, 255]);
        for bad in ["AAE", "AAEC\\n", " AAEC", "AB==", "AAEC=", "__8="] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reply_must_name_the_trusted_key_and_the_algorithm() {
        let arn = "arn:aws:kms:us-east-1:1:key/a";
        let key = KeyRef::new("aws", "us-east-1", arn).unwrap();
        let check = |body: &str| answer(body).check_key(&key);
        assert!(check(&format!(r#"{{"KeyId":"{arn}"}}"#)).is_ok());
        assert!(check(&format!(r#"{{"KeyId":"{arn}","EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}}"#)).is_ok());
        for bad in [
            "{}".to_owned(),
            r#"{"KeyId":"a"}"#.to_owned(),
            r#"{"KeyId":"arn:aws:kms:us-east-1:1:key/A"}"#.to_owned(),
            r#"{"KeyId":"arn:aws:kms:us-west-1:1:key/a"}"#.to_owned(),
            format!(r#"{{"KeyId":"{arn} "}}"#),
            format!(r#"{{"KeyId":"{arn}","EncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}"#),
            format!(r#"{{"KeyId":"{arn}","EncryptionAlgorithm":null}}"#),
            format!(r#"{{"KeyId":"{arn}","DestinationEncryptionAlgorithm":"SM2PKE"}}"#),
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_malformed_wrapped_key_is_not_sent() {
        let is_sent = |text: &str| blob(&WrappedKey::new(text).unwrap()).is_ok();
        assert!(is_sent(&"A".repeat(64)));
        assert!(is_sent(&"A".repeat(8000)));
        for bad in ["!", "AAAA", &"A".repeat(65), &"A".repeat(56), "vault:v1:AAAA"] {
            assert!(!is_sent(bad), "{bad}");
        }
    }

    #[test]
    fn a_tag_is_found_with_its_own_name_only() {
        let xml = "<A><SecretAccessKeyX>no</SecretAccessKeyX><SecretAccessKey> yes </SecretAccessKey>";
        assert_eq!(tag(xml, "SecretAccessKey"), Some("yes"));
        assert_eq!(tag(xml, "A"), None);
        assert_eq!(tag("", "A"), None);
    }
}
