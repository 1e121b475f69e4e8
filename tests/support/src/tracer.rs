//! Kills a command at any of its system calls, by ptrace(2).

use std::io::Write as _;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::Sandbox;

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The command exited with this code.
    Exited(i32),
    /// SIGKILL ended the command when it entered or left the system call of this number.
    Killed(i64),
}

/// Returns a command like [`Sandbox::command`] that waits until it is traced.
pub fn held(sandbox: &Sandbox, program: &str) -> Command {
    let mut shell = sandbox.command("sh");
    // The command replaces the shell and keeps its process id.
    shell.args(["-c", r#"read -r _ && exec "$@""#, "sh", program]);
    shell
}

/// Runs a command from [`held`] without its output, and kills it at stop number `stop`, counted from 0.
///
/// Each thread of the command stops when it enters and when it leaves a system call. The first stop is at the first
/// `flock`, because a command locks before it writes.
///
/// # Panics
/// If the system does not permit the tracing of children, or if the command does not run.
pub fn kill_at(held: &mut Command, stop: usize) -> End {
    let held = held.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut shell = held.spawn().expect("a shell");
    let leader = Pid::from_raw(i32::try_from(shell.id()).expect("a process id"));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).unwrap_or_else(|error| {
        // The shell ends when its input ends.
        drop(shell.stdin.take());
        let _ = shell.wait();
        refused(error)
    });
    shell.stdin.take().expect("a pipe").write_all(b"\n").expect("the shell reads");
    let mut stops = None;
    loop {
        let status = next();
        let signal = match status {
            WaitStatus::Exited(pid, code) if pid == leader => return End::Exited(code),
            WaitStatus::Exited(..) => continue,
            WaitStatus::PtraceSyscall(pid) => {
                let call = call_of(pid);
                if stops.is_none() && call == libc::SYS_flock {
                    stops = Some(0);
                }
                if stops == Some(stop) {
                    end(leader);
                    return End::Killed(call);
                }
                stops = stops.map(|stops| stops + 1);
                None
            }
            WaitStatus::Stopped(_, signal) => Some(signal),
            // The shell runs the command now, or a new thread has begun.
            WaitStatus::PtraceEvent(..) => None,
            status => unexpected(status),
        };
        match ptrace::syscall(status.pid().expect("of a process"), signal) {
            // Another thread ended this thread during the call.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => refused(error),
        }
    }
}

/// Waits for an event of a child or traced thread of this thread. Other tests have other children.
fn next() -> WaitStatus {
    waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).expect("the command has not ended")
}

/// Kills the command, and waits until it has ended with all of its threads.
fn end(leader: Pid) {
    kill(leader, Signal::SIGKILL).expect("the command has not ended");
    // A thread of the command may end it at the same time.
    let is_gone = |status| match status {
        WaitStatus::Signaled(pid, ..) | WaitStatus::Exited(pid, _) => pid == leader,
        _ => false,
    };
    while !is_gone(next()) {}
}

/// Returns the number of the system call that a stopped thread enters or leaves.
fn call_of(thread: Pid) -> i64 {
    let registers = ptrace::getregs(thread).unwrap_or_else(|error| refused(error));
    #[cfg(target_arch = "x86_64")]
    let call = registers.orig_rax;
    #[cfg(target_arch = "aarch64")]
    let call = registers.regs[8];
    i64::try_from(call).unwrap_or(-1)
}

#[expect(clippy::panic, reason = "a test cannot go on without it")]
fn refused(error: Errno) -> ! {
    panic!("a process cannot trace its children here ({error}): allow ptrace, in a container with SYS_PTRACE")
}

#[expect(clippy::panic, reason = "a test cannot go on with it")]
fn unexpected(status: WaitStatus) -> ! {
    panic!("unexpected status of a traced command: {status:?}")
}
