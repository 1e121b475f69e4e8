//! Tests of repeated seals: over an opened pair, with a new data key, several concurrently, and after an interrupted
//! one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use envconf::format::{EncFile, KeyFile};
use envconf::format::{Outline, Suite};
use envconf::pair::{DataKeyUse, Rewrap};
use envconf::{ContentType, Kind, LocalKey, Opened, Pair, Policy, Seal, Trusted, open, testing::MemoryKms};
use envconf_test_support::Sandbox;

struct Project {
    sandbox: Sandbox,
    kms: MemoryKms,
    pair: Pair,
}

impl Project {
    /// Seals a pair of generation 1 with the result of `seal`.
    fn sealed(content: &[u8], seal: impl FnOnce(Seal) -> Seal) -> Self {
        let (sandbox, kms) = (Sandbox::new(), MemoryKms::new());
        let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(sandbox.path(""), &name, &environment);
        let plan = seal(Seal::new(name, environment, ContentType::Toml).recipient(kms.key().clone()));
        plan.seal(&pair, content, &kms.services()).unwrap();
        Self { sandbox, kms, pair }
    }

    fn policy(&self) -> Policy {
        let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
        policy.trust([Trusted::Key(self.kms.key().clone())])
    }

    fn open(&self) -> Opened {
        open(&self.pair, &self.policy(), &self.kms.services()).unwrap()
    }

    fn files(&self) -> (Vec<u8>, Vec<u8>) {
        (fs::read(self.pair.enc()).unwrap(), fs::read(self.pair.key()).unwrap())
    }

    fn enc(&self) -> EncFile {
        EncFile::parse(&self.files().0).unwrap()
    }
}

#[test]
fn a_seal_over_an_opened_pair_changes_only_the_content_and_needs_no_key_service() {
    let hide = vec!["hidden".to_owned()];
    let project = Project::sealed(b"a = 1\nhidden = 'x'\non = true\n", |seal| {
        seal.suite(Suite::Aes128Gcm).sealed_at(true).outline(Outline::Tags { hide: hide.clone() })
    });
    let before = project.enc().header;
    let opened = project.open();
    let asked = project.kms.requests();
    let sealed = Seal::again(&opened)
        .seal_over(
            &project.pair,
            &opened,
            b"a = 1\nhidden = 'y'\non = false\nb = 2\n",
            &project.kms.services(),
        )
        .unwrap();
    assert_eq!(project.kms.requests(), asked, "the data key was available");
    assert_eq!((sealed.generation(), sealed.data_key()), (2, DataKeyUse::Kept));
    let after = project.enc().header;
    assert_eq!((after.suite, after.dek), (before.suite, before.dek));
    assert!(after.sealed_at.is_some());
    let tag = |path: &str| {
        let found = |lines: &[envconf::format::OutlineLine]| {
            lines.iter().find(|line| line.path == path).map(|line| line.tag)
        };
        (found(&before.outline), found(&after.outline))
    };
    assert!(tag("a").0 == tag("a").1 && tag("a").0.flatten().is_some(), "an equal value keeps its tag");
    assert_eq!(tag("hidden"), (Some(None), Some(None)));
    assert!(tag("b").1.flatten().is_some());
    assert_eq!(project.open().content(), b"a = 1\nhidden = 'y'\non = false\nb = 2\n");
}

#[test]
fn a_concurrent_seal_is_not_overwritten() {
    let project = Project::sealed(b"a = 1\n", |seal| seal);
    let opened = project.open();
    Seal::again(&opened).seal(&project.pair, b"a = 2\n", &project.kms.services()).unwrap();
    let before = project.files();
    let error = Seal::again(&opened)
        .seal_over(&project.pair, &opened, b"a = 3\n", &project.kms.services())
        .unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::Differences, 50));
    assert_eq!(project.files(), before);
}

#[test]
fn concurrently_removed_recipients_stay_removed() {
    let project = Project::sealed(b"a = 1\n", |seal| seal);
    let new = LocalKey::generate().unwrap();
    let services = project.kms.services().local_key(new.clone());
    let both =
        Rewrap::new(project.policy()).recipient(project.kms.key().clone()).recipient(new.key_ref().clone());

    let opened = project.open();
    Seal::again(&opened).new_data_key().seal(&project.pair, b"a = 1\n", &services).unwrap();
    let before = project.files();
    let error = both.rewrap_over(&project.pair, &opened, &services).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::Differences, 50));
    assert_eq!(project.files(), before);

    let opened = project.open();
    let asked = project.kms.requests();
    let done = both.rewrap_over(&project.pair, &opened, &services).unwrap();
    assert!(done.is_written() && done.unproved().is_empty() && done.recipients().len() == 2);
    assert_eq!(project.kms.requests(), asked, "the data key was available");
    let error = both.rewrap_over(&project.pair, &opened, &services).unwrap_err();
    assert_eq!(error.kind(), Kind::Differences, "the recipients are different from those of the opened pair");
    assert_eq!(project.open().recipients().count(), 2);
}

#[test]
fn a_requested_data_key_is_new() {
    let project = Project::sealed(b"a = 1\n", |seal| seal);
    let (old_dek, opened) = (project.enc().header.dek, project.open());
    let sealed = Seal::again(&opened)
        .new_data_key()
        .seal_over(&project.pair, &opened, opened.content(), &project.kms.services())
        .unwrap();
    assert_eq!((sealed.generation(), sealed.data_key()), (2, DataKeyUse::Asked));
    let key = KeyFile::parse(&project.files().1).unwrap();
    assert_ne!(project.enc().header.dek, old_dek);
    assert_eq!(key.sections.len(), 1, "the pair must not have the old data key");
    assert_eq!(project.open().content(), b"a = 1\n");
}

#[test]
fn concurrent_seals_lose_nothing() {
    let project = Project::sealed(b"n = 0\n", |seal| seal);
    std::thread::scope(|scope| {
        for n in 1..=8 {
            let project = &project;
            scope.spawn(move || {
                let seal = Seal::again(&project.open());
                let seal = if n % 2 == 0 { seal.new_data_key() } else { seal };
                seal.seal(&project.pair, format!("n = {n}\n").as_bytes(), &project.kms.services()).unwrap();
            });
        }
    });
    assert_eq!(project.enc().header.generation, 9);
    assert!(project.open().content().starts_with(b"n = "));
    assert_eq!(
        fs::read_dir(project.sandbox.path("")).unwrap().count(),
        2,
        "the directory must contain only the pair"
    );
}

// Pitfall 1.
#[test]
fn the_next_seal_removes_files_of_an_interrupted_one() {
    let project = Project::sealed(b"a = 1\n", |seal| seal);
    let (enc, key) = project.files();
    let (_, other) = Project::sealed(b"a = 2\n", |seal| seal).files();
    let prefix = "envconf/v1 key\nname: app\nenv: default\n".len();
    let both = [&key[..key.len() - "end\n".len()], &other[prefix..]].concat();
    fs::write(project.pair.key(), both).unwrap();
    let stale = project.sandbox.write(".app.conf.enc.0123456789abcdef.tmp", "half");
    assert_eq!(KeyFile::parse(&project.files().1).unwrap().sections.len(), 2);
    let opened = project.open();
    Seal::again(&opened).seal_over(&project.pair, &opened, b"a = 1\n", &project.kms.services()).unwrap();
    assert_ne!(project.files().0, enc);
    assert_eq!(project.files().1, key);
    assert!(!stale.exists());
}

/// Runs a reader and a sealer in loops at the same time.
#[test]
fn readers_never_fail_during_seals() {
    let project = Project::sealed(b"n = 0\n", |seal| seal);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                assert!(project.open().content().starts_with(b"n = "));
                reads += 1;
            }
            reads
        });
        for n in 1..=20 {
            let opened = project.open();
            let seal = Seal::again(&opened).new_data_key();
            seal.seal_over(&project.pair, &opened, format!("n = {n}\n").as_bytes(), &project.kms.services())
                .unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    });
}
