//! A directory for a plain file that must not stay: in memory, private to its owner, and removed when the command ends
//! for any reason.
//!
//! A second process guards the directory: it creates it, waits until the command has ended, and removes it. For
//! `edit`, the guard holds the reading end of a pipe, and only the command has the writing end. For `exec`, which
//! replaces its own process, the guard waits for the end of that process. If both are killed, the next command that
//! creates such a directory removes this one.

use std::fs::DirBuilder;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use envconf::process::setting;
use envconf::{Error, Kind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::leftovers;
use crate::output::{Output, shown};

/// The environment variable for the parent of the directories.
const PLACE: &str = "ENVCONF_EDIT_DIR";

/// Arguments of the process that removes the plain file of `edit` and `exec`.
#[derive(clap::Args)]
pub(crate) struct Guard {
    directory: PathBuf,

    /// Wait for the end of this process instead of the end of standard input.
    #[arg(long)]
    process: Option<i32>,

    /// Start the guard as a child of the init process, and end at once.
    #[arg(long, requires = "process")]
    detach: bool,
}

/// A directory of mode 0700. Dropping this removes it; otherwise its guard does.
pub(crate) struct Scratch {
    directory: PathBuf,
    /// A guard that waits for the end of its input; `None` if it waits for the end of this process.
    guard: Option<Child>,
}

impl Scratch {
    /// Creates a directory in `ENVCONF_EDIT_DIR`, else in `XDG_RUNTIME_DIR` or `/dev/shm`, if that is a file system in
    /// memory.
    ///
    /// # Errors
    /// [`Kind::Io`](envconf::Kind::Io) if there is none and `allow_disk` does not allow a disk.
    pub(crate) fn new(allow_disk: bool, output: &Output) -> Result<Self, Error> {
        let directory = new_directory("envconf-edit", &place(Some(allow_disk), output)?)?;
        let guard = start_guard(&directory).map_err(|error| Error::write(&directory, error))?;
        Ok(Self { directory, guard: Some(guard) })
    }

    /// Creates a directory that stays until this process ends, also after another program has replaced it. It is never
    /// on a disk.
    ///
    /// # Errors
    /// The errors of [`Scratch::new`].
    pub(crate) fn for_process(output: &Output) -> Result<Self, Error> {
        let directory = new_directory("envconf-exec", &place(None, output)?)?;
        start_detached_guard(&directory).map_err(|error| Error::write(&directory, error))?;
        Ok(Self { directory, guard: None })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Returns the path of a new directory below `place`, and removes directories that killed commands left there.
fn new_directory(kind: &str, place: &Path) -> Result<PathBuf, Error> {
    leftovers::clear(place);
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|_| Error::new(Kind::Unexpected, "the operating system returned no random bytes"))?;
    let name = leftovers::own_name(kind, u64::from_ne_bytes(random));
    std::path::absolute(place.join(name)).map_err(|error| Error::write(place, error))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        leftovers::remove(&self.directory);
        // Without a directory, a guard that waits for this process has nothing to do either.
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait(); // it ends now
        }
    }
}

/// Returns a directory in memory, or on a disk if `allow_disk` is true; `None` if a disk cannot be allowed.
fn place(allow_disk: Option<bool>, output: &Output) -> Result<PathBuf, Error> {
    let chosen = setting(PLACE)?.map(PathBuf::from);
    let own = setting("XDG_RUNTIME_DIR").ok().flatten().map(PathBuf::from);
    let candidates = match &chosen {
        Some(chosen) => vec![chosen.clone()],
        None => own.into_iter().chain([PathBuf::from("/dev/shm")]).collect(),
    };
    if let Some(place) = candidates.iter().find(|place| is_in_memory(place)) {
        return Ok(place.clone());
    }
    let place = chosen.unwrap_or_else(std::env::temp_dir);
    if allow_disk == Some(true) {
        output.warn(format_args!(
            "the plain file is on a disk while you edit, in {}: deleted files can be recovered there",
            shown(&place)
        ));
        return Ok(place);
    }
    let first = candidates.first().map_or(place.as_path(), PathBuf::as_path);
    let or_a_disk = if allow_disk.is_some() { ", or allow a disk with --allow-disk" } else { "" };
    Err(Error::write(first, io::ErrorKind::Unsupported.into()).advise(format!(
        "the plain file must not touch a disk, and this file system is not in memory; name one with {PLACE}{or_a_disk}"
    )))
}

#[cfg(target_os = "linux")]
fn is_in_memory(directory: &Path) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    // Compare the low 32 bits: the field's type differs between machines.
    rustix::fs::statfs(directory).is_ok_and(|found| matches!(found.f_type as u32, TMPFS | RAMFS))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

/// Starts the guard, and waits until it has created the directory.
fn start_guard(directory: &Path) -> io::Result<Child> {
    let mut guard = guard_command(directory)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    wait_until_made(&mut guard).inspect_err(|_| {
        drop(guard.stdin.take());
        let _ = guard.wait(); // it has failed
    })?;
    Ok(guard)
}

/// Starts a guard that waits for the end of this process, and waits until it has created the directory.
///
/// The guard is not a child of this process: the program that replaces this process may wait for all of its children.
fn start_detached_guard(directory: &Path) -> io::Result<()> {
    let mut command = guard_command(directory)?;
    command.arg("--detach").arg("--process").arg(std::process::id().to_string());
    let mut parent = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let made = wait_until_made(&mut parent);
    parent.wait()?;
    made
}

fn guard_command(directory: &Path) -> io::Result<Command> {
    // The file of the running program, also if it was replaced since.
    let own = Path::new("/proc/self/exe");
    let program = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
    let mut command = Command::new(program);
    command.arg0("envconf").arg("guard").arg(directory).env_clear().current_dir("/").stderr(Stdio::null());
    Ok(command)
}

/// Reads the guard's answer from its standard output.
fn wait_until_made(guard: &mut Child) -> io::Result<()> {
    let mut answer = String::new();
    if let Some(stdout) = guard.stdout.take() {
        io::BufReader::new(stdout).read_line(&mut answer)?;
    }
    match answer.trim_end().parse() {
        Ok(MADE) => Ok(()),
        Ok(reason) => Err(io::Error::from_raw_os_error(reason)),
        Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The guard's message after it has created the directory. After a failure, it sends the error number of the operating
/// system instead.
const MADE: i32 = 0;

/// Runs the guard: creates the directory, waits for the end of its input, and removes the directory. Signals for the
/// processes of a terminal do not reach it, and it ignores signals that would end it.
///
/// # Errors
/// [`Kind::Io`](envconf::Kind::Io) if the directory cannot be created, for example because it exists.
pub(crate) fn guard(args: &Guard) -> Result<(), Error> {
    let directory = args.directory.as_path();
    let failed = |error: io::Error| Error::write(directory, error);
    let process = args.process.and_then(rustix::process::Pid::from_raw);
    if let (true, Some(process)) = (args.detach, process) {
        let mut command = guard_command(directory).map_err(failed)?;
        command.arg("--process").arg(process.to_string()).stdin(Stdio::null());
        return command.spawn().map(drop).map_err(failed);
    }
    // The process may already be a group leader, if it was started by hand; then this fails.
    let _ = rustix::process::setsid();
    let noted = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&noted)).map_err(failed)?;
    }
    let made = DirBuilder::new().mode(0o700).create(directory);
    let _lock = leftovers::hold(directory);
    let answer = made.as_ref().err().map_or(MADE, |error| error.raw_os_error().unwrap_or(-1));
    // If the output cannot be written, the input has ended, too.
    let _ = writeln!(io::stdout(), "{answer}");
    made.map_err(failed)?;
    match process {
        Some(process) => wait_for_process(process),
        None => wait_for_end_of_input(),
    }
    leftovers::remove(directory);
    Ok(())
}

fn wait_for_end_of_input() {
    let mut byte = [0];
    loop {
        match io::stdin().read(&mut byte) {
            Ok(0) => break,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
            _ => {}
        }
    }
}

#[cfg(target_os = "linux")]
fn wait_for_process(process: rustix::process::Pid) {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{PidfdFlags, pidfd_open};
    let Ok(ended) = pidfd_open(process, PidfdFlags::empty()) else { return look_for_process(process) };
    // Signals interrupt the call.
    while poll(&mut [PollFd::new(&ended, PollFlags::IN)], None) == Err(rustix::io::Errno::INTR) {}
}

#[cfg(not(target_os = "linux"))]
fn wait_for_process(process: rustix::process::Pid) {
    look_for_process(process);
}

/// Waits for the end of a process by polling, on systems that give no notice of it.
fn look_for_process(process: rustix::process::Pid) {
    while rustix::process::test_kill_process(process) != Err(rustix::io::Errno::SRCH) {
        std::thread::sleep(Duration::from_secs(1));
    }
}
