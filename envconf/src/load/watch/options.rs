//! How a watch looks, and whom it tells.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Error;

/// How long files must have been quiet.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// How often to look where the operating system gives notice of changes: not every file system does.
const BESIDE_NOTICES: Duration = Duration::from_secs(30);
/// The same without notices.
const WITHOUT_NOTICES: Duration = Duration::from_secs(2);
/// Shortest interval. A shorter one would keep the thread busy for nothing.
const SHORTEST: Duration = Duration::from_millis(10);

/// How a [`Watch`](crate::Watch) follows its files; for [`Loader::watch_options`](crate::Loader::watch_options).
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
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the files must have stayed the same before they are loaded, so that a writer is not met halfway; the
    /// default is 200 ms. Files that never rest are loaded after ten times as long.
    #[must_use]
    pub fn debounce(mut self, quiet: Duration) -> Self {
        self.debounce = Some(quiet);
        self
    }

    /// How often to look at the files besides. The default is 30 s, for file systems that give no notice of changes
    /// (network ones), and 2 s where no notice can be had at all.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    /// Asks the operating system for no notice of changes, and looks every [`poll_interval`](Self::poll_interval) only.
    #[must_use]
    pub fn poll_only(mut self) -> Self {
        self.poll_only = true;
        self
    }

    /// SIGHUP makes the watch look at once, and try again what it has refused. From then on the signal does not end
    /// the process any more, also when the watch has ended. Elsewhere than on Unix there is none.
    #[must_use]
    pub fn on_sighup(mut self) -> Self {
        self.on_sighup = true;
        self
    }

    /// Is told why a new version is not used: once for each version. Runs on the watch's thread, which looks on when
    /// it returns.
    #[must_use]
    pub fn on_refusal(mut self, tell: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_refusal = Some(Arc::new(tell));
        self
    }

    pub(super) fn quiet(&self) -> Duration {
        self.debounce.unwrap_or(DEBOUNCE).max(SHORTEST)
    }

    /// How often to look, with notices or without.
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

    pub(super) fn tell(&self, refusal: &Error) {
        if let Some(tell) = &self.on_refusal {
            tell(refusal);
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
