//! AWS Signature Version 4 in headers, computed from request, credential and time. Pure.
//!
//! The specification is "Create a signed AWS API request" in the IAM User Guide. The steps are:
//!
//! ```text
//! canonical request = METHOD \n / \n QUERY \n name:value\n … \n SIGNED-HEADERS \n hex(SHA-256(payload))
//! string to sign    = AWS4-HMAC-SHA256 \n TIME \n DATE/REGION/SERVICE/aws4_request \n hex(SHA-256(canonical request))
//! signing key       = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, DATE), REGION), SERVICE), "aws4_request")
//! signature         = hex(HMAC(signing key, string to sign))
//! ```

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::base::exact_text;
use crate::envelope::hmac;
use crate::format::civil_date;

/// All characters except the unreserved ones of RFC 3986.
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Like [`RESERVED`], without the percent sign, because a query is already encoded.
const RESERVED_IN_QUERY: &AsciiSet = &RESERVED.remove(b'%');

/// The signed parts of a request to the path `/`.
pub(crate) struct Sigv4Request<'a> {
    /// `POST` or `GET`.
    pub(crate) method: &'a str,
    /// The query in the form that is sent, without `?`.
    pub(crate) query: &'a str,
    /// The headers to sign, in any order and case. They include `host` and `x-amz-date`.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub(crate) payload: &'a [u8],
    pub(crate) region: &'a str,
    /// `kms` or `sts`.
    pub(crate) service: &'a str,
    /// The time in Unix seconds; `x-amz-date` has the same time.
    pub(crate) timestamp: u64,
}

/// The signature and its intermediate strings, which the tests compare one by one.
#[cfg_attr(not(feature = "__vectors"), allow(dead_code, reason = "only the header is sent"))]
pub(crate) struct Sigv4Signature {
    /// Wiped, because it contains the session token.
    pub(crate) canonical_request: Zeroizing<String>,
    pub(crate) string_to_sign: String,
    pub(crate) signature: String,
    /// The value of the `Authorization` header.
    pub(crate) authorization: Zeroizing<String>,
}

/// Signs `request` with this access key id and secret.
pub(crate) fn sign(request: &Sigv4Request<'_>, access_key_id: &str, secret: &str) -> Sigv4Signature {
    let Sigv4Request { method, region, service, timestamp, .. } = request;
    let headers = canonical_headers(request.headers);
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let signed_headers = names.join(";");
    let query = canonical_query(request.query);
    let payload_hash = hex(&Sha256::digest(request.payload));
    let canonical_request = exact_text(|out| {
        write!(out, "{method}\n/\n{query}\n")?;
        headers.iter().try_for_each(|(name, value)| writeln!(out, "{name}:{}", value.as_str()))?;
        write!(out, "\n{signed_headers}\n{payload_hash}")
    });
    let time = amz_date(*timestamp);
    let date = &time[..8];
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let request_hash = hex(&Sha256::digest(canonical_request.as_bytes()));
    let string_to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request_hash}");
    let mut key = signing_key(secret, date, region, service);
    let signature = hex(&hmac(&key, &[string_to_sign.as_bytes()]));
    key.zeroize();
    let authorization = exact_text(|out| {
        write!(
            out,
            "AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={signed_headers}, Signature={signature}"
        )
    });
    Sigv4Signature { canonical_request, string_to_sign, signature, authorization }
}

/// Returns the time in the form of `x-amz-date`, such as `20150830T123600Z`.
pub(crate) fn amz_date(timestamp: u64) -> String {
    let (year, month, day) = civil_date(timestamp / 86_400);
    let clock = timestamp % 86_400;
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Returns the names in lower case and sorted, each with its values. Values keep their order, and runs of white space
/// in them become one blank.
fn canonical_headers(headers: &[(&str, &str)]) -> Vec<(String, Zeroizing<String>)> {
    let mut names: Vec<String> = headers.iter().map(|(name, _)| name.trim().to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    let with_values = |name: String| {
        let own = || headers.iter().filter(|(other, _)| other.trim().eq_ignore_ascii_case(&name));
        let values = exact_text(|out| {
            for (at, (_, value)) in own().enumerate() {
                out.write_str(if at > 0 { "," } else { "" })?;
                for (at, word) in value.split_ascii_whitespace().enumerate() {
                    write!(out, "{}{word}", if at > 0 { " " } else { "" })?;
                }
            }
            Ok(())
        });
        (name, values)
    };
    names.into_iter().map(with_values).collect()
}

/// Encodes names and values, and sorts the parameters by their encoded form.
fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED_IN_QUERY).to_string();
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut parameters: Vec<(String, String)> = parameters
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    parameters.sort();
    let parameters: Vec<String> =
        parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let mut start = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
    start.extend_from_slice(b"AWS4");
    start.extend_from_slice(secret.as_bytes());
    let of_date = Zeroizing::new(hmac(&start, &[date.as_bytes()]));
    let of_region = Zeroizing::new(hmac(&*of_date, &[region.as_bytes()]));
    let of_service = Zeroizing::new(hmac(&*of_region, &[service.as_bytes()]));
    hmac(&*of_service, &[b"aws4_request"])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
