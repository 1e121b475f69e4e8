//! The tries of one request, from the first one to the deadline, and the waits between them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::KmsError;
use super::deadline::{Deadline, Patience};
use super::retry::{self, Again, Retries};

/// The deadline of a request without one. Every caller within this library sets a deadline.
const NO_DEADLINE: Duration = Duration::from_secs(10);

/// The tries of one request to a key service.
pub(crate) struct Tries {
    deadline: Arc<Deadline>,
    retries: Retries,
    made: u32,
    refused: Option<u64>,
}

impl Tries {
    /// Starts counting before the first try.
    pub(crate) fn begin() -> Self {
        let deadline = Deadline::current()
            .unwrap_or_else(|| Deadline::at(Patience::until(Instant::now() + NO_DEADLINE)));
        let retries = Retries::within(deadline.left());
        Self { deadline, retries, made: 0, refused: None }
    }

    /// Returns the generation of the credentials that the service refused. The next try needs newer ones.
    pub(crate) fn refused(&self) -> Option<u64> {
        self.refused
    }

    /// Waits after a try that failed with `error`; `again` is the decision of the retry policy. `generation` belongs to
    /// the credentials that may have caused the failure; `None` if they cannot be fetched again.
    ///
    /// # Errors
    /// `error`, if there is no next try.
    pub(crate) async fn wait_after(
        &mut self,
        error: KmsError,
        generation: Option<u64>,
        again: Again,
    ) -> Result<(), KmsError> {
        self.made = self.made.saturating_add(1);
        let error = if error.tries == 0 { error } else { error.tries(self.made) };
        self.deadline.note(&error);
        let again = match again {
            Again::OnceByServiceClock if !error.clock_corrected => Again::Never,
            // The caller can use another key before this one recovers.
            Again::Faulty if self.deadline.has_alternative() => Again::Few,
            // A fixed credential, such as one in a variable, cannot be fetched again.
            Again::OnceWithNewCredentials if generation.is_none() => Again::Never,
            again => again,
        };
        let Some(wait) = self.retries.after(again, self.deadline.left(), retry::random()) else {
            return Err(error);
        };
        if again == Again::OnceWithNewCredentials {
            self.refused = generation;
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
