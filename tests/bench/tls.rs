//! Measures a load from the stand-in for Tencent Cloud KMS over TLS, compared with the bare request: reqwest sends the
//! same bytes to the same server, with the same TLS configuration.
//!
//! Each request has a separate connection. Warm requests resume their TLS session. A cold request is the first action
//! of a new process. The child measures it, so the start of the process does not count.
//!
//! The lines without a request are the same loads with a local key: the part of a load that is not the request.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envconf::{EncryptedConfig as _, KeyRef, KeyServices};
use envconf_test_support::StandIn;
use envconf_test_support::tencent::Request;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::App;
use crate::measure::{Aim, Contestant, race, whole};
use crate::project::Project;

/// The first argument of a child process. The comment lists the other arguments.
const COLD_LOAD: &str = "cold-load"; // DIRECTORY KEY VARIABLE VALUE …
const COLD_REQUEST: &str = "cold-request"; // CA-FILE URL BODY HEADER VALUE …

const REQUEST: &str = "one reqwest request";

/// The headers of a request, without those that reqwest adds.
type Headers = Vec<(String, String)>;

pub(crate) fn run() {
    let (project, kms) = (Project::unsealed(), StandIn::builder().tls().start());
    let ca_file = project.sandbox.write("ca.pem", kms.ca_pem().unwrap());
    let key: KeyRef = format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap();
    let mut variables = kms.variables();
    variables.push(("ENVCONF_CA_FILE".into(), ca_file.to_string_lossy().into_owned()));
    project.seal(&key, &KeyServices::from_given(variables.clone()).unwrap());

    let dir = project.sandbox.path("config");
    let load = || load(&dir, &key.to_string(), &variables);
    let before = kms.requests().len();
    load();
    let mut requests = kms.requests();
    assert_eq!(requests.len() - before, 1, "one load, one request");
    let Request { headers, body, .. } = requests.pop().unwrap();
    let headers: Headers = headers.into_iter().filter(|(name, _)| !own(name)).collect();

    let runtime = runtime();
    let client = client(&ca_file);
    let bare = || runtime.block_on(request(&client, &kms.endpoint(), &headers, &body));
    assert!(
        bare().windows(11).any(|window| window == b"\"Plaintext\""),
        "the reply is the same as for the load"
    );
    let offline = Project::new();
    let offline_dir = offline.sandbox.path("config");
    let offline_key = offline.key.key_ref().to_string();
    let offline_variables = [("ENVCONF_KEY".to_owned(), offline.key.expose_text().to_string())];
    let local = || self::load(&offline_dir, &offline_key, &offline_variables);
    let warm = race(Duration::from_secs(6), [whole(load), whole(bare), whole(local)]);
    warm.compare("load over TLS, warm", |t| t[0], REQUEST, |t| t[1], Aim::Within(1.2));
    warm.compare("  the same without a request", |t| t[2], REQUEST, |t| t[1], Aim::None);

    let load = cold_load(&dir, &key.to_string(), variables);
    let local = cold_load(&offline_dir, &offline_key, offline_variables);
    let body = String::from_utf8(body).unwrap();
    let mut request = vec![COLD_REQUEST.into(), ca_file.to_string_lossy().into_owned(), kms.endpoint(), body];
    request.extend(headers.into_iter().flat_map(<[String; 2]>::from));
    let cold = race(Duration::from_secs(6), [child(load), child(request), child(local)]);
    cold.compare("load over TLS, first in a process", |t| t[0], REQUEST, |t| t[1], Aim::Within(1.2));
    cold.compare("  the same without a request", |t| t[2], REQUEST, |t| t[1], Aim::None);
}

/// Returns the arguments of a child that loads the pair in `dir`.
fn cold_load(dir: &Path, key: &str, variables: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let mut arguments = vec![COLD_LOAD.into(), dir.to_string_lossy().into_owned(), key.to_owned()];
    arguments.extend(variables.into_iter().flat_map(<[String; 2]>::from));
    arguments
}

/// Runs the task of a child process. Returns false if this process is not a child.
pub(crate) fn is_child(arguments: &[String]) -> bool {
    let pairs = |from: usize| -> Headers {
        arguments[from..].chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    let started = Instant::now();
    match arguments.first().map(String::as_str) {
        Some(COLD_LOAD) => drop(load(arguments[1].as_ref(), &arguments[2], &pairs(3))),
        Some(COLD_REQUEST) => {
            let [_, ca_file, url, body, ..] = arguments else { return true };
            let client = client(ca_file.as_ref());
            drop(runtime().block_on(request(&client, url, &pairs(4), body.as_bytes())));
        }
        _ => return false,
    }
    println!("{}", started.elapsed().as_nanos());
    true
}

/// Returns a contestant that runs this program as a child. The child measures the time.
fn child(arguments: Vec<String>) -> Contestant<'static> {
    let program = std::env::current_exe().unwrap();
    Box::new(move || {
        let output = Command::new(&program).args(&arguments).output().unwrap();
        let nanoseconds = String::from_utf8(output.stdout).unwrap();
        Duration::from_nanos(nanoseconds.trim().parse().unwrap())
    })
}

fn load(dir: &Path, key: &str, variables: &[(String, String)]) -> App {
    let loader = App::loader().dir(dir).trust(key).variables(variables.iter().cloned());
    loader.load().unwrap().into_inner()
}

async fn request(client: &reqwest::Client, url: &str, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let header = |(name, value): &(String, String)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    let response = client.post(url).headers(headers).body(body.to_vec()).send().await.unwrap();
    response.bytes().await.unwrap().into()
}

/// Returns true for headers that every client adds itself.
fn own(header: &str) -> bool {
    ["host", "content-length", "accept"].contains(&header)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn client(ca_file: &Path) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}
