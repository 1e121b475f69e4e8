//! The deadline of an operation on a key service, and its last failure.
//!
//! The work itself asks (to plan its waits), and so does everyone who waits for it: when time is up, the last failure that
//! the service gave says more than "too late". Work that several wait for has the longest of their deadlines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::KmsError;

tokio::task_local! {
    static CURRENT: Arc<Deadline>;
}

/// How long the caller is willing to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) until: Instant,
    /// True if something else can be tried when this fails: then a fault is not a reason to wait for long.
    pub(crate) has_alternative: bool,
}

impl Patience {
    /// To the end: there is nothing else.
    pub(crate) fn until(until: Instant) -> Self {
        Self { until, has_alternative: false }
    }
}

/// The deadline of one request to a key service, all its tries together.
pub(crate) struct Deadline(Mutex<DeadlineState>);

struct DeadlineState {
    patience: Patience,
    last: Option<KmsError>,
}

impl Deadline {
    pub(crate) fn at(patience: Patience) -> Arc<Self> {
        Arc::new(Self(Mutex::new(DeadlineState { patience, last: None })))
    }

    /// Runs `job` with this as its deadline; does not end it.
    pub(crate) async fn scope<T>(self: Arc<Self>, job: impl Future<Output = T>) -> T {
        CURRENT.scope(self, job).await
    }

    /// Runs `job` with this as its deadline, and ends it there.
    pub(crate) async fn run<T>(
        self: Arc<Self>,
        job: impl Future<Output = Result<T, KmsError>>,
    ) -> Result<T, KmsError> {
        let until = self.state().patience.until.into();
        let job = tokio::time::timeout_at(until, self.clone().scope(job));
        job.await.unwrap_or_else(|_| Err(self.late()))
    }

    /// Somebody waits for the same: with the longer patience of both.
    pub(crate) fn extend(&self, patience: Patience) {
        let own = &mut self.state().patience;
        own.until = own.until.max(patience.until);
        own.has_alternative &= patience.has_alternative;
    }

    /// The last failure that was noted, or else that there was no answer.
    pub(crate) fn late(&self) -> KmsError {
        self.state().last.clone().unwrap_or_else(|| {
            KmsError::transient("no answer within the deadline")
                .advise("look at the network and the endpoint, or raise ENVCONF_KMS_DEADLINE")
        })
    }

    fn state(&self) -> MutexGuard<'_, DeadlineState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "__http")]
impl Deadline {
    /// The deadline of the work that asks.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    pub(crate) fn left(&self) -> std::time::Duration {
        self.state().patience.until.saturating_duration_since(Instant::now())
    }

    /// Returns true if everybody who waits can try something else.
    pub(crate) fn has_alternative(&self) -> bool {
        self.state().patience.has_alternative
    }

    /// A try has failed so.
    pub(crate) fn note(&self, error: &KmsError) {
        self.state().last = Some(error.clone());
    }
}
