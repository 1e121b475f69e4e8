//! The options of a watch: when it reads the files, and which callback it calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Error;

/// Default time for which files must not change before they are loaded.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Default interval of reads if the operating system gives notice of changes. Not every file system gives notice.
const BESIDE_NOTICES: Duration = Duration::from_secs(30);
/// Default interval of reads without notices.
const WITHOUT_NOTICES: Duration = Duration::from_secs(2);
/// Shortest interval. A shorter one would keep the thread busy without use.
const SHORTEST: Duration = Duration::from_millis(10);

/// The options of a [`Watch`](crate::Watch), for [`Loader::watch_options`](crate::Loader::watch_options).
///
/// ```
/// use std::time::Duration;
/// use envconf::load::WatchOptions;
///
/// let options = WatchOptions::new()
///     .poll_interval(Duration::from_secs(5))
///     .on_sighup()
///     .on_refusal(|error| eprintln!("the new configuration is not used: {error}"));
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
pub struct WatchOptions {
    debounce: Option<Duration>,
    poll_interval: Option<Duration>,
    poll_only: bool,
    on_sighup: bool,
    on_refusal: Option<OnRefusal>,
}

type OnRefusal = Arc<dyn Fn(&Error) + Send + Sync>;

impl WatchOptions {
    /// Returns the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time for which the files must not change before they are loaded, so that a half-written file is not
    /// read. The default is 200 ms. Files that keep changing are loaded after ten times this time, at most
    /// 60 s.
    #[must_use]
    pub fn debounce(mut self, quiet: Duration) -> Self {
        self.debounce = Some(quiet);
        self
    }

    /// Sets the interval of periodic reads. The default is 30 s if the operating system gives notice of changes, and
    /// 2 s otherwise. Periodic reads find changes on network file systems that give no notice.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    /// Uses no notices of the operating system, and reads the files at every [`poll_interval`](Self::poll_interval)
    /// only.
    #[must_use]
    pub fn poll_only(mut self) -> Self {
        self.poll_only = true;
        self
    }

    /// Makes the watch read the files at once on SIGHUP, and retry a refused version. From then on, the signal does
    /// not end the process, even after the watch has ended. Only on Unix.
    #[must_use]
    pub fn on_sighup(mut self) -> Self {
        self.on_sighup = true;
        self
    }

    /// Sets a callback that receives the reason why a new version is not used, once for each version. The callback
    /// runs on the thread of the watch, which waits until it returns.
    #[must_use]
    pub fn on_refusal(mut self, callback: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_refusal = Some(Arc::new(callback));
        self
    }

    pub(super) fn quiet(&self) -> Duration {
        self.debounce.unwrap_or(DEBOUNCE).max(SHORTEST)
    }

    /// Returns the interval of periodic reads, with or without notices.
    pub(super) fn interval(&self, by_notices: bool) -> Duration {
        let usual = if by_notices { BESIDE_NOTICES } else { WITHOUT_NOTICES };
        self.poll_interval.unwrap_or(usual).max(SHORTEST)
    }

    pub(super) fn wants_notices(&self) -> bool {
        !self.poll_only
    }

    #[cfg(unix)]
    pub(super) fn wants_sighup(&self) -> bool {
        self.on_sighup
    }

    pub(super) fn report_refusal(&self, refusal: &Error) {
        if let Some(callback) = &self.on_refusal {
            callback(refusal);
        }
    }
}

impl fmt::Debug for WatchOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchOptions")
            .field("debounce", &self.debounce)
            .field("poll_interval", &self.poll_interval)
            .field("poll_only", &self.poll_only)
            .field("on_sighup", &self.on_sighup)
            .field("on_refusal", &self.on_refusal.is_some())
            .finish()
    }
}
