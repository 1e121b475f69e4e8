//! The deployment's settings for Vault and OpenBao: address, certificates, and login.
//!
//! Many machines set Vault's own variables (`VAULT_*`) although their programs never use Vault. So envconf reports an
//! invalid one at the first request only. OpenBao has the same variables with the prefix `BAO_`, which override the
//! others.

use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::credentials::Auth;
use crate::base::{Error, Fault, Variables};
use crate::kms::KmsError;
use crate::kms::credential_source::fits;
use crate::kms::endpoint::{Endpoint, EndpointRules};
use crate::kms::http::{ClientCertificate, Route};

/// Every variable that envconf reads, without its prefix.
const NAMES: [&str; 11] = [
    "ADDR",
    "AGENT_ADDR",
    "TOKEN",
    "NAMESPACE",
    "CACERT",
    "CACERT_BYTES",
    "CAPATH",
    "CLIENT_CERT",
    "CLIENT_KEY",
    "SKIP_VERIFY",
    "TLS_SERVER_NAME",
];
/// The prefixes of the variables, in the order of precedence.
const PREFIXES: [&str; 2] = ["BAO_", "VAULT_"];

const RULES: EndpointRules = EndpointRules {
    plain_http: &[],
    allows_path: true,
    advice: "write it as https://HOST[:PORT][/PATH]; plain http is allowed for 127.0.0.0/8 and [::1] only, written as numbers",
};

/// The settings for the login and the connection.
#[derive(Debug)]
pub(super) struct VaultSettings {
    pub(super) variables: Variables,
    pub(super) auth: Auth,
    /// The settings of the connection, or the error in them.
    pub(super) connection: Result<Connection, KmsError>,
}

/// The address of the server, and the settings of a connection to it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) endpoint: Endpoint,
    /// The variable that names the endpoint.
    #[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a diagnosis shows it"))]
    pub(super) origin: &'static str,
    pub(super) route: Route,
    /// The namespace of the login. Key references contain their own namespace.
    pub(super) namespace: Option<String>,
}

impl VaultSettings {
    /// Reads all settings.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::Kind::Usage) for a setting of envconf that is empty or malformed.
    pub(super) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let auth = Auth::from_variables(variables)?;
        let route = Route::from_variables(variables)?;
        let connection = Connection::from_variables(variables, route);
        Ok(Self { variables: variables.clone(), auth, connection })
    }

    /// Returns a hash of every variable that an answer can depend on. It is a hash, because some variables are secret.
    pub(super) fn hash(&self) -> [u8; 32] {
        let own = PREFIXES.iter().flat_map(|prefix| NAMES.iter().map(move |name| format!("{prefix}{name}")));
        let own: Vec<String> = own.collect();
        let names: Vec<&str> =
            own.iter().map(String::as_str).chain(super::credentials::VARIABLES.iter().copied()).collect();
        self.variables.hash_of(&names)
    }
}

/// Returns name and value of the first variable that is set: `BAO_NAME`, else `VAULT_NAME`. An empty variable counts as
/// not set, as in Vault's own programs.
pub(super) fn find(
    variables: &Variables,
    names: [&'static str; 2],
) -> Option<(&'static str, std::ffi::OsString)> {
    names.iter().find_map(|name| {
        let value = variables.get(name).filter(|value| !value.is_empty())?;
        Some((*name, value))
    })
}

/// Like [`find`], for text that fits into a header or URL.
pub(super) fn text(
    variables: &Variables,
    names: [&'static str; 2],
) -> Result<Option<(&'static str, Zeroizing<String>)>, KmsError> {
    let Some((name, value)) = find(variables, names) else { return Ok(None) };
    let value = value.into_string().map(Zeroizing::new).ok().filter(|value| fits(value));
    let misfit = || wrong(name, "contains blanks or non-ASCII characters");
    value.map(|value| Some((name, value))).ok_or_else(misfit)
}

fn wrong(name: &str, what: &str) -> KmsError {
    KmsError::new(Fault::Refused, format!("{name} {what}")).advise("correct it, or unset it").tries(0)
}

impl Connection {
    fn from_variables(variables: &Variables, mut route: Route) -> Result<Self, KmsError> {
        refuse_skip_verify(variables)?;
        let agent = text(variables, ["BAO_AGENT_ADDR", "VAULT_AGENT_ADDR"])?;
        let address =
            agent.map_or_else(|| text(variables, ["BAO_ADDR", "VAULT_ADDR"]), |agent| Ok(Some(agent)))?;
        let (origin, address) = address.ok_or_else(|| {
            KmsError::refused("the address of the server is not set")
                .advise("set VAULT_ADDR (or BAO_ADDR) to https://HOST[:PORT]")
                .tries(0)
        })?;
        let endpoint = Endpoint::parse(&address, origin, &RULES).map_err(|error| {
            KmsError::new(Fault::Refused, error.message().to_owned()).advise(RULES.advice).tries(0)
        })?;
        match roots(variables)? {
            Some(Roots::Path(path)) => route.ca_file = Some(path),
            Some(Roots::Pem(pem)) => route.ca_pem = Some(pem),
            None => {}
        }
        route.client_certificate = client_certificate(variables)?;
        if let Some((name, server)) = text(variables, ["BAO_TLS_SERVER_NAME", "VAULT_TLS_SERVER_NAME"])?
            && endpoint.host().split(':').next() != Some(server.to_ascii_lowercase().as_str())
        {
            return Err(wrong(
                name,
                "differs from the host of the address, but envconf checks certificates against that host",
            ));
        }
        let namespace = text(variables, ["BAO_NAMESPACE", "VAULT_NAMESPACE"])?;
        let namespace = namespace.map(|(_, namespace)| namespace.trim_matches('/').to_owned());
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        Ok(Self { endpoint, origin, route, namespace })
    }
}

/// Rejects the variables that switch off the verification of certificates. A private root certificate can be configured
/// instead.
fn refuse_skip_verify(variables: &Variables) -> Result<(), KmsError> {
    let Some((name, value)) = find(variables, ["BAO_SKIP_VERIFY", "VAULT_SKIP_VERIFY"]) else {
        return Ok(());
    };
    let is_off = value
        .to_str()
        .is_some_and(|value| matches!(value.trim().to_ascii_lowercase().as_str(), "0" | "f" | "false"));
    if is_off {
        return Ok(());
    }
    Err(KmsError::new(Fault::Refused, format!("{name} is set, but envconf always verifies certificates"))
        .advise("name the server's root certificate in VAULT_CACERT, and unset VAULT_SKIP_VERIFY")
        .tries(0))
}

/// The source of the root certificates.
enum Roots {
    Path(PathBuf),
    Pem(Arc<str>),
}

/// Returns the root certificates of `CACERT`, else `CACERT_BYTES`, else `CAPATH`.
fn roots(variables: &Variables) -> Result<Option<Roots>, KmsError> {
    let path = |names| find(variables, names).map(|(name, path)| (name, PathBuf::from(path)));
    if let Some((name, path)) = path(["BAO_CACERT", "VAULT_CACERT"]) {
        return if path.is_file() {
            Ok(Some(Roots::Path(path)))
        } else {
            Err(wrong(name, "does not name a file"))
        };
    }
    if let Some((name, pem)) = find(variables, ["BAO_CACERT_BYTES", "VAULT_CACERT_BYTES"]) {
        let pem = pem.into_string().map_err(|_| wrong(name, "is not text"))?;
        return Ok(Some(Roots::Pem(pem.into())));
    }
    match path(["BAO_CAPATH", "VAULT_CAPATH"]) {
        Some((_, path)) if path.is_dir() => Ok(Some(Roots::Path(path))),
        Some((name, _)) => Err(wrong(name, "does not name a directory")),
        None => Ok(None),
    }
}

fn client_certificate(variables: &Variables) -> Result<Option<ClientCertificate>, KmsError> {
    let certificate = find(variables, ["BAO_CLIENT_CERT", "VAULT_CLIENT_CERT"]);
    let key = find(variables, ["BAO_CLIENT_KEY", "VAULT_CLIENT_KEY"]);
    match (certificate, key) {
        (Some((_, certificate)), Some((_, key))) => {
            Ok(Some(ClientCertificate { certificate: certificate.into(), key: key.into() }))
        }
        (Some((name, _)), None) => Err(wrong(name, "is set and VAULT_CLIENT_KEY is not")),
        (None, Some((name, _))) => Err(wrong(name, "is set and VAULT_CLIENT_CERT is not")),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(pairs: &[(&str, &str)]) -> Result<Connection, String> {
        let settings = VaultSettings::from_variables(&Variables::given(pairs.iter().copied())).unwrap();
        settings.connection.map_err(|error| {
            assert_eq!((error.fault, error.tries), (Fault::Refused, 0));
            assert!(error.advice.is_some(), "{}", error.message);
            error.message.into_owned()
        })
    }

    #[test]
    fn an_address_may_have_a_path() {
        for (pairs, url) in [
            (&[("VAULT_ADDR", "https://vault.example.com:8200")][..], "https://vault.example.com:8200/"),
            (&[("VAULT_ADDR", "https://h/vault/")], "https://h/vault/"),
            (&[("VAULT_ADDR", "https://h/a/B/c")], "https://h/a/B/c/"),
            (&[("VAULT_ADDR", "http://127.0.0.1:8200")], "http://127.0.0.1:8200/"),
            (&[("VAULT_ADDR", "http://[::1]:8200")], "http://[::1]:8200/"),
            (&[("VAULT_ADDR", "https://a"), ("BAO_ADDR", "https://b")], "https://b/"),
            (&[("VAULT_ADDR", "https://a"), ("BAO_ADDR", "")], "https://a/"),
            (
                &[("VAULT_ADDR", "https://a"), ("VAULT_AGENT_ADDR", "http://127.0.0.1:8100")],
                "http://127.0.0.1:8100/",
            ),
        ] {
            assert_eq!(connection(pairs).unwrap().endpoint.url(), url, "{pairs:?}");
        }
        for (pairs, says) in [
            (&[][..], "is not set"),
            (&[("VAULT_ADDR", "http://vault.example.com")], "VAULT_ADDR uses http for a host outside"),
            (&[("BAO_ADDR", "http://localhost:8200")], "BAO_ADDR uses http for a host outside"),
            (&[("VAULT_ADDR", "unix:///run/vault.sock")], "VAULT_ADDR has a scheme"),
            (&[("VAULT_ADDR", "https://h?x=1")], "VAULT_ADDR"),
            (&[("VAULT_ADDR", "https://u:p@h")], "VAULT_ADDR"),
            (&[("VAULT_ADDR", "https://h/../x")], "VAULT_ADDR"),
            (&[("VAULT_ADDR", "https://h /x")], "VAULT_ADDR contains blanks"),
        ] {
            let message = connection(pairs).unwrap_err();
            assert!(message.contains(says), "{pairs:?}: {message}");
        }
    }

    #[test]
    fn certificates_are_always_verified() {
        let with = |name: &str, value: &str| connection(&[("VAULT_ADDR", "https://h"), (name, value)]);
        for name in ["VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"] {
            for on in ["1", "true", "TRUE", "t", "yes", "on", "2"] {
                let message = with(name, on).unwrap_err();
                assert!(message.contains(name) && message.contains("always verifies"), "{message}");
            }
            for off in ["", "0", "false", "False", "f"] {
                assert!(with(name, off).is_ok(), "{name}={off}");
            }
        }
        for name in ["VAULT_CACERT", "BAO_CACERT", "VAULT_CAPATH"] {
            assert!(with(name, "/does/not/exist").unwrap_err().contains(name));
        }
        assert_eq!(with("VAULT_CACERT_BYTES", "pem").unwrap().route.ca_pem.as_deref(), Some("pem"));
        assert!(with("VAULT_CLIENT_CERT", "/c.pem").unwrap_err().contains("VAULT_CLIENT_KEY is not"));
        assert!(with("BAO_CLIENT_KEY", "/k.pem").unwrap_err().contains("VAULT_CLIENT_CERT is not"));
        let both = [("VAULT_ADDR", "https://h"), ("VAULT_CLIENT_CERT", "/c"), ("BAO_CLIENT_KEY", "/k")];
        assert!(connection(&both).unwrap().route.client_certificate.is_some());
    }

    #[test]
    fn slashes_around_a_namespace_are_removed() {
        let namespace = |value: &str| {
            connection(&[("VAULT_ADDR", "https://h"), ("VAULT_NAMESPACE", value)]).unwrap().namespace
        };
        assert_eq!(namespace("team-a/").as_deref(), Some("team-a"));
        assert_eq!(namespace("/a/b").as_deref(), Some("a/b"));
        assert_eq!(namespace(""), None);
        assert_eq!(namespace("/"), None);
    }
}
