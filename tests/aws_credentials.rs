//! Tests of each source of AWS credentials, with a server that checks the requests.
//!
//! moto can check signatures, session tokens and actions. A server of the test provides the services that moto does not
//! have: SSO, the agent of EKS, and errors of STS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/loopback.rs"]
mod loopback;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use envconf::__vectors as vectors;
use envconf::pair::open_bytes;
use envconf::{ContentType, Error, KeyRef, KeyServices, Policy, Seal, Trusted};
use envconf_test_support::{AwsSdk, AwsServer, Python, Sandbox, aws};
use loopback::{Answer, Http, Request};
use serde_json::{Value, json};

static PYTHON: LazyLock<Python> = LazyLock::new(|| aws::packages(env!("CARGO_TARGET_TMPDIR")));

const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

/// An access key: id, secret and perhaps a token.
#[derive(Clone, Debug, PartialEq)]
struct Keys {
    id: String,
    secret: String,
    token: Option<String>,
}

impl Keys {
    fn new(name: &str) -> Self {
        Self { id: format!("AKIA{name}"), secret: format!("canary-secret-{name}"), token: None }
    }

    fn temporary(name: &str) -> Self {
        Self { token: Some(format!("canary-token-{name}")), ..Self::new(name) }
    }

    fn ini(&self, section: &str) -> String {
        let token =
            self.token.as_ref().map_or(String::new(), |token| format!("aws_session_token = {token}\n"));
        format!(
            "[{section}]\naws_access_key_id = {}\naws_secret_access_key = {}\n{token}",
            self.id, self.secret
        )
    }

    fn json(&self, seconds: u64) -> Value {
        json!({
            "Code": "Success", "AccessKeyId": self.id, "SecretAccessKey": self.secret, "Token": self.token,
            "Expiration": in_seconds(seconds),
        })
    }

    fn xml(&self, action: &str, seconds: u64) -> Answer {
        let expiration = in_seconds(seconds);
        let Self { id, secret, token } = self;
        let token = token.as_deref().unwrap_or_default();
        Answer::text(
            200,
            format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
                 <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
                 <Expiration>{expiration}</Expiration></Credentials></{action}Result></{action}Response>"
            ),
        )
    }
}

fn in_seconds(seconds: u64) -> String {
    envconf::format::Timestamp::from_unix(loopback::in_seconds(seconds)).unwrap().to_string()
}

/// A key service that records the requests, and answers for one wrapped key. Tests verify signature and token.
struct Kms {
    http: Http,
    refuses: Arc<Mutex<Vec<String>>>,
}

/// A pair for the key of [`Kms`], and the variables of a program that reads it.
struct Reader {
    kms: Kms,
    sandbox: Sandbox,
    variables: Vec<(String, String)>,
    pair: (Vec<u8>, Vec<u8>),
}

const KEY: &str = "aws:eu-west-1:arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

impl Kms {
    fn start() -> Self {
        let refuses: Arc<Mutex<Vec<String>>> = Arc::default();
        let refused = refuses.clone();
        let http = Http::start(move |request| {
            let id = access_key_id(request);
            let mut refused = refused.lock().unwrap();
            if let Some(at) = refused.iter().position(|known| *known == id) {
                refused.remove(at);
                return Some(Answer::text(
                    400,
                    json!({"__type": "ExpiredTokenException", "message": "canary"}),
                ));
            }
            let arn = KEY.splitn(3, ':').nth(2).unwrap();
            Some(Answer::json(json!({
                "KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
                "Plaintext": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
                "CiphertextBlob": "Q".repeat(200),
            })))
        });
        Self { http, refuses }
    }

    fn requests(&self) -> Vec<Request> {
        self.http.requests()
    }
}

fn access_key_id(request: &Request) -> String {
    let authorization = request.header("authorization").unwrap_or_default();
    let id = authorization.split_once("Credential=").and_then(|(_, rest)| rest.split_once('/'));
    id.map(|(id, _)| id.to_owned()).unwrap_or_default()
}

/// Returns true if `keys` signed the request, including the token.
fn is_signed_by(request: &Request, keys: &Keys, region: &str, service: &str) -> bool {
    let authorization = request.header("authorization").unwrap();
    let names = authorization.split_once("SignedHeaders=").unwrap().1.split_once(',').unwrap().0;
    let headers: Vec<_> = names.split(';').map(|name| (name, request.header(name).unwrap())).collect();
    let stamp = request.header("x-amz-date").unwrap();
    let timestamp = (0..7200).map(|back| loopback::in_seconds(3600) - back).find(|seconds| {
        let text = envconf::format::Timestamp::from_unix(*seconds).unwrap().to_string();
        text.replace(['-', ':'], "") == stamp
    });
    let signed = vectors::sigv4(
        (&request.method, "", &headers, &request.body),
        (region, service, timestamp.unwrap()),
        (&keys.id, &keys.secret),
    );
    signed.authorization == authorization && request.header("x-amz-security-token") == keys.token.as_deref()
}

impl Reader {
    fn new() -> Self {
        let kms = Kms::start();
        let url = kms.http.url();
        let sealer = [
            ("ENVCONF_AWS_ENDPOINT", url.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIASEALER"),
            ("AWS_SECRET_ACCESS_KEY", "sealer"),
        ];
        let services = KeyServices::from_given(sealer).unwrap();
        let key: KeyRef = KEY.parse().unwrap();
        let seal =
            Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw).recipient(key);
        let pair = seal.seal_bytes(b"content", &services).unwrap();
        let mut this = Self { kms, sandbox: Sandbox::new(), variables: Vec::new(), pair };
        this.set("ENVCONF_AWS_ENDPOINT", &url);
        for name in ["ENVCONF_AWS_METADATA_ENDPOINT", "ENVCONF_AWS_STS_ENDPOINT", "ENVCONF_AWS_SSO_ENDPOINT"]
        {
            this.set(name, "http://127.0.0.1:1");
        }
        this.set("HOME", &this.path("home"));
        // The process caches credentials by settings. Each reader has other settings, so readers share no credentials.
        this
    }

    fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn unset(&mut self, name: &str) {
        self.variables.retain(|(own, _)| own != name);
    }

    fn path(&self, relative: &str) -> String {
        self.sandbox.path(relative).to_string_lossy().into_owned()
    }

    fn config(&self, text: &str) {
        self.sandbox.write("home/.aws/config", text);
    }

    fn credentials(&self, text: &str) {
        self.sandbox.write("home/.aws/credentials", text);
    }

    fn load(&self) -> Result<Vec<u8>, Error> {
        let services = KeyServices::from_given(self.variables.clone())?;
        let policy = Policy::new("app".parse().unwrap(), "prod".parse().unwrap());
        let policy = policy.trust([Trusted::Key(KEY.parse().unwrap())]);
        open_bytes(&self.pair.0, &self.pair.1, &policy, &services).map(|opened| opened.content().to_vec())
    }

    #[track_caller]
    fn loads_with(&self, keys: &Keys) {
        assert_eq!(self.load().unwrap_or_else(|error| panic!("{error}")), b"content");
        let request = self.kms.requests().pop().unwrap();
        assert!(is_signed_by(&request, keys, "eu-west-1", "kms"), "{keys:?}: {:?}", request.headers);
    }

    /// Returns the error of a load. Checks that it has sent nothing to the key service.
    #[track_caller]
    fn is_refused(&self, says: &str) -> String {
        let before = self.kms.requests().len();
        let error = self.load().unwrap_err();
        let text = format!("{error}\n{}", error.attempts()[0].advice().unwrap_or_default());
        assert!(text.contains(says), "{says} is not in: {text}");
        assert_eq!(error.exit_code(), 42, "{text}");
        assert!(!format!("{error:?}{text}").contains("canary"), "{text}");
        assert_eq!(self.kms.requests().len(), before);
        text
    }
}

/// Starts an STS that returns `keys`, valid for this number of seconds.
fn sts(keys: &Keys, seconds: u64) -> Http {
    let keys = keys.clone();
    Http::start(move |request| Some(keys.xml(&form(request)["Action"], seconds)))
}

/// Returns the fields of a form.
fn form(request: &Request) -> std::collections::BTreeMap<String, String> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

#[test]
fn variables_override_other_sources_and_empty_ones_are_ignored() {
    let mut reader = Reader::new();
    let (own, file) = (Keys::new("OWN"), Keys::new("FILE"));
    reader.credentials(&file.ini("default"));
    reader.loads_with(&file);
    reader.set("AWS_ACCESS_KEY_ID", &own.id);
    reader.is_refused("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
    reader.set("AWS_SECRET_ACCESS_KEY", &own.secret);
    reader.set("AWS_SESSION_TOKEN", "");
    reader.loads_with(&own);
    let own = Keys { token: Some("canary-token".into()), ..own };
    reader.set("AWS_SESSION_TOKEN", "canary-token");
    reader.loads_with(&own);
    // They override even a named profile, as in every program of AWS.
    reader.set("AWS_PROFILE", "absent");
    reader.loads_with(&own);
    reader.set("AWS_ACCESS_KEY_ID", "");
    reader.set("AWS_SECRET_ACCESS_KEY", "");
    reader.set("AWS_PROFILE", "");
    reader.loads_with(&file);
    reader.set("AWS_ACCESS_KEY_ID", "with blank");
    reader.is_refused("AWS_ACCESS_KEY_ID");
}

#[test]
fn a_profile_is_read_from_both_files() {
    let mut reader = Reader::new();
    let (ci, dev) = (Keys::temporary("CI"), Keys::new("DEV"));
    reader.credentials(&format!("[default]\nregion = x\n{}", ci.ini("ci")));
    reader.config(&format!("[default]\nregion = y\n{}", dev.ini("profile dev")));
    // A default profile without keys is ignored.
    reader.is_refused("the profile default");
    for (name, keys) in [("ci", &ci), ("dev", &dev)] {
        reader.set("AWS_PROFILE", name);
        reader.loads_with(keys);
    }
    reader.set("AWS_PROFILE", "nobody");
    reader.is_refused("AWS_PROFILE names the profile nobody, which is in neither file");
    reader.config(&dev.ini("dev"));
    reader.set("AWS_PROFILE", "dev");
    reader.is_refused("[profile NAME]");
    // A change is used immediately.
    reader.config(&ci.ini("profile dev"));
    reader.loads_with(&ci);
    // The variables set other paths.
    reader.sandbox.write("elsewhere/keys", dev.ini("dev"));
    reader.set("AWS_SHARED_CREDENTIALS_FILE", &reader.path("elsewhere/keys"));
    reader.set("AWS_CONFIG_FILE", "/dev/null");
    reader.loads_with(&dev);
    reader.set("AWS_SHARED_CREDENTIALS_FILE", "~/../elsewhere/keys");
    reader.loads_with(&dev);
    reader.set("AWS_SHARED_CREDENTIALS_FILE", &reader.path("elsewhere/missing"));
    reader.is_refused("AWS_SHARED_CREDENTIALS_FILE does not exist");
}

#[test]
fn errors_in_a_file_have_their_line() {
    let reader = Reader::new();
    let files = [
        (
            "[default]\naws_access_key_id = id\n",
            "",
            "line 2 of ~/.aws/credentials sets aws_access_key_id, and aws_secret_access_key is missing",
        ),
        (
            "[default]\naws_access_key_id = id\naws_secret_access_key = canary canary\n",
            "",
            "line 3 of ~/.aws/credentials sets aws_secret_access_key",
        ),
        (
            "[default]\naws_access_key_id = id\naws_secret_access_key =\n",
            "",
            "line 3 of ~/.aws/credentials sets aws_secret_access_key",
        ),
        (
            "[default]\naws_access_key_id = id\naws_secret_access_key =\n  canary\n",
            "",
            "line 3 of ~/.aws/credentials sets aws_secret_access_key",
        ),
        ("[default]\ncanary\n", "", "line 2 of ~/.aws/credentials is not `key = value`"),
        ("[default\n", "", "line 1 of ~/.aws/credentials has a bracket"),
        (
            "",
            "\n[default]\nrole_arn = reader\nsource_profile = x\n",
            "line 3 of ~/.aws/config sets role_arn to something other",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\n",
            "line 2 of ~/.aws/config sets role_arn without source_profile",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = x\n",
            "line 3 of ~/.aws/config names the profile x",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = x\ncredential_source = Environment\n",
            "line 4 of ~/.aws/config sets credential_source, and source_profile",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = canary\n",
            "line 3 of ~/.aws/config sets credential_source to something other",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n",
            "line 3 of ~/.aws/config sets credential_source to Environment, and AWS_ACCESS_KEY_ID is not set",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = EcsContainer\n",
            "line 3 of ~/.aws/config sets credential_source to EcsContainer",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Ec2InstanceMetadata\n",
            "hop limit",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = b\nrole_session_name = a b\n",
            "line 4 of ~/.aws/config sets role_session_name",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = b\nduration_seconds = 1h\n",
            "line 4 of ~/.aws/config sets duration_seconds",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = b\nmfa_serial = arn:aws:iam::1:mfa/u\n",
            "line 4 of ~/.aws/config sets mfa_serial",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = b\n[profile b]\nregion = x\n",
            "the profile b contains no credential",
        ),
        (
            "",
            "[default]\nweb_identity_token_file = /x\n",
            "line 2 of ~/.aws/config sets web_identity_token_file without role_arn",
        ),
        (
            "",
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /does/not/exist\n",
            "the token file of line 3 of ~/.aws/config does not exist",
        ),
        ("", "[default]\ncredential_process = 'canary\n", "line 2 of ~/.aws/config sets credential_process"),
        (
            "",
            "[default]\ncredential_process = /does/not/exist canary\n",
            "(/does/not/exist), line 2 of ~/.aws/config: it could not be started",
        ),
        ("", "[default]\nlogin_session = x\n", "aws configure export-credentials --profile default"),
        (
            "",
            "[default]\nsso_start_url = https://x\n",
            "line 2 of ~/.aws/config belongs to an SSO login without sso_region",
        ),
        (
            "",
            "[default]\nsso_session = corp\n",
            "line 2 of ~/.aws/config names the session corp, which is not in config",
        ),
        (
            "",
            "[default]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = r\n[sso-session corp]\nsso_region = r\n",
            "SSO login without sso_start_url",
        ),
    ];
    for (credentials, config, says) in files {
        reader.credentials(credentials);
        reader.config(config);
        reader.is_refused(says);
    }
    // An unreadable file and a directory are errors, unlike a missing file.
    reader.config("");
    std::fs::remove_file(reader.sandbox.path("home/.aws/credentials")).unwrap();
    std::fs::create_dir(reader.sandbox.path("home/.aws/credentials")).unwrap();
    reader.is_refused("~/.aws/credentials is not a regular file");
    std::fs::remove_dir(reader.sandbox.path("home/.aws/credentials")).unwrap();
    reader.sandbox.write("home/.aws/credentials", b"[default]\n\xff\n");
    reader.is_refused("~/.aws/credentials is not UTF-8 text");
    reader.sandbox.write("home/.aws/credentials", vec![b'#'; 2 << 20]);
    reader.is_refused("~/.aws/credentials is larger than 1024 KiB");
}

#[test]
fn a_role_can_be_based_on_another_role() {
    let mut reader = Reader::new();
    let (base, first, second) = (Keys::new("BASE"), Keys::temporary("FIRST"), Keys::temporary("SECOND"));
    let (one, two) = (first.clone(), second.clone());
    let sts = Http::start(move |request| {
        let role = form(request)["RoleArn"].clone();
        Some(if role.ends_with("first") { &one } else { &two }.xml("AssumeRole", 3600))
    });
    reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
    reader.credentials(&base.ini("base"));
    reader.config(
        "[profile second]\nrole_arn = arn:aws:iam::1:role/second\nsource_profile = first\nexternal_id = a b+c\n\
         role_session_name = mine\nduration_seconds = 900\n\
         [profile first]\nrole_arn = arn:aws:iam::1:role/first\nsource_profile = base\n",
    );
    reader.set("AWS_PROFILE", "second");
    reader.loads_with(&second);
    let requests = sts.requests();
    assert_eq!(requests.len(), 2);
    assert!(is_signed_by(&requests[0], &base, "eu-west-1", "sts"));
    assert!(is_signed_by(&requests[1], &first, "eu-west-1", "sts"));
    let form = form(&requests[1]);
    assert_eq!(form["Action"], "AssumeRole");
    assert_eq!(form["Version"], "2011-06-15");
    assert_eq!((form["ExternalId"].as_str(), form["DurationSeconds"].as_str()), ("a b+c", "900"));
    assert_eq!(form["RoleSessionName"], "mine");
    assert!(self::form(&requests[0])["RoleSessionName"].starts_with("envconf-"));
    // The credentials are cached until a file changes.
    reader.loads_with(&second);
    assert_eq!(sts.requests().len(), 2);
    reader.credentials(&format!("# changed\n{}", base.ini("base")));
    reader.loads_with(&second);
    assert_eq!(sts.requests().len(), 4);
    reader.set("AWS_ROLE_SESSION_NAME", "of-the-deployment");
    reader.loads_with(&second);
    assert_eq!(self::form(&sts.requests()[4])["RoleSessionName"], "of-the-deployment");
    assert_eq!(self::form(&sts.requests()[5])["RoleSessionName"], "mine");
    reader.set("AWS_ROLE_SESSION_NAME", "a/b");
    reader.is_refused("AWS_ROLE_SESSION_NAME");
}

#[test]
fn a_cycle_of_roles_is_an_error() {
    let mut reader = Reader::new();
    let role = |profile: &str, source: &str| {
        format!("[profile {profile}]\nrole_arn = arn:aws:iam::1:role/{profile}\nsource_profile = {source}\n")
    };
    for (config, name) in [
        (role("a", "a"), "a"),
        (role("a", "b") + &role("b", "a"), "a"),
        (role("a", "b") + &role("b", "c") + &role("c", "b"), "b"),
    ] {
        reader.config(&config);
        reader.set("AWS_PROFILE", "a");
        reader.is_refused(&format!("leads back to the profile {name}: the roles form a cycle"));
    }
    // A role may use the keys of the same profile.
    let (own, assumed) = (Keys::new("OWN"), Keys::temporary("ASSUMED"));
    let sts = sts(&assumed, 3600);
    reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
    reader.config(&role("a", "a"));
    reader.credentials(&own.ini("a"));
    reader.loads_with(&assumed);
    assert!(is_signed_by(&sts.requests()[0], &own, "eu-west-1", "sts"));
    // So may a role that leads to a profile with keys.
    reader.config(&(role("a", "b") + &role("b", "a")));
    reader.credentials(&own.ini("b"));
    reader.loads_with(&assumed);
    assert_eq!(sts.requests().len(), 2);
}

#[test]
fn a_role_can_be_based_on_every_source() {
    let mut reader = Reader::new();
    let (base, assumed) = (Keys::temporary("BASE"), Keys::temporary("ASSUMED"));
    let sts = sts(&assumed, 3600);
    reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
    reader.set("ENVCONF_AWS_ROLE_ARN", ROLE);
    reader.credentials(&base.ini("default"));
    reader.loads_with(&assumed);
    assert!(is_signed_by(&sts.requests()[0], &base, "eu-west-1", "sts"));
    assert_eq!(form(&sts.requests()[0])["RoleArn"], ROLE);
}

#[test]
fn a_pod_exchanges_the_token_of_its_file() {
    let mut reader = Reader::new();
    let granted = Keys::temporary("POD");
    let sts = sts(&granted, 3600);
    reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
    reader.set("AWS_WEB_IDENTITY_TOKEN_FILE", &reader.path("token"));
    reader.is_refused("AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not");
    reader.set("AWS_ROLE_ARN", ROLE);
    reader.is_refused("the file of AWS_WEB_IDENTITY_TOKEN_FILE does not exist");
    reader.sandbox.write("token", "canary token\n");
    reader.is_refused("the file of AWS_WEB_IDENTITY_TOKEN_FILE");
    let token = "e".repeat(19_000);
    reader.sandbox.write("token", format!("{token}\n"));
    reader.loads_with(&granted);
    let requests = sts.requests();
    let request = &requests[0];
    assert_eq!(request.header("authorization"), None, "the request is not signed");
    let form = form(request);
    assert_eq!((form["Action"].as_str(), form["RoleArn"].as_str()), ("AssumeRoleWithWebIdentity", ROLE));
    assert_eq!(form["WebIdentityToken"], token);
    // The token overrides the default profile, and a named profile overrides the token.
    let named = Keys::new("NAMED");
    reader.credentials(&(named.ini("default") + &named.ini("ci")));
    reader.loads_with(&granted);
    reader.set("AWS_PROFILE", "ci");
    reader.loads_with(&named);
    // A profile can have the role too.
    reader.unset("AWS_WEB_IDENTITY_TOKEN_FILE");
    reader.config(&format!("[profile web]\nrole_arn = {ROLE}\nweb_identity_token_file = ~/../token\n"));
    reader.set("AWS_PROFILE", "web");
    reader.loads_with(&granted);
}

#[test]
fn errors_of_sts_name_sts() {
    let refusal = |code: &str, message: &str| {
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>canary {message}</Message></Error><RequestId>7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab</RequestId></ErrorResponse>"
        )
    };
    for (code, status, says) in [
        ("AccessDenied", 403, "trust policy"),
        ("ExpiredTokenException", 400, "expired"),
        ("InvalidIdentityToken", 400, "audience"),
        ("IDPRejectedClaim", 403, "rejected"),
        ("RegionDisabledException", 403, "not enabled in this region"),
        ("ValidationError", 400, "role's ARN"),
        ("InvalidClientTokenId", 403, "not known"),
    ] {
        let mut reader = Reader::new();
        let body = refusal(code, "");
        let sts = Http::start(move |_| Some(Answer::text(status, &body)));
        reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
        reader.set("AWS_WEB_IDENTITY_TOKEN_FILE", &reader.path("token"));
        reader.set("AWS_ROLE_ARN", ROLE);
        reader.sandbox.write("token", "canary-token");
        let text = reader.is_refused(says);
        assert!(text.contains("AssumeRoleWithWebIdentity (STS)") && text.contains(code), "{text}");
        assert!(text.contains("7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab"), "{text}");
    }
    // Transient errors are retried.
    let mut reader = Reader::new();
    let (granted, count) = (Keys::temporary("POD"), AtomicUsize::new(0));
    let give = granted.clone();
    let sts = Http::start(move |_| {
        Some(match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::text(503, "<html>"),
            1 => Answer::text(400, "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"),
            2 => Answer::text(
                400,
                "<ErrorResponse><Error><Code>IDPCommunicationError</Code></Error></ErrorResponse>",
            ),
            3 => Answer::text(200, "<AssumeRoleWithWebIdentityResponse><Credentials>"),
            _ => give.xml("AssumeRoleWithWebIdentity", 3600),
        })
    });
    reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
    reader.set("AWS_WEB_IDENTITY_TOKEN_FILE", &reader.path("token"));
    reader.set("AWS_ROLE_ARN", ROLE);
    reader.sandbox.write("token", "t");
    reader.loads_with(&granted);
    assert_eq!(sts.requests().len(), 5);
}

#[cfg(unix)]
#[test]
fn a_command_prints_credentials_without_a_shell() {
    let mut reader = Reader::new();
    let (keys, temporary) = (Keys::new("PROC"), Keys::temporary("PROCT"));
    let print = |reader: &Reader, value: &Value| {
        reader.sandbox.write_mode(
            "helper",
            format!("#!/bin/sh\necho run >> {}\ncat <<'EOF'\n{value}\nEOF\n", reader.path("runs")),
            0o755,
        );
    };
    let runs = |reader: &Reader| {
        std::fs::read_to_string(reader.sandbox.path("runs")).map_or(0, |text| text.lines().count())
    };
    print(&reader, &json!({"Version": 1, "AccessKeyId": keys.id, "SecretAccessKey": keys.secret}));
    reader.config(&format!("[default]\ncredential_process = \"{}\" $HOME 'a b'\n", reader.path("helper")));
    reader.loads_with(&keys);
    reader.loads_with(&keys);
    assert_eq!(runs(&reader), 1, "the command runs once");
    print(
        &reader,
        &json!({
            "Version": 1, "AccessKeyId": temporary.id, "SecretAccessKey": temporary.secret, "SessionToken": temporary.token,
            "Expiration": in_seconds(3600),
        }),
    );
    reader.config(&format!("[default]\ncredential_process = {} # again\n", reader.path("helper")));
    reader.loads_with(&temporary);
    // Rejected credentials are fetched again, once.
    reader.kms.refuses.lock().unwrap().push(temporary.id.clone());
    reader.loads_with(&temporary);
    assert_eq!(runs(&reader), 3);
    for (script, says) in [
        ("exit 3", "it ended with an error"),
        ("echo canary", "it did not print a JSON object"),
        ("head -c 100000 /dev/zero", "it printed too much, or bytes that are not UTF-8 text"),
        ("echo '{\"Version\":1,\"AccessKeyId\":\"canary\"}'", "it printed incomplete credentials"),
    ] {
        reader.sandbox.write_mode("bad", format!("#!/bin/sh\n{script}\n"), 0o755);
        reader.config(&format!("[default]\ncredential_process = {}\n# {script}\n", reader.path("bad")));
        reader.is_refused(says);
    }
    // They can be the base of a role.
    let assumed = Keys::temporary("ASSUMED");
    let sts = sts(&assumed, 3600);
    reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
    reader.set("AWS_PROFILE", "role");
    reader.config(&format!(
        "[profile base]\ncredential_process = {}\n[profile role]\nrole_arn = {ROLE}\nsource_profile = base\n",
        reader.path("helper")
    ));
    reader.loads_with(&assumed);
    assert!(is_signed_by(&sts.requests()[0], &temporary, "eu-west-1", "sts"));
}

/// Starts the portal of SSO, which answers with `keys` or this status.
fn portal(keys: &Keys, status: u16) -> Http {
    let keys = keys.clone();
    Http::start(move |_| {
        let expiration = loopback::in_seconds(3600) * 1000;
        Some(match status {
            200 => Answer::json(json!({"roleCredentials": {
                "accessKeyId": keys.id, "secretAccessKey": keys.secret, "sessionToken": keys.token, "expiration": expiration,
            }})),
            status => Answer::text(status, json!({"message": "canary", "__type": "canary"})),
        })
    })
}

#[test]
fn a_login_is_read_from_the_cache_of_the_aws_cli() {
    let mut reader = Reader::new();
    let keys = Keys::temporary("SSO");
    let portal = portal(&keys, 200);
    reader.set("ENVCONF_AWS_SSO_ENDPOINT", &portal.url());
    reader.set("AWS_PROFILE", "dev");
    reader.config(
        "[profile dev]\nsso_session = my-sso\nsso_account_id = 123456789012\nsso_role_name = Read Only\n\
         [sso-session my-sso]\nsso_start_url = https://my-sso.awsapps.com/start\nsso_region = us-east-1\n\
         sso_registration_scopes = sso:account:access\n",
    );
    // printf my-sso | sha1sum
    let file = "home/.aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json";
    let text =
        reader.is_refused("~/.aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json does not exist");
    assert!(text.contains("aws sso login --sso-session my-sso"), "{text}");
    let token = |expires: &str| {
        json!({
            "startUrl": "https://my-sso.awsapps.com/start", "region": "us-east-1", "accessToken": "canary-token",
            "expiresAt": expires, "clientId": "x", "clientSecret": "canary", "refreshToken": "canary",
        })
        .to_string()
    };
    for (content, says) in [
        (token("2020-06-17T10:02:08UTC"), "contains an expired login"),
        (token("2020-06-17T10:02:08Z"), "contains an expired login"),
        (token("soon"), "does not say when its token expires"),
        ("canary".to_owned(), "is not a JSON object"),
        (json!({"expiresAt": in_seconds(60)}).to_string(), "contains no access token"),
    ] {
        reader.sandbox.write(file, content);
        let text = reader.is_refused(says);
        assert!(text.contains("log in with `aws sso login --sso-session my-sso`"), "{text}");
    }
    reader.sandbox.write(file, token(&in_seconds(3600)));
    reader.loads_with(&keys);
    let requests = portal.requests();
    assert_eq!(requests[0].target, "/federation/credentials?role_name=Read%20Only&account_id=123456789012");
    assert_eq!(requests[0].header("x-amz-sso_bearer_token"), Some("canary-token"));
    reader.loads_with(&keys);
    assert_eq!(portal.requests().len(), 1, "the credentials are cached");

    // Older profiles have only the start URL.
    reader.config(
        "[profile dev]\nsso_start_url = my-sso\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
    );
    reader.loads_with(&keys);
    std::fs::remove_file(reader.sandbox.path(file)).unwrap();
    reader.config(
        "[profile dev]\nsso_start_url = my-sso\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r2\n",
    );
    reader.is_refused("aws sso login --profile dev");
    reader.sandbox.write(file, token(&in_seconds(3600)));
    // They can be the base of a role.
    let assumed = Keys::temporary("ASSUMED");
    let sts = sts(&assumed, 3600);
    reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
    reader.config(&format!(
        "[profile base]\nsso_start_url = my-sso\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n\
         [profile dev]\nrole_arn = {ROLE}\nsource_profile = base\n"
    ));
    reader.loads_with(&assumed);
    assert!(is_signed_by(&sts.requests()[0], &keys, "eu-west-1", "sts"));

    for (status, says) in [
        (401, "aws sso login --profile dev"),
        (403, "sso_role_name"),
        (404, "sso_account_id"),
        (400, "sso_region"),
    ] {
        let portal = self::portal(&keys, status);
        reader.set("ENVCONF_AWS_SSO_ENDPOINT", &portal.url());
        reader.config(&format!(
            "[profile dev]\nsso_start_url = my-sso\nsso_region = us-east-1\nsso_account_id = {status}\nsso_role_name = r\n"
        ));
        let text = reader.is_refused(says);
        assert!(text.contains("GetRoleCredentials (SSO)"), "{text}");
    }
}

#[test]
fn a_container_gets_credentials_from_its_agent() {
    let mut reader = Reader::new();
    let keys = Keys::temporary("TASK");
    let give = keys.clone();
    let agent = Http::start(move |request| {
        Some(match request.header("authorization") {
            Some("canary-agent-token") => Answer::json(give.json(3600)),
            _ => Answer::text(401, json!({"code": "canary", "message": "canary"})),
        })
    });
    reader.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/v1/credentials?a=b", agent.url()));
    reader.is_refused("refused its token");
    reader.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-agent-token");
    reader.loads_with(&keys);
    assert_eq!(agent.requests().last().unwrap().target, "/v1/credentials?a=b");
    // The token file overrides the variable, and is read each time.
    reader.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &reader.path("agent-token"));
    reader.is_refused("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE does not exist");
    reader.sandbox.write("agent-token", "canary\nx: y");
    reader.is_refused("the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    reader.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong");
    reader.sandbox.write("agent-token", "canary-agent-token\n");
    reader.loads_with(&keys);
    // A profile overrides the agent.
    let file = Keys::new("FILE");
    reader.credentials(&file.ini("default"));
    reader.loads_with(&file);
    for bad in ["http://169.254.169.254/x", "http://evil.example.com/x", "canary"] {
        let mut reader = Reader::new();
        reader.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", bad);
        reader.is_refused("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    }
    for (status, body) in [(400, json!("canary")), (404, json!({})), (200, json!({"AccessKeyId": "canary"}))]
    {
        let agent = Http::start(move |_| Some(Answer::text(status, &body)));
        let mut reader = Reader::new();
        reader.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent.url());
        reader.is_refused("the container's credential service");
    }
    // If the agent is configured but does not answer, the request is retried until the deadline.
    let mut reader = Reader::new();
    reader.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/x");
    reader.set("ENVCONF_KMS_DEADLINE", "300ms");
    assert_eq!(reader.load().unwrap_err().exit_code(), 41);
}

/// Starts the metadata service of a machine with the role `reader`. It speaks only IMDSv2, which needs a token.
fn imds(keys: &Keys, seconds: u64) -> Http {
    let keys = keys.clone();
    Http::start(move |request| {
        let has_token = request.header("x-aws-ec2-metadata-token") == Some("imds-token");
        Some(match (request.method.as_str(), request.target.as_str()) {
            ("PUT", "/latest/api/token")
                if request.header("x-aws-ec2-metadata-token-ttl-seconds").is_some() =>
            {
                Answer::text(200, "imds-token")
            }
            _ if !has_token => Answer::text(401, "canary"),
            ("GET", "/latest/meta-data/iam/security-credentials/") => Answer::text(200, "reader"),
            ("GET", "/latest/meta-data/iam/security-credentials/reader") => Answer::json(keys.json(seconds)),
            _ => Answer::text(404, ""),
        })
    })
}

#[test]
fn a_machine_gets_credentials_from_its_metadata_service() {
    let mut reader = Reader::new();
    let keys = Keys::temporary("MACHINE");
    let http = imds(&keys, 3600);
    reader.set("ENVCONF_AWS_METADATA_ENDPOINT", &http.url());
    reader.loads_with(&keys);
    reader.loads_with(&keys);
    assert_eq!(http.requests().len(), 3, "the credentials are cached");
    reader.unset("ENVCONF_AWS_METADATA_ENDPOINT");
    reader.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &http.url());
    reader.loads_with(&keys);
    reader.set("AWS_EC2_METADATA_DISABLED", "true");
    reader.is_refused("AWS_EC2_METADATA_DISABLED is true");
    reader.set("AWS_EC2_METADATA_DISABLED", "TRUE ");
    reader.is_refused("AWS_EC2_METADATA_DISABLED is true");
    reader.set("AWS_EC2_METADATA_DISABLED", "yes");
    reader.is_refused("AWS_EC2_METADATA_DISABLED is neither true nor false");
    // A profile can have the role too.
    reader.unset("AWS_EC2_METADATA_DISABLED");
    let assumed = Keys::temporary("ASSUMED");
    let sts = sts(&assumed, 3600);
    reader.set("ENVCONF_AWS_STS_ENDPOINT", &sts.url());
    reader.config(&format!("[default]\nrole_arn = {ROLE}\ncredential_source = Ec2InstanceMetadata\n"));
    reader.loads_with(&assumed);
    assert!(is_signed_by(&sts.requests()[0], &keys, "eu-west-1", "sts"));
}

#[test]
fn imds_version_1_is_never_used() {
    let keys = Keys::temporary("V1");
    for (status, says) in [
        (403, "turned off"),
        (404, "does not speak IMDSv2"),
        (405, "does not speak IMDSv2"),
        (400, "does not speak IMDSv2"),
    ] {
        let mut reader = Reader::new();
        let give = keys.clone();
        let http = Http::start(move |request| {
            Some(match request.method.as_str() {
                "PUT" => Answer::text(status, "canary"),
                _ => Answer::json(give.json(3600)),
            })
        });
        reader.set("ENVCONF_AWS_METADATA_ENDPOINT", &http.url());
        reader.is_refused(says);
        assert!(http.requests().iter().all(|request| request.method == "PUT"));
    }
    // The machine has no role, or its service returns an invalid role.
    for (role, says) in [("", "it has none"), ("../../x", "no role name"), ("a\nb", "no role name")] {
        let mut reader = Reader::new();
        let http = Http::start(move |request| {
            Some(Answer::text(200, if request.method == "PUT" { "t" } else { role }))
        });
        reader.set("ENVCONF_AWS_METADATA_ENDPOINT", &http.url());
        reader.is_refused(says);
    }
}

#[test]
fn without_credentials_the_error_lists_all_sources_and_the_hop_limit() {
    let mut reader = Reader::new();
    let silent = Http::start(|_| None);
    reader.set("ENVCONF_AWS_METADATA_ENDPOINT", &silent.url());
    let started = Instant::now();
    let text = reader.is_refused("no credentials");
    assert!(started.elapsed().as_secs() < 4, "the load must not wait long for the metadata service");
    for place in [
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "~/.aws/credentials",
        "~/.aws/config",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "the role of this machine (its metadata service does not answer)",
        "hop limit",
        "--http-put-response-hop-limit 2",
    ] {
        assert!(text.contains(place), "{place} is not in: {text}");
    }
    reader.set("AWS_PROFILE", "empty");
    reader.config("[profile empty]\nregion = eu-west-1\n");
    reader.is_refused("the profile empty (it contains none)");
}

#[test]
fn expired_credentials_are_fetched_before_the_next_request() {
    let mut reader = Reader::new();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let http = Http::start(move |request| {
        Some(match (request.method.as_str(), request.target.as_str()) {
            ("PUT", _) => Answer::text(200, "t"),
            (_, "/latest/meta-data/iam/security-credentials/") => Answer::text(200, "r"),
            _ => Answer::json(Keys::temporary(&seen.fetch_add(1, Ordering::SeqCst).to_string()).json(2)),
        })
    });
    reader.set("ENVCONF_AWS_METADATA_ENDPOINT", &http.url());
    reader.loads_with(&Keys::temporary("0"));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    reader.loads_with(&Keys::temporary("1"));
    // Rejected credentials are fetched again once. If they are rejected again, the error names their source.
    let next = |n: usize| Keys::temporary(&n.to_string()).id;
    reader.kms.refuses.lock().unwrap().extend([next(1), next(2), next(3), next(4)]);
    let before = reader.kms.requests().len();
    let error = reader.load().unwrap_err();
    assert!(reader.kms.requests().len() - before <= 2, "{error}");
    assert_eq!(error.exit_code(), 42);
    assert!(error.to_string().contains("the credential is from the role of this machine"), "{error}");
    assert!(!error.to_string().contains("canary"));
}

#[test]
fn moto_accepts_signature_token_and_permissions_of_each_source() {
    let server = AwsServer::moto(&PYTHON);
    let mut sdk = AwsSdk::start(&PYTHON, Some(server.url()));
    let allow = |actions: &[&str]| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}).to_string()
    };
    let made = sdk.call("kms", "create_key", json!({})).unwrap();
    let arn = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    sdk.call("iam", "create_user", json!({"UserName": "u"})).unwrap();
    let policy = allow(&["kms:*", "sts:AssumeRole"]);
    sdk.call("iam", "put_user_policy", json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy}))
        .unwrap();
    let key = sdk.call("iam", "create_access_key", json!({"UserName": "u"})).unwrap();
    let key = &key["AccessKey"];
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]});
    sdk.call(
        "iam",
        "create_role",
        json!({"RoleName": "reader", "AssumeRolePolicyDocument": trust.to_string()}),
    )
    .unwrap();
    let reading = allow(&["kms:Decrypt"]);
    sdk.call(
        "iam",
        "put_role_policy",
        json!({"RoleName": "reader", "PolicyName": "p", "PolicyDocument": reading}),
    )
    .unwrap();
    check_from_now_on(&server);

    let sandbox = Sandbox::new();
    let keys = Keys {
        id: key["AccessKeyId"].as_str().unwrap().into(),
        secret: key["SecretAccessKey"].as_str().unwrap().into(),
        token: None,
    };
    sandbox.write("home/.aws/credentials", keys.ini("base"));
    sandbox.write("home/.aws/config", format!("[profile role]\nrole_arn = {ROLE}\nsource_profile = base\n"));
    let home = sandbox.path("home").to_string_lossy().into_owned();
    let services = |profile: &str| {
        let url = server.url();
        let variables = [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_PROFILE", profile),
            ("HOME", &home),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        KeyServices::from_given(variables).unwrap()
    };
    let key: KeyRef = format!("aws:us-east-1:{arn}").parse().unwrap();
    let seal = || {
        Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw).recipient(key.clone())
    };
    let (enc, wrapped) = seal().seal_bytes(b"content", &services("base")).unwrap();
    let policy =
        Policy::new("app".parse().unwrap(), "prod".parse().unwrap()).trust([Trusted::Key(key.clone())]);
    let opened = open_bytes(&enc, &wrapped, &policy, &services("role")).unwrap();
    assert_eq!(opened.content(), b"content");
    let error = seal().seal_bytes(b"x", &services("role")).unwrap_err();
    assert!(error.to_string().contains("the credential is from the role of the profile role"), "{error}");
    assert_eq!(error.exit_code(), 42);
    sandbox.write("home/.aws/credentials", keys.ini("base").replace(&keys.secret, "another-secret"));
    let error = open_bytes(&enc, &wrapped, &policy, &services("base")).unwrap_err();
    assert!(error.to_string().contains("SignatureDoesNotMatch"), "{error}");
    let error = open_bytes(&enc, &wrapped, &policy, &services("role")).unwrap_err();
    assert!(error.to_string().contains("AssumeRole (STS)"), "{error}");
}

/// moto accepts every identity token, and has a metadata service with a role.
#[test]
fn pods_and_machines_get_credentials_from_moto() {
    let server = AwsServer::moto(&PYTHON);
    let mut sdk = AwsSdk::start(&PYTHON, Some(server.url()));
    let made = sdk.call("kms", "create_key", json!({})).unwrap();
    let key: KeyRef =
        format!("aws:us-east-1:{}", made["KeyMetadata"]["Arn"].as_str().unwrap()).parse().unwrap();
    let sandbox = Sandbox::new();
    let token = sandbox.write("token", "eyJhbGciOiJIUzI1NiJ9.e30.x\n").to_string_lossy().into_owned();
    let url = server.url();
    for more in [
        &[("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), ("AWS_ROLE_ARN", ROLE)][..],
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())],
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("ENVCONF_AWS_ROLE_ARN", ROLE)],
    ] {
        let variables = [&[("AWS_ENDPOINT_URL", url.as_str())], more].concat();
        let services = KeyServices::from_given(variables).unwrap();
        let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw);
        let (enc, wrapped) = seal.recipient(key.clone()).seal_bytes(b"content", &services).unwrap();
        let policy = Policy::new("app".parse().unwrap(), "prod".parse().unwrap());
        let policy = policy.trust([Trusted::Key(key.clone())]);
        assert_eq!(open_bytes(&enc, &wrapped, &policy, &services).unwrap().content(), b"content", "{more:?}");
    }
}

/// Makes moto check all requests from now on.
fn check_from_now_on(server: &AwsServer) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(server.host()).unwrap();
    let head = format!(
        "POST /moto-api/reset-auth HTTP/1.1\r\nhost: {}\r\ncontent-type: text/plain\r\ncontent-length: 1\r\nconnection: close\r\n\r\n0",
        server.host()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_role_or_a_profile_in_a_pair_is_ignored() {
    let mut reader = Reader::new();
    let keys = Keys::new("OWN");
    reader.credentials(&keys.ini("default"));
    // Unknown lines in the `.key` file are an error or have no effect.
    let text = String::from_utf8(reader.pair.1.clone()).unwrap();
    for line in ["profile: other\n", "role: arn:aws:iam::1:role/r\n", "aws_profile: other\n"] {
        reader.pair.1 = text.replacen("name: app\n", &format!("name: app\n{line}"), 1).into_bytes();
        match reader.load() {
            Ok(_) => assert_eq!(access_key_id(&reader.kms.requests().pop().unwrap()), keys.id),
            Err(error) => assert!(!error.to_string().contains("arn:aws:iam"), "{error}"),
        }
    }
}
