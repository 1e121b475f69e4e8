//! Protection of the whole process, which a library must not switch on by itself.

use std::fmt;
use std::io;
use std::sync::OnceLock;

use super::pages;

/// Protects the secrets in this process's memory from core dumps, other processes and swap space, as far as the system
/// allows. Call it at the very beginning of `main`: it does not lock keys that exist already.
///
/// * No core dumps: `RLIMIT_CORE` is 0. Programs that this process starts later inherit the limit, and may raise it.
/// * Not dumpable (Linux): the system's core dump handler gets no dump either. Processes of the same user cannot read
///   this process's memory through `/proc`, and debuggers and profilers cannot attach. Programs that are started later
///   are dumpable again.
/// * Keys are locked in memory: data keys, local keys and the keys derived from them. The pages count against
///   `RLIMIT_MEMLOCK`. The values in the loaded struct are not locked.
///
/// This function does not fail; the returned report lists the measures that were not possible. Only the first call
/// changes the process. Further calls return the first report.
///
/// ```
/// let hardened = envconf::harden();
/// if !hardened.is_complete() {
///     eprintln!("starting less protected: {hardened}");
/// }
/// ```
pub fn harden() -> &'static Hardened {
    static HARDENED: OnceLock<Hardened> = OnceLock::new();
    HARDENED.get_or_init(|| Hardened {
        core_dumps: Measure::of(no_core_dumps()),
        dumpable: Measure::of(not_dumpable()),
        keys: Measure::of(pages::switch_on()),
    })
}

/// The result of [`harden`]. `Display` prints it in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardened {
    core_dumps: Measure,
    dumpable: Measure,
    keys: Measure,
}

/// The result of one measure of [`harden`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// The measure is in force.
    Taken,
    /// The system refused it.
    Refused(io::ErrorKind),
    /// The system does not support it.
    Unavailable,
}

impl Measure {
    fn of(result: io::Result<()>) -> Self {
        match result.map_err(|error| error.kind()) {
            Ok(()) => Self::Taken,
            Err(io::ErrorKind::Unsupported) => Self::Unavailable,
            Err(kind) => Self::Refused(kind),
        }
    }
}

impl Hardened {
    /// Returns the result of switching off core dumps.
    pub fn core_dumps(&self) -> Measure {
        self.core_dumps
    }

    /// Returns the result of marking the process as not dumpable.
    pub fn dumpable(&self) -> Measure {
        self.dumpable
    }

    /// Returns the result of switching on the locking of keys in memory.
    pub fn keys(&self) -> Measure {
        self.keys
    }

    /// Returns true if every measure is in force.
    pub fn is_complete(&self) -> bool {
        [self.core_dumps, self.dumpable, self.keys] == [Measure::Taken; 3]
    }
}

impl fmt::Display for Hardened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (done, not_done, measure)) in [
            ("no core dumps", "core dumps", self.core_dumps),
            ("not dumpable", "dumpable", self.dumpable),
            ("keys locked in memory", "keys not locked in memory", self.keys),
        ]
        .into_iter()
        .enumerate()
        {
            f.write_str(if at > 0 { ", " } else { "" })?;
            match measure {
                Measure::Taken => f.write_str(done)?,
                Measure::Refused(io::ErrorKind::OutOfMemory) => {
                    write!(f, "{not_done} (raise RLIMIT_MEMLOCK)")?
                }
                Measure::Refused(kind) => write!(f, "{not_done} ({kind})")?,
                Measure::Unavailable => write!(f, "{not_done} (not available on this system)")?,
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn no_core_dumps() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Core);
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), ..limit })?)
}

#[cfg(not(unix))]
fn no_core_dumps() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn not_dumpable() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn not_dumpable() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_lists_active_and_missing_measures() {
        let all = Hardened { core_dumps: Measure::Taken, dumpable: Measure::Taken, keys: Measure::Taken };
        assert_eq!(all.to_string(), "no core dumps, not dumpable, keys locked in memory");
        assert!(all.is_complete());
        let little = Hardened {
            core_dumps: Measure::Refused(io::ErrorKind::PermissionDenied),
            dumpable: Measure::of(Err(io::ErrorKind::Unsupported.into())),
            keys: Measure::of(Err(io::ErrorKind::OutOfMemory.into())),
        };
        let told = "core dumps (permission denied), dumpable (not available on this system), \
                    keys not locked in memory (raise RLIMIT_MEMLOCK)";
        assert_eq!(little.to_string(), told);
        assert!(!little.is_complete());
    }
}
