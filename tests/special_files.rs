//! Tests of a FIFO or device instead of a file. It is an immediate error: a reader must not wait for a writer forever.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::symlink;
use std::process::Command;

use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const KEY: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";
const OTHER: &str = "tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01";

/// The special file, the variables and the command that reads the file, and the exit code.
const CASES: [(&str, &str, i32); 24] = [
    (".envconf.toml", "envconf seal app.toml", 2),
    (".envconf.toml", "envconf status", 2),
    ("rules.toml", "envconf seal app.toml --config rules.toml", 2),
    ("app.defaults.toml", "envconf explain app", 10),
    ("app.defaults.toml", "envconf exec app -- true", 10),
    ("app.defaults.toml", "envconf export app", 10),
    ("app.schema.json", "envconf seal app.toml --schema app.schema.json", 10),
    ("app.schema.json", "envconf template --schema app.schema.json", 10),
    ("app.conf.enc", "envconf open app.conf.enc", 10),
    ("app.conf.key", "envconf open app.conf.enc", 10),
    ("app.conf.key", "envconf inspect app.conf.enc", 10),
    ("key", "ENVCONF_KEY_FILE=key envconf open app", 43),
    ("key", "envconf init --local-key key", 43),
    ("signer", "envconf seal app.toml --sign-key signer", 43),
    ("signer", "envconf signer show signer", 43),
    ("value", "envconf set app token --value-file value", 10),
    ("other.toml", "envconf seal other.toml", 10),
    ("old", "envconf import --data old --name old --from tencent:ap-guangzhou", 10),
    ("old", "envconf import --data app.toml --key old --name old --from tencent:ap-guangzhou", 10),
    (".env", "envconf import --dotenv .env --name old", 10),
    (".gitignore", "envconf init", 10),
    ("token", "APP__TOKEN_FILE=token envconf explain app --schema by.schema.json", 20),
    (
        "ca.pem",
        "ENVCONF_CA_FILE=ca.pem TENCENTCLOUD_SECRET_ID=a TENCENTCLOUD_SECRET_KEY=b ENVCONF_KMS_DEADLINE=1s envconf seal app.toml -r OTHER",
        2,
    ),
    (
        "credentials",
        "TENCENTCLOUD_CREDENTIALS_FILE=credentials ENVCONF_KMS_DEADLINE=1s envconf seal app.toml -r OTHER",
        42,
    ),
];

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.own_key(KEY);
    sandbox.write("app.toml", "token = \"x\"\n");
    sandbox.write(
        "by.schema.json",
        r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "app", "type": "object",
            "x-envconf-prefix": "APP", "additionalProperties": false, "required": ["token"],
            "properties": {"token": {"type": "string", "x-envconf-type": "String"}}}"#,
    );
    let sealed = sandbox.command(ENVCONF).args(["seal", "app.toml", "--quiet"]).status().unwrap();
    assert!(sealed.success());
    sandbox
}

#[test]
fn every_command_rejects_a_special_file_at_once() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut failures = Vec::new();
    for (file, line, status) in CASES {
        for special in ["fifo", "/dev/zero", "/dev/ptmx", "/dev/stdin"] {
            let sandbox = project();
            let path = sandbox.path(file);
            let _ = std::fs::remove_file(&path);
            match special {
                "fifo" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
                device => symlink(device, &path).unwrap(),
            }
            let line =
                line.replace("OTHER", OTHER).replace("envconf ", &format!("'{ENVCONF}' ")).replace("&", "");
            // Standard input is a pipe that is open and never written to.
            let output = sandbox
                .command("sh")
                .args(["-c", &format!("timeout 15 env {line}")])
                .stdin(reader.try_clone().unwrap())
                .output();
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // `init` rejects every link in place of this file, because git does not follow it.
            let status = if file == ".gitignore" && special != "fifo" { 2 } else { status };
            if output.status.code() != Some(status) {
                failures.push(format!("{special} as {file}: {line}: {:?}: {said}", output.status.code()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
