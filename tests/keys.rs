//! Tests of key management, aliases and rewrapping, with the library and with the real command. The key service is the
//! stand-in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::Output;
use std::time::Duration;

use envconf::error::Fault;
use envconf::kms::{KeyPlace, NewKey, Rotation};
use envconf::pair::{HowWrapped, Rewrap};
use envconf::{ContentType, KeyRef, KeyServices, Kind, LocalKey, Pair, Policy, Seal, Trusted};
use envconf_test_support::tencent::KeyState;
use envconf_test_support::{Credential, Python, Reply, Sandbox, StandIn};
use serde_json::{Value, json};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const REGION: &str = "ap-guangzhou";
/// The deadline for requests that fail in the end.
const SHORT: Duration = Duration::from_millis(500);

/// A script that runs a command on a terminal with a given width, and prints the screen.
const TERMINAL: &str = "
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, int(sys.argv[1]), 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
while True:
    try:
        shown = os.read(terminal, 4096)
    except OSError:
        break
    if not shown:
        break
    sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

/// A directory, a stand-in, and a pair for its first key.
struct Project {
    sandbox: Sandbox,
    kms: StandIn,
    key: KeyRef,
}

impl Project {
    fn new() -> Self {
        let kms = StandIn::start();
        let key = reference(REGION, kms.key_id());
        Self { sandbox: Sandbox::new(), kms, key }
    }

    fn sealed() -> Self {
        let project = Self::new();
        let services = project.services();
        Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml)
            .recipient(project.key.clone())
            .seal(&project.pair(), b"port = 1\n", &services)
            .unwrap();
        project
    }

    fn services(&self) -> KeyServices {
        KeyServices::from_given(self.kms.variables()).unwrap()
    }

    /// Returns services with a credential that has only the permissions for these actions.
    fn services_granted(&self, actions: &[&str]) -> KeyServices {
        let credential = Credential::fake();
        self.kms.add_credential(credential.clone(), actions);
        let mut variables = self.kms.variables();
        variables.retain(|(name, _)| !name.starts_with("TENCENTCLOUD_SECRET"));
        variables.push(("TENCENTCLOUD_SECRET_ID".into(), credential.secret_id));
        variables.push(("TENCENTCLOUD_SECRET_KEY".into(), credential.secret_key));
        KeyServices::from_given(variables).unwrap()
    }

    fn pair(&self) -> Pair {
        Pair::new(self.sandbox.path(""), &"app".parse().unwrap(), &"default".parse().unwrap())
    }

    fn policy(&self, trusted: &KeyRef) -> Policy {
        let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
        policy.trust([Trusted::Key(trusted.clone())])
    }

    fn files(&self) -> (Vec<u8>, Vec<u8>) {
        (fs::read(self.pair().enc()).unwrap(), fs::read(self.pair().key()).unwrap())
    }

    fn opens(&self, trusted: &KeyRef, services: &KeyServices) -> bool {
        envconf::open(&self.pair(), &self.policy(trusted), services)
            .is_ok_and(|opened| opened.content() == b"port = 1\n")
    }

    /// Creates another key in the stand-in.
    fn another(&self, region: &str) -> KeyRef {
        reference(region, &self.kms.create_key(region))
    }

    /// Makes the service fail all requests.
    fn fail(&self) {
        (0..1000).for_each(|_| self.kms.next(Reply::Status(503)));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sandbox.command(ENVCONF).args(arguments).envs(self.kms.variables()).output().unwrap()
    }

    /// Returns the screen of a terminal with this many columns.
    fn on_terminal(&self, columns: u16, arguments: &[&str]) -> String {
        let mut command = self.sandbox.command("python3");
        command
            .args(["-c", TERMINAL, &columns.to_string(), ENVCONF])
            .args(arguments)
            .envs(self.kms.variables());
        command.env("TERM", "xterm-256color").env("NO_COLOR", "1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let shown = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
        assert!(!shown.contains('\u{1b}'), "the output is coloured: {shown:?}");
        shown
    }

    /// Runs the command, which must succeed, and returns its standard output.
    fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command, which must fail, and returns its exit code and standard error.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Returns the actions of all requests after the first `from`.
    fn actions(&self, from: usize) -> Vec<String> {
        self.kms.requests()[from..].iter().map(|request| request.action.clone()).collect()
    }
}

fn reference(region: &str, id: &str) -> KeyRef {
    format!("tencent:{region}:{id}").parse().unwrap()
}

fn place() -> KeyPlace {
    format!("tencent:{REGION}").parse().unwrap()
}

#[test]
fn the_command_creates_lists_describes_and_rotates_a_key() {
    let project = Project::new();
    let created = project.told(&[
        "keys",
        "create",
        "tencent:ap-guangzhou",
        "--alias",
        "app-prod",
        "--description",
        "für die \"App\"\n",
        "--rotate",
        "90",
    ]);
    let key: KeyRef = created.trim_end().parse().unwrap();
    assert_eq!(project.actions(0), ["CreateKey", "EnableKeyRotation"]);

    let listed = project.told(&["keys", "list", "tencent:ap-guangzhou"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines[0].starts_with("KEY  ") && lines[0].ends_with("CREATED"), "{listed}");
    assert!(lines[1].starts_with(&format!("{key}  app-prod      enabled  every 90 days  20")), "{listed}");
    assert_eq!(lines.len(), 3, "{listed}");
    // On a narrow terminal, no text is cut off.
    let shown = project.on_terminal(80, &["keys", "list", "tencent:ap-guangzhou"]);
    assert!(shown.contains(&format!("{key}\n  alias     app-prod\n  state     enabled\n")), "{shown}");
    assert!(shown.lines().all(|line| line.len() <= 80), "{shown}");
    assert_eq!(project.on_terminal(200, &["keys", "list", "tencent:ap-guangzhou"]), listed);

    let described = project.told(&["keys", "describe", "tencent:ap-guangzhou:alias/app-prod"]);
    assert!(described.starts_with(&format!("{key}\n  alias        app-prod\n")), "{described}");
    assert!(described.contains("\n  description  für die \"App\"\\n\n"), "{described}");
    let json = project.told(&["keys", "describe", &key.to_string(), "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["alias"], "app-prod");
    assert_eq!(
        (&json["rotates"], &json["rotate_days"], &json["wraps"]),
        (&json!(true), &json!(90), &json!(true))
    );

    let rotation = |option: &[&str]| {
        let key = key.to_string();
        project.told(&[&["keys", "rotation", key.as_str()], option].concat())
    };
    assert_eq!(rotation(&[]), format!("{key}: rotation on\n"));
    assert_eq!(rotation(&["--off"]), format!("{key}: rotation off\n"));
    assert_eq!(rotation(&["--every", "7"]), format!("{key}: rotation on\n"));
    assert_eq!(rotation(&["--json"]), format!("{{\"key\":\"{key}\",\"rotates\":true}}\n"));

    // The new key can seal immediately.
    project.sandbox.write("app.toml", "port = 1\n");
    project.told(&["seal", "app.toml", "-r", &key.to_string()]);
    assert!(project.opens(&key, &project.services()));
}

#[test]
fn all_pages_of_a_long_list_are_read() {
    let project = Project::new();
    let made: Vec<String> = (0..450).map(|_| project.kms.create_key(REGION)).collect();
    project.kms.create_key("ap-shanghai");
    let keys = project.services().list_keys(&place(), false).unwrap();
    let ids: Vec<_> = keys.iter().map(|key| key.key.key_id().to_owned()).collect();
    let expected: Vec<_> = made.iter().rev().cloned().chain([project.kms.key_id().to_owned()]).collect();
    assert_eq!(ids, expected);
    let bodies: Vec<Value> =
        project.kms.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let pages =
        [0, 200, 400].map(|offset| json!({"Offset": offset, "Limit": 200, "KeyUsage": "ENCRYPT_DECRYPT"}));
    assert_eq!(bodies, pages);
}

#[test]
fn a_key_is_not_created_twice_after_a_lost_reply() {
    let project = Project::new();
    let wanted = NewKey { alias: "once".into(), description: String::new() };
    project.kms.next(Reply::HalfBody);
    let error = project.services().create_key(&place(), &wanted).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::UnwrapFailed, 41));
    assert!(error.attempts()[0].advice().unwrap().contains("keys list"), "{error}");
    assert_eq!(project.actions(0), ["CreateKey"]);

    // A refusal because of a quota is certain: the key was not created.
    let wanted = NewKey { alias: "twice".into(), description: String::new() };
    project.kms.next(Reply::error("RequestLimitExceeded", "slow down"));
    project.services().create_key(&place(), &wanted).unwrap();
    assert_eq!(project.actions(1), ["CreateKey", "CreateKey"]);
    let error = project.services().create_key(&place(), &wanted).unwrap_err();
    assert_eq!(error.attempts()[0].code(), Some("InvalidParameterValue.AliasAlreadyExists"));
}

#[test]
fn the_error_names_the_missing_permission() {
    let project = Project::new();
    let services = project.services_granted(&["Decrypt"]);
    let wanted = NewKey { alias: "a".into(), description: String::new() };
    let alias: KeyRef = format!("tencent:{REGION}:alias/a").parse().unwrap();
    for (error, right) in [
        (services.create_key(&place(), &wanted).unwrap_err(), "kms:CreateKey"),
        (services.list_keys(&place(), true).unwrap_err(), "kms:ListKeyDetail"),
        (services.resolve(&alias).unwrap_err(), "kms:ListKeyDetail"),
        (services.describe_key(&project.key).unwrap_err(), "kms:DescribeKey"),
        (services.key_rotates(&project.key).unwrap_err(), "kms:GetKeyRotationStatus"),
        (services.set_key_rotation(&project.key, Rotation::Off).unwrap_err(), "kms:DisableKeyRotation"),
        (
            services.set_key_rotation(&project.key, Rotation::Every(None)).unwrap_err(),
            "kms:EnableKeyRotation",
        ),
    ] {
        assert_eq!(error.exit_code(), 42);
        assert!(error.attempts()[0].advice().unwrap().contains(right), "{error}");
    }
}

#[test]
fn an_alias_is_case_sensitive_and_only_its_key_id_is_written() {
    let project = Project::new();
    for alias in ["prod-old", "Prod", "a-prod", "prod_"] {
        project.kms.set_alias(REGION, &project.kms.create_key(REGION), alias);
    }
    let elsewhere = project.kms.create_key("ap-shanghai");
    project.kms.set_alias("ap-shanghai", &elsewhere, "prod");
    project.sandbox.write("app.toml", "port = 1\n");
    let alias = "tencent:ap-guangzhou:alias/prod";

    let (status, report) = project.refused(&["seal", "app.toml", "-r", alias]);
    assert_eq!(status, 42, "{report}");
    assert!(report.contains("no key of this region and account has this alias"), "{report}");
    assert!(!project.pair().enc().exists());

    project.kms.set_alias(REGION, project.kms.key_id(), "prod");
    project.told(&["seal", "app.toml", "-r", alias]);
    assert!(project.opens(&project.key, &project.services()));
    assert!(!String::from_utf8(project.files().1).unwrap().contains("alias"));

    // The policy file may name the alias too. Sealing again keeps the data key, because the recipient is the same key.
    let rules = format!("[[rule]]\nfiles = \"**\"\nrecipients = [\"{alias}\"]\n");
    project.sandbox.write(".envconf.toml", rules);
    let key = project.key.to_string();
    let sealed = project.told(&["seal", "app.toml", "--trust", &key, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&sealed).unwrap()["data_key"], "kept");
}

#[test]
fn an_alias_cannot_be_trusted_and_no_request_is_sent() {
    let project = Project::sealed();
    let before = project.kms.requests().len();
    let alias = "tencent:ap-guangzhou:alias/prod";
    let output =
        project.sandbox.command(ENVCONF).args(["open", "app"]).env("ENVCONF_TRUST", alias).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let (status, report) = project.refused(&["open", "app", "--trust", alias]);
    assert_eq!(status, 2);
    assert!(report.contains("is an alias") && report.contains("envconf keys describe"), "{report}");
    let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml);
    let seal = seal.recipient(alias.parse().unwrap());
    assert_eq!(seal.seal_bytes(b"", &project.services()).unwrap_err().kind(), Kind::Usage);
    assert_eq!(project.kms.requests().len(), before);
}

#[test]
fn moving_a_wrapped_key_needs_no_permission_to_wrap() {
    let project = Project::sealed();
    let new = project.another(REGION);
    let (enc, _) = project.files();
    let before = project.kms.requests().len();
    let services = project.services_granted(&["Decrypt", "ReEncrypt"]);
    let done = Rewrap::new(project.policy(&project.key))
        .recipient(new.clone())
        .rewrap(&project.pair(), &services)
        .unwrap();
    assert_eq!(done.recipients(), [(new.clone(), HowWrapped::Moved)]);
    assert_eq!((done.removed(), done.unproved()), (&[project.key.clone()][..], &[][..]));
    assert_eq!(project.actions(before), ["Decrypt", "ReEncrypt", "Decrypt"]);
    assert_eq!(project.files().0, enc, "only the .key changes");
    assert!(project.opens(&new, &services));
    assert!(!project.opens(&project.key, &services));
}

#[test]
fn without_permission_to_move_or_in_another_region_the_data_key_is_wrapped() {
    for (actions, region) in
        [(&["Decrypt", "Encrypt"][..], REGION), (&["Decrypt", "Encrypt", "ReEncrypt"], "ap-shanghai")]
    {
        let project = Project::sealed();
        let new = project.another(region);
        let services = project.services_granted(actions);
        let done = Rewrap::new(project.policy(&project.key))
            .recipient(project.key.clone())
            .recipient(new.clone())
            .rewrap(&project.pair(), &services)
            .unwrap();
        let expected = [(project.key.clone(), HowWrapped::Already), (new.clone(), HowWrapped::Wrapped)];
        assert_eq!(done.recipients(), expected);
        assert!(project.opens(&new, &services) && project.opens(&project.key, &services));
    }
}

#[test]
fn the_command_rewraps_for_the_policy_file_and_reports_it() {
    let project = Project::sealed();
    let new = project.another(REGION);
    let old = project.key.to_string();
    let rules = format!("[[rule]]\nfiles = \"**\"\nrecipients = [\"{new}\"]\n");
    project.sandbox.write(".envconf.toml", rules);
    let before = project.files();

    // If trust is set, --yes does not accept another key.
    for arguments in [&["rewrap", "app", "--trust", &old][..], &["rewrap", "app", "--trust", &old, "--yes"]] {
        let (status, report) = project.refused(arguments);
        assert_eq!(status, 61, "{report}");
        assert_eq!(project.files(), before);
    }
    let plan = project.told(&["rewrap", "app", "--trust", &old, "--dry-run", "--json"]);
    assert!(plan.contains(&new.to_string()), "{plan}");

    let done = project.told(&["rewrap", "app", "--trust", &old, "-r", &new.to_string(), "--json"]);
    let done: Value = serde_json::from_str(&done).unwrap();
    let done = &done["pairs"][0];
    assert_eq!(done["recipients"], json!([{"recipient": new.to_string(), "how": "moved", "proved": true}]));
    assert_eq!((&done["removed"], &done["written"]), (&json!([old]), &json!(true)));

    let again = project.run(&["updatekeys", "app", "--trust", &new.to_string()]);
    assert!(String::from_utf8(again.stderr).unwrap().starts_with("Unchanged: "));
    // Sealing again for the same recipients keeps the data key and the moved wrapped key.
    project.sandbox.write("app.toml", "port = 2\n");
    let sealed = project.told(&["seal", "app.toml", "--trust", &new.to_string(), "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&sealed).unwrap()["data_key"], "kept");
}

#[test]
fn local_keys_are_rewrapped_without_any_service() {
    let sandbox = Sandbox::new();
    let (old, new) = (LocalKey::generate().unwrap(), LocalKey::generate().unwrap());
    let services = KeyServices::none().local_key(old.clone()).local_key(new.clone());
    let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Raw);
    let seal = seal.recipient(old.key_ref().clone());
    let (enc, key) = seal.seal_bytes(b"content", &services).unwrap();
    let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
    let rewrap = Rewrap::new(policy.clone()).recipient(new.key_ref().clone());
    let (rewrapped, done) = rewrap.rewrap_bytes(&enc, &key, &services).unwrap();
    assert!(done.is_written());
    let only_new = KeyServices::none().local_key(new);
    assert_eq!(
        envconf::pair::open_bytes(&enc, &rewrapped, &policy, &only_new).unwrap().content(),
        b"content"
    );
    let only_old = KeyServices::none().local_key(old);
    assert!(envconf::pair::open_bytes(&enc, &rewrapped, &policy, &only_old).is_err());
    drop(sandbox);
}

#[test]
fn sections_of_other_data_keys_stay_as_they_are() {
    let (old, new) = (LocalKey::generate().unwrap(), LocalKey::generate().unwrap());
    let services = KeyServices::none().local_key(old.clone()).local_key(new.clone());
    let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Raw);
    let seal = seal.recipient(old.key_ref().clone());
    let (enc, key) = seal.seal_bytes(b"content", &services).unwrap();
    let (other_enc, other) = seal.seal_bytes(b"other", &services).unwrap();
    let both =
        [&key[..key.len() - "end\n".len()], &other["envconf/v1 key\nname: app\nenv: default\n".len()..]]
            .concat();
    let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
    let rewrap = Rewrap::new(policy.clone()).recipient(new.key_ref().clone());
    let (rewrapped, _) = rewrap.rewrap_bytes(&enc, &both, &services).unwrap();
    let only_new = KeyServices::none().local_key(new);
    assert!(envconf::pair::open_bytes(&enc, &rewrapped, &policy, &only_new).is_ok());
    let only_old = KeyServices::none().local_key(old);
    assert!(envconf::pair::open_bytes(&other_enc, &rewrapped, &policy, &only_old).is_ok());
}

/// A failed rewrap does not change the pair.
#[test]
fn a_rewrap_that_fails_writes_nothing() {
    type Prepare = fn(&Project, &KeyRef);
    let cases: [(&str, Prepare, i32); 7] = [
        ("the service fails", |project, _| project.fail(), 41),
        (
            "the new key is disabled",
            |project, new| {
                project.kms.set_state(REGION, new.key_id(), KeyState::Disabled);
            },
            42,
        ),
        (
            "a recipient was added to the .key",
            |project, _| {
                let text = fs::read_to_string(project.pair().key()).unwrap();
                let forged = text.replacen(
                    "recipient:",
                    "recipient: local - 0000000000000000\nblob: AAAA\nrecipient:",
                    1,
                );
                fs::write(project.pair().key(), forged).unwrap();
            },
            30,
        ),
        (
            "the reply names another source key",
            |project, _| {
                project.kms.next(Reply::Delay(Duration::ZERO));
                project.kms.next(Reply::edit(|answer| answer["Response"]["SourceKeyId"] = "x".into()));
                // Then the data key is wrapped. That answer also names another key.
                project.kms.next(Reply::WrongKeyId);
            },
            40,
        ),
        (
            "the moved wrapped key has another data key",
            |project, _| {
                project.kms.next(Reply::Delay(Duration::ZERO));
                project.kms.next(Reply::Delay(Duration::ZERO));
                project.kms.next(Reply::edit(|answer| {
                    answer["Response"]["Plaintext"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
                }));
            },
            1,
        ),
        (
            "the moved wrapped key cannot be unwrapped",
            |project, _| {
                project.kms.next(Reply::Delay(Duration::ZERO));
                project
                    .kms
                    .next(Reply::edit(|answer| answer["Response"]["CiphertextBlob"] = "broken".into()));
            },
            40,
        ),
        (
            "the directory is read-only",
            |project, _| {
                let directory = project.pair().directory().to_owned();
                fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
            },
            11,
        ),
    ];
    for (what, prepare, code) in cases {
        let project = Project::sealed();
        let new = project.another(REGION);
        prepare(&project, &new);
        let before = project.files();
        let rewrap = Rewrap::new(project.policy(&project.key)).recipient(new);
        let services = match code {
            41 => project.services().deadline(SHORT),
            _ => project.services(),
        };
        let result = rewrap.rewrap(&project.pair(), &services);
        let directory = project.pair().directory().to_owned();
        fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        match result {
            Err(error) => assert_eq!(i32::from(error.exit_code()), code, "{what}: {error}"),
            // Root can write to a read-only directory.
            Ok(_) => assert_eq!(code, 11, "{what}"),
        }
        if code != 11 {
            assert_eq!(project.files(), before, "{what}");
        }
        assert_eq!(fs::read_dir(directory).unwrap().count(), 2, "{what}: no temporary files remain");
    }
}

// Pitfall 4.
#[test]
fn a_new_recipient_that_cannot_be_checked_is_reported() {
    let project = Project::sealed();
    let (new, services) = (project.another(REGION), project.services());
    project.kms.next(Reply::Delay(Duration::ZERO));
    project.kms.next(Reply::Delay(Duration::ZERO));
    project.kms.next(Reply::error("UnauthorizedOperation", "no"));
    let rewrap = Rewrap::new(project.policy(&project.key)).recipient(new.clone());
    let done = rewrap.rewrap(&project.pair(), &services).unwrap();
    assert_eq!(done.unproved(), std::slice::from_ref(&new));
    assert!(project.opens(&new, &services));
}

#[test]
fn the_error_has_the_fault_of_the_service() {
    let project = Project::new();
    project.fail();
    let services = project.services().deadline(SHORT);
    let error = services.list_keys(&place(), false).unwrap_err();
    assert_eq!((error.attempts()[0].fault(), error.exit_code()), (Fault::Transient, 41));
    assert!(project.kms.requests().len() > 1);
    assert!(error.to_string().starts_with("the keys were not listed\n  tencent:ap-guangzhou:*: "), "{error}");
}

/// The error text of the service is never printed.
#[test]
fn a_reply_that_is_an_error_leaks_nothing() {
    const CANARY: &str = "canary-3f9a";
    let project = Project::sealed();
    let key = project.key.to_string();
    for arguments in [
        &["keys", "list", "tencent:ap-guangzhou"][..],
        &["keys", "create", "tencent:ap-guangzhou", "--alias", "a"],
        &["keys", "describe", &key],
        &["keys", "rotation", &key, "--json"],
        &["keys", "describe", "tencent:ap-guangzhou:alias/a"],
        &["rewrap", "app", "--trust", &key, "-r", "tencent:ap-guangzhou:1"],
    ] {
        let garbled = format!(r#"{{"Response":{{"KeyMetadatas":[{{"Alias":"{CANARY}"}}],"TotalCount":1,"#)
            + &format!(
                r#""KeyMetadata":{{"KeyId":"{CANARY}"}},"KeyId":"{CANARY} ","Plaintext":"{CANARY}"}}}}"#
            );
        for reply in [Reply::error("FailedOperation.Odd", CANARY), Reply::json(&garbled)] {
            project.kms.next(reply);
            let output = project.run(arguments);
            assert!(!output.status.success(), "{arguments:?}");
            for stream in [output.stdout, output.stderr] {
                let text = String::from_utf8(stream).unwrap();
                assert!(!text.contains(CANARY), "{arguments:?}: {text}");
            }
        }
    }
}

#[test]
fn a_slow_command_shows_its_progress_on_a_terminal() {
    let project = Project::sealed();
    let key = project.key.to_string();
    project.sandbox.write("other.toml", "port = 2\n");
    project.told(&["seal", "other.toml", "-r", &key]);
    (0..2).for_each(|_| project.kms.next(Reply::Delay(Duration::from_millis(1800))));
    let python = Python::with_requirements(
        env!("CARGO_TARGET_TMPDIR"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/sdk/requirements.txt"),
    );
    let output = python
        .command(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/sdk/terminal.py"))
        .args(["", ENVCONF, "rotate", "app", "other", "--trust", &key])
        .current_dir(project.sandbox.root())
        .env("HOME", project.sandbox.root())
        .envs(project.kms.variables())
        .output()
        .unwrap();
    let terminal = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{terminal}");
    assert!(terminal.contains("\r[") && terminal.contains("] 0 of 2"), "{terminal}");
    assert_eq!(terminal.matches(" (generation 2)").count(), 2, "{terminal}");
    // Without a terminal, there is no progress.
    (0..2).for_each(|_| project.kms.next(Reply::Delay(Duration::from_millis(1800))));
    let output = project.run(&["rotate", "app", "other", "--trust", &key]);
    assert!(!String::from_utf8(output.stderr).unwrap().contains(" of 2"));
}
