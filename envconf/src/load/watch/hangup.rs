//! SIGHUP, if the program asked for it.

use std::sync::Arc;

use signal_hook::consts::SIGHUP;
use signal_hook::iterator::{Handle, Signals};

use super::wakeup::Wakeup;
use crate::base::{Error, Kind};

/// The SIGHUP handler of a watch: on SIGHUP, the watch reads its files. Dropping the handler stops this.
pub(super) struct Hangup(Handle);

impl Hangup {
    /// Installs the handler and starts its thread.
    ///
    /// # Errors
    /// [`Kind::Unexpected`] if the handler cannot be installed, or its thread cannot be started.
    pub(super) fn start(wakeup: Arc<Wakeup>) -> Result<Self, Error> {
        let failed = |error| {
            Error::new(Kind::Unexpected, "SIGHUP cannot be handled")
                .caused_by(error)
                .advise("raise the limit of threads or files of this process, or remove on_sighup")
        };
        let mut signals = Signals::new([SIGHUP]).map_err(failed)?;
        let this = Self(signals.handle());
        let listen = move || signals.forever().for_each(|_| wakeup.ask());
        std::thread::Builder::new().name("envconf-sighup".into()).spawn(listen).map_err(failed)?;
        Ok(this)
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.close();
    }
}
