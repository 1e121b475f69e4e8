//! The watch: loads a configuration and follows its files. The newest valid configuration is always available.
//!
//! One thread for each watch (`reload_thread`) reads the files when the operating system reports a change (`notices`),
//! at a signal (`hangup`), or after some time. It takes a `snapshot` of all relevant files. The result is in `latest`,
//! where readers find it without a lock.

#[cfg(unix)]
mod hangup;
mod latest;
mod notices;
mod options;
mod snapshot;
pub(crate) mod wakeup;
pub(crate) mod reload_thread;
pub(crate) mod watched_directories;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::latest::Latest;
use self::reload_thread::ReloadThread;
use self::wakeup::Wakeup;
use super::loader::{Loaded, Loader};
use crate::base::Error;
use crate::kms::worker;
use crate::load::EncryptedConfig;
use crate::pair::Wait;

pub use self::latest::Status;
pub use self::options::WatchOptions;

/// A configuration that follows its files: it is always the newest valid version.
///
/// A new version is read like [`load`](EncryptedConfig::load) and validated completely before it replaces the old one
/// as a whole. A refused version changes nothing: the last valid one stays, and [`status`](Self::status) has the
/// reason. A generation below the one in use is refused, too.
///
/// Clones are cheap and follow the same files. The watch ends when the last clone is dropped.
///
/// ```no_run
/// # #[derive(envconf::EncryptedConfig)] struct AppConfig { #[envconf(default = 1)] workers: u16 }
/// # fn resize(workers: u16) {}
/// use envconf::EncryptedConfig;
///
/// # fn main() -> Result<(), envconf::Error> {
/// let config = AppConfig::watch()?;
/// let follower = config.clone();
/// std::thread::spawn(move || loop {
///     if let Some(new) = follower.wait(std::time::Duration::MAX) {
///         resize(new.workers);
///     }
/// });
/// println!("{} workers", config.current().workers);
/// # Ok(())
/// # }
/// ```
pub struct Watch<T> {
    latest: Arc<Latest<T>>,
    /// The version that this handle returned last.
    seen: AtomicU64,
    alive: Arc<Alive>,
}

/// The state that all handles of a watch share. Dropping it ends the watch.
struct Alive(Arc<Wakeup>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl<T> Watch<T> {
    /// Returns the newest valid configuration, without a lock and without waiting, so you can call it for every
    /// request. Keep the result if several values must be of one version.
    pub fn current(&self) -> Arc<Loaded<T>> {
        self.latest.current()
    }

    /// Waits for a version that this handle has not returned yet from `changed` or [`wait`](Self::wait). Returns the
    /// newest such version. For a new handle, the first version counts as returned. A clone continues from the version
    /// that its original returned last.
    ///
    /// Works on every async runtime. If you drop the future early, the next call returns the version.
    pub async fn changed(&self) -> Arc<Loaded<T>> {
        let (version, config) = self.latest.after(self.seen.load(Ordering::SeqCst)).await;
        self.seen.fetch_max(version, Ordering::SeqCst);
        config
    }

    /// Like [`changed`](Self::changed), for code without a runtime: blocks this thread for at most this time. Returns
    /// `None` if nothing changed.
    pub fn wait(&self, timeout: Duration) -> Option<Arc<Loaded<T>>> {
        let (version, config) = self.latest.after_within(self.seen.load(Ordering::SeqCst), timeout)?;
        self.seen.fetch_max(version, Ordering::SeqCst);
        Some(config)
    }

    /// Returns the version in use, and the errors of newer versions.
    pub fn status(&self) -> Status {
        self.latest.status()
    }
}

impl<T> Clone for Watch<T> {
    fn clone(&self) -> Self {
        Self {
            latest: self.latest.clone(),
            seen: AtomicU64::new(self.seen.load(Ordering::SeqCst)),
            alive: self.alive.clone(),
        }
    }
}

impl<T> std::fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl<T: EncryptedConfig + Send + Sync + 'static> Loader<T> {
    /// Sets how [`watch`](Self::watch) follows the files.
    #[must_use]
    pub fn watch_options(mut self, options: WatchOptions) -> Self {
        self.watch_options = options;
        self
    }

    /// Loads like [`load`](Self::load), and follows the files from then on. Blocks for the first load.
    ///
    /// # Errors
    /// The errors of [`load`](Self::load); [`Kind::Unexpected`](crate::Kind::Unexpected) if a thread cannot be started,
    /// or the SIGHUP handler cannot be installed.
    pub fn watch(self) -> Result<Watch<T>, Error> {
        worker::block_on(start(self, Wait::Blocking))
    }

    /// Like `watch`, for async code on any runtime.
    ///
    /// # Errors
    /// The errors of [`watch`](Self::watch).
    pub async fn watch_async(self) -> Result<Watch<T>, Error> {
        start(self, Wait::OnWorker).await
    }
}

async fn start<T: EncryptedConfig + Send + Sync + 'static>(
    loader: Loader<T>,
    wait: Wait,
) -> Result<Watch<T>, Error> {
    let wakeup = Arc::new(Wakeup::default());
    let (reload_thread, latest) = ReloadThread::load(loader, wakeup.clone(), wait).await?;
    // Dropping this value ends the reload thread.
    let alive = Arc::new(Alive(wakeup));
    reload_thread.start()?;
    Ok(Watch { latest, seen: AtomicU64::new(0), alive })
}
