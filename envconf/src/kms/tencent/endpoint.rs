//! Where requests go: the key's region, or what the deployment sets; never anything from a file.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::{Error, Kind};

/// The cloud's metadata service, by name and by address: the one exception to https.
const METADATA: [&str; 2] = ["metadata.tencentyun.com", "169.254.0.23"];

/// Scheme and host of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    scheme: &'static str,
    /// As it stands in the `Host` header: lower case, with the port unless it is the scheme's own.
    host: String,
}

impl Endpoint {
    /// The service in this region, which the financial zones need and latency likes.
    pub(super) fn regional(region: &str) -> Self {
        Self { scheme: "https", host: format!("kms.{region}.tencentcloudapi.com") }
    }

    /// The service that gives out temporary credentials.
    pub(super) fn sts() -> Self {
        Self { scheme: "https", host: "sts.tencentcloudapi.com".to_owned() }
    }

    /// Where a machine of the cloud learns what it is.
    pub(super) fn metadata() -> Self {
        Self { scheme: "http", host: METADATA[0].to_owned() }
    }

    /// As [`Endpoint::parse`]; plain `http`, the only way to the cloud's metadata service, goes there too.
    ///
    /// # Errors
    /// [`Kind::Usage`], naming `setting`.
    pub(super) fn parse_metadata(text: &str, setting: &str) -> Result<Self, Error> {
        let host = text.trim().to_ascii_lowercase();
        let host = host.strip_prefix("http://").unwrap_or(&host);
        let host = host.strip_suffix('/').unwrap_or(host);
        match METADATA.iter().find(|known| **known == host) {
            Some(known) => Ok(Self { scheme: "http", host: (*known).to_owned() }),
            None => Self::parse(text, setting),
        }
    }

    /// A host or URL, as a setting gives it. `http` goes to loopback addresses only, written as numbers: a name
    /// could lead anywhere.
    ///
    /// # Errors
    /// [`Kind::Usage`], naming `setting`.
    pub(super) fn parse(text: &str, setting: &str) -> Result<Self, Error> {
        let wrong = |what: &str| {
            Error::new(Kind::Usage, format!("{setting} {what}"))
                .advise("give a host such as kms.internal.tencentcloudapi.com, or https://HOST[:PORT]")
        };
        let text = text.trim().to_ascii_lowercase();
        let (scheme, rest) = match text.split_once("://") {
            None => ("https", text.as_str()),
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            Some(_) => return Err(wrong("has a scheme other than https")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) =
            split_port(rest).ok_or_else(|| wrong("is neither a host nor a URL without path"))?;
        if scheme == "http" && !is_loopback(host) {
            return Err(wrong("uses http beyond 127.0.0.0/8 and [::1]"));
        }
        let default_port = if scheme == "https" { 443 } else { 80 };
        let host = match port.filter(|port| *port != default_port) {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self { scheme, host })
    }

    /// The value of the `Host` header, which is signed.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The URL of every request.
    pub(super) fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.host)
    }
}

/// Host and port; `None` for anything that is not just these.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let is_name = |host: &str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    };
    let fits = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => is_name(host),
    };
    match (fits, port.strip_prefix(':')) {
        (true, None) if port.is_empty() => Some((host, None)),
        (true, Some(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).map(|port| (host, Some(port)))
        }
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()) || host == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_or_url_gives_what_is_sent_and_signed() {
        for (text, url, host) in [
            (
                "kms.internal.tencentcloudapi.com",
                "https://kms.internal.tencentcloudapi.com/",
                "kms.internal.tencentcloudapi.com",
            ),
            ("https://KMS.example.com:443/", "https://kms.example.com/", "kms.example.com"),
            ("https://127.0.0.1:8443", "https://127.0.0.1:8443/", "127.0.0.1:8443"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.1:9000"),
            ("http://[::1]:80", "http://[::1]/", "[::1]"),
        ] {
            let endpoint = Endpoint::parse(text, "X").unwrap();
            assert_eq!((endpoint.url().as_str(), endpoint.host()), (url, host));
        }
    }

    #[test]
    fn only_the_metadata_service_is_spoken_to_in_plain_http() {
        for text in ["metadata.tencentyun.com", "http://169.254.0.23/", "HTTP://metadata.tencentyun.com"] {
            assert!(Endpoint::parse_metadata(text, "X").unwrap().url().starts_with("http://"), "{text}");
        }
        assert!(Endpoint::parse_metadata("http://127.0.0.1:1", "X").is_ok());
        assert!(Endpoint::parse_metadata("http://169.254.169.254", "X").is_err());
        assert!(Endpoint::parse("http://169.254.0.23", "X").is_err());
    }

    #[test]
    fn every_site_of_the_cloud_can_be_set() {
        for host in [
            "kms.tencentcloudapi.com",
            "kms.intl.tencentcloudapi.com",
            "kms.internal.tencentcloudapi.com",
            "kms.ap-shanghai-fsi.tencentcloudapi.com",
        ] {
            assert_eq!(Endpoint::parse(host, "X").unwrap().url(), format!("https://{host}/"));
        }
        let regional = Endpoint::regional("ap-shenzhen-fsi");
        assert_eq!(regional.host(), "kms.ap-shenzhen-fsi.tencentcloudapi.com");
    }

    #[test]
    fn http_goes_to_loopback_by_number_only() {
        for bad in [
            "http://localhost:80",
            "http://10.0.0.1",
            "http://kms.tencentcloudapi.com",
            "ftp://x",
            "https://a/b",
            "https://u@h",
            "",
            "https://",
            "h:0",
            "h:99999",
            "h:+1",
            "[::1",
            "http://127.0.0.1.evil.com",
            "http://127.0.0.1:1@evil",
        ] {
            let error = Endpoint::parse(bad, "SETTING").unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{bad}");
            assert!(error.to_string().contains("SETTING"));
        }
    }
}
