//! Tests of Vault and OpenBao transit against a real OpenBao server: rights, tokens, logins, namespaces, states of keys
//! and of the server. Other tests use scripted replies that no server sends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/wire.rs"]
mod wire;

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use envconf::error::Fault;
use envconf::format::KeyFile;
use envconf::pair::{Rewrap, open_bytes};
use envconf::testing::contract;
use envconf::{ContentType, Error, KeyRef, KeyServices, Kind, Policy, Seal, Trusted};
use envconf_test_support::openbao::ROOT;
use envconf_test_support::{OpenBao, Sandbox, StandIn};
use loopback::{Answer, Http};
use serde_json::{Value, json};
use wire::{CANARY, Script, Scripted, Wire};

/// The server of all tests that do not affect each other.
static SHARED: LazyLock<OpenBao> = LazyLock::new(|| OpenBao::start(env!("CARGO_TARGET_TMPDIR")));

/// A pair for one or more keys.
struct Sealed {
    enc: Vec<u8>,
    key: Vec<u8>,
    recipients: Vec<KeyRef>,
}

impl Sealed {
    fn open(&self, services: &KeyServices) -> Result<Vec<u8>, Error> {
        let policy = Policy::new("app".parse().unwrap(), "prod".parse().unwrap());
        let policy = policy.trust(self.recipients.iter().cloned().map(Trusted::Key));
        open_bytes(&self.enc, &self.key, &policy, services).map(|opened| opened.content().to_vec())
    }

    fn blob(&self) -> String {
        KeyFile::parse(&self.key).unwrap().sections[0].recipients[0].blob.clone()
    }
}

fn seal(keys: &[&str], services: &KeyServices) -> Result<Sealed, Error> {
    let recipients: Vec<KeyRef> = keys.iter().map(|key| key.parse().unwrap()).collect();
    let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw);
    let seal = recipients.iter().cloned().fold(seal, Seal::recipient);
    let (enc, key) = seal.seal_bytes(b"content", services)?;
    Ok(Sealed { enc, key, recipients })
}

fn services(variables: &[(&str, &str)]) -> KeyServices {
    KeyServices::from_given(variables.iter().copied()).unwrap()
}

/// Returns services that use the server with this token.
fn with_token(server: &OpenBao, token: &str) -> KeyServices {
    services(&[("VAULT_ADDR", &server.url()), ("VAULT_TOKEN", token)])
}

/// Makes a key with this name and these parameters.
fn make_key(server: &OpenBao, name: &str, parameters: &Value) -> String {
    server.ok("POST", &format!("transit/keys/{name}"), parameters);
    format!("vault:-:transit/{name}")
}

fn refused(error: &Error, says: &str) {
    assert_eq!(error.fault(), Some(Fault::Refused), "{error}");
    assert!(error.to_string().contains(says), "{says} is not in: {error}");
}

#[test]
fn every_aead_key_passes_the_contract() {
    let server = &*SHARED;
    let services = with_token(server, ROOT);
    for kind in ["aes256-gcm96", "aes128-gcm96", "chacha20-poly1305", "xchacha20-poly1305"] {
        let keys = ["a", "b"].map(|name| make_key(server, &format!("{kind}-{name}"), &json!({"type": kind})));
        contract(&services, &keys[0].parse().unwrap(), &keys[1].parse().unwrap()).unwrap();
    }
    // An exportable key works, too, and so does a mount whose path has several parts.
    server.ok("POST", "sys/mounts/deep/path/transit", &json!({"type": "transit"}));
    server.ok("POST", "deep/path/transit/keys/a", &json!({"exportable": true}));
    let (deep, app) = ("vault:-:deep/path/transit/a", "vault:-:transit/app");
    contract(&services, &deep.parse().unwrap(), &app.parse().unwrap()).unwrap();
}

#[test]
fn the_contract_holds_over_tls() {
    let server = OpenBao::start_tls(env!("CARGO_TARGET_TMPDIR"));
    let ca = server.ca_file().unwrap();
    let url = server.url();
    let with =
        |name: &str, value: &str| services(&[("BAO_ADDR", url.as_str()), ("BAO_TOKEN", ROOT), (name, value)]);
    let keys = ["vault:-:transit/a", "vault:-:transit/b"];
    // Without the root certificate of the server, no request is sent.
    let error = seal(&keys[..1], &with("X", "")).err().unwrap();
    assert!(error.to_string().contains("not trusted"), "{error}");
    for name in ["VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"] {
        let error = seal(&keys[..1], &with(name, "true")).err().unwrap();
        refused(&error, "always verifies");
    }
    let trusting =
        [("BAO_CACERT", ca.clone()), ("VAULT_CACERT", ca.clone()), ("ENVCONF_CA_FILE", ca.clone())];
    let directory = Sandbox::new();
    directory.write("ca.pem", std::fs::read(&ca).unwrap());
    let directory = [("VAULT_CAPATH", directory.root().to_owned())];
    let trusting: Vec<_> = trusting.into_iter().chain(directory).collect();
    let error = seal(&keys[..1], &with("BAO_CACERT", ca.to_str().unwrap())).err().unwrap();
    refused(&error, "the mount does not exist");
    server.run(&["secrets", "enable", "transit"]);
    keys.iter()
        .for_each(|key| drop(server.run(&["write", "-f", &key.replace("vault:-:transit", "transit/keys")])));
    for (name, file) in trusting {
        let services = with(name, file.to_str().unwrap());
        assert_eq!(seal(&keys[..1], &services).unwrap().open(&services).unwrap(), b"content");
    }
    let pem = std::fs::read_to_string(&ca).unwrap();
    for name in ["BAO_CACERT_BYTES", "VAULT_CACERT_BYTES"] {
        let services = with(name, &pem);
        assert_eq!(seal(&keys[..1], &services).unwrap().open(&services).unwrap(), b"content");
        let error = seal(&keys[..1], &with(name, "no certificate")).err().unwrap();
        assert!(error.to_string().contains("root certificates"), "{error}");
    }
    let services = with("VAULT_CACERT", ca.to_str().unwrap());
    contract(&services, &keys[0].parse().unwrap(), &keys[1].parse().unwrap()).unwrap();
}

#[test]
fn a_client_certificate_logs_in() {
    let server = OpenBao::start_tls(env!("CARGO_TARGET_TMPDIR"));
    let file = |name: &str| server.file(name).to_str().unwrap().to_owned();
    let (ca, certificate, key) = (file("vault-ca.pem"), file("vault-cert.pem"), file("vault-key.pem"));
    server.run(&["secrets", "enable", "transit"]);
    server.run(&["write", "-f", "transit/keys/app"]);
    server.run(&["auth", "enable", "cert"]);
    let policy = file("reader.hcl");
    let rules = "path \"transit/+/app\" { capabilities = [\"update\"] }";
    std::fs::write(&policy, rules).unwrap();
    server.run(&["policy", "write", "reader", &policy]);
    server.run(&[
        "write",
        "auth/cert/certs/web",
        &format!("certificate=@{certificate}"),
        "token_policies=reader",
    ]);
    let url = server.url();
    let base = [("VAULT_ADDR", url.as_str()), ("VAULT_CACERT", &ca), ("ENVCONF_VAULT_AUTH", "cert:web")];
    let own = [("VAULT_CLIENT_CERT", certificate.as_str()), ("VAULT_CLIENT_KEY", &key)];
    let with_own = services(&[&base[..], &own].concat());
    let sealed = seal(&["vault:-:transit/app"], &with_own).unwrap();
    assert_eq!(sealed.open(&with_own).unwrap(), b"content");
    let error = sealed.open(&services(&base)).unwrap_err();
    refused(&error, "the login was refused");
    assert!(error.to_string().contains("VAULT_CLIENT_CERT"), "{error}");
    // A file that is not a certificate, or does not belong to the key, is reported before anything is sent.
    for (name, path) in
        [("VAULT_CLIENT_CERT", &key), ("VAULT_CLIENT_KEY", &certificate), ("VAULT_CLIENT_KEY", &ca)]
    {
        let wrong = [&base[..], &own, &[(name, path.as_str())]].concat();
        let error = sealed.open(&services(&wrong)).unwrap_err();
        refused(&error, "client certificate or its key cannot be used");
    }
    let other = services(&[&base[..2], &[("ENVCONF_VAULT_AUTH", "cert:other")], &own].concat());
    refused(&sealed.open(&other).unwrap_err(), "the login was refused");
}

#[test]
fn a_secret_id_for_one_use_is_enough_for_a_long_process() {
    let server = &*SHARED;
    server.ok("POST", "sys/auth/once", &json!({"type": "approle"}));
    let policy = server.policy("", &[("transit/decrypt/app", "update"), ("auth/token/renew-self", "update")]);
    let role = json!({"token_policies": [policy], "token_ttl": "2s", "token_max_ttl": "60s", "secret_id_num_uses": 1});
    let (role_id, secret_id) = app_role(server, "", "once", "svc", &role);
    let sealed = seal(&["vault:-:transit/app"], &with_token(server, ROOT)).unwrap();
    let proxy = Scripted::before(server.address());
    let reader = services(&[
        ("VAULT_ADDR", &proxy.url()),
        ("ENVCONF_VAULT_AUTH", "approle"),
        ("ENVCONF_VAULT_MOUNT", "once"),
        ("ENVCONF_VAULT_ROLE_ID", &role_id),
        ("ENVCONF_VAULT_SECRET_ID", &secret_id),
    ]);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        assert_eq!(sealed.open(&reader).unwrap(), b"content");
        std::thread::sleep(Duration::from_millis(300));
    }
    let count = |path: &str| proxy.requests().iter().filter(|request| request.target == path).count();
    assert_eq!(count("/v1/auth/once/login"), 1);
    assert!(count("/v1/auth/token/renew-self") >= 2);
}

/// A key service in memory. After the first unwrap, it does not answer within the deadline.
#[derive(Clone)]
struct Away(Arc<Mutex<Vec<Instant>>>);

impl envconf::Kms for Away {
    fn provider(&self) -> &str {
        "away"
    }

    fn authenticates(&self) -> bool {
        true
    }

    fn wrap<'a>(
        &'a self,
        _: &'a KeyRef,
        dek: &'a envconf::kms::DataKey,
        _: &'a envconf::kms::Context,
    ) -> envconf::kms::BoxFuture<'a, Result<envconf::kms::WrappedKey, envconf::kms::KmsError>> {
        Box::pin(async move { Ok(envconf::kms::WrappedKey::new(STANDARD.encode(dek.expose())).unwrap()) })
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a KeyRef,
        wrapped: &'a envconf::kms::WrappedKey,
        _: &'a envconf::kms::Context,
    ) -> envconf::kms::BoxFuture<'a, Result<envconf::kms::DataKey, envconf::kms::KmsError>> {
        self.0.lock().unwrap().push(Instant::now());
        Box::pin(async move {
            if self.0.lock().unwrap().len() > 1 {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            Ok(envconf::kms::DataKey::from_bytes(&STANDARD.decode(wrapped.as_str()).unwrap()))
        })
    }
}

#[test]
fn two_of_three_services_may_fail() {
    let server = &*SHARED;
    let vault = Scripted::before(server.address());
    let tencent = StandIn::start();
    let away = Away(Arc::default());
    let with = |deadline: u64| {
        let mut variables = tencent.variables();
        variables.extend([("VAULT_ADDR".into(), vault.url()), ("VAULT_TOKEN".into(), ROOT.into())]);
        let services = KeyServices::from_given(variables).unwrap().kms(Arc::new(away.clone()));
        services.deadline(Duration::from_secs(deadline))
    };
    let of_tencent = format!("tencent:ap-guangzhou:{}", tencent.key_id());
    let keys = ["away:-:1", &of_tencent, "vault:-:transit/app"];
    let sealed = seal(&keys, &with(10)).unwrap();
    // The first service does not answer, and the second key is disabled. The third has the rest of the deadline.
    tencent.set_state("ap-guangzhou", tencent.key_id(), envconf_test_support::KeyState::Disabled);
    let started = Instant::now();
    assert_eq!(sealed.open(&with(3)).unwrap(), b"content");
    assert!(started.elapsed() < Duration::from_secs(3));
    // In another order of trust, the load does not wait for the first key.
    let before = away.0.lock().unwrap().len();
    let other = Sealed {
        enc: sealed.enc.clone(),
        key: sealed.key.clone(),
        recipients: [&keys[2], &keys[0], &keys[1]].map(|key| key.parse().unwrap()).into(),
    };
    assert_eq!(other.open(&with(3)).unwrap(), b"content");
    assert_eq!(away.0.lock().unwrap().len(), before);
    // When all fail, the error names each with its failure, in the order of trust.
    (0..200)
        .for_each(|_| vault.next(Script::Status(503, json!({"errors": ["Vault is sealed"]}).to_string())));
    let started = Instant::now();
    let error = sealed.open(&with(2)).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(4));
    let tried: Vec<_> = error.attempts().iter().map(|attempt| attempt.key().to_string()).collect();
    assert_eq!(tried, keys);
    let faults: Vec<_> = error.attempts().iter().map(envconf::error::Attempt::fault).collect();
    assert_eq!(faults, [Fault::Transient, Fault::Refused, Fault::Transient]);
    assert!(error.to_string().contains("sealed") && error.to_string().contains("CmkDisabled"), "{error}");
    assert_eq!(error.exit_code(), 41);
}

#[cfg(feature = "watch")]
#[test]
fn a_watch_continues_after_its_tokens_expire() {
    use envconf::EncryptedConfig;
    use envconf::load::WatchOptions;

    #[derive(EncryptedConfig)]
    #[envconf(name = "app")]
    struct App {
        n: u32,
    }

    let server = &*SHARED;
    server.ok("POST", "sys/auth/watched", &json!({"type": "approle"}));
    let policy = server.policy("", &[("transit/decrypt/app", "update")]);
    let role = json!({"token_policies": [policy], "token_type": "batch", "token_ttl": "2s"});
    let (role_id, secret_id) = app_role(server, "", "watched", "svc", &role);
    let sandbox = Sandbox::new();
    let pair = envconf::Pair::new(sandbox.root(), &"app".parse().unwrap(), &"default".parse().unwrap());
    let key: KeyRef = "vault:-:transit/app".parse().unwrap();
    let sealer = with_token(server, ROOT);
    let put = |n: u32| {
        let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml);
        seal.recipient(key.clone()).seal(&pair, format!("n = {n}\n").as_bytes(), &sealer).unwrap();
    };
    put(1);
    let proxy = Scripted::before(server.address());
    let url = proxy.url();
    let variables = [
        ("VAULT_ADDR", url.as_str()),
        ("ENVCONF_VAULT_AUTH", "approle"),
        ("ENVCONF_VAULT_MOUNT", "watched"),
        ("ENVCONF_VAULT_ROLE_ID", &role_id),
        ("ENVCONF_VAULT_SECRET_ID", &secret_id),
    ];
    let options =
        WatchOptions::new().debounce(Duration::from_millis(50)).poll_interval(Duration::from_millis(50));
    let loader = App::loader().dir(sandbox.root()).trust(key.to_string()).variables(variables);
    let watch = loader.watch_options(options).watch().unwrap();
    assert_eq!(watch.current().n, 1);
    for n in 2..4 {
        // The token of the last load has expired.
        std::thread::sleep(Duration::from_millis(2_500));
        put(n);
        assert_eq!(watch.wait(Duration::from_secs(30)).unwrap().n, n);
    }
    assert_eq!(watch.status().refusals(), 0);
    let decrypts = proxy.requests().iter().filter(|request| request.target.ends_with("/decrypt/app")).count();
    assert_eq!(decrypts, 3, "the server must reject no request");
}

#[test]
fn the_contract_holds_with_faults() {
    let server = &*SHARED;
    let services = |url: &str| services(&[("VAULT_ADDR", url), ("VAULT_TOKEN", ROOT)]);
    let error = |status: u16, text: &str| {
        Script::Status(status, json!({"errors": [format!("{text} {CANARY}")]}).to_string())
    };
    let plaintext = |value: String| {
        Script::edit(move |body| {
            let mut body: Value = serde_json::from_str(body).unwrap();
            body["data"]["plaintext"] = value.clone().into();
            body.to_string()
        })
    };
    let of = |bytes: &[u8]| plaintext(STANDARD.encode(bytes));
    let statuses = [200, 204, 400, 401, 402, 403, 404, 405, 409, 412, 418, 429, 472, 473, 500, 502, 503, 599];
    let mut canaries: Vec<_> = statuses.iter().map(|status| error(*status, "")).collect();
    canaries.extend(statuses.iter().map(|status| {
        Script::Status(
            *status,
            format!("{{\"data\":\"{CANARY}\",\"{CANARY}\":1,\"request_id\":\"{CANARY}\"}}"),
        )
    }));
    canaries.extend(statuses.iter().map(|status| Script::Status(*status, CANARY.into())));
    canaries.extend([plaintext(CANARY.into()), of(CANARY.as_bytes()), error(400, "invalid ciphertext")]);
    let wire = Wire {
        upstream: server.address(),
        services: &services,
        key: "vault:-:transit/app".parse().unwrap(),
        throttled: vec![
            error(429, "request path \"transit/decrypt/app\": rate limit quota exceeded"),
            Script::Status(429, String::new()),
        ],
        faults: vec![
            error(503, "Vault is sealed"),
            error(500, "internal error"),
            error(412, ""),
            error(472, ""),
            error(473, ""),
            Script::Status(504, "<html>".into()),
            Script::Status(200, "{\"data\":".into()),
        ],
        refusals: vec![
            (error(403, "1 error occurred:\n\t* permission denied\n\n"), "permission denied"),
            (error(400, "encryption key not found"), "the key does not exist"),
            (
                error(400, "ciphertext or signature version is disallowed by policy (too old)"),
                "min_decryption_version",
            ),
            (error(400, "refusing to use soft-deleted key"), "soft-deleted"),
            (error(400, "missing 'context' for key derivation; the key was"), "derived"),
            (error(404, "no handler for route"), "the mount does not exist"),
            (error(404, "namespace not found"), "namespace"),
        ],
        lies: vec![
            (of(&[1; 64]), "context"),
            (of(&[1; 48]), "context"),
            (of(&[1; 32]), "length"),
            (of(&[1; 65]), "length"),
            (of(&[]), "length"),
            (plaintext("AAE".into()), "base64"),
            (plaintext("!".into()), "base64"),
            (Script::Status(200, "{}".into()), "base64"),
            (Script::Status(200, "{\"data\":null}".into()), "base64"),
            (Script::Status(200, "{\"data\":{\"plaintext\":1}}".into()), "base64"),
        ],
        canaries,
    };
    wire.check();
}

#[test]
fn a_request_contains_only_the_pinned_path() {
    let server = &*SHARED;
    let proxy = Scripted::before(server.address());
    let services =
        services(&[("VAULT_ADDR", &proxy.url()), ("VAULT_TOKEN", ROOT), ("VAULT_NAMESPACE", "team-x")]);
    let sealed = seal(&["vault:-:transit/app"], &services).unwrap();
    assert_eq!(sealed.open(&services).unwrap(), b"content");
    let requests = proxy.requests();
    let paths: Vec<_> =
        requests.iter().map(|request| (request.method.as_str(), request.target.as_str())).collect();
    // Sealing checks the pair.
    let decrypt = ("POST", "/v1/transit/decrypt/app");
    assert_eq!(paths, [("POST", "/v1/transit/encrypt/app"), decrypt, decrypt]);
    for request in &requests {
        assert_eq!(request.header("x-vault-token"), Some(ROOT));
        assert_eq!(request.header("x-vault-request"), Some("true"));
        // A variable does not change which key a reference means.
        assert_eq!(request.header("x-vault-namespace"), None);
        assert_eq!(request.json().as_object().unwrap().len(), 1);
    }
    // Payload form has the data key and the hash of the context.
    let plaintext = STANDARD.decode(requests[0].json()["plaintext"].as_str().unwrap()).unwrap();
    assert_eq!(plaintext.len(), 64);
    let hash = <sha2::Sha256 as sha2::Digest>::digest(br#"{"env":"prod","envconf":"v1","name":"app"}"#);
    assert_eq!(plaintext[32..], hash[..]);
    assert_eq!(requests[2].json()["ciphertext"], sealed.blob());
    assert!(sealed.blob().starts_with("vault:v1:") && sealed.blob().len() == "vault:v1:".len() + 124);
}

#[test]
fn a_base_url_may_have_a_path() {
    let upstream = SHARED.address();
    // The gateway has the API below a path.
    let gateway = Http::start(move |request| {
        let target = request.target.strip_prefix("/vault/eu").map(str::to_owned);
        let Some(target) = target else { return Some(Answer::text(404, "no such page")) };
        let inner = loopback::Request { target, ..request.clone() };
        Some(Answer { bytes: wire::forward(&upstream, &inner), pace: None })
    });
    for url in [format!("{}/vault/eu", gateway.url()), format!("{}/vault/eu/", gateway.url())] {
        let services = services(&[("VAULT_ADDR", &url), ("VAULT_TOKEN", ROOT)]);
        let sealed = seal(&["vault:-:transit/app"], &services).unwrap();
        assert_eq!(sealed.open(&services).unwrap(), b"content");
    }
    let elsewhere = services(&[("VAULT_ADDR", &gateway.url()), ("VAULT_TOKEN", ROOT)]);
    let error = seal(&["vault:-:transit/app"], &elsewhere).err().unwrap();
    assert!(error.to_string().contains("gateway"), "{error}");
}

#[test]
fn a_token_needs_only_update_on_one_path() {
    let server = &*SHARED;
    let key = make_key(server, "rights", &json!({}));
    let sealer = with_token(server, &server.token(&[("transit/encrypt/rights", "update")], "1h"));
    let reader = with_token(server, &server.token(&[("transit/decrypt/rights", "update")], "1h"));
    let both = with_token(
        server,
        &server.token(&[("transit/encrypt/rights", "update"), ("transit/decrypt/rights", "update")], "1h"),
    );
    let sealed = seal(&[&key], &sealer).unwrap();
    assert_eq!(sealed.open(&reader).unwrap(), b"content");
    let error = sealed.open(&sealer).unwrap_err();
    refused(&error, "permission denied");
    for part in ["the variable VAULT_TOKEN", "decrypt", "HTTP 403"] {
        assert!(error.to_string().contains(part), "{part} is not in: {error}");
    }
    assert_eq!(error.exit_code(), 42);
    refused(&seal(&[&key], &reader).err().unwrap(), "permission denied");
    // With `update` only, a wrong name makes no key.
    let typo = with_token(server, &server.token(&[("transit/encrypt/*", "update")], "1h"));
    let error = seal(&["vault:-:transit/rihgts"], &typo).err().unwrap();
    assert_eq!(error.fault(), Some(Fault::Refused), "{error}");
    assert_eq!(server.ask(ROOT, "GET", "transit/keys/rihgts", &Value::Null).0, 404);
    assert_eq!(seal(&[&key], &both).unwrap().open(&both).unwrap(), b"content");
}

#[test]
fn the_error_of_a_wrong_or_expired_token_names_its_source() {
    let server = &*SHARED;
    let sealed = seal(&["vault:-:transit/app"], &with_token(server, ROOT)).unwrap();
    refused(&sealed.open(&with_token(server, "wrong")).unwrap_err(), "the variable VAULT_TOKEN");
    let short = server.token(&[("transit/decrypt/app", "update")], "1s");
    let reader = with_token(server, &short);
    assert_eq!(sealed.open(&reader).unwrap(), b"content");
    std::thread::sleep(Duration::from_millis(1500));
    refused(&sealed.open(&reader).unwrap_err(), "invalid or expired");
    // A file is read for every request.
    let sandbox = Sandbox::new();
    let home = sandbox.root().to_str().unwrap();
    let own = services(&[("VAULT_ADDR", &server.url()), ("HOME", home)]);
    let error = sealed.open(&own).unwrap_err();
    refused(&error, "no token; searched");
    sandbox.write(".vault-token", "wrong");
    refused(&sealed.open(&own).unwrap_err(), "~/.vault-token");
    sandbox.write(".vault-token", format!("{ROOT}\n"));
    assert_eq!(sealed.open(&own).unwrap(), b"content");
    sandbox.write(".vault-token", "two words");
    let error = sealed.open(&own).unwrap_err();
    refused(&error, "blanks");
    assert!(!error.to_string().contains("two words"));
}

#[test]
fn an_invalid_setting_is_reported_when_it_is_needed() {
    // These variables are on many machines. Without a key of Vault they are not read.
    let local = envconf::LocalKey::generate().unwrap();
    let broken = [("VAULT_ADDR", "http://vault.example.com"), ("VAULT_SKIP_VERIFY", "1")];
    let with_local = services(&broken).local_key(local.clone());
    let sealed = seal(&[&local.key_ref().to_string()], &with_local).unwrap();
    assert_eq!(sealed.open(&with_local).unwrap(), b"content");
    for (variables, says) in [
        (&[][..], "the address of the server is not set"),
        (&broken, "always verifies"),
        (&broken[..1], "VAULT_ADDR uses http for a host outside"),
        (&[("VAULT_ADDR", "unix:///x")], "VAULT_ADDR has a scheme"),
        (&[("BAO_ADDR", "https://a b")], "BAO_ADDR contains blanks"),
        (&[("VAULT_ADDR", "https://h"), ("VAULT_CLIENT_CERT", "/c")], "VAULT_CLIENT_KEY is not"),
        (&[("VAULT_ADDR", "https://h"), ("VAULT_TLS_SERVER_NAME", "other")], "VAULT_TLS_SERVER_NAME differs"),
    ] {
        let error = seal(&["vault:-:transit/app"], &services(variables)).err().unwrap();
        refused(&error, says);
    }
    // An invalid variable of envconf is an error at once.
    for bad in
        [("ENVCONF_VAULT_AUTH", "magic"), ("ENVCONF_VAULT_AUTH", ""), ("ENVCONF_VAULT_AUTH", "kubernetes")]
    {
        assert_eq!(KeyServices::from_given([bad]).unwrap_err().kind(), Kind::Usage, "{bad:?}");
    }
}

#[test]
fn a_namespace_is_part_of_the_reference() {
    let server = &*SHARED;
    server.ok("POST", "sys/namespaces/team-a", &json!({}));
    server.ok("POST", "team-a/sys/mounts/transit", &json!({"type": "transit"}));
    server.ok("POST", "team-a/transit/keys/spaced", &json!({}));
    server.ok("POST", "transit/keys/spaced", &json!({}));
    // A path belongs to a mount or to a namespace, so a reference means one key.
    let taken = server.ask(ROOT, "POST", "sys/mounts/team-a/transit", &json!({"type": "transit"}));
    assert_eq!(taken.0, 400, "{}", taken.1);
    server.ok("POST", "sys/mounts/team-b/transit", &json!({"type": "transit"}));
    assert_eq!(server.ask(ROOT, "POST", "sys/namespaces/team-b", &json!({})).0, 400);
    let (inner, outer) = ("vault:-:team-a/transit/spaced", "vault:-:transit/spaced");
    let root = with_token(server, ROOT);
    contract(&root, &inner.parse().unwrap(), &outer.parse().unwrap()).unwrap();
    // The variable does not select the other key.
    let sealed = seal(&[outer], &root).unwrap();
    let url = server.url();
    let with_variable =
        services(&[("VAULT_ADDR", url.as_str()), ("VAULT_TOKEN", ROOT), ("VAULT_NAMESPACE", "team-a")]);
    assert_eq!(sealed.open(&with_variable).unwrap(), b"content");
    let inner_sealed = seal(&[inner], &with_variable).unwrap();
    assert_eq!(inner_sealed.open(&root).unwrap(), b"content");
    // The token of a login in the namespace is valid for keys there.
    server.ok("POST", "team-a/sys/auth/approle", &json!({"type": "approle"}));
    let policy = server.policy("team-a/", &[("transit/decrypt/spaced", "update")]);
    let (role_id, secret_id) =
        app_role(server, "team-a/", "approle", "svc", &json!({"token_policies": [policy]}));
    let login = [
        ("VAULT_ADDR", url.as_str()),
        ("VAULT_NAMESPACE", "team-a/"),
        ("ENVCONF_VAULT_AUTH", "approle"),
        ("ENVCONF_VAULT_ROLE_ID", &role_id),
        ("ENVCONF_VAULT_SECRET_ID", &secret_id),
    ];
    let reader = services(&login);
    assert_eq!(inner_sealed.open(&reader).unwrap(), b"content");
    // If the namespace is missing, the hint shows how to write the reference.
    let error = sealed.open(&reader).unwrap_err();
    refused(&error, "vault:-:team-a/transit/spaced");
    assert_eq!(error.attempts()[0].advice().unwrap().matches("vault:-:").count(), 1);
    assert!(error.to_string().contains("VAULT_NAMESPACE is used for the login only"), "{error}");
    // Without the variable the login fails.
    let error = sealed.open(&services(&[login[0], login[2], login[3], login[4]])).unwrap_err();
    refused(&error, "login was refused");
    // An inline login is in the namespace, too.
    let mut inline = login;
    inline[2].1 = "inline:approle";
    assert_eq!(inner_sealed.open(&services(&inline)).unwrap(), b"content");
    let error = seal(&["vault:-:no-team/transit/spaced"], &root).err().unwrap();
    refused(&error, "NAMESPACE/MOUNT/KEY");
}

/// Makes a role of AppRole at `auth/MOUNT`. Returns its role id and a secret id.
fn app_role(server: &OpenBao, namespace: &str, mount: &str, name: &str, role: &Value) -> (String, String) {
    let path = format!("{namespace}auth/{mount}/role/{name}");
    server.ok("POST", &path, role);
    let role_id = server.ok("GET", &format!("{path}/role-id"), &Value::Null);
    let secret_id = server.ok("POST", &format!("{path}/secret-id"), &json!({}));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&role_id["data"]["role_id"]), text(&secret_id["data"]["secret_id"]))
}

#[test]
fn app_role_logs_in_once_for_many_requests() {
    let server = &*SHARED;
    server.ok("POST", "sys/auth/apps", &json!({"type": "approle"}));
    let policy = server.policy("", &[("transit/decrypt/app", "update")]);
    let role = json!({"token_policies": [policy], "token_type": "batch", "token_ttl": "1h"});
    let (role_id, secret_id) = app_role(server, "", "apps", "svc", &role);
    let sealed = seal(&["vault:-:transit/app"], &with_token(server, ROOT)).unwrap();
    let proxy = Scripted::before(server.address());
    let sandbox = Sandbox::new();
    let file = sandbox.write("secret-id", &secret_id);
    let url = proxy.url();
    let variables = [
        ("VAULT_ADDR", url.as_str()),
        // The settings select another method, so this token is not used.
        ("VAULT_TOKEN", "wrong"),
        ("ENVCONF_VAULT_AUTH", "approle"),
        ("ENVCONF_VAULT_MOUNT", "apps"),
        ("ENVCONF_VAULT_ROLE_ID", &role_id),
        ("ENVCONF_VAULT_SECRET_ID_FILE", file.to_str().unwrap()),
    ];
    let reader = services(&variables);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(sealed.open(&reader).unwrap(), b"content"));
        }
    });
    let logins = || {
        let requests = proxy.requests();
        requests.into_iter().filter(|request| request.target == "/v1/auth/apps/login").collect::<Vec<_>>()
    };
    assert_eq!(logins().len(), 1);
    assert_eq!(logins()[0].json(), json!({"role_id": role_id, "secret_id": secret_id}));
    assert_eq!(logins()[0].header("x-vault-token"), None);
    assert!(proxy.requests().iter().all(|request| request.header("x-vault-token") != Some("wrong")));
    // A rejected token is replaced once.
    let denied = || Script::Status(403, json!({"errors": ["permission denied"]}).to_string());
    proxy.next(denied());
    assert_eq!(sealed.open(&reader).unwrap(), b"content");
    assert_eq!(logins().len(), 2);
    // If the server rejects the new token, too, the error is final.
    let before = proxy.requests().len();
    let other = seal(&[&make_key(server, "not-of-the-role", &json!({}))], &with_token(server, ROOT)).unwrap();
    refused(&other.open(&reader).unwrap_err(), "the login of ENVCONF_VAULT_AUTH (approle)");
    let targets: Vec<_> = proxy.requests()[before..].iter().map(|request| request.target.clone()).collect();
    let decrypt = "/v1/transit/decrypt/not-of-the-role";
    assert_eq!(targets, [decrypt, "/v1/auth/apps/login", decrypt]);
    // A rejected login is not repeated.
    sandbox.write("secret-id", "wrong");
    let wrong = services(&[&variables[..], &[("HOME", "/other")]].concat());
    let before = proxy.requests().len();
    let error = sealed.open(&wrong).unwrap_err();
    refused(&error, "the login was refused");
    assert!(error.to_string().contains("secret id"), "{error}");
    assert_eq!(proxy.requests().len() - before, 1);
    // A role may require no secret id.
    let role =
        json!({"token_policies": [policy], "bind_secret_id": false, "token_bound_cidrs": "127.0.0.0/8"});
    server.ok("POST", "auth/apps/role/open", &role);
    let role_id = server.ok("GET", "auth/apps/role/open/role-id", &Value::Null)["data"]["role_id"].clone();
    let method = format!("approle:{}", role_id.as_str().unwrap());
    let open = services(&[variables[0], ("ENVCONF_VAULT_AUTH", &method), variables[3]]);
    assert_eq!(sealed.open(&open).unwrap(), b"content");
}

/// The signer of identity tokens, with its public key.
struct Issuer {
    key: ed25519_dalek::SigningKey,
    pem: String,
}

impl Issuer {
    fn new() -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        // The SubjectPublicKeyInfo of Ed25519.
        let mut der = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
        der.extend_from_slice(key.verifying_key().as_bytes());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        Self { key, pem }
    }

    fn token(&self, claims: &Value) -> String {
        use ed25519_dalek::Signer as _;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "EdDSA", "typ": "JWT"})), part(claims));
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(text.as_bytes()).to_bytes()))
    }
}

#[test]
fn a_token_of_ci_logs_in_by_jwt() {
    let server = &*SHARED;
    let issuer = Issuer::new();
    server.ok("POST", "sys/auth/ci", &json!({"type": "jwt"}));
    server.ok(
        "POST",
        "auth/ci/config",
        &json!({"jwt_validation_pubkeys": [issuer.pem], "jwt_supported_algs": ["EdDSA"]}),
    );
    let policy = server.policy("", &[("transit/decrypt/app", "update")]);
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["envconf"], "token_policies": [policy],
        "token_ttl": "10m",
    });
    server.ok("POST", "auth/ci/role/deploy", &role);
    let sealed = seal(&["vault:-:transit/app"], &with_token(server, ROOT)).unwrap();
    let claims = |audience: &str| json!({"sub": "job", "aud": audience, "exp": loopback::in_seconds(600), "iat": loopback::in_seconds(0)});
    let sandbox = Sandbox::new();
    let file = sandbox.write("jwt", issuer.token(&claims("envconf")));
    let url = server.url();
    let base =
        [("VAULT_ADDR", url.as_str()), ("ENVCONF_VAULT_AUTH", "jwt:deploy"), ("ENVCONF_VAULT_MOUNT", "ci")];
    let of_file = [&base[..], &[("ENVCONF_VAULT_JWT_FILE", file.to_str().unwrap())]].concat();
    assert_eq!(sealed.open(&services(&of_file)).unwrap(), b"content");
    let given = issuer.token(&claims("envconf"));
    let of_variable = [&base[..], &[("ENVCONF_VAULT_JWT", given.as_str())]].concat();
    assert_eq!(sealed.open(&services(&of_variable)).unwrap(), b"content");
    let other = issuer.token(&claims("somebody-else"));
    let wrong = [&base[..], &[("ENVCONF_VAULT_JWT", other.as_str())]].concat();
    let error = sealed.open(&services(&wrong)).unwrap_err();
    refused(&error, "the login was refused");
    assert!(error.to_string().contains("audiences") && !error.to_string().contains(&other), "{error}");
    let error = sealed.open(&services(&[base[0], base[1], ("ENVCONF_VAULT_JWT", &given)])).unwrap_err();
    // The server does not report that the method is missing.
    refused(&error, "ENVCONF_VAULT_MOUNT");
    // OpenBao accepts the login in the request.
    let mut inline = of_variable.clone();
    inline[1].1 = "inline:jwt:deploy";
    let proxy = Scripted::before(server.address());
    let address = proxy.url();
    inline[0].1 = &address;
    assert_eq!(sealed.open(&services(&inline)).unwrap(), b"content");
    let [request] = &proxy.requests()[..] else { panic!("one request") };
    assert_eq!(request.header("x-vault-inline-auth-path"), Some("auth/ci/login"));
    assert_eq!(request.header("x-vault-token"), None);
    inline[3].1 = &other;
    let error = sealed.open(&services(&inline)).unwrap_err();
    refused(&error, "the login was refused");
    assert_eq!(proxy.requests().len(), 2);
}

#[test]
fn a_pod_logs_in_by_its_service_account() {
    let server = &*SHARED;
    // This server answers token reviews like Kubernetes.
    let reviewer = Http::start(|request| {
        let given = request.json()["spec"]["token"].as_str().unwrap_or_default().to_owned();
        let known = given.contains('.') && !given.ends_with("revoked");
        Some(Answer::text(
            201,
            json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                "status": {
                    "authenticated": known, "audiences": ["vault"],
                    "user": {"username": "system:serviceaccount:apps:web", "uid": "1", "groups": []},
                },
            }),
        ))
    });
    server.ok("POST", "sys/auth/kubernetes", &json!({"type": "kubernetes"}));
    let config = json!({
        "kubernetes_host": reviewer.url(), "token_reviewer_jwt": "a.b.c", "disable_iss_validation": true,
        "disable_local_ca_jwt": true, "kubernetes_ca_cert": StandIn::builder().tls().start().ca_pem(),
    });
    server.ok("POST", "auth/kubernetes/config", &config);
    let policy = server.policy("", &[("transit/decrypt/app", "update")]);
    let role = json!({
        "audience": "vault", "bound_service_account_names": "web", "bound_service_account_namespaces": "apps",
        "token_policies": [policy], "token_ttl": "10m",
    });
    server.ok("POST", "auth/kubernetes/role/web", &role);
    let sealed = seal(&["vault:-:transit/app"], &with_token(server, ROOT)).unwrap();
    let claims = json!({
        "iss": "kubernetes", "sub": "system:serviceaccount:apps:web", "aud": ["vault"], "exp": loopback::in_seconds(600), "nbf": loopback::in_seconds(0), "iat": loopback::in_seconds(0),
        "kubernetes.io": {"namespace": "apps", "serviceaccount": {"name": "web", "uid": "1"}},
    });
    // Only Kubernetes checks the signature.
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let token =
        format!("{}.{}.{}", part(&json!({"alg": "ES256"})), part(&claims), URL_SAFE_NO_PAD.encode([7; 64]));
    let sandbox = Sandbox::new();
    let file = sandbox.write("token", &token);
    let url = server.url();
    let with_role = |role: &str| {
        let method = format!("kubernetes:{role}");
        services(&[
            ("VAULT_ADDR", url.as_str()),
            ("ENVCONF_VAULT_AUTH", &method),
            ("ENVCONF_VAULT_JWT_FILE", file.to_str().unwrap()),
        ])
    };
    assert_eq!(sealed.open(&with_role("web")).unwrap(), b"content");
    assert!(!reviewer.requests().is_empty());
    let error = sealed.open(&with_role("other")).unwrap_err();
    refused(&error, "the login was refused");
    assert!(error.to_string().contains("audience"), "{error}");
    assert!(!error.to_string().contains(&token));
    // Outside of a pod, the error names the file.
    let nowhere = services(&[("VAULT_ADDR", url.as_str()), ("ENVCONF_VAULT_AUTH", "kubernetes:web")]);
    refused(&sealed.open(&nowhere).unwrap_err(), "no identity token for the login");
}

#[test]
fn a_token_of_two_seconds_is_replaced_before_the_next_request() {
    let server = &*SHARED;
    server.ok("POST", "sys/auth/brief", &json!({"type": "approle"}));
    let policy = server.policy("", &[("transit/decrypt/app", "update")]);
    let role = json!({"token_policies": [policy], "token_type": "batch", "token_ttl": "2s"});
    let (role_id, secret_id) = app_role(server, "", "brief", "svc", &role);
    let sealed = seal(&["vault:-:transit/app"], &with_token(server, ROOT)).unwrap();
    let proxy = Scripted::before(server.address());
    let reader = services(&[
        ("VAULT_ADDR", &proxy.url()),
        ("ENVCONF_VAULT_AUTH", "approle"),
        ("ENVCONF_VAULT_MOUNT", "brief"),
        ("ENVCONF_VAULT_ROLE_ID", &role_id),
        ("ENVCONF_VAULT_SECRET_ID", &secret_id),
    ]);
    let started = Instant::now();
    let mut opened = 0;
    while started.elapsed() < Duration::from_secs(5) {
        assert_eq!(sealed.open(&reader).unwrap(), b"content");
        opened += 1;
        std::thread::sleep(Duration::from_millis(400));
    }
    let count = |path: &str| proxy.requests().iter().filter(|request| request.target == path).count();
    // No request has an expired token, so the server rejects none.
    assert_eq!(count("/v1/transit/decrypt/app"), opened);
    assert!((2..opened).contains(&count("/v1/auth/brief/login")), "{}", count("/v1/auth/brief/login"));
}

#[test]
fn states_of_a_key_have_different_errors() {
    let server = &*SHARED;
    let root = with_token(server, ROOT);
    let key = make_key(server, "states", &json!({}));
    let sealed = seal(&[&key], &root).unwrap();
    server.ok("POST", "transit/keys/states/rotate", &json!({}));
    assert_eq!(sealed.open(&root).unwrap(), b"content");
    let newer = seal(&[&key], &root).unwrap();
    assert!(newer.blob().starts_with("vault:v2:"));
    server.ok("POST", "transit/keys/states/config", &json!({"min_decryption_version": 2}));
    refused(&sealed.open(&root).unwrap_err(), "min_decryption_version");
    assert_eq!(newer.open(&root).unwrap(), b"content");
    server.ok("POST", "transit/keys/states/config", &json!({"min_decryption_version": 1}));
    server.ok("DELETE", "transit/keys/states/soft-delete", &Value::Null);
    refused(&sealed.open(&root).unwrap_err(), "soft-deleted");
    refused(&seal(&[&key], &root).err().unwrap(), "soft-deleted");
    server.ok("POST", "transit/keys/states/soft-delete-restore", &json!({}));
    assert_eq!(sealed.open(&root).unwrap(), b"content");
    server.ok("POST", "transit/keys/states/config", &json!({"deletion_allowed": true}));
    server.ok("DELETE", "transit/keys/states", &Value::Null);
    refused(&sealed.open(&root).unwrap_err(), "the key does not exist");
}

#[test]
fn keys_of_other_types_are_rejected() {
    let server = &*SHARED;
    let root = with_token(server, ROOT);
    for kind in ["rsa-2048", "rsa-4096"] {
        let key = make_key(server, kind, &json!({"type": kind}));
        let error = seal(&[&key], &root).err().unwrap();
        refused(&error, "not an AEAD key");
        assert!(error.to_string().contains("aes256-gcm96"), "{error}");
    }
    for kind in ["ed25519", "ecdsa-p256", "hmac"] {
        let parameters =
            if kind == "hmac" { json!({"type": kind, "key_size": 32}) } else { json!({"type": kind}) };
        let key = make_key(server, &format!("kind-{kind}"), &parameters);
        let error = seal(&[&key], &root).err().unwrap();
        assert_ne!(error.fault(), Some(Fault::Transient), "{kind}: {error}");
    }
    let derived = make_key(server, "derived", &json!({"derived": true}));
    let error = seal(&[&derived], &root).err().unwrap();
    refused(&error, "derived");
    let convergent = make_key(server, "convergent", &json!({"derived": true, "convergent_encryption": true}));
    refused(&seal(&[&convergent], &root).err().unwrap(), "derived");
}

#[test]
fn a_wrapped_key_of_an_rsa_key_is_never_sent() {
    let server = &*SHARED;
    let root = with_token(server, ROOT);
    make_key(server, "forged", &json!({"type": "rsa-2048"}));
    let hash = <sha2::Sha256 as sha2::Digest>::digest(br#"{"env":"prod","envconf":"v1","name":"app"}"#);
    let payload = [&[7; 32][..], &hash].concat();
    let made = server.ok("POST", "transit/encrypt/forged", &json!({"plaintext": STANDARD.encode(payload)}));
    let mut sealed = seal(&["vault:-:transit/app"], &root).unwrap();
    let mut file = KeyFile::parse(&sealed.key).unwrap();
    let recipient = &mut file.sections[0].recipients[0];
    recipient.key = "vault:-:transit/forged".parse().unwrap();
    recipient.blob = made["data"]["ciphertext"].as_str().unwrap().to_owned();
    sealed.recipients = vec![recipient.key.clone()];
    sealed.key = file.emit();
    let proxy = Scripted::before(server.address());
    let error = sealed.open(&services(&[("VAULT_ADDR", &proxy.url()), ("VAULT_TOKEN", ROOT)])).unwrap_err();
    assert!(error.to_string().contains("AEAD"), "{error}");
    assert_eq!(proxy.requests().len(), 0);
}

#[test]
fn rewrap_wraps_a_key_with_the_newest_version() {
    let server = &*SHARED;
    let key = make_key(server, "rewrapped", &json!({}));
    let other = make_key(server, "rewrapped-to", &json!({}));
    let root = with_token(server, ROOT);
    let sealed = seal(&[&key], &root).unwrap();
    let policy =
        || Policy::new("app".parse().unwrap(), "prod".parse().unwrap()).trust([key.parse().unwrap()]);
    // For another key the data key is wrapped again, because the server has no request for that.
    let rewrap = Rewrap::new(policy()).recipient(other.parse().unwrap());
    let (new, _) = rewrap.rewrap_bytes(&sealed.enc, &sealed.key, &root).unwrap();
    let moved = Sealed { enc: sealed.enc.clone(), key: new, recipients: vec![other.parse().unwrap()] };
    assert_eq!(moved.open(&root).unwrap(), b"content");
    // With the same key it stays unchanged until it is renewed.
    server.ok("POST", "transit/keys/rewrapped/rotate", &json!({}));
    let kept = Rewrap::new(policy()).recipient(key.parse().unwrap());
    let (_, done) = kept.rewrap_bytes(&sealed.enc, &sealed.key, &root).unwrap();
    assert!(!done.is_written());
    let proxy = Scripted::before(server.address());
    let through = services(&[("VAULT_ADDR", &proxy.url()), ("VAULT_TOKEN", ROOT)]);
    let (new, done) = kept.clone().renew().rewrap_bytes(&sealed.enc, &sealed.key, &through).unwrap();
    assert!(done.is_written());
    let renewed = Sealed { enc: sealed.enc.clone(), key: new, recipients: sealed.recipients.clone() };
    assert!(sealed.blob().starts_with("vault:v1:") && renewed.blob().starts_with("vault:v2:"));
    let targets: Vec<_> = proxy.requests().into_iter().map(|request| request.target).collect();
    let path = |operation: &str| format!("/v1/transit/{operation}/rewrapped");
    assert_eq!(targets, [path("decrypt"), path("rewrap"), path("decrypt")]);
    // The old version is not needed now.
    server.ok("POST", "transit/keys/rewrapped/config", &json!({"min_decryption_version": 2}));
    assert_eq!(renewed.open(&root).unwrap(), b"content");
    refused(&sealed.open(&root).unwrap_err(), "min_decryption_version");
    // With the newest version nothing changes.
    let (_, done) = kept.clone().renew().rewrap_bytes(&renewed.enc, &renewed.key, &root).unwrap();
    assert!(!done.is_written());
    // Without the right, nothing changes, and the error names the right.
    let policies = [("transit/decrypt/rewrapped", "update")];
    let reader = with_token(server, &server.token(&policies, "1h"));
    let error = kept.renew().rewrap_bytes(&renewed.enc, &renewed.key, &reader).unwrap_err();
    refused(&error, "newest version");
}

#[test]
fn a_load_waits_for_a_sealed_server_and_a_quota() {
    let server = OpenBao::start(env!("CARGO_TARGET_TMPDIR"));
    let root = with_token(&server, ROOT);
    let sealed = seal(&["vault:-:transit/app"], &root).unwrap();
    server.seal();
    let error = sealed.open(&root.clone().deadline(Duration::from_millis(700))).unwrap_err();
    assert_eq!(error.exit_code(), 41);
    assert!(error.to_string().contains("sealed"), "{error}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(600));
            server.unseal();
        });
        assert_eq!(sealed.open(&root).unwrap(), b"content");
    });
    // The quota is one request a second.
    server.ok(
        "POST",
        "sys/quotas/rate-limit/brake",
        &json!({"path": "transit", "rate": 1.0, "interval": "1s"}),
    );
    let ask = || server.ask(ROOT, "POST", "transit/encrypt/app", &json!({"plaintext": ""})).0;
    while ask() != 429 {}
    assert_eq!(sealed.open(&root).unwrap(), b"content");
    // The quota is one request in two minutes, which is longer than the deadline.
    server.ok(
        "POST",
        "sys/quotas/rate-limit/brake",
        &json!({"path": "transit", "rate": 1.0, "interval": "120s"}),
    );
    while ask() != 429 {}
    let error = sealed.open(&root.deadline(Duration::from_millis(200))).unwrap_err();
    assert_eq!(error.exit_code(), 41, "{error}");
    assert!(error.to_string().contains("too many requests"), "{error}");
}

#[test]
fn an_agent_adds_the_token() {
    let upstream = SHARED.address();
    let agent = Http::start(move |request| {
        assert_eq!(request.header("x-vault-token"), None);
        assert_eq!(request.header("x-vault-request"), Some("true"));
        let mut inner = request.clone();
        inner.headers.push(("x-vault-token".into(), ROOT.into()));
        Some(Answer { bytes: wire::forward(&upstream, &inner), pace: None })
    });
    let services = services(&[
        ("VAULT_AGENT_ADDR", &agent.url()),
        ("VAULT_ADDR", "https://vault.example.com"),
        ("ENVCONF_VAULT_AUTH", "agent"),
    ]);
    let sealed = seal(&["vault:-:transit/app"], &services).unwrap();
    assert_eq!(sealed.open(&services).unwrap(), b"content");
}

#[test]
fn tokens_and_secrets_of_logins_are_never_shown() {
    let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
    let echoed = bodies.clone();
    // The server repeats each request in its reply.
    let echo = Http::start(move |request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let token = request.header("x-vault-token").unwrap_or_default().to_owned();
        echoed.lock().unwrap().push(format!("{body}{token}"));
        let status = [400, 403, 404, 200][echoed.lock().unwrap().len() % 4];
        Some(Answer::text(status, json!({"errors": [body, token], "data": {"plaintext": token}})))
    });
    let url = echo.url();
    let base = ("VAULT_ADDR", url.as_str());
    let sealed = seal(&["vault:-:transit/app"], &with_token(&SHARED, ROOT)).unwrap();
    for variables in [
        vec![base, ("VAULT_TOKEN", CANARY)],
        vec![base, ("ENVCONF_VAULT_AUTH", "approle:r"), ("ENVCONF_VAULT_SECRET_ID", CANARY)],
        vec![base, ("ENVCONF_VAULT_AUTH", "jwt:r"), ("ENVCONF_VAULT_JWT", CANARY)],
        vec![base, ("ENVCONF_VAULT_AUTH", "inline:jwt:r"), ("ENVCONF_VAULT_JWT", CANARY)],
    ] {
        let services = services(&variables).deadline(Duration::from_millis(300));
        for _ in 0..4 {
            let error = sealed.open(&services).unwrap_err();
            let shown = format!("{error} {error:?} {services:?}");
            assert!(!shown.contains(CANARY) && !shown.contains(&STANDARD.encode(CANARY)), "{shown}");
        }
    }
    assert!(bodies.lock().unwrap().iter().any(|body| body.contains(CANARY)));
}
