//! A change of what a pair holds: open it, check that it may be changed, seal the new content over it.

use std::path::Path;

use envconf::{ContentType, Error, KeyServices, Opened, Seal, Sealed};
use serde_json::{Value, json};

use super::global::Global;
use super::signing_args::{Signing, SigningArgs};
use super::target::Target;
use super::wanted_recipients::refuse_drift;
use crate::output::{Output, shown};

/// A pair that was opened to be changed.
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
    /// As for [`Target::refuse_older`], [`Target::open`] and [`refuse_drift`].
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

    /// A name for the plain file, without an extension.
    #[cfg(unix)]
    pub(crate) fn label(&self) -> String {
        format!("{}.{}", self.target.name, self.target.environment)
    }

    /// Names the pair in an error about its content.
    pub(crate) fn name(&self, error: Error) -> Error {
        error.at(self.target.pair.enc())
    }

    /// Seals `content` as the old one was sealed, with what `adjust` changes, and reports that; `more` are fields of the
    /// JSON report.
    ///
    /// # Errors
    /// As for [`Seal::seal_over`].
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

    /// Reports that everything is as wanted already.
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
