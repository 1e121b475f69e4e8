//! The steps of a connection without a request, for a diagnosis: name resolution, connection, proxy tunnel, TLS.
//!
//! A failure here has the same message as in a request.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use zeroize::Zeroizing;

use super::certificate::Names;
use super::{CONNECT, Route, To, proxy_of, proxy_to, roots, tls_fault};
use crate::kms::KmsError;

/// Time limit of name resolution.
const RESOLVE: Duration = Duration::from_secs(3);
/// Time limit of one read or write during the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// Limit of a proxy's answer in bytes.
const LARGEST_HEAD: usize = 8 * 1024;

/// The steps of a connection to a URL.
pub(crate) struct ConnectionSteps<'a> {
    url: Url,
    /// The URL of the proxy, and the variable that names it.
    proxy: Option<(Url, &'static str)>,
    route: &'a Route,
}

/// The result of a TLS handshake.
pub(crate) struct Secured {
    pub(crate) version: &'static str,
    pub(crate) address: SocketAddr,
}

impl<'a> ConnectionSteps<'a> {
    /// Prepares the steps to `url`.
    ///
    /// # Errors
    /// For an invalid URL, and for a proxy that a request cannot use either.
    pub(crate) fn to(url: &str, route: &'a Route) -> Result<Self, KmsError> {
        let parse = |url: &str| Url::parse(url).map_err(|_| KmsError::other("invalid URL"));
        let url = parse(url)?;
        let proxy = match proxy_to(&url, route) {
            Some(proxy) => {
                proxy_of(&proxy)?;
                Some((parse(proxy.url)?, proxy.variable))
            }
            None => None,
        };
        Ok(Self { url, proxy, route })
    }

    /// Returns the proxy, without its password, and the variable that names it.
    pub(crate) fn proxy(&self) -> Option<(String, &'static str)> {
        let (url, variable) = self.proxy.as_ref()?;
        let (host, port) = host_and_port(url);
        Some((format!("{host}:{port}"), variable))
    }

    /// Returns the host name to resolve: the proxy's if there is one, else the service's.
    pub(crate) fn first_host(&self) -> &str {
        host_and_port(self.first()).0
    }

    /// Returns true if the service uses TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns true if an https proxy wraps the connection in its own TLS. These steps do not support that.
    pub(crate) fn is_nested(&self) -> bool {
        self.proxy.as_ref().is_some_and(|(url, _)| url.scheme() == "https")
    }

    fn first(&self) -> &Url {
        self.proxy.as_ref().map_or(&self.url, |(url, _)| url)
    }

    /// Resolves the first host.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, KmsError> {
        let (host, port) = host_and_port(self.first());
        let host = host.trim_matches(['[', ']']);
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host, port))).await;
        let found = found.map_err(|_| {
            KmsError::transient("name resolution timed out after 3 s")
                .advise("check this machine's resolver, and the network")
        })?;
        let addresses: Vec<_> = found.map_or_else(|_| Vec::new(), Iterator::collect);
        if addresses.is_empty() {
            return Err(KmsError::transient("the name does not resolve").advise(
                "check the spelling of the endpoint and the region, and this machine's resolver; without internet access, set another endpoint or a proxy",
            ));
        }
        Ok(addresses)
    }

    /// Connects to the first of `addresses` that answers, and performs the TLS handshake. Also returns the names in the
    /// server's certificate, even if it is not trusted.
    pub(crate) async fn secure(
        &self,
        addresses: Vec<SocketAddr>,
    ) -> (Result<Secured, KmsError>, Option<Names>) {
        let seen = Arc::default();
        let plan = match self.plan(addresses, &seen) {
            Ok(plan) => plan,
            Err(error) => return (Err(error), None),
        };
        let result = tokio::task::spawn_blocking(move || plan.carry_out()).await;
        let result = result.unwrap_or_else(|_| Err(KmsError::other("TLS: the handshake panicked")));
        let names = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        (result, names)
    }

    fn plan(&self, addresses: Vec<SocketAddr>, seen: &Seen) -> Result<Handshake, KmsError> {
        let failed = || KmsError::other("TLS could not be set up");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(self.route)?);
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
        let verifier = RecordingVerifier { inner: inner.map_err(|_| failed())?, seen: seen.clone() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| failed())?
            // Not dangerous: this verifier calls the normal one, and also records the names in the certificate.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.route.client_certificate {
            None => config.with_no_client_auth(),
            Some(own) => {
                let (chain, key) = own.read()?;
                config.with_client_auth_cert(chain, key).map_err(|_| failed())?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| failed())?;
        let tunnel = self.tunnel();
        let to = To::of(&self.url, tunnel.is_some());
        Ok(Handshake { addresses, to, tunnel, name, config: Arc::new(config) })
    }

    /// Returns the request that asks the proxy for a tunnel; `None` without a proxy.
    fn tunnel(&self) -> Option<Zeroizing<String>> {
        let (proxy, _) = self.proxy.as_ref()?;
        let (host, port) = host_and_port(&self.url);
        let mut request =
            Zeroizing::new(format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"));
        if !proxy.username().is_empty() || proxy.password().is_some() {
            let mut login: Zeroizing<Vec<u8>> = Zeroizing::default();
            login.extend(percent_decode_str(proxy.username()));
            login.push(b':');
            login.extend(percent_decode_str(proxy.password().unwrap_or_default()));
            let login = Zeroizing::new(STANDARD.encode(&login));
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(&login);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        Some(request)
    }
}

fn host_and_port(url: &Url) -> (&str, u16) {
    (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443))
}

/// The parts of a handshake, for a thread that may block.
struct Handshake {
    addresses: Vec<SocketAddr>,
    to: To,
    tunnel: Option<Zeroizing<String>>,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Handshake {
    fn carry_out(self) -> Result<Secured, KmsError> {
        let (mut stream, address) = self.connect()?;
        if let Some(request) = &self.tunnel {
            tunnel(&mut stream, request, &self.to)?;
        }
        let failed = |error| tls_fault(&error);
        let mut connection = ClientConnection::new(self.config, self.name).map_err(failed)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(|error| {
                let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                tls.map_or_else(|| lost(&error), tls_fault)
            })?;
        }
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        };
        Ok(Secured { version, address })
    }

    fn connect(&self) -> Result<(TcpStream, SocketAddr), KmsError> {
        let mut was_late = false;
        for address in &self.addresses {
            let connected = TcpStream::connect_timeout(address, CONNECT).and_then(|stream| {
                stream.set_read_timeout(Some(HANDSHAKE))?;
                stream.set_write_timeout(Some(HANDSHAKE))?;
                Ok((stream, *address))
            });
            match connected {
                Ok(connected) => return Ok(connected),
                Err(error) => was_late = error.kind() == std::io::ErrorKind::TimedOut,
            }
        }
        Err(self.to.unconnected(was_late))
    }
}

/// Asks the proxy for a tunnel. Reads the proxy's answer and no byte after it, because these bytes belong to TLS.
fn tunnel(stream: &mut TcpStream, request: &str, to: &To) -> Result<(), KmsError> {
    let none = |_| to.unconnected(false);
    stream.write_all(request.as_bytes()).map_err(none)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LARGEST_HEAD {
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(none)?;
        head.extend(byte);
    }
    let status = head.split(|byte| *byte == b' ').nth(1).and_then(|word| std::str::from_utf8(word).ok());
    match status.and_then(|status| status.parse::<u16>().ok()) {
        Some(200..=299) => Ok(()),
        Some(status) => Err(to.unconnected(false).status(status)),
        None => Err(to.unconnected(false)),
    }
}

fn lost(error: &std::io::Error) -> KmsError {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    if matches!(error.kind(), TimedOut | WouldBlock) {
        return KmsError::transient("TLS: no answer in 3 s")
            .advise("check the endpoint, that it speaks TLS, and proxies on the way");
    }
    KmsError::transient("TLS: the connection was lost during the handshake")
        .advise("check the endpoint, that it speaks TLS, and firewalls on the way")
}

type Seen = Arc<Mutex<Option<Names>>>;

/// The normal verifier of rustls, which also records the names in the certificate.
#[derive(Debug)]
struct RecordingVerifier {
    inner: Arc<WebPkiServerVerifier>,
    seen: Seen,
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Names::of(certificate);
        self.inner.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Variables;
    use crate::kms::proxy::Proxies;

    fn route(pairs: &[(&str, &str)]) -> Route {
        let proxies = Proxies::from_variables(&Variables::given(pairs.iter().copied()));
        Route { proxies, ..Route::default() }
    }

    #[test]
    fn only_the_tunnel_request_contains_the_proxy_password() {
        let route = route(&[("HTTPS_PROXY", "http://us%65r:w%6Frd@proxy.example:3128")]);
        let walk = ConnectionSteps::to("https://kms.example.com/", &route).ok().unwrap();
        assert_eq!(walk.proxy(), Some(("proxy.example:3128".into(), "HTTPS_PROXY")));
        assert_eq!(walk.first_host(), "proxy.example");
        let request = walk.tunnel().unwrap();
        let login = STANDARD.encode("user:word");
        assert_eq!(
            *request,
            format!(
                "CONNECT kms.example.com:443 HTTP/1.1\r\nHost: kms.example.com:443\r\nProxy-Authorization: Basic {login}\r\n\r\n"
            )
        );
    }

    #[test]
    fn a_loopback_address_uses_no_proxy() {
        let route = route(&[("HTTPS_PROXY", "p:1")]);
        let walk = ConnectionSteps::to("http://127.0.0.1:9/", &route).ok().unwrap();
        assert!(walk.proxy().is_none() && walk.tunnel().is_none() && !walk.has_tls());
        assert_eq!(walk.first_host(), "127.0.0.1");
    }

    #[test]
    fn an_unsupported_proxy_is_rejected() {
        let route = route(&[("ALL_PROXY", "socks5://p:1")]);
        let error = ConnectionSteps::to("https://kms.example.com/", &route).err().unwrap();
        assert!(error.message.contains("ALL_PROXY"));
    }
}
