//! Tests of the pre-commit check together with programs that manage hooks. husky, lefthook and the pre-commit framework
//! overwrite hooks, and `status --check` reports if the check is missing.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::{Command, Output};

use envconf_test_support::{Node, Sandbox};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const KEY: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";
const HUSKY_9: &str = "husky@9.1.7";
const HUSKY_8: &str = "husky@8.0.3";
const MARK: &str = "# >>> envconf: check the staged files >>>";

/// A repository with a committed pair.
struct Repository(Sandbox);

impl Repository {
    fn new() -> Self {
        let new = Self(Sandbox::new());
        new.git(&["init", "--quiet"]);
        new.0.own_key(KEY);
        new.envconf(&["init", "--quiet"]);
        new.0.write("config/app.toml", "port = 1\n");
        new.envconf(&["seal", "config/app.toml", "--rm", "--quiet"]);
        new.git(&["add", "--all"]);
        new.git(&["commit", "--quiet", "--message", "first"]);
        new
    }

    /// Creates a repository with husky in its `package.json`, and a hook of the user.
    fn of_husky(hook: &str) -> Self {
        let new = Self::new();
        new.0.write(
            "package.json",
            "{\"devDependencies\": {\"husky\": \"*\"}, \"scripts\": {\"prepare\": \"husky\"}}\n",
        );
        new.0.write_mode(".husky/pre-commit", hook, 0o755);
        new.git(&["add", "--all"]);
        new.git(&["commit", "--quiet", "--message", "husky"]);
        new
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.0.command(program);
        command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Somebody")
                .env(format!("GIT_{role}_EMAIL"), "some@body.test");
        }
        command
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = self.command("git", arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", all(&output));
        all(&output)
    }

    fn envconf(&self, arguments: &[&str]) -> String {
        self.envconf_ends(0, arguments)
    }

    #[track_caller]
    fn envconf_ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.command(ENVCONF, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "envconf {arguments:?}: {}", all(&output));
        all(&output)
    }

    /// Checks that a commit with a plain file fails, and that one without succeeds.
    #[track_caller]
    fn is_checked(&self) {
        self.0.write("web/.env", "TOKEN=x\n");
        self.git(&["add", "--force", "web/.env"]);
        let output = self.command("git", &["commit", "--message", "x"]).output().unwrap();
        assert!(!output.status.success(), "{}", all(&output));
        assert!(all(&output).contains("web/.env: plain-file"), "{}", all(&output));
        self.git(&["rm", "--quiet", "--force", "web/.env"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "clean"]);
        self.envconf(&["status", "--check"]);
        assert!(self.envconf(&["status", "--json"]).contains("\"hook\":\"installed\""));
    }

    #[track_caller]
    fn is_gone(&self) {
        let text = self.envconf_ends(50, &["status", "--check"]);
        assert!(text.contains("is missing") && text.contains("envconf hook install"), "{text}");
        let text = self.envconf(&["status"]);
        assert!(text.contains("config/app.conf.enc: ok") && text.contains("is missing"), "{text}");
        assert!(self.envconf(&["status", "--json"]).contains("\"hook\":\"gone\""));
        self.envconf_ends(50, &["status", "config", "--check"]);
    }

    fn text(&self, file: &str) -> String {
        String::from_utf8(self.0.read(file)).unwrap()
    }

    /// Writes the files that husky 9.1 writes when packages are installed.
    fn install_husky_9(&self) {
        self.git(&["config", "core.hooksPath", ".husky/_"]);
        self.0.write(".husky/_/.gitignore", "*");
        self.0.write(
            ".husky/_/h",
            "#!/usr/bin/env sh\nn=$(basename \"$0\")\ns=$(dirname \"$(dirname \"$0\")\")/$n\n[ ! -f \"$s\" ] && exit 0\n\
             [ \"${HUSKY-}\" = \"0\" ] && exit 0\nexport PATH=\"node_modules/.bin:$PATH\"\nsh -e \"$s\" \"$@\"\nc=$?\n\
             [ $c != 0 ] && echo \"husky - $n script failed (code $c)\"\nexit $c\n",
        );
        for hook in ["pre-commit", "commit-msg", "pre-push"] {
            let text = "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"";
            self.0.write_mode(&format!(".husky/_/{hook}"), text, 0o755);
        }
        self.0.write(".husky/_/husky.sh", "echo \"husky - DEPRECATED\"\n");
    }

    /// Runs husky itself.
    fn run_husky(&self, node: &Node, script: &str) {
        let output = node
            .command(script)
            .current_dir(self.0.root())
            .env("HOME", self.0.root())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", all(&output));
    }
}

fn all(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Checks that the check is in the file of the user, and stays when husky is installed again.
fn survives(repository: &Repository, install_husky: &dyn Fn()) {
    install_husky();
    let generated = repository.text(".husky/_/pre-commit");
    let text = repository.envconf(&["hook", "install"]);
    assert!(text.contains("set up .husky/pre-commit") || text.contains("/.husky/pre-commit"), "{text}");
    assert!(text.contains("commit it"), "{text}");
    assert_eq!(repository.text(".husky/_/pre-commit"), generated);
    repository.is_checked();
    install_husky();
    repository.is_checked();
    assert!(repository.envconf(&["hook", "install"]).contains("Kept"));
    assert_eq!(repository.text(".husky/pre-commit").matches(MARK).count(), 1);
}

#[test]
fn with_husky_the_check_is_in_the_users_file_and_stays() {
    for hook in ["true # npm test\n", "#!/usr/bin/env sh\ntrue\n", "true"] {
        let repository = Repository::of_husky(hook);
        survives(&repository, &|| repository.install_husky_9());
        let users = hook.lines().last().unwrap();
        assert!(repository.text(".husky/pre-commit").trim_end().ends_with(users));
        repository.envconf(&["hook", "uninstall"]);
        assert_eq!(repository.text(".husky/pre-commit"), hook);
        repository.envconf(&["status", "--check"]);
    }
    // If the user has no hook, the file is created, and deleted again.
    let repository = Repository::of_husky("");
    fs::remove_file(repository.0.path(".husky/pre-commit")).unwrap();
    survives(&repository, &|| repository.install_husky_9());
    repository.envconf(&["hook", "uninstall"]);
    assert!(!repository.0.exists(".husky/pre-commit"));
}

#[test]
fn with_real_husky_the_check_stays() {
    let target = env!("CARGO_TARGET_TMPDIR");
    if let Some(node) = Node::with_packages(target, &[HUSKY_9]) {
        let repository = Repository::of_husky("true\n");
        let script = "import(process.env.NODE_PATH + '/husky/index.js').then(husky => { if (husky.default()) process.exit(1) })";
        survives(&repository, &|| repository.run_husky(&node, script));
    }
    if let Some(node) = Node::with_packages(target, &[HUSKY_8]) {
        let hook = "#!/usr/bin/env sh\n. \"$(dirname -- \"$0\")/_/husky.sh\"\n\ntrue\n";
        let repository = Repository::of_husky(hook);
        let install = || repository.run_husky(&node, "require('husky').install()");
        install();
        assert!(repository.envconf(&["hook", "install"]).contains(".husky/pre-commit"));
        repository.is_checked();
        install();
        repository.is_checked();
    }
}

/// In a new clone, husky replaces the hooks when packages are installed, before or after the check is installed.
#[test]
fn installing_husky_later_does_not_remove_the_check() {
    let repository = Repository::of_husky("true\n");
    let text = repository.envconf(&["hook", "install"]);
    assert!(text.contains(".git/hooks/pre-commit") && text.contains(".husky/pre-commit"), "{text}");
    repository.is_checked();
    repository.install_husky_9();
    repository.is_checked();

    // A directory with this name alone does not mean that husky is used.
    let repository = Repository::new();
    repository.0.write(".husky/notes", "");
    repository.envconf(&["hook", "install"]);
    assert!(!repository.0.exists(".husky/pre-commit"));
    repository.is_checked();
    // Then the project adds husky.
    repository.install_husky_9();
    repository.is_gone();
    repository.envconf(&["hook", "install"]);
    repository.is_checked();
}

/// In a new work tree, git's configuration names the hooks of husky, which do not exist yet.
#[test]
fn without_the_generated_hooks_nothing_is_checked() {
    let repository = Repository::of_husky("true\n");
    repository.install_husky_9();
    assert!(!repository.envconf(&["hook", "install"]).contains("warning"));
    repository.is_checked();
    fs::remove_dir_all(repository.0.path(".husky/_")).unwrap();
    repository.is_gone();
    let text = repository.envconf(&["hook", "install"]);
    assert!(text.contains("warning: husky has not written its hooks here"), "{text}");
    repository.install_husky_9();
    repository.is_checked();
}

#[test]
fn text_of_an_earlier_version_in_a_generated_hook_is_removed() {
    let repository = Repository::of_husky("true\n");
    repository.install_husky_9();
    let generated = repository.text(".husky/_/pre-commit");
    let (first, rest) = generated.split_once('\n').unwrap();
    let old = format!("{first}\n{MARK}\nenvconf scan --staged || exit 1\n# <<< envconf <<<\n{rest}");
    repository.0.write_mode(".husky/_/pre-commit", old, 0o755);
    repository.envconf(&["hook", "install"]);
    assert_eq!(repository.text(".husky/_/pre-commit"), generated);
    repository.is_checked();
}

#[test]
fn husky_is_found_in_a_subdirectory_and_under_another_name() {
    for directory in ["web/.husky", "tools/hooks"] {
        let repository = Repository::new();
        let hooks = format!("{directory}/_");
        repository.install_husky_9();
        fs::create_dir_all(repository.0.path(directory)).unwrap();
        fs::rename(repository.0.path(".husky/_"), repository.0.path(&hooks)).unwrap();
        repository.git(&["config", "core.hooksPath", &hooks]);
        repository.envconf(&["hook", "install"]);
        assert!(repository.text(&format!("{directory}/pre-commit")).contains(MARK));
        repository.is_checked();
    }
}

#[test]
fn status_reports_a_missing_hook() {
    let hook = ".git/hooks/pre-commit";
    let repository = Repository::new();
    // If the check was never installed, it is not reported as missing.
    repository.envconf(&["status", "--check"]);
    assert!(!repository.envconf(&["status", "--json"]).contains("hook"));
    repository.envconf(&["hook", "install"]);
    repository.is_checked();
    type Damage = fn(&Repository, &str);
    let damages: [(&str, Damage); 6] = [
        ("deleted", |repository, hook| fs::remove_file(repository.0.path(hook)).unwrap()),
        ("replaced", |repository, hook| drop(repository.0.write_mode(hook, "#!/bin/sh\nexit 0\n", 0o755))),
        ("not executable", |repository, hook| {
            let text = repository.0.read(hook);
            repository.0.write_mode(hook, text, 0o644);
        }),
        ("commented out", |repository, hook| {
            let text = format!("#!/bin/sh\n{MARK}\n# envconf scan --staged || exit 1\n# <<< envconf <<<\n");
            repository.0.write_mode(hook, text, 0o755);
        }),
        ("another directory", |repository, _| drop(repository.git(&["config", "core.hooksPath", "hooks"]))),
        ("no hooks at all", |repository, _| drop(repository.git(&["config", "core.hooksPath", "/dev/null"]))),
    ];
    for (what, damage) in damages {
        damage(&repository, hook);
        repository.is_gone();
        let has_path = repository.command("git", &["config", "--unset", "core.hooksPath"]).status().unwrap();
        let text = repository.0.exists(hook).then(|| repository.0.read(hook));
        if !has_path.success() && text.is_some_and(|text| !text.is_empty()) {
            fs::remove_file(repository.0.path(hook)).unwrap();
        }
        repository.envconf(&["hook", "install"]);
        repository.is_checked();
        assert!(!what.is_empty());
    }
    // Differing pairs and the missing hook are reported together.
    fs::remove_file(repository.0.path(hook)).unwrap();
    repository.0.write("config/app.toml", "port = 1\n");
    let text = repository.envconf_ends(50, &["status", "--check"]);
    assert!(
        text.contains("1 of 1 pairs have differences") && text.contains("the pre-commit check is missing"),
        "{text}"
    );
    fs::remove_file(repository.0.path("config/app.toml")).unwrap();
    // After `hook uninstall`, the hook is not reported as missing.
    repository.envconf(&["hook", "uninstall"]);
    repository.envconf(&["status", "--check"]);
}

#[test]
fn status_in_a_linked_work_tree_reports_a_missing_hook() {
    let repository = Repository::new();
    repository.git(&["worktree", "add", "--quiet", "-b", "linked", "linked"]);
    repository.envconf(&["hook", "install"]);
    let status = |code| {
        let output = repository
            .command(ENVCONF, &["status", "--check"])
            .current_dir(repository.0.path("linked"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", all(&output));
    };
    status(0);
    fs::remove_file(repository.0.path(".git/hooks/pre-commit")).unwrap();
    status(50);
}

/// The scripts of other managers stay and run. The output names the program that will overwrite the hook, and the file
/// in which the check stays.
#[test]
fn other_managers_are_not_broken() {
    for (name, script, file, check) in [
        (
            "lefthook",
            "#!/bin/sh\n\nif [ \"$LEFTHOOK\" = \"0\" ]; then\n  exit 0\nfi\n\ncall_lefthook()\n{\n  touch ran\n}\n\ncall_lefthook run \"pre-commit\" \"$@\"\n",
            "lefthook.yml",
            "pre-commit:\n  commands:\n    envconf:\n      run: envconf scan --staged\n",
        ),
        (
            "pre-commit",
            "#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\n# ID: 138fd403232d2ddd5efb44317e38bf03\ntouch ran\n",
            ".pre-commit-config.yaml",
            "repos:\n- repo: local\n  hooks:\n  - id: envconf\n    name: envconf\n    entry: envconf scan --staged\n    language: system\n",
        ),
        (
            "husky 4",
            "#!/bin/sh\n# husky\n\n# Hook created by Husky v4.3.8\ntouch ran\n",
            "package.json",
            "{\"husky\": {\"hooks\": {\"pre-commit\": \"envconf scan --staged\"}}}\n",
        ),
    ] {
        let repository = Repository::new();
        let hook = ".git/hooks/pre-commit";
        repository.0.write_mode(hook, script, 0o755);
        let text = repository.envconf(&["hook", "install"]);
        assert!(text.contains(&format!("warning: {name} overwrites")), "{text}");
        assert!(text.contains("envconf scan --staged"), "{text}");
        repository.is_checked();
        assert!(repository.0.exists("ran"), "{name} still runs");
        // Overwrite the hook.
        repository.0.write_mode(hook, script, 0o755);
        repository.is_gone();
        repository.0.write(file, check);
        repository.envconf(&["status", "--check"]);
        repository.envconf(&["hook", "install"]);
        repository.envconf(&["hook", "uninstall"]);
        assert_eq!(repository.text(hook), script);
    }
    // The framework renames an existing hook, and runs it.
    let repository = Repository::new();
    repository.envconf(&["hook", "install"]);
    let hooks = repository.0.path(".git/hooks");
    fs::rename(hooks.join("pre-commit"), hooks.join("pre-commit.legacy")).unwrap();
    let script =
        "#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\n\"$0.legacy\"\n";
    repository.0.write_mode(".git/hooks/pre-commit", script, 0o755);
    repository.is_checked();
}

#[test]
fn a_hook_of_husky_that_cannot_be_extended_is_left_alone() {
    let repository = Repository::of_husky("#!/usr/bin/env node\nconsole.log()\n");
    repository.install_husky_9();
    let before = repository.0.snapshot();
    let text = repository.envconf_ends(2, &["hook", "install"]);
    assert!(text.contains("envconf scan --staged"), "{text}");
    fs::remove_file(repository.0.path(".husky/pre-commit")).unwrap();
    std::os::unix::fs::symlink("elsewhere", repository.0.path(".husky/pre-commit")).unwrap();
    repository.envconf_ends(2, &["hook", "install"]);
    assert!(!repository.0.exists(".husky/elsewhere"));
    fs::remove_file(repository.0.path(".husky/pre-commit")).unwrap();
    repository.0.write_mode(".husky/pre-commit", &before[".husky/pre-commit"], 0o755);
    assert_eq!(repository.0.snapshot(), before);
}
