//! Tests of faults of Tencent Cloud KMS: the result of a load, its number of requests, its time and its error. Also
//! tests GET, proxies and clocks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{TencentProject, variables_of};
use envconf::error::Fault;
use envconf::{ContentType, EncryptedConfig, Error, KeyRef, KeyServices, Kind};
use envconf_test_support::{Reply, Sandbox, StandIn};
use loopback::{Answer, Http, Proxy};

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app")]
struct App {
    port: u16,
}

fn tencent() -> TencentProject {
    TencentProject::toml("port = 8080\n")
}

/// The outcome of one load: the port or the error, the number of requests, and the time.
struct Outcome {
    result: Result<u16, Error>,
    requests: usize,
    took: Duration,
}

fn load(project: &TencentProject, variables: &[(&str, &str)]) -> Outcome {
    let (before, started) = (project.kms.requests().len(), Instant::now());
    let result = project.loader::<App>(variables).load().map(|app| app.port);
    Outcome { result, requests: project.kms.requests().len() - before, took: started.elapsed() }
}

impl Outcome {
    /// Checks that the load succeeded with this number of requests.
    #[track_caller]
    fn loads(self, requests: usize) {
        assert_eq!(self.result.unwrap_or_else(|error| panic!("{error}")), 8080);
        assert_eq!(self.requests, requests);
    }

    /// Checks that the load failed soon, with a number of requests in this range and all of these texts.
    #[track_caller]
    fn fails(self, requests: RangeInclusive<usize>, exit: u8, says: &[&str]) -> Error {
        let error = self.result.unwrap_err();
        assert_eq!(error.exit_code(), exit, "{error}");
        assert!(requests.contains(&self.requests), "{} requests: {error}", self.requests);
        assert!(self.took < Duration::from_secs(9), "{:?}", self.took);
        for part in says {
            assert!(error.to_string().contains(part), "{part} is not in: {error}");
        }
        error
    }
}

#[test]
fn a_request_is_repeated_when_its_answer_exceeds_the_limit() {
    let project = tencent();
    project.kms.next(Reply::Delay(Duration::from_secs(20)));
    let outcome = load(&project, &[]);
    assert!((3.0..6.0).contains(&outcome.took.as_secs_f64()), "{:?}", outcome.took);
    outcome.loads(2);
}

#[test]
fn a_load_waits_for_an_answer_within_the_limit() {
    let project = tencent();
    project.kms.next(Reply::Delay(Duration::from_millis(700)));
    load(&project, &[]).loads(1);
}

#[test]
fn a_throttled_load_continues_until_it_succeeds() {
    let project = tencent();
    for _ in 0..5 {
        project.kms.next(Reply::error("RequestLimitExceeded.UinLimitExceeded", "x"));
    }
    load(&project, &[("ENVCONF_KMS_DEADLINE", "12s")]).loads(6);
}

#[test]
fn a_fleet_above_the_quota_succeeds_within_the_deadline() {
    const PROCESSES: usize = 30;
    let project = tencent();
    let services = KeyServices::from_given(variables_of(&project.kms, &project.project.sandbox)).unwrap();
    // Separate pairs: loads of one wrapped key would share a request.
    let environments: Vec<_> = (0..PROCESSES).map(|number| format!("e{number}")).collect();
    for environment in &environments {
        project.project.seal(environment, ContentType::Toml, b"port = 8080\n", &[&project.key], &services);
    }
    let (before, started) = (project.kms.requests().len(), Instant::now());
    project.kms.throttle(Some(10));
    std::thread::scope(|scope| {
        for environment in &environments {
            let loader = project.loader::<App>(&[("ENVCONF_KMS_DEADLINE", "20s")]).environment(environment);
            scope.spawn(|| assert_eq!(loader.load().unwrap_or_else(|error| panic!("{error}")).port, 8080));
        }
    });
    // The first ten succeed at once. The last ones must wait for two more seconds to begin.
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    let requests = project.kms.requests().len() - before;
    assert!((PROCESSES + 1..PROCESSES * 5).contains(&requests), "{requests} requests");
}

#[test]
fn a_load_that_stays_throttled_ends_at_the_deadline_with_the_message_of_the_service() {
    let project = tencent();
    for _ in 0..1000 {
        project.kms.next(Reply::error("RequestLimitExceeded", "x"));
    }
    let outcome = load(&project, &[("ENVCONF_KMS_DEADLINE", "1500ms")]);
    assert!((1.3..4.0).contains(&outcome.took.as_secs_f64()), "{:?}", outcome.took);
    let error = outcome.fails(3..=100, 41, &["RequestLimitExceeded", "quota", "tries", "request "]);
    assert!(error.attempts()[0].request_id().is_some());
}

#[test]
fn the_error_shows_the_last_answer_and_not_the_interrupted_request() {
    let project = tencent();
    project.kms.next(Reply::error("InternalError", "x"));
    project.kms.next(Reply::Delay(Duration::from_secs(20)));
    let error = load(&project, &[("ENVCONF_KMS_DEADLINE", "800ms")]).fails(2..=2, 41, &["InternalError"]);
    assert!(error.attempts()[0].request_id().is_some());
}

#[test]
fn permanent_faults_are_retried_until_the_deadline_and_reported() {
    type Case = (fn() -> Reply, &'static str);
    let faults: [Case; 6] = [
        (|| Reply::Status(502), "HTTP 502"),
        (|| Reply::error("ServiceUnavailable", "x"), "ServiceUnavailable"),
        (|| Reply::Close, "was lost before"),
        (|| Reply::HalfBody, "was lost before"),
        (|| Reply::Garbage, "was lost before"),
        (|| Reply::json("{\"Response\":"), "incomplete or not JSON"),
    ];
    for (fault, says) in faults {
        let project = tencent();
        for _ in 0..100 {
            project.kms.next(fault());
        }
        let outcome = load(&project, &[("ENVCONF_KMS_DEADLINE", "1200ms")]);
        assert!(outcome.took < Duration::from_secs(4), "{:?}", outcome.took);
        // The delays double, so only a few requests fit into the time.
        outcome.fails(3..=30, 41, &[says, "tries", "app.conf.key", &project.key.to_string()]);
    }
}

#[test]
fn a_service_that_recovers_within_the_deadline_is_used() {
    let project = tencent();
    for _ in 0..6 {
        project.kms.next(Reply::Status(503));
    }
    load(&project, &[("ENVCONF_KMS_DEADLINE", "60s")]).loads(7);
}

#[test]
fn each_key_is_retried_within_its_share_of_the_deadline() {
    let project = tencent();
    let other: KeyRef =
        format!("tencent:ap-shanghai:{}", project.kms.create_key("ap-shanghai")).parse().unwrap();
    let services = KeyServices::from_given(project.kms.variables()).unwrap();
    project.project.seal("prod", ContentType::Toml, b"port = 8080\n", &[&other, &project.key], &services);
    let load = |deadline: &str| {
        let (before, started) = (project.kms.requests().len(), Instant::now());
        let loader = project.loader::<App>(&[("ENVCONF_KMS_DEADLINE", deadline)]).environment("prod");
        let result = loader.trust(format!("{other},{}", project.key)).load().map(|app| app.port);
        Outcome { result, requests: project.kms.requests().len() - before, took: started.elapsed() }
    };
    for _ in 0..5 {
        project.kms.next(Reply::Status(503));
    }
    // The share of this key is five minutes.
    load("600s").loads(6);
    // The last key has all of the remaining time.
    for _ in 0..10 {
        project.kms.next(Reply::Status(503));
    }
    load("120s").loads(11);
}

#[test]
fn permanent_errors_are_not_retried() {
    type Case = (fn() -> Reply, Kind, u8, &'static str);
    let cases: [Case; 6] = [
        (|| Reply::WrongKeyId, Kind::UnwrapFailed, 40, "another key than the trusted one"),
        (|| Reply::WrongLength, Kind::BadDek, 30, "length"),
        (|| Reply::Oversized(1 << 20), Kind::UnwrapFailed, 40, "larger than 64 KiB"),
        (|| Reply::Redirect("http://127.0.0.1:1/".into()), Kind::UnwrapFailed, 40, "a redirect"),
        (|| Reply::Status(403), Kind::UnwrapFailed, 40, "gateway refused"),
        (
            || Reply::error("RequestLimitExceeded.RotateRateLimited", "x"),
            Kind::UnwrapFailed,
            40,
            "once a day",
        ),
    ];
    for (reply, kind, exit, says) in cases {
        let project = tencent();
        project.kms.next(reply());
        assert_eq!(load(&project, &[]).fails(1..=1, exit, &[says]).kind(), kind);
    }
}

#[test]
fn a_load_retries_if_the_gateway_rejects_too_many_requests() {
    let project = tencent();
    for _ in 0..4 {
        project.kms.next(Reply::Status(429));
    }
    load(&project, &[("ENVCONF_KMS_DEADLINE", "12s")]).loads(5);
}

#[test]
fn a_very_slow_answer_ends_at_the_limit() {
    let project = tencent();
    let drip = Http::start(|_| {
        let answer = Answer::json(format!("{{\"Response\":{{\"KeyId\":\"{}\"}}}}", "x".repeat(4000)));
        Some(Answer { pace: Some(Duration::from_millis(50)), ..answer })
    });
    let variables = [("ENVCONF_TENCENT_ENDPOINT", drip.url()), ("ENVCONF_KMS_DEADLINE", "1s".to_owned())];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let outcome = load(&project, &variables);
    assert!((1.0..3.0).contains(&outcome.took.as_secs_f64()), "{:?}", outcome.took);
    outcome.fails(0..=0, 41, &["no answer within the deadline"]);
    let variables: Vec<_> =
        variables.into_iter().filter(|(name, _)| *name != "ENVCONF_KMS_DEADLINE").collect();
    let outcome = load(&project, &[&variables[..], &[("ENVCONF_KMS_DEADLINE", "4s")]].concat());
    outcome.fails(0..=0, 41, &["no answer from 127.0.0.1:", " in 3 s"]);
}

#[test]
fn a_reset_connection_is_replaced() {
    let project = tencent();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::sleep(Duration::from_millis(20));
            // The connection is closed with unread bytes, so the other side receives a reset.
            drop(stream);
        }
    });
    let variables = [("ENVCONF_TENCENT_ENDPOINT", endpoint.as_str()), ("ENVCONF_KMS_DEADLINE", "1s")];
    load(&project, &variables).fails(0..=0, 41, &["the connection to 127.0.0.1:", "was lost", "tries"]);
}

#[test]
fn a_broken_tls_connection_is_replaced() {
    let project = TencentProject::sealed(StandIn::builder().tls().start(), "port = 8080\n");
    project.kms.next(Reply::Garbage);
    load(&project, &[]).loads(2);
}

#[test]
fn a_shared_request_continues_until_the_longest_deadline() {
    let project = tencent();
    project.kms.next(Reply::Delay(Duration::from_secs(2)));
    let before = project.kms.requests().len();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| load(&project, &[("ENVCONF_KMS_DEADLINE", "300ms")]));
        std::thread::sleep(Duration::from_millis(100));
        let second = scope.spawn(|| load(&project, &[("ENVCONF_KMS_DEADLINE", "9s")]));
        let first = first.join().unwrap();
        assert!(first.took < Duration::from_millis(1500), "{:?}", first.took);
        assert_eq!(first.result.unwrap_err().exit_code(), 41);
        assert_eq!(second.join().unwrap().result.unwrap(), 8080);
    });
    assert_eq!(project.kms.requests().len() - before, 1, "both loads must share one request");
}

#[test]
fn a_failed_connection_is_reported() {
    let project = tencent();
    let variables = [("ENVCONF_TENCENT_ENDPOINT", "http://127.0.0.1:1"), ("ENVCONF_KMS_DEADLINE", "1s")];
    load(&project, &variables).fails(
        0..=0,
        41,
        // An endpoint comes from a region, a setting or a proxy. The error shows the address.
        &["no connection to 127.0.0.1:1", "tries"],
    );
}

#[test]
fn a_key_without_a_region_is_never_requested() {
    let kms = StandIn::start();
    let services = KeyServices::from_given(kms.variables()).unwrap();
    let key: KeyRef = format!("tencent:-:{}", kms.key_id()).parse().unwrap();
    let seal = envconf::Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw);
    let error = seal.recipient(key).seal_bytes(b"x", &services).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("needs a region"), "{error}");
    assert_eq!((error.exit_code(), kms.requests().len()), (40, 0));
}

#[test]
fn a_wrong_clock_is_corrected_once_for_all_requests() {
    for offset in [400, -4000] {
        let project = tencent();
        project.kms.set_clock_offset(offset);
        load(&project, &[]).loads(2);
        load(&project, &[]).loads(1);
        project.kms.set_state(
            "ap-guangzhou",
            project.key.key_id(),
            envconf_test_support::tencent::KeyState::Disabled,
        );
        let way = if offset > 0 { "s behind the service's" } else { "s ahead of the service's" };
        load(&project, &[]).fails(1..=1, 42, &["CmkDisabled", "this machine's clock is", way]);
    }
}

#[test]
fn a_clock_that_cannot_be_corrected_is_reported() {
    let project = tencent();
    // The stand-in's own Date agrees with the request, so the clock is not the cause.
    project.kms.next(Reply::error("AuthFailure.SignatureExpire", "x"));
    load(&project, &[]).fails(1..=1, 42, &["SignatureExpire", "agrees"]);
    // The service rejects the request again after a correction.
    project.kms.set_clock_offset(400);
    project.kms.next(Reply::error("AuthFailure.SignatureExpire", "x"));
    project.kms.next(Reply::error("AuthFailure.SignatureExpire", "x"));
    load(&project, &[]).fails(2..=2, 42, &["SignatureExpire", "this machine's clock is"]);
}

// Pitfall 13.
#[test]
fn trusted_keys_are_tried_in_order_and_all_failures_are_reported() {
    let project = tencent();
    let other: KeyRef =
        format!("tencent:ap-shanghai:{}", project.kms.create_key("ap-shanghai")).parse().unwrap();
    let services = KeyServices::from_given(project.kms.variables()).unwrap();
    project.project.seal("prod", ContentType::Toml, b"port = 8080\n", &[&other, &project.key], &services);
    let load = |deadline: &str| {
        let (before, started) = (project.kms.requests().len(), Instant::now());
        let loader = project.loader::<App>(&[("ENVCONF_KMS_DEADLINE", deadline)]).environment("prod");
        let result = loader.trust(format!("{other},{}", project.key)).load().map(|app| app.port);
        Outcome { result, requests: project.kms.requests().len() - before, took: started.elapsed() }
    };
    // The first service does not answer in its share of the time. The second one answers.
    project.kms.next(Reply::Delay(Duration::from_secs(20)));
    let outcome = load("4s");
    assert!((1.9..3.9).contains(&outcome.took.as_secs_f64()), "{:?}", outcome.took);
    outcome.loads(2);

    project.kms.next(Reply::error("ResourceUnavailable.CmkNotFound", "x"));
    project.kms.next(Reply::error("UnauthorizedOperation", "x"));
    let says = [
        "CmkNotFound",
        "UnauthorizedOperation",
        "kms:Decrypt",
        "check the region and the key id",
        "1 try, 0.",
    ];
    let error = load("10s").fails(2..=2, 42, &says);
    let tried: Vec<_> = error.attempts().iter().map(|attempt| attempt.key().clone()).collect();
    assert_eq!(tried, [other.clone(), project.key.clone()]);
    assert!(error.attempts().iter().all(|attempt| attempt.fault() == Fault::Refused));
}

#[test]
fn get_requests_are_signed_and_accepted() {
    let kms = StandIn::start();
    let sandbox = Sandbox::new();
    let mut variables = variables_of(&kms, &sandbox);
    variables.push(("ENVCONF_TENCENT_METHOD".into(), "GET".into()));
    let services = KeyServices::from_given(variables).unwrap();
    let key: KeyRef = format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap();
    let other: KeyRef = format!("tencent:ap-guangzhou:{}", kms.create_key("ap-guangzhou")).parse().unwrap();
    let seal = envconf::Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw);
    let (enc, wrapped) = seal.recipient(key.clone()).recipient(other).seal_bytes(b"x", &services).unwrap();
    let policy = envconf::Policy::new("app".parse().unwrap(), "prod".parse().unwrap());
    let opened =
        envconf::pair::open_bytes(&enc, &wrapped, &policy.trust([envconf::Trusted::Key(key)]), &services);
    assert_eq!(opened.unwrap().content(), b"x");
    for request in kms.requests() {
        // A URL never contains a data key.
        let method = if request.action == "Encrypt" { "POST" } else { "GET" };
        assert_eq!(request.method, method, "{}", request.action);
        if method == "GET" {
            assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
            assert!(request.body.is_empty() && request.query.contains("EncryptionContext=%7B%22env%22"));
        }
    }
}

/// Starts a TLS stand-in and a proxy. Returns the variables of a program that uses both, with the host of the region.
fn behind_a_proxy() -> (TencentProject, Proxy, Vec<(String, String)>) {
    let project = TencentProject::sealed(StandIn::builder().tls().start(), "port = 8080\n");
    let proxy = Proxy::to(project.kms.address());
    let mut variables = variables_of(&project.kms, &project.project.sandbox);
    variables.retain(|(name, _)| name != "ENVCONF_TENCENT_ENDPOINT");
    variables.push(("HTTPS_PROXY".into(), format!("http://us%65r:word@{}", proxy.host())));
    (project, proxy, variables)
}

fn load_with(project: &TencentProject, variables: Vec<(String, String)>) -> Result<u16, Error> {
    let loader = App::loader().dir(project.project.sandbox.path("config")).trust(project.key.to_string());
    loader.variables(variables).load().map(|app| app.port)
}

#[test]
fn a_proxy_receives_only_connect_requests() {
    let (project, proxy, variables) = behind_a_proxy();
    assert_eq!(load_with(&project, variables).unwrap_or_else(|error| panic!("{error}")), 8080);
    let requests = proxy.requests();
    let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
    assert_eq!(request.method, "CONNECT");
    assert_eq!(request.target, "kms.ap-guangzhou.tencentcloudapi.com:443");
    let password = format!("Basic {}", STANDARD.encode("user:word"));
    assert_eq!(request.header("proxy-authorization"), Some(password.as_str()));
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn proxies_are_not_used_for_loopback_or_excluded_hosts() {
    let (project, proxy, mut variables) = behind_a_proxy();
    let mut direct = variables.clone();
    direct.push(("ENVCONF_TENCENT_ENDPOINT".into(), project.kms.endpoint()));
    assert_eq!(load_with(&project, direct).unwrap(), 8080);
    variables.push(("ENVCONF_KMS_DEADLINE".into(), "500ms".into()));
    variables.push(("no_proxy".into(), "x, .tencentcloudapi.com".into()));
    assert_eq!(load_with(&project, variables).unwrap_err().exit_code(), 41);
    assert!(proxy.requests().is_empty());
}

#[test]
fn a_failed_proxy_is_reported() {
    let (project, _, mut variables) = behind_a_proxy();
    variables.push(("https_proxy".into(), "http://127.0.0.1:1".into()));
    variables.push(("ENVCONF_KMS_DEADLINE".into(), "1s".into()));
    let error = load_with(&project, variables.clone()).unwrap_err().to_string();
    assert!(error.contains("through the proxy") && error.contains("NO_PROXY"), "{error}");
    variables.push(("https_proxy".into(), "socks5://127.0.0.1:1".into()));
    let error = load_with(&project, variables).unwrap_err().to_string();
    assert!(error.contains("https_proxy does not name an http or https proxy"), "{error}");
}
