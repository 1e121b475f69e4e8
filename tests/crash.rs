//! Tests that the command never loses data: it is killed at each system call, meets a full disk, a read-only directory
//! and links, and runs several times at once.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, TryRecvError};

use envconf::format::KeyFile;
use envconf::{ContentType, Error, KeyRef, KeyServices, Kind, LocalKey, Pair, Policy, Seal, Trusted, open};
use envconf_test_support::Sandbox;
use envconf_test_support::tracer::{End, held, kill_at};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const OLD: &str = "name = \"old\"\n";
const NEW: &str = "name = \"new\"\n";
/// The files of a project with a sealed pair.
const FILES: [&str; 4] = ["app.conf.enc", "app.conf.key", "app.toml", "value"];

/// The content, generation and recipients of an opened pair.
#[derive(Debug, PartialEq, Eq)]
struct State {
    content: String,
    generation: u64,
    recipients: Vec<KeyRef>,
}

/// Two local keys, and a directory with the plain files of new content. Unless it is unsealed, it has a pair `app` that
/// both keys open.
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

    /// Creates a project with an unused data key in the `.key` file, as after an interrupted rotation.
    fn cut_off() -> Self {
        let project = Self::sealed();
        let old = std::fs::read_to_string(project.pair.key()).unwrap();
        assert!(project.command(ROTATE.command).output().unwrap().status.success());
        let new = std::fs::read_to_string(project.pair.key()).unwrap();
        let (_, section) = new.split_once("env: default\n").unwrap();
        std::fs::write(project.pair.key(), old.strip_suffix("end\n").unwrap().to_owned() + section).unwrap();
        assert_eq!(project.data_keys(), 2);
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

    /// Returns the command with these arguments, in which FIRST and SECOND are replaced by the keys.
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

/// A command that writes a pair, the project in which it starts, and the expected state of the pair.
struct Case {
    command: &'static str,
    start: fn() -> Project,
    new: fn(&Project) -> State,
    /// The exit code if the command was already completed.
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
const SET_AFTER_CRASH: Case = Case {
    start: Project::cut_off,
    new: |project| State { content: NEW.into(), generation: 3, recipients: project.refs() },
    ..SET
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

/// Kills the command before and after each system call, each time in a new project, while a reader opens the pair.
/// Then repeats the command, which must succeed and leave no temporary files.
fn killed_anywhere(case: &Case) {
    for stop in 0.. {
        let project = (case.start)();
        let (old, new) = (project.open().ok(), (case.new)(&project));
        // Before the first seal there is no pair. After it, the pair has its old or its new state.
        let read = || match project.open() {
            Err(error) if old.is_none() => assert_eq!(error.kind(), Kind::Io, "{error}"),
            result => {
                let state = Some(result.unwrap());
                assert!(state == old || state.as_ref() == Some(&new), "{state:?}");
            }
        };
        let before = project.sandbox.snapshot();
        let mut held = project.complete(held(&project.sandbox, ENVCONF), case.command);
        let end = beside(read, || kill_at(&mut held, stop));
        let left = project.files();
        let at = format!("`{}`, {end:?} at stop {stop}, left {left:?}", case.command);
        read();
        // The command takes the lock before it writes.
        assert!(stop > 0 || project.sandbox.snapshot() == before, "{at}");
        if let End::Exited(code) = end {
            assert_eq!((code, project.open().ok()), (0, Some(new)), "{at}");
            // There are two stops for each call: lock, create, write, sync, rename, and sync of the directory.
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

/// Runs `work` while another thread repeats `check`.
fn beside<T>(check: impl Fn() + Sync, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        // If `work` panics, the sender is dropped and the thread ends too.
        let (working, done) = mpsc::channel::<()>();
        let check = &check;
        let checks = scope.spawn(move || {
            while done.try_recv() == Err(TryRecvError::Empty) {
                check();
            }
        });
        let result = work();
        drop(working);
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
fn set_after_a_crash_can_be_killed_anywhere() {
    killed_anywhere(&SET_AFTER_CRASH);
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

const ALL: [&Case; 7] = [&FIRST_SEAL, &SEAL, &SET, &SET_AFTER_CRASH, &ROTATE, &REWRAP, &REMOVE];

/// Runs a command that must fail with exit code 11 and must not change any file.
fn refused(project: &Project, command: &mut Command, why: &str) {
    let before = project.sandbox.snapshot();
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(11), "{command:?}: {output:?}");
    assert!(said(&output).contains(why), "{}", said(&output));
    assert!(project.sandbox.snapshot() == before, "{command:?} left {:?}", project.files());
}

/// A limit of the file size simulates a full disk: a write is incomplete or fails.
#[test]
fn a_full_disk_changes_no_file() {
    for case in ALL {
        // The limit is in blocks of 512 bytes: no file can be written, or the `.key` file but not the `.enc` file.
        for blocks in [0, 4] {
            let project = (case.start)();
            if blocks > 0 {
                if case.command == REWRAP.command {
                    continue;
                }
                let long = format!("name = \"new\" # {}\n", "long ".repeat(2000));
                project.sandbox.write("app.toml", &long);
                project.sandbox.write("value", &long);
                if project.pair.enc().exists() {
                    let sealed = project.command(SEAL.command).output().unwrap();
                    assert!(sealed.status.success(), "{}", said(&sealed));
                }
            }
            let mut shell = project.sandbox.command("sh");
            let script = format!(r#"trap '' XFSZ; ulimit -f {blocks} && exec "$@""#);
            shell.args(["-c", &script, "sh", ENVCONF]);
            refused(&project, &mut project.complete(shell, case.command), "cannot write it: file too large");
        }
    }
}

#[test]
fn a_read_only_directory_changes_no_file() {
    let mode = |project: &Project, mode| {
        std::fs::set_permissions(project.sandbox.root(), Permissions::from_mode(mode)).unwrap();
    };
    // Use a separate thread: the limits for root apply to this thread and to the programs that it starts.
    let checks = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            remove_capability_from_bounding_set(CapabilitySet::DAC_OVERRIDE).unwrap();
        }
        for case in ALL {
            let project = (case.start)();
            mode(&project, 0o555);
            refused(&project, &mut project.command(case.command), "cannot write it: permission denied");
            mode(&project, 0o755);
        }
    });
    checks.join().unwrap();
}

#[test]
fn a_link_is_not_replaced() {
    for case in ALL {
        for file in ["app.conf.enc", "app.conf.key"] {
            let project = (case.start)();
            let path = project.sandbox.path(file);
            let elsewhere = project.sandbox.path("elsewhere");
            if path.exists() {
                std::fs::rename(&path, &elsewhere).unwrap();
            }
            // The link points to a file. Before a first seal, it points to a missing file, and then to a directory.
            symlink(&elsewhere, &path).unwrap();
            refused(
                &project,
                &mut project.command(case.command),
                &format!("{file}: cannot write it: it is a link"),
            );
            if case.command == FIRST_SEAL.command && !elsewhere.exists() {
                std::fs::create_dir(&elsewhere).unwrap();
                refused(&project, &mut project.command(case.command), "it is a link");
            }
        }
    }
}

/// If several commands run at once, each one succeeds, or reports that another one was faster and changes nothing.
#[test]
fn each_of_several_commands_at_once_succeeds_or_changes_nothing() {
    for seals in [false, true] {
        let project = Project::sealed();
        let arguments = |n: usize| match (seals, n % 4) {
            (true, 0) => "seal app.toml -r FIRST".to_owned(),
            (true, _) => SEAL.command.to_owned(),
            (false, 3) => ROTATE.command.to_owned(),
            (false, _) => format!("set app name-{n} --value-file value"),
        };
        let start =
            |n| project.command(&arguments(n)).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let running: Vec<Child> = (0..8).map(start).collect();
        let mut done = Vec::new();
        for (n, child) in running.into_iter().enumerate() {
            let output = child.wait_with_output().unwrap();
            match output.status.code() {
                Some(0) => done.push(n),
                Some(50) if !seals => {
                    assert!(
                        said(&output)
                            .contains("the pair changed while this command ran; nothing was written")
                    );
                }
                code => panic!("{}: {code:?}: {}", arguments(n), said(&output)),
            }
        }
        assert!(!done.is_empty() && (!seals || done.len() == 8), "{done:?}");
        let state = project.open().unwrap();
        assert_eq!(state.generation, 1 + done.len() as u64);
        // The pair has exactly the values of the commands that succeeded.
        if !seals {
            let set = |n: &usize| state.content.contains(&format!("name-{n} = \"new\""));
            let expected: Vec<usize> = done.into_iter().filter(|n| n % 4 != 3).collect();
            assert_eq!((0..8).filter(set).collect::<Vec<_>>(), expected, "{}", state.content);
        }
        assert!(project.files().iter().eq(FILES), "{:?}", project.files());
        assert_eq!(project.data_keys(), 1);
    }
}
