//! export: a configuration as environment variables, for programs that know nothing of pairs (api.md §4, `exec`).

use zeroize::Zeroizing;

use crate::base::{Error, Kind, Origin, escape};
use crate::format::Header;
use crate::kms::KeyServices;
use crate::layers::{Layer, Named, as_variables};
use crate::pair::{Pair, Plain, Policy, open};
use crate::syntax::dotenv::is_name;

/// A configuration as variables; values are wiped on drop.
#[derive(Debug)]
pub struct Exported {
    header: Header,
    variables: Vec<ExportedVariable>,
}

/// One value of a configuration as a variable. `Debug` shows no value.
pub struct ExportedVariable(Named);

impl Exported {
    /// The header of the `.enc`; authenticated.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The variables, by name; each name once.
    pub fn variables(&self) -> &[ExportedVariable] {
        &self.variables
    }
}

impl ExportedVariable {
    /// The variable's name: `[A-Za-z_][A-Za-z0-9_]*`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The dotted path of the value, such as `database.pool_size`; the name itself where the content is dotenv.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Where the value came from.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The value, without a zero byte. Every use is a place where it may leak.
    pub fn expose_value(&self) -> &Zeroizing<String> {
        &self.0.value
    }
}

impl std::fmt::Debug for ExportedVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=[REDACTED]", self.0.name)
    }
}

/// Opens a pair and names what is in it, and in the plain layers beside it, as variables. Blocks, as [`open`] does.
///
/// A name is the path in upper snake case, joined by `__`, after `prefix` where there is one: what a derived struct with
/// `env_prefix` reads. Lines of dotenv content keep their names. Texts are as they are, numbers and truth values as
/// they are written, lists and empty tables as JSON; a null is no variable. Every other table is taken for a nested
/// struct: a field that is a map reads no such variables.
///
/// # Errors
/// As for [`open`]; [`Kind::Usage`] for a prefix that is no name; [`Kind::DoesNotFit`] for files that do not parse, paths
/// that make no name or make one twice, and values with a zero byte.
///
/// ```no_run
/// use envconf::{KeyServices, Pair, Policy};
///
/// # fn main() -> Result<(), envconf::Error> {
/// let (name, environment) = ("app".parse()?, "default".parse()?);
/// let pair = Pair::new("config", &name, &environment);
/// let policy = Policy::from_environment(name, environment)?;
/// let services = KeyServices::from_environment("config")?;
/// for variable in envconf::export(&pair, &policy, &services, Some("APP"))?.variables() {
///     println!("{} is from {}", variable.name(), variable.origin());
/// }
/// # Ok(())
/// # }
/// ```
pub fn export(
    pair: &Pair,
    policy: &Policy,
    services: &KeyServices,
    prefix: Option<&str>,
) -> Result<Exported, Error> {
    if let Some(prefix) = prefix.filter(|prefix| !is_name(prefix)) {
        return Err(Error::new(Kind::Usage, format!("`{}` is no prefix of a variable", escape(prefix)))
            .advise("use letters, digits and `_`, the first no digit, such as APP"));
    }
    let plain = Plain::beside(pair, &policy.name, &policy.environment)?;
    let opened = open(pair, policy, services)?;
    let mut layers: Vec<Layer<'_>> = plain.iter().map(Plain::layer).collect();
    layers.push(opened.layer(pair)?);
    let variables = as_variables::variables(&policy.what(), &layers, prefix)?;
    Ok(Exported { variables: variables.into_iter().map(ExportedVariable).collect(), header: opened.header })
}
