//! Runs the cases in `cmd/` with the real command.
//!
//! A case is a file with steps, which run from top to bottom. A line that begins with
//!
//! * `#`, or an empty one, is a comment;
//! * `file PATH [MODE]` writes the `| ` lines below it; `key PATH a` (or `b`) writes a fixed local key;
//! * `own-key a [DIRECTORY]` puts that key into the key store, enabled for the directory; `key-mode a MODE` sets its
//!   mode; `lose-keys` empties the store;
//! * `copy A B`, `remove A`, `directory A`, `link A TARGET`, `mode A MODE` change files;
//! * `edit PATH` replaces the text after `- ` by the text after `+ `; `flip PATH LABEL` changes one character of the
//!   base64 after `LABEL`;
//! * `$` runs the command, with environment variables before it. Lines with `< ` are its standard input, `? ` is its
//!   exit code if it is not 0, and `> ` and `! ` are the lines of stdout and stderr: `[..]` matches any text in a line,
//!   and a line `...` matches any lines. The command must not print anything else;
//! * `in DIRECTORY` runs the commands below it in that directory;
//! * `same A B`, `gone A`, `has-mode A MODE`, `holds PATH` (with `| ` lines) check files.
//!
//! `BLESS=1` writes the output of the commands into the cases, and keeps lines with `[..]` that match.
//!
//! A command that fails must not change any file. A command that fails for some of several pairs is marked
//! `? 31 partly`. A case of a key service begins with `needs <feature>`.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");

const KEY_A: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";
const KEY_B: &str = "envconf-local-v1:50b9837295fdf643:tSHz5dv66aUGvoaEP1vPB2yUjlo4vfIknhy0VHZlm9Y=";

#[test]
fn every_case_has_the_expected_output() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cmd"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the cases are missing");
    let failures: Vec<_> = files.iter().filter_map(|file| run(file).err()).collect();
    assert!(failures.is_empty(), "{} of {} cases:\n\n{}", failures.len(), files.len(), failures.join("\n"));
}

// Pitfall 27.
#[test]
fn the_cases_have_exactly_the_documented_exit_codes() {
    let docs = include_str!("../envconf/docs/exit-codes.md");
    let table = docs.split_once("\n## Exit codes\n").unwrap().1;
    let first_cell = |row: &str| row.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok();
    let documented: BTreeSet<_> = table.lines().filter_map(first_cell).collect();
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cmd"), &mut files);
    let texts: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let steps = texts.iter().flat_map(|text| Step::all(text));
    let seen: BTreeSet<_> =
        steps.filter(|step| step.head.starts_with('$')).map(|step| step.status().0).collect();
    assert_eq!(seen, documented);
}

// Pitfall 21.
#[test]
fn the_help_of_every_verb_has_examples() {
    let sandbox = Sandbox::new();
    let verbs = [
        "init",
        "keygen",
        "seal",
        "open",
        "edit",
        "get",
        "set",
        "unset",
        "inspect",
        "verify",
        "diff",
        "scan",
        "hook",
        "explain",
        "exec",
        "export",
        "doctor",
        "rotate",
        "recipients",
        "status",
        "rewrap",
        "sign",
        "signer",
        "keys",
        "import",
        "template",
        "completion",
        "man",
    ];
    for verb in verbs.into_iter().chain(["encrypt", "decrypt", "validate", "updatekeys", "run", "del"]) {
        let output = sandbox
            .command(ENVCONF)
            .args([verb, "--help"])
            .env("ENVCONF_TRUST", "canary")
            .env("ENVCONF_KEY", "canary")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{verb}");
        assert!(text.contains("Examples:\n  envconf") && text.contains("Usage: envconf"), "{verb}: {text}");
        assert!(!text.contains("canary"), "{verb} shows a variable's value");
    }
    let overview = sandbox.command(ENVCONF).arg("--help").output().unwrap();
    let overview = String::from_utf8(overview.stdout).unwrap();
    assert!(verbs.iter().all(|verb| overview.contains(&format!("\n  {verb} "))), "{overview}");
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_an_error() {
    let sandbox = with_large_pair();
    let mut child = sandbox
        .command(ENVCONF)
        .args(["open", "large"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and closes the pipe
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_of_stdout() {
    let sandbox = with_large_pair();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = sandbox.command(ENVCONF).args(["open", "large"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(11));
    assert_eq!(text(&output.stderr), "error: standard output: cannot write it: the disk is full\n");
}

// Pitfall 30.
#[test]
fn open_prints_the_content_byte_for_byte() {
    let sandbox = Sandbox::new();
    sandbox.own_key(KEY_A);
    let bytes: Vec<u8> = (0..=255).collect();
    for content in [&b""[..], b"\n", b"no line feed", &bytes] {
        sandbox.write("app.toml", content);
        let sealed = sandbox.command(ENVCONF).args(["seal", "app.toml", "--type", "raw"]).output().unwrap();
        assert!(sealed.status.success(), "{}", text(&sealed.stderr));
        let opened = sandbox.command(ENVCONF).args(["open", "app"]).output().unwrap();
        assert_eq!(opened.stdout, content);
        assert!(opened.stderr.is_empty());
    }
}

fn with_large_pair() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.own_key(KEY_A);
    sandbox.write("large.conf", vec![b'x'; 1 << 20]);
    let output = sandbox.command(ENVCONF).args(["seal", "large.conf", "--type", "raw"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    sandbox
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// Runs one case. The error names file and line.
fn run(file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).unwrap();
    let sandbox = Sandbox::new();
    let mut directory = sandbox.root().to_owned();
    let mut blessed = Vec::new();
    for step in Step::all(&text) {
        let words = step.words();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let result = match words[..] {
            ["needs", "tencent"] if cfg!(feature = "tencent") => Ok(()),
            ["needs", "tencent"] => return Ok(()),
            ["in", below] => {
                directory = sandbox.path(below);
                fs::create_dir_all(&directory).map_err(|error| error.to_string())
            }
            ["$", ..] => step.execute(&sandbox, &directory, &mut blessed),
            _ => step.run(&sandbox, &words),
        };
        result.map_err(|what| format!("{}:{}: {what}\n", file.display(), step.line))?;
    }
    if !blessed.is_empty() {
        fs::write(file, with_blessed(&text, &blessed)).unwrap();
    }
    Ok(())
}

/// The lines of stdout and stderr of a command with unexpected output.
struct Blessed {
    line: usize,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Blessed {
    /// Returns the lines to write below a command. Keeps an expected line with `[..]` that matches, and replaces the
    /// directories of the run by `[..]`.
    fn lines(mark: char, expected: &[&str], printed: &str, sandbox: &Sandbox) -> Vec<String> {
        let directories = [sandbox.root(), sandbox.store()];
        let printed = directories.iter().fold(printed.to_owned(), |printed, directory| {
            printed.replace(&*directory.to_string_lossy(), "[..]")
        });
        let line = |printed: &str| {
            let kept =
                expected.iter().find(|expected| expected.contains("[..]") && line_matches(expected, printed));
            format!("{mark} {}", kept.unwrap_or(&printed)).trim_end().to_owned()
        };
        printed.lines().map(line).collect()
    }
}

/// Returns the text of a case with the new lines of the commands with unexpected output.
fn with_blessed(text: &str, blessed: &[Blessed]) -> String {
    let mut lines = Vec::new();
    let mut below: Option<&Blessed> = None;
    let end = |lines: &mut Vec<String>, below: &mut Option<&Blessed>| {
        if let Some(blessed) = below.take() {
            lines.extend(blessed.stdout.iter().chain(&blessed.stderr).cloned());
        }
    };
    for (index, line) in text.lines().enumerate() {
        if !line.starts_with(['<', '?', '>', '!']) {
            end(&mut lines, &mut below);
            below = blessed.iter().find(|blessed| blessed.line == index + 1);
        } else if below.is_some() && line.starts_with(['>', '!']) {
            continue;
        }
        lines.push(line.to_owned());
    }
    end(&mut lines, &mut below);
    lines.join("\n") + "\n"
}

/// A line and the marked lines that belong to it.
struct Step<'a> {
    line: usize,
    head: &'a str,
    below: Vec<(char, &'a str)>,
}

impl<'a> Step<'a> {
    fn all(text: &'a str) -> Vec<Self> {
        let mut steps: Vec<Self> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let mark = line.chars().next().filter(|mark| "|-+<?>!".contains(*mark));
            match (mark, steps.last_mut()) {
                (Some(mark), Some(step)) => {
                    step.below.push((mark, line[1..].strip_prefix(' ').unwrap_or(&line[1..])))
                }
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => steps.push(Self { line: index + 1, head: line, below: Vec::new() }),
            }
        }
        steps
    }

    fn run(&self, sandbox: &Sandbox, words: &[&str]) -> Result<(), String> {
        let octal = |mode: &str| u32::from_str_radix(mode, 8).unwrap();
        let set_mode = |path: &str, mode: &str| {
            fs::set_permissions(
                sandbox.path(path),
                std::os::unix::fs::PermissionsExt::from_mode(octal(mode)),
            )
            .unwrap();
        };
        match *words {
            ["file", path] => drop(sandbox.write(path, self.text('|'))),
            ["file", path, mode] => drop(sandbox.write_mode(path, self.text('|'), octal(mode))),
            ["key", path, which] => drop(sandbox.write_mode(path, format!("{}\n", key(which)), 0o600)),
            ["own-key", which] => drop(sandbox.own_key(key(which))),
            ["own-key", which, directory] => drop(sandbox.own_key_for(key(which), directory)),
            ["lose-keys"] => sandbox.lose_keys(),
            ["key-mode", which, mode] => {
                let path = sandbox.own_key(key(which));
                fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(octal(mode))).unwrap();
            }
            ["copy", from, to] => drop(sandbox.write(to, sandbox.read(from))),
            ["remove", path] => fs::remove_file(sandbox.path(path)).unwrap(),
            ["directory", path] => fs::create_dir_all(sandbox.path(path)).unwrap(),
            ["link", path, target] => std::os::unix::fs::symlink(target, sandbox.path(path)).unwrap(),
            ["mode", path, mode] => set_mode(path, mode),
            ["edit", path] => self.edit(sandbox, path),
            ["flip", path, label] => flip(sandbox, path, label),
            ["same", a, b] if sandbox.read(a) != sandbox.read(b) => return Err("the files differ".into()),
            ["gone", path] if sandbox.exists(path) => return Err("the file exists".into()),
            ["has-mode", path, mode] => {
                use std::os::unix::fs::PermissionsExt as _;
                let found = fs::metadata(sandbox.path(path)).unwrap().permissions().mode() & 0o777;
                if found != octal(mode) {
                    return Err(format!("the file has mode {found:04o}"));
                }
            }
            ["holds", path] => return compare(path, &self.lines('|'), &text(&sandbox.read(path))),
            ["same", ..] | ["gone", _] => {}
            _ => return Err(format!("unknown step: {}", self.head)),
        }
        Ok(())
    }

    /// Returns the words of the line. A word in quotes may contain blanks.
    fn words(&self) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in self.head.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }

    fn lines(&self, mark: char) -> Vec<&'a str> {
        self.below.iter().filter(|(own, _)| *own == mark).map(|(_, line)| *line).collect()
    }

    fn text(&self, mark: char) -> String {
        self.lines(mark).iter().map(|line| format!("{line}\n")).collect()
    }

    fn execute(&self, sandbox: &Sandbox, directory: &Path, blessed: &mut Vec<Blessed>) -> Result<(), String> {
        let words = self.words();
        let is_variable = |word: &&String| {
            word.split_once('=')
                .is_some_and(|(name, _)| name.bytes().all(|b| b == b'_' || b.is_ascii_uppercase()))
        };
        let variables: Vec<_> = words[1..].iter().take_while(is_variable).collect();
        let (program, arguments) = words[1 + variables.len()..].split_first().unwrap();
        assert_eq!(program, "envconf");
        let mut command = sandbox.command(ENVCONF);
        command
            .current_dir(directory)
            .args(arguments)
            .envs(variables.iter().filter_map(|variable| variable.split_once('=')));

        let before = (sandbox.snapshot(), sandbox.store_snapshot());
        let output = feed(&mut command, &self.text('<'));
        let (status, is_partly) = self.status();
        if output.status.code() != Some(status.into()) {
            return Err(format!("ended with {}, not {status}:\n{}", output.status, text(&output.stderr)));
        }
        let after = (sandbox.snapshot(), sandbox.store_snapshot());
        if status != 0 && (after != before) != is_partly {
            return Err(format!(
                "the command failed and {} files",
                if is_partly { "changed no" } else { "changed" }
            ));
        }
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let compared = compare("stdout", &self.lines('>'), &stdout)
            .and_then(|()| compare("stderr", &self.lines('!'), &stderr));
        if compared.is_err() && std::env::var_os("BLESS").is_some() {
            blessed.push(Blessed {
                line: self.line,
                stdout: self.blessed('>', "stdout", &stdout, sandbox),
                stderr: self.blessed('!', "stderr", &stderr, sandbox),
            });
            return Ok(());
        }
        compared
    }

    /// Returns the expected lines of one stream if they match, and otherwise the printed lines.
    fn blessed(&self, mark: char, what: &str, printed: &str, sandbox: &Sandbox) -> Vec<String> {
        let expected = self.lines(mark);
        match compare(what, &expected, printed) {
            Ok(()) => expected.iter().map(|line| format!("{mark} {line}").trim_end().to_owned()).collect(),
            Err(_) => Blessed::lines(mark, &expected, printed, sandbox),
        }
    }

    /// Returns the expected exit code of a command, and true if the command may change files and fail.
    fn status(&self) -> (u8, bool) {
        let text = self.text('?');
        let mut words = text.split_whitespace();
        (words.next().map_or(0, |status| status.parse().unwrap()), words.next() == Some("partly"))
    }

    fn edit(&self, sandbox: &Sandbox, path: &str) {
        let old = text(&sandbox.read(path));
        let (from, to) = (self.lines('-')[0], self.lines('+')[0]);
        assert!(old.contains(from), "{path} does not contain {from}");
        sandbox.write(path, old.replace(from, to));
    }
}

fn key(which: &str) -> &'static str {
    if which == "a" { KEY_A } else { KEY_B }
}

/// Changes the first character of the base64 after `label`. All bits of this character are significant.
fn flip(sandbox: &Sandbox, path: &str, label: &str) {
    let mut bytes = sandbox.read(path);
    let at = text(&bytes).find(label).unwrap() + label.len();
    let at = at + bytes[at..].iter().position(|b| !b.is_ascii_whitespace()).unwrap();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    sandbox.write(path, bytes);
}

fn feed(command: &mut Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads no input may have ended before.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Compares a text with lines that may contain `[..]` and `...`.
fn compare(what: &str, expected: &[&str], found: &str) -> Result<(), String> {
    let lines: Vec<_> = found.lines().collect();
    if lines_match(expected, &lines) {
        return Ok(());
    }
    Err(format!("{what}: expected\n---\n{}\n--- found\n{found}---", expected.join("\n")))
}

fn lines_match(expected: &[&str], found: &[&str]) -> bool {
    match (expected, found) {
        ([], _) => found.is_empty(),
        (["...", rest @ ..], _) => (0..=found.len()).any(|skipped| lines_match(rest, &found[skipped..])),
        ([first, rest @ ..], [line, others @ ..]) => line_matches(first, line) && lines_match(rest, others),
        (_, []) => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == line,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| line_matches(after, &rest[at..]))
        }),
    }
}

#[test]
fn wildcards_match_texts_and_lines() {
    assert!(line_matches("a[..]c[..]", "abbcd") && !line_matches("a[..]c", "abd"));
    assert!(lines_match(&["...", "b"], &["a", "a", "b"]) && lines_match(&["..."], &[]));
    assert!(!lines_match(&["a"], &[]) && !lines_match(&[], &["a"]));
}
