//! Tests of `import` with files of Tencent's guides. A script creates them with the steps of the guides, and the real
//! command imports them with a stand-in for the key service.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Output, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use envconf_test_support::tencent::REGION;
use envconf_test_support::{Credential, Python, Sandbox, StandIn};
use serde_json::{Value, json};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const LOCAL_KEY: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=\n";
const FROM: &str = "tencent:ap-guangzhou";
/// A text in every content, which the command must never show.
const CANARY: &str = "xQ7-kanarienvogel";
const KEY_FILE: &str = "test_encode_256.key";
const DATA_FILE: &str = "test_encode_text.conf";

static PYTHON: LazyLock<Python> = LazyLock::new(|| {
    Python::with_requirements(
        env!("CARGO_TARGET_TMPDIR"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/sdk/requirements.txt"),
    )
});
static KMS: LazyLock<StandIn> = LazyLock::new(StandIn::start);
static SCRIPT: LazyLock<Mutex<Script>> = LazyLock::new(|| Mutex::new(Script::start()));

/// The program of the guides. It ends with the process of the tests, which writes its input.
struct Script {
    _process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Script {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/sdk/tencent_guide.py");
        let mut process = PYTHON
            .command(script)
            .env("REQUEST_METHOD", "GET")
            .env("TENCENTCLOUD_REGION", REGION)
            .env("KEY_ID", KMS.key_id())
            .envs(KMS.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { _process: process, orders, answers }
    }

    fn run(&mut self, order: &Value) -> Value {
        writeln!(self.orders, "{order}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).expect("the script answers; see its traceback above")
    }
}

/// The files of a guide, next to a local key.
struct Made(Sandbox);

/// Creates the files. The defaults of `order` are the guide of 2019, the decoded key, and a machine with UTF-8.
fn make(order: &Value, source: &[u8]) -> Result<Made, String> {
    let sandbox = Sandbox::new();
    sandbox.own_key(LOCAL_KEY);
    let source = sandbox.write("source", source);
    let mut whole = json!({
        "guide": "2019", "spec": "AES_256", "key": "decoded", "encoding": "utf-8", "pad": "\0",
        "source": source, "key_file": sandbox.path(KEY_FILE), "data_file": sandbox.path(DATA_FILE),
    });
    whole.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
    let answer = SCRIPT.lock().unwrap_or_else(PoisonError::into_inner).run(&whole);
    match answer["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(Made(sandbox)),
    }
}

/// Returns TOML with this number of bytes, with the canary and without repeated AES blocks.
fn toml(len: usize) -> String {
    let text = format!("a = \"{CANARY}\"\n#");
    let rest = "abcdefghijklmnopqrstuvwxyz0123456789-".chars().cycle();
    format!("{text}{}\n", rest.take(len - text.len() - 1).collect::<String>())
}

impl Made {
    fn of(order: Value, source: impl AsRef<[u8]>) -> Self {
        make(&order, source.as_ref()).unwrap()
    }

    fn text(&self, file: &str) -> String {
        String::from_utf8(self.0.read(file)).unwrap()
    }

    /// Changes a file after the guide has written it.
    fn edited(self, file: &str, change: impl FnOnce(String) -> String) -> Self {
        let changed = change(self.text(file));
        self.0.write(file, changed);
        self
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = self.0.command(ENVCONF);
        let variables = variables.iter().copied();
        let output = command.args(arguments).envs(KMS.variables()).envs(variables).output().unwrap();
        for stream in [&output.stderr, &output.stdout] {
            assert!(arguments[0] == "open" || !text(stream).contains("kanarie"), "{}", text(stream));
        }
        output
    }

    /// Imports both files, with `more` arguments.
    fn import(&self, more: &[&str]) -> Output {
        let both = ["import", "--key", KEY_FILE, "--data", DATA_FILE, "--from", FROM];
        self.run(&[&both[..], more].concat(), &[])
    }

    /// Imports the files, and checks the report and the content of the pair.
    #[track_caller]
    fn gives(&self, content: impl AsRef<[u8]>, found: [&str; 3], remarks: &[&str], more: &[&str]) {
        let output = self.import(&[&["--yes", "--json"], more].concat());
        let [guide, form, encoding] = found;
        self.check(
            &output,
            content.as_ref(),
            &json!({
                "guide": guide,
                "encrypted_under": format!("{FROM}:{}", KMS.key_id()),
                "key_form": Some(form).filter(|form| !form.is_empty()),
                "encoding": encoding,
                "remarks": remarks,
            }),
        );
    }

    #[track_caller]
    fn check(&self, output: &Output, content: &[u8], found: &Value) {
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stderr.is_empty());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(&report["found"], found);
        let opened = self.run(&["open", "test_encode_text"], &[]);
        assert_eq!(text(&opened.stdout), text(content), "{}", text(&opened.stderr));
        assert!(opened.stdout == content);
    }

    /// Runs the command, which must fail with this exit code and change no file.
    #[track_caller]
    fn fails(&self, arguments: &[&str], variables: &[(&str, &str)], status: i32) -> String {
        let before = self.0.snapshot();
        let output = self.run(arguments, variables);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
        assert_eq!(self.0.snapshot(), before);
        text(&output.stderr)
    }
}

/// A change of a file.
type Change = fn(String) -> String;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const ENVELOPE_2019: [&str; 3] = ["envelope-2019", "decoded", "utf-8"];
const ENVELOPE: [&str; 3] = ["envelope", "decoded", "utf-8"];

#[test]
fn files_of_the_corrected_guide_of_2019_are_imported() {
    for spec in ["AES_128", "AES_256"] {
        Made::of(json!({ "spec": spec }), toml(100)).gives(toml(100), ENVELOPE_2019, &[], &[]);
    }
}

#[test]
fn the_printed_guide_of_2019_cannot_use_a_key_of_256_bits() {
    let error = make(&json!({ "spec": "AES_256", "key": "text" }), toml(100).as_bytes()).err();
    assert_eq!(error.as_deref(), Some("ValueError"));
}

#[test]
fn the_base64_text_of_a_key_of_128_bits_can_be_an_aes_192_key() {
    let made = Made::of(json!({ "spec": "AES_128", "key": "text" }), toml(100));
    made.gives(toml(100), ["envelope-2019", "text", "utf-8"], &[], &[]);
}

#[test]
fn the_first_characters_of_the_base64_text_can_be_the_key() {
    for (spec, key) in [("AES_256", "first-32"), ("AES_256", "first-16"), ("AES_128", "first-16")] {
        let made = Made::of(json!({ "spec": spec, "key": key }), toml(30));
        made.gives(toml(30), ["envelope-2019", key, "utf-8"], &[], &[]);
    }
}

#[test]
fn the_guide_since_2020_prints_single_lines() {
    for spec in ["AES_128", "AES_256"] {
        let made = Made::of(json!({ "guide": "2020", "spec": spec }), toml(100));
        made.gives(toml(100), ["envelope-2020", "decoded", "utf-8"], &[], &[]);
    }
}

#[test]
fn a_text_that_fills_its_blocks_has_no_padding() {
    for len in [31, 32, 33, 47, 48] {
        Made::of(json!({}), toml(len)).gives(toml(len), ENVELOPE, &[], &[]);
    }
}

#[test]
fn an_empty_text_is_imported_as_an_empty_file() {
    for guide in ["2019", "2020"] {
        let made = Made::of(json!({ "guide": guide }), "");
        assert_eq!(made.text(DATA_FILE).trim(), "");
        made.gives("", ["envelope", "", "utf-8"], &["empty"], &[]);
    }
}

#[test]
fn line_breaks_and_blanks_in_base64_are_ignored() {
    let changes: [(Change, [&str; 3]); 5] = [
        (|text| text.replace('\n', "\r\n"), ENVELOPE_2019),
        (|text| text.trim_end().to_owned(), ENVELOPE_2019),
        (|text| format!("\u{feff}{text}\n\n"), ENVELOPE_2019),
        (|text| text.replace('\n', ""), ["envelope-2020", "decoded", "utf-8"]),
        (|text| text.split_inclusive(|_| true).collect::<Vec<_>>().join(" \t"), ENVELOPE),
    ];
    for (change, found) in changes {
        Made::of(json!({}), toml(100)).edited(DATA_FILE, change).gives(toml(100), found, &[], &[]);
    }
}

#[test]
fn blanks_and_a_byte_order_mark_around_the_blob_are_ignored() {
    let changes: [Change; 3] =
        [|blob| blob + "\n", |blob| format!("  {blob}\r\n\r\n"), |blob| format!("\u{feff}{blob}")];
    for change in changes {
        Made::of(json!({}), toml(40)).edited(KEY_FILE, change).gives(toml(40), ENVELOPE, &[], &[]);
    }
}

/// The guide of 2019 pads to a multiple of 16 characters, and encrypts bytes.
#[test]
fn non_ascii_text_is_encrypted_only_if_its_bytes_fill_blocks() {
    let fits = format!("{}# {}\n", toml(32), "支".repeat(16));
    assert_eq!((fits.chars().count() % 16, fits.len() % 16), (3, 3));
    Made::of(json!({}), &fits).gives(&fits, ENVELOPE_2019, &["beyond-ascii"], &[]);
    let does_not = format!("{}# 支付\n", toml(32));
    assert_eq!(make(&json!({}), does_not.as_bytes()).err().as_deref(), Some("ValueError"));
    // The guide since 2020 counts bytes.
    let made = Made::of(json!({ "guide": "2020" }), &does_not);
    made.gives(&does_not, ENVELOPE, &["beyond-ascii"], &[]);
}

#[test]
fn zero_bytes_inside_are_kept_and_those_at_the_end_are_not() {
    let source = format!("{CANARY}\0inside\0\0");
    let content = format!("{CANARY}\0inside");
    let made = Made::of(json!({}), &source);
    let error = made.import(&["--yes"]);
    assert_eq!(error.status.code(), Some(20)); // invalid TOML
    assert!(text(&error.stderr).contains("--type"), "{}", text(&error.stderr));
    made.gives(&content, ENVELOPE, &["zero-bytes-inside"], &["--type", "raw"]);

    let made = Made::of(json!({}), toml(32) + &"\0".repeat(16));
    made.gives(toml(32), ENVELOPE, &["many-zero-bytes"], &[]);
}

/// Python 3 decodes with the encoding of the machine and encrypts UTF-8. Python 2 encrypts the bytes of the file.
#[test]
fn a_source_in_gbk_is_encrypted_as_utf8_or_as_gbk() {
    let utf8 = format!("# {}\nname = '{CANARY}'\n", "配置文件".repeat(4));
    let gbk = [&b"# "[..], &b"\xC5\xE4\xD6\xC3\xCE\xC4\xBC\xFE".repeat(4), &utf8.as_bytes()[50..]].concat();
    let made = Made::of(json!({ "encoding": "gbk" }), &gbk);
    made.gives(&utf8, ENVELOPE_2019, &["beyond-ascii"], &[]);

    let made = Made::of(json!({ "guide": "2020" }), &gbk);
    let advice =
        made.fails(&["import", "--key", KEY_FILE, "--data", DATA_FILE, "--from", FROM, "--yes"], &[], 20);
    assert!(advice.contains("GBK") && advice.contains("--type raw"), "{advice}");
    made.gives(&gbk, ["envelope-2020", "decoded", "gbk"], &[], &["--type", "raw"]);
}

#[test]
fn crlf_became_lf_where_the_program_reads_text() {
    let source = toml(60).replace('\n', "\r\n");
    Made::of(json!({}), &source).gives(toml(60), ENVELOPE_2019, &[], &[]);
    let made = Made::of(json!({ "guide": "2020" }), &source);
    made.gives(&source, ["envelope-2020", "decoded", "utf-8"], &["carriage-returns"], &[]);
}

#[test]
fn padding_with_backslash_and_zero_characters_is_removed() {
    for len in [34, 46, 48] {
        let remarks = if len % 16 == 0 { &[][..] } else { &["spelled-padding"] };
        let made = Made::of(json!({ "guide": "2020", "pad": "\\0" }), toml(len));
        made.gives(toml(len), ENVELOPE, remarks, &[]);
    }
}

#[test]
fn repeated_blocks_are_reported() {
    let source = toml(48) + &"# the same line\n".repeat(2);
    Made::of(json!({}), &source).gives(&source, ENVELOPE_2019, &["repeated-blocks"], &[]);
}

#[test]
fn a_small_file_is_its_own_blob() {
    for source in [toml(40), toml(4096)] {
        let made = Made::of(json!({ "guide": "small" }), &source);
        let import = ["import", "--data", DATA_FILE, "--from", FROM, "--yes", "--json"];
        let output = made.run(&import, &[]);
        let key = format!("{FROM}:{}", KMS.key_id());
        made.check(&output, source.as_bytes(), &json!({
            "guide": "small-file", "encrypted_under": key, "key_form": null, "encoding": "utf-8", "remarks": [],
        }));
    }
}

#[test]
fn a_small_file_can_be_binary() {
    let source = [CANARY.as_bytes(), b"\xFF\0\xFE\0"].concat();
    let made = Made::of(json!({ "guide": "small" }), &source);
    let import = ["import", "--data", DATA_FILE, "--from", FROM, "--yes", "--json"];
    let error = made.fails(&import, &[], 20);
    assert!(error.contains("--type raw"), "{error}");
    let output = made.run(&[&import[..], &["--type", "raw"]].concat(), &[]);
    let key = format!("{FROM}:{}", KMS.key_id());
    made.check(
        &output,
        &source,
        &json!({
            "guide": "small-file", "encrypted_under": key, "key_form": null, "encoding": "unknown",
            "remarks": ["zero-bytes-inside"],
        }),
    );
}

#[test]
fn swapped_files_are_recognized() {
    let made = Made::of(json!({}), toml(40));
    for (key, data, advice) in [
        (Some(DATA_FILE), KEY_FILE, "the encrypted text with --data"),
        (None, DATA_FILE, "--key"),
        (Some(KEY_FILE), KEY_FILE, "omit --key"),
    ] {
        let key = key.map_or_else(Vec::new, |file| vec!["--key", file]);
        let arguments = [&["import", "--data", data, "--from", FROM, "--yes"], &key[..]].concat();
        let error = made.fails(&arguments, &[], 20);
        assert!(error.contains(advice), "{error}");
    }
}

#[test]
fn the_type_is_detected_unless_an_option_sets_it() {
    let made = Made::of(json!({}), format!("{{\"a\": \"{CANARY}\"}}"));
    assert!(made.import(&["--yes"]).status.success());
    assert!(text(&made.0.read("test_encode_text.conf.enc")).contains("\ntype: json\n"));
    let made = Made::of(json!({}), format!("A={CANARY}\n"));
    assert_eq!(made.import(&["--yes"]).status.code(), Some(20));
    assert!(made.import(&["--yes", "--type", "dotenv"]).status.success());
    assert!(text(&made.0.read("test_encode_text.conf.enc")).contains("\ntype: dotenv\n"));
}

#[test]
fn content_is_decrypted_without_a_context_and_sealed_with_a_new_data_key() {
    let made = Made::of(json!({}), toml(60));
    let blob = made.text(KEY_FILE);
    let key = format!("{FROM}:{}", KMS.key_id());
    made.0.write("config/README", "");
    let named = ["--name", "app", "--environment", "prod", "-o", "config", "-r", key.as_str(), "--yes"];
    assert!(made.import(&named).status.success());
    let decrypts: Vec<_> =
        KMS.requests().into_iter().filter(|request| text(&request.body).contains(&blob)).collect();
    assert_eq!(decrypts.len(), 1);
    assert_eq!((decrypts[0].action.as_str(), decrypts[0].region.as_str()), ("Decrypt", REGION));
    assert!(!text(&decrypts[0].body).contains("EncryptionContext"));
    assert!(!made.text("config/app.prod.conf.key").contains(&blob));
    let opened = made.run(&["open", "app.prod", "--trust", key.as_str()], &[]);
    assert_eq!(text(&opened.stdout), toml(60), "{}", text(&opened.stderr));
}

#[test]
fn the_key_is_reported_or_compared_with_the_given_one() {
    let made = Made::of(json!({}), toml(60));
    let both = ["import", "--key", KEY_FILE, "--data", DATA_FILE, "--yes"];
    let other = KMS.create_key(REGION);
    let wrong = format!("{FROM}:{other}");
    let error = made.fails(&[&both[..], &["--from", &wrong]].concat(), &[], 40);
    assert!(error.contains(&format!("encrypted with another key, {FROM}:{}", KMS.key_id())), "{error}");
    let right = format!("{FROM}:{}", KMS.key_id());
    assert!(made.run(&[&both[..], &["--from", &right]].concat(), &[]).status.success());

    let made = Made::of(json!({}), toml(60));
    assert!(made.run(&both, &[("TENCENTCLOUD_REGION", REGION)]).status.success());
    let made = Made::of(json!({}), toml(60));
    assert!(made.run(&[&both[..], &["-r", &right]].concat(), &[]).status.success());
    let made = Made::of(json!({}), toml(60));
    let two = [&both[..], &["-r", &right, "-r", "tencent:ap-shanghai:1"]].concat();
    assert!(made.fails(&two, &[], 2).contains("--from"));
}

/// The guide of 2019 writes `.conf` and reads `.dat`.
#[test]
fn options_and_not_names_select_the_files() {
    let made = Made::of(json!({}), toml(60));
    made.0.write("old/test_encode_text.dat", made.text(DATA_FILE));
    made.0.write("old/data-key", made.text(KEY_FILE));
    let import =
        ["import", "--data", "old/test_encode_text.dat", "--key", "old/data-key", "--from", FROM, "--yes"];
    assert!(made.run(&import, &[]).status.success());
    let opened = made.run(&["open", "old/test_encode_text.conf.enc"], &[]);
    assert_eq!(text(&opened.stdout), toml(60), "{}", text(&opened.stderr));
}

#[test]
fn errors_of_the_key_service_are_reported() {
    let made = Made::of(json!({}), toml(60));
    let both = ["import", "--key", KEY_FILE, "--data", DATA_FILE, "--yes", "--from"];
    let error = made.fails(&[&both[..], &["tencent:ap-shanghai"]].concat(), &[], 42);
    assert!(error.contains("tencent:ap-shanghai:?") && error.contains("CmkNotFound"), "{error}");

    let sealer = Credential::fake();
    KMS.add_credential(sealer.clone(), &["GenerateDataKey"]);
    let variables =
        [("TENCENTCLOUD_SECRET_ID", &*sealer.secret_id), ("TENCENTCLOUD_SECRET_KEY", &*sealer.secret_key)];
    let error = made.fails(&[&both[..], &[FROM]].concat(), &variables, 42);
    assert!(error.contains("kms:Decrypt"), "{error}");

    let damaged = made.edited(KEY_FILE, |blob| blob.replacen("-k-", "-k-AAAA", 1));
    let error = damaged.fails(&[&both[..], &[FROM]].concat(), &[], 40);
    assert!(error.contains("the blob is damaged") && error.contains(KEY_FILE), "{error}");
}

#[test]
fn files_that_do_not_belong_together_are_an_error() {
    let made = Made::of(json!({}), toml(100));
    let other = Made::of(json!({}), toml(100));
    made.0.write(KEY_FILE, other.text(KEY_FILE));
    let both = ["import", "--key", KEY_FILE, "--data", DATA_FILE, "--yes", "--from", FROM];
    let error = made.fails(&both, &[], 30);
    assert!(error.contains("no form of the key decrypts to text") && error.contains(DATA_FILE), "{error}");
}

#[test]
fn the_import_shows_its_result_and_needs_a_confirmation() {
    let made = Made::of(json!({}), toml(100));
    let both = ["import", "--key", KEY_FILE, "--data", DATA_FILE, "--from", FROM];
    let shown = made.fails(&both, &[], 61);
    for words in [
        "test_encode_text.conf: Tencent's envelope guide of 2019",
        KMS.key_id(),
        "key: the decoded data key",
        "encoding: UTF-8",
        "type: toml, guessed",
        "not known: the author",
        "replace every secret in it",
        "Will be sealed as test_encode_text for default",
        "  test_encode_text.conf.enc",
        "recipient local:-:f7e831f2fdbdab2e",
        "--yes",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    for (answer, status) in [("n", 130), ("", 130), ("y", 0)] {
        let before = made.0.snapshot();
        let output = PYTHON
            .command(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/sdk/terminal.py"))
            .args([answer, ENVCONF])
            .args(both)
            .current_dir(made.0.root())
            .env("HOME", made.0.root())
            .env("ENVCONF_HOME", made.0.store())
            .envs(KMS.variables())
            .output()
            .unwrap();
        let terminal = text(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{terminal}{}", text(&output.stderr));
        assert!(
            terminal.contains("not known: the author") && terminal.contains("Seal it? [y/N]"),
            "{terminal}"
        );
        assert!(!terminal.contains("kanarie"), "{terminal}");
        assert_eq!(made.0.snapshot() == before, status != 0);
    }
}
