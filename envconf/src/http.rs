//! One transport: timeouts, bounded and wiped bodies, retries with jitter; no redirects, no proxies, no logging.
//!
//! On the worker's thread only, where the one client lives. A client is built when the first request is due, and
//! brings its own TLS configuration: nothing is read from the system's trust store, no crypto provider is installed
//! for the process.
//!
//! What is tried again, and how often:
//!
//! * only what another try may mend ([`Fault::Transient`]): no connection, no answer in time, a reply that is cut or
//!   no JSON, HTTP 5xx, and the service's own codes for overload and internal errors;
//! * at most [`TRIES`] times, each with [`PER_TRY`] of its own and signed afresh;
//! * after a wait between 0 and 100 ms · 2ⁿ, at most 2 s ("full jitter"), so that a fleet does not come back at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::Fault;
use crate::kms::KmsError;
use crate::secret::SecretBytes;

const TRIES: u32 = 3;
const PER_TRY: Duration = Duration::from_secs(3);
const CONNECT: Duration = Duration::from_secs(2);
/// A connection that has idled longer is not used again: the service closes it without notice.
const IDLE: Duration = Duration::from_secs(30);
const BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// The largest reply that is read; a wrapped key of the largest kind has less than a tenth of it.
const LARGEST_REPLY: usize = 64 * 1024;

/// One POST.
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    /// Wiped when the transport has let go of it.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// What came back, whatever its status.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: SecretBytes,
}

/// A header whose value no log and no `Debug` may show.
pub(crate) fn sensitive(value: &str) -> Result<HeaderValue, KmsError> {
    let mut value = plain(value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header's value.
pub(crate) fn plain(value: &str) -> Result<HeaderValue, KmsError> {
    HeaderValue::from_str(value).map_err(|_| KmsError::other("a header cannot hold its value"))
}

/// A header's name that is known when this is compiled.
pub(crate) fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// Runs `request` until it succeeds, fails for good, or has been tried often enough; each run makes its own request.
pub(crate) async fn with_retries<T, F>(mut request: impl FnMut() -> F) -> Result<T, KmsError>
where
    F: Future<Output = Result<T, KmsError>>,
{
    let mut tries = 0;
    loop {
        let result = request().await;
        tries += 1;
        match result {
            Err(error) if error.fault == Fault::Transient && tries < TRIES => {
                tokio::time::sleep(backoff(tries)).await
            }
            Err(error) if error.tries == 0 => return Err(error),
            result => return result.map_err(|error| error.tries(tries)),
        }
    }
}

/// A wait between nothing and the longest for this number of tries, all equally likely.
fn backoff(tries: u32) -> Duration {
    let longest = LONGEST_BACKOFF.min(BACKOFF * 2u32.saturating_pow(tries - 1));
    let mut random = [0; 4];
    // Without randomness the wait is the longest, which is still a wait.
    let share = match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    };
    longest.mul_f64(share)
}

/// Sends `post` once. `ca_file` replaces the compiled-in root certificates.
pub(crate) async fn send(post: Post, ca_file: Option<&PathBuf>) -> Result<Reply, KmsError> {
    let client = client(ca_file)?;
    let request = client.post(post.url).headers(post.headers).body(Bytes::from_owner(post.body));
    let exchange = async {
        let mut response = request.send().await.map_err(|error| network_fault(&error))?;
        let status = response.status().as_u16();
        let mut chunks = Vec::new();
        let mut len = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| network_fault(&error))? {
            len += chunk.len();
            chunks.push(chunk);
            if len > LARGEST_REPLY {
                return Err(KmsError::other("the reply is larger than 64 KiB").status(status));
            }
        }
        Ok(Reply { status, body: gather(chunks, len) })
    };
    match tokio::time::timeout(PER_TRY, exchange).await {
        Ok(result) => result,
        Err(_) => Err(KmsError::transient("no answer in 3 s")
            .advise("look at the network and at ENVCONF_TENCENT_ENDPOINT")),
    }
}

/// The chunks in one buffer of exact size; the transport's own are wiped where they are not shared.
fn gather(chunks: Vec<Bytes>, len: usize) -> SecretBytes {
    let mut body = SecretBytes::zeroed(len);
    let mut at = 0;
    for chunk in chunks {
        body.expose_mut()[at..at + chunk.len()].copy_from_slice(&chunk);
        at += chunk.len();
        if let Ok(mut owned) = chunk.try_into_mut() {
            owned.as_mut().zeroize();
        }
    }
    body
}

/// What kind of failure it was, in our words: the transport's own text names addresses, and may quote.
fn network_fault(error: &reqwest::Error) -> KmsError {
    if let Some(tls) = tls_error(error) {
        return match tls {
            rustls::Error::InvalidCertificate(_) => KmsError::other("TLS: the server's certificate is not trusted")
                .advise("check the endpoint; behind a TLS-inspecting proxy name its root certificate in ENVCONF_CA_FILE"),
            _ => KmsError::other("TLS: no secure connection could be agreed on").advise("check the endpoint, and that it speaks TLS"),
        };
    }
    if error.is_timeout() {
        return KmsError::transient("no connection in 2 s")
            .advise("look at the network, the firewall and the endpoint");
    }
    if error.is_connect() {
        return KmsError::transient("no connection")
            .advise("look at name resolution, the network, the firewall and the endpoint");
    }
    KmsError::transient("the connection was lost before the reply was complete")
}

/// The TLS error among the causes, which hides within I/O errors.
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

thread_local! {
    /// The clients of this thread, by their root certificates: practically always one.
    static CLIENTS: RefCell<HashMap<Option<PathBuf>, reqwest::Client>> = RefCell::default();
}

fn client(ca_file: Option<&PathBuf>) -> Result<reqwest::Client, KmsError> {
    let known = CLIENTS.with_borrow(|clients| clients.get(&ca_file.cloned()).cloned());
    if let Some(client) = known {
        return Ok(client);
    }
    let client = build_client(ca_file)?;
    CLIENTS.with_borrow_mut(|clients| clients.insert(ca_file.cloned(), client.clone()));
    Ok(client)
}

fn build_client(ca_file: Option<&PathBuf>) -> Result<reqwest::Client, KmsError> {
    let mut roots = rustls::RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let unusable = || {
                KmsError::other("the file of root certificates cannot be read, or holds none")
                    .advise("point ENVCONF_CA_FILE or SSL_CERT_FILE at a PEM file, or unset it")
                    .tries(0)
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(|_| unusable())? {
                roots.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
            }
            if roots.is_empty() {
                return Err(unusable());
            }
        }
    }
    let failed = || KmsError::other("the HTTP client could not be built").tries(0);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| failed())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|_| failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn transient_faults_are_tried_again_and_permanent_ones_are_not() {
        for (error, expected) in
            [(KmsError::transient("t"), TRIES), (KmsError::refused("r"), 1), (KmsError::other("o"), 1)]
        {
            let mut tries = 0;
            let result: Result<(), _> = run(with_retries(|| {
                tries += 1;
                std::future::ready(Err(error.clone()))
            }));
            assert_eq!((tries, result.unwrap_err().tries), (expected, expected));
        }
    }

    #[test]
    fn a_success_ends_the_tries() {
        let mut tries = 0;
        let result = run(with_retries(|| {
            tries += 1;
            std::future::ready(if tries < 3 { Err(KmsError::transient("t")) } else { Ok(tries) })
        }));
        assert_eq!(result.unwrap(), 3);
    }

    #[test]
    fn waits_grow_and_stay_below_their_bound() {
        for tries in 1..40 {
            assert!(backoff(tries) <= LONGEST_BACKOFF.min(BACKOFF * 2u32.saturating_pow(tries - 1)));
        }
    }
}
