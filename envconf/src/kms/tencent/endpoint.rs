//! The endpoints of Tencent Cloud. They come from the key's region or from environment variables, never from a pair.

use crate::base::Error;
use crate::kms::endpoint::{Endpoint, EndpointRules};

/// The cloud's metadata service, by name and by address. It is the only exception from https.
const METADATA: [&str; 2] = ["metadata.tencentyun.com", "169.254.0.23"];

const RULES: EndpointRules = EndpointRules {
    plain_http: &[],
    allows_path: false,
    advice: "set it to a host such as kms.internal.tencentcloudapi.com, or to https://HOST[:PORT]",
};

/// Returns the endpoint of the key service in this region. The financial zones need it, and it has the lowest latency.
pub(super) fn regional(region: &str) -> Endpoint {
    Endpoint::https(format!("kms.{region}.tencentcloudapi.com"))
}

/// Returns the endpoint of the service that issues temporary credentials.
pub(super) fn sts() -> Endpoint {
    Endpoint::https("sts.tencentcloudapi.com")
}

/// Returns the endpoint of the cloud's metadata service.
pub(super) fn metadata() -> Endpoint {
    Endpoint::plain_http(METADATA[0])
}

/// Like [`parse`], but allows plain `http` for the cloud's metadata service, which has no https.
///
/// # Errors
/// [`Kind::Usage`](crate::Kind::Usage), naming `setting`.
pub(super) fn parse_metadata(text: &str, setting: &str) -> Result<Endpoint, Error> {
    let host = text.trim().to_ascii_lowercase();
    let host = host.strip_prefix("http://").unwrap_or(&host);
    let host = host.strip_suffix('/').unwrap_or(host);
    match METADATA.iter().find(|known| **known == host) {
        Some(known) => Ok(Endpoint::plain_http(*known)),
        None => parse(text, setting),
    }
}

/// Parses a host or URL of a setting.
///
/// # Errors
/// [`Kind::Usage`](crate::Kind::Usage), naming `setting`.
pub(super) fn parse(text: &str, setting: &str) -> Result<Endpoint, Error> {
    Endpoint::parse(text, setting, &RULES)
}

/// Returns the site of a host. All hosts of a site share a clock, and all hosts of the cloud are one site.
pub(super) fn site(host: &str) -> &str {
    const CLOUD: &str = "tencentcloudapi.com";
    let is_of_cloud = host.strip_suffix(CLOUD).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if is_of_cloud { CLOUD } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_allowed_for_the_metadata_service_only() {
        for text in ["metadata.tencentyun.com", "http://169.254.0.23/", "HTTP://metadata.tencentyun.com"] {
            assert!(parse_metadata(text, "X").unwrap().url().starts_with("http://"), "{text}");
        }
        assert!(parse_metadata("http://127.0.0.1:1", "X").is_ok());
        assert!(parse_metadata("http://169.254.169.254", "X").is_err());
        assert!(parse("http://169.254.0.23", "X").is_err());
    }

    #[test]
    fn every_host_of_the_cloud_can_be_set() {
        for host in [
            "kms.tencentcloudapi.com",
            "kms.intl.tencentcloudapi.com",
            "kms.internal.tencentcloudapi.com",
            "kms.ap-shanghai-fsi.tencentcloudapi.com",
        ] {
            assert_eq!(parse(host, "X").unwrap().url(), format!("https://{host}/"));
        }
        let regional = regional("ap-shenzhen-fsi");
        assert_eq!(regional.host(), "kms.ap-shenzhen-fsi.tencentcloudapi.com");
    }

    #[test]
    fn all_hosts_of_tencent_cloud_share_a_clock() {
        assert_eq!(site("sts.tencentcloudapi.com"), site("kms.ap-guangzhou.tencentcloudapi.com"));
        assert_eq!(site("tencentcloudapi.com"), site("kms.intl.tencentcloudapi.com"));
        assert_ne!(site("127.0.0.1:1"), site("127.0.0.1:2"));
        // The owner of a similar name must not be able to change the time for Tencent Cloud.
        assert_eq!(site("kms.nottencentcloudapi.com"), "kms.nottencentcloudapi.com");
    }
}
