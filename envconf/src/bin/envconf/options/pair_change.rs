//! Changes the content of a pair: opens it, checks that the change is allowed, and seals the new content over it.

use std::path::Path;

use envconf::{ContentType, Error, KeyServices, Opened, Seal, Sealed};
use serde_json::{Value, json};

use super::global::Global;
use super::signing_args::{Signing, SigningArgs};
use super::target::Target;
use super::wanted_recipients::refuse_drift;
use crate::output::{Output, shown};

/// A pair that was opened for a change.
pub(crate) struct Change {
    target: Target,
    services: KeyServices,
    opened: Opened,
    signing: Signing,
}

impl Change {
    /// Opens the pair and compares its recipients with the rules.
    ///
    /// # Errors
    /// The errors of [`Target::refuse_older`], [`Target::open`] and [`refuse_drift`].
    pub(crate) fn begin(
        pair: &Path,
        signing: &SigningArgs,
        global: &Global,
        output: &Output,
    ) -> Result<Self, Error> {
        let target = Target::resolve(pair, global)?;
        let services = target.services(output)?;
        target.refuse_older(global, &services)?;
        let opened = target.open(global, &services, output)?;
        let recipients: Vec<_> = opened.recipients().cloned().collect();
        refuse_drift(&recipients, &target.pair, global, &services)?;
        let signing = signing.read(global, None, &target.pair)?;
        Ok(Self { target, services, opened, signing })
    }

    pub(crate) fn content(&self) -> &[u8] {
        self.opened.content()
    }

    pub(crate) fn content_type(&self) -> ContentType {
        self.opened.header().content_type
    }

    /// Returns a name for the plain file, without an extension.
    #[cfg(unix)]
    pub(crate) fn label(&self) -> String {
        format!("{}.{}", self.target.name, self.target.environment)
    }

    /// Adds the pair to an error about its content.
    pub(crate) fn name(&self, error: Error) -> Error {
        error.at(self.target.pair.enc())
    }

    /// Seals `content` with the settings of the old pair and the changes of `adjust`, and reports it. `more` are
    /// further fields of the JSON report.
    ///
    /// # Errors
    /// The errors of [`Seal::seal_over`].
    pub(crate) fn seal(
        &self,
        adjust: impl FnOnce(Seal) -> Seal,
        content: &[u8],
        more: Value,
        output: &Output,
    ) -> Result<(), Error> {
        let Target { pair, .. } = &self.target;
        let seal = adjust(self.signing.apply(Seal::again(&self.opened)));
        let sealed = seal.seal_over(pair, &self.opened, content, &self.services)?;
        self.target.sealed(sealed.recipients(), output);
        self.report(Some(&sealed), more, output)?;
        self.signing.say_missing(output);
        Ok(())
    }

    /// Reports that nothing had to change.
    pub(crate) fn leave(&self, more: Value, output: &Output) -> Result<(), Error> {
        self.report(None, more, output)
    }

    fn report(&self, sealed: Option<&Sealed>, more: Value, output: &Output) -> Result<(), Error> {
        let Target { pair, name, environment } = &self.target;
        let generation = sealed.map_or(self.opened.header().generation, Sealed::generation);
        if output.is_json() {
            let mut report = json!({
                "enc": pair.enc().to_string_lossy(),
                "name": name.as_str(),
                "environment": environment.as_str(),
                "written": sealed.is_some(),
                "generation": generation,
            });
            if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
                report.extend(more);
            }
            return output.json(&report);
        }
        let enc = shown(pair.enc());
        output.say(match sealed {
            Some(_) => format!("Sealed {} (generation {generation})\n  {enc}", self.target.label()),
            None => format!("Unchanged: nothing was written\n  {enc}"),
        });
        Ok(())
    }
}
