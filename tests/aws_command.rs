//! Tests of AWS KMS with the real command and moto. Every run checks that the output contains no secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/loopback.rs"]
mod loopback;

use std::fs;
use std::process::Output;
use std::sync::LazyLock;

use envconf_test_support::{AwsServer, Python, Sandbox, aws};
use loopback::{Answer, Http};
use serde_json::{Value, json};

static PYTHON: LazyLock<Python> = LazyLock::new(|| aws::packages(env!("CARGO_TARGET_TMPDIR")));

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const CONTENT: &str = "password = \"xQ7-kanarienvogel-Zw9\"\n";
const SECRETS: [&str; 3] = ["canary-of-the-secret", "canary-of-the-token", "kanarienvogel"];

/// A directory with a plain file, and the variables for a server.
struct Place {
    sandbox: Sandbox,
    variables: Vec<(String, String)>,
}

impl Place {
    fn at(url: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("config/app.toml", CONTENT);
        let mut this = Self { sandbox, variables: Vec::new() };
        for (name, value) in [
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", SECRETS[0]),
            ("AWS_SESSION_TOKEN", SECRETS[1]),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            this.set(name, value);
        }
        this
    }

    fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn unset(&mut self, name: &str) {
        self.variables.retain(|(own, _)| own != name);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.sandbox.command(ENVCONF);
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let output = command.args(arguments).envs(variables).output().unwrap();
        let shows = arguments.first().is_some_and(|verb| ["open", "exec"].contains(verb));
        for secret in SECRETS.iter().filter(|secret| !shows || **secret != SECRETS[2]) {
            for text in [&output.stdout, &output.stderr] {
                assert!(!String::from_utf8_lossy(text).contains(secret), "{arguments:?} shows a secret");
            }
        }
        output
    }

    /// Runs the command, which must succeed, and returns its standard output.
    #[track_caller]
    fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command, which must fail with this exit code, and returns its standard error.
    #[track_caller]
    fn fails(&self, exit: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {error}");
        error
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.told(&[arguments, &["--json"]].concat())).unwrap()
    }
}

#[test]
fn from_a_key_to_a_running_service() {
    let server = AwsServer::moto(&PYTHON);
    let mut place = Place::at(&server.url());
    let made = place.told(&["keys", "create", "aws:us-east-1", "--alias", "app-prod", "--rotate", "180"]);
    let key = made.trim();
    assert!(key.starts_with("aws:us-east-1:arn:aws:kms:us-east-1:123456789012:key/"), "{key}");
    let alias = "aws:us-east-1:alias/app-prod";
    let described = place.json(&["keys", "describe", alias]);
    assert_eq!((&described["key"], &described["alias"]), (&json!(key), &json!("app-prod")));
    assert_eq!((&described["wraps"], &described["rotates"]), (&json!(true), &json!(true)));
    assert!(place.told(&["keys", "list", "aws:us-east-1"]).contains("app-prod"));
    assert_eq!(place.json(&["keys", "rotation", alias, "--off"])["rotates"], false);

    // envconf resolves the alias and writes the ARN.
    place.told(&["seal", "config/app.toml", "-r", alias]);
    let wrapped = fs::read_to_string(place.sandbox.path("config/app.conf.key")).unwrap();
    assert!(wrapped.contains(key.splitn(3, ':').nth(2).unwrap()) && !wrapped.contains("alias/"), "{wrapped}");
    let trusted_alias = place.fails(2, &["open", "app", "--trust", alias]);
    assert!(trusted_alias.contains("alias"), "{trusted_alias}");
    place.set("ENVCONF_TRUST", key);
    assert_eq!(place.told(&["open", "app"]), CONTENT);

    let steps = place.json(&["doctor", "app", "--wrap"]);
    let text = steps.to_string();
    for part in [
        "from the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; temporary",
        "of AWS_ENDPOINT_URL",
        "Decrypt is granted",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }

    let other = place.told(&["keys", "create", "aws:us-east-1", "--alias", "app-next"]);
    place.told(&["rewrap", "app", "-r", other.trim(), "-y"]);
    let error = place.fails(34, &["open", "app"]);
    assert!(error.contains(other.trim()), "{error}");
    place.set("ENVCONF_TRUST", other.trim());
    assert_eq!(place.told(&["open", "app"]), CONTENT);

    #[cfg(target_os = "linux")]
    {
        for name in
            ["AWS_PROFILE", "AWS_ROLE_ARN", "ENVCONF_AWS_ENDPOINT", "AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        {
            // These values do not change the load: an empty text, or the endpoint in use.
            place.set(
                name,
                if name.starts_with("ENVCONF") { place.variables[0].1.clone() } else { String::new() }
                    .as_str(),
            );
        }
        let child = place.told(&["exec", "app", "--file", "--drop-credentials", "--", "env", "-0", "X={}"]);
        assert!(!child.contains("AWS_"), "{child}");
        let names = "env | cut -d= -f1 # {}";
        let child = place.told(&["exec", "app", "--file", "--", "sh", "-c", names]);
        assert!(child.contains("AWS_PROFILE"), "without the option, the child inherits the variables");
    }
}

#[test]
fn errors_have_their_exit_codes() {
    let http = Http::start(|request| {
        let body = request.json();
        Some(match body["KeyId"].as_str().unwrap_or_default() {
            key if key.ends_with("disabled") => {
                Answer::text(400, json!({"__type": "DisabledException", "message": "canary-of-the-secret"}))
            }
            key if key.ends_with("busy") => Answer::text(400, json!({"__type": "ThrottlingException"})),
            _ => Answer::text(400, json!({"__type": "InvalidCiphertextException"})),
        })
    });
    let mut place = Place::at(&http.url());
    place.set("ENVCONF_KMS_DEADLINE", "500ms");
    let key = |id: &str| format!("aws:eu-west-1:arn:aws:kms:eu-west-1:1:key/{id}");
    let seal =
        |place: &Place, id: &str, exit| place.fails(exit, &["seal", "config/app.toml", "-r", &key(id)]);
    assert!(seal(&place, "disabled", 42).contains("the key is disabled"));
    seal(&place, "busy", 41);
    seal(&place, "other", 40);
    assert!(!place.sandbox.path("config/app.conf.enc").exists());
    assert!(!place.sandbox.path("config/app.conf.key").exists());

    // An invalid reference is rejected before any request.
    let before = http.requests().len();
    for bad in [
        "aws:us-east-1:arn:aws:kms:eu-west-1:1:key/a",
        "aws:us-east-1:1234abcd-12ab-34cd-56ef-1234567890ab",
        "aws:-:arn:aws:kms:eu-west-1:1:key/a",
        "aws:us-east-1:arn:aws:s3:us-east-1:1:key/a",
    ] {
        place.fails(2, &["seal", "config/app.toml", "-r", bad]);
        place.fails(2, &["keys", "describe", bad]);
    }
    assert_eq!(http.requests().len(), before);

    // Without a credential, no request is sent either.
    place.unset("AWS_ACCESS_KEY_ID");
    assert!(seal(&place, "a", 42).contains("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not"));
    place.unset("AWS_SECRET_ACCESS_KEY");
    let error = seal(&place, "a", 42);
    assert!(
        error.contains("no credentials; searched") && error.contains("AWS_EC2_METADATA_DISABLED is true"),
        "{error}"
    );
    place.set("AWS_PROFILE", "dev");
    place.sandbox.write("aws/config", "[profile dev]\nsource_profile = x\nrole_arn = canary-of-the-secret\n");
    let config = place.sandbox.path("aws/config").to_string_lossy().into_owned();
    place.set("AWS_CONFIG_FILE", &config);
    let error = seal(&place, "a", 42);
    assert!(error.contains("line 3 of ") && error.contains("aws/config"), "{error}");
    assert_eq!(http.requests().len(), before);
}

#[test]
fn the_policy_file_cannot_name_roles_or_profiles() {
    let http = Http::start(|_| Some(Answer::text(400, json!({"__type": "DisabledException"}))));
    let place = Place::at(&http.url());
    for line in [
        "aws_profile = \"prod\"",
        "profile = \"prod\"",
        "role = \"arn:aws:iam::1:role/r\"",
        "role_arn = \"arn:aws:iam::1:role/r\"",
    ] {
        let rules = format!(
            "[[rule]]\nfiles = \"**\"\nrecipients = [\"aws:eu-west-1:arn:aws:kms:eu-west-1:1:key/a\"]\n{line}\n"
        );
        place.sandbox.write(".envconf.toml", rules);
        let error = place.fails(2, &["seal", "config/app.toml", "-y"]);
        assert!(error.contains(line.split(' ').next().unwrap()), "{error}");
    }
    assert!(http.requests().is_empty());
}
