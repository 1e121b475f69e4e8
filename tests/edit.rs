//! Tests of `edit` with scripts as editors, and of the prompt of `set`, partly on a terminal. They check the sealed
//! content, and that no plain file remains.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use envconf_test_support::Sandbox;
use tempfile::TempDir;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const TERMINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/sdk/terminal.py");
const KEY: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=\n";
const TOML: &str = "# head\npassword = \"kanarienvogel\" # why\nport = 1\n";

/// A sealed pair, and a directory in memory for plain files.
struct Case {
    sandbox: Sandbox,
    memory: TempDir,
}

impl Case {
    fn new(file: &str, content: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.own_key(KEY);
        sandbox.write(file, content);
        let sealed = sandbox.command(ENVCONF).args(["seal", file, "--rm"]).output().unwrap();
        assert!(sealed.status.success(), "{}", text(&sealed.stderr));
        Self { sandbox, memory: TempDir::new_in("/dev/shm").unwrap() }
    }

    /// Returns the command with a script as the editor. The script's first argument is the file; `$here` is the
    /// sandbox.
    fn command(&self, program: &str, arguments: &[&str], editor: &str) -> Command {
        let script = format!("#!/bin/sh\nhere='{}'\n{editor}\n", self.sandbox.root().display());
        // Run the script with a shell: a file that a child of another thread has open cannot be executed.
        let script = self.sandbox.write("editor", script);
        let mut command = self.sandbox.command(program);
        let editor = format!("sh {}", script.display());
        command.args(arguments).env("ENVCONF_EDITOR", editor).env("ENVCONF_EDIT_DIR", self.memory.path());
        command
    }

    fn edit(&self, editor: &str) -> Output {
        self.command(ENVCONF, &["edit", "app"], editor).stdin(Stdio::null()).output().unwrap()
    }

    /// Like `edit`, on a terminal that types `answer` at `question`. Standard output has the text of the terminal.
    fn on_terminal(&self, arguments: &[&str], editor: &str, question: &str, answer: &str) -> Output {
        let arguments = [&[TERMINAL, answer, ENVCONF], arguments].concat();
        self.command("python3", &arguments, editor).env("QUESTION", question).output().unwrap()
    }

    fn opened(&self) -> String {
        text(&self.sandbox.command(ENVCONF).args(["open", "app"]).output().unwrap().stdout)
    }

    fn pair(&self) -> (Vec<u8>, Vec<u8>) {
        (self.sandbox.read("app.conf.enc"), self.sandbox.read("app.conf.key"))
    }

    /// Returns the remaining files in memory.
    fn left(&self) -> Vec<PathBuf> {
        fs::read_dir(self.memory.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn read(&self, file: &str) -> String {
        text(&self.sandbox.read(file))
    }

    /// Waits until a condition is true, at most one minute.
    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_running(pid: &str) -> bool {
    // A zombie process has ended.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

// Pitfall 2.
#[test]
fn the_edited_text_is_sealed_and_the_plain_file_is_only_in_memory() {
    let case = Case::new("app.toml", TOML);
    let output = case
        .command(
            ENVCONF,
            &["edit", "app"],
            "cp $1 $here/seen; stat -c '%a %n' $1 $(dirname $1) >$here/modes; stat -f -c %T $1 >$here/system
             echo $TMPDIR $ENVCONF_KEY. >$here/variables; echo x >$TMPDIR/backup~; echo x >$1.swp
             sed 's/port = 1/port = 2/' $1 >$1.new; mv $1.new $1",
        )
        .env("ENVCONF_KEY", KEY.trim())
        .output()
        .unwrap();
    assert_eq!(text(&output.stderr), "Sealed app (generation 2)\n  app.conf.enc\n");
    assert_eq!(case.opened(), TOML.replace("port = 1", "port = 2"));
    assert_eq!(case.read("seen"), TOML);
    assert_eq!(case.read("system").trim(), "tmpfs");
    let modes = case.read("modes");
    let words: Vec<_> = modes.split_whitespace().collect();
    assert_eq!((words[0], words[2]), ("600", "700"));
    assert!(
        words[1].ends_with("/app.default.toml") && words[1].starts_with(case.memory.path().to_str().unwrap())
    );
    assert_eq!(
        case.read("variables").trim(),
        format!("{} .", words[3]),
        "temporary files are in that directory, and the editor has no key"
    );
    assert!(case.left().is_empty());
}

#[test]
fn open_prints_the_edited_text() {
    for content in ["", "\n", "a = 1\r\n# \u{e9}\r\nb = 2", "\n\na = 1  \n\n", "# envconf: mine\n"] {
        let case = Case::new("app.toml", TOML);
        case.sandbox.write("new", content);
        // An empty text needs a confirmation.
        let mut edit = case.command(ENVCONF, &["edit", "app", "-y"], "cat $here/new >$1");
        let output = edit.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(case.opened(), content);
    }
}

#[test]
fn an_emptied_file_needs_a_confirmation() {
    for emptied in ["", "\n", " \t\r\n\n"] {
        for (file, content) in
            [("app.toml", TOML), ("app.yaml", "password: kanarienvogel\n"), ("app.env", "A=kanarienvogel\n")]
        {
            if file == "app.env" && emptied.contains(' ') {
                continue; // dotenv rejects a line of blanks
            }
            let case = Case::new(file, content);
            let before = case.pair();
            let editor = format!("printf '{}' >$1", emptied.escape_default());
            let refused = case.edit(&editor);
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(61), "{said}");
            assert!(
                said.contains("app.conf.enc: the file was emptied; nothing was written")
                    && said.contains("--yes"),
                "{said}"
            );
            assert!(
                !said.contains("kanarienvogel") && case.pair() == before && case.left().is_empty(),
                "{said}"
            );

            let question = "Seal it empty? [y/N] ";
            let no = case.on_terminal(&["edit", "app"], &editor, question, "n");
            assert_eq!(no.status.code(), Some(130), "{}", text(&no.stdout));
            assert!(case.pair() == before && case.left().is_empty());
            let yes = case.on_terminal(&["edit", "app"], &editor, question, "y");
            assert!(yes.status.success(), "{}", text(&yes.stdout));
            assert_eq!(case.opened(), emptied);

            // The file was empty before, so there is no question.
            let again = case.edit("printf '\n\n\n' >$1");
            assert!(again.status.success(), "{}", text(&again.stderr));
        }
    }
    // A file with only comments is not empty. Empty text is invalid JSON, which is an error without a question.
    let case = Case::new("app.toml", TOML);
    assert!(case.edit("echo '# nothing' >$1").status.success());
    let case = Case::new("app.json", "{\"a\": 1}\n");
    assert_eq!(case.edit(": >$1").status.code(), Some(20));
    assert!(case.edit("echo '{}' >$1").status.success());
}

#[test]
fn a_hint_is_printed_if_the_editor_returns_at_once() {
    let case = Case::new("app.toml", TOML);
    let before = case.pair();
    let unchanged = "Unchanged: nothing was written\n  app.conf.enc\n";
    // On a busy machine, even `true` may be slow.
    let told = |run: &mut dyn FnMut() -> Output| {
        let mut outputs = (0..5).map(|_| run());
        let first = outputs.next().unwrap();
        if text(&first.stderr).contains("hint:") { first } else { outputs.last().unwrap() }
    };
    let output = told(&mut || case.edit("true"));
    let said = text(&output.stderr);
    assert!(output.status.success() && case.pair() == before && case.left().is_empty(), "{said}");
    assert!(said.starts_with(unchanged) && said.contains("hint: the editor returned at once"), "{said}");
    assert!(said.contains("--wait"), "{said}");
    // There is no hint if the editor saved the file, took some time, or read the file.
    for editor in ["touch $1", "cp $1 $1.new; mv $1.new $1", "cat $1 >$here/x; cat $here/x >$1", "sleep 2.1"]
    {
        assert_eq!(text(&case.edit(editor).stderr), unchanged, "{editor}");
    }
    assert!(!text(&case.edit("echo 'a = 1' >$1").stderr).contains("hint"));
    // The hint has the option of a known editor, and none for an editor that always waits.
    for (name, part) in
        [("subl", Some("'subl --wait'")), ("kate", Some("'kate --block'")), ("code", None), ("vim", None)]
    {
        let file = case.sandbox.write("script", "#!/bin/sh\n");
        let install = ["-D", "-m", "700", file.to_str().unwrap(), &format!("bin/{name}")];
        assert!(case.sandbox.command("install").args(install).status().unwrap().success());
        let path = format!("{}:{}", case.sandbox.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = case.command(ENVCONF, &["edit", "app"], "");
        command.env_remove("ENVCONF_EDITOR").env("EDITOR", name).env("PATH", path);
        let mut run = || command.output().unwrap();
        let output = if part.is_some() { told(&mut run) } else { run() };
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(said.contains("hint:"), part.is_some(), "{name}: {said}");
        assert!(part.is_none_or(|part| said.contains(part)), "{name}: {said}");
    }
}

#[test]
fn unchanged_text_is_not_written() {
    let case = Case::new("app.toml", TOML);
    let before = case.pair();
    let output = case.edit("touch $1");
    assert_eq!(text(&output.stderr), "Unchanged: nothing was written\n  app.conf.enc\n");
    assert!(output.status.success() && case.pair() == before && case.left().is_empty());
}

#[test]
fn invalid_text_is_an_error_and_not_written() {
    let case = Case::new("app.toml", TOML);
    let before = case.pair();
    for (editor, status, part) in [
        (
            "echo 'password = kanarienvogel]' >$1",
            20,
            "not valid TOML: expected a value; a string needs quotes, at line 1, column 12",
        ),
        ("echo 'a = 2' >$1; exit 3", 130, "the editor ended with status 3"),
        ("echo 'a = 2' >$1; kill -9 $$", 130, "the editor ended by signal 9"),
        ("rm $1", 10, "file not found"),
        ("cd $here; env -u ENVCONF_EDITOR envconf-is-not-in-path; exit 127", 2, "cannot be started"),
    ] {
        let output = case.edit(editor);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(part) && !said.contains("kanarienvogel"), "{said}");
        assert!(output.stdout.is_empty() && case.pair() == before && case.left().is_empty(), "{editor}");
    }
}

#[test]
fn a_pair_that_changed_during_the_edit_is_not_overwritten() {
    let case = Case::new("app.toml", TOML);
    let output = case.edit(&format!("cd $here; echo 3 | {ENVCONF} set app port; echo 'a = 1' >$1"));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(50), "{said}");
    assert!(said.contains("the pair changed while this command ran"), "{said}");
    assert_eq!(case.opened(), TOML.replace("port = 1", "port = 3"));
}

#[test]
fn on_a_terminal_invalid_text_is_opened_again_with_its_errors() {
    let case = Case::new("app.toml", TOML);
    let mend = "if [ -e $here/seen ]; then cp $1 $here/again; sed -i 's/^]$//' $1; else touch $here/seen; echo ] >>$1; fi";
    let output = case.on_terminal(&["edit", "app"], mend, "none", "");
    assert!(output.status.success(), "{}", text(&output.stdout));
    let again = case.read("again");
    assert!(again.starts_with("# envconf: this content cannot be sealed"), "{again}");
    assert!(again.contains("\n# envconf:   not valid TOML, at line 4, column 1\n# head\n"), "{again}");
    assert_eq!(case.opened(), format!("{TOML}\n"), "the sealed text must not have these lines");
    assert!(case.left().is_empty());

    fs::remove_file(case.sandbox.path("seen")).unwrap();
    let before = case.pair();
    let output = case.on_terminal(&["edit", "app"], "grep -q envconf: $1 || echo ] >>$1", "none", "");
    assert_eq!(output.status.code(), Some(20), "the text was not corrected: {}", text(&output.stdout));
    assert!(case.pair() == before && case.left().is_empty());
}

#[test]
fn a_syntax_without_comments_asks_a_question() {
    let case = Case::new("app.json", "{}\n");
    let mend = "if [ -e $here/seen ]; then echo '{\"a\":1}' >$1; else touch $here/seen; echo ] >>$1; fi";
    let output = case.on_terminal(&["edit", "app"], mend, "Edit it again? [y/N] ", "y");
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert_eq!(case.opened(), "{\"a\":1}\n");
    let output = case.on_terminal(&["edit", "app"], "echo ] >>$1", "Edit it again? [y/N] ", "n");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stdout));
    assert!(case.opened() == "{\"a\":1}\n" && case.left().is_empty());
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    let case = Case::new("app.toml", TOML);
    let before = case.pair();
    let output =
        case.on_terminal(&["edit", "app"], "echo x >>$1; echo editing; exec sleep 60", "editing", "^C");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stdout));
    assert!(case.pair() == before && case.left().is_empty());

    // An editor that handles Ctrl-C continues.
    let editor = "trap 'echo \"port = 4\" >$1; exit 0' INT; echo editing; while :; do sleep 0.1; done";
    let output = case.on_terminal(&["edit", "app"], editor, "editing", "^C");
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert_eq!(case.opened(), "port = 4\n");

    // At a question, Ctrl-C ends the command.
    let case = Case::new("app.json", "{}\n");
    let output = case.on_terminal(&["edit", "app"], "echo ] >>$1", "Edit it again? [y/N] ", "^C");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stdout));
    assert!(case.opened() == "{}\n" && case.left().is_empty());
}

// Pitfall 2.
#[test]
fn nothing_is_left_after_any_signal() {
    for (signal, status) in [("TERM", Some(130)), ("HUP", Some(130)), ("KILL", None)] {
        let case = Case::new("app.toml", TOML);
        let before = case.pair();
        let editor = "echo x >>$1; echo $$ >$here/pid.new; mv $here/pid.new $here/pid; exec sleep 60";
        let mut child = case.command(ENVCONF, &["edit", "app"], editor).stdin(Stdio::null()).spawn().unwrap();
        case.until("the editor runs", || case.sandbox.exists("pid"));
        assert_eq!(case.left().len(), 1);
        let kill = |signal: &str, pid: &str| {
            Command::new("kill").args([&format!("-{signal}"), pid.trim()]).status().unwrap();
        };
        kill(signal, &child.id().to_string());
        assert_eq!(child.wait().unwrap().code(), status, "{signal}");
        case.until("the guard removes the directory", || case.left().is_empty());
        let editor = case.read("pid");
        if signal == "KILL" {
            kill("KILL", &editor);
        }
        case.until("the editor ends", || !is_running(&editor));
        assert!(case.pair() == before, "{signal}");
    }
}

#[test]
fn plain_files_are_on_disk_only_with_the_option() {
    let case = Case::new("app.toml", TOML);
    let editor = "echo 'a = 1' >$1";
    // The file system is in memory, but it cannot contain files.
    let refused =
        case.command(ENVCONF, &["edit", "app"], editor).env("ENVCONF_EDIT_DIR", "/proc").output().unwrap();
    assert_eq!(refused.status.code(), Some(11));
    assert!(text(&refused.stderr).contains("--allow-disk"), "{}", text(&refused.stderr));
    let disk = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let allowed = case
        .command(ENVCONF, &["edit", "app", "--allow-disk"], editor)
        .env("ENVCONF_EDIT_DIR", disk.path())
        .output()
        .unwrap();
    assert!(allowed.status.success(), "{}", text(&allowed.stderr));
    assert_eq!((case.opened().as_str(), fs::read_dir(disk.path()).unwrap().count()), ("a = 1\n", 0));
}

// Pitfall 2.
#[test]
fn known_editors_get_options_that_prevent_copies() {
    let case = Case::new("app.toml", TOML);
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >{}\n", case.sandbox.path("arguments").display());
    for (name, argument) in [
        ("vim", "-n"),
        ("gvim", "--nofork"),
        ("nvim", "-n"),
        ("nano", "--ignorercfiles"),
        ("code", "--user-data-dir"),
    ] {
        let file = case.sandbox.write("script", &script);
        let install = ["-D", "-m", "700", file.to_str().unwrap(), &format!("bin/{name}")];
        let installed = case.sandbox.command("install").args(install).status().unwrap();
        assert!(installed.success());
        let path = format!("{}:{}", case.sandbox.path("bin").display(), std::env::var("PATH").unwrap());
        let output = case
            .command(ENVCONF, &["edit", "app"], "")
            .env_remove("ENVCONF_EDITOR")
            .env("EDITOR", format!("{name} --own"))
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let arguments = case.read("arguments");
        let arguments: Vec<_> = arguments.lines().collect();
        assert_eq!(arguments[0], "--own");
        assert!(
            arguments.contains(&argument) && arguments.last().unwrap().ends_with("/app.default.toml"),
            "{arguments:?}"
        );
        if name == "code" {
            let profile = arguments[arguments.iter().position(|own| *own == argument).unwrap() + 1];
            assert!(arguments.last().unwrap().starts_with(profile), "{arguments:?}");
        }
    }
}

#[test]
fn a_typed_value_is_not_shown() {
    let case = Case::new("app.toml", TOML);
    let set = ["set", "app", "password"];
    let output = case.on_terminal(&set, "", "value of password: ", "kanarie it's");
    let shown = text(&output.stdout);
    assert!(output.status.success() && !shown.contains("kanarie"), "{shown}");
    assert!(shown.contains("Sealed app (generation 2)") && shown.ends_with("echo on"), "{shown}");
    assert_eq!(case.opened(), TOML.replace("kanarienvogel", "kanarie it's"));

    let before = case.pair();
    let output = case.on_terminal(&set, "", "value of password: ", "^C");
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{shown}");
    assert!(shown.ends_with("echo on"), "{shown}");
    let output = case.on_terminal(&set, "", "value of password: ", &"kanarie".repeat(800));
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(20), "{shown}");
    assert!(shown.contains("too long for a prompt") && !shown.contains("kanarie"), "{shown}");
    assert!(case.pair() == before);
}

#[test]
fn the_guard_removes_only_its_own_files() {
    let case = Case::new("app.toml", TOML);
    let directory = case.memory.path().join("other");
    fs::create_dir(&directory).unwrap();
    let output =
        case.command(ENVCONF, &["guard", directory.to_str().unwrap()], "").stdin(Stdio::null()).output();
    assert_eq!(output.unwrap().status.code(), Some(11));
    assert!(directory.exists());
    let output = case
        .command(ENVCONF, &["edit", "app", "--allow-disk"], "true")
        .env("ENVCONF_EDIT_DIR", "nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(11), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("cannot write it: file not found"), "{}", text(&output.stderr));
}

/// Returns the process ids of guards with a directory of `case`.
fn guards(case: &Case) -> Vec<String> {
    let place = case.memory.path().to_str().unwrap();
    let processes =
        fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_guard = |pid: &String| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        arguments.starts_with("envconf guard") && arguments.contains(place)
    };
    processes.filter(|pid| pid.parse::<u32>().is_ok()).filter(is_guard).collect()
}

fn kill(pid: &str) {
    assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
}

#[test]
fn the_next_run_removes_files_of_a_killed_command_and_guard() {
    let case = Case::new("app.toml", TOML);
    let waiting = "echo $$ >$here/waiting.new; mv $here/waiting.new $here/waiting; exec sleep 600";
    let run = |arguments: &[&str], editor: &str| {
        let mut command = case.command(ENVCONF, arguments, editor);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let wait = format!("here='{}'; {waiting}", case.sandbox.root().display());
    let exec = ["exec", "app", "--file", "--file-name", "app.toml", "--", "sh", "-c", &wait, "{}"];
    for arguments in [&["edit", "app"][..], &exec] {
        let mut child = run(arguments, waiting);
        case.until("the editor runs", || case.sandbox.exists("waiting"));
        let editor = case.read("waiting");
        fs::remove_file(case.sandbox.path("waiting")).unwrap();
        let [left] = &case.left()[..] else { panic!("{:?}", case.left()) };
        // Another command does not remove the directory, because its process and its guard are running.
        assert!(case.edit("true").status.success());
        assert!(left.exists());
        for guard in guards(&case) {
            kill(&guard);
        }
        case.until("the guard has ended", || guards(&case).iter().all(|guard| !is_running(guard)));
        assert!(case.edit("true").status.success());
        assert!(left.exists(), "the directory of a running process must stay");
        child.kill().unwrap();
        child.wait().unwrap();
        if is_running(&editor) {
            kill(&editor);
        }
        assert!(fs::read(left.join(if arguments == exec { "app.toml" } else { "app.default.toml" })).is_ok());
        let output = case.edit("true");
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(case.left(), Vec::<PathBuf>::new());
    }
}
