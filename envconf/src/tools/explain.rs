//! The origin of each value of a configuration, found without the program that loads it.

use crate::base::{Error, KeyRef, Variables};
use crate::format::Header;
use crate::kms::KeyServices;
use crate::layers::{self, Layer, Provenance};
use crate::pair::{Pair, PlainLayer, Policy, open};
use crate::schema::Schema;

/// The result of [`explain`].
#[derive(Debug)]
pub struct Explained {
    header: Header,
    recipients: Vec<KeyRef>,
    values: Vec<Provenance>,
}

impl Explained {
    /// Returns the header of the `.enc` file, which is authenticated.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the keys that can unwrap the data key. They are authenticated.
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Returns path, origin and secrecy of every value, but no values.
    pub fn values(&self) -> &[Provenance] {
        &self.values
    }
}

/// Returns the file that contains each value: the sealed pair, or a plain layer next to it. Blocks, as [`open`] does.
///
/// The files do not tell the variables, the defaults and the secrets of the type. So the result has every leaf of the
/// files by path, and all sealed values count as secret. An empty table is a leaf too. [`explain_by`] (with a schema)
/// and [`Loaded::origins`](crate::Loaded::origins) know the type.
///
/// # Errors
/// The errors of [`open`]; [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) for files that do not parse.
pub fn explain(pair: &Pair, policy: &Policy, services: &KeyServices) -> Result<Explained, Error> {
    explain_with(pair, policy, services, |layers| layers::origins(&policy.title(), layers))
}

/// Returns the origin of each value as the program with this schema would load it, in the order of the struct.
///
/// The origins are the files, the environment variables of this process, and defaults. Blocks, as [`open`] does.
///
/// # Errors
/// The errors of [`explain`]; [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) also for values that the program would
/// reject.
pub fn explain_by(
    schema: &Schema,
    pair: &Pair,
    policy: &Policy,
    services: &KeyServices,
) -> Result<Explained, Error> {
    explain_with(pair, policy, services, |layers| {
        schema.origins(&policy.title(), layers, &Variables::Process)
    })
}

fn explain_with(
    pair: &Pair,
    policy: &Policy,
    services: &KeyServices,
    origins: impl FnOnce(&[Layer<'_>]) -> Result<Vec<Provenance>, Error>,
) -> Result<Explained, Error> {
    let plain = PlainLayer::beside(pair, &policy.name, &policy.environment)?;
    let opened = open(pair, policy, services)?;
    let mut layers: Vec<Layer<'_>> = plain.iter().map(PlainLayer::layer).collect();
    layers.push(opened.layer(pair)?);
    let values = origins(&layers)?;
    let recipients = opened.recipients().cloned().collect();
    Ok(Explained { header: opened.header, recipients, values })
}
