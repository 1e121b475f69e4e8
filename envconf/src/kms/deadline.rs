//! The deadline of a request to a key service, and its last failure.
//!
//! The request reads the deadline to plan its waits. When time is up, the callers report the last failure, because it
//! says more than "timed out". A request with several callers has the longest of their deadlines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::KmsError;

tokio::task_local! {
    static CURRENT: Arc<Deadline>;
}

/// The longest time that the caller waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) until: Instant,
    /// True if the caller can try something else after a failure. Then a fault is not a reason to wait for long.
    pub(crate) has_alternative: bool,
}

impl Patience {
    /// Waits until this moment, without an alternative.
    pub(crate) fn until(until: Instant) -> Self {
        Self { until, has_alternative: false }
    }
}

/// The deadline of one request to a key service, for all its tries together.
pub(crate) struct Deadline(Mutex<DeadlineState>);

struct DeadlineState {
    patience: Patience,
    last: Option<KmsError>,
}

impl Deadline {
    pub(crate) fn at(patience: Patience) -> Arc<Self> {
        Arc::new(Self(Mutex::new(DeadlineState { patience, last: None })))
    }

    /// Runs `job` with this deadline as its current one; does not end the job at the deadline.
    pub(crate) async fn scope<T>(self: Arc<Self>, job: impl Future<Output = T>) -> T {
        CURRENT.scope(self, job).await
    }

    /// Runs `job` with this deadline, and ends the job at the deadline.
    pub(crate) async fn run<T>(
        self: Arc<Self>,
        job: impl Future<Output = Result<T, KmsError>>,
    ) -> Result<T, KmsError> {
        let until = self.state().patience.until.into();
        let job = tokio::time::timeout_at(until, self.clone().scope(job));
        job.await.unwrap_or_else(|_| Err(self.late()))
    }

    /// Adds another caller: the deadline becomes the longer of both.
    pub(crate) fn extend(&self, patience: Patience) {
        let own = &mut self.state().patience;
        own.until = own.until.max(patience.until);
        own.has_alternative &= patience.has_alternative;
    }

    /// Returns the error for a request whose time is up: the last failure, or else that there was no answer.
    pub(crate) fn late(&self) -> KmsError {
        self.state().last.clone().unwrap_or_else(|| {
            KmsError::transient("no answer within the deadline")
                .advise("check the network and the endpoint, or raise ENVCONF_KMS_DEADLINE")
        })
    }

    fn state(&self) -> MutexGuard<'_, DeadlineState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "__http")]
impl Deadline {
    /// Returns the deadline of the current job.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    pub(crate) fn left(&self) -> std::time::Duration {
        self.state().patience.until.saturating_duration_since(Instant::now())
    }

    /// Returns true if every caller can try something else.
    pub(crate) fn has_alternative(&self) -> bool {
        self.state().patience.has_alternative
    }

    /// Records the failure of a try.
    pub(crate) fn note(&self, error: &KmsError) {
        self.state().last = Some(error.clone());
    }
}
