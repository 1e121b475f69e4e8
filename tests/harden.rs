//! Tests of `harden` in a child process of this program.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/mod.rs"]
mod common;

use std::process::Command;

use common::Project;
use envconf::process::Measure;
use envconf::{EncryptedConfig, SecretString, harden};
use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit};

const STARTED: &str = "ENVCONF_HARDEN_STARTED";

#[test]
fn a_hardened_process_loads_and_keeps_its_keys_in_memory() {
    let child = std::env::current_exe().unwrap();
    let output = Command::new(child).args(["child", "--exact"]).env(STARTED, "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn child() {
    #[derive(EncryptedConfig)]
    #[envconf(name = "app")]
    struct App {
        #[expect(dead_code, reason = "the test only loads it")]
        token: SecretString,
    }

    if std::env::var_os(STARTED).is_none() {
        return;
    }
    assert_ne!(
        dumpable_behavior().unwrap(),
        DumpableBehavior::NotDumpable,
        "the process is not hardened yet"
    );
    let before = getrlimit(Resource::Core);
    let hardened = harden();
    assert_eq!((hardened.core_dumps(), hardened.dumpable()), (Measure::Taken, Measure::Taken));
    assert_eq!(
        getrlimit(Resource::Core),
        Rlimit { current: Some(0), ..before },
        "a child may raise the limit again"
    );
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    assert!(std::ptr::eq(hardened, harden()), "the second call returns the same result");

    let project = Project::toml("token = 'x'");
    project.loader::<App>(&[]).load().unwrap();
    // In a container without the permission to lock memory, the keys stay in normal memory.
    assert_eq!(locked() > 0, hardened.keys() == Measure::Taken, "{hardened}");
}

/// Returns the size of this process's locked memory in KiB.
fn locked() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
