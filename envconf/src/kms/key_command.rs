//! `ENVCONF_KEY_CMD` and `ENVCONF_AGE_KEY_CMD`: commands that print keys. Each command runs once, because it may
//! prompt for a password.

use std::sync::{Arc, OnceLock};

use futures_channel::oneshot;
use zeroize::Zeroizing;

use super::command_output::{CommandFailure, output_of, split_words};
use crate::base::{Error, Kind, escape, stack_wipe};

/// Limit of a command's output in bytes (environment-variables.md).
const OUTPUT: u64 = 4096;

/// A command, and the keys that it printed.
pub(crate) struct KeyCommand<K> {
    /// The environment variable that contains the command line.
    variable: &'static str,
    words: Vec<String>,
    parse: fn(Zeroizing<String>) -> Result<Vec<K>, Error>,
    keys: OnceLock<Vec<K>>,
}

impl<K: Clone + Send + Sync + 'static> KeyCommand<K> {
    /// Returns the command of this command line; `parse` reads its output.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a quote that is not closed.
    pub(crate) fn new(
        variable: &'static str,
        line: &str,
        parse: fn(Zeroizing<String>) -> Result<Vec<K>, Error>,
    ) -> Result<Self, Error> {
        let words = split_words(line).filter(|words| !words.is_empty());
        let words = words
            .ok_or_else(|| Error::new(Kind::Usage, format!("{variable} has a quote that is not closed")))?;
        Ok(Self { variable, words, parse, keys: OnceLock::new() })
    }

    /// Returns true if both are the same command.
    #[cfg(feature = "watch")]
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.words == other.words
    }

    /// Returns the keys that the command prints. Runs it at the first call.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] if the command fails or prints no key.
    pub(crate) async fn keys(self: &Arc<Self>) -> Result<Vec<K>, Error> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys.clone());
        }
        let (done, result) = oneshot::channel();
        // The command runs on a separate thread, so that it does not block the thread of an async caller.
        let runs = self.clone();
        let spawned = std::thread::Builder::new().name("envconf-key-cmd".into()).spawn(move || {
            let keys = runs.run();
            // This thread must not keep the command alive, and the printed keys with it, after the caller drops it.
            drop(runs);
            stack_wipe::wipe_deep();
            // Sending fails if the caller has dropped its future. Then nobody needs the result.
            let _ = done.send(keys);
        });
        let died = || Error::new(Kind::BadLocalKey, format!("{} could not be run", self.variable));
        spawned.map_err(|error| died().caused_by(error))?;
        let keys = result.await.map_err(|_| died())??;
        Ok(self.keys.get_or_init(|| keys).clone())
    }

    /// Runs the command without a shell and without standard input. The limits are 10 s and 4 KiB.
    fn run(&self) -> Result<Vec<K>, Error> {
        let failed = |what: &str| {
            Error::new(Kind::BadLocalKey, format!("{} ({}) {what}", self.variable, escape(&self.words[0])))
                .advise("run the command by hand; it must print keys and end with status 0")
        };
        let text = output_of(&self.words, OUTPUT).map_err(|failure| {
            let reason = failed(failure.reason());
            match failure {
                CommandFailure::NotStarted(error) => reason.caused_by(error),
                _ => reason,
            }
        })?;
        let keys = (self.parse)(text).map_err(|error| error.of_setting(self.variable))?;
        if keys.is_empty() { Err(failed("printed no key")) } else { Ok(keys) }
    }
}
