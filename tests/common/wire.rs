//! Tests of replies that a real server does not send on request. A proxy forwards every request to the server or its
//! stand-in, unless a script has another answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "a module of several test targets, none of which exports it")]
#![allow(dead_code, reason = "each test target uses its own part of this")]

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use envconf::error::Fault;
use envconf::pair::open_bytes;
use envconf::{ContentType, Error, KeyRef, KeyServices, Kind, Policy, Seal, Trusted};

use super::loopback::{Answer, Http, Request};

/// A text in replies that no error may show.
pub const CANARY: &str = "Canary7bAnQ3secretWords";

/// The reply to a request that replaces the server's reply.
#[derive(Clone)]
pub enum Script {
    /// This status and body.
    Status(u16, String),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// The server's answer without its last 20 bytes.
    Cut,
    /// The end of the connection without an answer.
    Close,
    /// Nothing, for half a minute.
    Silence,
    /// The server's answer with another body.
    Edit(Arc<dyn Fn(&str) -> String + Send + Sync>),
}

impl Script {
    pub fn edit(edit: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::Edit(Arc::new(edit))
    }
}

/// The proxy with a script.
pub struct Scripted {
    http: Http,
    script: Arc<Mutex<VecDeque<Script>>>,
}

impl Scripted {
    /// Starts a proxy that forwards requests to the server at this `host:port`.
    pub fn before(upstream: impl Into<String>) -> Self {
        let upstream = upstream.into();
        let script: Arc<Mutex<VecDeque<Script>>> = Arc::default();
        let taken = script.clone();
        let http = Http::start(move |request| {
            let next = taken.lock().unwrap().pop_front();
            let pass = || forward(&upstream, request);
            let bytes = match next {
                None => pass(),
                Some(Script::Status(status, body)) => return Some(Answer::text(status, body)),
                Some(Script::Raw(bytes)) => bytes,
                Some(Script::Close) => Vec::new(),
                Some(Script::Silence) => return None,
                Some(Script::Cut) => {
                    let mut bytes = pass();
                    bytes.truncate(bytes.len() - 20);
                    bytes
                }
                Some(Script::Edit(edit)) => {
                    let bytes = String::from_utf8(pass()).unwrap();
                    let (head, body) = bytes.split_once("\r\n\r\n").unwrap();
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return Some(Answer::text(status, edit(body)));
                }
            };
            Some(Answer { bytes, pace: None })
        });
        Self { http, script }
    }

    /// Answers the next request with this script. Each further call is for the request after it.
    pub fn next(&self, script: Script) {
        self.script.lock().unwrap().push_back(script);
    }

    pub fn forget(&self) {
        self.script.lock().unwrap().clear();
    }

    pub fn url(&self) -> String {
        self.http.url()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.http.requests()
    }
}

pub fn forward(upstream: &str, request: &Request) -> Vec<u8> {
    let mut stream = TcpStream::connect(upstream).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"\r\n").unwrap();
    stream.write_all(&request.body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// The properties of a key service that the tests need.
pub struct Wire<'a> {
    /// The address of its server, as `host:port`.
    pub upstream: String,
    /// Creates services for this URL, with a credential that has all permissions.
    pub services: &'a dyn Fn(&str) -> KeyServices,
    /// One key of the service.
    pub key: KeyRef,
    /// Replies for too many requests, in each form of the service.
    pub throttled: Vec<Script>,
    /// Replies for a fault of the service, in each form.
    pub faults: Vec<Script>,
    /// Refusals, which are not retried, each with a part of the error.
    pub refusals: Vec<(Script, &'static str)>,
    /// Wrong answers to an unwrap that must be rejected, each with a part of the error.
    pub lies: Vec<(Script, &'static str)>,
    /// Answers that contain [`CANARY`] in every text of the service.
    pub canaries: Vec<Script>,
}

impl Wire<'_> {
    /// Runs every case.
    pub fn check(&self) {
        let proxy = Scripted::before(&self.upstream);
        let services = (self.services)(&proxy.url());
        let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw);
        let pair = seal.recipient(self.key.clone()).seal_bytes(b"content", &services).unwrap();
        let policy = Policy::new("app".parse().unwrap(), "prod".parse().unwrap());
        let policy = policy.trust([Trusted::Key(self.key.clone())]);
        let open = |services: &KeyServices| -> Result<Vec<u8>, Error> {
            open_bytes(&pair.0, &pair.1, &policy, services).map(|opened| opened.content().to_vec())
        };
        assert_eq!(open(&services).unwrap(), b"content");
        let case = |scripts: &[Script], services: &KeyServices| {
            scripts.iter().for_each(|script| proxy.next(script.clone()));
            let before = proxy.requests().len();
            let result = open(services);
            proxy.forget();
            (result, proxy.requests().len() - before)
        };

        let passing = self.throttled.iter().chain(&self.faults).cloned();
        let network = [Script::Cut, Script::Close, Script::Status(502, "<html>bad gateway</html>".into())];
        for (at, fault) in passing.chain(network).enumerate() {
            let (result, requests) = case(&[fault.clone(), fault], &services);
            assert_eq!(result.unwrap_or_else(|error| panic!("fault {at}: {error}")), b"content");
            assert_eq!(requests, 3, "fault {at}: the third request succeeds");
        }

        for (refusal, says) in &self.refusals {
            let (result, requests) = case(&[refusal.clone(), refusal.clone()], &services);
            let error = result.unwrap_err();
            assert_eq!(error.fault(), Some(Fault::Refused), "{says}: {error}");
            assert!(error.to_string().contains(says), "{says} is not in: {error}");
            assert_eq!(requests, 1, "{says}: a refusal is not retried");
            assert!(error.attempts()[0].advice().is_some(), "{error}");
        }

        for (lie, says) in &self.lies {
            let (result, requests) = case(std::slice::from_ref(lie), &services);
            let error = result.unwrap_err();
            assert!(matches!(error.kind(), Kind::UnwrapFailed | Kind::BadDek), "{says}: {error}");
            assert_ne!(error.fault(), Some(Fault::Transient), "{says}: {error}");
            assert!(error.to_string().contains(says), "{says} is not in: {error}");
            assert_eq!(requests, 1, "{says}");
        }

        // Redirects are not followed.
        let other = Http::start(|_| Some(Answer::text(200, "{}")));
        for status in [301, 302, 303, 307, 308] {
            let head = format!(
                "HTTP/1.1 {status} X\r\nlocation: {}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                other.url()
            );
            let (result, requests) = case(&[Script::Raw(head.into_bytes())], &services);
            let error = result.unwrap_err();
            assert!(error.to_string().contains("redirect"), "{status}: {error}");
            assert_eq!((requests, other.requests().len()), (1, 0), "{status}");
        }

        let large = Script::Status(200, format!("{{\"x\":\"{}\"}}", "a".repeat(1 << 20)));
        let (result, requests) = case(&[large], &services);
        assert!(result.unwrap_err().to_string().contains("larger than"));
        assert_eq!(requests, 1);

        let hasty = services.clone().deadline(Duration::from_millis(300));
        let started = Instant::now();
        let (result, _) = case(&[Script::Silence], &hasty);
        assert_eq!(result.unwrap_err().exit_code(), 41);
        assert!(started.elapsed() < Duration::from_secs(10));

        for (at, reply) in self.canaries.iter().enumerate() {
            // envconf sends fewer than 100 requests within this deadline.
            let (result, _) = case(&vec![reply.clone(); 100], &hasty);
            let error = result.unwrap_err();
            let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            assert!(!shown.contains(CANARY) && !shown.contains("secretWords"), "{at}: {shown}");
        }
        assert_eq!(case(&[], &services).0.unwrap(), b"content");
    }
}
