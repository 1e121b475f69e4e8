//! Simulated AWS servers, and AWS's own SDK. They are packages of PyPI. Each process ends when its handle is dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Python, Sandbox};

/// The time limit for the start of a server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the packages of `tests/sdk/aws_requirements.txt`, installed once below `target`.
pub fn packages(target: impl AsRef<Path>) -> Python {
    Python::with_requirements(target, concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk/aws_requirements.txt"))
}

/// Runs MiniStack with another clock.
const WITH_CLOCK: &str = "
import datetime, runpy, sys, time
ahead = int(sys.argv.pop(1))
here = time.time
time.time = lambda: here() + ahead
class Moment(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=ahead)
datetime.datetime = Moment
runpy.run_module('ministack', run_name='__main__')
";

/// A simulated AWS server. It ends when the handle is dropped.
pub struct AwsServer {
    process: Child,
    port: u16,
    /// Its home and working directory.
    _sandbox: Sandbox,
}

impl AwsServer {
    /// Starts moto. It checks signatures and permissions only after `reset-auth`, and never key states or the clock.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn moto(python: &Python) -> Self {
        Self::start(|port, sandbox| {
            let mut command = python.command("-m");
            command.args(["moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
            command.current_dir(sandbox.path("."));
            command
        })
    }

    /// Starts MiniStack with checks of signatures, clock and rights. The access key id `test` has all rights.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn ministack(python: &Python) -> Self {
        Self::ministack_ahead(python, 0)
    }

    /// Starts MiniStack with a clock that is ahead by this number of seconds.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn ministack_ahead(python: &Python, seconds: i64) -> Self {
        Self::start(|port, sandbox| {
            let mut command = python.command("-c");
            command.args([WITH_CLOCK, &seconds.to_string()]).current_dir(sandbox.path("."));
            command.envs([("BIND_HOST", "127.0.0.1"), ("AUTH", "true"), ("LOG_LEVEL", "ERROR")]);
            command.envs([("SERVICES", "kms,sts,iam"), ("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")]);
            command.env("GATEWAY_PORT", port.to_string());
            command
        })
    }

    fn start(command: impl Fn(u16, &Sandbox) -> Command) -> Self {
        // Another process may take the port before the server does. Then try another port.
        for _ in 0..5 {
            let sandbox = Sandbox::new();
            let port = free_port();
            let mut command = command(port, &sandbox);
            command.env("HOME", sandbox.path(".")).env("TMPDIR", sandbox.path("."));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let process = command.spawn().expect("the interpreter that installed the packages runs");
            let mut server = Self { process, port, _sandbox: sandbox };
            if server.listens() {
                return server;
            }
        }
        trouble("no server that stands in for AWS started")
    }

    fn listens(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }
}

impl Drop for AwsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0");
    listener.and_then(|listener| listener.local_addr()).expect("a free loopback port").port()
}

/// A separate process with botocore. The process ends when the handle is dropped.
pub struct AwsSdk {
    process: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
    endpoint: Option<String>,
}

impl AwsSdk {
    /// Starts the SDK with the server at this endpoint. Without an endpoint it only signs.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(python: &Python, endpoint: Option<String>) -> Self {
        let mut process = python
            .command(concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk/aws_sdk.py"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter that installed the packages runs");
        let calls = process.stdin.take().expect("a piped input");
        let answers = BufReader::new(process.stdout.take().expect("a piped output"));
        Self { process, calls, answers, endpoint }
    }

    /// Makes a call as root of `us-east-1`. Returns the answer.
    ///
    /// # Errors
    ///
    /// The error code of the service.
    pub fn call(&mut self, service: &str, action: &str, parameters: Value) -> Result<Value, String> {
        let endpoint = self.endpoint.clone();
        self.ask(json!({
            "service": service, "action": action, "parameters": parameters,
            "region": "us-east-1", "endpoint": endpoint,
        }))
    }

    /// Sends a line to the script, and returns its answer.
    ///
    /// # Errors
    ///
    /// The error code of the service.
    ///
    /// # Panics
    ///
    /// If the script has ended.
    pub fn ask(&mut self, line: Value) -> Result<Value, String> {
        writeln!(self.calls, "{line}").expect("the script listens; see its traceback above");
        let mut text = String::new();
        self.answers.read_line(&mut text).expect("the script writes UTF-8");
        let mut answer: Value =
            serde_json::from_str(&text).expect("the script answers; see its traceback above");
        match answer["error"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }
}

impl Drop for AwsSdk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::panic, reason = "a test that cannot run must not pass")]
fn trouble(what: &str) -> ! {
    panic!("{what}")
}
