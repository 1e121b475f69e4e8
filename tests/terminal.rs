//! Tests of the output of the command on a terminal and in pipes: colours, widths, single writes, and names that try to
//! control the terminal.

#![cfg(target_os = "linux")] // file names of any bytes, and pseudo-terminals by Python
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};

use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const KEY: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";

/// A name that clears the screen, sets the title, reverses the text, moves the cursor, and has invisible characters.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;t\u{7}\u{202e}b\u{9b}1A\u{200b}\u{2066}c\u{7f}";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.own_key(KEY);
    sandbox.write("app.toml", "a = 1\n[b]\nc = 'x'\n");
    succeed(sandbox.command(ENVCONF).args(["seal", "app.toml"]));
    sandbox
}

#[track_caller]
fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn printed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const RED: &str = "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m";

#[test]
fn colour_is_used_on_terminals_and_if_forced() {
    let sandbox = sandbox();
    let failing = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = sandbox.command(ENVCONF);
        command.args(arguments).envs(variables.iter().copied());
        printed(&mut command)
    };
    let missing = ["open", "missing"];
    assert!(failing(&missing, &[]).starts_with("error: "), "a pipe must have no colour");
    assert!(failing(&missing, &[("CLICOLOR_FORCE", "1")]).starts_with(RED));
    assert!(failing(&["open", "missing", "--color", "always"], &[]).starts_with(RED));
    assert!(failing(&["--color=always", "open", "missing"], &[("NO_COLOR", "1")]).starts_with(RED));
    assert!(
        failing(&["open", "missing", "--color=never"], &[("CLICOLOR_FORCE", "1")]).starts_with("error: ")
    );
    let json = failing(&["open", "missing", "--json", "--color", "always"], &[("CLICOLOR_FORCE", "1")]);
    assert!(json.starts_with("{\"error\":") && !json.contains('\u{1b}'), "{json}");
    for arguments in [&["inspect", "app", "--json"][..], &["doctor", "app", "--json"], &["status", "--json"]]
    {
        assert!(!failing(arguments, &[("CLICOLOR_FORCE", "1")]).contains('\u{1b}'), "{arguments:?}");
    }
    assert!(
        failing(&["seel"], &[("CLICOLOR_FORCE", "1")]).starts_with(RED),
        "errors about verbs must have colour, too"
    );
    assert!(failing(&["--help"], &[("CLICOLOR_FORCE", "1")]).contains("\u{1b}["));
    assert!(!failing(&["--help"], &[]).contains('\u{1b}'));
    // Content is never changed.
    assert_eq!(failing(&["get", "app", "b.c"], &[("CLICOLOR_FORCE", "1")]), "x");
}

/// Runs the command on a terminal of this width. Returns its output without carriage returns.
fn on_terminal(sandbox: &Sandbox, columns: u16, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/sdk/terminal.py");
    let mut command = sandbox.command("python3");
    command
        .args([script, "", ENVCONF])
        .args(arguments)
        .env("COLUMNS_OF_TERMINAL", columns.to_string())
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    String::from_utf8_lossy(&command.output().unwrap().stdout).replace('\r', "")
}

/// Removes the codes of colours.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, code)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = code.split_once('m').map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn labels_are_coloured_on_a_terminal_without_no_color() {
    let sandbox = sandbox();
    let missing = ["open", "missing"];
    assert!(on_terminal(&sandbox, 80, &missing, &[]).starts_with(RED));
    assert!(on_terminal(&sandbox, 80, &missing, &[("NO_COLOR", "1")]).starts_with("error: "));
    assert!(on_terminal(&sandbox, 80, &missing, &[("TERM", "dumb")]).starts_with("error: "));
}

#[test]
fn lines_fit_the_terminal_and_break_between_words() {
    let sandbox = sandbox();
    sandbox.write(".envconf.toml", "[[rule]]\nfiles = 'app.*'\nrecipients = ['local:-:0123456789abcdef']\n");
    let texts = [
        &["open", "missing"][..],
        &["set", "app", "a", "--value-file", "app.toml"],
        &["--help"],
        &["seal", "--help"],
        &["recipients", "add", "--help"],
        &["doctor", "app", "--trust", "local:-:0123456789abcdef"],
        &["status"],
        &["verify", "app"],
        &[],
    ];
    for columns in [60, 80, 120] {
        for arguments in texts {
            let shown = plain(&on_terminal(&sandbox, columns, arguments, &[("HOME", "/h")]));
            assert!(!shown.is_empty(), "{arguments:?}");
            for line in shown.lines() {
                let words: Vec<_> = line.trim().split(' ').collect();
                // A single word may be longer: a path, a reference, a command.
                let is_breakable = words.len() > 2 && !line.contains('`') && !line.contains("envconf ");
                assert!(
                    line.chars().count() <= columns.into() || !is_breakable,
                    "{columns} {arguments:?}: {line}"
                );
            }
        }
    }
    // Wrapping keeps all words.
    let narrow = plain(&on_terminal(&sandbox, 60, &["seal", "--help"], &[]));
    let wide = plain(&on_terminal(&sandbox, 100, &["seal", "--help"], &[]));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&narrow), words(&wide));
}

#[test]
fn each_message_is_one_write() {
    let sandbox = sandbox();
    for (arguments, writes) in [
        (&["open", "missing"][..], 1),
        (&["seel"], 1),
        (&["seal", "app.toml"], 1),
        (&["inspect", "app"], 2),
        (&["open", "missing", "--json"], 1),
    ] {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let child = sandbox
            .command(ENVCONF)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .spawn();
        child.unwrap().wait().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut buffer = [0; 65_536];
        let mut messages = Vec::new();
        while let Ok(length) = ours.recv(&mut buffer) {
            messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        assert_eq!(messages.len(), writes, "{arguments:?}: {messages:?}");
        assert!(messages.iter().all(|message| message.ends_with('\n')), "{messages:?}");
    }
}

#[track_caller]
fn harmless(text: &str, what: &dyn std::fmt::Debug) {
    let is_harmful = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let found = text.find(is_harmful);
    assert_eq!(found, None, "{what:?}: {}", text.escape_debug());
}

#[test]
fn hostile_file_names_control_no_terminal() {
    let sandbox = sandbox();
    let directory = format!("{HOSTILE}\n");
    let pair = |name: &str| format!("{directory}/{name}");
    std::fs::create_dir(sandbox.path(&directory)).unwrap();
    for name in ["app.conf.enc", "app.conf.key", "app.toml"] {
        std::fs::copy(sandbox.path(name), sandbox.path(&pair(name))).unwrap();
    }
    std::fs::write(sandbox.path(&pair("app.defaults.toml")), "x = 'y'\n").unwrap();
    std::fs::write(sandbox.path(&pair("broken.conf.enc")), "envconf/v1 enc\n").unwrap();
    std::fs::write(sandbox.path(&pair("broken.conf.key")), "envconf/v1 key\n").unwrap();
    std::fs::write(sandbox.path(&pair(".env")), "A=1\n").unwrap();
    let (enc, toml) = (pair("app.conf.enc"), pair("app.toml"));
    let broken = pair("broken.conf.enc");
    let out = format!("{directory}/out");
    let cases: Vec<Vec<&str>> = vec![
        vec!["seal", &toml],
        vec!["seal", &directory],
        vec!["seal", HOSTILE],
        vec!["open", &enc, "-o", &out],
        vec!["open", &broken],
        vec!["open", HOSTILE],
        vec!["get", &enc, "a"],
        vec!["get", &enc, HOSTILE],
        vec!["get", "app", &format!("\"{}\"", "\\u001b[2J\\u202e")].into_iter().map(leak).collect(),
        vec!["set", &enc, "a", "--value-file", &toml],
        vec!["set", "app", HOSTILE],
        vec!["unset", &enc, HOSTILE],
        vec!["inspect", &enc],
        vec!["inspect", &broken],
        vec!["verify", &enc, &broken],
        vec!["diff", &enc, &broken],
        vec!["diff", "app", &enc, "--open"],
        vec!["scan", &directory],
        vec!["status", &directory],
        vec!["status", HOSTILE],
        vec!["explain", &enc],
        vec!["explain", &broken],
        vec!["rotate", &enc, &broken],
        vec!["rewrap", &enc, &broken],
        vec!["recipients", "list", &enc],
        vec!["recipients", "add", &enc, HOSTILE],
        vec!["exec", &enc, "--", HOSTILE],
        vec!["export", &enc, "-o", &out],
        vec!["export", &broken],
        vec!["sign", &enc, "--sign-key", &out],
        vec!["signer", "show", HOSTILE],
        vec!["signer", "new", &toml],
        vec!["keygen", &toml],
        vec!["key", "enable", HOSTILE],
        vec!["key", "enable", "f7e831f2fdbdab2e", &directory],
        vec!["key", "list"],
        vec!["keys", "list", HOSTILE],
        vec!["import", "--dotenv", &toml, "--name", "x"],
        vec!["import", "--data", HOSTILE],
        vec!["doctor", &enc],
        vec!["doctor", &broken],
        vec!["template", "--schema", HOSTILE],
        vec!["man", &toml],
        vec!["completion", HOSTILE],
        vec![HOSTILE],
        vec!["seal", "--type", HOSTILE],
        vec!["open", "app", "--name", HOSTILE],
        vec!["open", "app", "--trust", HOSTILE],
        vec!["--config", HOSTILE, "seal", &toml],
        vec!["init", "--local-key", HOSTILE],
    ];
    for arguments in &cases {
        for json in [false, true] {
            let mut command = sandbox.command(ENVCONF);
            command.args(arguments).args(json.then_some("--json"));
            harmless(&printed(&mut command), &(arguments, json));
        }
    }
    // The name is not UTF-8.
    let bytes = OsStr::from_bytes(b"\xff\xfe\x1b[2J\x9b.toml");
    std::fs::write(sandbox.root().join(bytes), "a = 1\n").unwrap();
    for verb in ["seal", "open", "inspect", "status", "explain"] {
        harmless(&printed(sandbox.command(ENVCONF).arg(verb).arg(bytes)), &verb);
    }
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

#[test]
fn hostile_configuration_keys_control_no_terminal() {
    let sandbox = Sandbox::new();
    sandbox.own_key(KEY);
    let key = "x\\u001b[2J\\u202e\\u009b1A\\u200b";
    sandbox.write("app.json", format!("{{\"{key}\": 1, \"b\": {{\"{key}\": [1]}}}}"));
    succeed(sandbox.command(ENVCONF).args(["seal", "app.json", "--outline", "tags"]));
    sandbox.write("app.defaults.toml", format!("\"{key}\" = 1\n\"{key}2\" = 2\n"));
    sandbox.write("twice.json", format!("{{\"{key}\": 1,\n\"{key}\": 2}}"));
    sandbox.write(
        "schema.json",
        format!(
            r#"{{"type": "object", "properties": {{"{key}":
                {{"type": "string", "description": "{key}", "default": "{key}"}}}}}}"#
        ),
    );
    for arguments in [
        &["explain", "app"][..],
        &["explain", "app", "--schema", "schema.json"],
        &["inspect", "app"],
        &["verify", "app"],
        &["diff", "app", "app", "--open"],
        &["export", "app"],
        &["export", "app", "--skip-unnamed", "--env-prefix", "APP", "-o", "out.env"],
        &["exec", "app", "--", "true"],
        &["unset", "app", "nothing"],
        &["seal", "twice.json"],
        &["seal", "app.json", "--schema", "schema.json"],
        &["template", "--schema", "schema.json"],
        &["template", "--schema", "schema.json", "--type", "json"],
        &["template", "--schema", "schema.json", "--type", "dotenv"],
        &["doctor", "app"],
    ] {
        for json in [false, true] {
            let mut command = sandbox.command(ENVCONF);
            command.args(arguments).args(json.then_some("--json"));
            harmless(&printed(&mut command), &(arguments, json));
        }
    }
}
