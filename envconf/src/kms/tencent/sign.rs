//! The signature TC3-HMAC-SHA256, computed from request, credential and time. Pure.
//!
//! The specification is "Signature v3" of Tencent Cloud (cloud.tencent.com/document/product/267/37447). The steps are:
//!
//! ```text
//! canonical request = METHOD \n / \n QUERY \n content-type:…\n host:…\n \n content-type;host \n hex(SHA-256(payload))
//! string to sign    = TC3-HMAC-SHA256 \n TIMESTAMP \n DATE/SERVICE/tc3_request \n hex(SHA-256(canonical request))
//! signing key       = HMAC(HMAC(HMAC("TC3" + secret key, DATE), SERVICE), "tc3_request")
//! signature         = hex(HMAC(signing key, string to sign))
//! ```

use sha2::{Digest, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::envelope::hmac;
use crate::format::civil_date;

/// The signed parts of a request.
pub(crate) struct RequestToSign<'a> {
    /// `POST` or `GET`.
    pub(crate) method: &'a str,
    /// The `Host` header that is sent: in lower case, with the port unless it is the default.
    pub(crate) host: &'a str,
    /// The query that is sent, without `?`, and without sorting or encoding it again.
    pub(crate) query: &'a str,
    /// The `Content-Type` header that is sent.
    pub(crate) content_type: &'a str,
    /// The body, or the text that replaces an unsigned body.
    pub(crate) payload: &'a [u8],
    /// `kms` or `sts`.
    pub(crate) service: &'a str,
    /// The time in Unix seconds. The scope contains the UTC date of this time.
    pub(crate) timestamp: u64,
}

/// The signature and its intermediate strings, which the tests compare one by one.
#[cfg_attr(not(feature = "__vectors"), allow(dead_code, reason = "only the header is sent"))]
pub(crate) struct SignedRequest {
    pub(crate) canonical_request: String,
    pub(crate) string_to_sign: String,
    pub(crate) signature: String,
    /// The value of the `Authorization` header.
    pub(crate) authorization: Zeroizing<String>,
}

const SIGNED_HEADERS: &str = "content-type;host";

/// Signs `request` with this secret id and key.
pub(crate) fn sign(request: &RequestToSign<'_>, secret_id: &str, secret_key: &str) -> SignedRequest {
    let RequestToSign { method, host, query, content_type, payload, service, timestamp } = request;
    let payload_hash = hex(&Sha256::digest(payload));
    let canonical_request = format!(
        "{method}\n/\n{query}\ncontent-type:{content_type}\nhost:{host}\n\n{SIGNED_HEADERS}\n{payload_hash}"
    );
    let (year, month, day) = civil_date(timestamp / 86_400);
    let date = format!("{year:04}-{month:02}-{day:02}");
    let scope = format!("{date}/{service}/tc3_request");
    let request_hash = hex(&Sha256::digest(&canonical_request));
    let string_to_sign = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{request_hash}");
    let mut key = signing_key(secret_key, &date, service);
    let signature = hex(&hmac(&key, &[string_to_sign.as_bytes()]));
    key.zeroize();
    let authorization = Zeroizing::new(format!(
        "TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
    ));
    SignedRequest { canonical_request, string_to_sign, signature, authorization }
}

fn signing_key(secret_key: &str, date: &str, service: &str) -> [u8; 32] {
    let mut start = Zeroizing::new(Vec::with_capacity(3 + secret_key.len()));
    start.extend_from_slice(b"TC3");
    start.extend_from_slice(secret_key.as_bytes());
    let of_date = Zeroizing::new(hmac(&start, &[date.as_bytes()]));
    let of_service = Zeroizing::new(hmac(&*of_date, &[service.as_bytes()]));
    hmac(&*of_service, &[b"tc3_request"])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
