//! Runs the shell blocks of the pages of key services, against moto, OpenBao and the stand-in for Tencent Cloud KMS.
//!
//! The servers run already. So the test leaves out the lines that start, set up or name a server.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/pages.rs"]
mod pages;

use envconf_test_support::openbao::ROOT;
use envconf_test_support::{AwsServer, OpenBao, Sandbox, StandIn, aws};
use pages::{blocks, said, shell};
use serde_json::json;

/// The beginnings of lines that a test leaves out.
const LEFT_OUT: [&str; 5] =
    ["docker ", "curl ", "vault ", "export VAULT_ADDR=", "export ENVCONF_AWS_ENDPOINT="];

const PROJECT: &str = "set -e\ngit init --quiet\nenvconf init\ncp config/app.toml config/app.prod.toml\n";

/// Runs `script` in a new project.
#[track_caller]
fn run(sandbox: &Sandbox, script: &str, variables: &[(String, String)]) {
    let lines = script.lines().filter(|line| !LEFT_OUT.iter().any(|start| line.starts_with(start)));
    let script = PROJECT.lines().chain(lines).collect::<Vec<_>>().join("\n");
    let variables = variables.iter().map(|(name, value)| (name, value));
    let output = shell(sandbox, &script).envs(variables).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", said(&output));
}

fn pairs<const N: usize>(variables: [(&str, &str); N]) -> Vec<(String, String)> {
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[test]
fn the_blocks_of_the_aws_page_run() {
    let python = aws::packages(env!("CARGO_TARGET_TMPDIR"));
    let shell_blocks = blocks(include_str!("../envconf/docs/aws.md"), "sh");
    let [create, seal, keys, without_account] = &shell_blocks[..] else { panic!("{}", shell_blocks.len()) };

    let (sandbox, server) = (Sandbox::new(), AwsServer::moto(&python));
    let profile = "aws_access_key_id = test\naws_secret_access_key = test\n";
    sandbox.write(".aws/credentials", format!("[default]\n{profile}[deploy]\n{profile}"));
    run(&sandbox, &[&**create, seal].concat(), &pairs([("ENVCONF_AWS_ENDPOINT", &server.url())]));

    let server = AwsServer::moto(&python);
    let variables = pairs([
        ("ENVCONF_AWS_ENDPOINT", &server.url()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    run(&Sandbox::new(), keys, &variables);
    run(&Sandbox::new(), without_account, &variables);
}

#[test]
fn the_blocks_of_the_vault_page_run() {
    let server = OpenBao::start(env!("CARGO_TARGET_TMPDIR"));
    let variables = pairs([("VAULT_ADDR", &server.url()), ("VAULT_TOKEN", ROOT)]);
    let shell_blocks = blocks(include_str!("../envconf/docs/vault.md"), "sh");
    // tests/vault_command.rs runs the block of the moving team.
    let [create, seal, keys, _, development] = &shell_blocks[..] else { panic!("{}", shell_blocks.len()) };
    run(&Sandbox::new(), &[&**create, seal].concat(), &variables);

    // The other blocks create keys of the same names: give each block its own mounts.
    for mount in ["keys", "team-a/keys", "development"] {
        server.ok("POST", &format!("sys/mounts/{mount}"), &json!({"type": "transit"}));
    }
    let keys = keys.replace("transit", "keys");
    run(
        &Sandbox::new(),
        &format!("envconf keys create vault:-:team-a/keys --alias app-prod\n{keys}"),
        &variables,
    );
    run(&Sandbox::new(), &development.replace("transit", "development"), &variables);
}

#[test]
fn the_block_with_keys_of_the_tencent_page_runs() {
    let server = StandIn::start();
    let shell_blocks = blocks(include_str!("../envconf/docs/tencent.md"), "sh");
    // tests/import.rs tests the import of the second block. The third block starts the stand-in.
    let [keys, _, _] = &shell_blocks[..] else { panic!("{}", shell_blocks.len()) };
    run(&Sandbox::new(), keys, &server.variables());
}
