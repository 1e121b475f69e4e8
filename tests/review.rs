//! Tests of reviews of sealed files, with real git: the hook, the scan of staged files, the diff driver, conflicts.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a problem with their files is a failed test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use envconf::format::{EncFile, KeyFile};
use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const KEY: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";
const CANARY: &str = "canary";

/// A repository with a committed pair.
struct Repository(Sandbox);

impl Repository {
    fn new() -> Self {
        let new = Self(Sandbox::new());
        new.git(&["init", "--quiet"]);
        new.0.own_key(KEY);
        new.envconf(&["init", "--quiet"]);
        new.seal("port = 1\ntoken = \"canary\"\n");
        new.commit_all("first");
        new
    }

    fn seal(&self, content: &str) {
        self.0.write("config/app.toml", content);
        self.envconf(&["seal", "config/app.toml", "--outline", "tags", "--quiet"]);
    }

    fn commit_all(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.0.command(program);
        command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Somebody")
                .env(format!("GIT_{role}_EMAIL"), "some@body.test");
        }
        command.env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", "init.defaultBranch").env("GIT_CONFIG_VALUE_0", "main");
        command
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = self.command("git", arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", all(&output));
        all(&output)
    }

    /// Returns the messages of a git command that fails.
    fn git_fails(&self, arguments: &[&str]) -> String {
        let output = self.command("git", arguments).output().unwrap();
        assert!(!output.status.success(), "git {arguments:?}: {}", all(&output));
        all(&output)
    }

    fn envconf(&self, arguments: &[&str]) -> String {
        self.envconf_ends(0, arguments)
    }

    fn envconf_ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.command(ENVCONF, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "envconf {arguments:?}: {}", all(&output));
        all(&output)
    }

    /// Merges two branches that sealed different content.
    fn in_conflict(&self) {
        self.git(&["checkout", "--quiet", "-b", "other"]);
        self.envconf(&["verify", "app", "--accept-older"]);
        self.seal("port = 2\ntoken = \"canary\"\n");
        self.commit_all("other");
        self.git(&["checkout", "--quiet", "main"]);
        self.envconf(&["verify", "app", "--accept-older"]);
        self.seal("port = 3\ntoken = \"canary\"\n");
        self.commit_all("ours");
        self.git_fails(&["merge", "other"]);
    }
}

/// Returns both streams. Checks that they contain no secret.
fn all(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(!text.contains(CANARY) && !text.contains(&KEY[34..]), "{text}");
    text
}

#[test]
fn a_commit_with_a_plain_file_is_rejected() {
    let repository = Repository::new();
    repository.envconf(&["hook", "install"]);
    repository.seal("port = 2\ntoken = \"canary\"\n");
    repository.commit_all("a pair is accepted");
    repository.git(&["add", "--force", "config/app.toml"]);
    let text = repository.git_fails(&["commit", "--message", "x"]);
    assert!(text.contains("config/app.toml: plain-file:"), "{text}");
    let text = repository.envconf_ends(50, &["scan"]);
    assert!(text.contains("config/app.toml: plain-file:"), "{text}");
    // `commit -a` and `commit PATH` use separate indexes.
    repository.git(&["reset", "--quiet"]);
    repository.0.write("notes.txt", "nothing");
    repository.git(&["add", "notes.txt"]);
    repository.git(&["commit", "--quiet", "--message", "notes"]);
    repository.0.write("notes.txt", KEY);
    for arguments in [&["commit", "--all", "--message", "x"][..], &["commit", "--message", "x", "notes.txt"]]
    {
        let text = repository.git_fails(arguments);
        assert!(text.contains("notes.txt:1: local-key:"), "{text}");
    }
}

// Pitfall 5.
#[test]
fn the_hook_checks_the_staged_blob_and_not_the_work_tree() {
    let repository = Repository::new();
    repository.envconf(&["hook", "install"]);
    repository.commit_all("attributes");
    let staged = format!("first line\nkey = {KEY}\n");
    repository.0.write("notes.txt", &staged);
    repository.git(&["add", "notes.txt"]);
    repository.0.write("notes.txt", "clean");
    let text = repository.git_fails(&["commit", "--message", "x"]);
    assert!(text.contains("notes.txt:2: local-key:"), "{text}");
    repository.git(&["add", "notes.txt"]);
    repository.0.write("notes.txt", &staged);
    repository.git(&["commit", "--quiet", "--message", "clean"]);

    // One file of a pair is deleted, and the other one is not staged.
    repository.git(&["checkout", "--quiet", "notes.txt"]);
    repository.git(&["rm", "--quiet", "--cached", "config/app.conf.key"]);
    let text = repository.git_fails(&["commit", "--message", "x"]);
    assert!(text.contains("config/app.conf.enc: half-pair:"), "{text}");
    repository.git(&["reset", "--quiet"]);

    // A new .enc is staged without its .key. On disk the two belong together.
    repository.envconf(&["seal", "config/app.toml", "--suite", "AES-128-GCM", "--quiet"]);
    repository.git(&["add", "config/app.conf.enc"]);
    let text = repository.git_fails(&["commit", "--message", "x"]);
    assert!(text.contains("config/app.conf.key: mismatch:"), "{text}");
    repository.git(&["add", "config/app.conf.key"]);
    repository.git(&["commit", "--quiet", "--message", "both"]);
}

/// Staged files are checked with the staged rules.
#[test]
fn the_hook_uses_the_staged_rules() {
    let repository = Repository::new();
    let strict = "[[rule]]\nfiles = \"**\"\nrecipients = [\"local:-:0000000000000000\"]\n";
    let old = fs::read_to_string(repository.0.path(".envconf.toml")).unwrap();
    repository.seal("port = 5\ntoken = \"canary\"\n");
    repository.0.write(".envconf.toml", strict);
    repository.git(&["add", "--all"]);
    repository.0.write(".envconf.toml", old);
    let text = repository.envconf_ends(50, &["scan", "--staged"]);
    assert!(text.contains("drift") && text.contains("local:-:0000000000000000"), "{text}");
    assert!(repository.envconf(&["scan"]).contains("Found nothing"));
}

// Pitfall 25.
#[test]
fn every_verb_names_a_conflict() {
    let repository = Repository::new();
    repository.in_conflict();
    assert!(fs::read_to_string(repository.0.path("config/app.conf.enc")).unwrap().contains("\n<<<<<<< "));
    for arguments in [
        &["open", "app"][..],
        &["inspect", "app"],
        &["verify", "app"],
        &["explain", "app"],
        &["rewrap", "app"],
        &["seal", "config/app.toml"],
        &["diff", "app", "app"],
    ] {
        let text = repository.envconf_ends(30, arguments);
        assert!(text.contains("a conflict marker of git") && text.contains("checkout --ours"), "{text}");
    }
    let text = repository.envconf_ends(50, &["scan"]);
    assert!(text.contains("config/app.conf.enc: conflict:"), "{text}");
    // After `git add`, git does not report the file as a conflict any more.
    repository.git(&["add", "--all"]);
    let text = repository.envconf_ends(50, &["scan", "--staged"]);
    assert!(
        text.contains("config/app.conf.enc: malformed: line") && text.contains("conflict marker"),
        "{text}"
    );
    // The advice works.
    repository.git(&["checkout", "--quiet", "HEAD", "--", "config"]);
    assert!(repository.envconf(&["scan"]).contains("Found nothing"));
    repository.envconf(&["verify", "app"]);
}

#[test]
fn a_conflict_in_a_plain_file_is_named() {
    let repository = Repository::new();
    let text = "port = 1\n<<<<<<< HEAD\na = \"canary\"\n=======\na = 2\n>>>>>>> other\n";
    for (file, content_type) in
        [("config/app.toml", "toml"), ("config/app.json", "json"), ("config/app.env", "dotenv")]
    {
        repository.0.write(file, text);
        let text = repository.envconf_ends(20, &["seal", file, "--type", content_type]);
        assert!(text.contains("a conflict marker of git") && text.contains("line 2"), "{text}");
    }
}

// Pitfall 25.
#[test]
fn damage_by_editors_is_named() {
    let repository = Repository::new();
    let enc = repository.0.read("config/app.conf.enc");
    let key = String::from_utf8(repository.0.read("config/app.conf.key")).unwrap();
    let said = |bytes: &[u8]| EncFile::parse(bytes).unwrap_err().to_string();
    assert!(said(&[b"\xEF\xBB\xBF", &enc[..]].concat()).contains("byte order mark"));
    assert!(said(b"\xFF\xFEe\0n\0v\0").contains("byte order mark"));
    assert!(said(b"").contains("empty"));
    assert!(said(&enc[..enc.len() - 3]).contains("was cut"));
    assert!(said(&String::from_utf8(enc).unwrap().replace('\n', "\r\n").into_bytes()).contains("CRLF"));
    let conflict = key.replace("dek: ", "<<<<<<< gr\u{fc}n\ndek: ");
    let error = KeyFile::parse(conflict.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), envconf::Kind::BadEncoding);
    assert!(error.to_string().contains("line 4: a conflict marker of git"), "{error}");
}

/// A clone changes the line ends. A restore from git damages the file again, so the advice is different.
#[test]
fn line_ends_changed_by_git_are_named_with_a_hint() {
    let repository = Repository::new();
    assert!(!repository.envconf(&["scan"]).contains("line ends"));
    repository.git(&["rm", "--quiet", ".gitattributes"]);
    repository.git(&["commit", "--quiet", "--message", "no attributes"]);
    let text = repository.envconf(&["scan"]);
    assert!(
        text.contains("warning: git may change the line ends") && text.contains(".gitattributes"),
        "{text}"
    );
    assert_eq!(repository.envconf(&["scan", "--staged"]), "");

    let files = ["config/app.conf.enc", "config/app.conf.key"];
    let restore = || {
        files.iter().for_each(|file| fs::remove_file(repository.0.path(file)).unwrap());
        repository.git(&["checkout", "--quiet", "--", "config"]);
    };
    repository.git(&["config", "core.autocrlf", "true"]);
    restore();
    assert!(repository.0.read(files[0]).windows(2).any(|pair| pair == b"\r\n"));
    for arguments in [&["scan"][..], &["status", "--check"]] {
        let text = repository.envconf_ends(50, arguments);
        for word in ["CRLF", "`*.enc -text`", "`*.key -text`", ".gitattributes"] {
            assert!(text.contains(word), "{arguments:?} lacks {word}: {text}");
        }
    }
    for arguments in [&["open", "app"][..], &["verify", "app"], &["doctor", "app"]] {
        let text = repository.envconf_ends(30, arguments);
        assert!(text.contains("CRLF") && text.contains(".gitattributes"), "{text}");
    }
    // Do what the hint says.
    repository.0.write(".gitattributes", "*.enc -text\n*.key -text\n");
    restore();
    assert!(!repository.envconf(&["scan"]).contains("line ends"));
    repository.envconf(&["verify", "app"]);

    // The attributes of a subdirectory take precedence.
    repository.0.write("config/.gitattributes", "* text eol=crlf\n");
    assert!(repository.envconf(&["scan"]).contains("warning: git may change the line ends"));

    // An editor damaged the file, and it is staged.
    fs::remove_file(repository.0.path("config/.gitattributes")).unwrap();
    let damaged = String::from_utf8(repository.0.read(files[1])).unwrap().replace('\n', "\r\n");
    repository.0.write(files[1], damaged);
    repository.git(&["add", "."]);
    let text = repository.envconf_ends(50, &["scan", "--staged"]);
    assert!(text.contains("config/app.conf.key: malformed") && text.contains("-text"), "{text}");
}

/// Staged files are checked: also quoted, nested and renamed names. Submodules and links are skipped.
#[test]
fn the_hook_finds_staged_secret_files() {
    let repository = Repository::new();
    let signer = KEY.replace("local", "signer");
    repository.0.write("web/caf\u{e9} \"x\"/.env.local", "TOKEN=canary\r\n");
    repository.0.write("web/.env.example", "TOKEN=\r\n");
    let mut large = vec![b'x'; 3 << 20];
    large.extend_from_slice(format!("\n\0{signer}\n{KEY}\n").as_bytes());
    repository.0.write("binary", large);
    repository.git(&["init", "--quiet", "module"]);
    repository.0.write("module/.env", "TOKEN=canary\n");
    repository.git(&["-C", "module", "add", "--force", ".env"]);
    repository.git(&["-C", "module", "commit", "--quiet", "--message", "of another repository"]);
    std::os::unix::fs::symlink("web/.env.example", repository.0.path(".env")).unwrap();
    repository.git(&["add", "--force", "web", "binary", ".env", "module"]);
    repository.0.write("binary", "clean on disk");
    let text = repository.envconf_ends(50, &["scan", "--staged"]);
    for line in [
        "binary:2: signing-key: ",
        "binary:3: local-key: ",
        "web/caf\u{e9} \"x\"/.env.local: plain-file: ",
        "Found 3 problems",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // The new name of a renamed file is checked.
    repository.git(&["reset", "--quiet", "--hard"]);
    repository.0.write("template.txt", "TOKEN=canary\n");
    repository.commit_all("a template");
    repository.git(&["mv", "template.txt", ".env.production"]);
    let text = repository.envconf_ends(50, &["scan", "--staged"]);
    assert!(text.contains(".env.production: plain-file: ") && text.contains("Found 1 problem"), "{text}");
    // An already committed plain file is found when its pair is staged.
    repository.git(&["reset", "--quiet", "--hard"]);
    repository.0.write("web/shop.toml", "port = 1\n");
    repository.git(&["add", "--force", "web/shop.toml"]);
    repository.git(&["commit", "--quiet", "--no-verify", "--message", "plain"]);
    assert_eq!(repository.envconf(&["scan", "--staged"]), "");
    repository.envconf(&["seal", "web/shop.toml", "--tracked", "--quiet"]);
    repository.git(&["add", "web"]);
    let text = repository.envconf_ends(50, &["scan", "--staged"]);
    assert!(text.contains("web/shop.toml: plain-file: ") && text.contains("Found 1 problem"), "{text}");
    assert_eq!(repository.envconf(&["scan", "--staged", "--exclude", "web/shop.toml"]), "");
    repository.git(&["rm", "--quiet", "--cached", "web/shop.toml"]);
    fs::remove_file(repository.0.path("web/shop.toml")).unwrap();
    assert_eq!(repository.envconf(&["scan", "--staged"]), "");
    repository.git(&["mv", "template.txt", ".env.production"]);

    // A deleted file is not a finding.
    repository.git(&["commit", "--quiet", "--no-verify", "--message", "oops"]);
    repository.git(&["rm", "--quiet", ".env.production"]);
    assert_eq!(repository.envconf(&["scan", "--staged"]), "");
}

/// The driver shows a description of the changes, and no line of the files.
// Pitfall 5.
#[test]
fn git_diff_shows_keys_and_recipients() {
    let repository = Repository::new();
    repository.envconf(&["hook", "install"]);
    repository.commit_all("attributes");
    repository.seal("port = 2\nnew = \"canary\"\n");
    let text = repository.git(&["diff"]);
    let expected = [
        "sealed file config/app.conf.enc",
        "generation   1 -> 2",
        "data key     the same",
        "removed      token",
        "added        new",
        "changed      port",
        "unauthenticated",
    ];
    assert!(expected.iter().all(|line| text.contains(line)), "{text}");
    assert!(!text.contains("2SWw") && !text.contains("envconf/v1") && text.lines().count() < 12, "{text}");
    repository.commit_all("second");
    assert!(repository.git(&["log", "-p", "--ext-diff", "-1"]).contains("added        new"));

    // New recipients change the .key. A new data key changes both files.
    repository.envconf(&["keygen", "other-key", "--quiet"]);
    let other = fs::read_to_string(repository.0.path("other-key")).unwrap();
    let kid = other.split(':').nth(1).unwrap();
    fs::remove_file(repository.0.path("other-key")).unwrap();
    let both = format!("{}\n{}", KEY, other.trim());
    let sealed = repository
        .command(ENVCONF, &["seal", "config/app.toml", "--outline", "tags", "-r", "local"])
        .env("ENVCONF_KEY", both.replace('\n', ","))
        .output()
        .unwrap();
    assert!(sealed.status.success(), "{}", String::from_utf8_lossy(&sealed.stderr));
    let text = repository.git(&["diff"]);
    assert!(text.contains(&format!("recipient +  local:-:{kid}")), "{text}");
    assert!(text.contains("2 other keys: the data key changed"), "{text}");

    // A file that is not sealed is reported, and git continues.
    repository.0.write("config/app.conf.enc", "canary");
    let text = repository.git(&["diff"]);
    assert!(text.contains("the new file is not a sealed file") && text.contains("recipient +"), "{text}");
    repository.git(&["rm", "--quiet", "--force", "config/app.conf.enc"]);
    assert!(repository.git(&["diff", "--cached"]).contains("deleted: app for default, generation 2"));
    repository.git(&["reset", "--quiet", "--hard"]);
    repository.in_conflict();
    let text = repository.git(&["diff", "--cached"]);
    assert!(text.contains("sealed file config/app.conf.enc: in conflict"), "{text}");
}

/// Every writer of the repository can give files of any name to the driver, by attributes.
#[test]
fn no_file_name_is_an_option_of_the_diff_driver() {
    let repository = Repository::new();
    repository.envconf(&["hook", "install"]);
    repository.0.write(".gitattributes", "* diff=envconf\n");
    let names = ["--", "--config", "--config=x", "--help", "--json", "--trust", "-V", "-h", "-q"];
    let write = |content| {
        for name in names {
            repository.0.write(name, content);
        }
    };
    write("old\n");
    repository.commit_all("old");
    write("new\n");
    let text = repository.git(&["diff"]);
    for name in names {
        assert!(
            text.contains(&format!("sealed file {name}\n  the old file is not a sealed file")),
            "{name}: {text}"
        );
    }
}

#[test]
fn other_hooks_are_kept_and_run() {
    let repository = Repository::new();
    repository.git(&["config", "core.hooksPath", "hooks"]);
    let before = "#!/usr/bin/env bash\nset -e\necho ran >> \"$PWD/ran.log\"\nexec true\n";
    repository.0.write_mode("hooks/pre-commit", before, 0o750);
    let text = repository.envconf(&["hook", "install"]);
    assert!(text.contains("hooks/pre-commit") && !repository.0.exists(".git/hooks/pre-commit"), "{text}");
    let installed = repository.0.read("hooks/pre-commit");
    let mode = fs::metadata(repository.0.path("hooks/pre-commit")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    assert!(repository.envconf(&["hook", "install"]).contains("Kept"));
    assert_eq!(repository.0.read("hooks/pre-commit"), installed);

    repository.commit_all("hooks");
    assert_eq!(repository.0.read("ran.log"), b"ran\n");
    repository.git(&["add", "--force", "config/app.toml"]);
    let text = repository.git_fails(&["commit", "--message", "x"]);
    assert!(text.contains("plain-file"), "{text}");

    repository.envconf(&["hook", "uninstall"]);
    assert_eq!(repository.0.read("hooks/pre-commit"), before.as_bytes());
    assert!(
        !repository.0.path(".git/config").exists()
            || !String::from_utf8(repository.0.read(".git/config")).unwrap().contains("git-diff")
    );
}

/// If `core.hooksPath` is in the work tree, the hook is a file of the repository.
#[test]
fn marks_without_the_check_are_not_accepted() {
    let repository = Repository::new();
    repository.git(&["config", "core.hooksPath", "hooks"]);
    let marks = |check: &str| {
        format!(
            "#!/bin/sh\n# >>> envconf: checks what is staged >>>\n{check}\n# <<< envconf <<<\necho mine\n"
        )
    };
    repository.0.write_mode("hooks/pre-commit", marks("# envconf scan --staged"), 0o755);
    repository.envconf(&["hook", "install"]);
    let text = String::from_utf8(repository.0.read("hooks/pre-commit")).unwrap();
    assert!(text.contains(" scan --staged || exit 1\n") && text.ends_with("echo mine\n"), "{text}");
    assert_eq!(text.matches(">>> envconf").count(), 1, "{text}");

    let own = marks("envconf scan --staged --exclude 'tests/**' || exit 1");
    repository.0.write_mode("hooks/pre-commit", &own, 0o755);
    assert!(repository.envconf(&["hook", "install"]).contains("Kept"));
    assert_eq!(repository.0.read("hooks/pre-commit"), own.as_bytes());
}

#[test]
fn a_hook_that_cannot_be_extended_is_not_changed() {
    let repository = Repository::new();
    let hook = ".git/hooks/pre-commit";
    for (text, mode) in
        [("#!/usr/bin/env python3\nprint()\n", 0o755), ("#!/bin/sh\nexit 1\n", 0o644), ("\u{7f}ELF", 0o755)]
    {
        repository.0.write_mode(hook, text, mode);
        let before = repository.0.snapshot();
        let said = repository.envconf_ends(2, &["hook", "install"]);
        assert!(said.contains("envconf scan --staged"), "{said}");
        assert_eq!(repository.0.snapshot(), before);
    }
    fs::remove_file(repository.0.path(hook)).unwrap();
    std::os::unix::fs::symlink("elsewhere", repository.0.path(hook)).unwrap();
    repository.envconf_ends(2, &["hook", "install"]);
    assert!(!repository.0.exists(".git/hooks/elsewhere"));
    // A hook of envconf alone is deleted.
    fs::remove_file(repository.0.path(hook)).unwrap();
    repository.envconf(&["hook", "install"]);
    repository.envconf(&["hook", "uninstall"]);
    assert!(!repository.0.exists(hook));
}

#[test]
fn linked_work_trees_share_the_hook() {
    let repository = Repository::new();
    repository.git(&["worktree", "add", "--quiet", "-b", "linked", "linked"]);
    let linked = repository.0.path("linked");
    let run = |program: &str, arguments: &[&str]| {
        repository.command(program, arguments).current_dir(&linked).output().unwrap()
    };
    let installed = run(ENVCONF, &["hook", "install"]);
    assert!(installed.status.success(), "{}", all(&installed));
    assert!(repository.0.exists(".git/hooks/pre-commit") && repository.0.exists("linked/.gitattributes"));
    repository.0.write("linked/config/app.toml", "token = \"canary\"\n");
    assert!(run("git", &["add", "--force", "config/app.toml"]).status.success());
    let refused = run("git", &["commit", "--message", "x"]);
    assert!(!refused.status.success() && all(&refused).contains("plain-file"));
}

/// The configuration and the file names of a repository must not make a scan run a program or control the terminal.
#[test]
fn a_hostile_repository_runs_no_program_and_controls_no_terminal() {
    let repository = Repository::new();
    for setting in ["core.fsmonitor", "diff.external", "core.pager", "diff.x.textconv"] {
        repository.git(&["config", setting, "touch hacked; cat"]);
    }
    repository.0.write(".gitattributes", "* diff=x filter=x\n");
    let name = "config/a\u{1b}[2J\n.toml";
    repository.0.write(name, "token = 1\n");
    repository.0.write("config/b.prod.conf.enc", "envconf/v1 enc\n\u{1b}[2Jcanary\n");
    let add = [
        "-c",
        "core.fsmonitor=false",
        "-c",
        "filter.x.clean=cat",
        "add",
        "--force",
        "--all",
        "config",
        ".gitattributes",
    ];
    repository.git(&add);
    for arguments in [&["scan"][..], &["scan", "--staged"]] {
        let text = repository.envconf_ends(50, arguments);
        assert!(!text.contains('\u{1b}') && text.contains("b.prod.conf.enc: malformed"), "{text}");
    }
    assert!(!repository.0.exists("hacked"));
}

#[test]
fn a_missing_git_is_reported() {
    let repository = Repository::new();
    for arguments in [&["hook", "install"][..], &["scan", "--staged"], &["scan"]] {
        let output = repository.command(ENVCONF, arguments).env("PATH", "/nowhere").output().unwrap();
        assert_eq!(output.status.code(), Some(10));
        assert!(all(&output).contains("the program git was not found"));
    }
}

#[test]
fn status_reports_a_pair_with_an_older_generation_than_in_git() {
    let repository = Repository::new();
    let older = fs::read(repository.0.path("config/app.conf.enc")).unwrap();
    repository.seal("port = 2\ntoken = \"canary\"\n");
    repository.commit_all("second");
    fs::remove_file(repository.0.path("config/app.toml")).unwrap();
    assert!(repository.envconf(&["status", "--check"]).contains("ok, generation 2"));
    fs::write(repository.0.path("config/app.conf.enc"), older).unwrap();
    let told = repository.envconf_ends(50, &["status", "--check"]);
    assert!(told.contains("generation 1 is older than 2, which git has"), "{told}");
}
