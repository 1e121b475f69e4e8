//! The thread of a watch: reads the files, validates a new version, and uses it or records why not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::latest::Latest;
use super::notices::Notices;
use super::snapshot::{Fingerprint, Snapshot, WatchedFiles, may_be_half_done, may_be_temporary};
use super::wakeup::Wakeup;
use crate::base::{Error, Kind};
use crate::kms::worker;
use crate::load::EncryptedConfig;
use crate::load::loader::{LoadPlan, Loaded, Loader};
use crate::pair::{Wait, read_again};

/// Shortest and longest pause between retries of a refused version that may become valid. Each pause is twice as long
/// as the one before.
const TRY_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Number of reads of an incomplete state before it is reported, because a slow writer may complete it.
const PATIENCE: u32 = 2;
/// Files that keep changing are loaded after this number of debounce times.
const RESTLESS: u32 = 10;

pub(super) struct ReloadThread<T> {
    loader: Loader<T>,
    plan: LoadPlan,
    files: WatchedFiles,
    in_use: Fingerprint,
    refused: Option<Refused>,
    latest: Arc<Latest<T>>,
    wakeup: Arc<Wakeup>,
}

/// A version of the files that is not used.
struct Refused {
    fingerprint: Fingerprint,
    /// Number of tries.
    tries: u32,
    /// Time of the next try; `None` if the version is not tried again while the files stay as they are.
    again: Option<Instant>,
    /// True if the callback was called for it.
    told: bool,
}

impl<T: EncryptedConfig + Send + Sync + 'static> ReloadThread<T> {
    /// Loads for the first time.
    ///
    /// # Errors
    /// The errors of [`Loader::load`].
    pub(super) async fn load(
        loader: Loader<T>,
        wakeup: Arc<Wakeup>,
        wait: Wait,
    ) -> Result<(Self, Arc<Latest<T>>), Error> {
        let plan = loader.plan()?;
        let files = WatchedFiles::of::<T>(&plan, &loader.variables);
        let (in_use, (config, generation)) = read_again(wait, || async {
            let snapshot = files.read(&plan);
            let fingerprint = snapshot.fingerprint;
            snapshot.load(&loader, &plan).await.map(|loaded| (fingerprint, loaded))
        })
        .await?;
        let latest = Arc::new(Latest::new(config, generation));
        Ok((Self { loader, plan, files, in_use, refused: None, latest: latest.clone(), wakeup }, latest))
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// [`Kind::Unexpected`] if a thread cannot be started, or the SIGHUP handler cannot be installed.
    pub(super) fn start(mut self) -> Result<(), Error> {
        #[cfg(unix)]
        let hangup = match self.loader.watch_options.wants_sighup() {
            true => Some(super::hangup::Hangup::start(self.wakeup.clone())?),
            false => None,
        };
        let run = move || {
            #[cfg(unix)]
            let _hangup = hangup;
            self.run();
        };
        let spawned = std::thread::Builder::new().name("envconf-watch".into()).spawn(run);
        spawned.map(drop).map_err(|error| {
            Error::new(Kind::Unexpected, "the thread that follows the files cannot be started")
                .caused_by(error)
                .advise("raise the limit of threads or memory of this process")
        })
    }

    fn run(&mut self) {
        let wants_notices = self.loader.watch_options.wants_notices();
        let mut notices = wants_notices.then(|| Notices::start(self.wakeup.clone())).flatten();
        let mut asked = false;
        loop {
            // Subscribe before reading the files, so that no change is missed.
            let by_notices = notices.as_mut().is_some_and(|notices| notices.follow(self.files.paths()));
            self.latest.by_notices(by_notices);
            self.check_files(asked);
            let interval = self.loader.watch_options.interval(by_notices);
            let again = self.refused.as_ref().and_then(|refused| refused.again);
            let due = again.map(|again| again.saturating_duration_since(Instant::now()));
            let reasons = self.wakeup.wait(due.map_or(interval, |due| due.min(interval)));
            if reasons.stop {
                return;
            }
            asked = reasons.asked;
        }
    }

    /// Reads the files, and uses or refuses a new version. With `asked`, retries a refused version.
    fn check_files(&mut self, asked: bool) {
        let Some(snapshot) = self.settled(asked) else { return };
        let fingerprint = snapshot.fingerprint;
        if fingerprint == self.in_use {
            self.refused = None;
            self.latest.confirm();
            return;
        }
        match self.attempt(snapshot) {
            None => {}
            Some(Ok((config, generation))) => {
                (self.in_use, self.refused) = (fingerprint, None);
                let old = self.latest.replace(config, generation);
                guarded(|| drop(old));
            }
            Some(Err(error)) => self.refuse(fingerprint, error),
        }
    }

    /// Returns the files after they have not changed for a while; `None` if there is nothing to do.
    fn settled(&self, asked: bool) -> Option<Snapshot> {
        let quiet = self.loader.watch_options.quiet();
        let restless = Instant::now() + quiet.saturating_mul(RESTLESS).min(TRY_AGAIN.1);
        let mut snapshot = self.files.read(&self.plan);
        loop {
            if self.is_known(&snapshot.fingerprint, asked) {
                return None;
            }
            if snapshot.fingerprint == self.in_use {
                return Some(snapshot);
            }
            if !self.wakeup.pass(quiet) {
                return None;
            }
            let next = self.files.read(&self.plan);
            if next.fingerprint == snapshot.fingerprint || Instant::now() > restless {
                return Some(next);
            }
            snapshot = next;
        }
    }

    /// Returns true if this version was validated already and must not be tried again yet.
    fn is_known(&self, fingerprint: &Fingerprint, asked: bool) -> bool {
        match &self.refused {
            None => *fingerprint == self.in_use,
            Some(refused) => {
                let due = asked || refused.again.is_some_and(|again| Instant::now() >= again);
                *fingerprint == refused.fingerprint && !due
            }
        }
    }

    /// Loads and validates the snapshot; returns `None` if the watch ends during the load.
    fn attempt(&mut self, snapshot: Snapshot) -> Option<Result<(Loaded<T>, u64), Error>> {
        // Read all settings again, like a program that starts: a file with a local key may have changed, too.
        let plan = match self.loader.plan() {
            Ok(plan) => plan,
            Err(error) => return Some(Err(error)),
        };
        let generation = self.latest.status().generation();
        let policy = plan.policy.min_generation(generation);
        let services = plan.services.remembering(&self.plan.services);
        self.plan = LoadPlan { pair: self.plan.pair.clone(), policy, services };
        let load = pin!(snapshot.load(&self.loader, &self.plan));
        let stopped = pin!(self.wakeup.stopped());
        // Catch panics: this runs code of the type, its `Deserialize` and its `validate`.
        let result = catch_unwind(AssertUnwindSafe(|| worker::block_on(worker::first_of(load, stopped))));
        match result {
            Ok(result) => result.map(|result| result.map_err(advise_on_rollback)),
            Err(_) => {
                let error = Error::new(Kind::Unexpected, "the type's own code panicked")
                    .at(self.plan.pair.enc())
                    .advise(
                        "find the place in the message of the panic, and check `validate` and `Deserialize`",
                    );
                Some(Err(error))
            }
        }
    }

    fn refuse(&mut self, fingerprint: Fingerprint, error: Error) {
        let earlier = self.refused.take().filter(|refused| refused.fingerprint == fingerprint);
        let (tries, told) = earlier.map_or((0, false), |refused| (refused.tries, refused.told));
        let again = may_be_temporary(&error).then(|| Instant::now() + delay(tries));
        let tell = !told && (tries >= PATIENCE || !may_be_half_done(&error));
        self.refused = Some(Refused { fingerprint, tries: tries + 1, again, told: told || tell });
        let error = Arc::new(error);
        self.latest.refuse(tell.then(|| error.clone()));
        if tell {
            guarded(|| self.loader.watch_options.report_refusal(&error));
        }
    }
}

/// Runs code of the program. A panic there must not end the watch.
fn guarded(run: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(run));
}

/// Adds the hint for a running program to a rollback error.
fn advise_on_rollback(error: Error) -> Error {
    match error.kind() {
        Kind::Rollback => error.advise(
            "restore the newest pair; or, to use the older content, seal it again or restart the program",
        ),
        _ => error,
    }
}

/// Returns the pause after this number of tries. Half of it is random, so that many processes do not retry at the same
/// time.
fn delay(tries: u32) -> Duration {
    let (first, last) = TRY_AGAIN;
    let full = first.saturating_mul(1 << tries.min(16)).min(last);
    let random = getrandom::u32().unwrap_or(u32::MAX);
    full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
