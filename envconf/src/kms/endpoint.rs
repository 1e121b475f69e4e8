//! The address of a service. It comes from the service's rules or from environment variables, never from a pair.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::{Error, Kind};

/// Scheme, host and an optional path, which precedes the path of each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    scheme: &'static str,
    /// The value of the `Host` header: lower case, with the port unless it is the scheme's default.
    host: String,
    /// Empty, or with a slash before each part.
    path: String,
}

/// The forms of a setting that are allowed in addition to `https://HOST[:PORT]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointRules {
    /// Hosts that allow plain `http`, in addition to the loopback addresses.
    pub(crate) plain_http: &'static [&'static str],
    /// True if the host may be followed by a path.
    pub(crate) allows_path: bool,
    /// The expected form, for the hint.
    pub(crate) advice: &'static str,
}

impl Endpoint {
    /// Returns the endpoint of this host with `https`.
    pub(crate) fn https(host: impl Into<String>) -> Self {
        Self { scheme: "https", host: host.into(), path: String::new() }
    }

    /// Returns the endpoint of this host with plain `http`: only for a loopback or link-local host.
    pub(crate) fn plain_http(host: impl Into<String>) -> Self {
        Self { scheme: "http", host: host.into(), path: String::new() }
    }

    /// Parses a host or URL of a setting. Plain `http` is allowed for the hosts that `rules` name and for loopback
    /// addresses. Loopback addresses must be numbers, because a name could resolve to any address.
    ///
    /// # Errors
    /// [`Kind::Usage`], naming `setting`.
    pub(crate) fn parse(text: &str, setting: &str, rules: &EndpointRules) -> Result<Self, Error> {
        let wrong = |what: &str| Error::new(Kind::Usage, format!("{setting} {what}")).advise(rules.advice);
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => "https",
            "http" => "http",
            _ => return Err(wrong("has a scheme other than https")),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, path) = (host.to_ascii_lowercase(), path.trim_end_matches('/'));
        let (host, port) = split_port(&host)
            .filter(|_| path.is_empty() || rules.allows_path && is_path(path))
            .ok_or_else(|| {
                wrong(match rules.allows_path {
                    true => "is not a host or a URL without a query",
                    false => "is not a host or a URL without a path",
                })
            })?;
        if scheme == "http" && !is_loopback(host) && !rules.plain_http.contains(&host) {
            return Err(wrong("uses http for a host outside 127.0.0.0/8 and [::1]"));
        }
        let default_port = if scheme == "https" { 443 } else { 80 };
        let host = match port.filter(|port| *port != default_port) {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self { scheme, host, path: path.to_owned() })
    }

    /// Returns the value of the `Host` header, which is signed.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the URL of every request, with a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}{}/", self.scheme, self.host, self.path)
    }
}

/// Returns true for path segments that need no escaping in a URL.
fn is_path(path: &str) -> bool {
    let fits = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    path.strip_prefix('/').is_some_and(|parts| parts.split('/').all(fits))
}

/// Splits host and port; `None` if the text contains anything else.
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

    const RULES: EndpointRules = EndpointRules { plain_http: &[], allows_path: false, advice: "correct it" };

    #[test]
    fn url_and_host_header_are_derived_from_a_setting() {
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
            let endpoint = Endpoint::parse(text, "X", &RULES).unwrap();
            assert_eq!((endpoint.url().as_str(), endpoint.host()), (url, host));
        }
    }

    #[test]
    fn plain_http_is_allowed_for_loopback_addresses_only() {
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
            let error = Endpoint::parse(bad, "SETTING", &RULES).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{bad}");
            assert!(error.to_string().contains("SETTING"));
        }
    }

    #[test]
    fn a_path_is_kept_if_the_rules_allow_one() {
        let rules = EndpointRules { allows_path: true, ..RULES };
        let url = |text: &str| Endpoint::parse(text, "X", &rules).map(|endpoint| endpoint.url());
        for (text, expected) in [
            ("https://H.example/Vault", "https://h.example/Vault/"),
            ("https://h.example/a/b//", "https://h.example/a/b/"),
            ("h.example/a", "https://h.example/a/"),
            ("HTTP://127.0.0.1:8200/", "http://127.0.0.1:8200/"),
        ] {
            assert_eq!(url(text).unwrap(), expected, "{text}");
        }
        for bad in [
            "https://h/a//b",
            "https://h/../b",
            "https://h/a?b",
            "https://h/a#b",
            "https://h/a%2e",
            "https://h/a b",
            "https://h/.",
            "unix:///x",
            "https:///a",
        ] {
            assert_eq!(url(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
        }
    }

    #[test]
    fn plain_http_is_allowed_for_hosts_that_the_rules_name() {
        let rules = EndpointRules { plain_http: &["169.254.170.2"], ..RULES };
        assert!(Endpoint::parse("http://169.254.170.2", "X", &rules).is_ok());
        assert!(Endpoint::parse("http://169.254.170.3", "X", &rules).is_err());
        assert!(Endpoint::parse("http://169.254.170.2", "X", &RULES).is_err());
    }
}
