//! The lock of a directory: one sealer at a time. It is an advisory lock on the directory itself, which leaves no file
//! behind and ends with the process.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use super::files::Pair;
use crate::base::{Error, Kind};

/// Longest wait for another sealer. A sealer that waits for its key service needs less.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// The lock, held while a pair is read, sealed and replaced.
pub(crate) struct Lock {
    /// `None` if the directory does not exist, and on systems that cannot lock directories.
    _directory: Option<File>,
}

impl Lock {
    /// Locks the pair's directory, and waits for other sealers. Then removes the temporary files that a killed sealer
    /// of this pair left.
    ///
    /// Without a lock, two sealers can leave the `.enc` of one and the `.key` of the other, and nobody can open that
    /// pair. So a file system without locks is an error.
    ///
    /// # Errors
    /// [`Kind::Io`] if another sealer does not finish in time, or the directory cannot be locked.
    pub(crate) fn of(pair: &Pair) -> Result<Self, Error> {
        Self::within(pair, LOCK_TIMEOUT)
    }

    fn within(pair: &Pair, patience: Duration) -> Result<Self, Error> {
        let directory = match File::open(pair.directory()) {
            Ok(directory) => directory,
            // Writing into this directory fails too, and reports the error.
            Err(error) if is_missing(&error) => return Ok(Self { _directory: None }),
            Err(error) if cfg!(unix) => return Err(not_locked(pair, error)),
            Err(_) => return Ok(Self { _directory: None }),
        };
        let started = Instant::now();
        loop {
            match try_lock(&directory) {
                Ok(()) => {
                    pair.remove_temporary_files();
                    return Ok(Self { _directory: Some(directory) });
                }
                Err(TryLockError::WouldBlock) if started.elapsed() < patience => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let busy = std::io::ErrorKind::ResourceBusy.into();
                    return Err(Error::write(pair.directory(), busy).advise(
                        "run the command again: another envconf command is writing in this directory and did not finish in time; nothing was written",
                    ));
                }
                Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(not_locked(pair, error)),
            }
        }
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn not_locked(pair: &Pair, error: std::io::Error) -> Error {
    Error::write(pair.directory(), error).advise(
        "seal in a directory on a local disk, then copy the .enc and the .key together: envconf cannot lock this directory, so two sealers could mix their files; nothing was written",
    )
}

#[cfg(not(test))]
fn try_lock(directory: &File) -> Result<(), TryLockError> {
    directory.try_lock()
}

/// Fails in threads that simulate a file system without locks.
#[cfg(test)]
fn try_lock(directory: &File) -> Result<(), TryLockError> {
    match tests::NO_LOCKS.get() {
        Some(kind) => Err(TryLockError::Error(kind.into())),
        None => directory.try_lock(),
    }
}

/// Returns the error for a pair that changed after a command had read it.
pub(crate) fn pair_changed(pair: &Pair) -> Error {
    Error::new(Kind::Differences, "the pair changed while this command ran; nothing was written")
        .at(pair.enc())
        .advise("run the command again on the new pair")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::ErrorKind;

    use super::*;
    use crate::pair::{Policy, Rewrap, Seal, Trusted, open};
    use crate::{ContentType, KeyServices, LocalKey};

    thread_local! {
        /// The error of locking in this thread.
        pub(super) static NO_LOCKS: Cell<Option<ErrorKind>> = const { Cell::new(None) };
    }

    /// Runs eight sealers at the same time. Each seals several times, with a new data key.
    #[cfg(unix)]
    #[test]
    fn sealers_on_a_file_system_without_locks_write_nothing() {
        for kind in [ErrorKind::Unsupported, ErrorKind::PermissionDenied, ErrorKind::Other] {
            let directory = tempfile::tempdir().unwrap();
            let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
            let pair = Pair::new(directory.path(), &name, &environment);
            let key = LocalKey::generate().unwrap();
            let services = KeyServices::none().local_key(key.clone());
            let seal = Seal::new(name.clone(), environment.clone(), ContentType::Toml)
                .recipient(key.key_ref().clone())
                .new_data_key();
            let policy = Policy::new(name, environment).trust([Trusted::Local]);
            seal.seal(&pair, b"a = 0\n", &services).unwrap();
            let before = (pair.read_enc().unwrap(), pair.read_key().unwrap());
            std::thread::scope(|scope| {
                for number in 1..=8 {
                    let (pair, seal, services, policy) = (&pair, &seal, &services, &policy);
                    scope.spawn(move || {
                        NO_LOCKS.set(Some(kind));
                        let content = format!("a = {number}\n");
                        let opened = open(pair, policy, services).unwrap();
                        for _ in 0..3 {
                            let results = [
                                seal.seal(pair, content.as_bytes(), services).map(drop),
                                seal.seal_over(pair, &opened, content.as_bytes(), services).map(drop),
                                Rewrap::new(policy.clone())
                                    .recipient(LocalKey::generate().unwrap().key_ref().clone())
                                    .rewrap(pair, services)
                                    .map(drop),
                            ];
                            for error in results.into_iter().filter_map(Result::err) {
                                // A recipient whose key is missing is refused before the directory is locked.
                                assert!([11, 43].contains(&error.exit_code()), "{error}");
                            }
                            let error = seal.seal(pair, content.as_bytes(), services).unwrap_err();
                            assert_eq!(error.exit_code(), 11);
                            assert!(error.advice().unwrap().contains("cannot lock"), "{error}");
                        }
                    });
                }
            });
            assert_eq!((pair.read_enc().unwrap(), pair.read_key().unwrap()), before);
            assert_eq!(open(&pair, &policy, &services).unwrap().content(), b"a = 0\n");
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn a_missing_directory_is_not_a_lock_error() {
        let directory = tempfile::tempdir().unwrap();
        let pair =
            Pair::new(directory.path().join("gone"), &"app".parse().unwrap(), &"default".parse().unwrap());
        // Without a directory there is nothing to lock, and writing reports the error.
        NO_LOCKS.set(Some(ErrorKind::Unsupported));
        Lock::of(&pair).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_second_sealer_waits_and_gives_up() {
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        let first = Lock::of(&pair).unwrap();
        let error = Lock::within(&pair, Duration::from_millis(50)).map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 11);
        drop(first);
        Lock::within(&pair, Duration::ZERO).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn files_that_a_killed_sealer_left_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        let left = [".app.conf.enc.0123456789abcdef.tmp", ".app.conf.key.fedcba9876543210.tmp"];
        let others = [
            ".app.conf.enc.tmp",
            ".app.prod.conf.enc.0123456789abcdef.tmp",
            ".app.conf.enc.0123456789abcdeg.tmp",
        ];
        for name in left.iter().chain(&others) {
            std::fs::write(directory.path().join(name), "x").unwrap();
        }
        drop(Lock::of(&pair).unwrap());
        assert!(left.iter().all(|name| !directory.path().join(name).exists()));
        assert!(others.iter().all(|name| directory.path().join(name).exists()));
    }
}
