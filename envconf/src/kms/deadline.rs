//! How long a piece of work for a key service may take, and how it has fared so far.
//!
//! The work itself asks (to plan its waits), and so does whoever waits for it: when time is up, the last failure that
//! the service gave says more than "too late". Work that several wait for has the longest of their deadlines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::KmsError;

tokio::task_local! {
    static CURRENT: Arc<Deadline>;
}

/// The deadline of one request to a key service, all its tries together.
pub(crate) struct Deadline(Mutex<State>);

struct State {
    until: Instant,
    last: Option<KmsError>,
}

impl Deadline {
    pub(crate) fn at(until: Instant) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { until, last: None })))
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
        let until = self.state().until.into();
        let job = tokio::time::timeout_at(until, self.clone().scope(job));
        job.await.unwrap_or_else(|_| Err(self.late()))
    }

    /// Somebody waits for the same until then.
    pub(crate) fn extend(&self, until: Instant) {
        let mut state = self.state();
        state.until = state.until.max(until);
    }

    /// The last failure that was noted, or else that there was no answer.
    pub(crate) fn late(&self) -> KmsError {
        self.state().last.clone().unwrap_or_else(|| {
            KmsError::transient("no answer within the deadline")
                .advise("look at the network and the endpoint, or raise ENVCONF_KMS_DEADLINE")
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "tencent")]
impl Deadline {
    /// The deadline of the work that asks.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    pub(crate) fn left(&self) -> std::time::Duration {
        self.state().until.saturating_duration_since(Instant::now())
    }

    /// A try has failed so.
    pub(crate) fn note(&self, error: &KmsError) {
        self.state().last = Some(error.clone());
    }
}
