//! One sealer at a time in a folder: an advisory lock on the folder itself, which leaves no file behind and ends with
//! the process, however that ends.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use super::files::Pair;
use crate::base::{Error, Kind};

/// How long to wait for another sealer: longer than one takes that waits for its key service.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Held while a pair is read, made anew and replaced.
pub(crate) struct Lock {
    /// `None` where the file system has no such locks.
    _folder: Option<File>,
}

impl Lock {
    /// Waits until no other sealer is at work in the pair's folder, then removes what a killed one left of this pair.
    ///
    /// Where the file system has no such locks the sealer goes on without one, and removes nothing.
    ///
    /// # Errors
    /// [`Kind::Io`] when another sealer does not end.
    pub(crate) fn of(pair: &Pair) -> Result<Self, Error> {
        Self::within(pair, PATIENCE)
    }

    fn within(pair: &Pair, patience: Duration) -> Result<Self, Error> {
        // A folder that is missing, or that cannot be opened, is met when something is written.
        let Ok(folder) = File::open(pair.folder()) else { return Ok(Self { _folder: None }) };
        let started = Instant::now();
        loop {
            match folder.try_lock() {
                Ok(()) => {
                    pair.sweep();
                    return Ok(Self { _folder: Some(folder) });
                }
                Err(TryLockError::WouldBlock) if started.elapsed() < patience => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let busy = std::io::ErrorKind::ResourceBusy.into();
                    return Err(Error::write(pair.folder(), busy).advise(
                        "another sealer is at work in this folder and does not end; nothing was written",
                    ));
                }
                Err(TryLockError::Error(_)) => return Ok(Self { _folder: None }),
            }
        }
    }
}

/// What a change was based on is not what is there any more.
pub(crate) fn overtaken(pair: &Pair) -> Error {
    Error::new(Kind::Differences, "somebody else sealed it meanwhile; nothing was written")
        .at(pair.enc())
        .advise("do it again, on what is there now")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_second_sealer_waits_and_gives_up() {
        let folder = tempfile::tempdir().unwrap();
        let pair = Pair::new(folder.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        let first = Lock::of(&pair).unwrap();
        let error = Lock::within(&pair, Duration::from_millis(50)).map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 11);
        drop(first);
        Lock::within(&pair, Duration::ZERO).unwrap();
    }

    #[test]
    fn what_a_killed_sealer_left_of_this_pair_goes() {
        let folder = tempfile::tempdir().unwrap();
        let pair = Pair::new(folder.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        let left = [".app.conf.enc.0123456789abcdef.tmp", ".app.conf.key.fedcba9876543210.tmp"];
        let others = [
            ".app.conf.enc.tmp",
            ".app.prod.conf.enc.0123456789abcdef.tmp",
            ".app.conf.enc.0123456789abcdeg.tmp",
        ];
        for name in left.iter().chain(&others) {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        drop(Lock::of(&pair).unwrap());
        assert!(left.iter().all(|name| !folder.path().join(name).exists()));
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
    }
}
