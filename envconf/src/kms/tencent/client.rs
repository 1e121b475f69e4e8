//! Requests to the key service and to the service that issues credentials, and their replies.
//!
//! An API error comes with HTTP 200, and sometimes with an unusual content type that other libraries miss. So envconf
//! parses every body, with any status and type. Errors never contain the service's own text, because it may repeat the
//! request.

use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use zeroize::Zeroizing;

use super::credentials::Credential;
use super::endpoint;
use super::error_codes::{SIGNATURE_EXPIRED, fault_of};
use super::sign::{self, sign};
use crate::base::{KeyRef, SecretBytes, exact_text};
use crate::envelope::DataKey;
use crate::format::ContentType;
use crate::kms::endpoint::Endpoint;
use crate::kms::http::{self, Method, Reply, Request, Route};
#[cfg(feature = "tools")]
use crate::kms::json::boolean;
use crate::kms::json::{Argument, Parameter, decoded, field, integer, json_object, secret, string};
use crate::kms::{KmsError, WrappedKey, clock, is_uuid, last_reply};
use crate::syntax;
use crate::syntax::{Table, Value};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
/// Time limit of one try.
const PER_TRY: Duration = Duration::from_secs(3);

/// One action of a service.
pub(super) struct Call<'a> {
    /// The name of the service in the signature's scope: `kms` or `sts`.
    pub(super) service: &'static str,
    pub(super) version: &'static str,
    pub(super) action: &'static str,
    pub(super) region: &'a str,
    pub(super) endpoint: &'a Endpoint,
    pub(super) method: Method,
    pub(super) parameters: &'a [Parameter<'a>],
}

impl Call<'_> {
    /// Returns the limit of the reply in bytes. A page of keys is longer than any other reply, because a description
    /// may have a KiB.
    fn largest_reply(&self) -> usize {
        if self.action == "ListKeyDetail" { 1024 * 1024 } else { http::LARGEST_REPLY }
    }
}

/// Signs `call` with the current time, sends it once, and passes a successful reply to `read`. Without a credential,
/// the request is not signed, as `AssumeRoleWithWebIdentity` requires.
pub(super) async fn send<T>(
    call: &Call<'_>,
    credential: Option<&Credential>,
    route: &Route,
    read: impl FnOnce(&Response<'_>) -> Result<T, KmsError>,
) -> Result<T, KmsError> {
    let site = endpoint::site(call.endpoint.host());
    let timestamp = clock::now(site)?;
    let query = if call.method == Method::GET { query(call.parameters) } else { Zeroizing::default() };
    let body = if call.method == Method::GET { Zeroizing::default() } else { json_object(call.parameters) };
    let headers = headers(call, credential, &query, &body, timestamp)?;
    let url = match query.as_str() {
        "" => call.endpoint.url(),
        query => format!("{}?{query}", call.endpoint.url()),
    };
    let largest_reply = call.largest_reply();
    let request = Request { method: call.method.clone(), url, headers, body, limit: PER_TRY, largest_reply };
    let sent = Instant::now();
    let result = match http::send(request, route).await {
        Ok(reply) => {
            let (took, date, mut request_id) = (sent.elapsed(), reply.date.as_deref(), None);
            let result = Response::read(call.service, &reply, |response| {
                request_id = response.request_id.map(str::to_owned);
                read(response)
            });
            last_reply::record(call.action, request_id.as_deref(), date.and_then(clock::ahead), took);
            result.map_err(|error| match error.code.as_deref() {
                Some(SIGNATURE_EXPIRED) => clock::correct(error, site, timestamp, date),
                _ => error,
            })
        }
        Err(error) => Err(error),
    };
    result.map_err(|error| clock::mention_correction(error, site))
}

fn headers(
    call: &Call<'_>,
    credential: Option<&Credential>,
    query: &str,
    body: &[u8],
    timestamp: u64,
) -> Result<HeaderMap, KmsError> {
    let content_type = if call.method == Method::GET { FORM } else { JSON };
    let authorization = match credential {
        None => Zeroizing::new("SKIP".to_owned()),
        Some(credential) => {
            let request = sign::RequestToSign {
                method: call.method.as_str(),
                host: call.endpoint.host(),
                query,
                content_type,
                payload: body,
                service: call.service,
                timestamp,
            };
            sign(&request, &credential.secret_id, &credential.secret_key).authorization
        }
    };
    let mut headers = HeaderMap::with_capacity(9);
    headers.insert(AUTHORIZATION, http::sensitive(&authorization)?);
    headers.insert(CONTENT_TYPE, http::plain(content_type)?);
    headers.insert(http::name("x-tc-action"), http::plain(call.action)?);
    headers.insert(http::name("x-tc-version"), http::plain(call.version)?);
    headers.insert(http::name("x-tc-timestamp"), http::plain(&timestamp.to_string())?);
    headers.insert(http::name("x-tc-region"), http::plain(call.region)?);
    headers.insert(http::name("x-tc-language"), http::plain("en-US")?);
    headers.insert(
        http::name("x-tc-requestclient"),
        http::plain(concat!("envconf_", env!("CARGO_PKG_VERSION")))?,
    );
    if let Some(token) = credential.and_then(|credential| credential.token.as_ref()) {
        headers.insert(http::name("x-tc-token"), http::sensitive(token)?);
    }
    Ok(headers)
}

/// All characters except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns the parameters as a query. The signature covers the query as it is sent, so no library may change it.
fn query(parameters: &[Parameter<'_>]) -> Zeroizing<String> {
    exact_text(|out| {
        for (at, (name, value)) in parameters.iter().enumerate() {
            write!(out, "{}{name}=", if at > 0 { "&" } else { "" })?;
            match value {
                Argument::Number(number) => write!(out, "{number}")?,
                Argument::Json(text) | Argument::Text(text) => {
                    write!(out, "{}", utf8_percent_encode(text, RESERVED))?
                }
            }
        }
        Ok(())
    })
}

/// The object `Response` of a successful reply.
pub(super) struct Response<'a> {
    fields: &'a Table<'a>,
    pub(super) request_id: Option<&'a str>,
    pub(super) status: u16,
    pub(super) date: Option<&'a str>,
}

impl Response<'_> {
    fn read<T>(
        service: &str,
        reply: &Reply,
        read: impl FnOnce(&Response<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let invalid = |what| match reply.status {
            300..=399 => KmsError::other("the service sent a redirect, which envconf does not follow")
                .advise("check the endpoint")
                .status(reply.status),
            429 => KmsError::transient("a gateway refused the request: too many requests")
                .advise("try again; start the processes of a fleet one after another")
                .status(reply.status),
            400..=499 => KmsError::other("a gateway refused the request")
                .advise("check the endpoint, and proxies on the way")
                .status(reply.status),
            status => KmsError::transient(what).status(status),
        };
        let text = std::str::from_utf8(reply.body.expose()).map_err(|_| invalid("the reply is not JSON"))?;
        let root = syntax::parse(ContentType::Json, text)
            .map_err(|_| invalid("the reply is incomplete or not JSON"))?;
        let Value::Table(root) = &root.value else { return Err(invalid("the reply is not a JSON object")) };
        let Some(Value::Table(fields)) = field(root, "Response") else {
            return Err(invalid("the reply has no Response"));
        };
        let request_id = string(fields, "RequestId");
        if let Some(Value::Table(error)) = field(fields, "Error") {
            let error = fault_of(service, string(error, "Code").unwrap_or_default());
            return Err(error.request_id(request_id.unwrap_or_default()).status(reply.status));
        }
        if reply.status != 200 {
            return Err(invalid("the service returned an error status"));
        }
        read(&Response { fields, request_id, status: reply.status, date: reply.date.as_deref() })
    }

    /// Returns a field that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        string(self.fields, name)
    }

    /// Returns a field that is text, copied into a buffer that is wiped.
    pub(super) fn secret(&self, name: &str) -> Option<Zeroizing<String>> {
        self.text(name).map(secret)
    }

    /// Returns a text field of the object in the field `within`, copied into a buffer that is wiped.
    pub(super) fn secret_within(&self, within: &str, name: &str) -> Option<Zeroizing<String>> {
        self.table(within).and_then(|table| string(table, name)).map(secret)
    }

    /// Returns a field that is an object.
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

    /// Returns a field that is a whole number.
    pub(super) fn integer(&self, name: &str) -> Option<i128> {
        integer(self.fields, name)
    }

    /// Returns the error for a reply with unexpected content.
    pub(super) fn wrong(&self, message: &'static str) -> KmsError {
        KmsError::other(message).request_id(self.request_id.unwrap_or_default()).status(self.status)
    }
}

/// The relevant fields of a reply about a key.
pub(super) struct Answer {
    key_id: Option<String>,
    source_key_id: Option<String>,
    blob: Option<String>,
    plaintext: Option<Zeroizing<String>>,
    request_id: Option<String>,
    status: u16,
}

impl Answer {
    /// Reads the fields. Never fails: the return type is the one that callers of replies expect.
    pub(super) fn read(response: &Response<'_>) -> Result<Self, KmsError> {
        let owned = |name| response.text(name).map(str::to_owned);
        Ok(Self {
            key_id: owned("KeyId"),
            source_key_id: owned("SourceKeyId"),
            blob: owned("CiphertextBlob"),
            plaintext: response.secret("Plaintext"),
            request_id: response.request_id.map(str::to_owned),
            status: response.status,
        })
    }

    /// Checks that the service used the expected key.
    pub(super) fn check_key(&self, key: &KeyRef) -> Result<(), KmsError> {
        if self.key_id.as_deref() == Some(key.key_id()) {
            return Ok(());
        }
        Err(self
            .wrong("the service used another key than the trusted one")
            .advise("restore the .key from git, and find out who changed it"))
    }

    /// Checks that the service re-wrapped a blob of the expected key.
    pub(super) fn check_source(&self, key: &KeyRef) -> Result<(), KmsError> {
        if self.source_key_id.as_deref() == Some(key.key_id()) {
            return Ok(());
        }
        Err(self.wrong("the service unwrapped with another key than the trusted one"))
    }

    /// Returns the id of the key that the service used. Checks its form, because reports show it.
    pub(super) fn key_id(&self) -> Result<&str, KmsError> {
        let key_id = self.key_id.as_deref().filter(|id| is_uuid(id));
        key_id.ok_or_else(|| self.wrong("the service does not say which key it used"))
    }

    /// Decodes the data key.
    pub(super) fn data_key(&self) -> Result<DataKey, KmsError> {
        self.plaintext().map(DataKey::from_secret)
    }

    /// Decodes `Plaintext` from strict base64.
    pub(super) fn plaintext(&self) -> Result<SecretBytes, KmsError> {
        let bytes = self.plaintext.as_ref().and_then(|text| decoded(text));
        bytes.ok_or_else(|| self.wrong("the service returned no data key in strict base64"))
    }

    /// Returns `CiphertextBlob`, verbatim.
    pub(super) fn wrapped_key(&self) -> Result<WrappedKey, KmsError> {
        let blob = self.blob.clone().and_then(WrappedKey::new);
        blob.ok_or_else(|| self.wrong("the service returned no valid wrapped key"))
    }

    fn wrong(&self, message: &'static str) -> KmsError {
        KmsError::other(message)
            .request_id(self.request_id.as_deref().unwrap_or_default())
            .status(self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fault;

    fn read(status: u16, body: &str) -> Result<Answer, KmsError> {
        let reply = Reply::of(status, body.as_bytes());
        Response::read("kms", &reply, Answer::read)
    }

    const ID: &str = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";

    #[test]
    fn an_error_is_found_with_any_status() {
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
    fn an_invalid_reply_is_transient_unless_a_gateway_refused() {
        for (status, body, fault) in [
            (200, "", Fault::Transient),
            (200, "{\"Response\":{\"KeyId\":", Fault::Transient),
            (200, "[]", Fault::Transient),
            (200, "{}", Fault::Transient),
            (502, "<html>", Fault::Transient),
            (503, "{\"Response\":{}}", Fault::Transient),
            (429, "", Fault::Transient),
            (307, "", Fault::Other),
            (403, "<html>", Fault::Other),
        ] {
            assert_eq!(read(status, body).err().unwrap().fault, fault, "{status} {body}");
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
    fn a_query_escapes_all_reserved_characters() {
        let parameters = [
            ("A", Argument::Text("a-_.~Z9")),
            ("B", Argument::Text("x y+/=\"{*")),
            ("C", Argument::Number(200)),
        ];
        assert_eq!(*query(&parameters), "A=a-_.~Z9&B=x%20y%2B%2F%3D%22%7B%2A&C=200");
    }
}
