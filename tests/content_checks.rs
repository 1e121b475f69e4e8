//! Tests that every verb rejects content that a load rejects: before it is sealed, and in a pair from a sealer that did
//! not check it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Output, Stdio};

use envconf::__vectors as vectors;
use envconf::format::{Header, Id, KeyFile, Recipient, Suite};
use envconf::pair::{Depth, check_content, check_plain_layer};
use envconf::{ContentType, Kind, LocalKey};
use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const KEY: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";
const SIGNER: &str = "signer.key";

/// Content that every load rejects. Each text contains the canary.
const BROKEN: [(ContentType, &str, &[&str]); 4] = [
    (
        ContentType::Toml,
        "app.toml",
        &[
            "a = kanari",
            "a = 'kanari'\na = 'kanari'\n",
            "key = 'kanari'\n[key]\nb = 1\n",
            "a = { key = 'kanari', key = 'kanari' }\n",
            "a = 'kanari\n",
            "a = \"kanari\\q\"\n",
            "<<<<<<< HEAD\na = 'kanari'\n=======\na = 2\n>>>>>>> other\n",
        ],
    ),
    (
        ContentType::Json,
        "app.json",
        &[
            "{\"a\": kanari}",
            "{\"a\": \"kanari\", \"a\": 1}",
            "{\"b\": {\"key\": \"kanari\", \"key\": \"kanari\"}}",
            "[\"kanari\"]",
            "{\"a\": \"kanari\"} {}",
            "{\"a\": \"kanari\",}",
            "// kanari\n{}",
            "{'a': 'kanari'}",
            "\"kanari\"",
        ],
    ),
    (
        ContentType::Yaml,
        "app.yaml",
        &[
            "[kanari",
            "a: kanari\n---\na: 2\n",
            "a: kanari\n...\n---\nb: 1\n",
            "x: &x {a: kanari}\ny:\n  <<: *x\n",
            "a: !secret kanari\n",
            "a: !!binary kanari\n",
            "a: !!python/object:kanari {}\n",
            "a: kanari\nb: 1\na: kanari\n",
            "a: {key: kanari, 'key': kanari}\n",
            "- kanari\n",
            "kanari",
            "a: *kanari\n",
            "a: 'kanari\n",
            "a:\n\t- kanari\n",
            "? [kanari]\n: 1\n",
            "a: {{ kanari }}\n",
        ],
    ),
    (ContentType::Dotenv, "app.env", &["kanari", "A=kanari\nA=kanari\n", "=kanari\n", "A B=kanari\n"]),
];

/// Creates a directory with a local key and a signing key.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.own_key(KEY);
    let made = sandbox.command(ENVCONF).args(["signer", "new", SIGNER, "--quiet"]).output().unwrap();
    assert!(made.status.success());
    sandbox
}

/// Writes a pair with any content, without checking it.
fn forge(sandbox: &Sandbox, content_type: ContentType, content: &str) {
    let header = Header {
        name: "app".parse().unwrap(),
        environment: "default".parse().unwrap(),
        content_type,
        suite: Suite::Aes256Gcm,
        dek: Id::new([7; 8]),
        generation: 1,
        sealed_at: None,
        outline: Vec::new(),
    };
    let dek = vec![9; 32];
    let given = vectors::SealInput {
        header,
        content: content.as_bytes(),
        dek: &dek,
        random: [3; 32],
        seeds: Vec::new(),
        outline: None,
    };
    sandbox.write("app.conf.enc", vectors::seal(given).unwrap());
    let key: LocalKey = KEY.parse().unwrap();
    let context = vectors::context("app", "default", Id::new([7; 8])).unwrap();
    let (_, blob) = vectors::local_wrap(&key, &dek, &context, &[5; 32]);
    let recipient = Recipient { key: key.key_ref().clone(), blob };
    let file = vectors::key_file("app", "default", &[(Id::new([7; 8]), dek, vec![recipient])]).unwrap();
    KeyFile::parse(&file).unwrap();
    sandbox.write("app.conf.key", file);
}

fn run(sandbox: &Sandbox, words: &[&str], editor: &str) -> Output {
    let output = sandbox
        .command(ENVCONF)
        .args(words)
        .env("ENVCONF_EDITOR", editor)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(
        !String::from_utf8_lossy(&said).contains("kanari"),
        "{words:?}: {}",
        String::from_utf8_lossy(&said)
    );
    output
}

#[track_caller]
fn refused(sandbox: &Sandbox, words: &[&str], editor: &str, what: &str) {
    let before = sandbox.snapshot();
    let output = run(sandbox, words, editor);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(20), "{words:?} of {what:?}: {said}");
    assert!(sandbox.snapshot() == before, "{words:?} of {what:?} changed files");
}

#[test]
fn content_that_no_load_accepts_is_not_sealed() {
    let sandbox = project();
    for (content_type, file, texts) in BROKEN {
        for text in texts {
            let error = check_content(text.as_bytes(), content_type).unwrap_err();
            assert_eq!(error.kind(), Kind::DoesNotFit, "{text:?}");
            sandbox.write(file, text);
            refused(&sandbox, &["seal", file, "--as-is"], "true", text);
            refused(&sandbox, &["seal", file, "--type", content_type.name()], "true", text);
            std::fs::remove_file(sandbox.path(file)).unwrap();
        }
    }
    // If an editor writes such content, the pair does not change.
    for (content_type, file, texts) in BROKEN {
        let good = if content_type == ContentType::Json { "{}" } else { "" };
        sandbox.write(file, good);
        assert!(run(&sandbox, &["seal", file, "--rm"], "true").status.success());
        for text in texts {
            sandbox.write("result", text);
            let editor = format!("sh -c 'cp {} $1' x", sandbox.path("result").display());
            refused(&sandbox, &["edit", "app", "--as-is"], &editor, text);
        }
        std::fs::remove_file(sandbox.path("app.conf.enc")).unwrap();
        std::fs::remove_file(sandbox.path("app.conf.key")).unwrap();
    }
}

#[test]
fn every_verb_finds_content_that_no_load_accepts() {
    let sandbox = project();
    for (content_type, _, texts) in BROKEN {
        for text in texts {
            forge(&sandbox, content_type, text);
            for words in [
                &["verify", "app"][..],
                &["doctor", "app"],
                &["explain", "app"],
                &["exec", "app", "--", "true"],
                &["export", "app"],
                &["get", "app", "a"],
                &["rotate", "app"],
                &["sign", "app", "--sign-key", SIGNER],
            ] {
                refused(&sandbox, words, "true", text);
            }
            for words in [
                &["verify", "app", "--depth", "unwrap"][..],
                &["sign", "app", "--sign-key", SIGNER, "--blind"],
            ] {
                let output = run(&sandbox, words, "true");
                assert!(output.status.success(), "{words:?} does not read the content");
            }
        }
    }
}

#[test]
fn doctor_reports_the_position_of_invalid_content() {
    let sandbox = project();
    forge(&sandbox, ContentType::Yaml, "a: 1\n---\nb: kanari\n");
    let output = run(&sandbox, &["doctor", "app"], "true");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("content       x failed") && said.contains("line 2, column 1"), "{said}");
    assert!(!said.contains("content       + ok"), "{said}");
}

#[test]
fn plain_layers_are_checked_as_in_a_load() {
    let sandbox = project();
    sandbox.write("app.toml", "a = 1\n");
    assert!(run(&sandbox, &["seal", "app.toml", "--rm"], "true").status.success());
    let layer = "app.defaults.toml";
    for good in ["", "b = 2\n", "a = 2\n"] {
        sandbox.write(layer, good);
        for words in [["verify", "app"], ["doctor", "app"], ["explain", "app"]] {
            assert_eq!(run(&sandbox, &words, "true").status.code(), Some(0), "{words:?} {good:?}");
        }
        assert_eq!(check_plain_layer(layer.as_ref(), good.into()).map_err(|error| error.kind()), Ok(()));
    }
    let large = format!("# {}\n", "x".repeat(1 << 20));
    for bad in [&b"b = kanari"[..], b"b = 1\nb = 'kanari'\n", b"b = '\xff'\n", b"{}", large.as_bytes()] {
        sandbox.write(layer, bad);
        for words in [["verify", "app"], ["doctor", "app"], ["explain", "app"]] {
            refused(&sandbox, &words, "true", &String::from_utf8_lossy(&bad[..bad.len().min(40)]));
        }
        assert!(run(&sandbox, &["verify", "app", "--depth", "unwrap"], "true").status.success());
        let error = check_plain_layer(layer.as_ref(), bad.to_vec()).unwrap_err();
        assert_eq!(error.kind(), Kind::DoesNotFit);
        assert!(!error.to_string().contains("kanari"), "{error}");
    }
    // Layers of another environment are not read.
    sandbox.write(layer, "");
    sandbox.write("app.prod.defaults.toml", "b = kanari");
    assert!(run(&sandbox, &["verify", "app"], "true").status.success());
    assert_eq!(Depth::default(), Depth::Full);
}
