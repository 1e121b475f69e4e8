//! Tests of each source of credentials for Tencent Cloud, against a server that checks the requests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::TencentProject;
use envconf::__vectors::{Tc3Request, tc3};
use envconf::{EncryptedConfig, Error};
use envconf_test_support::{Credential, Reply, StandIn};
use loopback::{Answer, Http, Request, in_seconds};
use serde_json::json;

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app")]
struct App {
    port: u16,
}

const ROLE: &str = "qcs::cam::uin/100000000001:roleName/reader";

/// A sealed pair, and the variables of a program that reads it. At first these are the endpoints and the home
/// directory.
struct Reader {
    project: TencentProject,
    variables: Vec<(String, String)>,
}

impl Reader {
    fn new() -> Self {
        let project = TencentProject::sealed(StandIn::start(), "port = 8080\n");
        let mut this = Self { project, variables: Vec::new() };
        this.set("ENVCONF_TENCENT_ENDPOINT", &this.project.kms.endpoint());
        this.set("ENVCONF_TENCENT_METADATA_ENDPOINT", "http://127.0.0.1:1");
        this.set("ENVCONF_TENCENT_STS_ENDPOINT", "http://127.0.0.1:1");
        this.set("HOME", &this.path("home"));
        this
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn unset(&mut self, name: &str) {
        self.variables.retain(|(own, _)| own != name);
    }

    fn path(&self, relative: &str) -> String {
        self.project.project.sandbox.path(relative).to_string_lossy().into_owned()
    }

    fn write(&self, relative: &str, text: &str) {
        self.project.project.sandbox.write(relative, text);
    }

    /// Permits the action `Decrypt` for a credential.
    fn known(&self, credential: Credential) -> Credential {
        self.project.kms.add_credential(credential.clone(), &["Decrypt"]);
        credential
    }

    fn load(&self) -> Result<u16, Error> {
        let loader = App::loader()
            .dir(self.project.project.sandbox.path("config"))
            .trust(self.project.key.to_string())
            .variables(self.variables.clone());
        loader.load().map(|app| app.port)
    }

    #[track_caller]
    fn loads_with(&self, credential: &Credential) {
        assert_eq!(self.load().unwrap_or_else(|error| panic!("{error}")), 8080);
        let request = self.project.kms.requests().pop().unwrap();
        assert_eq!(request.secret_id, credential.secret_id);
        assert_eq!(request.header("x-tc-token"), credential.token.as_deref());
    }

    /// Returns the error of a load. Checks that it has sent nothing to the key service.
    #[track_caller]
    fn is_refused(&self, says: &str) -> String {
        let before = self.project.kms.requests().len();
        let error = self.load().unwrap_err();
        assert!(error.to_string().contains(says), "{says} is not in: {error}");
        assert_eq!(error.exit_code(), 42);
        assert_eq!(self.project.kms.requests().len(), before);
        error.to_string()
    }
}

fn ini(section: &str, credential: &Credential) -> String {
    let token = credential.token.as_ref().map_or(String::new(), |token| format!("token = {token}\n"));
    format!(
        "[{section}]\nsecret_id = {}\nsecret_key = {}\n{token}",
        credential.secret_id, credential.secret_key
    )
}

/// Returns a reply of STS with `credential` for this number of seconds.
fn granted(credential: &Credential, seconds: u64) -> Answer {
    let credentials = json!({
        "TmpSecretId": credential.secret_id, "TmpSecretKey": credential.secret_key, "Token": credential.token,
    });
    let id = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";
    let time = in_seconds(seconds);
    Answer::json(json!({"Response": {"Credentials": credentials, "ExpiredTime": time, "RequestId": id}}))
}

fn sts(credential: &Credential, seconds: u64) -> Http {
    let credential = credential.clone();
    Http::start(move |_| Some(granted(&credential, seconds)))
}

/// Starts a metadata server of a machine with the role `reader`.
fn metadata(credential: &Credential, seconds: u64) -> Http {
    let credential = credential.clone();
    Http::start(move |request| {
        Some(match request.target.as_str() {
            "/latest/meta-data/cam/security-credentials/" => Answer::text(200, "reader\n"),
            "/latest/meta-data/cam/security-credentials/reader" => Answer::json(json!({
                "TmpSecretId": credential.secret_id, "TmpSecretKey": credential.secret_key,
                "Token": credential.token, "ExpiredTime": in_seconds(seconds), "Code": "Success",
            })),
            _ => Answer::text(404, ""),
        })
    })
}

#[track_caller]
fn assert_signed(request: &Request, credential: &Credential, host: &str) {
    let signed = tc3(
        &Tc3Request {
            method: "POST",
            host,
            query: "",
            content_type: "application/json",
            payload: &request.body,
            service: "sts",
            timestamp: request.header("x-tc-timestamp").unwrap().parse().unwrap(),
        },
        &credential.secret_id,
        &credential.secret_key,
    );
    assert_eq!(request.header("authorization"), Some(signed.authorization.as_str()));
    assert_eq!(request.header("host"), Some(host));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("x-tc-token"), credential.token.as_deref());
}

#[test]
fn the_first_existing_source_is_used() {
    let mut reader = Reader::new();
    let known = |credential| reader.known(credential);
    let [environment, named, own, tccli] = [(); 4].map(|()| known(Credential::fake()));
    let [pod, machine] = [(); 2].map(|()| known(Credential::fake_temporary()));
    let (sts, metadata) = (sts(&pod, 7200), metadata(&machine, 7200));
    reader.write("named", &ini("default", &named));
    reader.write("home/.tencentcloud/credentials", &ini("default", &own));
    let login = json!({"secretId": tccli.secret_id, "secretKey": tccli.secret_key});
    reader.write("home/.tccli/default.credential", &login.to_string());
    reader.write("token", "eyJ.e30.sig\n");
    let named_path = reader.path("named");
    for (name, value) in [
        ("TENCENTCLOUD_SECRET_ID", environment.secret_id.as_str()),
        ("TENCENTCLOUD_SECRET_KEY", &environment.secret_key),
        ("TENCENTCLOUD_CREDENTIALS_FILE", &named_path),
        ("ENVCONF_TENCENT_STS_ENDPOINT", &sts.url()),
        ("ENVCONF_TENCENT_METADATA_ENDPOINT", &metadata.url()),
        ("TKE_REGION", "ap-guangzhou"),
        ("TKE_PROVIDER_ID", "cls-1"),
        ("TKE_ROLE_ARN", ROLE),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", &reader.path("token")),
    ] {
        reader.set(name, value);
    }
    reader.loads_with(&environment);
    reader.unset("TENCENTCLOUD_SECRET_ID");
    reader.unset("TENCENTCLOUD_SECRET_KEY");
    reader.loads_with(&named);
    reader.unset("TENCENTCLOUD_CREDENTIALS_FILE");
    reader.loads_with(&own);
    std::fs::remove_file(reader.path("home/.tencentcloud/credentials")).unwrap();
    reader.loads_with(&tccli);
    std::fs::remove_file(reader.path("home/.tccli/default.credential")).unwrap();
    assert!(sts.requests().is_empty());
    reader.loads_with(&pod);
    assert!(metadata.requests().is_empty());
    reader.unset("TKE_ROLE_ARN");
    reader.loads_with(&machine);
}

#[test]
fn a_profile_selects_section_and_file() {
    let mut reader = Reader::new();
    let [first, second, third] =
        [Credential::fake(), Credential::fake_temporary(), Credential::fake_temporary()]
            .map(|credential| reader.known(credential));
    reader.write("home/.tencentcloud/credentials", &(ini("default", &first) + &ini("ci", &second)));
    reader.loads_with(&first);
    reader.set("TENCENTCLOUD_PROFILE", "ci");
    reader.loads_with(&second);
    std::fs::remove_file(reader.path("home/.tencentcloud/credentials")).unwrap();
    let login = json!({"secretId": third.secret_id, "secretKey": third.secret_key, "token": third.token});
    reader.write("home/.tccli/work.credential", &login.to_string());
    reader.set("TCCLI_PROFILE", "work");
    reader.loads_with(&third);
}

#[test]
fn a_broken_source_ends_the_search_and_is_named() {
    let good = Credential::fake();
    let cases: [(&str, &str, &str, &str); 7] = [
        ("TENCENTCLOUD_SECRET_ID", "id id", "", "TENCENTCLOUD_SECRET_ID is empty, or has blanks"),
        (
            "TENCENTCLOUD_CREDENTIALS_FILE",
            "/does/not/exist",
            "",
            "TENCENTCLOUD_CREDENTIALS_FILE does not exist",
        ),
        ("X", "", "home/.tencentcloud/credentials", "~/.tencentcloud/credentials has no section [default]"),
        ("X", "", "home/.tencentcloud/credentials/x", "~/.tencentcloud/credentials is not a regular file"),
        ("TENCENTCLOUD_PROFILE", "../x", "", "TENCENTCLOUD_PROFILE is not a profile name"),
        ("X", "", "home/.tccli/default.credential", ".credential is not a JSON object"),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", "/does/not/exist", "", "TKE_WEB_IDENTITY_TOKEN_FILE does not exist"),
    ];
    for (name, value, file, says) in cases {
        let mut reader = Reader::new();
        reader.known(good.clone());
        let metadata = metadata(&good, 7200);
        reader.set("ENVCONF_TENCENT_METADATA_ENDPOINT", &metadata.url());
        for name in ["TKE_REGION", "TKE_PROVIDER_ID", "TKE_ROLE_ARN"] {
            reader.set(name, "x");
        }
        reader.set(name, value);
        if !file.is_empty() {
            reader.write(file, "nothing of the kind\n");
        }
        reader.is_refused(says);
        assert!(metadata.requests().is_empty(), "{says}");
    }
}

#[test]
fn without_any_source_the_error_lists_every_place() {
    let mut reader = Reader::new();
    for (answer, says) in [(Some(404), "it has none"), (Some(200), "it has none"), (None, "does not answer")]
    {
        let metadata = Http::start(move |_| answer.map(|status| Answer::text(status, "")));
        reader.set("ENVCONF_TENCENT_METADATA_ENDPOINT", &metadata.url());
        let started = Instant::now();
        let report = reader.is_refused(says);
        for place in [
            "TENCENTCLOUD_SECRET_ID",
            "TENCENTCLOUD_CREDENTIALS_FILE",
            "~/.tencentcloud/credentials",
            "/etc/tencentcloud/credentials",
            "~/.tccli/",
            "TKE_ROLE_ARN",
            "role of this machine",
        ] {
            assert!(report.contains(place), "{place} is not in: {report}");
        }
        assert!(started.elapsed() < Duration::from_secs(3), "the search must wait one second only");
        assert_eq!(metadata.requests().len(), 1);
    }
}

#[test]
fn a_pod_exchanges_its_token_unsigned_and_reads_the_file_each_time() {
    let mut reader = Reader::new();
    let pod = reader.known(Credential::fake_temporary());
    // The credentials are valid for three seconds. envconf fetches new ones after half of this time.
    let sts = sts(&pod, 3);
    reader.set("ENVCONF_TENCENT_STS_ENDPOINT", &sts.url());
    reader.write("token", "  eyJ.first.sig\n\n");
    for (name, value) in [
        ("TKE_REGION", "ap-shanghai"),
        ("TKE_PROVIDER_ID", "cls-1"),
        ("TKE_ROLE_ARN", ROLE),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", &reader.path("token")),
    ] {
        reader.set(name, value);
    }
    reader.loads_with(&pod);
    reader.write("token", "eyJ.second.sig");
    std::thread::sleep(Duration::from_millis(3100));
    reader.loads_with(&pod);
    let requests = sts.requests();
    let tokens: Vec<_> = requests.iter().map(|request| request.json()["WebIdentityToken"].clone()).collect();
    assert_eq!(tokens, ["eyJ.first.sig", "eyJ.second.sig"]);
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/"));
    for (name, value) in [
        ("authorization", Some("SKIP")),
        ("x-tc-action", Some("AssumeRoleWithWebIdentity")),
        ("x-tc-version", Some("2018-08-13")),
        ("x-tc-region", Some("ap-shanghai")),
        ("x-tc-token", None),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    let body = request.json();
    assert_eq!((body["ProviderId"].as_str(), body["RoleArn"].as_str()), (Some("cls-1"), Some(ROLE)));
    assert!(body["RoleSessionName"].as_str().unwrap().starts_with("envconf-"));
    assert_eq!(body.as_object().unwrap().len(), 4);
}

#[test]
fn a_role_is_assumed_with_the_found_credential() {
    for base in [Credential::fake(), Credential::fake_temporary()] {
        let mut reader = Reader::new();
        let role = reader.known(Credential::fake_temporary());
        let sts = sts(&role, 7200);
        reader.write("home/.tencentcloud/credentials", &ini("default", &base));
        reader.set("ENVCONF_TENCENT_STS_ENDPOINT", &sts.url());
        reader.set("TENCENTCLOUD_ROLE_ARN", ROLE);
        reader.set("TENCENTCLOUD_ROLE_SESSION_NAME", "app@prod");
        reader.loads_with(&role);
        reader.loads_with(&role);
        let requests = sts.requests();
        let [request] = &requests[..] else {
            panic!("{} requests: the process must keep the credential", requests.len())
        };
        assert_signed(request, &base, &sts.host());
        assert_eq!(request.header("x-tc-action"), Some("AssumeRole"));
        assert_eq!(request.header("x-tc-version"), Some("2018-08-13"));
        assert_eq!(request.json(), json!({"RoleArn": ROLE, "RoleSessionName": "app@prod"}));
    }
}

#[test]
fn a_machines_role_may_assume_another() {
    let mut reader = Reader::new();
    let (machine, role) = (Credential::fake_temporary(), reader.known(Credential::fake_temporary()));
    let (sts, metadata) = (sts(&role, 7200), metadata(&machine, 7200));
    reader.set("ENVCONF_TENCENT_STS_ENDPOINT", &sts.url());
    reader.set("ENVCONF_TENCENT_METADATA_ENDPOINT", &metadata.url());
    reader.set("TENCENTCLOUD_ROLE_ARN", ROLE);
    reader.loads_with(&role);
    assert_signed(&sts.requests()[0], &machine, &sts.host());
}

#[test]
fn sts_errors_name_the_action_the_code_and_a_hint() {
    for (code, exit, requests, advice) in [
        ("AuthFailure.UnauthorizedOperation", 42, 1..=1, "sts:AssumeRole"),
        ("ResourceNotFound.RoleNotFound", 42, 1..=1, "ARN"),
        ("InternalError", 41, 3..=100, "try again"),
    ] {
        let mut reader = Reader::new();
        let id = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";
        let reply =
            json!({"Response": {"Error": {"Code": code, "Message": "m"}, "RequestId": id}}).to_string();
        let sts = Http::start(move |_| Some(Answer::json(&reply)));
        reader.write("home/.tencentcloud/credentials", &ini("default", &Credential::fake()));
        reader.set("ENVCONF_TENCENT_STS_ENDPOINT", &sts.url());
        reader.set("TENCENTCLOUD_ROLE_ARN", ROLE);
        reader.set("ENVCONF_KMS_DEADLINE", "1500ms");
        let error = reader.load().unwrap_err();
        assert_eq!(error.exit_code(), exit, "{error}");
        assert!(requests.contains(&sts.requests().len()), "{} requests: {error}", sts.requests().len());
        for part in [code, id, "AssumeRole (STS)", advice] {
            assert!(error.to_string().contains(part), "{part} is not in: {error}");
        }
    }
}

#[test]
fn a_machine_gets_credentials_from_its_metadata_service() {
    let mut reader = Reader::new();
    let machine = reader.known(Credential::fake_temporary());
    let metadata = metadata(&machine, 7200);
    reader.set("ENVCONF_TENCENT_METADATA_ENDPOINT", &metadata.url());
    // No proxy answers at this address. It must not be used.
    reader.set("HTTP_PROXY", "http://127.0.0.1:1");
    reader.set("ALL_PROXY", "http://127.0.0.1:1");
    reader.loads_with(&machine);
    let requests = metadata.requests();
    let directory = "/latest/meta-data/cam/security-credentials/";
    let targets: Vec<_> = requests.iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, [directory.to_owned(), format!("{directory}reader")]);
    for request in requests {
        assert_eq!((request.method.as_str(), request.header("authorization")), ("GET", None));
    }
}

#[test]
fn invalid_replies_of_a_metadata_service_are_errors() {
    for (role, reply, says) in [
        ("../x", json!({}), "no role name"),
        ("<html>", json!({}), "no role name"),
        ("reader", json!({"Code": "Failed"}), "returned no credentials"),
        ("reader", json!({"TmpSecretId": "i"}), "incomplete"),
        (
            "reader",
            json!({"TmpSecretId": "i", "TmpSecretKey": "k", "Token": "t", "ExpiredTime": 1}),
            "expired credentials",
        ),
    ] {
        let mut reader = Reader::new();
        let metadata = Http::start(move |request| {
            let is_directory = request.target.ends_with('/');
            Some(if is_directory { Answer::text(200, role) } else { Answer::json(&reply) })
        });
        reader.set("ENVCONF_TENCENT_METADATA_ENDPOINT", &metadata.url());
        reader.is_refused(says);
    }
}

/// Starts an STS that returns the next of these credentials for each request.
fn rotating(credentials: Vec<Credential>, seconds: u64) -> (Http, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let sts = Http::start(move |_| {
        let at = counter.fetch_add(1, Ordering::SeqCst).min(credentials.len() - 1);
        std::thread::sleep(Duration::from_millis(50));
        Some(granted(&credentials[at], seconds))
    });
    (sts, count)
}

fn with_role(sts: &Http) -> Reader {
    let mut reader = Reader::new();
    reader.write("home/.tencentcloud/credentials", &ini("default", &Credential::fake()));
    reader.set("ENVCONF_TENCENT_STS_ENDPOINT", &sts.url());
    reader.set("TENCENTCLOUD_ROLE_ARN", ROLE);
    reader
}

#[test]
fn rejected_temporary_credentials_are_replaced_once() {
    let (stale, fresh) = (Credential::fake_temporary(), Credential::fake_temporary());
    let (sts, fetched) = rotating(vec![stale, fresh.clone()], 7200);
    let reader = with_role(&sts);
    reader.known(fresh.clone());
    // The stand-in rejects the first one.
    reader.loads_with(&fresh);
    assert_eq!(fetched.load(Ordering::SeqCst), 2);

    let before = reader.project.kms.requests().len();
    reader.project.kms.next(Reply::error("AuthFailure.TokenFailure", "m"));
    reader.project.kms.next(Reply::error("AuthFailure.TokenFailure", "m"));
    let error = reader.load().unwrap_err();
    assert_eq!(error.attempts()[0].code(), Some("AuthFailure.TokenFailure"));
    assert!(error.to_string().contains("the credential is from the role TENCENTCLOUD_ROLE_ARN"), "{error}");
    assert_eq!(reader.project.kms.requests().len() - before, 2);
    assert_eq!(fetched.load(Ordering::SeqCst), 3);
}

#[test]
fn a_denied_action_is_reported_with_the_source_of_the_credential() {
    // In an account with many credentials, the error must show the source of this one.
    for (code, is_told) in [
        ("AuthFailure", true),
        ("AuthFailure.UnauthorizedOperation", true),
        ("UnauthorizedOperation", true),
        ("UnauthorizedOperation.CamNoAuth", true),
        ("ResourceUnavailable.CmkNotFound", true),
        ("AuthFailure.SignatureExpire", false),
        ("ResourceUnavailable.CmkDisabled", false),
        ("InternalError", false),
    ] {
        let mut reader = Reader::new();
        reader.write("home/.tencentcloud/credentials", &ini("default", &Credential::fake()));
        reader.set("ENVCONF_KMS_DEADLINE", "500ms");
        for _ in 0..30 {
            reader.project.kms.next(Reply::error(code, "m"));
        }
        let report = reader.load().unwrap_err().to_string();
        let told = report.contains("the credential is from ~/.tencentcloud/credentials");
        assert_eq!(told, is_told, "{code}: {report}");
    }
}

#[test]
fn the_clock_is_corrected_for_each_service() {
    let role = Credential::fake_temporary();
    let (granted, count) = (granted(&role, 7200).bytes, AtomicUsize::new(0));
    let sts = Http::start(move |_| {
        let body = json!({"Response": {"Error": {"Code": "AuthFailure.SignatureExpire", "Message": "m"}}})
            .to_string();
        let head = "HTTP/1.1 200 X\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: close\r\n";
        let refusal = format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes();
        Some(match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer { bytes: refusal, pace: None },
            _ => Answer { bytes: granted.clone(), pace: None },
        })
    });
    let reader = with_role(&sts);
    reader.known(role.clone());
    // Two gateways: each has a separate clock.
    reader.project.kms.set_clock_offset(400);
    reader.loads_with(&role);
    let times: Vec<u64> = sts
        .requests()
        .iter()
        .map(|request| request.header("x-tc-timestamp").unwrap().parse().unwrap())
        .collect();
    assert!(times[0] > 1_700_000_000 && times[1] < 800_000_000, "{times:?}");
}

#[test]
fn a_rejected_token_of_a_variable_is_sent_once() {
    let mut reader = Reader::new();
    let credential = reader.known(Credential::fake_temporary());
    reader.set("TENCENTCLOUD_SECRET_ID", &credential.secret_id);
    reader.set("TENCENTCLOUD_SECRET_KEY", &credential.secret_key);
    reader.set("TENCENTCLOUD_TOKEN", "another");
    let before = reader.project.kms.requests().len();
    assert_eq!(reader.load().unwrap_err().attempts()[0].code(), Some("AuthFailure.TokenFailure"));
    assert_eq!(reader.project.kms.requests().len() - before, 1);
}

#[test]
fn concurrent_loads_fetch_one_credential() {
    let role = Credential::fake_temporary();
    let (sts, fetched) = rotating(vec![role.clone()], 7200);
    let reader = with_role(&sts);
    reader.known(role);
    let ports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| ports.lock().unwrap().push(reader.load().unwrap()));
        }
    });
    assert_eq!(*ports.lock().unwrap(), [8080; 8]);
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}

#[test]
fn invalid_settings_are_found_before_any_request() {
    for (name, value) in [
        ("ENVCONF_TENCENT_STS_ENDPOINT", "http://sts.example.com"),
        ("ENVCONF_TENCENT_METADATA_ENDPOINT", "http://169.254.169.254"),
        ("ENVCONF_TENCENT_METHOD", "PUT"),
        ("TENCENTCLOUD_ROLE_ARN", ""),
        ("TENCENTCLOUD_ROLE_SESSION_NAME", "a/b"),
    ] {
        let mut reader = Reader::new();
        reader.set(name, value);
        let error = reader.load().unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains(name)), (envconf::Kind::Usage, true), "{error}");
    }
}
