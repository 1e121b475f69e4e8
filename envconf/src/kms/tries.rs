//! The tries of one request: counted, waited between, and ended by the deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::KmsError;
use super::deadline::{Deadline, Patience};
use super::retry::{self, Again, Retries};

/// Where nobody has set a deadline, which no caller within this library leaves out.
const NO_DEADLINE: Duration = Duration::from_secs(10);

/// The tries of one request to a key service.
pub(crate) struct Tries {
    deadline: Arc<Deadline>,
    retries: Retries,
    made: u32,
    refused: Option<u64>,
}

impl Tries {
    /// Before the first try.
    pub(crate) fn begin() -> Self {
        let deadline = Deadline::current()
            .unwrap_or_else(|| Deadline::at(Patience::until(Instant::now() + NO_DEADLINE)));
        let retries = Retries::within(deadline.left());
        Self { deadline, retries, made: 0, refused: None }
    }

    /// The generation of the credentials that were refused: the next try is made with newer ones.
    pub(crate) fn refused(&self) -> Option<u64> {
        self.refused
    }

    /// Waits until the next try after one that failed with `error`; `again` is the retry policy. `generation` is that
    /// of the credentials that may have caused the failure; `None` for credentials that cannot be fetched again.
    ///
    /// # Errors
    /// `error`, where no other try is made.
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
            // Another key can be tried sooner than this one recovers.
            Again::Faulty if self.deadline.has_alternative() => Again::Few,
            // A credential that was given as it is cannot be had otherwise.
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
