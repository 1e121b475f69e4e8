//! Tests of the effects of a watch on its process: signals and threads. Each test runs in a separate process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Project, TencentProject, variables_of};
use envconf::load::WatchOptions;
use envconf::{ContentType, EncryptedConfig, KeyServices, Seal};
use envconf_test_support::Reply;

const LONG: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Time in which a watch reacts to a change or a signal.
const A_WHILE: Duration = Duration::from_millis(700);

#[derive(EncryptedConfig)]
#[envconf(name = "app")]
struct App {
    n: u32,
    #[envconf(default = 1)]
    workers: u32,
}

fn hasty() -> WatchOptions {
    WatchOptions::new().debounce(Duration::from_millis(50)).poll_interval(Duration::from_millis(50))
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs this test in a separate process.
fn alone(name: &str) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name]).env("ENVCONF_TEST_ALONE", "1");
    assert!(child.status().unwrap().success());
}

#[test]
fn sighup_makes_the_watch_check_if_enabled() {
    let name = "sighup_makes_the_watch_check_if_enabled";
    if std::env::var_os("ENVCONF_TEST_ALONE").is_none() {
        return alone(name);
    }
    let hang_up = || {
        let kill = format!("kill -HUP {}", std::process::id());
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    };
    let project = TencentProject::toml("n = 1\n");
    let options = WatchOptions::new().poll_only().poll_interval(HOUR).debounce(Duration::from_millis(50));
    let loader = project.loader::<App>(&[]).deadline(Duration::from_secs(1));
    let watch = loader.watch_options(options.on_sighup()).watch().unwrap();
    let again = |content: &str| {
        let services = KeyServices::from_given(variables_of(&project.kms, &project.project.sandbox)).unwrap();
        let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml);
        let seal = seal.recipient(project.key.clone());
        seal.seal(&project.project.pair("default"), content.as_bytes(), &services).unwrap();
    };
    std::thread::sleep(A_WHILE); // the watch checks once at its start
    again("n = 2\n");
    assert!(watch.wait(A_WHILE).is_none(), "without a signal, the watch must not check");
    let asked = project.kms.requests().len();
    hang_up();
    assert_eq!(watch.wait(LONG).unwrap().n, 2);
    hang_up();
    std::thread::sleep(A_WHILE);
    assert_eq!(project.kms.requests().len(), asked + 1, "unchanged files must need no request");
    drop(watch);
    hang_up();
    std::thread::sleep(A_WHILE); // and the process continues
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    fn threads(prefix: &str) -> usize {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let name =
            |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("comm")).ok();
        tasks.filter_map(name).filter(|name| name.starts_with(prefix)).count()
    }
    if std::env::var_os("ENVCONF_TEST_ALONE").is_none() {
        return alone("the_thread_ends_with_the_last_handle");
    }
    let project = Project::toml("n = 1\n");
    let handle = project.loader::<App>(&[]).watch_options(hasty().on_sighup()).watch().unwrap();
    let clone = handle.clone();
    drop(handle);
    let services = KeyServices::none().local_key(project.key.clone());
    project.seal("default", ContentType::Toml, b"n = 2\n", &[project.key.key_ref()], &services);
    assert_eq!(clone.wait(LONG).unwrap().n, 2);
    assert_eq!((threads("envconf-watch"), threads("envconf-sighup")), (1, 1));
    drop(clone);
    eventually("the threads end", || threads("envconf-") == 0);

    // The thread also ends while it waits for a slow service.
    let project = TencentProject::toml("n = 1\n");
    let handle = project.loader::<App>(&[]).deadline(HOUR).watch_options(hasty()).watch().unwrap();
    let asked = project.kms.requests().len();
    project.kms.next(Reply::Delay(LONG * 10));
    fs::write(project.project.sandbox.path("config/app.defaults.toml"), "workers = 2\n").unwrap();
    eventually("the service is asked", || project.kms.requests().len() > asked);
    assert_eq!(handle.current().workers, 1);
    drop(handle);
    eventually("the thread ends", || threads("envconf-watch") == 0);
}
