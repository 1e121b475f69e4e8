//! The HTTP transport of all services, with timeouts, proxies, and bounded and wiped bodies. It follows no redirects
//! and logs nothing.
//!
//! The transport runs on the worker thread only, which owns the clients. There is one client for each combination of
//! root certificates and proxy, so usually one. A client is built at the first request and has its own TLS
//! configuration: it does not read the system's trust store, and does not install a crypto provider for the process.
//!
//! This module sends a request once; the retry policy is in [`super::retry`]. A connection is used for one request
//! only: while it is open, the transport keeps the buffer of its replies, and replies contain keys (docs/memory.md).

#[cfg(feature = "tools")]
mod certificate;
#[cfg(feature = "tools")]
pub(crate) mod connection_steps;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONNECTION, DATE, HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) use reqwest::Method;

use super::proxy::{Proxies, Proxy};
use crate::base::{Error, Fault, Kind, SecretBytes, Variables, open_regular};
use crate::kms::KmsError;

const CONNECT: Duration = Duration::from_secs(2);
/// Longest wait for the transport to release the buffers of a reply. It releases them when it closes the connection,
/// usually at once.
const RELEASE: Duration = Duration::from_millis(50);
/// Limit of a reply in bytes. The longest wrapped key is shorter than a tenth of it.
pub(crate) const LARGEST_REPLY: usize = 64 * 1024;

/// One request.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    /// The body, which is wiped when the transport releases it.
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// Time limit of request and reply together.
    pub(crate) limit: Duration,
    /// Limit of the reply's body in bytes; [`LARGEST_REPLY`] except for lists.
    pub(crate) largest_reply: usize,
}

/// The settings of a connection: certificates and proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    /// A PEM file with root certificates, or a directory of such files. It replaces the built-in root certificates.
    pub(crate) ca_file: Option<PathBuf>,
    /// Root certificates as PEM text, which override the file.
    pub(crate) ca_pem: Option<Arc<str>>,
    /// The client certificate, for servers that require one.
    pub(crate) client_certificate: Option<ClientCertificate>,
    pub(crate) proxies: Proxies,
}

/// A certificate and its private key, as PEM files. Both are read when a client is built.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Route {
    /// Returns the route that these variables describe.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(crate) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let ca_file = match variables.setting("ENVCONF_CA_FILE")? {
            // Only check that it is a file. The first request reads it, so that a load without requests stays fast.
            Some(file) if std::fs::metadata(&file).is_ok_and(|metadata| metadata.is_file()) => Some(file),
            Some(file) => {
                return Err(Error::new(Kind::Usage, "ENVCONF_CA_FILE does not name a regular file")
                    .at(file.as_ref())
                    .advise("point it at a PEM file with root certificates, or unset it"));
            }
            // This variable is shared with other programs, for which an empty value means not set.
            None => variables
                .get("SSL_CERT_FILE")
                .and_then(|file| file.into_string().ok())
                .filter(|file| !file.is_empty()),
        };
        Ok(Self {
            ca_file: ca_file.map(PathBuf::from),
            ca_pem: None,
            client_certificate: None,
            proxies: Proxies::from_variables(variables),
        })
    }

    /// Returns a hash of every setting that an answer can depend on. It is a hash, because proxy URLs have passwords.
    pub(crate) fn settings(&self) -> [u8; 32] {
        let mut digest = Sha256::new_with_prefix(b"route");
        let own = self.client_certificate.as_ref();
        let files = [&self.ca_file, &own.map(|own| own.certificate.clone()), &own.map(|own| own.key.clone())];
        for file in files {
            let file = file.as_ref().map_or(&[][..], |file| file.as_os_str().as_encoded_bytes());
            digest.update((file.len() as u64).to_be_bytes());
            digest.update(file);
        }
        let pem = self.ca_pem.as_deref().unwrap_or_default();
        digest.update((pem.len() as u64).to_be_bytes());
        digest.update(pem);
        digest.update(self.proxies.settings());
        digest.finalize().into()
    }
}

/// A reply with any status.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The `Date` header.
    pub(crate) date: Option<String>,
    /// Headers whose value is text, with names in lower case. They are copies, because the transport's own headers
    /// share the buffer of the body, which then could not be wiped.
    headers: Vec<(String, String)>,
    pub(crate) body: SecretBytes,
}

impl Reply {
    /// Returns the value of the header with this name, which is in lower case.
    #[cfg_attr(
        not(any(feature = "vault", feature = "aws")),
        allow(dead_code, reason = "only some services send headers that matter")
    )]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Returns a reply without headers.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &[u8]) -> Self {
        Self { status, date: None, headers: Vec::new(), body: SecretBytes::copy_of(body) }
    }

    /// Adds a header.
    #[cfg(all(test, feature = "aws"))]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Returns a header value that no log and no `Debug` shows.
pub(crate) fn sensitive(value: &str) -> Result<HeaderValue, KmsError> {
    let mut value = plain(value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns a header value.
pub(crate) fn plain(value: &str) -> Result<HeaderValue, KmsError> {
    HeaderValue::from_str(value).map_err(|_| KmsError::other("a header value contains invalid characters"))
}

/// Returns a header name from a constant.
pub(crate) fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// Sends `request` once.
pub(crate) async fn send(request: Request, route: &Route) -> Result<Reply, KmsError> {
    let Request { method, url, headers, body, limit, largest_reply } = request;
    let url = reqwest::Url::parse(&url).map_err(|_| KmsError::other("invalid URL").tries(0))?;
    let proxy = proxy_to(&url, route);
    let client = client(route, proxy.as_ref())?;
    let to = To::of(&url, proxy.is_some());
    let request = client.request(method, url).headers(headers).header(CONNECTION, "close");
    let request = request.body(Bytes::from_owner(body));
    let exchange = async {
        let response = request.send().await;
        receive(response.map_err(|error| to.fault(&error))?, &to, largest_reply).await
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("no answer from {} in {} s", to.host, limit.as_secs());
            Err(KmsError::new(Fault::Transient, message).advise("check the network and the endpoint"))
        }
    }
}

/// Returns the proxy for a request to `url`; plain `http` uses none.
fn proxy_to<'a>(url: &reqwest::Url, route: &'a Route) -> Option<Proxy<'a>> {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    (url.scheme() == "https").then(|| route.proxies.to(host, port)).flatten()
}

async fn receive(mut response: reqwest::Response, to: &To, largest: usize) -> Result<Reply, KmsError> {
    let status = response.status().as_u16();
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let date = response.headers().get(DATE).and_then(text);
    let headers = response.headers().iter();
    let headers =
        headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect();
    let mut chunks = Chunks::default();
    let result = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => chunks.push(chunk),
            Ok(None) => break Ok(()),
            Err(error) => break Err(to.fault(&error)),
        }
        if chunks.len > largest {
            let message = format!("the reply is larger than {} KiB", largest / 1024);
            break Err(KmsError::new(Fault::Other, message).status(status));
        }
    };
    drop(response);
    let body = chunks.gather();
    chunks.release().await;
    result.map(|()| Reply { status, date, headers, body })
}

/// The body of a reply, in buffers that the transport shares.
#[derive(Default)]
struct Chunks {
    chunks: Vec<Bytes>,
    len: usize,
}

impl Chunks {
    fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len();
        self.chunks.push(chunk);
    }

    /// Copies the body into one buffer of exact size.
    fn gather(&self) -> SecretBytes {
        let mut body = SecretBytes::zeroed(self.len);
        let mut at = 0;
        for chunk in &self.chunks {
            body.expose_mut()[at..at + chunk.len()].copy_from_slice(chunk);
            at += chunk.len();
        }
        body
    }

    /// Waits until the transport has closed the connection, and wipes the buffers of the reply.
    async fn release(self) {
        let until = Instant::now() + RELEASE;
        // Several chunks of one buffer never become unique. Then this loop ends at the limit.
        while !self.chunks.iter().all(Bytes::is_unique) && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        self.chunks.into_iter().for_each(wipe);
    }
}

/// Wipes the whole buffer whose last part is `chunk`.
fn wipe(chunk: Bytes) {
    let Ok(mut buffer) = chunk.try_into_mut() else { return };
    buffer.clear();
    // `BytesMut` does not report the size of its buffer. `try_reclaim` returns the part before the chunk, so this
    // search finds the largest size that succeeds.
    let mut size = 0_usize;
    for step in (0..usize::BITS - 1).rev().map(|power| 1_usize << power) {
        if size.checked_add(step).is_some_and(|larger| buffer.try_reclaim(larger)) {
            size += step;
        }
    }
    buffer.resize(size, 0);
    buffer.as_mut().zeroize();
}

/// The destination of a request, for the report of a failure. The host comes from a region or a setting, so it may be
/// wrong.
struct To {
    /// The host, with its port unless it is the default port.
    host: String,
    has_proxy: bool,
}

impl To {
    fn of(url: &reqwest::Url, has_proxy: bool) -> Self {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Self { host: format!("{}{port}", url.host_str().unwrap_or_default()), has_proxy }
    }

    /// Converts an error of the transport. Drops the transport's own text, because it may quote the request.
    fn fault(&self, error: &reqwest::Error) -> KmsError {
        if let Some(tls) = tls_error(error) {
            return tls_fault(tls);
        }
        if error.is_connect() || error.is_timeout() {
            return self.unconnected(error.is_timeout());
        }
        let message = format!("the connection to {} was lost before the reply was complete", self.host);
        KmsError::new(Fault::Transient, message)
    }

    /// Returns the error for a connection that failed; `was_late` is true if it timed out.
    fn unconnected(&self, was_late: bool) -> KmsError {
        let host = &self.host;
        let transient = |message: String| KmsError::new(Fault::Transient, message);
        if self.has_proxy {
            return transient(format!("no connection to {host} through the proxy")).advise(
                "check HTTPS_PROXY, and that the proxy allows this host; or name the host in NO_PROXY",
            );
        }
        if was_late {
            return transient(format!("no connection to {host} in 2 s"))
                .advise("check the network, the firewall and the endpoint");
        }
        transient(format!("no connection to {host}"))
            .advise("check name resolution, the network, the firewall and the endpoint")
    }
}

fn tls_fault(error: &rustls::Error) -> KmsError {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            KmsError::other("TLS: the server's certificate has expired")
                .advise("check this machine's clock; if it is right, the server needs a new certificate")
        }
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            KmsError::other("TLS: the server's certificate is not valid yet")
                .advise("check this machine's clock")
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            KmsError::other("TLS: the server's certificate is for another name")
                .advise("check the endpoint, name resolution, and proxies on the way")
        }
        rustls::Error::InvalidCertificate(_) => KmsError::other(
            "TLS: the server's certificate is not trusted",
        )
        .advise(
            "check the endpoint; behind a TLS-inspecting proxy name its root certificate in ENVCONF_CA_FILE",
        ),
        // A proxy, a gateway or the network has sent bytes that are not TLS.
        rustls::Error::InvalidMessage(_) | rustls::Error::DecryptError => {
            KmsError::transient("TLS: received invalid data")
                .advise("check the endpoint, that it speaks TLS, and proxies on the way")
        }
        _ => {
            KmsError::other("TLS: the handshake failed").advise("check the endpoint, and that it speaks TLS")
        }
    }
}

/// Returns the TLS error among the causes. It can be inside an I/O error.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// The settings that a client depends on: the hash of its route, and its proxy.
type ClientKey = ([u8; 32], Option<String>);

thread_local! {
    /// The clients of this thread.
    static CLIENTS: RefCell<HashMap<ClientKey, reqwest::Client>> = RefCell::default();
}

fn client(route: &Route, proxy: Option<&Proxy<'_>>) -> Result<reqwest::Client, KmsError> {
    let key = (route.settings(), proxy.map(|proxy| proxy.url.to_owned()));
    let known = CLIENTS.with_borrow(|clients| clients.get(&key).cloned());
    if let Some(client) = known {
        return Ok(client);
    }
    let client = build_client(route, proxy)?;
    CLIENTS.with_borrow_mut(|clients| clients.insert(key, client.clone()));
    Ok(client)
}

fn build_client(route: &Route, proxy: Option<&Proxy<'_>>) -> Result<reqwest::Client, KmsError> {
    let failed = || KmsError::other("the HTTP client could not be built").tries(0);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| failed())?
        .with_root_certificates(roots(route)?);
    let tls = match &route.client_certificate {
        None => tls.with_no_client_auth(),
        Some(own) => {
            let (chain, key) = own.read()?;
            tls.with_client_auth_cert(chain, key).map_err(|_| ClientCertificate::unusable())?
        }
    };
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0);
    // The module `proxy` has already decided whether this request uses a proxy, so the client must not decide again.
    let builder = match proxy {
        Some(proxy) => builder.proxy(proxy_of(proxy)?),
        None => builder.no_proxy(),
    };
    builder.build().map_err(|_| failed())
}

fn proxy_of(proxy: &Proxy<'_>) -> Result<reqwest::Proxy, KmsError> {
    let is_http = proxy.url.starts_with("http://") || proxy.url.starts_with("https://");
    let proxied = is_http.then(|| reqwest::Proxy::https(proxy.url).ok()).flatten();
    proxied.ok_or_else(|| {
        KmsError::new(Fault::Other, format!("{} does not name an http or https proxy", proxy.variable))
            .advise("write it as http://HOST:PORT, unset it, or name the service's host in NO_PROXY")
            .tries(0)
    })
}

/// Limit of a file of root certificates in bytes. The file of an operating system has some hundred KiB.
const LARGEST_BUNDLE: u64 = 16 << 20;

fn roots(route: &Route) -> Result<rustls::RootCertStore, KmsError> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(pem) = &route.ca_pem {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.map_err(|_| no_roots())?).map_err(|_| no_roots())?;
        }
        return if roots.is_empty() { Err(no_roots()) } else { Ok(roots) };
    }
    let Some(path) = &route.ca_file else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    let files = match std::fs::read_dir(path) {
        Err(_) => vec![path.to_owned()],
        Ok(entries) => {
            let files = entries.filter_map(Result::ok).map(|entry| entry.path());
            files.filter(|file| file.is_file()).collect()
        }
    };
    for file in files {
        let file = open_regular(&file).map_err(|_| no_roots())?;
        let bundle = std::io::BufReader::new(std::io::Read::take(file, LARGEST_BUNDLE));
        for certificate in CertificateDer::pem_reader_iter(bundle) {
            roots.add(certificate.map_err(|_| no_roots())?).map_err(|_| no_roots())?;
        }
    }
    if roots.is_empty() { Err(no_roots()) } else { Ok(roots) }
}

fn no_roots() -> KmsError {
    KmsError::other("the file of root certificates cannot be read, or contains no certificate")
        .advise("point ENVCONF_CA_FILE or SSL_CERT_FILE (for Vault: VAULT_CACERT) at a PEM file, or unset it")
        .tries(0)
}

impl ClientCertificate {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), KmsError> {
        let unusable = |_| Self::unusable();
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(&self.certificate).map_err(unusable)?.collect();
        let chain = chain.map_err(unusable)?;
        if chain.is_empty() {
            return Err(Self::unusable());
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(unusable)?;
        Ok((chain, key))
    }

    fn unusable() -> KmsError {
        KmsError::refused("the client certificate or its key cannot be used")
            .advise("check that both are PEM files that can be read, and that they belong together")
            .tries(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// Answers one request of each connection with these bytes, piece by piece, and leaves it open.
    fn server(pieces: &'static [&'static str]) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut request = [0; 4096];
                let read = stream.read(&mut request).unwrap();
                assert!(String::from_utf8_lossy(&request[..read]).contains("connection: close"));
                for piece in pieces {
                    stream.write_all(piece.as_bytes()).unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                }
                open.push(stream);
            }
        });
        url
    }

    fn get(url: String) -> Reply {
        let request = Request {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Zeroizing::default(),
            limit: Duration::from_secs(30),
            largest_reply: LARGEST_REPLY,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(send(request, &Route::default())).unwrap()
    }

    #[test]
    fn a_reply_in_several_chunks_is_joined() {
        let reply = get(server(&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "def", "ghi"]));
        assert_eq!(reply.body.expose(), b"abcdefghi");
        const CHUNKED: &str =
            "HTTP/1.1 400 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        let reply = get(server(&[CHUNKED]));
        assert_eq!((reply.status, reply.body.expose()), (400, &b"abc"[..]));
    }

    #[test]
    fn an_error_about_a_proxy_names_its_variable() {
        for url in ["socks5://p:1", "http://", "ftp://p"] {
            let error =
                build_client(&Route::default(), Some(&Proxy { variable: "ALL_PROXY", url })).unwrap_err();
            assert!(error.message.contains("ALL_PROXY") && error.tries == 0, "{url}");
        }
    }
}
