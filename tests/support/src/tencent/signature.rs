//! The verification of TC3-HMAC-SHA256. It uses values only: no clock and no table of keys.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Request;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// A parsed `Authorization` header that is not yet verified.
#[derive(Debug, PartialEq)]
pub(super) struct Authorization<'a> {
    pub(super) secret_id: &'a str,
    pub(super) date: &'a str,
    pub(super) service: &'a str,
    pub(super) signed_headers: Vec<&'a str>,
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Parses `TC3-HMAC-SHA256 Credential=ID/DATE/SERVICE/tc3_request, SignedHeaders=A;B, Signature=HEX`.
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let mut fields = fields.split(", ");
        let credential = fields.next()?.strip_prefix("Credential=")?;
        let signed_headers = fields.next()?.strip_prefix("SignedHeaders=")?;
        let signature = fields.next()?.strip_prefix("Signature=")?;
        if fields.next().is_some() {
            return None;
        }
        let (credential, "tc3_request") = credential.rsplit_once('/')? else { return None };
        let (credential, service) = credential.rsplit_once('/')?;
        let (secret_id, date) = credential.rsplit_once('/')?;
        Some(Self {
            secret_id,
            date,
            service,
            signed_headers: signed_headers.split(';').collect(),
            signature,
        })
    }

    /// Returns true if the service accepts the list of signed headers: lower case, in order, without duplicates, and
    /// with `content-type` and `host`.
    pub(super) fn signs_enough(&self) -> bool {
        let names = &self.signed_headers;
        names.is_sorted_by(|a, b| a < b)
            && names.iter().all(|name| !name.bytes().any(|byte| byte.is_ascii_uppercase()))
            && names.contains(&"content-type")
            && names.contains(&"host")
    }
}

/// Returns the six lines of the canonical request, or `None` if a signed header is absent or ambiguous.
pub(super) fn canonical_request(request: &Request, signed_headers: &[&str]) -> Option<String> {
    let get = request.method == "GET";
    // The query is unchanged: the service neither sorts nor encodes it again.
    let query = if get { request.query.as_str() } else { "" };
    let mut headers = String::new();
    for name in signed_headers {
        let mut values = request.headers.iter().filter(|(sent, _)| sent.eq_ignore_ascii_case(name));
        let (Some((_, value)), None) = (values.next(), values.next()) else { return None };
        // The documentation requires lower case. The SDKs sign unchanged values, but all of their values are lower
        // case.
        headers.push_str(&format!("{name}:{}\n", value.trim().to_lowercase()));
    }
    let payload = match request.header("x-tc-content-sha256") {
        // This is the hash of that text. AWS uses the text itself instead of the hash.
        Some(UNSIGNED_PAYLOAD) => UNSIGNED_PAYLOAD.as_bytes(),
        _ if get => b"",
        _ => &request.body,
    };
    let names = signed_headers.join(";");
    Some(format!("{}\n/\n{query}\n{headers}\n{names}\n{}", request.method, sha256(payload)))
}

/// Returns the four signed lines.
pub(super) fn string_to_sign(timestamp: i64, date: &str, service: &str, canonical_request: &str) -> String {
    let request = sha256(canonical_request.as_bytes());
    format!("{ALGORITHM}\n{timestamp}\n{date}/{service}/tc3_request\n{request}")
}

/// Returns the signature in lower-case hex:
///
/// ```text
/// date key    = HMAC("TC3" + secret key, date)
/// service key = HMAC(date key, service)
/// signing key = HMAC(service key, "tc3_request")
/// signature   = HMAC(signing key, string to sign)
/// ```
pub(super) fn sign(secret_key: &str, date: &str, service: &str, string_to_sign: &str) -> String {
    let secret = format!("TC3{secret_key}");
    let signature = [date, service, "tc3_request", string_to_sign]
        .into_iter()
        .fold(secret.into_bytes(), |key, text| hmac_sha256(&key, text.as_bytes()));
    hex(&signature)
}

/// Returns the UTC date of a Unix time, `YYYY-MM-DD`.
pub(super) fn utc_date(timestamp: i64) -> String {
    // Years begin on 1 March here, from the year 0, so that the leap day is the last day of its year.
    let days = timestamp.div_euclid(86_400) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde_json::Value;

    use super::*;

    fn vectors() -> Vec<Value> {
        let file: Value = serde_json::from_str(include_str!("../../../vectors/tc3.json")).unwrap();
        file["cases"].as_array().unwrap().clone()
    }

    fn text<'a>(case: &'a Value, field: &str) -> &'a str {
        case[field].as_str().unwrap()
    }

    fn request(case: &Value) -> Request {
        let mut headers: Vec<_> = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()))
            .collect();
        headers.push(("authorization".into(), text(case, "authorization").into()));
        let body = STANDARD.decode(text(case, "payload_base64")).unwrap();
        Request::new(text(case, "method"), text(case, "path"), text(case, "query"), headers, body)
    }

    #[test]
    fn agrees_with_the_official_sdk_on_every_intermediate_string() {
        let cases = vectors();
        assert!(cases.len() >= 13);
        for case in &cases {
            let name = text(case, "name");
            let request = request(case);
            let timestamp = case["timestamp"].as_i64().unwrap();

            let authorization = Authorization::parse(request.header("authorization").unwrap()).unwrap();
            assert_eq!(authorization.secret_id, text(case, "secret_id"), "{name}");
            assert_eq!(authorization.service, text(case, "service"), "{name}");
            assert_eq!(authorization.date, utc_date(timestamp), "{name}");
            assert!(authorization.signs_enough(), "{name}");

            let canonical = canonical_request(&request, &authorization.signed_headers).unwrap();
            assert_eq!(canonical, text(case, "canonical_request"), "{name}");
            let signed = string_to_sign(timestamp, authorization.date, authorization.service, &canonical);
            assert_eq!(signed, text(case, "string_to_sign"), "{name}");
            let signature =
                sign(text(case, "secret_key"), authorization.date, authorization.service, &signed);
            assert_eq!(signature, text(case, "signature"), "{name}");
            assert_eq!(signature, authorization.signature, "{name}");
        }
    }

    #[test]
    fn knows_dates_around_leap_days_and_midnight() {
        for (timestamp, date) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_835_438_400, "2028-02-29"),
            (1_773_563_400, "2026-03-15"),
            (4_107_542_399, "2100-02-28"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(utc_date(timestamp), date);
        }
    }

    #[test]
    fn rejects_an_invalid_authorization() {
        let good = "TC3-HMAC-SHA256 Credential=id/2026-03-15/kms/tc3_request, SignedHeaders=content-type;host, \
                    Signature=00";
        assert!(Authorization::parse(good).is_some());
        for (from, to) in [
            ("TC3-HMAC-SHA256", "TC3-HMAC-SHA1"),
            ("tc3_request", "aws4_request"),
            ("id/2026-03-15/", "id/"),
            (", SignedHeaders", ",SignedHeaders"),
            ("Signature=", "Sig="),
            ("Signature=00", "Signature=00, More=1"),
        ] {
            assert_eq!(Authorization::parse(&good.replace(from, to)), None, "{to}");
        }
    }

    #[test]
    fn requires_sorted_lower_case_names_with_host_and_content_type() {
        let enough = |names: &str| {
            let header =
                format!("TC3-HMAC-SHA256 Credential=i/d/kms/tc3_request, SignedHeaders={names}, Signature=0");
            Authorization::parse(&header).unwrap().signs_enough()
        };
        assert!(enough("content-type;host"));
        assert!(enough("content-type;host;x-tc-action"));
        for names in
            ["host", "content-type", "host;content-type", "content-type;host;host", "Content-Type;host"]
        {
            assert!(!enough(names), "{names}");
        }
    }
}
