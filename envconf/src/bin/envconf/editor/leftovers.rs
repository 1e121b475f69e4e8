//! Finds and removes plain files that a killed command and its killed guard left in memory.
//!
//! The name of a directory identifies its process: `envconf-edit-NAMESPACE-PROCESS-START-RANDOM`. A process number
//! alone is not enough: numbers are reused, and containers that share a `/dev/shm` have the same numbers. The guard
//! keeps a lock on the directory while it runs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, geteuid, test_kill_process};

/// Prefixes of the directory names, without the `-`.
const KINDS: [&str; 2] = ["envconf-edit", "envconf-exec"];

/// A process on this machine, running or ended.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    /// The inode of its PID namespace; 0 if the system has none.
    namespace: u64,
    process: i32,
    /// The time of its start in the kernel's ticks; 0 if it is unknown.
    start: u64,
}

impl Owner {
    fn this_process() -> Self {
        let process = i32::try_from(std::process::id()).unwrap_or_default();
        Self { namespace: own_namespace(), process, start: stat_of(process).map_or(0, |stat| stat.start) }
    }

    /// Parses the owner from the name of a directory; returns `None` for another name.
    fn from_name(name: &str) -> Option<Self> {
        let rest = KINDS.iter().find_map(|kind| name.strip_prefix(kind)?.strip_prefix('-'))?;
        let parts: Vec<&str> = rest.split('-').collect();
        let [namespace, process, start, random] = parts[..] else { return None };
        let is_random = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_random.then_some(())?;
        let owner = Self {
            namespace: namespace.parse().ok()?,
            process: process.parse().ok().filter(|process| *process > 0)?,
            start: start.parse().ok()?,
        };
        // A number has only one spelling.
        (name_of(name.split_at("envconf-edit".len()).0, &owner, random) == name).then_some(owner)
    }

    /// Returns true if the process has certainly ended.
    fn has_ended(&self) -> bool {
        if self.namespace == 0 || self.namespace != own_namespace() {
            return false;
        }
        let Some(process) = Pid::from_raw(self.process) else { return false };
        if test_kill_process(process) == Err(rustix::io::Errno::SRCH) {
            return true;
        }
        // The number may belong to another process now, or to an ended process whose parent has not waited for it.
        let Some(stat) = stat_of(self.process) else { return false };
        stat.is_zombie || self.start != 0 && stat.start != self.start
    }
}

fn name_of(kind: &str, owner: &Owner, random: &str) -> String {
    let Owner { namespace, process, start } = owner;
    format!("{kind}-{namespace}-{process}-{start}-{random}")
}

/// Returns the name of a directory that belongs to this process.
pub(super) fn own_name(kind: &str, random: u64) -> String {
    name_of(kind, &Owner::this_process(), &format!("{random:016x}"))
}

/// Locks the directory until the result is dropped. If the system cannot lock directories, the owner still protects
/// it.
pub(super) fn hold(directory: &Path) -> Option<File> {
    File::open(directory).ok().filter(|directory| directory.try_lock().is_ok())
}

/// Removes a directory, in which an editor may still create files while it ends.
pub(super) fn remove(directory: &Path) {
    for _ in 0..50 {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => return,
        }
    }
}

/// Removes the directories of this user in `place` whose process and guard have both ended.
pub(super) fn clear(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let has_ended = name.to_str().and_then(Owner::from_name).is_some_and(|owner| owner.has_ended());
        if has_ended && let Some(_lock) = own_unused_directory(&entry.path()) {
            remove(&entry.path());
        }
    }
}

/// Opens and locks a directory of this user that no guard has locked. A link does not count as a directory.
fn own_unused_directory(path: &Path) -> Option<File> {
    let flags = (rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW).bits();
    let directory = OpenOptions::new().read(true).custom_flags(i32::try_from(flags).ok()?).open(path).ok()?;
    let metadata = directory.metadata().ok()?;
    let is_own = metadata.is_dir() && metadata.uid() == geteuid().as_raw();
    (is_own && directory.try_lock().is_ok()).then_some(directory)
}

/// Returns the inode of the PID namespace, from `pid:[4026531836]`.
fn own_namespace() -> u64 {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let text = link.to_string_lossy();
    text.strip_prefix("pid:[").and_then(|rest| rest.strip_suffix(']')?.parse().ok()).unwrap_or_default()
}

/// The state and start time in `/proc/PROCESS/stat`.
struct Stat {
    is_zombie: bool,
    start: u64,
}

fn stat_of(process: i32) -> Option<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field, in parentheses, may contain blanks and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    Some(Stat { is_zombie, start: fields.nth(18)?.parse().ok()? })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_directory_name_identifies_its_process() {
        let name = own_name("envconf-edit", 7);
        let own = Owner::from_name(&name).unwrap();
        assert_eq!(own, Owner::this_process());
        assert!(!own.has_ended() && own.start > 0 && own.namespace > 0, "{name}");
        assert!(Owner { start: own.start + 1, ..Owner::this_process() }.has_ended());
        assert!(!Owner { namespace: own.namespace + 1, start: 1, ..Owner::this_process() }.has_ended());
        for other in [
            "envconf-edit-0123456789abcdef",
            "envconf-edit-1-2-3-0123456789abcde",
            "envconf-edit-1-2-3-0123456789abcdeg",
            "envconf-edit-1-02-3-0123456789abcdef",
            "envconf-edit-1-0-3-0123456789abcdef",
            "envconf-edit-1--2-3-0123456789abcdef",
            "envconf-edits-1-2-3-0123456789abcdef",
            "envconf-open-1-2-3-0123456789abcdef",
            "envconf-edit",
        ] {
            assert_eq!(Owner::from_name(other), None, "{other}");
        }
    }

    #[test]
    fn only_own_directories_without_process_and_guard_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let own = Owner::this_process();
        let ended = Owner { start: own.start + 1, ..Owner::this_process() };
        let elsewhere = Owner { namespace: own.namespace + 1, process: i32::MAX, start: 1 };
        let make = |kind: &str, owner: &Owner, random: &str| {
            let directory = place.path().join(name_of(kind, owner, random));
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("app.toml"), "canary").unwrap();
            directory
        };
        let gone = [
            make("envconf-edit", &ended, "0000000000000001"),
            make("envconf-exec", &ended, "0000000000000002"),
        ];
        let guarded = make("envconf-edit", &ended, "0000000000000003");
        let _lock = hold(&guarded).unwrap();
        let kept = [
            guarded,
            make("envconf-exec", &Owner::this_process(), "0000000000000004"),
            make("envconf-exec", &elsewhere, "0000000000000005"),
            make("other", &ended, "0000000000000006"),
        ];
        let link = place.path().join(name_of("envconf-edit", &ended, "0000000000000007"));
        std::os::unix::fs::symlink(&kept[3], &link).unwrap();
        let file = place.path().join(name_of("envconf-edit", &ended, "0000000000000008"));
        std::fs::write(&file, "canary").unwrap();
        clear(place.path());
        assert!(gone.iter().all(|directory| !directory.exists()));
        assert!(kept.iter().all(|directory| directory.join("app.toml").exists()));
        assert!(link.symlink_metadata().is_ok() && file.exists());
    }
}
