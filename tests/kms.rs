//! Tests of the contract with every key service, and of Tencent Cloud KMS with its stand-in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/wire.rs"]
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{TencentProject, variables_of};
use envconf::error::Fault;
use envconf::format::KeyFile;
use envconf::format::Suite;
use envconf::kms::{BoxFuture, Context, DataKey, KmsError, WrappedKey};
use envconf::pair::{SigningKey, open_bytes};
use envconf::testing::contract;
use envconf::{
    ContentType, EncryptedConfig, Error, KeyRef, KeyServices, Kind, Kms, LocalKey, Policy, Seal, Trusted,
};
use envconf_test_support::tencent::KeyState;
use envconf_test_support::{Credential, Reply, StandIn};
use wire::{CANARY, Script, Wire};

/// A key service in memory, for tests only: XOR with a checksum and a copy of the context.
#[derive(Clone, Default)]
struct InMemory {
    calls: Arc<AtomicUsize>,
    public: bool,
    log: Arc<Mutex<Vec<String>>>,
}

impl Kms for InMemory {
    fn provider(&self) -> &str {
        "memory"
    }

    fn authenticates(&self) -> bool {
        !self.public
    }

    fn wrap<'a>(
        &'a self,
        key: &'a KeyRef,
        dek: &'a DataKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        Box::pin(async move {
            let hex: String = dek.expose().iter().map(|b| format!("{:02x}", b ^ 0x5a)).collect();
            let sum = sum(&hex);
            WrappedKey::new(format!("{hex}|{sum}|{key}|{}", context.as_json()))
                .ok_or_else(|| KmsError::other("too long"))
        })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyRef,
        wrapped: &'a WrappedKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.log.lock().unwrap().push(format!("{key} {}", context.as_json()));
            tokio::time::sleep(Duration::from_millis(20)).await;
            let refused = || KmsError::other("not wrapped here, or in another context");
            let (hex, bound) = wrapped.as_str().split_once('|').ok_or_else(refused)?;
            if bound != format!("{}|{key}|{}", sum(hex), context.as_json()) {
                return Err(refused());
            }
            let byte =
                |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map(|b| b ^ 0x5a).map_err(|_| refused());
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect::<Result<_, _>>()?;
            Ok(DataKey::from_bytes(&bytes))
        })
    }

    fn identity(&self) -> Option<[u8; 32]> {
        let mut identity = [0; 32];
        identity[..8].copy_from_slice(&(Arc::as_ptr(&self.calls) as u64).to_be_bytes());
        Some(identity)
    }
}

/// Returns a checksum that detects damage in the text of [`InMemory`].
fn sum(hex: &str) -> u64 {
    hex.bytes().fold(1, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

#[test]
fn local_keys_pass_the_contract() {
    let (key, other) = (LocalKey::generate().unwrap(), LocalKey::generate().unwrap());
    let services = KeyServices::none().local_key(key.clone()).local_key(other.clone());
    contract(&services, key.key_ref(), other.key_ref()).unwrap();
}

#[test]
fn a_key_service_of_the_program_passes_the_contract() {
    for public in [false, true] {
        let services = KeyServices::none().kms(Arc::new(InMemory { public, ..InMemory::default() }));
        contract(&services, &"memory:-:1".parse().unwrap(), &"memory:-:2".parse().unwrap()).unwrap();
    }
}

#[test]
fn tencent_passes_the_contract() {
    let kms = StandIn::start();
    let services = KeyServices::from_given(kms.variables()).unwrap();
    let key = format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap();
    for region in ["ap-shanghai", "ap-guangzhou"] {
        let other = format!("tencent:{region}:{}", kms.create_key(region)).parse().unwrap();
        contract(&services, &key, &other).unwrap();
    }
}

#[test]
fn tencent_over_tls_passes_the_contract() {
    let kms = StandIn::builder().tls().start();
    let sandbox = envconf_test_support::Sandbox::new();
    let services = KeyServices::from_given(variables_of(&kms, &sandbox)).unwrap();
    let key = format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap();
    let other = format!("tencent:ap-guangzhou:{}", kms.create_key("ap-guangzhou")).parse().unwrap();
    contract(&services, &key, &other).unwrap();
}

/// More tests are in `vault.rs`: all types of keys, scripted answers, namespaces.
#[cfg(feature = "vault")]
#[test]
fn vault_passes_the_contract() {
    let server = envconf_test_support::OpenBao::start(env!("CARGO_TARGET_TMPDIR"));
    server.ok("POST", "transit/keys/other", &serde_json::json!({}));
    let token = envconf_test_support::openbao::ROOT;
    let services = KeyServices::from_given([("VAULT_ADDR", server.url().as_str()), ("VAULT_TOKEN", token)]);
    let (key, other) = ("vault:-:transit/app".parse().unwrap(), "vault:-:transit/other".parse().unwrap());
    contract(&services.unwrap(), &key, &other).unwrap();
}

#[test]
fn tencent_handles_failures_as_the_contract_requires() {
    let kms = StandIn::start();
    let services = |url: &str| {
        let mut variables = kms.variables();
        variables.push(("ENVCONF_TENCENT_ENDPOINT".into(), url.into()));
        KeyServices::from_given(variables).unwrap()
    };
    let id = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";
    let error = |code: &str| {
        let body =
            serde_json::json!({"Response": {"Error": {"Code": code, "Message": CANARY}, "RequestId": id}});
        Script::Status(200, body.to_string())
    };
    let edit = |field: &'static str, value: &'static str| {
        Script::edit(move |body| {
            let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
            body["Response"][field] = value.into();
            body.to_string()
        })
    };
    let canaries = [200, 204, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504, 599];
    let canary = |status| Script::Status(status, format!("{{\"Response\":{{\"{CANARY}\":\"{CANARY}\"}}}}"));
    let wire = Wire {
        upstream: kms.endpoint().trim_start_matches("http://").to_owned(),
        services: &services,
        key: format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap(),
        throttled: vec![error("RequestLimitExceeded"), Script::Status(429, String::new())],
        faults: vec![error("InternalError"), Script::Status(503, "{}".into())],
        refusals: [
            "UnauthorizedOperation",
            "ResourceUnavailable.CmkDisabled",
            "ResourceUnavailable.CmkNotFound",
        ]
        .map(|code| (error(code), code))
        .into(),
        lies: vec![
            (edit("KeyId", "another"), "another key"),
            (edit("Plaintext", "AAE="), "length"),
            (edit("Plaintext", "AAE"), "base64"),
        ],
        canaries: canaries
            .map(canary)
            .into_iter()
            .chain([
                error(CANARY),
                error("FailedOperation.Decrypt"),
                edit("Plaintext", CANARY),
                edit("KeyId", CANARY),
            ])
            .collect(),
    };
    wire.check();
}

/// The possible bugs of a key service.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    ForgetsTheContext,
    ForgetsTheKey,
    AcceptsDamage,
    BlamesTheNetwork,
    ShowsTheDataKey,
    TellsTheDataKey,
    MakesTooLong,
    HasAnotherName,
    IsNeverTheSame,
    MovesAnother,
    NeverEnds,
}

/// A key service with one bug, based on local keys.
struct Faulty(Wrong, [LocalKey; 2], AtomicUsize);

impl Faulty {
    fn local(&self, key: &KeyRef) -> &LocalKey {
        &self.1[usize::from(key.key_id() == "2" && self.0 != Wrong::ForgetsTheKey)]
    }
}

impl Kms for Faulty {
    fn provider(&self) -> &str {
        // The lookup of the service returns the right name, and the check another one.
        if self.0 == Wrong::HasAnotherName && self.2.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
            return "another";
        }
        "faulty"
    }

    fn authenticates(&self) -> bool {
        true
    }

    fn wrap<'a>(
        &'a self,
        key: &'a KeyRef,
        dek: &'a DataKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        Box::pin(async move {
            let sealed = InMemory::default().wrap(self.local(key).key_ref(), dek, context).await?;
            match self.0 {
                Wrong::ShowsTheDataKey => {
                    let hex: String = dek.expose().iter().map(|byte| format!("{byte:02x}")).collect();
                    WrappedKey::new(format!("{}#{hex}", sealed.as_str()))
                        .ok_or_else(|| KmsError::other("too long"))
                }
                _ => Ok(sealed),
            }
        })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyRef,
        wrapped: &'a WrappedKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async move {
            if self.0 == Wrong::NeverEnds {
                std::thread::sleep(Duration::from_millis(20));
            }
            let mut text = wrapped.as_str().to_owned();
            if let Some(at) = text.find('#') {
                text.truncate(at);
            }
            let parts: Vec<_> = text.splitn(4, '|').map(str::to_owned).collect();
            if let [hex, sum, key, bound] = &parts[..] {
                let sum =
                    if self.0 == Wrong::AcceptsDamage { self::sum(hex) } else { sum.parse().unwrap_or(0) };
                let bound =
                    if self.0 == Wrong::ForgetsTheContext { context.as_json() } else { bound.as_str() };
                text = format!("{hex}|{sum}|{key}|{bound}");
            }
            let wrapped = WrappedKey::new(text).unwrap();
            let result = InMemory::default().unwrap(self.local(key).key_ref(), &wrapped, context).await;
            result.map_err(|error| match self.0 {
                Wrong::BlamesTheNetwork => KmsError::transient("no connection"),
                Wrong::TellsTheDataKey => {
                    let hex = wrapped.as_str().split('|').next().unwrap_or_default();
                    let byte =
                        |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok().map(|b| b ^ 0x5a);
                    let told: String =
                        (0..hex.len()).step_by(2).filter_map(byte).map(|b| format!("{b:02x}")).collect();
                    KmsError::other(Box::leak(told.into_boxed_str()))
                }
                _ => error,
            })
        })
    }

    fn generate<'a>(
        &'a self,
        key: &'a KeyRef,
        suite: Suite,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Option<(DataKey, WrappedKey)>, KmsError>> {
        Box::pin(async move {
            let len = match (suite, self.0) {
                (Suite::Aes256Gcm, _) | (_, Wrong::MakesTooLong) => 32,
                _ => 16,
            };
            let dek = DataKey::from_bytes(&vec![9; len]);
            let wrapped = self.wrap(key, &dek, context).await?;
            Ok(Some((dek, wrapped)))
        })
    }

    fn rewrap<'a>(
        &'a self,
        from: &'a KeyRef,
        wrapped: &'a WrappedKey,
        to: &'a KeyRef,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Option<WrappedKey>, KmsError>> {
        Box::pin(async move {
            let dek = match self.0 {
                Wrong::MovesAnother => DataKey::from_bytes(&[1; 32]),
                _ => self.unwrap(from, wrapped, context).await?,
            };
            self.wrap(to, &dek, context).await.map(Some)
        })
    }

    fn identity(&self) -> Option<[u8; 32]> {
        let count = self.2.fetch_add(1, Ordering::SeqCst);
        (self.0 == Wrong::IsNeverTheSame).then_some([count as u8; 32])
    }
}

#[test]
fn the_contract_finds_every_fault() {
    let keep = |wrong| {
        let keys = [LocalKey::generate().unwrap(), LocalKey::generate().unwrap()];
        let services = KeyServices::none().kms(Arc::new(Faulty(wrong, keys, AtomicUsize::new(0))));
        contract(&services, &"faulty:-:1".parse().unwrap(), &"faulty:-:2".parse().unwrap())
    };
    assert_eq!(keep(Wrong::Nothing), Ok(()));
    for (wrong, rule) in [
        (Wrong::ForgetsTheContext, "own context"),
        (Wrong::ForgetsTheKey, "own key"),
        (Wrong::AcceptsDamage, "damaged"),
        (Wrong::BlamesTheNetwork, "unwrapped only in its own context"),
        (Wrong::ShowsTheDataKey, "secret"),
        (Wrong::TellsTheDataKey, "secret"),
        (Wrong::MakesTooLong, ""),
        (Wrong::HasAnotherName, ""),
        (Wrong::IsNeverTheSame, "identity"),
        (Wrong::MovesAnother, "moves"),
    ] {
        let broken = keep(wrong).unwrap_err();
        assert!(broken.rule().contains(rule), "{wrong:?}: {broken}");
        assert!(broken.to_string().contains(broken.rule()));
    }
    assert_eq!(keep(Wrong::NeverEnds), Ok(()));
    // The contract needs two keys of one provider.
    let services = KeyServices::none().kms(Arc::new(InMemory::default()));
    let key: KeyRef = "memory:-:1".parse().unwrap();
    assert!(contract(&services, &key, &key).is_err());
    assert!(contract(&services, &key, &"faulty:-:1".parse().unwrap()).is_err());
    // The contract needs the service.
    assert!(contract(&KeyServices::none(), &key, &"memory:-:2".parse().unwrap()).is_err());
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app")]
struct App {
    port: u16,
}

fn tencent() -> TencentProject {
    TencentProject::toml("port = 8080\n")
}

fn fails(project: &TencentProject, variables: &[(&str, &str)]) -> Error {
    project.loader::<App>(variables).load().map(|app| app.port).unwrap_err()
}

#[test]
fn a_load_is_one_decrypt_request_with_pinned_values_only() {
    let project = tencent();
    let before = project.kms.requests().len();
    assert_eq!(project.loader::<App>(&[]).load().unwrap().port, 8080);
    let requests = project.kms.requests().split_off(before);
    let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
    assert_eq!(
        (request.action.as_str(), request.region.as_str(), request.method.as_str()),
        ("Decrypt", "ap-guangzhou", "POST")
    );
    assert_eq!(request.header("x-tc-language"), Some("en-US"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["EncryptionContext"], r#"{"env":"default","envconf":"v1","name":"app"}"#);
    let key = KeyFile::parse(&project.project.pair("default").read_key().unwrap()).unwrap();
    assert_eq!(body["CiphertextBlob"], key.sections[0].recipients[0].blob);
    assert_eq!(body.as_object().unwrap().len(), 2);
}

// Pitfall 4.
#[test]
fn sealing_asks_the_service_for_the_data_key_and_checks_the_pair() {
    let project = tencent();
    let actions: Vec<_> = project.kms.requests().into_iter().map(|request| request.action).collect();
    assert_eq!(actions, ["GenerateDataKey", "Decrypt"]);
}

// Pitfall 4.
#[test]
fn a_sealer_without_decrypt_checks_the_pair_with_its_data_key() {
    let kms = StandIn::start();
    let sealer = Credential::fake();
    kms.add_credential(sealer.clone(), &["GenerateDataKey", "Encrypt"]);
    let mut variables = kms.variables();
    variables.extend([
        ("TENCENTCLOUD_SECRET_ID".into(), sealer.secret_id),
        ("TENCENTCLOUD_SECRET_KEY".into(), sealer.secret_key),
    ]);
    let services = KeyServices::from_given(variables).unwrap();
    let sandbox = envconf_test_support::Sandbox::new();
    let pair = envconf::Pair::new(sandbox.root(), &"app".parse().unwrap(), &"prod".parse().unwrap());
    let key: KeyRef = format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap();
    let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Toml).recipient(key);
    let sealed = seal.seal(&pair, b"a = 1\n", &services).unwrap();
    assert_eq!(sealed.check(), envconf::pair::Check::AfterUnwrap);
    // Sealing again cannot open the old pair: the data key is new, and the generation still increases.
    let sealed = seal.seal(&pair, b"a = 2\n", &services).unwrap();
    assert_eq!((sealed.generation(), sealed.data_key()), (2, envconf::pair::DataKeyUse::OldPairNotOpened));
}

#[test]
fn refusals_have_code_request_and_advice() {
    let project = tencent();
    let key_id = project.key.key_id().to_owned();
    for (state, code) in [
        (KeyState::Disabled, "ResourceUnavailable.CmkDisabled"),
        (KeyState::PendingDelete, "ResourceUnavailable.KeyPendingDelete"),
    ] {
        project.kms.set_state("ap-guangzhou", &key_id, state);
        let before = project.kms.requests().len();
        let error = fails(&project, &[]);
        assert_eq!((error.kind(), error.exit_code()), (Kind::UnwrapFailed, 42));
        let attempt = &error.attempts()[0];
        assert_eq!((attempt.code(), attempt.fault()), (Some(code), Fault::Refused));
        assert!(attempt.request_id().is_some() && attempt.advice().is_some());
        let report = error.to_string();
        for part in [
            code,
            attempt.request_id().unwrap(),
            &project.key.to_string(),
            attempt.advice().unwrap(),
            "app.conf.key",
        ] {
            assert!(report.contains(part), "{part} is not in: {report}");
        }
        assert_eq!(project.kms.requests().len(), before + 1, "a refusal is not retried");
    }
}

#[test]
fn wrong_credentials_are_an_error_with_the_code() {
    let project = tencent();
    for (name, value, code) in [
        ("TENCENTCLOUD_SECRET_KEY", "wrong", "AuthFailure.SignatureFailure"),
        ("TENCENTCLOUD_SECRET_ID", "unknown", "AuthFailure.SecretIdNotFound"),
        ("TENCENTCLOUD_TOKEN", "unasked", "AuthFailure.TokenFailure"),
    ] {
        let error = fails(&project, &[(name, value)]);
        assert_eq!((error.attempts()[0].code(), error.exit_code()), (Some(code), 42));
    }
}

#[test]
fn temporary_credentials_work_under_each_name_of_the_token() {
    let credential = Credential::fake_temporary();
    let token = credential.token.clone().unwrap();
    let project = tencent();
    project.kms.add_credential(credential.clone(), &["Decrypt"]);
    for name in ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SESSION_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"] {
        let variables = [
            ("TENCENTCLOUD_SECRET_ID", credential.secret_id.as_str()),
            ("TENCENTCLOUD_SECRET_KEY", &credential.secret_key),
            (name, &token),
        ];
        assert_eq!(project.loader::<App>(&variables).load().unwrap().port, 8080);
    }
}

#[test]
fn without_credentials_no_request_is_sent_and_the_error_lists_the_sources() {
    let project = tencent();
    let before = project.kms.requests().len();
    let endpoint = project.kms.endpoint();
    let loader = App::loader().dir(project.project.sandbox.path("config")).trust(project.key.to_string());
    let nowhere = "http://127.0.0.1:1".to_owned();
    let variables = [("ENVCONF_TENCENT_ENDPOINT", endpoint), ("ENVCONF_TENCENT_METADATA_ENDPOINT", nowhere)];
    let error = loader.variables(variables).load().map(|_| ()).unwrap_err();
    assert_eq!(error.exit_code(), 42);
    assert!(error.to_string().contains("TENCENTCLOUD_SECRET_ID"), "{error}");
    assert_eq!(project.kms.requests().len(), before);
}

#[test]
fn transient_faults_are_retried_with_new_signatures() {
    let faults: [fn() -> Reply; 6] = [
        || Reply::Status(502),
        || Reply::error("InternalError", "x"),
        || Reply::error("RequestLimitExceeded", "x"),
        || Reply::Close,
        || Reply::HalfBody,
        || Reply::json("{\"Response\":"),
    ];
    for (at, fault) in faults.iter().enumerate() {
        let project = tencent();
        let before = project.kms.requests().len();
        project.kms.next(fault());
        project.kms.next(fault());
        assert_eq!(
            project.loader::<App>(&[]).load().unwrap_or_else(|error| panic!("{at}: {error}")).port,
            8080
        );
        assert_eq!(project.kms.requests().len() - before, 3, "fault {at}");
    }
}

#[test]
fn a_lasting_fault_is_transient_and_has_the_number_of_tries() {
    let project = tencent();
    for _ in 0..100 {
        project.kms.next(Reply::error("InternalError.Something", "x"));
    }
    let before = project.kms.requests().len();
    let error = fails(&project, &[("ENVCONF_KMS_DEADLINE", "1500ms")]);
    assert_eq!(error.exit_code(), 41);
    // The deadline may have ended the last request.
    let requests = project.kms.requests().len() - before;
    let says = |tries: usize| error.to_string().contains(&format!("{tries} tries"));
    assert!(requests >= 3 && (says(requests) || says(requests - 1)), "{requests} requests: {error}");
    assert_eq!(error.attempts()[0].code(), Some("InternalError.Something"));
}

#[test]
fn wrong_replies_are_rejected() {
    type Case = (fn() -> Reply, Kind, &'static str);
    let cases: [Case; 6] = [
        (|| Reply::WrongKeyId, Kind::UnwrapFailed, "another key"),
        (|| Reply::WrongLength, Kind::BadDek, "length"),
        (|| Reply::Oversized(1 << 20), Kind::UnwrapFailed, "larger"),
        (|| Reply::Redirect("http://127.0.0.1:1/".into()), Kind::UnwrapFailed, "redirect"),
        (|| Reply::edit(|json| json["Response"]["Plaintext"] = "AAE".into()), Kind::UnwrapFailed, "base64"),
        (
            || Reply::edit(|json| drop(json["Response"].as_object_mut().unwrap().remove("KeyId"))),
            Kind::UnwrapFailed,
            "another key",
        ),
    ];
    for (reply, kind, says) in cases {
        let project = tencent();
        let before = project.kms.requests().len();
        project.kms.next(reply());
        let error = fails(&project, &[]);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(project.kms.requests().len() - before, 1);
    }
}

#[test]
fn an_error_is_found_under_any_status_and_content_type() {
    for (status, content_type) in
        [(200, "application/json; charset=utf-8"), (200, "text/html"), (400, "text/plain"), (500, "")]
    {
        let project = tencent();
        let body = r#"{"Response":{"Error":{"Code":"UnauthorizedOperation","Message":"m"},"RequestId":"7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab"}}"#;
        project.kms.next(Reply::Raw { status, content_type: content_type.into(), body: body.into() });
        let error = fails(&project, &[]);
        assert_eq!(error.attempts()[0].code(), Some("UnauthorizedOperation"), "{status} {content_type}");
    }
}

#[test]
fn an_unknown_certificate_is_rejected() {
    let project = TencentProject::sealed(StandIn::builder().tls().start(), "port = 8080\n");
    assert_eq!(project.loader::<App>(&[]).load().unwrap().port, 8080);
    let loader = App::loader().dir(project.project.sandbox.path("config")).trust(project.key.to_string());
    let error = loader.variables(project.kms.variables()).load().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("not trusted"), "{error}");
}

#[test]
fn all_checks_without_a_key_run_before_the_first_request() {
    let memory = InMemory::default();
    let services = KeyServices::none().kms(Arc::new(memory.clone()));
    let key: KeyRef = "memory:-:1".parse().unwrap();
    let seal =
        Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Toml).recipient(key.clone());
    let (enc, wrapped) = seal.seal_bytes(b"a = 1\n", &services).unwrap();
    let asked_for_the_proof = memory.calls.load(Ordering::SeqCst);
    let policy = |environment: &str| Policy::new("app".parse().unwrap(), environment.parse().unwrap());
    let trusting = policy("prod").trust([Trusted::Key(key.clone())]);
    let signer = SigningKey::from_seed(&[1; 32]).public();
    let cases = [
        (policy("staging").trust([Trusted::Key(key)]), Kind::IdentityMismatch),
        (trusting.clone().min_generation(2), Kind::Rollback),
        (trusting.signers(vec![signer], 1).unwrap(), Kind::SignatureRequired),
        (policy("prod").trust(["memory:-:2".parse().unwrap()]), Kind::NoTrustedRecipient),
    ];
    for (policy, kind) in cases {
        assert_eq!(open_bytes(&enc, &wrapped, &policy, &services).unwrap_err().kind(), kind);
    }
    assert_eq!(memory.calls.load(Ordering::SeqCst), asked_for_the_proof);
}

// Pitfall 8.
#[test]
fn a_public_key_recipient_opens_only_with_a_signer() {
    let memory = InMemory { public: true, ..InMemory::default() };
    let services = KeyServices::none().kms(Arc::new(memory));
    let key: KeyRef = "memory:-:1".parse().unwrap();
    let signer = SigningKey::from_seed(&[1; 32]);
    let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Toml)
        .recipient(key.clone())
        .sign(signer.clone());
    let (enc, wrapped) = seal.seal_bytes(b"a = 1\n", &services).unwrap();
    let policy = Policy::new("app".parse().unwrap(), "prod".parse().unwrap()).trust([Trusted::Key(key)]);
    assert_eq!(open_bytes(&enc, &wrapped, &policy, &services).unwrap_err().kind(), Kind::SignatureRequired);
    assert!(
        open_bytes(&enc, &wrapped, &policy.signers(vec![signer.public()], 1).unwrap(), &services).is_ok()
    );
}

// Pitfall 26.
#[test]
fn recipients_are_tried_in_the_order_of_trust_and_every_failure_is_kept() {
    let project = tencent();
    let local = LocalKey::generate().unwrap();
    let services = KeyServices::from_given(project.kms.variables()).unwrap().local_key(local.clone());
    let gone: KeyRef =
        format!("tencent:ap-shanghai:{}", project.kms.create_key("ap-shanghai")).parse().unwrap();
    project.project.seal(
        "prod",
        ContentType::Toml,
        b"port = 1\n",
        &[local.key_ref(), &gone, &project.key],
        &services,
    );
    project.kms.set_state("ap-shanghai", gone.key_id(), KeyState::Disabled);
    let trust = format!("{gone},{}", project.key);
    let load = |trust: &str| project.loader::<App>(&[]).environment("prod").trust(trust).load();
    assert_eq!(load(&trust).unwrap().port, 1);
    project.kms.set_state("ap-guangzhou", project.key.key_id(), KeyState::Disabled);
    let error = load(&trust).map(|_| ()).unwrap_err();
    let tried: Vec<_> = error.attempts().iter().map(|attempt| attempt.key().clone()).collect();
    assert_eq!(tried, [gone, project.key.clone()]);
}

#[test]
fn a_silent_service_ends_at_the_deadline() {
    let project = tencent();
    project.kms.next(Reply::Delay(Duration::from_secs(20)));
    let started = std::time::Instant::now();
    let error = fails(&project, &[("ENVCONF_KMS_DEADLINE", "300ms")]);
    assert_eq!(error.exit_code(), 41);
    assert!(error.to_string().contains("deadline"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}
