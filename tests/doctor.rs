//! Tests of `envconf doctor` with the real command: with a working key service, and with every kind of failure. Every
//! run checks that the report contains no secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{TencentProject, variables_of};
use envconf::kms::{BoxFuture, Context, DataKey, KmsError, State, Step, WrappedKey};
use envconf::tools::Diagnose;
use envconf::{ContentType, KeyRef, KeyServices, Kms, Name, Pair, Seal, Trusted};
use envconf_test_support::tencent::KeyState;
use envconf_test_support::{Credential, Reply, Sandbox, StandIn};
use loopback::{Answer, Http, Proxy};
use serde_json::Value;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const CANARY: &str = "xQ7-kanarienvogel-Zw9";

struct Patient {
    project: TencentProject,
    variables: BTreeMap<String, String>,
}

/// The report: name, state, message and advice of each step.
struct Report {
    steps: Vec<Value>,
    exit: i32,
    /// The actions that the key service received.
    asked: Vec<String>,
}

impl Patient {
    fn new(kms: StandIn) -> Self {
        let project = TencentProject::sealed(kms, &format!("password = \"{CANARY}\"\n"));
        let mut variables: BTreeMap<_, _> =
            variables_of(&project.kms, &project.project.sandbox).into_iter().collect();
        variables.insert("ENVCONF_TRUST".into(), project.key.to_string());
        variables.insert("ENVCONF_TENCENT_METADATA_ENDPOINT".into(), "http://127.0.0.1:1".into());
        Self { project, variables }
    }

    fn plain() -> Self {
        Self::new(StandIn::start())
    }

    fn tls() -> Self {
        Self::new(StandIn::builder().tls().start())
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Runs the command, and checks that the output contains no secret.
    fn run(&self, arguments: &[&str]) -> (String, i32) {
        let mut command = self.project.project.sandbox.command(ENVCONF);
        let output = command.arg("doctor").args(arguments).envs(&self.variables).output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let secret = |name: &&String| ["SECRET", "TOKEN", "PROXY"].iter().any(|word| name.contains(word));
        for name in self.variables.keys().filter(secret) {
            assert!(
                ![&stdout, &stderr].iter().any(|text| text.contains(&self.variables[name])),
                "{name}: {stdout}"
            );
        }
        assert!(!stdout.contains(CANARY) && !stdout.contains("pass:word"), "{stdout}");
        // Standard error names the next step, or says that no step failed. With `--json` it is empty or has only the
        // error.
        let ends = ["", "No step failed\n"].contains(&&*stderr)
            || stderr.contains("failed") && stderr.contains("\nhint: ");
        assert!(ends, "{stderr}");
        (stdout, output.status.code().unwrap())
    }

    fn report(&self, arguments: &[&str]) -> Report {
        let before = self.project.kms.requests().len();
        let (stdout, exit) = self.run(&[arguments, &["--json"]].concat());
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["exit"], exit);
        let asked =
            self.project.kms.requests()[before..].iter().map(|request| request.action.clone()).collect();
        Report { steps: report["steps"].as_array().unwrap().clone(), exit, asked }
    }
}

impl Report {
    /// Returns the steps and their states, in order.
    fn states(&self) -> String {
        let states = self
            .steps
            .iter()
            .map(|step| format!("{}:{}", step["step"].as_str().unwrap(), step["state"].as_str().unwrap()));
        states.collect::<Vec<_>>().join(" ")
    }

    fn step(&self, name: &str) -> &Value {
        self.steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("{}", self.states()))
    }

    /// Checks the state of a step, and that its message and advice contain all parts.
    #[track_caller]
    fn says(&self, name: &str, state: &str, parts: &[&str]) {
        let step = self.step(name);
        assert_eq!(step["state"], state, "{step}");
        let text = format!("{} {}", step["message"], step["advice"]);
        for part in parts {
            assert!(text.contains(part), "{part} is not in: {step}");
        }
    }

    /// Checks a failed step: it has advice, and its exit code is that of the command.
    #[track_caller]
    fn fails(&self, name: &str, exit: i32, parts: &[&str]) {
        self.says(name, "failed", parts);
        assert!(self.step(name)["advice"].is_string(), "no advice: {}", self.step(name));
        assert_eq!(self.exit, exit, "{}", self.states());
    }
}

const ALL: &str = "policy:ok pair:ok local-key:skipped settings:ok trust:ok credentials:ok endpoint:ok resolution:ok tls:ok clock:ok rights:ok latency:ok content:ok";

#[test]
fn the_diagnosis_of_a_good_pair_reaches_the_content_with_one_request() {
    let patient = Patient::tls();
    let report = patient.report(&["app"]);
    // On a slow machine, the latency is a note.
    assert_eq!(report.states().replace("latency:note", "latency:ok"), ALL);
    assert_eq!((report.exit, report.asked), (0, vec!["Decrypt".to_owned()]));
    let report = patient.report(&["app"]);
    let key = patient.project.key.to_string();
    report.says("pair", "ok", &["app for default, generation 1", &key, "no signature"]);
    report.says("trust", "ok", &["ENVCONF_TRUST", &key]);
    report.says("credentials", "ok", &["from the variables TENCENTCLOUD_SECRET_ID", "long-term"]);
    report.says("endpoint", "ok", &[&patient.project.kms.host(), "ENVCONF_TENCENT_ENDPOINT"]);
    report.says("resolution", "ok", &["127.0.0.1"]);
    report.says("tls", "ok", &["TLS 1.3", "of Tencent KMS stand-in, issued by envconf tests", "ca.pem"]);
    report.says("rights", "ok", &["Decrypt is granted (request "]);
    report.says("content", "ok", &["toml"]);
    let of_key = |step: &Value| step["recipient"] == key.as_str();
    assert_eq!(report.steps.iter().filter(|step| of_key(step)).count(), 7, "{}", report.states());
    assert!(report.step("tls")["ms"].is_u64() && report.step("pair")["ms"].is_null());
}

#[test]
fn the_text_has_a_line_for_each_step() {
    let patient = Patient::plain();
    let (text, exit) = patient.run(&["app"]);
    assert_eq!(exit, 0, "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[5], patient.project.key.to_string(), "{text}");
    assert!(lines[6].starts_with("  credentials + ok       from the variables"), "{text}");
    assert!(text.contains("  tls         - skipped  plain http"), "{text}");
    assert!(text.ends_with("content       + ok       decrypted; content type toml\n"), "{text}");
}

#[test]
fn the_diagnosis_of_a_directory_checks_connections_without_requests() {
    let patient = Patient::tls();
    let report = patient.report(&[]);
    let expected = "policy:ok pair:skipped local-key:skipped settings:ok credentials:ok endpoint:ok resolution:ok tls:ok";
    assert_eq!((report.states().as_str(), report.exit), (expected, 0));
    assert!(report.asked.is_empty());
    // Without trust, the keys of the policy file are checked.
    let patient = patient.without("ENVCONF_TRUST");
    let rule = format!("[[rule]]\nfiles = \"**\"\nrecipients = [\"{}\", \"gcp:-:y\"]\n", patient.project.key);
    patient.project.project.sandbox.write(".envconf.toml", rule);
    let report = patient.report(&[]);
    report.says("policy", "ok", &[".envconf.toml", &patient.project.key.to_string()]);
    report.says("tls", "ok", &[]);
    assert!(report.states().ends_with("tls:ok endpoint:failed") && report.exit == 40, "{}", report.states());
}

#[test]
fn a_wrong_clock_is_reported_even_if_the_pair_opens() {
    for (offset, way) in [(400, "behind"), (-4000, "ahead of")] {
        let patient = Patient::plain();
        patient.project.kms.set_clock_offset(offset);
        let report = patient.report(&["app"]);
        report.fails("clock", 42, &[way, "synchronise"]);
        report.says("rights", "ok", &["granted"]);
        report.says("content", "ok", &[]);
        assert_eq!(report.asked, ["Decrypt", "Decrypt"]);
    }
    let patient = Patient::plain();
    patient.project.kms.set_clock_offset(100);
    let report = patient.report(&["app"]);
    report.says("clock", "note", &["s behind", "synchronise"]);
    assert_eq!(report.exit, 0);
}

#[test]
fn refusals_of_the_service_have_code_and_advice() {
    let patient = Patient::plain();
    patient.project.kms.set_state("ap-guangzhou", patient.project.key.key_id(), KeyState::Disabled);
    let report = patient.report(&["app"]);
    report.fails("rights", 42, &["CmkDisabled", "request ", "enable it"]);
    report.says("clock", "ok", &[]);
    report.says("content", "skipped", &[]);
    assert_eq!(report.asked, ["Decrypt"]);

    let patient = Patient::plain().with("TENCENTCLOUD_SECRET_KEY", "kanarienvogel-key");
    let report = patient.report(&["app"]);
    report.fails("rights", 42, &["SignatureFailure", "the credential is from the variables"]);
}

#[test]
fn without_credentials_the_connection_is_checked_without_requests() {
    let patient = Patient::tls().without("TENCENTCLOUD_SECRET_ID").without("TENCENTCLOUD_SECRET_KEY");
    let report = patient.report(&["app"]);
    report.fails("credentials", 42, &["~/.tencentcloud/credentials", "TKE_ROLE_ARN"]);
    report.says("tls", "ok", &[]);
    report.says("rights", "skipped", &["credentials failed"]);
    assert!(report.asked.is_empty());
}

#[test]
fn the_source_of_credentials_in_a_file_is_reported() {
    let patient = Patient::plain();
    let (id, key) =
        (&patient.variables["TENCENTCLOUD_SECRET_ID"], &patient.variables["TENCENTCLOUD_SECRET_KEY"]);
    let tccli =
        serde_json::json!({ "secretId": id, "secretKey": key, "expiresAt": loopback::in_seconds(7_100) });
    patient.project.project.sandbox.write(".tccli/default.credential", tccli.to_string());
    let secrets = [id.clone(), key.clone()];
    let patient = patient.without("TENCENTCLOUD_SECRET_ID").without("TENCENTCLOUD_SECRET_KEY");
    let (text, exit) = patient.run(&["app"]);
    assert!(exit == 0 && text.contains("~/.tccli/") && text.contains(", 1 h 58 min left"), "{text}");
    assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
}

#[test]
fn the_expiry_of_the_credentials_of_a_role_is_reported() {
    let role = Credential::fake_temporary();
    let (id, key, token) = (role.secret_id.clone(), role.secret_key.clone(), role.token.clone().unwrap());
    let secrets = [id.clone(), key.clone(), token.clone()];
    let metadata = Http::start(move |request| {
        Some(match request.target.ends_with("/service-role") {
            false => Answer::text(200, "service-role"),
            true => Answer::json(serde_json::json!({
                "Code": "Success", "TmpSecretId": id, "TmpSecretKey": key, "Token": token,
                "ExpiredTime": loopback::in_seconds(1_530),
            })),
        })
    });
    let patient = Patient::plain()
        .with("ENVCONF_TENCENT_METADATA_ENDPOINT", &metadata.url())
        .without("TENCENTCLOUD_SECRET_ID")
        .without("TENCENTCLOUD_SECRET_KEY");
    patient.project.kms.add_credential(role, &["Decrypt"]);
    let (text, exit) = patient.run(&["app"]);
    assert!(exit == 0 && text.contains("; temporary, 25 min left"), "{text}");
    assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
}

#[test]
fn a_tls_failure_is_reported_with_its_reason() {
    let patient = Patient::tls();
    let other = StandIn::builder().tls().start();
    patient.project.project.sandbox.write("ca.pem", other.ca_pem().unwrap());
    let report = patient.report(&["app"]);
    report.fails(
        "tls",
        40,
        &["not trusted", "of Tencent KMS stand-in, issued by envconf tests", "ca.pem", "ENVCONF_CA_FILE"],
    );
    report.says("rights", "skipped", &["tls failed"]);
    assert!(report.asked.is_empty());
    // The exit code is the same as for a load.
    let mut verify = patient.project.project.sandbox.command(ENVCONF);
    let verified = verify.args(["verify", "app"]).envs(&patient.variables).output().unwrap();
    assert_eq!(verified.status.code(), Some(40));

    patient.project.project.sandbox.write("ca.pem", "no certificate");
    patient.report(&["app"]).fails("tls", 40, &["root certificates", "ENVCONF_CA_FILE"]);

    let patient = Patient::plain();
    let tls = patient.project.kms.endpoint().replace("http:", "https:");
    let patient = patient.with("ENVCONF_TENCENT_ENDPOINT", &tls);
    patient.report(&["app"]).fails("tls", 41, &["speaks TLS"]);
}

#[test]
fn a_missing_host_is_reported() {
    let patient = Patient::plain().with("ENVCONF_TENCENT_ENDPOINT", "https://kms.invalid");
    let report = patient.report(&["app"]);
    report.fails("resolution", 41, &["name"]);
    report.says("endpoint", "ok", &["kms.invalid"]);
    report.says("rights", "skipped", &["resolution failed"]);
    let patient = patient.with("ENVCONF_TENCENT_ENDPOINT", "https://127.0.0.1:1");
    patient.report(&["app"]).fails("tls", 41, &["no connection"]);
    let patient =
        patient.with("ENVCONF_TENCENT_ENDPOINT", "http://127.0.0.1:1").with("ENVCONF_KMS_DEADLINE", "500ms");
    let report = patient.report(&["app"]);
    report.fails("rights", 41, &["no connection"]);
    report.says("clock", "skipped", &["no reply"]);
}

#[test]
fn throttling_is_reported() {
    let patient = Patient::plain().with("ENVCONF_KMS_DEADLINE", "700ms");
    for _ in 0..1000 {
        patient.project.kms.next(Reply::error("RequestLimitExceeded", CANARY));
    }
    patient.report(&["app"]).fails("rights", 41, &["RequestLimitExceeded", "quota"]);
}

#[test]
fn the_permission_to_seal_is_checked_on_request() {
    let patient = Patient::plain();
    let report = patient.report(&["app", "--wrap"]);
    assert_eq!((report.exit, report.asked), (0, vec!["Decrypt".to_owned(), "GenerateDataKey".to_owned()]));
    let report = patient.report(&["--wrap"]);
    assert_eq!(report.asked, ["GenerateDataKey"]);
    report.says("rights", "ok", &["GenerateDataKey is granted"]);

    // The second recipient of the policy file is not trusted, but sealing must wrap for it.
    let second = patient.project.kms.create_key("ap-guangzhou");
    let first = &patient.project.key;
    let rule =
        format!("[[rule]]\nfiles = \"**\"\nrecipients = [\"{first}\", \"tencent:ap-guangzhou:{second}\"]\n");
    patient.project.project.sandbox.write(".envconf.toml", rule);
    let report = patient.report(&["app", "--wrap"]);
    assert_eq!(report.asked, ["Decrypt", "GenerateDataKey", "Encrypt"], "{}", report.states());

    let reader = Credential::fake();
    patient.project.kms.add_credential(reader.clone(), &["Decrypt"]);
    let patient = patient
        .with("TENCENTCLOUD_SECRET_ID", &reader.secret_id)
        .with("TENCENTCLOUD_SECRET_KEY", &reader.secret_key);
    assert_eq!(patient.report(&["app"]).exit, 0);
    let report = patient.report(&["app", "--wrap"]);
    assert_eq!(report.exit, 42);
    report.says("rights", "ok", &["Decrypt is granted"]);
    let refused: Vec<_> = report.steps.iter().filter(|step| step["state"] == "failed").collect();
    assert_eq!(refused.len(), 2, "{}", report.states());
    assert!(refused[0].to_string().contains("UnauthorizedOperation"), "{}", refused[0]);
}

#[test]
fn a_proxy_is_reported_with_its_variable_and_used() {
    let patient = Patient::tls().without("ENVCONF_TENCENT_ENDPOINT");
    let proxy = Proxy::to(patient.project.kms.address());
    let patient = patient.with("HTTPS_PROXY", &format!("http://us%65r:pass:word@{}", proxy.host()));
    let report = patient.report(&["app"]);
    assert_eq!(report.exit, 0, "{}", report.states());
    report.says("endpoint", "ok", &["kms.ap-guangzhou.tencentcloudapi.com", "of the key's region"]);
    report.says("endpoint", "ok", &[&proxy.host(), "HTTPS_PROXY"]);
    report.says("resolution", "ok", &["127.0.0.1"]);
    report.says("tls", "ok", &["of Tencent KMS stand-in"]);
    let logins: Vec<_> = proxy
        .requests()
        .iter()
        .map(|request| (request.method.clone(), request.header("proxy-authorization").map(str::to_owned)))
        .collect();
    assert_eq!(logins.len(), 2, "{logins:?}");
    assert!(logins[0] == logins[1] && logins[0].0 == "CONNECT" && logins[0].1.is_some(), "{logins:?}");

    let patient = patient.with("ENVCONF_TENCENT_ENDPOINT", "https://kms.example.com");
    patient.report(&["app"]).fails("tls", 40, &["for another name", "of Tencent KMS stand-in"]);
    let patient = patient.with("HTTPS_PROXY", "http://127.0.0.1:1");
    patient.report(&["app"]).fails("tls", 41, &["through the proxy", "NO_PROXY"]);
    let patient = patient.with("HTTPS_PROXY", "socks5://user:pass:word@127.0.0.1:1");
    patient.report(&["app"]).fails("endpoint", 40, &["HTTPS_PROXY does not name an http or https proxy"]);
}

// Pitfall 13.
#[test]
fn the_next_trusted_key_opens_the_content_when_the_first_fails() {
    let patient = Patient::plain();
    let other = format!("tencent:ap-guangzhou:{}", patient.project.kms.create_key("ap-guangzhou"));
    let services = KeyServices::from_given(patient.project.kms.variables()).unwrap();
    let keys = [&other.parse().unwrap(), &patient.project.key];
    patient.project.project.seal("prod", ContentType::Toml, b"port = 1\n", &keys, &services);
    patient.project.kms.set_state("ap-guangzhou", keys[0].key_id(), KeyState::Disabled);
    let both = format!("{other},{}", patient.project.key);
    let report = patient.with("ENVCONF_TRUST", &both).report(&["app", "--environment", "prod"]);
    report.says("trust", "ok", &[&format!("{other}, then ")]);
    report.fails("rights", 42, &["CmkDisabled"]);
    report.says("content", "ok", &[]);
    assert_eq!(report.asked, ["Decrypt", "Decrypt"]);
}

#[test]
fn a_changed_wrapped_key_is_reported() {
    let patient = Patient::plain();
    patient.project.kms.next(Reply::WrongKeyId);
    patient.report(&["app"]).fails("rights", 40, &["another key than the trusted one"]);
    patient.project.kms.next(Reply::WrongLength);
    let report = patient.report(&["app"]);
    report.says("rights", "ok", &[]);
    report.says("content", "failed", &["length"]);
    assert_eq!(report.exit, 30);
}

/// A key service of a program, with the steps of the test. It rejects every unwrap.
struct Vendor(fn() -> Vec<Step>);

impl Kms for Vendor {
    fn provider(&self) -> &str {
        "vendor"
    }

    fn authenticates(&self) -> bool {
        true
    }

    fn wrap<'a>(
        &'a self,
        _: &'a KeyRef,
        dek: &'a DataKey,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        let hex: String = dek.expose().iter().map(|byte| format!("{byte:02x}")).collect();
        Box::pin(async move { WrappedKey::new(hex).ok_or_else(|| KmsError::other("too long")) })
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a KeyRef,
        _: &'a WrappedKey,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async { Err(KmsError::refused("the vendor says no").advise("ask the vendor")) })
    }

    fn diagnose<'a>(&'a self, _: &'a KeyRef) -> BoxFuture<'a, Vec<Step>> {
        Box::pin(async { self.0() })
    }
}

#[test]
fn a_key_service_of_the_program_can_have_its_own_steps() {
    let sandbox = Sandbox::new();
    let key: KeyRef = "vendor:-:one".parse().unwrap();
    let (name, environment): (Name, Name) = ("app".parse().unwrap(), "default".parse().unwrap());
    let pair = Pair::new(sandbox.root(), &name, &environment);
    let services = |way| KeyServices::none().kms(Arc::new(Vendor(way)));
    let seal = Seal::new(name.clone(), environment.clone(), ContentType::Raw).recipient(key.clone());
    let (enc, wrapped) = seal.seal_bytes(CANARY.as_bytes(), &services(Vec::new)).unwrap();
    sandbox.write("app.conf.enc", enc);
    sandbox.write("app.conf.key", wrapped);
    let diagnose = |way: fn() -> Vec<Step>| {
        let diagnose = Diagnose::new(sandbox.root()).pair(pair.clone(), name.clone(), environment.clone());
        diagnose.trust([Trusted::Key(key.clone())]).services(services(way)).run()
    };
    // A service without its own steps is asked to unwrap, and reports no time.
    let diagnosis = diagnose(Vec::new);
    let of_key: Vec<_> = diagnosis.steps().iter().filter(|step| step.recipient() == Some(&key)).collect();
    let states: Vec<_> = of_key.iter().map(|step| (step.name(), step.state())).collect();
    assert_eq!(states, [("clock", State::Skipped), ("rights", State::Failed)]);
    assert_eq!((of_key[1].message(), of_key[1].advice()), ("the vendor says no", Some("ask the vendor")));
    assert_eq!(diagnosis.exit_code(), 42);
    // After a failed step, no request is sent.
    let diagnosis = diagnose(|| vec![Step::fault("module", &KmsError::transient("it is not plugged in"))]);
    let rights = diagnosis.steps().iter().find(|step| step.name() == "rights").unwrap();
    assert_eq!((rights.state(), diagnosis.exit_code()), (State::Skipped, 41));
    assert!(!format!("{diagnosis:?}").contains(CANARY));
}
