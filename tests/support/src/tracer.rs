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

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By SIGKILL, where it entered or left the system call of this number.
    Killed(i64),
}

/// A command in the sandbox, as [`Sandbox::command`] makes it, that waits until it is traced.
pub fn held(sandbox: &Sandbox, program: &str) -> Command {
    let mut shell = sandbox.command("sh");
    // The command takes the shell's place, and its process id.
    shell.args(["-c", r#"read -r _ && exec "$@""#, "sh", program]);
    shell
}

/// Runs a command that is [`held`], with its output thrown away, and kills it at its `stop`th stop, counted from 0.
///
/// It stops when it enters and when it leaves a system call, in each of its threads, from the first `flock` on: what
/// locks before it writes has written nothing until then.
///
/// # Panics
/// When the system lets no process trace its children, and when the command does not run.
pub fn kill_at(held: &mut Command, stop: usize) -> End {
    let held = held.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut shell = held.spawn().expect("a shell");
    let leader = Pid::from_raw(i32::try_from(shell.id()).expect("a process id"));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).unwrap_or_else(|error| {
        // It ends when its input does.
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
            // It runs the command now, or one of its threads has begun.
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

/// Waits for an event of a child or traced thread of this thread: other tests have other children.
fn next() -> WaitStatus {
    waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).expect("it has not ended")
}

/// Kills it, and waits until it is gone with all its threads.
fn end(leader: Pid) {
    kill(leader, Signal::SIGKILL).expect("it has not ended");
    // One of its threads may have begun to end it just then.
    let is_gone = |status| match status {
        WaitStatus::Signaled(pid, ..) | WaitStatus::Exited(pid, _) => pid == leader,
        _ => false,
    };
    while !is_gone(next()) {}
}

/// The number of the system call that a stopped thread enters or leaves.
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
    panic!("a process may not trace its children here ({error}): allow ptrace, in a container by SYS_PTRACE")
}

#[expect(clippy::panic, reason = "a test cannot go on with it")]
fn unexpected(status: WaitStatus) -> ! {
    panic!("a traced command came to {status:?}")
}
