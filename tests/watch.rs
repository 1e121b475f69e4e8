//! Tests of reload: the requests of a watch to key services, the files that it follows, and the behaviour of its
//! handles. `watch_styles.rs` tests the ways to replace files, and `watch_process.rs` tests signals and threads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use common::{Project, TencentProject, park_on};
use envconf::load::WatchOptions;
use envconf::{ContentType, EncryptedConfig, ExposeSecret, KeyServices, Kind, LocalKey, SecretString, Watch};

const LONG: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Time in which a watch with `hasty` options reacts to a change.
const A_WHILE: Duration = Duration::from_millis(700);

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP", validate = App::judge)]
struct App {
    n: u32,
    #[envconf(default = "")]
    token: SecretString,
    #[envconf(default = 1)]
    workers: u32,
}

impl App {
    fn judge(&self) -> Result<(), &'static str> {
        assert_ne!(self.n, 1313, "a bug in the validation");
        if self.workers < 100 { Ok(()) } else { Err("too many workers") }
    }
}

fn hasty() -> WatchOptions {
    WatchOptions::new().debounce(Duration::from_millis(50)).poll_interval(Duration::from_millis(50))
}

/// Returns options for notices alone: the watch checks the files only every hour.
fn notified() -> WatchOptions {
    WatchOptions::new().debounce(Duration::from_millis(50)).poll_interval(HOUR)
}

fn watch(project: &Project, variables: &[(&str, &str)], options: WatchOptions) -> Watch<App> {
    project.loader::<App>(variables).watch_options(options).watch().unwrap()
}

fn seal(project: &Project, content: &str) {
    let services = KeyServices::none().local_key(project.key.clone());
    project.seal("default", ContentType::Toml, content.as_bytes(), &[project.key.key_ref()], &services);
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

// Pitfall 14.
#[test]
fn no_request_is_sent_if_neither_file_changed() {
    let project = TencentProject::toml("n = 1\n");
    let pair = project.project.pair("default");
    let watch = project.loader::<App>(&[]).watch_options(hasty()).watch().unwrap();
    let asked = project.kms.requests().len();
    let (enc, key) = (pair.read_enc().unwrap(), pair.read_key().unwrap());
    for file in [pair.enc(), pair.key()] {
        let now = std::time::SystemTime::now();
        fs::File::options().write(true).open(file).unwrap().set_modified(now).unwrap();
    }
    std::thread::sleep(A_WHILE);
    fs::write(pair.enc(), &enc).unwrap();
    fs::write(pair.key(), &key).unwrap();
    fs::write(pair.directory().join("other"), "x").unwrap();
    std::thread::sleep(A_WHILE);
    fs::write(pair.directory().join("new"), &enc).unwrap();
    fs::rename(pair.directory().join("new"), pair.enc()).unwrap();
    assert!(watch.wait(A_WHILE).is_none());
    assert_eq!(project.kms.requests().len(), asked);

    // A broken file is rejected once without a request. The old file needs no request, either.
    fs::write(pair.enc(), "broken").unwrap();
    eventually("the version is rejected", || watch.status().refusals() == 1);
    assert_eq!(watch.status().last_refusal().unwrap().kind(), Kind::NotEnvconf);
    fs::write(pair.enc(), &enc).unwrap();
    eventually("the old version is current", || watch.status().is_current());
    std::thread::sleep(A_WHILE);
    assert_eq!((watch.status().refusals(), watch.status().reloads()), (1, 0));
    assert_eq!(project.kms.requests().len(), asked);

    // A changed plain layer needs one request, because the sealed content was not kept.
    fs::write(pair.directory().join("app.defaults.toml"), "workers = 2\n").unwrap();
    assert_eq!(watch.wait(LONG).unwrap().workers, 2);
    assert_eq!(project.kms.requests().len(), asked + 1);
}

#[test]
fn plain_layers_and_files_of_values_are_followed() {
    let project = Project::toml("n = 1\n");
    let token = project.sandbox.write("run/token", "first\n");
    let watch = watch(&project, &[("APP__TOKEN_FILE", token.to_str().unwrap())], notified());
    eventually("the watch receives notices", || watch.status().by_notices());
    assert_eq!(watch.current().token.expose_secret(), "first");
    project.sandbox.write("config/app.defaults.toml", "workers = 2\n");
    assert_eq!(watch.wait(LONG).unwrap().workers, 2);
    project.sandbox.write("run/next", "second\n");
    fs::rename(project.sandbox.path("run/next"), &token).unwrap();
    assert_eq!(watch.wait(LONG).unwrap().token.expose_secret(), "second");
    project.sandbox.write("config/app.defaults.toml", "workers = 100\n");
    eventually("the configuration is rejected", || watch.status().refusals() == 1);
    assert_eq!(watch.current().workers, 2);
    fs::remove_file(project.sandbox.path("config/app.defaults.toml")).unwrap();
    assert_eq!(watch.wait(LONG).unwrap().workers, 1);
}

#[cfg(unix)]
#[test]
fn replaced_directories_are_followed_by_notices() {
    use std::os::unix::fs::symlink;
    let project = Project::toml("n = 1\n");
    let path = |relative: &str| project.sandbox.path(relative);
    // `config` becomes a link into a release, as in many deployments.
    fs::create_dir(path("releases")).unwrap();
    fs::rename(path("config"), path("releases/1")).unwrap();
    symlink("releases/1", path("config")).unwrap();
    let watch = watch(&project, &[], notified());
    eventually("notice is given", || watch.status().by_notices());
    let release = |number: u32| {
        fs::create_dir(path(&format!("releases/{number}"))).unwrap();
        for file in ["app.conf.enc", "app.conf.key"] {
            fs::copy(path("config").join(file), path(&format!("releases/{number}")).join(file)).unwrap();
        }
        symlink(format!("releases/{number}"), path("link")).unwrap();
        fs::rename(path("link"), path("config")).unwrap();
    };
    release(2);
    seal(&project, "n = 2\n");
    assert_eq!(watch.wait(LONG).unwrap().n, 2);
    release(3);
    fs::remove_dir_all(path("releases/2")).unwrap();
    seal(&project, "n = 3\n");
    assert_eq!(watch.wait(LONG).unwrap().n, 3);
    // Another directory with the same name replaces the whole directory.
    fs::remove_file(path("config")).unwrap();
    fs::rename(path("releases/3"), path("config")).unwrap();
    std::thread::sleep(A_WHILE);
    seal(&project, "n = 4\n");
    assert_eq!(watch.wait(LONG).unwrap().n, 4);
}

#[test]
fn a_watch_waits_for_a_deleted_directory() {
    let project = Project::toml("n = 1\n");
    let (config, away) = (project.sandbox.path("config"), project.sandbox.path("away"));
    let watch = watch(&project, &[], WatchOptions::new().debounce(Duration::from_millis(50)));
    eventually("notice is given", || watch.status().by_notices());
    fs::rename(&config, &away).unwrap();
    eventually("the watch receives no notices of the directory", || !watch.status().by_notices());
    assert_eq!(watch.current().n, 1);
    fs::rename(&away, &config).unwrap();
    seal(&project, "n = 2\n");
    assert_eq!(watch.wait(LONG).unwrap().n, 2);
    eventually("the watch receives notices again", || {
        watch.status().by_notices() && watch.status().is_current()
    });
}

#[test]
fn a_reader_and_a_watch_never_fail_during_seals() {
    let project = Project::toml("n = 0\n");
    let second = LocalKey::generate().unwrap();
    let both = KeyServices::none().local_key(project.key.clone()).local_key(second.clone());
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let options = hasty().on_refusal(move |error| tell.lock().unwrap().push(error.to_string()));
    let watch = watch(&project, &[], options);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=30 {
                // Every third seal changes the recipients. Then the data key is new, and both files are rewritten.
                let recipients = [project.key.key_ref(), second.key_ref()];
                let recipients = &recipients[..if n % 3 == 0 { 2 } else { 1 }];
                project.seal(
                    "default",
                    ContentType::Toml,
                    format!("n = {n}\n").as_bytes(),
                    recipients,
                    &both,
                );
                std::thread::sleep(Duration::from_millis(20));
            }
            done.store(true, Ordering::SeqCst);
        });
        let (mut loaded, mut watched) = (0, 0);
        while !done.load(Ordering::SeqCst) {
            let (now, followed) = (project.loader::<App>(&[]).load().unwrap().n, watch.current().n);
            assert!(now >= loaded && followed >= watched, "an older configuration after a newer one");
            (loaded, watched) = (now, followed);
        }
    });
    eventually("the watch loads the last version", || watch.current().n == 30);
    assert_eq!(*told.lock().unwrap(), [""; 0]);
    assert_eq!((watch.status().generation(), watch.status().refusals()), (31, 0));
}

#[cfg(feature = "cli")]
#[test]
fn the_command_seals_while_a_program_runs() {
    let sandbox = envconf_test_support::Sandbox::new();
    let run = |arguments: &[&str]| {
        let output = sandbox.command(env!("CARGO_BIN_EXE_envconf")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["init"]);
    sandbox.write("config/app.toml", "n = 0\n");
    run(&["seal", "config/app.toml"]);
    let stored = fs::read_dir(sandbox.store().join("keys")).unwrap().next().unwrap().unwrap();
    let key = LocalKey::read(&stored.path()).unwrap();
    let loader = App::loader().dir(sandbox.path("config")).local_key(key).variables([("", ""); 0]);
    let watch = loader.watch_options(notified()).watch().unwrap();
    for n in 1..=5 {
        sandbox.write("config/app.toml", format!("n = {n}\n"));
        run(&["seal", "config/app.toml"]);
    }
    eventually("the watch ends at the last", || watch.current().n == 5);
    assert_eq!(watch.status().refusals(), 0);
}

// Pitfall 14.
#[test]
fn an_equal_generation_is_used_and_a_rejection_is_reported_once_without_secrets() {
    let canary = "kanarienvogel";
    let project = Project::toml("n = 1\n");
    let other = Project { sandbox: envconf_test_support::Sandbox::new(), key: project.key.clone() };
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let options = hasty().on_refusal(move |error| {
        tell.lock().unwrap().push(format!("{error} {error:?}"));
        panic!("a bug in the program");
    });
    let watch = watch(&project, &[], options);
    let bring = |content: &str| {
        let _ = fs::remove_dir_all(other.sandbox.path("config"));
        seal(&other, content);
        for file in ["app.conf.enc", "app.conf.key"] {
            fs::copy(other.sandbox.path("config").join(file), project.sandbox.path("config").join(file))
                .unwrap();
        }
    };
    bring("n = 2\n");
    assert_eq!((watch.wait(LONG).unwrap().n, watch.status().generation()), (2, 1));
    bring(&format!("n = '{canary}'\ntoken = '{canary}'\n"));
    eventually("the version is rejected", || watch.status().refusals() == 1);
    std::thread::sleep(A_WHILE);
    assert_eq!(told.lock().unwrap().len(), 1, "repeated checks must report it once");
    let all = format!("{:?} {watch:?} {:?}", told.lock().unwrap(), watch.status());
    assert!(all.contains("expected u32") && !all.contains(canary), "{all}");
    bring("n = 1313\n");
    eventually("a panic is a rejection", || watch.status().refusals() == 2);
    assert_eq!(watch.status().last_refusal().unwrap().kind(), Kind::Unexpected);
    bring("n = 3\n");
    assert_eq!(watch.wait(LONG).unwrap().n, 3, "the watch must continue");
}

#[test]
fn a_missing_file_is_rejected_and_a_late_one_is_not() {
    let project = Project::toml("n = 1\n");
    let watch = watch(&project, &[], hasty());
    let key = project.pair("default").key().to_owned();
    let away = project.sandbox.path("away");
    fs::rename(&key, &away).unwrap();
    eventually("the change is noticed", || !watch.status().is_current());
    assert_eq!(watch.status().refusals(), 0);
    fs::rename(&away, &key).unwrap();
    eventually("the file is back", || watch.status().is_current());
    fs::rename(&key, &away).unwrap();
    eventually("the missing file is reported", || watch.status().refusals() == 1);
    assert_eq!(watch.status().last_refusal().unwrap().kind(), Kind::Io);
    assert_eq!(watch.current().n, 1);
}

#[test]
fn a_failed_first_load_returns_no_watch() {
    let project = Project::toml("n = 'one'\n");
    assert_eq!(project.loader::<App>(&[]).watch().unwrap_err().kind(), Kind::DoesNotFit);
    assert_eq!(App::watch().unwrap_err().kind(), Kind::Io, "the directory of this test must have no pair");
}

/// Polls the future once, without a runtime.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn each_handle_returns_each_change_once() {
    let project = Project::toml("n = 1\n");
    let first = project.loader::<App>(&[]).watch_options(hasty()).watch_async().await.unwrap();
    let (second, third, fourth) = (first.clone(), first.clone(), first.clone());
    let elsewhere = tokio::task::spawn_blocking(move || park_on(fourth.changed()).n);
    // A future that is dropped while it waits loses no change.
    let mut dropped = Box::pin(first.changed());
    assert!(poll(dropped.as_mut()).is_pending());
    drop(dropped);
    let task = tokio::spawn(async move { third.changed().await.n });
    seal(&project, "n = 2\n");
    assert_eq!(first.changed().await.n, 2);
    assert_eq!((task.await.unwrap(), elsewhere.await.unwrap()), (2, 2));
    let later = first.clone();
    assert!(
        poll(std::pin::pin!(later.changed())).is_pending(),
        "a clone must not return a version that its original has returned"
    );
    let waits = tokio::task::spawn_blocking(move || later.wait(LONG).unwrap().n);
    seal(&project, "n = 3\n");
    assert_eq!(first.changed().await.n, 3);
    assert_eq!(waits.await.unwrap(), 3);
    // The second handle has returned nothing yet, so it returns the newest version.
    assert_eq!(second.changed().await.n, 3);
    assert!(second.wait(Duration::ZERO).is_none());
    assert_eq!((first.status().reloads(), first.status().generation()), (2, 3));
}

/// The sealer uses a new key before the reader has it. The reader gets the key later, in its key file.
#[cfg(unix)]
#[test]
fn a_later_local_key_is_found() {
    let project = Project::toml("n = 1\n");
    let file = project.sandbox.write_mode("key", project.key.expose_text().as_bytes(), 0o600);
    let variables = [("ENVCONF_KEY_FILE", file.to_str().unwrap())];
    let watch = project.loader_without_key::<App>(&variables).watch_options(hasty()).watch().unwrap();
    let new = LocalKey::generate().unwrap();
    let both = KeyServices::none().local_key(project.key.clone()).local_key(new.clone());
    project.seal("default", ContentType::Toml, b"n = 2\n", &[new.key_ref()], &both);
    eventually("the version is rejected", || watch.status().refusals() == 1);
    assert_eq!(watch.status().last_refusal().unwrap().kind(), Kind::NoTrustedRecipient);
    project.sandbox.write_mode("key", new.expose_text().as_bytes(), 0o600);
    assert_eq!(watch.wait(LONG).unwrap().n, 2);
    assert_eq!(watch.status().refusals(), 1);
}

/// The command that prints a local key runs once for any number of loads.
#[cfg(unix)]
#[test]
fn a_command_for_the_key_runs_once() {
    let project = Project::toml("n = 1\n");
    let key = project.sandbox.write("key", project.key.expose_text().as_bytes());
    let runs = project.sandbox.path("runs");
    let script = format!("#!/bin/sh\necho run >> {}\ncat {}\n", runs.display(), key.display());
    let command = project.sandbox.write_mode("print-key", script, 0o700);
    let variables = [("ENVCONF_KEY_CMD", command.to_str().unwrap())];
    let loader = project.loader_without_key::<App>(&variables);
    let watch = loader.watch_options(hasty()).watch().unwrap();
    for n in [2, 3] {
        seal(&project, &format!("n = {n}\n"));
        assert_eq!(watch.wait(LONG).unwrap().n, n);
    }
    assert_eq!(fs::read_to_string(runs).unwrap(), "run\n");
}
