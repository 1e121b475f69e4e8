//! Tests of reload with every way in which people and tools replace files, by valid and invalid versions. Readers check
//! the configuration all the time. It must always be complete and valid.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{Project, variables_of};
use envconf::load::WatchOptions;
use envconf::pair::parse_trust;
use envconf::{ContentType, EncryptedConfig, KeyRef, KeyServices, Kind, LocalKey, Pair, Policy, Seal, Watch};
use envconf_test_support::{Sandbox, StandIn};

const LONG: Duration = Duration::from_secs(60);
/// Large enough for a write that takes some time.
const PADDING: usize = 100_000;

/// A configuration with two equal halves. A mixture of two versions has different halves.
#[derive(EncryptedConfig)]
#[envconf(name = "app", validate = App::judge)]
struct App {
    left: u32,
    padding: String,
    right: u32,
}

impl App {
    fn judge(&self) -> Result<(), &'static str> {
        if self.left == self.right { Ok(()) } else { Err("left and right must be the same") }
    }
}

fn content(left: u32, right: u32) -> String {
    format!("left = {left}\npadding = '{}'\nright = {right}\n", "x".repeat(PADDING))
}

/// The way in which files are replaced.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    /// This library seals the pair.
    Seal,
    /// The files are overwritten in place.
    InPlace,
    /// New files are renamed to the old names, one after the other.
    Rename,
    /// Both files are replaced at once: the link `..data` leads to another directory.
    Kubernetes,
    /// The `.enc` is replaced long before its `.key`.
    LateSecond,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Valid,
    Invalid,
    WrongGeneration,
    ServiceDown,
}

/// The two files of one version.
#[derive(Clone)]
struct Version {
    enc: Vec<u8>,
    key: Vec<u8>,
}

struct Scene {
    project: Project,
    kms: StandIn,
    tencent: KeyRef,
    style: Style,
    swaps: AtomicU32,
    first: Version,
    base: Version,
    invalid: Version,
    next: Version,
}

impl Scene {
    /// Makes a scene. The watched directory has `base` of generation 2. `invalid` and `next` have generation 3. Each
    /// version has a separate data key.
    fn new(style: Style) -> Self {
        let kms = StandIn::start();
        let project = Project { sandbox: Sandbox::new(), key: LocalKey::generate().unwrap() };
        let tencent: KeyRef = format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap();
        let none = Version { enc: Vec::new(), key: Vec::new() };
        let [first, base, invalid] = [none.clone(), none.clone(), none.clone()];
        let mut scene =
            Self { project, kms, tencent, style, swaps: AtomicU32::new(0), first, base, invalid, next: none };
        scene.first = scene.made(None, 0, 0);
        scene.base = scene.made(Some(&scene.first), 1, 1);
        scene.invalid = scene.made(Some(&scene.base), 1, 666);
        scene.next = scene.made(Some(&scene.base), 2, 2);
        fs::create_dir_all(scene.path("")).unwrap();
        if style == Style::Kubernetes {
            for file in ["app.conf.enc", "app.conf.key"] {
                symlink(format!("..data/{file}"), scene.path(file)).unwrap();
            }
        }
        let base = scene.base.clone();
        match style {
            Style::Kubernetes => scene.put(&base),
            _ => {
                fs::write(scene.path("app.conf.enc"), &base.enc).unwrap();
                fs::write(scene.path("app.conf.key"), &base.key).unwrap();
            }
        }
        scene
    }

    fn path(&self, file: &str) -> PathBuf {
        self.project.sandbox.path("config").join(file)
    }

    fn services(&self) -> KeyServices {
        let services = KeyServices::from_given(variables_of(&self.kms, &self.project.sandbox)).unwrap();
        services.local_key(self.project.key.clone())
    }

    fn seal(&self) -> Seal {
        let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml);
        seal.recipient(self.tencent.clone()).recipient(self.project.key.key_ref().clone())
    }

    /// Returns a version with a new data key, sealed over another version.
    fn made(&self, before: Option<&Version>, left: u32, right: u32) -> Version {
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        if let Some(before) = before {
            fs::write(pair.enc(), &before.enc).unwrap();
            fs::write(pair.key(), &before.key).unwrap();
        }
        let other = LocalKey::generate().unwrap();
        let services = self.services().local_key(other.clone());
        let seal = self.seal().recipient(other.key_ref().clone());
        seal.seal(&pair, content(left, right).as_bytes(), &services).unwrap();
        Version { enc: pair.read_enc().unwrap(), key: pair.read_key().unwrap() }
    }

    /// Replaces the files in the scene's style.
    fn put(&self, version: &Version) {
        let over = |file: &str, bytes: &[u8]| {
            fs::write(self.path(".new"), bytes).unwrap();
            fs::rename(self.path(".new"), self.path(file)).unwrap();
        };
        match self.style {
            Style::InPlace => {
                fs::write(self.path("app.conf.enc"), &version.enc).unwrap();
                fs::write(self.path("app.conf.key"), &version.key).unwrap();
            }
            Style::Rename => {
                over("app.conf.enc", &version.enc);
                over("app.conf.key", &version.key);
            }
            Style::LateSecond => {
                over("app.conf.enc", &version.enc);
                std::thread::sleep(Duration::from_millis(300));
                over("app.conf.key", &version.key);
            }
            Style::Kubernetes => {
                let old = fs::read_link(self.path("..data")).ok();
                let directory = format!("..2026_{}", self.swaps.fetch_add(1, Ordering::SeqCst));
                fs::create_dir(self.path(&directory)).unwrap();
                fs::write(self.path(&directory).join("app.conf.enc"), &version.enc).unwrap();
                fs::write(self.path(&directory).join("app.conf.key"), &version.key).unwrap();
                symlink(&directory, self.path("..data_tmp")).unwrap();
                fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
                old.into_iter().for_each(|old| fs::remove_dir_all(self.path("").join(old)).unwrap());
            }
            Style::Seal => unreachable!("the style `Seal` makes separate versions"),
        }
    }

    /// Seals the pair in its directory. This needs no service: the recipients stay, and the local key opens the old
    /// pair.
    fn seal_here(&self, left: u32, right: u32) {
        let pair = self.project.pair("default");
        let mut policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
        policy = policy.trust(parse_trust(&self.project.key.key_ref().to_string(), "test").unwrap());
        let seal = self.seal().trust_for_old(policy);
        seal.seal(&pair, content(left, right).as_bytes(), &self.services()).unwrap();
    }

    fn put_next(&self) {
        match self.style {
            Style::Seal => self.seal_here(2, 2),
            _ => self.put(&self.next),
        }
    }

    fn put_invalid(&self) {
        match self.style {
            Style::Seal => self.seal_here(1, 666),
            _ => self.put(&self.invalid),
        }
    }

    fn put_old(&self) {
        match self.style {
            Style::Seal => {
                // After a pair is deleted, the next seal begins at generation 1.
                let pair = self.project.pair("default");
                fs::remove_file(pair.enc()).unwrap();
                fs::remove_file(pair.key()).unwrap();
                self.seal().seal(&pair, content(3, 3).as_bytes(), &self.services()).unwrap();
            }
            _ => self.put(&self.first),
        }
    }

    fn watch(&self, options: WatchOptions) -> Watch<App> {
        let loader = App::loader().dir(self.path("")).trust(self.tencent.to_string());
        let loader = loader.variables(variables_of(&self.kms, &self.project.sandbox));
        loader.deadline(Duration::from_secs(1)).watch_options(options).watch().unwrap()
    }
}

/// Waits for the rejection, and returns its kind and exit code.
#[track_caller]
fn refusal(watch: &Watch<App>) -> (Kind, u8) {
    let started = Instant::now();
    while watch.status().refusals() == 0 {
        assert!(started.elapsed() < LONG, "no version was rejected: {:?}", watch.status());
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = watch.status();
    assert!(!status.is_current());
    assert_eq!((watch.current().left, status.generation(), status.reloads()), (1, 2, 0));
    let error = status.last_refusal().unwrap();
    (error.kind(), error.exit_code())
}

fn play(style: Style, outcome: Outcome, options: WatchOptions) {
    let scene = Scene::new(style);
    if style == Style::Seal {
        // One seal in place sets the recipients, which stay from now on. Then the pair has generation 2 again.
        fs::write(scene.path("app.conf.enc"), &scene.first.enc).unwrap();
        fs::write(scene.path("app.conf.key"), &scene.first.key).unwrap();
        scene
            .seal()
            .seal(&scene.project.pair("default"), content(1, 1).as_bytes(), &scene.services())
            .unwrap();
    }
    let watch = scene.watch(options.debounce(Duration::from_millis(100)));
    assert_eq!((watch.current().left, watch.status().generation()), (1, 2));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 1;
                while !done.load(Ordering::SeqCst) {
                    let config = watch.current();
                    assert_eq!(config.left, config.right, "the configuration is mixed or invalid");
                    assert_eq!(config.padding.len(), PADDING);
                    assert!([last, 2].contains(&config.left), "{} after {last}", config.left);
                    last = config.left;
                    std::thread::yield_now();
                }
            });
        }
        // The readers' scope must end even if an assertion fails.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let refusals = match outcome {
                Outcome::Valid => 0,
                Outcome::Invalid => {
                    scene.put_invalid();
                    assert_eq!(refusal(&watch), (Kind::DoesNotFit, 20));
                    1
                }
                Outcome::WrongGeneration => {
                    scene.put_old();
                    assert_eq!(refusal(&watch), (Kind::Rollback, 32));
                    1
                }
                Outcome::ServiceDown => {
                    scene.kms.throttle(Some(0));
                    scene.put_next();
                    assert_eq!(refusal(&watch), (Kind::UnwrapFailed, 41));
                    scene.kms.throttle(None);
                    1
                }
            };
            if outcome != Outcome::ServiceDown {
                scene.put_next();
            }
            let config = watch.wait(LONG);
            let config = config.unwrap_or_else(|| panic!("{style:?}, {outcome:?}: {:?}", watch.status()));
            assert_eq!((config.left, config.right), (2, 2));
            let status = watch.status();
            assert_eq!((status.reloads(), status.refusals()), (1, refusals), "{status:?}");
            assert!(status.is_current());
        }));
        done.store(true, Ordering::SeqCst);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Plays all outcomes with notices alone, with checks every hour only. Then plays them without notices.
fn play_all(style: Style) {
    let outcomes = [Outcome::Valid, Outcome::Invalid, Outcome::WrongGeneration, Outcome::ServiceDown];
    for outcome in outcomes {
        play(style, outcome, WatchOptions::new().poll_interval(Duration::from_secs(3600)));
        play(style, outcome, WatchOptions::new().poll_only().poll_interval(Duration::from_millis(50)));
    }
}

#[test]
fn sealed_in_place() {
    play_all(Style::Seal);
}

// Pitfall 24.
#[test]
fn written_in_place() {
    play_all(Style::InPlace);
}

// Pitfall 24.
#[test]
fn renamed_over() {
    play_all(Style::Rename);
}

// Pitfall 24.
#[test]
fn swapped_by_kubernetes() {
    play_all(Style::Kubernetes);
}

#[test]
fn with_a_late_second_file() {
    play_all(Style::LateSecond);
}
