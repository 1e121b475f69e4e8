//! Nothing is lost: the command is killed at each of its system calls, meets a full disk, a folder that takes no files
//! and links in the way, and runs several times at once.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use envconf::format::KeyFile;
use envconf::{ContentType, Error, KeyRef, KeyServices, Kind, LocalKey, Pair, Policy, Seal, Trusted, open};
use envconf_test_support::Sandbox;
use envconf_test_support::tracer::{End, held, kill_at};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const OLD: &str = "name = \"old\"\n";
const NEW: &str = "name = \"new\"\n";
/// What lies in a project whose pair is sealed, and nothing else.
const FILES: [&str; 4] = ["app.conf.enc", "app.conf.key", "app.toml", "value"];

/// What a pair opens to: content, generation, recipients.
#[derive(Debug, PartialEq, Eq)]
struct State {
    content: String,
    generation: u64,
    recipients: Vec<KeyRef>,
}

/// A folder with two local keys, the plain files of new content, and mostly a pair `app` that both keys open.
struct Project {
    sandbox: Sandbox,
    pair: Pair,
    keys: [LocalKey; 2],
}

impl Project {
    fn unsealed() -> Self {
        let sandbox = Sandbox::new();
        let keys = [LocalKey::generate().unwrap(), LocalKey::generate().unwrap()];
        sandbox.write("app.toml", NEW);
        sandbox.write("value", "new");
        let pair = Pair::new(sandbox.root(), &"app".parse().unwrap(), &"default".parse().unwrap());
        Self { sandbox, pair, keys }
    }

    fn sealed() -> Self {
        let project = Self::unsealed();
        Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml)
            .recipients(project.refs())
            .seal(&project.pair, OLD.as_bytes(), &project.services())
            .unwrap();
        project
    }

    fn refs(&self) -> Vec<KeyRef> {
        self.keys.iter().map(|key| key.key_ref().clone()).collect()
    }

    fn services(&self) -> KeyServices {
        self.keys.iter().cloned().fold(KeyServices::none(), KeyServices::local_key)
    }

    fn open(&self) -> Result<State, Error> {
        let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
        let policy = policy.trust(self.refs().into_iter().map(Trusted::Key));
        let opened = open(&self.pair, &policy, &self.services())?;
        Ok(State {
            content: String::from_utf8(opened.content().to_vec()).unwrap(),
            generation: opened.header().generation,
            recipients: opened.recipients().cloned().collect(),
        })
    }

    /// The command with these arguments, in which FIRST and SECOND stand for the keys.
    fn command(&self, arguments: &str) -> Command {
        self.complete(self.sandbox.command(ENVCONF), arguments)
    }

    fn complete(&self, mut command: Command, arguments: &str) -> Command {
        let texts = self.keys.each_ref().map(|key| key.expose_text().to_string());
        let [first, second] = self.keys.each_ref().map(|key| key.key_ref().to_string());
        let words = arguments.split(' ').map(|word| word.replace("FIRST", &first).replace("SECOND", &second));
        command.env("ENVCONF_KEY", texts.join(",")).args(words);
        command
    }

    fn data_keys(&self) -> usize {
        KeyFile::parse(&std::fs::read(self.pair.key()).unwrap()).unwrap().sections.len()
    }

    fn files(&self) -> BTreeSet<String> {
        self.sandbox.snapshot().into_keys().collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A command that writes a pair, where it starts, and what the pair opens to when it is done.
struct Case {
    command: &'static str,
    start: fn() -> Project,
    new: fn(&Project) -> State,
    /// Its exit code where all of that is done already.
    repeated: i32,
}

const FIRST_SEAL: Case = Case {
    command: "seal app.toml -r FIRST,SECOND",
    start: Project::unsealed,
    new: |project| State { content: NEW.into(), generation: 1, recipients: project.refs() },
    repeated: 0,
};
const SEAL: Case = Case {
    command: "seal app.toml -r FIRST,SECOND",
    start: Project::sealed,
    new: |project| State { content: NEW.into(), generation: 2, recipients: project.refs() },
    repeated: 0,
};
const SET: Case = Case {
    command: "set app name --value-file value",
    start: Project::sealed,
    new: |project| State { content: NEW.into(), generation: 2, recipients: project.refs() },
    repeated: 0,
};
const ROTATE: Case = Case {
    command: "rotate app",
    start: Project::sealed,
    new: |project| State { content: OLD.into(), generation: 2, recipients: project.refs() },
    repeated: 0,
};
const REWRAP: Case = Case {
    command: "rewrap app -r FIRST",
    start: Project::sealed,
    new: |project| State { content: OLD.into(), generation: 1, recipients: project.refs()[..1].to_vec() },
    repeated: 0,
};
const REMOVE: Case = Case {
    command: "recipients remove app SECOND",
    start: Project::sealed,
    new: |project| State { content: OLD.into(), generation: 2, recipients: project.refs()[..1].to_vec() },
    repeated: 2,
};

/// Kills the command before and after each of its system calls in turn, each time over a project of its own, which a
/// reader opens meanwhile without a pause; then repeats the command, which must succeed and leave nothing behind.
fn killed_anywhere(case: &Case) {
    for stop in 0.. {
        let project = (case.start)();
        let (old, new) = (project.open().ok(), (case.new)(&project));
        // Before the first seal there is nothing to read; afterwards a pair opens to what it was or what it will be.
        let read = || match project.open() {
            Err(error) if old.is_none() => assert_eq!(error.kind(), Kind::Io, "{error}"),
            result => {
                let state = Some(result.unwrap());
                assert!(state == old || state.as_ref() == Some(&new), "{state:?}");
            }
        };
        let mut held = project.complete(held(&project.sandbox, ENVCONF), case.command);
        let end = beside(read, || kill_at(&mut held, stop));
        let left = project.files();
        let at = format!("`{}`, {end:?} at stop {stop}, left {left:?}", case.command);
        read();
        if let End::Exited(code) = end {
            assert_eq!((code, project.open().ok()), (0, Some(new)), "{at}");
            // Two stops for each call: a lock, a file made, written, synchronised and renamed, its folder synchronised.
            assert!(stop > 2 * 6, "{at}");
            return;
        }
        let is_done = project.open().ok().as_ref() == Some(&new) && left.iter().eq(FILES);
        let is_done = is_done && project.data_keys() == 1;
        let again = project.command(case.command).output().unwrap();
        let expected = if is_done { case.repeated } else { 0 };
        assert_eq!(again.status.code(), Some(expected), "{at}: {}", said(&again));
        assert!(project.files().iter().eq(FILES), "{at}: {:?}", project.files());
        assert_eq!(project.data_keys(), 1, "{at}");
        let state = project.open().unwrap();
        assert_eq!((state.content, state.recipients), (new.content, new.recipients), "{at}");
    }
}

/// Does `work` while another thread does `check` again and again.
fn beside<T>(check: impl Fn() + Sync, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let checks = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                check();
            }
        });
        let result = work();
        done.store(true, Ordering::SeqCst);
        checks.join().unwrap();
        result
    })
}

#[test]
fn a_first_seal_can_be_killed_anywhere() {
    killed_anywhere(&FIRST_SEAL);
}

#[test]
fn seal_can_be_killed_anywhere() {
    killed_anywhere(&SEAL);
}

#[test]
fn set_can_be_killed_anywhere() {
    killed_anywhere(&SET);
}

#[test]
fn rotate_can_be_killed_anywhere() {
    killed_anywhere(&ROTATE);
}

#[test]
fn rewrap_can_be_killed_anywhere() {
    killed_anywhere(&REWRAP);
}

#[test]
fn recipients_remove_can_be_killed_anywhere() {
    killed_anywhere(&REMOVE);
}
