//! Tests that a full disk or a file size limit never leaves an incomplete file. A command with several files writes all
//! of them or none. The tests set the limit with `ulimit -f`, which every machine has.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Output;

use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const KEY: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";
const CANARY: &str = "kanarienvogel";

/// Creates a pair with content that is larger than the limit of a file.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.own_key(KEY);
    sandbox.write("app.toml", format!("token = \"{CANARY}\"\n# {}\n", "x".repeat(200_000)));
    let sealed = sandbox.command(ENVCONF).args(["seal", "app.toml", "--rm"]).output().unwrap();
    assert!(sealed.status.success(), "{sealed:?}");
    sandbox
}

/// Runs a shell script in which no file can have more than `limit` blocks of 512 bytes.
fn limited(sandbox: &Sandbox, limit: usize, script: &str) -> Output {
    let script = format!("ulimit -f {limit}; {}", script.replace("envconf", ENVCONF));
    sandbox.command("sh").args(["-c", &script]).output().unwrap()
}

#[track_caller]
fn fails(output: &Output, code: i32) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(!told.contains(CANARY), "{told}");
    told
}

#[test]
fn an_output_file_is_complete_or_missing() {
    let sandbox = project();
    sandbox.write("old.toml", "old");
    let before = sandbox.snapshot();
    for limit in [0, 1, 100] {
        for script in [
            "envconf open app -o out.toml",
            "envconf open app -o old.toml --force",
            "envconf export app -o out.env --skip-unnamed",
            "printf other | envconf set app token --value-stdin",
            "envconf rotate app",
            "printf 'a = 1' | envconf seal - --name other --type toml -r local:-:f7e831f2fdbdab2e",
        ] {
            // These files are smaller than the limit.
            if (script.contains("export") || script.contains("seal")) && limit > 0 {
                continue;
            }
            let output = limited(&sandbox, limit, script);
            assert_eq!(output.status.code(), Some(11), "{limit}: {script}: {output:?}");
            assert_eq!(sandbox.snapshot(), before, "{limit}: {script}");
        }
        fails(&limited(&sandbox, limit, "envconf open app -o out.toml"), 11);
        assert_eq!(sandbox.snapshot(), before);
    }
    let written = limited(&sandbox, 1000, "envconf open app -o out.toml");
    assert!(written.status.success(), "{written:?}");
    assert_eq!(sandbox.read("out.toml").len(), 200_000 + 27);
    // An existing file is not replaced, with or without a limit.
    let there = sandbox.snapshot();
    assert!(fails(&limited(&sandbox, 1000, "envconf open app -o out.toml"), 11).contains("--force"));
    assert_eq!(sandbox.snapshot(), there);
}

#[test]
fn a_program_of_exec_gets_the_signal_of_the_limit() {
    let sandbox = Sandbox::new();
    sandbox.own_key(KEY);
    sandbox.write("app.toml", "a = 1\n");
    assert!(sandbox.command(ENVCONF).args(["seal", "app.toml"]).status().unwrap().success());
    let script = "envconf exec app -- sh -c 'printf %4096s x >large; echo survived'; echo $?";
    let output = limited(&sandbox, 1, script);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    // The exit code is 128 plus the number of SIGXFSZ: the program has the default action, unlike envconf.
    assert_eq!(shown.lines().last(), Some("153"), "{output:?}");
}

#[test]
fn keys_are_complete_or_missing_and_init_can_be_repeated() {
    let sandbox = Sandbox::new();
    assert!(sandbox.command("git").args(["init", "-q"]).status().unwrap().success());
    let (before, store) = (sandbox.snapshot(), sandbox.store_snapshot());
    fails(&limited(&sandbox, 0, "envconf init"), 11);
    assert_eq!((sandbox.snapshot(), sandbox.store_snapshot()), (before.clone(), store));
    fails(&limited(&sandbox, 0, "envconf signer new signer"), 11);
    fails(&limited(&sandbox, 0, "envconf keygen key"), 11);
    assert_eq!(sandbox.snapshot(), before);
    let init = sandbox.command(ENVCONF).arg("init").output().unwrap();
    assert!(init.status.success(), "{init:?}");
}

#[test]
fn a_hook_is_installed_completely_or_not_at_all() {
    let sandbox = Sandbox::new();
    assert!(sandbox.command("git").args(["init", "-q"]).status().unwrap().success());
    let hook = ".git/hooks/pre-commit";
    let install = |limit| limited(&sandbox, limit, "envconf hook install");
    let unchanged = |before: &[(&str, Option<Vec<u8>>)]| {
        for (file, bytes) in before {
            let now = sandbox.exists(file).then(|| sandbox.read(file));
            assert!(now == *bytes, "{file}");
        }
        let hooks = std::fs::read_dir(sandbox.path(".git/hooks")).map_or(0, |hooks| {
            hooks
                .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"))
                .count()
        });
        assert_eq!(hooks, 0);
    };
    let state = || -> Vec<(&str, Option<Vec<u8>>)> {
        [hook, ".gitattributes", ".git/config"]
            .map(|file| (file, sandbox.exists(file).then(|| sandbox.read(file))))
            .into()
    };
    let own_hook = "#!/bin/sh\n# mine\nexit 0\n";
    for has_hook in [false, true] {
        if has_hook {
            sandbox.write_mode(hook, own_hook, 0o755);
        }
        let before = state();
        // The hook itself cannot be written.
        fails(&install(0), 11);
        unchanged(&before);
        // `.gitattributes` cannot be written.
        sandbox.write(".gitattributes", format!("# {}\n", "x".repeat(5_000)));
        let before = state();
        fails(&install(4), 11);
        unchanged(&before);
        std::fs::remove_file(sandbox.path(".gitattributes")).unwrap();
        // git's configuration is locked.
        sandbox.write(".git/config.lock", "");
        let before = state();
        assert_ne!(install(10_000).status.code(), Some(0));
        unchanged(&before);
        std::fs::remove_file(sandbox.path(".git/config.lock")).unwrap();
    }
    assert!(install(10_000).status.success());
    assert!(sandbox.read(hook).ends_with(b"# mine\nexit 0\n"));
}
