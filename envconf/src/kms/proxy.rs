//! The choice of a proxy by `HTTPS_PROXY` and `NO_PROXY`, which have the same meaning as in curl. Pure.
//!
//! * The proxy is in `https_proxy`, else `HTTPS_PROXY`, else `all_proxy`, else `ALL_PROXY`. An empty variable counts as
//!   not set. A value without a scheme is an `http` proxy. User and password may precede the host.
//! * The exceptions are in `no_proxy`, else `NO_PROXY`, separated by commas or blanks. `*` covers every host. A name,
//!   with or without a leading dot, covers itself and every name below it. An address covers itself, and with `/bits`
//!   its network. `:port` limits an entry to that port.
//! * Plain `http` and loopback addresses never use a proxy, so envconf does not read `http_proxy`.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::base::Variables;

const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Every variable that this module reads.
const VARIABLES: [&str; 6] = [PROXY[0], PROXY[1], PROXY[2], PROXY[3], NO_PROXY[0], NO_PROXY[1]];

/// The deployment's proxy and its exceptions. `Debug` shows nothing, because the URL may contain a password.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    /// The name of the variable, and the URL of the proxy.
    proxy: Option<(&'static str, Zeroizing<String>)>,
    without: Vec<ProxyException>,
    /// A hash of all the variables.
    settings: [u8; 32],
}

/// The proxy of a request.
pub(crate) struct Proxy<'a> {
    /// The variable that names it.
    pub(crate) variable: &'static str,
    /// A URL with the scheme `http` or `https`, and optional user and password.
    pub(crate) url: &'a str,
}

#[derive(Clone)]
struct ProxyException {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone)]
enum Hosts {
    All,
    /// A network: an address, and the number of leading bits that count.
    Network(IpAddr, u32),
    /// A name and all names below it, in lower case, without dots at its ends.
    Below(String),
}

impl Proxies {
    pub(crate) fn from_variables(variables: &Variables) -> Self {
        let first = |names: &[&'static str]| {
            let text =
                |name: &'static str| Some((name, Zeroizing::new(variables.get(name)?.into_string().ok()?)));
            names.iter().filter_map(|name| text(name)).find(|(_, value)| !value.trim().is_empty())
        };
        let without = first(&NO_PROXY).map(|(_, list)| entries(&list)).unwrap_or_default();
        let proxy = first(&PROXY).map(|(name, url)| (name, with_scheme(&url)));
        Self { proxy, without, settings: variables.hash_of(&VARIABLES) }
    }

    /// Returns a hash of the variables.
    pub(crate) fn settings(&self) -> &[u8; 32] {
        &self.settings
    }

    /// Returns the proxy for https requests to `host`, which is a name or an address; an IPv6 address is in brackets.
    pub(crate) fn to(&self, host: &str, port: u16) -> Option<Proxy<'_>> {
        let (variable, url) = self.proxy.as_ref()?;
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_excepted = self.without.iter().any(|entry| entry.covers(&host, address, port));
        (!is_loopback && !is_excepted).then_some(Proxy { variable, url })
    }
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proxies([REDACTED])")
    }
}

impl ProxyException {
    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match (&self.hosts, address) {
            (Hosts::All, _) => true,
            (Hosts::Network(network, bits), Some(address)) => is_within(address, *network, *bits),
            (Hosts::Below(name), None) => {
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

fn with_scheme(url: &str) -> Zeroizing<String> {
    let url = url.trim();
    Zeroizing::new(if url.contains("://") { url.to_owned() } else { format!("http://{url}") })
}

fn entries(list: &str) -> Vec<ProxyException> {
    let words = list.split(|c: char| c == ',' || c.is_whitespace());
    words.filter(|word| !word.is_empty()).filter_map(entry).collect()
}

/// Parses an exception; `None` for a word that is not a host.
fn entry(word: &str) -> Option<ProxyException> {
    if let Some(hosts) = network(word) {
        return Some(ProxyException { hosts, port: None });
    }
    let (host, port) = match word.rsplit_once(':') {
        Some((host, digits)) => (host, Some(digits.parse().ok()?)),
        None => (word, None),
    };
    let hosts = network(host).unwrap_or_else(|| Hosts::Below(host.trim_matches('.').to_ascii_lowercase()));
    let is_nothing = matches!(&hosts, Hosts::Below(name) if name.is_empty());
    (!is_nothing).then_some(ProxyException { hosts, port })
}

/// Parses `*`, an address, or an address with a prefix length.
fn network(word: &str) -> Option<Hosts> {
    if word == "*" {
        return Some(Hosts::All);
    }
    let (address, bits) = match word.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (word, None),
    };
    let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some(Hosts::Network(address, bits))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= bits
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differ = address.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(pairs: &[(&str, &str)]) -> Proxies {
        Proxies::from_variables(&Variables::given(pairs.iter().copied()))
    }

    #[test]
    fn the_first_variable_that_is_set_names_the_proxy() {
        let url = |pairs: &[(&str, &str)]| proxies(pairs).to("a.b", 443).map(|proxy| proxy.url.to_owned());
        assert_eq!(url(&[("HTTPS_PROXY", "u:8"), ("https_proxy", "l:8")]).as_deref(), Some("http://l:8"));
        assert_eq!(
            url(&[("HTTPS_PROXY", "https://u:8"), ("https_proxy", "")]).as_deref(),
            Some("https://u:8")
        );
        assert_eq!(url(&[("ALL_PROXY", "a:8")]).as_deref(), Some("http://a:8"));
        assert_eq!(url(&[("http_proxy", "a:8"), ("HTTP_PROXY", "a:8")]), None);
    }

    #[test]
    fn exceptions_cover_the_same_hosts_as_in_curl() {
        let cases = [
            ("example.com", "example.com", 443, true),
            ("example.com", "kms.example.com", 443, true),
            ("example.com", "notexample.com", 443, false),
            (".example.com", "example.com", 443, true),
            (".Example.COM.", "kms.EXAMPLE.com.", 443, true),
            ("a.com, example.com", "example.com", 443, true),
            ("a.com example.com", "example.com", 443, true),
            ("a.com,,", "example.com", 443, false),
            ("*", "example.com", 443, true),
            ("*.example.com", "kms.example.com", 443, false),
            ("example.com:8443", "example.com", 443, false),
            ("example.com:8443", "example.com", 8443, true),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3", "110.1.2.3", 443, false),
            ("10.0.0.0/8", "10.200.0.1", 443, true),
            ("10.0.0.0/8", "11.0.0.1", 443, false),
            ("0.0.0.0/0", "11.0.0.1", 443, true),
            ("10.0.0.0/33", "10.0.0.0", 443, false),
            ("fd00::/8", "[fd12::1]", 443, true),
            ("[fd12::1]", "[fd12::1]", 443, true),
            ("[fd12::1]:444", "[fd12::1]", 443, false),
            ("fd00::/8", "10.0.0.1", 443, false),
            ("0.0.1", "10.0.0.1", 443, false),
            (".", "example.com", 443, false),
        ];
        for (list, host, port, covered) in cases {
            let proxies = proxies(&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", list)]);
            assert_eq!(proxies.to(host, port).is_none(), covered, "{list} {host}:{port}");
        }
    }

    #[test]
    fn loopback_addresses_use_no_proxy() {
        let proxies = proxies(&[("HTTPS_PROXY", "p:1")]);
        for host in ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "LOCALHOST."] {
            assert!(proxies.to(host, 443).is_none(), "{host}");
        }
        assert!(proxies.to("localhost.example.com", 443).is_some());
    }

    #[test]
    fn a_password_is_not_shown() {
        let proxies = proxies(&[("HTTPS_PROXY", "http://user:canary@p:1")]);
        assert!(!format!("{proxies:?}").contains("canary"));
    }
}
