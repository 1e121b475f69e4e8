//! explain: where each value of a configuration comes from, without the program that loads it.

use crate::base::{Error, KeyRef, Variables};
use crate::format::Header;
use crate::kms::KeyServices;
use crate::layers::{self, Layer, Provenance};
use crate::pair::{Pair, Plain, Policy, open};
use crate::schema::Schema;

/// What [`explain`] found.
#[derive(Debug)]
pub struct Explained {
    header: Header,
    recipients: Vec<KeyRef>,
    values: Vec<Provenance>,
}

impl Explained {
    /// The header of the `.enc`; authenticated.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Everybody who can unwrap the data key; authenticated.
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Path, origin and secrecy of every value; no values.
    pub fn values(&self) -> &[Provenance] {
        &self.values
    }
}

/// Tells which of the files gives each value: the sealed pair, or a plain layer beside it. Blocks, as [`open`] does.
///
/// Without the type nobody knows of its variables, its defaults, its secrets, and where its tables end: every leaf is
/// told, by path, that is not a table with something in it, and what was sealed counts as secret. [`explain_by`] a schema and
/// [`Loaded::origins`](crate::Loaded::origins) know all that.
///
/// # Errors
/// As for [`open`]; [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) for files that do not parse.
pub fn explain(pair: &Pair, policy: &Policy, services: &KeyServices) -> Result<Explained, Error> {
    explain_with(pair, policy, services, |layers| layers::origins(&policy.what(), layers))
}

/// Tells where each value comes from as the program sees it whose schema this is: the files, this process's variables,
/// or a default; in the order of the struct. Blocks, as [`open`] does.
///
/// # Errors
/// As for [`explain`]; [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) for what the program would refuse, too.
pub fn explain_by(
    schema: &Schema,
    pair: &Pair,
    policy: &Policy,
    services: &KeyServices,
) -> Result<Explained, Error> {
    explain_with(pair, policy, services, |layers| schema.origins(&policy.what(), layers, &Variables::Process))
}

fn explain_with(
    pair: &Pair,
    policy: &Policy,
    services: &KeyServices,
    origins: impl FnOnce(&[Layer<'_>]) -> Result<Vec<Provenance>, Error>,
) -> Result<Explained, Error> {
    let plain = Plain::beside(pair, &policy.name, &policy.environment)?;
    let opened = open(pair, policy, services)?;
    let mut layers: Vec<Layer<'_>> = plain.iter().map(Plain::layer).collect();
    layers.push(opened.layer(pair)?);
    let values = origins(&layers)?;
    let recipients = opened.recipients().cloned().collect();
    Ok(Explained { header: opened.header, recipients, values })
}
