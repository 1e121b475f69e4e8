//! Tests of loads in all places: before, inside and without a runtime, nested, one after another and concurrent. Most
//! loads need a key service. Also tests which requests concurrent loads share (api.md §3, "Threads").

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Project, TencentProject, park_on};
use envconf::kms::{BoxFuture, Context, DataKey, KmsError, WrappedKey};
use envconf::{
    ContentType, EncryptedConfig, ExposeSecret, KeyRef, KeyServices, Kind, Kms, LocalKey, Seal, SecretString,
};
use envconf_test_support::Reply;

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", env_prefix = "APP")]
struct App {
    port: u16,
    #[envconf(nested)]
    database: Database,
}

#[derive(EncryptedConfig, Debug)]
struct Database {
    password: SecretString,
    #[envconf(default = 10)]
    pool_size: u32,
}

const TOML: &str = "port = 8080\n[database]\npassword = \"correct horse\"\n";

fn assert_loaded(app: &App) {
    assert_eq!(
        (app.port, app.database.password.expose_secret(), app.database.pool_size),
        (8080, "correct horse", 10)
    );
}

fn blocking(project: &TencentProject) {
    assert_loaded(&project.loader::<App>(&[]).load().unwrap());
}

async fn awaiting(project: &TencentProject) {
    assert_loaded(&project.loader::<App>(&[]).load_async().await.unwrap());
}

/// Fails the test instead of letting it hang.
fn within_a_minute(test: impl FnOnce() + Send + 'static) {
    let (done, result) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    if result.recv_timeout(Duration::from_secs(60)).is_err() {
        match thread.is_finished() {
            true => std::panic::resume_unwind(thread.join().unwrap_err()),
            false => panic!("deadlock"),
        }
    }
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

// Pitfall 15.
#[test]
fn from_plain_code() {
    within_a_minute(|| {
        let project = TencentProject::toml(TOML);
        blocking(&project);
        blocking(&project);
        park_on(awaiting(&project));
    });
}

// Pitfall 15.
#[test]
fn from_both_flavours_of_tokio() {
    within_a_minute(|| {
        let project = TencentProject::toml(TOML);
        for runtime in [current_thread(), multi_thread()] {
            runtime.block_on(async {
                blocking(&project);
                awaiting(&project).await;
                blocking(&project);
            });
        }
    });
}

#[tokio::test]
async fn from_a_tokio_test() {
    let project = TencentProject::toml(TOML);
    awaiting(&project).await;
    blocking(&project);
}

#[test]
fn from_a_task_without_budget() {
    within_a_minute(|| {
        let project = TencentProject::toml(TOML);
        current_thread().block_on(async {
            // After many polls of one task, Tokio's own resources pend. A load must not wait for that.
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            (0..1000).for_each(|n| sender.send(n).unwrap());
            while let Ok(Some(_)) = tokio::time::timeout(Duration::ZERO, receiver.recv()).await {}
            blocking(&project);
            awaiting(&project).await;
        });
    });
}

#[test]
fn many_at_once_from_threads_and_tasks() {
    within_a_minute(|| {
        let project = TencentProject::toml(TOML);
        let runtime = multi_thread();
        std::thread::scope(|scope| {
            (0..8).for_each(|_| drop(scope.spawn(|| blocking(&project))));
            (0..4).for_each(|_| drop(scope.spawn(|| park_on(awaiting(&project)))));
            runtime.block_on(async {
                let tasks = (0..8).map(|_| project.loader::<App>(&[]).load_async());
                let tasks: Vec<_> =
                    tasks.map(|load| tokio::spawn(async { assert_loaded(&load.await.unwrap()) })).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    });
}

#[test]
fn the_methods_of_the_trait_fail_without_a_pair() {
    // The directory of this test has no pair. Both methods report that, and neither panics nor hangs.
    within_a_minute(|| {
        assert_eq!(App::load().unwrap_err().kind(), Kind::Io);
        assert_eq!(park_on(App::load_async()).unwrap_err().kind(), Kind::Io);
    });
}

/// A key service that loads another configuration on the library's thread, and blocks until it is loaded.
struct Nesting(Arc<TencentProject>);

impl Kms for Nesting {
    fn provider(&self) -> &str {
        "nesting"
    }

    fn authenticates(&self) -> bool {
        true
    }

    fn wrap<'a>(
        &'a self,
        _: &'a KeyRef,
        dek: &'a DataKey,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        Box::pin(async move {
            let hex: String = dek.expose().iter().map(|b| format!("{b:02x}")).collect();
            WrappedKey::new(hex).ok_or_else(|| KmsError::other("too long"))
        })
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a KeyRef,
        wrapped: &'a WrappedKey,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async move {
            blocking(&self.0);
            awaiting(&self.0).await;
            let hex = wrapped.as_str();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16);
            let bytes: Result<Vec<u8>, _> = (0..hex.len()).step_by(2).map(byte).collect();
            Ok(DataKey::from_bytes(&bytes.map_err(|_| KmsError::other("no hex"))?))
        })
    }
}

#[test]
fn a_load_within_a_load() {
    within_a_minute(|| {
        let inner = Arc::new(TencentProject::toml(TOML));
        let outer =
            Project { sandbox: envconf_test_support::Sandbox::new(), key: LocalKey::generate().unwrap() };
        let services = KeyServices::none().kms(Arc::new(Nesting(inner.clone())));
        let key: KeyRef = "nesting:-:1".parse().unwrap();
        outer.seal("default", ContentType::Toml, TOML.as_bytes(), &[&key], &services);
        let load = || outer.loader_without_key::<App>(&[]).kms(Nesting(inner.clone())).trust(key.to_string());
        assert_loaded(&load().load().unwrap());
        current_thread().block_on(async { assert_loaded(&load().load_async().await.unwrap()) });
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| assert_loaded(&load().load().unwrap()))))
        });
    });
}

struct Panicking(Arc<AtomicUsize>);

impl Kms for Panicking {
    fn provider(&self) -> &str {
        "panicking"
    }

    fn authenticates(&self) -> bool {
        true
    }

    fn wrap<'a>(
        &'a self,
        _: &'a KeyRef,
        _: &'a DataKey,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        Box::pin(async { WrappedKey::new("x").ok_or_else(|| KmsError::other("no")) })
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a KeyRef,
        _: &'a WrappedKey,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { panic!("a bug in a key service") })
    }
}

#[test]
fn a_panic_in_a_key_service_is_an_error_and_the_thread_continues() {
    within_a_minute(|| {
        let project = TencentProject::toml(TOML);
        let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Toml);
        let services = KeyServices::none().kms(Arc::new(Panicking(Arc::default())));
        let error =
            seal.recipient("panicking:-:1".parse().unwrap()).seal_bytes(b"a = 1\n", &services).unwrap_err();
        assert_eq!(error.kind(), Kind::UnwrapFailed);
        blocking(&project);
    });
}

// Pitfall 12.
#[test]
fn concurrent_loads_of_one_pair_share_one_request() {
    within_a_minute(|| {
        let project = TencentProject::toml(TOML);
        let before = project.kms.requests().len();
        project.kms.next(Reply::Delay(Duration::from_millis(400)));
        std::thread::scope(|scope| (0..10).for_each(|_| drop(scope.spawn(|| blocking(&project)))));
        assert_eq!(project.kms.requests().len() - before, 1);
        // The reply is not kept: the next load sends another request.
        blocking(&project);
        assert_eq!(project.kms.requests().len() - before, 2);
    });
}

#[test]
fn a_second_load_continues_when_the_first_is_dropped() {
    within_a_minute(|| {
        let project = TencentProject::toml(TOML);
        let before = project.kms.requests().len();
        project.kms.next(Reply::Delay(Duration::from_millis(500)));
        current_thread().block_on(async {
            let first = tokio::spawn(project.loader::<App>(&[]).load_async());
            tokio::time::sleep(Duration::from_millis(100)).await;
            let second = tokio::spawn(project.loader::<App>(&[]).load_async());
            tokio::time::sleep(Duration::from_millis(100)).await;
            first.abort();
            assert_loaded(&second.await.unwrap().unwrap());
        });
        assert_eq!(
            project.kms.requests().len() - before,
            1,
            "the second load must wait for the first one's request"
        );
    });
}

#[test]
fn loads_with_another_credential_share_nothing() {
    within_a_minute(|| {
        let project = TencentProject::toml(TOML);
        project.kms.next(Reply::Delay(Duration::from_millis(300)));
        std::thread::scope(|scope| {
            scope.spawn(|| blocking(&project));
            std::thread::sleep(Duration::from_millis(100));
            let error = project
                .loader::<App>(&[("TENCENTCLOUD_SECRET_KEY", "wrong")])
                .load()
                .map(|_| ())
                .unwrap_err();
            assert_eq!(error.attempts()[0].code(), Some("AuthFailure.SignatureFailure"));
        });
    });
}

/// Runs in a separate process with its own working directory and instance.
#[test]
fn the_global_instance_is_loaded_once_and_a_failed_load_is_repeated() {
    if std::env::var_os("ENVCONF_TEST_GLOBAL").is_none() {
        let project = Project::toml(TOML);
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "the_global_instance_is_loaded_once_and_a_failed_load_is_repeated"]);
        child.env("ENVCONF_TEST_GLOBAL", "1").env("ENVCONF_KEY", &*project.key.expose_text());
        assert!(child.current_dir(project.sandbox.root()).status().unwrap().success());
        return;
    }
    let (here, away) = (std::path::Path::new("config"), std::path::Path::new("away"));
    std::fs::rename(here, away).unwrap();
    assert_eq!(App::global().unwrap_err().kind(), Kind::Io);
    std::fs::rename(away, here).unwrap();
    let first = App::global().unwrap();
    assert_loaded(first);
    std::fs::rename(here, away).unwrap();
    let again = std::thread::spawn(|| App::global().unwrap()).join().unwrap();
    assert!(std::ptr::eq(first, again));
}

/// Returns the number of this process's threads with the name of the library's thread.
#[cfg(target_os = "linux")]
fn own_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    };
    tasks.filter_map(name).filter(|name| name.trim() == "envconf").count()
}

/// Runs in a separate process, because other tests start the thread.
#[cfg(target_os = "linux")]
#[test]
fn a_service_starts_a_thread_that_ends_and_a_local_key_starts_none() {
    if std::env::var_os("ENVCONF_TEST_ALONE").is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "a_service_starts_a_thread_that_ends_and_a_local_key_starts_none"]);
        assert!(child.env("ENVCONF_TEST_ALONE", "1").status().unwrap().success());
        return;
    }
    let project = Project::toml(TOML);
    assert_loaded(&project.loader::<App>(&[]).load().unwrap());
    assert_loaded(&park_on(project.loader::<App>(&[]).load_async()).unwrap());
    assert_eq!(own_threads(), 0);
    let project = TencentProject::toml(TOML);
    blocking(&project);
    assert_eq!(own_threads(), 1);
    let waited = std::time::Instant::now();
    while own_threads() > 0 {
        assert!(waited.elapsed() < Duration::from_secs(60), "the thread does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
    blocking(&project);
    assert_eq!(own_threads(), 1, "the thread must start again");
}

// Pitfall 1.
#[test]
fn a_reader_never_fails_during_a_seal() {
    within_a_minute(|| {
        let project = Project::toml("n = 0\n");
        let services = KeyServices::none().local_key(project.key.clone());
        let second = LocalKey::generate().unwrap();
        let both = services.clone().local_key(second.clone());
        #[derive(EncryptedConfig)]
        #[envconf(name = "app")]
        struct Counter {
            n: u32,
        }
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1..=60 {
                    // Every third seal changes the recipients. Then the data key is new, and both files are rewritten.
                    let recipients: &[&KeyRef] = match n % 3 {
                        0 => &[project.key.key_ref(), second.key_ref()],
                        _ => &[project.key.key_ref()],
                    };
                    project.seal(
                        "default",
                        ContentType::Toml,
                        format!("n = {n}\n").as_bytes(),
                        recipients,
                        &both,
                    );
                }
                done.store(true, Ordering::SeqCst);
            });
            let mut last = 0;
            while !done.load(Ordering::SeqCst) {
                let n = project.loader::<Counter>(&[]).load().unwrap().n;
                assert!(n >= last, "an older configuration after a newer one");
                last = n;
            }
        });
        assert_eq!(project.loader::<Counter>(&[]).load().unwrap().n, 60);
    });
}

// Pitfall 18.
#[test]
fn each_value_has_an_origin() {
    let project = Project::toml(TOML);
    let app = project.loader::<App>(&[("APP__PORT", "9000")]).load().unwrap();
    assert_eq!(app.port, 9000);
    assert_eq!(app.origin("port").unwrap().to_string(), "environment variable APP__PORT");
    let sealed = app.origin("database.password").unwrap().to_string();
    assert!(sealed.ends_with("config/app.conf.enc line 3, column 12 of the sealed text"), "{sealed}");
    assert_eq!(app.origin("database.pool_size").unwrap().to_string(), "the attribute's default");
    assert!(app.origin("nothing").is_none());
    let secret: Vec<_> = app.origins().iter().map(|value| (value.path(), value.secret())).collect();
    assert_eq!(secret, [("port", false), ("database.password", true), ("database.pool_size", false)]);
    assert_eq!(app.into_inner().port, 9000);
}

#[test]
fn a_pair_is_found_by_directory_environment_or_path() {
    let project = Project::toml(TOML);
    let services = KeyServices::none().local_key(project.key.clone());
    project.seal(
        "prod",
        ContentType::Json,
        br#"{"port":1,"database":{"password":"p"}}"#,
        &[project.key.key_ref()],
        &services,
    );
    let load = |variables: &[(&str, &str)]| {
        App::loader().variables(variables.iter().copied()).local_key(project.key.clone())
    };
    let dir = project.sandbox.path("config").to_string_lossy().into_owned();
    assert_eq!(load(&[("ENVCONF_DIR", &dir)]).load().unwrap().port, 8080);
    assert_eq!(load(&[("ENVCONF_DIR", &dir), ("ENVCONF_ENV", "prod")]).load().unwrap().port, 1);
    assert_eq!(
        load(&[("ENVCONF_DIR", "nowhere"), ("ENVCONF_ENV", "x")])
            .dir(&dir)
            .environment("prod")
            .load()
            .unwrap()
            .port,
        1
    );
    let path = project.pair("prod").key().to_owned();
    assert_eq!(load(&[]).environment("prod").path(&path).load().unwrap().port, 1);
    assert_eq!(load(&[]).path(&path).load().map(|_| ()).unwrap_err().kind(), Kind::IdentityMismatch);
    let error = load(&[("ENVCONF_DIR", &dir)]).environment("staging").load().map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::Io, 10));
    assert_eq!(error.path(), Some(project.pair("staging").enc()));
}
