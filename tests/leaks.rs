//! Tests that no failure shows a canary secret, or a part of it, in `Display`, `Debug`, `{:#}`, the source chain, a
//! panic or the output of the command.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Project, TencentProject};
use envconf::kms::{DataKey, Decrypted};
use envconf::pair::{SigningKey, check_content};
use envconf::schema::Format;
use envconf::tools::import::{Blob, GuideData, Imported};
use envconf::{
    ContentType, EncryptedConfig, Error, ExposeSecret, KeyServices, Kind, Loader, LocalKey, Schema, Seal,
    SecretString,
};
use envconf_test_support::{Reply, StandIn};
use serde::de::{Deserialize, Deserializer, Error as _, Unexpected};

/// The canary. No six characters of it occur in any message of envconf.
const CANARY: &str = "xQ7-kanarienvogel-Zw9-sidste-Yv4";
const PART: usize = 6;

#[track_caller]
fn assert_silent(what: &str, text: &str, secret: &str) {
    // A random request id can contain six hexadecimal digits of the secret by chance.
    let is_hex = secret.bytes().all(|byte| byte.is_ascii_hexdigit());
    let len = if is_hex { 2 * PART } else { PART };
    let parts = secret.as_bytes().windows(len).filter_map(|part| std::str::from_utf8(part).ok());
    for part in parts {
        assert!(!text.contains(part), "{what} shows {part:?} of a secret:\n{text}");
    }
}

/// Checks every text of an error.
#[track_caller]
fn assert_error_silent(what: &str, error: &Error, secrets: &[&str]) {
    let mut texts =
        vec![error.to_string(), format!("{error:?}"), format!("{error:#}"), format!("{error:#?}")];
    texts.extend([error.message().to_owned(), error.advice().unwrap_or_default().to_owned()]);
    texts.extend(error.problems().iter().flat_map(|problem| [problem.to_string(), format!("{problem:?}")]));
    texts.extend(error.attempts().iter().flat_map(|attempt| [attempt.to_string(), format!("{attempt:?}")]));
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        texts.extend([cause.to_string(), format!("{cause:?}")]);
        source = cause.source();
    }
    for (text, secret) in texts.iter().flat_map(|text| secrets.iter().map(move |secret| (text, secret))) {
        assert_silent(what, text, secret);
    }
}

/// Declares a type with a `Deserialize` that quotes the value in its error `$body`.
macro_rules! quoting {
    ($name:ident, |$text:ident, $error:ident| $body:expr) => {
        #[derive(Debug)]
        struct $name;
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let $text = String::deserialize(deserializer)?;
                type $error<E> = E;
                Err($body)
            }
        }
    };
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

quoting!(Custom, |text, E| E::<D::Error>::custom(format_args!("bad: {text}")));
quoting!(Expected, |text, E| E::<D::Error>::invalid_type(Unexpected::Unit, &text.as_str()));
quoting!(Found, |text, E| E::<D::Error>::invalid_value(Unexpected::Str(&text), &"something else"));
quoting!(Variant, |text, E| E::<D::Error>::unknown_variant(&text, &["a", "b"]));
quoting!(Field, |text, E| E::<D::Error>::unknown_field(&text, &["a", "b"]));
quoting!(Missing, |text, E| E::<D::Error>::missing_field(leak(text)));
quoting!(Duplicate, |text, E| E::<D::Error>::duplicate_field(leak(text)));
quoting!(Length, |text, E| E::<D::Error>::invalid_length(1, &text.as_str()));

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its failures matter")]
enum Mode {
    Fast,
    Careful { limit: u32 },
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its failures matter")]
enum Untagged {
    Number(u32),
    Pair { a: u32 },
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its failures matter")]
struct Server {
    host: std::net::IpAddr,
    port: u16,
}

/// A struct with a field of every kind. The canary fits only `SecretString`, which must hide it.
#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
#[allow(dead_code, reason = "only its failures matter")]
struct App {
    token: SecretString,
    number: u16,
    float: f64,
    flag: bool,
    letter: char,
    address: std::net::SocketAddr,
    mode: Mode,
    untagged: Untagged,
    list: Vec<u8>,
    map: BTreeMap<String, u8>,
    server: Server,
    servers: Vec<Server>,
    optional: Option<u64>,
    tuple: (u8, bool),
    custom: Custom,
    expected: Expected,
    found: Found,
    variant: Variant,
    field: Field,
    missing: Missing,
    duplicate: Duplicate,
    length: Length,
    #[envconf(nested)]
    nested: Nested,
    #[envconf(secret)]
    secret: u32,
    #[envconf(default = "xQ7-kanarienvogel-Zw9-sidste-Yv4")]
    defaulted: u32,
}

#[derive(EncryptedConfig)]
#[allow(dead_code, reason = "only its failures matter")]
struct Nested {
    deep: u32,
}

const KEYS: [&str; 23] = [
    "token",
    "number",
    "float",
    "flag",
    "letter",
    "address",
    "mode",
    "untagged",
    "list",
    "map",
    "server",
    "servers",
    "optional",
    "tuple",
    "custom",
    "expected",
    "found",
    "variant",
    "field",
    "missing",
    "duplicate",
    "length",
    "secret",
];

/// Returns values with the canary in several places. Each is valid as JSON and as TOML.
fn values() -> Vec<String> {
    let c = CANARY;
    vec![
        format!("\"{c}\""),
        format!("[\"{c}\"]"),
        format!("[1, true, \"{c}\"]"),
        format!("[[\"{c}\"], \"{c}\"]"),
    ]
}

fn fails<T: EncryptedConfig>(loader: Loader<T>) -> Error {
    loader.load().map(|_| ()).unwrap_err()
}

// Pitfall 19.
#[test]
fn values_that_do_not_fit() {
    for value in values() {
        let toml =
            KEYS.map(|key| format!("{key} = {value}\n")).concat() + &format!("[nested]\ndeep = {value}\n");
        let json = KEYS.map(|key| format!("\"{key}\": {value},")).concat();
        let json = format!("{{{json}\"nested\": {{\"deep\": {value}}}}}");
        for (ty, text) in [(ContentType::Toml, toml), (ContentType::Json, json)] {
            let error = fails(Project::sealed(ty, text.as_bytes()).loader::<App>(&[]));
            assert_eq!(error.kind(), Kind::DoesNotFit);
            assert!(error.problems().len() > 20, "{error}");
            assert_error_silent("a wrong type", &error, &[CANARY]);
        }
    }
    let inner = format!(
        "{{\"server\": {{\"host\": \"{CANARY}\", \"port\": \"{CANARY}\"}}, \"servers\": [{{\"host\": \"{CANARY}\"}}], \"map\": {{\"k\": \"{CANARY}\"}}, \"mode\": {{\"careful\": {{\"limit\": \"{CANARY}\"}}}}}}"
    );
    let error = fails(Project::sealed(ContentType::Json, inner.as_bytes()).loader::<App>(&[]));
    assert!(
        error.to_string().contains("server.host") && error.to_string().contains("servers[0].host"),
        "{error}"
    );
    assert_error_silent("a wrong type within a value", &error, &[CANARY]);
}

#[test]
fn variables_that_do_not_fit() {
    let project = Project::toml("");
    let names: Vec<String> = KEYS
        .iter()
        .map(|key| format!("APP__{}", key.to_uppercase()))
        .chain(["APP__NESTED__DEEP".into()])
        .collect();
    for value in [
        CANARY.to_owned(),
        format!("[\"{CANARY}\"]"),
        format!("{{ a = \"{CANARY}\" }}"),
        format!("{{\"a\": \"{CANARY}\""),
    ] {
        let variables: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        assert_error_silent("a variable", &fails(project.loader::<App>(&variables)), &[CANARY]);
        project.sandbox.write("value", &value);
        let file = project.sandbox.path("value").to_string_lossy().into_owned();
        let named: Vec<String> = names.iter().map(|name| format!("{name}_FILE")).collect();
        let variables: Vec<_> = named.iter().map(|name| (name.as_str(), file.as_str())).collect();
        assert_error_silent("a variable's file", &fails(project.loader::<App>(&variables)), &[CANARY]);
        let unknown = fails(project.loader::<App>(&[
            ("APP__UNKNOWN", &value),
            ("APP__TOKEN", &value),
            ("APP__TOKEN_FILE", &file),
        ]));
        assert_error_silent("an unknown variable", &unknown, &[CANARY]);
    }
}

#[test]
fn plain_layers_that_do_not_fit_or_contain_a_secret() {
    let project = Project::toml("");
    for value in values() {
        let toml = KEYS.map(|key| format!("{key} = {value}\n")).concat();
        for text in [format!("{toml}[nested]\ndeep = {value}\n"), format!("{toml}{CANARY}")] {
            project.sandbox.write("config/app.defaults.toml", text);
            let error = fails(project.loader::<App>(&[]));
            assert_eq!(error.kind(), Kind::DoesNotFit);
            assert_error_silent("a plain layer", &error, &[CANARY]);
        }
    }
    project.sandbox.write("config/app.defaults.toml", [CANARY.as_bytes(), &[0xff]].concat());
    assert_error_silent("a plain layer", &fails(project.loader::<App>(&[])), &[CANARY]);
}

#[test]
fn content_that_a_schema_rejects() {
    let schema = || Schema::parse(&App::json_schema()).unwrap();
    let key = LocalKey::generate().unwrap();
    let services = KeyServices::none().local_key(key.clone());
    for value in values() {
        let toml = KEYS.map(|key| format!("{key} = {value}\n")).concat();
        let toml = format!("{toml}unknown = {value}\n[nested]\ndeep = {value}\n");
        let dotenv = KEYS.map(|key| format!("{}={value}\n", key.to_uppercase())).concat();
        for (ty, text) in [(ContentType::Toml, toml), (ContentType::Dotenv, dotenv)] {
            let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ty);
            let seal = seal.recipient(key.key_ref().clone()).schema(schema());
            let error = seal.seal_bytes(text.as_bytes(), &services).unwrap_err();
            assert!(error.problems().len() > 5, "{error}");
            assert_error_silent("a schema", &error, &[CANARY]);
        }
    }
    let error = schema().provided(&format!("APP__TOKN={CANARY}")).unwrap_err();
    assert_error_silent("a variable that is provided", &error, &[CANARY]);
    #[derive(EncryptedConfig)]
    #[allow(dead_code, reason = "only the messages about it matter")]
    struct Defaulted {
        #[envconf(default = "xQ7-kanarienvogel-Zw9-sidste-Yv4")]
        token: SecretString,
    }
    for text in [Defaulted::json_schema()]
        .into_iter()
        .chain([Format::Toml, Format::Json, Format::Dotenv].map(Defaulted::template))
    {
        assert_silent("a secret's default", &text, CANARY);
    }
}

#[cfg(unix)]
#[test]
fn text_that_is_not_unicode() {
    use std::os::unix::ffi::OsStringExt as _;
    let project = Project::toml("");
    let bytes = [CANARY.as_bytes(), &[0xff, 0xfe]].concat();
    project.sandbox.write("value", &bytes);
    let broken = std::ffi::OsString::from_vec(bytes.clone());
    let file = project.sandbox.path("value").into_os_string();
    for variable in [
        ("APP__TOKEN", broken.clone()),
        ("APP__TOKEN_FILE", file),
        ("ENVCONF_TRUST", broken.clone()),
        ("ENVCONF_KEY", broken),
    ] {
        let loader = App::loader().dir(project.sandbox.path("config")).local_key(project.key.clone());
        assert_error_silent("no Unicode", &fails(loader.variables([variable])), &[CANARY]);
    }
    assert_error_silent("no UTF-8", &check_content(&bytes, ContentType::Toml).unwrap_err(), &[CANARY]);
}

// Pitfall 19.
#[test]
fn texts_that_do_not_parse() {
    let c = CANARY;
    let broken = [
        (ContentType::Toml, format!("password = {c}\n")),
        (ContentType::Toml, format!("password = \"{c}\n")),
        (ContentType::Toml, format!("{c}\n")),
        (ContentType::Toml, format!("a = \"{c}\"\na = \"{c}\"\n")),
        (ContentType::Toml, format!("a = \"{c}\\q\"\n")),
        (ContentType::Toml, format!("a = [\"{c}\", \n")),
        (ContentType::Toml, format!("a = 1{c}\n")),
        (ContentType::Json, format!("{{\"password\": \"{c}")),
        (ContentType::Json, format!("{{\"password\": {c}}}")),
        (ContentType::Json, format!("{{\"a\": \"{c}\", \"a\": \"{c}\"}}")),
        (ContentType::Json, format!("\"{c}\"")),
        (ContentType::Json, format!("[\"{c}\"]")),
        (ContentType::Json, format!("{{\"a\": \"{c}\\ud800\"}}")),
        (ContentType::Dotenv, format!("export PASSWORD={c}\n")),
        (ContentType::Dotenv, format!("{c}\n")),
    ];
    for (ty, text) in broken {
        let error = check_content(text.as_bytes(), ty).unwrap_err();
        assert_eq!(error.kind(), Kind::DoesNotFit, "{text}");
        assert_error_silent("a broken text, when sealed", &error, &[CANARY]);
        // Another sealer may accept content that this one rejects, so the loader can meet it.
        let project = Project::sealed(ContentType::Raw, text.as_bytes());
        assert_error_silent("a broken text, when loaded", &fails(project.loader::<App>(&[])), &[CANARY]);
    }
    // YAML is parsed when it is sealed, and valid YAML does not fit any field here.
    for text in [
        format!("token: \"{c}\n"),
        format!("{c}\n"),
        format!("a: *{c}\n"),
        format!("token: &{c} [*{c}]\n"),
        format!("token: !{c} x\n"),
        format!("token: \"{c}\\q\"\n"),
        format!("number: {c}\nmap: [{c}]\nmode: |\n  {c}\n"),
    ] {
        let error = check_content(text.as_bytes(), ContentType::Yaml)
            .err()
            .unwrap_or_else(|| fails(Project::sealed(ContentType::Yaml, text.as_bytes()).loader::<App>(&[])));
        assert_error_silent("broken YAML", &error, &[c]);
        assert_eq!(error.kind(), Kind::DoesNotFit);
    }
    let error = fails(
        Project::sealed(ContentType::Dotenv, format!("TOKEN=\"{c}\"\nNUMBER={c}\nUNKNOWN={c}\n").as_bytes())
            .loader::<App>(&[]),
    );
    assert_error_silent("dotenv", &error, &[CANARY]);
}

/// The code, message, request id, headers and body of the service's reply contain the data key.
#[test]
fn a_service_that_repeats_the_data_key() {
    let project = TencentProject::toml("token = \"x\"\n");
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let remember = seen.clone();
    project.kms.next(Reply::edit(move |json| {
        remember.lock().unwrap().push(json["Response"]["Plaintext"].as_str().unwrap().to_owned());
    }));
    let error = fails(project.loader::<App>(&[]));
    let b64 = seen.lock().unwrap()[0].clone();
    let hex: String = STANDARD.decode(&b64).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    let secrets = [b64.as_str(), &hex];
    assert_error_silent("a good answer", &error, &secrets);

    for form in [b64.clone(), hex.clone()] {
        let quoted = |pointer: &'static str| {
            let form = form.clone();
            Reply::edit(move |json| {
                json["Response"]["Error"] = serde_json::json!({"Code": "InvalidParameter", "Message": "m"});
                *json.pointer_mut(pointer).unwrap() = form.into();
            })
        };
        let raw = |status, body: String| Reply::Raw { status, content_type: form.clone(), body: body.into() };
        let replies = [
            quoted("/Response/Error/Code"),
            quoted("/Response/Error/Message"),
            quoted("/Response/RequestId"),
            Reply::error(&form, &form),
            raw(400, form.clone()),
            raw(200, format!("{{\"Response\":{{\"{form}\":\"{form}\"")),
            raw(403, format!("<html>{form}</html>")),
            raw(
                200,
                format!(
                    "{{\"Response\":{{\"KeyId\":\"{form}\",\"Plaintext\":\"{form}\",\"RequestId\":\"{form}\"}}}}"
                ),
            ),
            Reply::Redirect(format!("http://127.0.0.1:1/{}", form.replace(['+', '/', '='], "-"))),
        ];
        for (at, reply) in replies.into_iter().enumerate() {
            project.kms.next(reply);
            let error = fails(project.loader::<App>(&[]));
            assert_error_silent(&format!("reply {at}"), &error, &secrets);
        }
    }
}

/// The service's reply contains the imported file, and the decrypted content is not text.
#[test]
fn imports_that_fail() {
    let kms = StandIn::start();
    let services = KeyServices::from_given(kms.variables()).unwrap();
    let blob = Blob::parse(b"AAAA-k-AAAA-k-AAAA").unwrap();
    let (b64, hex) =
        (STANDARD.encode(CANARY), CANARY.bytes().map(|b| format!("{b:02x}")).collect::<String>());
    for from in ["tencent:ap-guangzhou", "tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01"] {
        for form in [CANARY, &b64, &hex] {
            let response = serde_json::json!({ "KeyId": form, "Plaintext": b64, "RequestId": form });
            let body = serde_json::json!({ "Response": response }).to_string().into_bytes();
            for reply in [
                Reply::error(form, form),
                Reply::Raw { status: 200, content_type: "application/json".into(), body },
            ] {
                kms.next(reply);
                let error = blob.decrypt(&from.parse().unwrap(), &services).unwrap_err();
                assert_error_silent("a reply to an import", &error, &[CANARY, &b64, &hex]);
            }
        }
    }
    let data = GuideData::parse(STANDARD.encode([0x5A; 64]).as_bytes()).unwrap();
    for key in [CANARY.as_bytes(), &CANARY.as_bytes()[..11]] {
        let error = data.open(&Decrypted::new("tencent:ap-guangzhou:a".parse().unwrap(), key)).unwrap_err();
        assert_error_silent("no text", &error, &[CANARY, &b64]);
    }
}

#[test]
fn credentials_and_local_keys() {
    let project = TencentProject::toml("token = \"x\"\n");
    for (name, value) in [
        ("TENCENTCLOUD_SECRET_ID", CANARY),
        ("TENCENTCLOUD_SECRET_KEY", CANARY),
        ("TENCENTCLOUD_TOKEN", CANARY),
        ("TENCENTCLOUD_SECRET_KEY", "xQ7-kanarienvogel Zw9-sidste-Yv4"),
        ("ENVCONF_KEY", CANARY),
    ] {
        let error = fails(project.loader::<App>(&[(name, value)]));
        assert_error_silent(name, &error, &[value]);
    }
    let local = LocalKey::generate().unwrap();
    let text = local.expose_text();
    let b64 = text.rsplit(':').next().unwrap();
    let cut = &text[..text.len() - 1];
    let project = Project::toml("token = \"x\"\n");
    project.sandbox.write_mode("key", cut, 0o600);
    project.sandbox.write_mode("open", text.as_str(), 0o644);
    for (name, value) in [
        ("ENVCONF_KEY", cut.to_owned()),
        ("ENVCONF_KEY", format!("{}x", *text)),
        ("ENVCONF_KEY_FILE", project.sandbox.path("key").to_string_lossy().into_owned()),
        ("ENVCONF_KEY_FILE", project.sandbox.path("open").to_string_lossy().into_owned()),
        ("ENVCONF_KEY_CMD", format!("cat '{}'", project.sandbox.path("key").display())),
    ] {
        let error = fails(project.loader_without_key::<App>(&[(name, &value)]));
        assert_eq!(error.exit_code(), 43, "{error}");
        assert_error_silent(name, &error, &[b64]);
    }
}

/// Every file with credentials, valid and invalid in every way, and the password of a proxy.
#[test]
fn files_of_credentials() {
    let project = TencentProject::toml("token = \"x\"\n");
    let sandbox = &project.project.sandbox;
    let home = sandbox.root().to_string_lossy().into_owned();
    let c = CANARY;
    let texts = [
        format!("[default]\nsecret_id = {c}\nsecret_key = {c}\ntoken = {c}\n"),
        format!("[default]\nsecret_id = {c}\n"),
        format!("[{c}]\nsecret_id = {c}\nsecret_key = {c}\n"),
        format!("[default]\nsecret_id = {c} {c}\nsecret_key = {c}\n"),
        format!("[default]\nsecret_id = \"{c}\nsecret_key = {c}\n"),
        format!("[default]\nsecret_id = {c}\nsecret_id = {c}\n"),
        format!("[default]\n{c}\n"),
        format!("{{\"secretId\": \"{c}\", \"secretKey\": \"{c}\", \"token\": \"{c}\"}}"),
        format!("{{\"secretId\": \"{c} \", \"secretKey\": \"{c}\"}}"),
        format!("{{\"secretId\": \"{c}\", \"{c}\": \"{c}\"}}"),
        format!("{{\"secretId\": \"{c}\", \"secretKey\": {c}"),
        format!("{c} {c}\n"),
        c.repeat(1000),
    ];
    let own = [("TENCENTCLOUD_SECRET_ID", ""), ("TENCENTCLOUD_SECRET_KEY", "")];
    let fails = |variables: &[(&str, &str)]| {
        let endpoint = project.kms.endpoint();
        let loader = App::loader().dir(sandbox.path("config")).trust(project.key.to_string());
        let given = [
            ("ENVCONF_TENCENT_ENDPOINT", endpoint.as_str()),
            ("HOME", &home),
            ("ENVCONF_KMS_DEADLINE", "300ms"),
        ];
        let nowhere = ["ENVCONF_TENCENT_METADATA_ENDPOINT", "ENVCONF_TENCENT_STS_ENDPOINT"]
            .map(|name| (name, "http://127.0.0.1:1"));
        fails(loader.variables(given.into_iter().chain(nowhere).chain(variables.iter().copied())))
    };
    for text in texts {
        for file in [".tencentcloud/credentials", ".tccli/default.credential"] {
            sandbox.write(file, &text);
            assert_error_silent(file, &fails(&[]), &[CANARY]);
            assert_error_silent(
                file,
                &fails(&[("TENCENTCLOUD_ROLE_ARN", "qcs::cam::uin/1:roleName/r")]),
                &[CANARY],
            );
            std::fs::remove_file(sandbox.path(file)).unwrap();
        }
        sandbox.write("token", &text);
        let file = sandbox.path("token").to_string_lossy().into_owned();
        let pod = ["TKE_REGION", "TKE_PROVIDER_ID", "TKE_ROLE_ARN"].map(|name| (name, "x"));
        let pod: Vec<_> = pod.into_iter().chain([("TKE_WEB_IDENTITY_TOKEN_FILE", file.as_str())]).collect();
        assert_error_silent("an identity token", &fails(&pod), &[CANARY]);
    }
    for url in
        [format!("http://u:{c}@127.0.0.1:1"), format!("socks5://u:{c}@127.0.0.1:1"), format!("{c} {c}")]
    {
        let variables = [
            ("HTTPS_PROXY", url.as_str()),
            ("ENVCONF_TENCENT_ENDPOINT", "kms.example.com"),
            ("ENVCONF_KMS_DEADLINE", "1s"),
        ];
        let error = project.loader::<App>(&variables);
        assert_error_silent("a proxy", &crate::fails(error), &[CANARY]);
    }
    assert_error_silent("empty", &fails(&own), &[CANARY]);
}

/// The service for temporary credentials repeats them in every part of the reply.
#[test]
fn services_that_repeat_temporary_credentials() {
    let project = TencentProject::toml("token = \"x\"\n");
    let c = CANARY;
    let granted = format!("\"TmpSecretId\":\"{c}\",\"TmpSecretKey\":\"{c}\",\"Token\":\"{c}\"");
    let bodies = [
        format!(
            "{{\"Response\":{{\"Credentials\":{{{granted}}},\"ExpiredTime\":99999999999,\"RequestId\":\"{c}\"}}}}"
        ),
        format!("{{\"Response\":{{\"Credentials\":{{{granted}}},\"ExpiredTime\":1,\"RequestId\":\"{c}\"}}}}"),
        format!(
            "{{\"Response\":{{\"Error\":{{\"Code\":\"{c}\",\"Message\":\"{c}\"}},\"RequestId\":\"{c}\"}}}}"
        ),
        format!("{{\"Response\":{{\"{c}\":{{{granted}}}"),
        format!("{{{granted},\"ExpiredTime\":99999999999,\"Code\":\"{c}\"}}"),
        format!("{{{granted},\"ExpiredTime\":99999999999,\"Code\":\"Success\"}}"),
        format!("{{{granted}"),
        c.to_owned(),
    ];
    for (at, body) in bodies.into_iter().enumerate() {
        let is_directory = |request: &loopback::Request| request.target.ends_with("credentials/");
        let server = loopback::Http::start(move |request| {
            Some(loopback::Answer::json(if is_directory(request) { "reader" } else { &body }))
        });
        let url = server.url();
        let base = [
            ("ENVCONF_TENCENT_STS_ENDPOINT", url.as_str()),
            ("ENVCONF_TENCENT_METADATA_ENDPOINT", &url),
            ("ENVCONF_KMS_DEADLINE", "1s"),
        ];
        let role = [base[0], base[2], ("TENCENTCLOUD_ROLE_ARN", "qcs::cam::uin/1:roleName/r")];
        let error = fails(project.loader::<App>(&role));
        assert_error_silent(&format!("STS, reply {at}"), &error, &[CANARY]);
        let endpoint = project.kms.endpoint();
        let loader = App::loader().dir(project.project.sandbox.path("config")).trust(project.key.to_string());
        let machine = base.into_iter().chain([("ENVCONF_TENCENT_ENDPOINT", endpoint.as_str())]);
        let error = fails(loader.variables(machine));
        assert_error_silent(&format!("metadata, reply {at}"), &error, &[CANARY]);
    }
}

// Pitfall 20.
#[test]
fn debug_of_all_types_with_a_secret() {
    let local = LocalKey::generate().unwrap();
    let text = local.expose_text();
    let b64 = text.rsplit(':').next().unwrap();
    let services =
        KeyServices::from_given([("TENCENTCLOUD_SECRET_KEY", CANARY), ("ENVCONF_KEY", &text)]).unwrap();
    let project = Project::toml(&format!("token = \"{CANARY}\"\n"));
    #[derive(EncryptedConfig, Debug)]
    #[envconf(name = "app", env_prefix = "APP")]
    struct Token {
        token: SecretString,
    }
    let variables = [("APP__TOKEN", CANARY), ("ENVCONF_KEY", text.as_str())];
    let loader = format!("{:?}", project.loader::<Token>(&variables));
    let loaded = project.loader::<Token>(&[]).load().unwrap();
    assert_eq!(loaded.token.expose_secret(), CANARY);
    let policy = envconf::Policy::new("app".parse().unwrap(), "default".parse().unwrap());
    let own = KeyServices::none().local_key(project.key.clone());
    let opened = envconf::open(&project.pair("default"), &policy, &own).unwrap();
    let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw)
        .sign(SigningKey::from_seed(b"xQ7-kanarienvogel-Zw9-sidste-Yv4"));
    let decrypted = Decrypted::new("tencent:ap-guangzhou:a".parse().unwrap(), CANARY.as_bytes());
    let imported = Imported::small(&decrypted);
    let shown = [
        loader,
        format!("{decrypted:?} {imported:?} {:?}", imported.remarks()),
        format!("{loaded:?} {:?}", *loaded),
        format!("{opened:?}"),
        format!("{services:?} {local:?} {seal:?} {:?}", DataKey::from_bytes(CANARY.as_bytes())),
    ];
    for text in shown {
        assert_silent("Debug", &text, CANARY);
        assert_silent("Debug", &text, b64);
        let bytes = format!("{:?}", &CANARY.as_bytes()[..8]);
        assert!(!text.contains(bytes.trim_matches(['[', ']'])), "Debug shows bytes of a secret: {text}");
    }
}

/// Keys and variables from outside cannot control the terminal of the reader.
#[test]
fn names_from_outside_are_escaped() {
    struct Wild;
    impl fmt::Display for Wild {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a\\u001b[2J\\u202eb")
        }
    }
    let project = Project::sealed(ContentType::Json, format!("{{\"{Wild}\": 1}}").as_bytes());
    let report = fails(project.loader::<App>(&[("APP__\u{1b}[2J", "1")])).to_string();
    assert!(!report.contains('\u{1b}') && !report.contains('\u{202e}'), "{report:?}");
}

/// Checks the output of the command for every way of reading plain text, a key or a pair.
// Pitfall 9.
#[cfg(feature = "cli")]
#[test]
fn the_output_of_the_command() {
    let c = CANARY;
    let project = Project::toml(&format!("token = \"{c}\"\nnumber = \"{c}\"\n"));
    let sandbox = &project.sandbox;
    let text = project.key.expose_text();
    let b64 = text.rsplit(':').next().unwrap();
    sandbox.own_key(&text);
    sandbox.write_mode("cut-key", &text[..text.len() - 1], 0o600);
    let signer = SigningKey::generate().unwrap().expose_text();
    let seed = signer.rsplit(':').next().unwrap();
    sandbox.write_mode("signer", signer.as_str(), 0o600);
    sandbox.write_mode("cut-signer", &signer[..signer.len() - 1], 0o600);
    sandbox.write("broken.toml", format!("password = \"{c}\n"));
    sandbox.write("broken.json", format!("{{\"password\": {c}}}"));
    sandbox.write("broken.env", format!("export PASSWORD={c}\n"));
    sandbox.write("broken.prod.toml", [format!("a = \"{c}").as_bytes(), &[0xff]].concat());
    sandbox.write("foreign.env", format!("export A='{c}' # {c}\nB=\"{c}$\"\n"));
    sandbox.write("odd.env", format!("A={c}#x\nB='{c}\\\\'\n{c}\nC=\"{c}\\q\"\nD=\"{c}\n"));
    sandbox.write("odd2.env", format!("A=\"{c}\\n{c}\"\nB='\"{c}'\n"));
    sandbox.write("key.env", format!("A=\"-----BEGIN\n{c}==\n{c}\nB=#\n\"\nC={c}$\n"));
    sandbox.write("marked.toml", format!("\u{feff}password = '{c}'\n"));
    sandbox.write("zero", format!("{c}\0"));
    sandbox
        .write("wide.env", format!("A={c}\n").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    sandbox.write("good.toml", format!("password = \"{c}\"\n"));
    sandbox.write(".envconf.toml", "[[rule]]\nfiles = \"good.*\"\nrecipients = [\"local\"]\n");
    sandbox.write("config/app.defaults.toml", format!("token = \"{c}\"\n[nested]\ndeep = [\"{c}\"]\n"));
    project.seal_as("plain", ContentType::Dotenv, format!("PASSWORD={c}\n").as_bytes());
    project.seal_as("broken", ContentType::Toml, b"a = 1\n");
    project.seal_as("names", ContentType::Dotenv, format!("A='{c}'\nLD_PRELOAD={c}\n").as_bytes());
    project.seal_as("lines", ContentType::Toml, format!("a = \"{c}\\n\"\nb = '\"{c}'\n").as_bytes());
    let unwritable = format!("a = \"{c}\\r\"\nb = \"${{{c}}}\"\nc = \"'{c}$\"\n'x y' = '{c}\\'\n");
    project.seal_as("unwritable", ContentType::Toml, unwritable.as_bytes());
    project.seal_as("large", ContentType::Toml, format!("a = \"{}\"\n", c.repeat(5000)).as_bytes());
    sandbox.write("config/broken.defaults.toml", format!("a = \"{c}\nb = {c}"));
    let enc = sandbox.read("config/app.conf.enc");
    let mut torn = enc.clone();
    torn[900] ^= 1;
    sandbox.write("torn.conf.enc", torn);
    sandbox.write("torn.conf.key", sandbox.read("config/app.conf.key"));
    let torn = ["verify", "torn.conf.enc", "--name", "app"];
    sandbox.write("all.toml", "[[rule]]\nfiles = \"**\"\nrecipients = [\"local\"]\n");
    let argument = format!("token={c}");
    let option = format!("--{c}");
    let set = |more: [&'static str; 2]| {
        ["set", "app", more[0], "--config", "all.toml", "--value-file", "broken.toml", more[1]]
    };
    type Run<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
    let runs: &[Run<'_>] = &[
        (&["seal", "broken.toml", "-r", "local"], &[]),
        (&["seal", "broken.json", "-r", "local"], &[]),
        (&["seal", "broken.env", "-r", "local"], &[]),
        (&["seal", "broken.prod.toml", "-r", "local"], &[]),
        (&["seal", "good.toml"], &[]),
        (&["seal", "good.toml"], &[("ENVCONF_KEY_FILE", "cut-key")]),
        (
            &["seal", "good.toml", "-r", "tencent:ap-x:1"],
            &[("TENCENTCLOUD_SECRET_KEY", c), ("TENCENTCLOUD_SECRET_ID", c)],
        ),
        (&["verify", "app"], &[]),
        (&["verify", "app", "--depth", "unwrap"], &[]),
        (&["inspect", "app"], &[]),
        (&["explain", "app"], &[]),
        (&["explain", "plain"], &[]),
        (&["explain", "broken"], &[]),
        (&["exec", "app", "--", "true"], &[("TOKEN", "other")]),
        (&["exec", "app", "--file", "--", "true", "{}"], &[]),
        (&["exec", "broken", "--", "true"], &[]),
        (&["exec", "names", "--", "true"], &[]),
        (&["export", "names"], &[]),
        (&["export", "lines", "-o", "lines.env"], &[]),
        (&["export", "unwritable"], &[]),
        (&["export", "unwritable", "--names", "keep", "--separator", "."], &[]),
        (&["exec", "unwritable", "--skip-unnamed", "--", "true"], &[]),
        (&["exec", "large", "--", "true"], &[]),
        (&["exec", "app", "--file", "--file-name", "app.toml", "--", "true", "{}"], &[]),
        (&["exec", "app", "--file", "--file-name", c, "--", "./good.toml", "{}"], &[]),
        (&["seal", "odd.env", "-r", "local"], &[]),
        (&["seal", "foreign.env", "-r", "local"], &[]),
        (&["seal", "key.env", "-r", "local"], &[]),
        (&["seal", "wide.env", "-r", "local"], &[]),
        (&["seal", "marked.toml", "-r", "local"], &[]),
        (&["import", "--dotenv", "wide.env", "-r", "local", "--yes"], &[]),
        (&["set", "app", "token", "--config", "all.toml", "--value-file", "wide.env"], &[]),
        (&["set", "app", "token", "--config", "all.toml", "--value-file", "zero"], &[]),
        (&["set", "plain", "OTHER", "--config", "all.toml", "--value-file", "marked.toml"], &[]),
        (&["edit", "plain", "--config", "all.toml"], &[("ENVCONF_EDITOR", "cp key.env")]),
        (&["export", "app", "-o", "exported"], &[]),
        (&["seal", "good.toml", "--sign-key", "signer"], &[]),
        (&["import", "--dotenv", "foreign.env", "-r", "local"], &[]),
        (&["import", "--dotenv", "foreign.env", "-r", "local", "--yes"], &[]),
        (&["import", "--dotenv", "odd.env", "-r", "local"], &[]),
        (&["import", "--dotenv", "odd2.env", "-r", "local", "--name", "odd2"], &[]),
        (&["sign", "app", "--sign-key", "signer"], &[]),
        (&["sign", "app", "--sign-key", "cut-signer"], &[]),
        (&["sign", "app", "--sign-key", "cut-key"], &[]),
        (&["signer", "show", "signer"], &[]),
        (&["signer", "show", signer.as_str()], &[]),
        (&["verify", "app", "--signers", signer.as_str()], &[]),
        (&torn, &[]),
        (&["get", "app", "token.x"], &[]),
        (&["get", "app", "tokn"], &[]),
        (&["unset", "app", "token.x", "--config", "all.toml"], &[]),
        (&["unset", "app", "token", "--config", "all.toml", "--trust", "tencent:ap-x:1"], &[]),
        (&set(["token", "--literal"]), &[]),
        (&set(["token.x", "--exact"]), &[]),
        (&set(["number", "--idempotent"]), &[]),
        (&["set", "app", "token", c], &[]),
        (&["set", "app", "token", &option], &[]),
        (&["set", "app", &argument], &[]),
        (&["edit", "app", "--config", "all.toml"], &[("ENVCONF_EDITOR", "cp broken.toml")]),
        (&["edit", "app", "--config", "all.toml"], &[("ENVCONF_EDITOR", "cat good.toml > \"$1\"; true")]),
        (&["open", "app", "-o", "copy"], &[]),
        (&["open", "app", "--trust", "tencent:ap-x:1"], &[]),
        (&["open", "app"], &[("ENVCONF_KEY", c)]),
        (&["open", "app"], &[("ENVCONF_KEY_CMD", "cat cut-key")]),
    ];
    for (args, variables) in runs {
        for json in [false, true] {
            let mut command = sandbox.command(env!("CARGO_BIN_EXE_envconf"));
            let endpoint = ("ENVCONF_TENCENT_ENDPOINT", "http://127.0.0.1:1");
            command
                .args(*args)
                .args(json.then_some("--json"))
                .env(endpoint.0, endpoint.1)
                .envs(variables.iter().copied());
            let output = command.output().unwrap();
            for stream in [&output.stdout, &output.stderr] {
                let shown = String::from_utf8_lossy(stream);
                assert_silent(&format!("{args:?}"), &shown, c);
                assert_silent(&format!("{args:?}"), &shown, b64);
                assert_silent(&format!("{args:?}"), &shown, seed);
            }
        }
    }
}
