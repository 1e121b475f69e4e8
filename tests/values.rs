//! Tests that values stay unchanged. Non-text values are rejected, numbers keep their digits, and an error names a
//! value that is too large for a variable. A file for one program is only in memory, and is deleted when the program
//! ends.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use envconf::pair::{check_content, check_dotenv, check_text};
use envconf::tools::{ExportOptions, NameStyle};
use envconf::{ContentType, EncryptedConfig, KeyServices, Kind, LocalKey, Pair, Policy, Seal, open};
use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const CANARY: &str = "kanarienvogel";

/// A directory with a local key.
struct Project {
    sandbox: Sandbox,
    key: LocalKey,
}

impl Project {
    fn new() -> Self {
        let project = Self { sandbox: Sandbox::new(), key: LocalKey::generate().unwrap() };
        project.sandbox.own_key(&project.key.expose_text());
        project
    }

    fn sealed(content_type: ContentType, content: &str) -> Self {
        let project = Self::new();
        project.seal(content_type).seal(&project.pair(), content.as_bytes(), &project.services()).unwrap();
        project
    }

    fn pair(&self) -> Pair {
        Pair::new(self.sandbox.root(), &"app".parse().unwrap(), &"default".parse().unwrap())
    }

    fn seal(&self, content_type: ContentType) -> Seal {
        Seal::new("app".parse().unwrap(), "default".parse().unwrap(), content_type)
            .recipient(self.key.key_ref().clone())
    }

    fn policy(&self) -> Policy {
        Policy::new("app".parse().unwrap(), "default".parse().unwrap())
    }

    fn services(&self) -> KeyServices {
        KeyServices::none().local_key(self.key.clone())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command(ENVCONF);
        command.args(words).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Returns the messages of a run that fails with this exit code; checks that they contain no value.
    #[track_caller]
    fn refused(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(!said.contains(CANARY) && !text(&output.stdout).contains(CANARY), "{said}");
        said
    }

    /// Returns the output of a run that succeeds.
    #[track_caller]
    fn printed(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn utf16(text: &str, mark: bool, little: bool) -> Vec<u8> {
    let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn a_value_that_is_not_text_is_rejected() {
    let project = Project::sealed(ContentType::Toml, "a = 1\n");
    let set = |bytes: &[u8], more: &[&str]| {
        project.sandbox.write("value", bytes);
        project.refused(&[&["set", "app", "token", "--value-file", "value"], more].concat(), 20)
    };
    for more in [&[][..], &["--exact"], &["--literal"]] {
        for (mark, little) in [(true, true), (true, false), (false, true), (false, false)] {
            let said = set(&utf16(&format!("\"{CANARY}\"\r\n"), mark, little), more);
            assert!(
                said.contains("value: the value is UTF-16") && said.contains("iconv -f UTF-16 -t UTF-8"),
                "{said}"
            );
        }
        let said = set(format!("{CANARY}\0").as_bytes(), more);
        assert!(said.contains("zero byte"), "{said}");
        let said = set(&[CANARY.as_bytes(), b"\xff"].concat(), more);
        assert!(said.contains("not valid UTF-8"), "{said}");
        set(&[b"\xef\xbb\xbf".as_slice(), CANARY.as_bytes(), b"\0"].concat(), more);
    }
    // The same on standard input.
    let mut command = project.command(&["set", "app", "token", "--value-stdin"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&utf16(CANARY, true, true)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.code() == Some(20)
            && text(&output.stderr).contains("standard input: the value is UTF-16")
    );
}

#[test]
fn content_in_utf16_is_rejected_as_utf16() {
    let project = Project::new();
    let contents = [
        ("app.toml", "a = \"CANARY\"\n"),
        ("app.json", "{\"a\": \"CANARY\"}"),
        ("app.yaml", "a: CANARY\n"),
        ("app.env", "A=CANARY\n"),
    ];
    for (file, content) in contents {
        for (mark, little) in [(true, true), (true, false), (false, true), (false, false)] {
            project.sandbox.write(file, utf16(&content.replace("CANARY", CANARY), mark, little));
            let said = project.refused(&["seal", file, "-r", "local"], 20);
            let expected = format!("{file}: the content is UTF-16: expected UTF-8");
            assert!(said.contains(&expected) && said.contains("iconv"), "{said}");
        }
    }
    project.sandbox.write("other.env", utf16("A=1\n", true, true));
    let said = project.refused(&["import", "--dotenv", "other.env", "-r", "local", "--yes"], 20);
    assert!(said.contains("other.env: the file is UTF-16"), "{said}");
    // Raw content can be anything.
    assert_eq!(project.run(&["seal", "app.env", "--type", "raw", "-r", "local"]).status.code(), Some(0));
    assert_eq!(project.run(&["open", "app"]).stdout, project.sandbox.read("app.env"));
    // Short and non-ASCII texts are not mistaken for UTF-16.
    for text in ["", "a", "ab", "\u{80}x", "日本"] {
        assert_eq!(check_text(text.as_bytes(), "x").unwrap(), text);
        check_content(format!("# {text}").as_bytes(), ContentType::Toml).unwrap();
    }
}

#[test]
fn a_byte_order_mark_is_removed_and_the_plain_file_is_deleted() {
    let project = Project::new();
    project.sandbox.write("app.toml", "\u{feff}a = 1\n");
    let said = text(&project.run(&["seal", "app.toml", "-r", "local", "--rm"]).stderr);
    assert!(said.contains("Removed the UTF-8 byte order mark from app.toml"), "{said}");
    assert!(!project.sandbox.exists("app.toml"));
}

#[test]
fn the_library_checks_dotenv_content_like_the_command() {
    let project = Project::new();
    let (pair, services) = (project.pair(), project.services());
    let lines = format!("A=1\nB=\"{CANARY}\"\nC={CANARY} # {CANARY}\n");
    let error = project.seal(ContentType::Dotenv).seal(&pair, lines.as_bytes(), &services).unwrap_err();
    assert_eq!((error.kind(), error.problems().len()), (Kind::DoesNotFit, 2));
    assert!(!format!("{error:?} {error}").contains(CANARY), "{error}");
    assert!(project.seal(ContentType::Dotenv).seal_bytes(lines.as_bytes(), &services).is_err());
    // In another syntax these lines have another meaning.
    project.seal(ContentType::Raw).seal(&pair, lines.as_bytes(), &services).unwrap();
    project.seal(ContentType::Dotenv).as_is().seal(&pair, lines.as_bytes(), &services).unwrap();

    // An old line may stay, and a new one is checked.
    let opened = open(&pair, &project.policy(), &services).unwrap();
    let again = |content: &str| {
        let opened = open(&pair, &project.policy(), &services).unwrap();
        Seal::again(&opened).seal_over(&pair, &opened, content.as_bytes(), &services)
    };
    assert_eq!(opened.content(), lines.as_bytes());
    again(&lines).unwrap();
    again(&lines.replace("A=1", "A=2")).unwrap();
    assert_eq!(again(&format!("{lines}D=$x\n")).unwrap_err().problems().len(), 1);
    assert_eq!(again(&lines.replace("B=\"", "B=\"x")).unwrap_err().problems().len(), 1);
    check_dotenv(lines.as_bytes(), lines.as_bytes()).unwrap();
}

#[test]
fn the_library_selects_names_like_the_command() {
    let content = r#"{"Db": {"poolSize": 1.10, "a.b": 2}, "x": 3}"#;
    let project = Project::sealed(ContentType::Json, content);
    let export = |options: ExportOptions| {
        envconf::tools::export(&project.pair(), &project.policy(), &project.services(), &options)
    };
    let told = |options: ExportOptions| {
        let exported = export(options).unwrap();
        let variables = exported.variables().iter();
        let variables: Vec<_> = variables
            .map(|variable| format!("{}={}", variable.name(), variable.expose_value().as_str()))
            .collect();
        let skipped: Vec<_> = exported.skipped().iter().map(|key| key.path().to_owned()).collect();
        (variables.join(" "), skipped.join(" "))
    };
    assert_eq!(export(ExportOptions::new()).unwrap_err().kind(), Kind::DoesNotFit);
    let skipping = || ExportOptions::new().skip_unnamed();
    assert_eq!(told(skipping()), ("DB__POOL_SIZE=1.10 X=3".into(), "Db.\"a.b\"".into()));
    let keep = skipping().names(NameStyle::Keep).separator("_").env_prefix("P");
    assert_eq!(told(keep).0, "P_Db_poolSize=1.10 P_x=3");
    for separator in ["", ".", "é", " ", "=", "\0"] {
        assert_eq!(export(skipping().separator(separator)).unwrap_err().kind(), Kind::Usage, "{separator:?}");
    }
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(name = "app", env_prefix = "APP")]
struct Numbers {
    version: String,
    pin: f64,
    count: i64,
    ratios: Vec<f64>,
}

/// A program that loads the exported variables gets the values that are sealed.
#[test]
fn exported_numbers_load_again() {
    let content = "version = '1.10'\npin = +1_0.50e0_1\ncount = 0x1F\nratios = [1.10, +1.0, -0.0, 1_000.0]\n";
    let project = Project::sealed(ContentType::Toml, content);
    let dir = project.sandbox.root();
    let direct = Numbers::loader()
        .dir(dir)
        .local_key(project.key.clone())
        .variables::<&str, &str>([])
        .load()
        .unwrap()
        .into_inner();
    let options = ExportOptions::new().env_prefix("APP");
    let exported =
        envconf::tools::export(&project.pair(), &project.policy(), &project.services(), &options).unwrap();
    let variables: Vec<(String, String)> = exported
        .variables()
        .iter()
        .map(|one| (one.name().to_owned(), one.expose_value().to_string()))
        .collect();
    let told: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        told,
        ["APP__COUNT=31", "APP__PIN=+10.50e01", "APP__RATIOS=[1.10,1.0,-0.0,1000.0]", "APP__VERSION=1.10"]
    );
    let other = Project::sealed(ContentType::Toml, "");
    let loader =
        Numbers::loader().dir(other.sandbox.root()).local_key(other.key.clone()).variables(variables);
    assert_eq!(loader.load().unwrap().into_inner(), direct);
}

#[test]
#[cfg(feature = "yaml")]
fn numbers_of_yaml_are_exported_as_written() {
    let content = "pin: 0042\ntag: 1.10\nbig: 12345678901234567890123\nhalf: .5\nplus: +7\ninf: .inf\nhex: 0x1F\ndate: 2026-01-02\n\
        anchor: &a 007\nalias: *a\ntagged: !!int 0042\nlist: [0042, 1.10, .5, 5., +1]\n";
    let project = Project::sealed(ContentType::Yaml, content);
    let expected = "ALIAS=007\nANCHOR=007\nBIG=12345678901234567890123\nDATE=2026-01-02\nHALF=.5\nHEX=31\nINF=inf\n\
        LIST='[42,1.10,0.5,5.0,1]'\nPIN=0042\nPLUS=+7\nTAG=1.10\nTAGGED=0042\n";
    assert_eq!(project.printed(&["export", "app"]), expected);
    let environment = project.printed(&["exec", "app", "--pristine", "--", "/usr/bin/env"]);
    assert!(environment.contains("PIN=0042\n") && environment.contains("TAG=1.10\n"), "{environment}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_value_too_large_for_a_variable_is_named() {
    let large = CANARY.repeat(200 * 1024 / CANARY.len());
    let content = format!("small = 1\n[tls]\nca = \"{large}\"\n");
    let project = Project::sealed(ContentType::Toml, &content);
    let said = project.refused(&["exec", "app", "--", "true"], 20);
    assert!(said.contains("the value is too large for an environment variable: TLS__CA\n"), "{said}");
    assert!(said.contains("--file") && !said.contains("SMALL"), "{said}");
    let said = project.refused(&["exec", "app", "--json", "--", "true"], 20);
    assert!(said.contains("TLS__CA"), "{said}");
    let size = project.printed(&["exec", "app", "--file", "--", "wc", "-c", "{}"]);
    assert!(size.starts_with(&content.len().to_string()), "{size}");
    assert!(project.printed(&["export", "app"]).contains(CANARY));

    let many: String = (0..100).map(|index| format!("v{index} = \"{}\"\n", &large[..100 * 1024])).collect();
    let project = Project::sealed(ContentType::Toml, &many);
    let said = project.refused(&["exec", "app", "--", "true"], 20);
    assert!(said.contains("too large for this system; the largest values: V10 V11 V12\n"), "{said}");
    assert!(said.contains("--file"), "{said}");
}

/// Returns the directory that contains a file of `exec --file-name`.
#[cfg(target_os = "linux")]
fn directory_of(file: &str) -> PathBuf {
    Path::new(file.trim_end()).parent().unwrap().to_owned()
}

#[cfg(target_os = "linux")]
fn wait_until_gone(directory: &Path) {
    let begin = Instant::now();
    while directory.exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{} stays", directory.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_named_file_is_in_memory_and_ends_with_the_program() {
    let content = format!("token = \"{CANARY}\"\n");
    let project = Project::sealed(ContentType::Toml, &content);
    let named = ["exec", "app", "--file", "--file-name", "app.toml", "--"];
    let run = |words: &[&str]| project.printed(&[&named, words].concat());
    let before = project.sandbox.snapshot();

    let script = "cat \"$1\"; realpath \"$1\"; stat -c %a \"$1\" \"$(dirname \"$1\")\"; stat -f -c %T \"$1\"; ls -A \"$(dirname \"$1\")\"";
    let printed = run(&["sh", "-c", script, "x", "{}"]);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!((lines[0], &lines[2..]), (content.trim_end(), &["400", "700", "tmpfs", "app.toml"][..]));
    assert!(lines[1].ends_with("/app.toml"), "{printed}");
    wait_until_gone(&directory_of(lines[1]));

    // The program waits for all of its children. It must not have an unknown child.
    let printed = run(&["sh", "-c", "wait; ps -o pid= --ppid $$ | wc -l; echo \"$1\"", "x", "{}"]);
    wait_until_gone(&directory_of(printed.lines().last().unwrap()));

    // The program closes its inherited files, and is killed.
    let script = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; echo \"$1\"; exec sleep 600";
    let mut command = project.command(&[&named[..], &["sh", "-c", script, "x", "{}"]].concat());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut file = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut file).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(std::fs::read_to_string(file.trim_end()).unwrap(), content);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until_gone(&directory_of(&file));

    // A program that cannot start leaves no file.
    let place = project.sandbox.path("place");
    let link = format!("/dev/shm/envconf-test-{}", std::process::id());
    std::fs::create_dir(&link).unwrap();
    project.sandbox.write_mode("no-program", "#!/no/such/interpreter\n", 0o755);
    let mut command = project.command(&[&named[..], &["./no-program", "{}"]].concat());
    let output = command.env("ENVCONF_EDIT_DIR", &link).output().unwrap();
    assert_eq!(output.status.code(), Some(10), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(&link).unwrap().count(), 0);
    std::fs::remove_dir(&link).unwrap();
    std::fs::remove_file(project.sandbox.path("no-program")).unwrap();

    // A directory on a disk is not a valid place.
    std::fs::create_dir(&place).unwrap();
    if !is_in_memory(&place) {
        let mut command = project.command(&[&named[..], &["cat", "{}"]].concat());
        let output = command.env("ENVCONF_EDIT_DIR", &place).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(11), "{said}");
        assert!(said.contains("ENVCONF_EDIT_DIR") && !said.contains("--allow-disk"), "{said}");
    }
    std::fs::remove_dir(&place).unwrap();
    assert_eq!(project.sandbox.snapshot(), before);
}

#[cfg(target_os = "linux")]
fn is_in_memory(directory: &Path) -> bool {
    let output = Command::new("stat").args(["-f", "-c", "%T"]).arg(directory).output().unwrap();
    text(&output.stdout).trim() == "tmpfs"
}
