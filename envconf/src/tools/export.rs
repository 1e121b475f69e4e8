//! Export of a configuration as environment variables, for programs that do not read pairs (command-run.md).

use zeroize::Zeroizing;

use crate::base::{Error, KeyRef, Kind, Origin, Remedy, escape};
use crate::format::Header;
use crate::kms::KeyServices;
use crate::layers::as_variables::Naming;
use crate::layers::{Layer, NameStyle, NamedValue, Provenance, as_variables};
use crate::pair::{Pair, PlainLayer, Policy, open};
use crate::syntax::dotenv::is_name;

use super::refused_names::{AllowedName, NameCategory};

/// A configuration as environment variables. The values are wiped on drop.
#[derive(Debug)]
pub struct Exported {
    header: Header,
    recipients: Vec<KeyRef>,
    variables: Vec<ExportedVariable>,
    left_out: Vec<Provenance>,
    skipped: Vec<Provenance>,
}

/// The options of [`export`]: the names of variables, and the refused names that it allows.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    prefix: Option<String>,
    separator: String,
    keys: NameStyle,
    skip_unnamed: bool,
    allowed: Vec<AllowedName>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            prefix: None,
            separator: "__".to_owned(),
            keys: NameStyle::Upper,
            skip_unnamed: false,
            allowed: Vec::new(),
        }
    }
}

impl ExportOptions {
    /// Creates options with no prefix and keys in upper snake case, joined by `__`. No key is skipped, and no refused
    /// name is allowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins every name with `prefix` and the separator, and adds the values of plain layers.
    ///
    /// Lines of dotenv content keep their names.
    #[must_use]
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Converts keys to names in this style. Lines of dotenv content keep their names.
    #[must_use]
    pub fn names(mut self, style: NameStyle) -> Self {
        self.keys = style;
        self
    }

    /// Joins the prefix and the keys of a path with this text, of letters, digits and `_`; the default is `__`.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = separator.into();
        self
    }

    /// Skips keys that cannot be part of a variable's name, such as `Microsoft.AspNetCore`, instead of failing.
    /// [`Exported::skipped`] lists them.
    #[must_use]
    pub fn skip_unnamed(mut self) -> Self {
        self.skip_unnamed = true;
        self
    }

    /// Allows these refused names. Several calls add up.
    #[must_use]
    pub fn allow(mut self, names: impl IntoIterator<Item = AllowedName>) -> Self {
        self.allowed.extend(names);
        self
    }
}

/// One value of a configuration as an environment variable. `Debug` does not show the value.
pub struct ExportedVariable(NamedValue);

impl Exported {
    /// Returns the header of the `.enc` file, which is authenticated.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the keys that can unwrap the data key. They are authenticated.
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Returns the variables, sorted by name. Each name occurs once.
    pub fn variables(&self) -> &[ExportedVariable] {
        &self.variables
    }

    /// Returns the keys of plain layers that did not become variables, with their origins, sorted by path. Empty with a
    /// prefix.
    pub fn left_out(&self) -> &[Provenance] {
        &self.left_out
    }

    /// Returns the skipped keys, which cannot be part of a variable's name, with their origins, sorted by path. Empty
    /// without [`ExportOptions::skip_unnamed`].
    pub fn skipped(&self) -> &[Provenance] {
        &self.skipped
    }
}

impl ExportedVariable {
    /// Returns the variable's name: `[A-Za-z_][A-Za-z0-9_]*`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the dotted path of the value, such as `database.pool_size`. For dotenv content, this is the name.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns the origin of the value.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Returns the value, which has no zero byte. Check every use: the value may leak there.
    pub fn expose_value(&self) -> &Zeroizing<String> {
        &self.0.value
    }
}

impl std::fmt::Debug for ExportedVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=[REDACTED]", self.0.name)
    }
}

/// Opens a pair and returns its values as environment variables. Blocks, as [`open`] does.
///
/// By default, a name is the prefix (if there is one) and the path in upper snake case, joined by `__`. A derived
/// struct with `env_prefix` reads this name. Lines of dotenv content keep their names. Texts are unchanged. Numbers,
/// dates and times are written as in the content, without underscores and radix prefixes. Lists and empty tables are
/// JSON; a null is not exported. Every other table is exported like a nested struct: a field that is a map does not
/// read such variables.
///
/// The plain layers next to the pair are not authenticated. Their values become variables only with a prefix. Without
/// one, [`Exported::left_out`] lists their keys. A name in the table of [`refused_names`](crate::tools::refused_names)
/// is an error unless the options allow it.
///
/// # Errors
/// The errors of [`open`]; [`Kind::Usage`] for an invalid prefix or separator; [`Kind::DoesNotFit`] for files that do
/// not parse, paths without a valid name, two paths with the same name, values with a zero byte, and refused names.
///
/// ```no_run
/// use envconf::tools::ExportOptions;
/// use envconf::{KeyServices, Pair, Policy};
///
/// # fn main() -> Result<(), envconf::Error> {
/// let (name, environment) = ("app".parse()?, "default".parse()?);
/// let pair = Pair::new("config", &name, &environment);
/// let policy = Policy::from_environment(name, environment)?;
/// let services = KeyServices::from_environment("config")?;
/// let options = ExportOptions::new().env_prefix("APP").allow(["cloud-credentials".parse()?]);
/// for variable in envconf::tools::export(&pair, &policy, &services, &options)?.variables() {
///     println!("{} is from {}", variable.name(), variable.origin());
/// }
/// # Ok(())
/// # }
/// ```
pub fn export(
    pair: &Pair,
    policy: &Policy,
    services: &KeyServices,
    options: &ExportOptions,
) -> Result<Exported, Error> {
    let prefix = options.prefix.as_deref();
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if options.separator.is_empty() || !options.separator.bytes().all(is_part) {
        let message =
            format!("invalid separator in names of environment variables: `{}`", escape(&options.separator));
        return Err(Error::new(Kind::Usage, message).advise("use letters, digits and `_`, such as __ or _"));
    }
    if let Some(prefix) = prefix.filter(|prefix| !is_name(prefix)) {
        return Err(Error::new(
            Kind::Usage,
            format!("invalid prefix of environment variables: `{}`", escape(prefix)),
        )
        .advise("use letters, digits and `_`, and begin with a letter or `_`, such as APP"));
    }
    let plain = PlainLayer::beside(pair, &policy.name, &policy.environment)?;
    let opened = open(pair, policy, services)?;
    let mut layers: Vec<Layer<'_>> = plain.iter().map(PlainLayer::layer).collect();
    layers.push(opened.layer(pair)?);
    let naming = Naming {
        prefix,
        separator: &options.separator,
        keys: options.keys,
        skip_unnamed: options.skip_unnamed,
    };
    let named = as_variables::variables(&policy.title(), &layers, naming)?;
    check_names(&named.variables, &options.allowed).map_err(|error| error.at(pair.enc()))?;
    Ok(Exported {
        variables: named.variables.into_iter().map(ExportedVariable).collect(),
        left_out: named.left_out,
        recipients: opened.recipients().cloned().collect(),
        skipped: named.skipped,
        header: opened.header,
    })
}

/// Rejects refused names.
///
/// # Errors
/// [`Kind::DoesNotFit`] with every refused name that is not allowed.
fn check_names(variables: &[NamedValue], allowed: &[AllowedName]) -> Result<(), Error> {
    let refused: Vec<(&str, NameCategory)> = variables
        .iter()
        .filter_map(|variable| Some((variable.name.as_str(), NameCategory::of(&variable.name)?)))
        .filter(|(name, category)| !allowed.iter().any(|allowed| allowed.allows(name, *category)))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    let listed: Vec<_> = refused.iter().map(|(name, category)| format!("{name} ({category})")).collect();
    let names = refused.iter().map(|(name, _)| (*name).to_owned()).collect();
    let message = format!("refused environment variable names: {}", listed.join(", "));
    Err(Error::new(Kind::DoesNotFit, message).advise_to_set(
        Remedy::ExportedNames(names),
        "other programs read these names: rename them, add a prefix, or allow them",
    ))
}
