//! explain: where each value of a configuration comes from, without the type that it is loaded into.

use crate::error::Error;
use crate::format::Header;
use crate::kms::services::KeyServices;
use crate::layers::report::Provenance;
use crate::layers::{self, Layer};
use crate::open::open;
use crate::pair::Pair;
use crate::plain::Plain;
use crate::policy::Policy;

/// What [`explain`] found.
#[derive(Debug)]
pub struct Explained {
    header: Header,
    values: Vec<Provenance>,
}

impl Explained {
    /// The header of the `.enc`; authenticated.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Path and origin of every value that the files give, by path; no values. What was sealed counts as secret.
    pub fn values(&self) -> &[Provenance] {
        &self.values
    }
}

/// Tells which of the files gives each value: the sealed pair, or a plain layer beside it. Blocks, as [`open`] does.
///
/// Without the type nobody knows of its variables, its defaults, and where its tables end: every leaf is told that is
/// no table with something in it. [`Loaded::origins`](crate::Loaded::origins) knows all that.
///
/// # Errors
/// As for [`open`]; [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) for files that do not parse.
pub fn explain(pair: &Pair, policy: &Policy, services: &KeyServices) -> Result<Explained, Error> {
    let plain = Plain::beside(pair, &policy.name, &policy.environment)?;
    let opened = open(pair, policy, services)?;
    let mut layers: Vec<Layer<'_>> = plain.iter().map(Plain::layer).collect();
    layers.push(opened.layer(pair)?);
    let values = layers::origins(&policy.what(), &layers)?;
    Ok(Explained { header: opened.header, values })
}
