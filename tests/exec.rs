//! Tests of the environment that `exec` passes to a command, and of the output of `export`, which the real programs
//! read.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use envconf::tools::ExportOptions;
use envconf::tools::refused_names::NameCategory;
use envconf::{ContentType, KeyServices, Kind, LocalKey, Pair, Policy, Seal};
use envconf_test_support::{Python, Sandbox};
use proptest::prelude::*;
use serde_json::{Value, json};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");

/// A directory with a local key and a pair `app`.
struct Project {
    sandbox: Sandbox,
    key: LocalKey,
}

impl Project {
    fn sealed(content_type: ContentType, content: &[u8]) -> Self {
        let project = Self { sandbox: Sandbox::new(), key: LocalKey::generate().unwrap() };
        project.sandbox.own_key(&project.key.expose_text());
        project.seal(content_type, content);
        project
    }

    fn seal(&self, content_type: ContentType, content: &[u8]) {
        let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(self.sandbox.root(), &name, &environment);
        Seal::new(name, environment, content_type)
            .recipient(self.key.key_ref().clone())
            .seal(&pair, content, &KeyServices::none().local_key(self.key.clone()))
            .unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(ENVCONF);
        command.args(arguments);
        command
    }

    /// Runs the command, which must succeed without messages, and returns its standard output.
    fn told(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
        output.stdout
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Parses the output of `env -0`.
fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(bytes).unwrap();
    let entries = text.split_terminator('\0').map(|entry| entry.split_once('=').unwrap());
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_child_has_the_old_environment_and_the_configuration() {
    let project = Project::sealed(ContentType::Toml, b"port = 1\n[database]\nurl = \"a\\nb\"\n");
    let (directory, key) = (project.sandbox.root(), project.key.expose_text());
    project.sandbox.write_mode("key", key.as_str(), 0o600);
    let by: [(&str, String); 3] = [
        ("ENVCONF_KEY", key.to_string()),
        ("ENVCONF_KEY_FILE", directory.join("key").to_string_lossy().into_owned()),
        ("ENVCONF_KEY_CMD", format!("cat '{}'", directory.join("key").display())),
    ];
    for (name, value) in by {
        let mut command = project.command(&["exec", "app", "--env-prefix", "APP", "--", "env", "-0"]);
        let output =
            command.env(name, &value).env("OTHER", "x").env("ENVCONF_ENV", "default").output().unwrap();
        let found = variables(&output.stdout);
        assert_eq!(found["APP__DATABASE__URL"], "a\nb");
        assert_eq!((found["APP__PORT"].as_str(), found["OTHER"].as_str()), ("1", "x"));
        assert!(found.keys().all(|name| !name.starts_with("ENVCONF_KEY")), "{name}: {:?}", found.keys());
        assert_eq!(found["ENVCONF_ENV"], "default");

        let mut command = project.command(&["exec", "app", "--pristine", "--", "env", "-0"]);
        let output = command.env(name, &value).output().unwrap();
        let names: Vec<_> = variables(&output.stdout).into_keys().collect();
        assert_eq!(names, ["DATABASE__URL", "PORT"], "{}", said(&output));
    }
}

#[test]
fn existing_variables_stay_without_override() {
    let project = Project::sealed(ContentType::Dotenv, b"A=canary-1\nB=canary-2\nC=3\n");
    let run = |more: &[&str]| {
        let arguments = [&["exec", "app"], more, &["--", "env", "-0"]].concat();
        let output = project.command(&arguments).env("A", "own").env("B", "canary-2").output().unwrap();
        (variables(&output.stdout), said(&output))
    };
    let (found, said) = run(&[]);
    assert_eq!((found["A"].as_str(), found["B"].as_str(), found["C"].as_str()), ("own", "canary-2", "3"));
    assert_eq!(said, "warning: kept variables that are set already: A\nhint: replace them with --override\n");
    let (found, said) = run(&["--override"]);
    assert_eq!((found["A"].as_str(), said.as_str()), ("canary-1", ""));
    assert_eq!(run(&["--quiet"]).1, "");
}

#[test]
fn the_command_determines_exit_code_and_signals() {
    let project = Project::sealed(ContentType::Toml, b"a = 1\n");
    for code in [0, 3, 42, 255] {
        let script = format!("exit {code}");
        let output = project.command(&["exec", "app", "--", "sh", "-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert!(output.stderr.is_empty());
    }
    // The command replaces envconf: it has the same process id, and receives signals itself.
    let script = "echo $$; exec sleep 600";
    let mut child =
        project.command(&["exec", "app", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), child.id().to_string());
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    // A broken pipe ends the command, as without envconf.
    let script = "trap '' 13 2>/dev/null; trap - 13; kill -13 $$";
    let output = project.command(&["exec", "app", "--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.signal(), Some(13));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_in_memory_has_the_sealed_content_and_cannot_be_changed() {
    let bytes: Vec<u8> = (0..=255).collect();
    let project = Project::sealed(ContentType::Raw, &bytes);
    assert_eq!(project.told(&["exec", "app", "--file", "--", "cat", "{}"]), bytes);
    let script = "cmp \"$1\" \"$2\" && echo \"$3\"";
    let run = ["exec", "app", "--file", "--", "sh", "-c", script, "x", "{}", "{}", "--c={}"];
    let told = String::from_utf8(project.told(&run)).unwrap();
    assert!(told.starts_with("--c=/proc/self/fd/"), "{told}");
    let write = "(echo x >\"$1\") 2>/dev/null || (echo x >>\"$1\") 2>/dev/null || cat \"$1\"";
    assert_eq!(project.told(&["exec", "app", "--file", "--", "sh", "-c", write, "x", "{}"]), bytes);
    let link = project.told(&["exec", "app", "--file", "--", "readlink", "{}"]);
    assert_eq!(String::from_utf8(link).unwrap(), "/memfd:envconf (deleted)\n");
    let names = project.told(&["exec", "app", "--file", "--", "env", "-0", "A={}"]);
    let names: Vec<_> = variables(&names).into_keys().filter(|name| name != "A").collect();
    assert_eq!(names, ["ENVCONF_HOME", "HOME", "PATH"]);
    assert_eq!(project.sandbox.snapshot().len(), 2, "files remain on disk");
}

// Pitfall 22.
#[test]
fn nothing_runs_if_the_pair_does_not_open_or_a_name_is_refused() {
    let project = Project::sealed(ContentType::Dotenv, b"LD_PRELOAD=/x.so\nA=canary\n");
    let marker = project.sandbox.path("ran").to_string_lossy().into_owned();
    let touch = ["--", "touch", &marker];
    let refused = |arguments: &[&str], code: i32| {
        let output = project.command(&[&["exec", "app"], arguments, &touch].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(!Path::new(&marker).exists() && !said(&output).contains("canary"), "{}", said(&output));
        said(&output)
    };
    let told = refused(&[], 20);
    assert!(told.contains("LD_PRELOAD") && told.contains("--allow"), "{told}");
    refused(&["--allow", "LD_PRELOADED"], 20);
    refused(&["--allow", "PRELOAD"], 2);
    refused(&["--json"], 20);
    refused(&["--trust", "tencent:ap-x:1"], 34);
    // The value is not a library: the loader prints a warning and continues.
    let output = project.command(&[&["exec", "app", "--allow", "LD_PRELOAD"], &touch[..]].concat()).output();
    assert!(output.unwrap().status.success() && Path::new(&marker).exists());
}

/// Returns a name that matches the entry.
fn name_of(entry: &str) -> String {
    entry.replace('*', "X")
}

#[test]
fn each_category_is_refused_and_can_be_allowed() {
    for category in NameCategory::ALL {
        let names: Vec<String> = category.entries().map(name_of).collect();
        let content: String = names.iter().map(|name| format!("{name}=canary\n")).collect();
        let project = Project::sealed(ContentType::Dotenv, content.as_bytes());
        for verb in [&["exec", "app", "--", "true"][..], &["export", "app"]] {
            let output = project.command(verb).output().unwrap();
            assert_eq!((output.status.code(), output.stdout.len()), (Some(20), 0), "{category}");
            let said = said(&output);
            let listed = |name: &String| said.contains(&format!(" {name} ({category})"));
            assert!(names.iter().all(listed) && !said.contains("canary"), "{category}: {said}");
        }
        let arguments = ["exec", "app", "--pristine", "--allow", category.name(), "--", "/usr/bin/env", "-0"];
        // Values such as LD_DEBUG=canary make loaders print warnings. Only the environment matters here.
        let output = project.command(&arguments).output().unwrap();
        let found = variables(&output.stdout);
        for name in &names {
            assert_eq!(found.get(name).map(String::as_str), Some("canary"), "{name}: {}", said(&output));
        }
        assert_eq!(found.len(), names.len(), "{category}");
    }
}

#[test]
fn a_name_is_refused_in_any_case_and_allowed_in_one_spelling() {
    for name in ["http_proxy", "Path", "gnumakeflags", "Aws_Secret_Access_Key", "npm_config_node_options"] {
        let project = Project::sealed(ContentType::Dotenv, format!("{name}=canary\nA=1\n").as_bytes());
        let output = project.command(&["exec", "app", "--", "env", "-0"]).output().unwrap();
        assert_eq!(output.status.code(), Some(20), "{name}");
        assert!(said(&output).contains(name) && !said(&output).contains("canary"), "{}", said(&output));
        let told = project.told(&["exec", "app", "--pristine", "--allow", name, "--", "/usr/bin/env", "-0"]);
        assert_eq!(variables(&told)[name], "canary");
    }
    // For TOML content, the name is in upper case.
    let project = Project::sealed(ContentType::Toml, b"gnumakeflags = 'canary'\n");
    let output = project.command(&["exec", "app", "--", "true"]).output().unwrap();
    assert!(said(&output).contains("GNUMAKEFLAGS (build-tool)"), "{}", said(&output));
}

#[test]
fn envconf_keys_are_always_removed_and_cloud_credentials_on_request() {
    let project = Project::sealed(ContentType::Dotenv, b"AWS_REGION=sealed\nENVCONF_KEY_FILE=sealed\nA=1\n");
    let inherited = [
        ("AWS_REGION", "inherited"),
        ("AWS_SECRET_ACCESS_KEY", "inherited"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "inherited"),
        ("KUBECONFIG", "inherited"),
        ("TENCENTCLOUD_SECRET_KEY", "inherited"),
        ("VAULT_TOKEN", "inherited"),
        ("SSL_CERT_FILE", "inherited"),
        ("GITHUB_TOKEN", "inherited"),
    ];
    let key = project.key.expose_text();
    let run = |more: &[&str]| {
        let allow = ["--allow", "cloud-credentials,envconf"];
        let arguments = [&["exec", "app"], &allow[..], more, &["--", "/usr/bin/env", "-0"]].concat();
        let mut command = project.command(&arguments);
        command.env("ENVCONF_KEY", key.as_str()).env("ENVCONF_TRUST", "local").envs(inherited);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let mut found = variables(&output.stdout);
        assert!(found.keys().all(|name| !name.starts_with("ENVCONF_KEY")), "{:?}", found.keys());
        found.retain(|name, _| !["ENVCONF_HOME", "HOME", "PATH"].contains(&name.as_str()));
        (found.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(), said(&output))
    };
    let kept: Vec<_> = inherited.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (found, said) = run(&[]);
    assert!(kept.iter().all(|variable| found.contains(variable)), "{found:?}");
    assert_eq!(
        said,
        "warning: kept variables that are set already: AWS_REGION\nhint: replace them with --override\n"
    );
    // Without an inherited variable, the sealed value is used.
    let expected = [
        "A=1",
        "AWS_REGION=sealed",
        "ENVCONF_TRUST=local",
        "GITHUB_TOKEN=inherited",
        "SSL_CERT_FILE=inherited",
    ];
    assert_eq!(run(&["--drop-credentials"]), (expected.map(str::to_owned).to_vec(), String::new()));
    assert_eq!(run(&["--drop-credentials", "--pristine"]).0, ["A=1", "AWS_REGION=sealed"]);
    #[cfg(target_os = "linux")]
    {
        let mut command =
            project.command(&["exec", "app", "--file", "--drop-credentials", "--", "env", "-0", "X={}"]);
        let output = command.env("ENVCONF_KEY", key.as_str()).envs(inherited).output().unwrap();
        let found: Vec<_> = variables(&output.stdout).into_keys().collect();
        assert_eq!(
            found,
            ["ENVCONF_HOME", "GITHUB_TOKEN", "HOME", "PATH", "SSL_CERT_FILE", "X"],
            "{}",
            self::said(&output)
        );
    }
}

/// An attacker without a key commits plain layers, and a developer pulls them and runs a command.
#[test]
fn a_committed_plain_layer_adds_no_environment_variable() {
    const HOSTILE: &str = "gnumakeflags = \"--eval=$(shell touch ran)canary\"\nps4 = \"$(touch ran)canary\"\n\
        http_proxy = \"canary\"\nPath = \"canary\"\nLd_Preload = \"canary\"\nbashEnv = \"canary\"\nharmless = \"canary\"\n\
        token = \"canary\"\n[aws]\nsecret = \"canary\"\n";
    let project = Project::sealed(ContentType::Toml, b"token = 'secret'\n");
    let sandbox = &project.sandbox;
    let run = |umask: &str, directory: &str, words: &[&str]| {
        let mut command = sandbox.command("sh");
        command.args(["-c", "umask $0; exec \"$@\"", umask]).args(words).current_dir(sandbox.path(directory));
        command
    };
    let git = |umask: &str, directory: &str, words: &[&str]| {
        let identity = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"];
        let output = run(umask, directory, &[&identity, words].concat()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
    };
    let key = sandbox.write_mode("key", project.key.expose_text().as_str(), 0o600);
    let trusted = project.key.key_ref().to_string();
    git("022", ".", &["init", "--quiet", "--bare", "--initial-branch=main", "origin"]);
    git("022", ".", &["clone", "--quiet", "origin", "evil"]);
    for file in ["app.conf.enc", "app.conf.key"] {
        sandbox.write(&format!("evil/{file}"), sandbox.read(file));
    }
    let publish = |message: &str| {
        git("022", "evil", &["add", "--all"]);
        git("022", "evil", &["commit", "--quiet", "--message", message]);
        git("022", "evil", &["push", "--quiet", "origin", "HEAD:main"]);
    };
    git("022", "evil", &["checkout", "--quiet", "-b", "main"]);
    publish("honest");
    let umasks = ["022", "027", "077"];
    for umask in umasks {
        git(umask, ".", &["clone", "--quiet", "origin", &format!("dev{umask}")]);
    }
    sandbox.write("evil/app.defaults.toml", HOSTILE);
    sandbox.write("evil/Makefile", "all:\n\t@echo \"$$TOKEN\"\n");
    publish("hostile");
    for (umask, trust) in umasks.into_iter().flat_map(|umask| [(umask, false), (umask, true)]) {
        let dev = format!("dev{umask}");
        git(umask, &dev, &["pull", "--quiet"]);
        let envconf = |words: &[&str]| {
            let mut command = run(umask, &dev, &[&[ENVCONF], words].concat());
            command.env("ENVCONF_KEY_FILE", &key);
            if trust {
                command.env("ENVCONF_TRUST", &trusted);
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
            assert!(!said(&output).contains("canary"), "{}", said(&output));
            assert!(!String::from_utf8_lossy(&output.stdout).contains("canary"));
            assert!(!sandbox.exists(&format!("{dev}/ran")), "{words:?} ran code");
            output
        };
        let output = envconf(&["exec", "app", "--pristine", "--", "/usr/bin/env", "-0"]);
        assert_eq!(variables(&output.stdout), BTreeMap::from([("TOKEN".to_owned(), "secret".to_owned())]));
        assert_eq!(
            said(&output),
            "warning: left out these keys of plain layers: \
             Ld_Preload Path aws.secret bashEnv gnumakeflags harmless http_proxy ps4\n\
             hint: add them with --env-prefix PREFIX, or seal them\n"
        );
        assert_eq!(envconf(&["exec", "app", "--", "sh", "-xc", ":"]).stdout, b"");
        if let Ok(make) = Command::new("make").arg("--version").output() {
            assert!(make.status.success());
            assert_eq!(envconf(&["exec", "app", "--", "make"]).stdout, b"secret\n");
        }
        assert_eq!(envconf(&["export", "app"]).stdout, b"TOKEN=secret\n");

        // The library has the same result.
        let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(sandbox.path(&dev), &name, &environment);
        let mut policy = Policy::new(name, environment);
        if trust {
            policy = policy.trust([trusted.parse().unwrap()]);
        }
        let services = KeyServices::none().local_key(project.key.clone());
        let exported = envconf::tools::export(&pair, &policy, &services, &ExportOptions::new()).unwrap();
        let names: Vec<_> = exported.variables().iter().map(|variable| variable.name()).collect();
        let left_out: Vec<_> = exported.left_out().iter().map(|key| key.path()).collect();
        assert_eq!(names, ["TOKEN"]);
        let expected =
            ["Ld_Preload", "Path", "aws.secret", "bashEnv", "gnumakeflags", "harmless", "http_proxy", "ps4"];
        assert_eq!(left_out, expected);
        assert!(!format!("{exported:?}").contains("canary"));
        let prefixed = ExportOptions::new().env_prefix("APP");
        let exported = envconf::tools::export(&pair, &policy, &services, &prefixed).unwrap();
        assert!(exported.variables().iter().all(|variable| variable.name().starts_with("APP__")));
        assert_eq!((exported.variables().len(), exported.left_out().len()), (9, 0));
    }
}

#[test]
fn the_library_refuses_the_same_names() {
    let project = Project::sealed(ContentType::Dotenv, b"LD_PRELOAD=canary\nAWS_REGION=canary\nA=1\n");
    let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
    let pair = Pair::new(project.sandbox.root(), &name, &environment);
    let policy = Policy::new(name, environment);
    let services = KeyServices::none().local_key(project.key.clone());
    let export = |allowed: &[&str]| {
        let allowed = allowed.iter().map(|name| name.parse().unwrap());
        envconf::tools::export(&pair, &policy, &services, &ExportOptions::new().allow(allowed))
    };
    let error = export(&["cloud-credentials"]).unwrap_err();
    assert_eq!(error.kind(), Kind::DoesNotFit);
    assert!(
        error.message().contains("LD_PRELOAD (loader)") && !error.message().contains("AWS_REGION"),
        "{error}"
    );
    assert!(!export(&[]).unwrap_err().to_string().contains("canary"));
    assert_eq!(export(&["AWS_*", "LD_PRELOAD"]).unwrap().variables().len(), 3);
}

/// Generates a configuration of names and texts.
fn any_variables() -> impl Strategy<Value = BTreeMap<String, String>> {
    let value = prop_oneof!["[ -~]{0,12}", "[^\\x00]{0,8}", "['\"\\\\$`\n\r\t #!-]{0,8}"];
    proptest::collection::btree_map("T_[A-Z0-9_]{0,4}|[NY]O?", value, 0..6)
}

fn json_project(variables: &BTreeMap<String, String>) -> Project {
    Project::sealed(ContentType::Json, json!(variables).to_string().as_bytes())
}

/// Returns the variables in `found` that the configuration has.
fn of(found: BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    found.into_iter().filter(|(name, _)| wanted.contains_key(name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A real shell evaluates the exported text to the same bytes, a real JSON parser reads them, and `exec` sets them.
    #[test]
    fn every_reader_gets_the_same_bytes(variables_ in any_variables()) {
        let project = json_project(&variables_);
        let exec = project.told(&["exec", "app", "--", "env", "-0"]);
        prop_assert_eq!(&of(variables(&exec), &variables_), &variables_);

        let script = project.told(&["export", "app", "--format", "shell"]);
        let mut shell = project.sandbox.command("sh");
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&[&script[..], b"exec env -0\n"].concat()).unwrap();
        let output = child.wait_with_output().unwrap();
        prop_assert_eq!(&of(variables(&output.stdout), &variables_), &variables_);

        let text = project.told(&["export", "app", "--format", "json"]);
        prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), json!(variables_));
    }
}

#[test]
fn a_kubernetes_secret_is_yaml_with_the_same_bytes() {
    let variables = BTreeMap::from([
        ("NO".to_owned(), "1e3".to_owned()),
        ("Y".to_owned(), "true".to_owned()),
        ("TEXT".to_owned(), "a'\"\\\n: #é".to_owned()),
        ("EMPTY".to_owned(), String::new()),
    ]);
    let project = json_project(&variables);
    project.sandbox.write("requirements.txt", "PyYAML==6.0.2\n");
    project.sandbox.write(
        "read.py",
        "import base64, json, sys, yaml\n\
         secret = yaml.safe_load(sys.stdin)\n\
         secret['data'] = {k: base64.b64decode(v, validate=True).decode() for k, v in secret['data'].items()}\n\
         print(json.dumps(secret))\n",
    );
    let python =
        Python::with_requirements(env!("CARGO_TARGET_TMPDIR"), project.sandbox.path("requirements.txt"));
    let read = |text: &[u8]| {
        let mut command = python.command(project.sandbox.path("read.py"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let manifest = |more: &[&str]| {
        read(&project.told(&[&["export", "app", "--format", "kubernetes"][..], more].concat()))
    };
    let expected = |metadata: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": variables,
        })
    };
    assert_eq!(manifest(&[]), expected(json!({ "name": "app" })));
    let named = manifest(&["--secret-name", "1e3", "--namespace", "null"]);
    assert_eq!(named, expected(json!({ "name": "1e3", "namespace": "null" })));
    let none = json_project(&BTreeMap::new());
    assert_eq!(read(&none.told(&["export", "app", "--format", "kubernetes"]))["data"], json!({}));
}
