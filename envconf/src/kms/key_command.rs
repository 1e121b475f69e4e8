//! `ENVCONF_KEY_CMD` and `ENVCONF_AGE_KEY_CMD`: commands that print keys. One may ask a person, so it is run once.

use std::sync::{Arc, OnceLock};

use futures_channel::oneshot;
use zeroize::Zeroizing;

use super::command_output::{CommandFailure, output_of, split_words};
use crate::base::{Error, Kind, escape, stack_wipe};

/// Most bytes that a command may print (api.md §3).
const OUTPUT: u64 = 4096;

/// A command, and the keys that it printed.
pub(crate) struct KeyCommand<K> {
    /// The variable that names it.
    variable: &'static str,
    words: Vec<String>,
    parse: fn(Zeroizing<String>) -> Result<Vec<K>, Error>,
    keys: OnceLock<Vec<K>>,
}

impl<K: Clone + Send + Sync + 'static> KeyCommand<K> {
    /// The command of this line; `parse` reads what it prints.
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

    /// The keys that it prints.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] where it fails, or prints no key.
    pub(crate) async fn keys(self: &Arc<Self>) -> Result<Vec<K>, Error> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys.clone());
        }
        let (done, result) = oneshot::channel();
        // On a separate thread: an async caller must not be held for as long as the command takes.
        let runs = self.clone();
        let spawned = std::thread::Builder::new().name("envconf-key-cmd".into()).spawn(move || {
            let keys = runs.run();
            // The keys are kept there, and no longer than by the caller.
            drop(runs);
            stack_wipe::wipe_deep();
            // The caller may have gone; then nobody wants the result.
            let _ = done.send(keys);
        });
        let died = || Error::new(Kind::BadLocalKey, format!("{} could not be run", self.variable));
        spawned.map_err(|error| died().caused_by(error))?;
        let keys = result.await.map_err(|_| died())??;
        Ok(self.keys.get_or_init(|| keys).clone())
    }

    /// Runs it: no shell, no stdin, 10 s, 4 KiB.
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
