//! Requests and replies. envconf searches the server's own text for known phrases, but never keeps it, because it may
//! repeat the request.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use zeroize::Zeroizing;

use super::credentials::{Proof, VaultCredential};
use super::errors::{login_refusal, redirect};
use super::settings::Connection;
use crate::format::ContentType;
use crate::kms::http::{self, Method, Reply, Request};
use crate::kms::json::{Parameter, field, json_object, string};
use crate::kms::{KmsError, last_reply};
use crate::syntax;
use crate::syntax::{Table, Value};

/// Time limit of one try.
const PER_TRY: Duration = Duration::from_secs(3);
/// Limit of a reply to a GET in bytes. A list of all key names is longer than any other reply.
const LARGEST_REPLY: usize = 1024 * 1024;

/// The function that converts the status and the server's texts of a refusal to an error.
pub(super) type Refusal<'a> = &'a (dyn Fn(u16, &[&str]) -> KmsError + Sync);

/// One request.
pub(super) struct VaultCall<'a> {
    /// The path below `v1/`, which needs no escaping in a URL.
    pub(super) path: &'a str,
    /// The parameters of a POST; `None` for a GET.
    pub(super) parameters: Option<&'a [Parameter<'a>]>,
    /// The namespace of a login. The path of a key contains its namespace.
    pub(super) namespace: Option<&'a str>,
    /// The name of the request in reports.
    pub(super) action: &'static str,
    pub(super) refusal: Refusal<'a>,
}

/// Sends `call` once, and passes a successful reply to `read`.
pub(super) async fn send<T>(
    call: &VaultCall<'_>,
    credential: Option<&VaultCredential>,
    connection: &Connection,
    read: impl FnOnce(&VaultResponse<'_>) -> Result<T, KmsError>,
) -> Result<T, KmsError> {
    let request = Request {
        method: if call.parameters.is_some() { Method::POST } else { Method::GET },
        url: format!("{}v1/{}", connection.endpoint.url(), call.path),
        headers: headers(call, credential)?,
        body: call.parameters.map(json_object).unwrap_or_default(),
        limit: PER_TRY,
        largest_reply: if call.parameters.is_some() { http::LARGEST_REPLY } else { LARGEST_REPLY },
    };
    let sent = Instant::now();
    let reply = http::send(request, &connection.route).await?;
    let mut request_id = None;
    let result = VaultResponse::read(call, credential, &reply, |response| {
        request_id = response.request_id.map(str::to_owned);
        read(response)
    });
    // Requests are not signed with the time, so the server's clock does not matter.
    last_reply::record(call.action, request_id.as_deref(), None, sent.elapsed());
    result
}

fn headers(call: &VaultCall<'_>, credential: Option<&VaultCredential>) -> Result<HeaderMap, KmsError> {
    let mut headers = HeaderMap::with_capacity(8);
    if call.parameters.is_some() {
        headers.insert(CONTENT_TYPE, http::plain("application/json")?);
    }
    // An agent may require this header, because a form in a browser cannot send it.
    headers.insert(http::name("x-vault-request"), http::plain("true")?);
    if let Some(namespace) = call.namespace {
        headers.insert(http::name("x-vault-namespace"), http::plain(namespace)?);
    }
    match credential.map(|credential| &credential.proof) {
        None | Some(Proof::Agent) => {}
        Some(Proof::Token(token)) => {
            headers.insert(http::name("x-vault-token"), http::sensitive(token)?);
        }
        Some(Proof::Inline(login)) => {
            headers.insert(http::name("x-vault-inline-auth-path"), http::plain(&login.path)?);
            if let Some(namespace) = &login.namespace {
                headers.insert(http::name("x-vault-inline-auth-namespace"), http::plain(namespace)?);
            }
            for (number, parameter) in login.parameters.iter().enumerate() {
                let name = format!("x-vault-inline-auth-parameter-{}", number + 1);
                let name = HeaderName::try_from(name).map_err(|_| KmsError::other("invalid header name"))?;
                headers.insert(name, http::sensitive(parameter)?);
            }
        }
    }
    Ok(headers)
}

/// A reply that is not a refusal.
pub(super) struct VaultResponse<'a> {
    root: Table<'a>,
    request_id: Option<&'a str>,
    status: u16,
    /// The `Date` header.
    #[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only the creation of a key reads it"))]
    pub(super) date: Option<&'a str>,
}

impl VaultResponse<'_> {
    fn read<T>(
        call: &VaultCall<'_>,
        credential: Option<&VaultCredential>,
        reply: &Reply,
        read: impl FnOnce(&VaultResponse<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let status = reply.status;
        if (300..=399).contains(&status) {
            return Err(redirect(status));
        }
        let garbled = || match status {
            200..=299 => KmsError::transient("the reply is incomplete or not JSON").status(status),
            400..=411 | 413..=428 | 430..=471 | 474..=499 => KmsError::other("a gateway refused the request")
                .advise("check VAULT_ADDR, and proxies on the way")
                .status(status),
            _ => (call.refusal)(status, &[]),
        };
        // A successful reply without content has an empty body.
        if reply.body.expose().is_empty() && (status == 204 || status == 404) {
            return match status {
                204 => read(&VaultResponse {
                    root: Table::new(Vec::new()).map_err(|_| garbled())?,
                    request_id: None,
                    status,
                    date: date(reply),
                }),
                _ => Err((call.refusal)(status, &[])),
            };
        }
        let text = std::str::from_utf8(reply.body.expose()).map_err(|_| garbled())?;
        let root = syntax::parse(ContentType::Json, text).map_err(|_| garbled())?;
        let Value::Table(root) = root.value else { return Err(garbled()) };
        if !(200..=299).contains(&status) {
            let texts = match field(&root, "errors") {
                Some(Value::Array(texts)) => texts.as_slice(),
                _ if status == 404 => &[],
                _ => return Err(garbled()),
            };
            let texts: Vec<&str> = texts
                .iter()
                .filter_map(|text| match &text.value {
                    Value::String(text) => Some(text.as_ref()),
                    _ => None,
                })
                .collect();
            let failed = reply.header("x-vault-inline-auth-failed").is_some();
            return Err(match credential.map(|credential| &credential.proof) {
                Some(Proof::Inline(login)) if failed => login_refusal(status, &texts, login.advice),
                _ => (call.refusal)(status, &texts),
            });
        }
        let request_id = string(&root, "request_id").map(str::to_owned);
        read(&VaultResponse { root, request_id: request_id.as_deref(), status, date: date(reply) })
    }

    /// Returns a field that is an object.
    pub(super) fn table(&self, name: &str) -> Option<&Table<'_>> {
        match field(&self.root, name) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// Returns a field of `data` that is text, copied into a buffer that is wiped.
    pub(super) fn secret(&self, name: &str) -> Option<Zeroizing<String>> {
        self.text(name).map(crate::kms::json::secret)
    }

    /// Returns a field of `data` that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.table("data").and_then(|data| string(data, name))
    }

    /// Returns the error for a reply with unexpected content.
    pub(super) fn wrong(&self, message: &'static str) -> KmsError {
        KmsError::other(message).request_id(self.request_id.unwrap_or_default()).status(self.status)
    }
}

fn date(reply: &Reply) -> Option<&str> {
    reply.date.as_deref()
}

#[cfg(test)]
mod tests {
    use super::super::errors::refusal;
    use super::*;
    use crate::base::Fault;

    fn read(status: u16, body: &str) -> Result<String, KmsError> {
        let reply = Reply::of(status, body.as_bytes());
        let call = VaultCall { path: "x", parameters: None, namespace: None, action: "x", refusal: &refusal };
        VaultResponse::read(&call, None, &reply, |response| {
            Ok(response.text("plaintext").unwrap_or_default().to_owned())
        })
    }

    #[test]
    fn a_reply_is_read_by_its_status_and_form() {
        assert_eq!(read(200, r#"{"request_id":"x","data":{"plaintext":"AAAA"}}"#).unwrap(), "AAAA");
        assert_eq!(read(200, r#"{"data":{"plaintext":1}}"#).unwrap(), "");
        assert_eq!(read(200, r#"{"data":null}"#).unwrap(), "");
        assert_eq!(read(204, "").unwrap(), "");
        for (status, body, fault) in [
            (200, "", Fault::Transient),
            (200, "{\"data\":{", Fault::Transient),
            (200, "[]", Fault::Transient),
            (200, "<html>", Fault::Transient),
            (307, "", Fault::Other),
            (400, r#"{"errors":["encryption key not found"]}"#, Fault::Refused),
            (400, r#"{"errors":[1]}"#, Fault::Other),
            (400, r#"{"errors":null}"#, Fault::Other),
            (400, "<html>", Fault::Other),
            (403, r#"{"errors":["permission denied"]}"#, Fault::Refused),
            (403, "<html>forbidden</html>", Fault::Other),
            (404, r#"{"errors":[]}"#, Fault::Refused),
            (404, "", Fault::Refused),
            (412, "", Fault::Transient),
            (429, "", Fault::Transient),
            (473, "", Fault::Transient),
            (500, "", Fault::Transient),
            (503, r#"{"errors":["Vault is sealed"]}"#, Fault::Transient),
        ] {
            let error = read(status, body).unwrap_err();
            assert_eq!(error.fault, fault, "{status} {body}: {}", error.message);
            assert_eq!(error.status, Some(status));
        }
    }

    #[test]
    fn errors_do_not_contain_the_servers_text() {
        for status in [200, 400, 401, 403, 404, 405, 412, 418, 429, 500, 503] {
            for body in [
                r#"{"errors":["canary", "encryption key not found canary"]}"#,
                r#"{"data":{"plaintext":1},"warnings":["canary"],"request_id":"canary"}"#,
                "canary",
            ] {
                if let Err(error) = read(status, body) {
                    assert!(!format!("{error:?}").contains("canary"), "{status} {body}");
                }
            }
        }
    }
}
