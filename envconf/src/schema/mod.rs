//! Schemas: a type's META as a file, and the checks of content that need no more than that file.
//!
//! A schema is read back into what it was written from. So the loader itself judges content by it, walking META where
//! generated code would (`layers::fields`), and each leaf asks serde for its value as the type in Rust does (`value`):
//! what is refused here, and in which words, is what `load` refuses.

mod json;
mod read;
mod types;
mod value;
mod write;
pub(crate) mod template;
pub(crate) mod check;

pub use self::template::{Format, template};

use std::io::Read as _;
use std::path::Path;

use serde::de::DeserializeSeed as _;

use self::types::Type;
use crate::base::open_regular;
use crate::base::{Complaint, Error, Kind, Remedy, Variables, escape, suggest};
use crate::layers::env::file_form;
use crate::layers::names::{FileForms, Tail, fits};
use crate::layers::{self, Environment, Fields, Layer, Position, Provenance, Report};
use crate::meta::{Fallback, Meta, NestedType, Shape};

pub(crate) use self::json::Json;
pub(crate) use self::write::literal;

/// The draft that is written and read.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema file may be as large as this.
const LIMIT: u64 = 4 << 20;

/// The description of a configuration in a file: [`T::json_schema`](crate::EncryptedConfig::json_schema) writes it,
/// and everyone who seals reads it.
///
/// It is kept until the process ends, as the constants are that it means: read it once.
///
/// ```
/// # fn main() -> Result<(), envconf::Error> {
/// use envconf::{EncryptedConfig, Schema};
///
/// #[derive(EncryptedConfig)]
/// struct AppConfig {
///     port: u16,
/// }
///
/// let schema = Schema::parse(&AppConfig::json_schema())?;
/// assert_eq!(schema.meta().leaves()[0].path(), "port");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    root: Object,
    provided: Vec<String>,
}

/// A struct as a schema tells it.
#[derive(Clone, Debug)]
struct Object {
    meta: &'static Meta,
    /// One for each field of `meta`.
    slots: Vec<FieldSchema>,
}

/// What stands behind a field.
#[derive(Clone, Debug)]
enum FieldSchema {
    Leaf(Type),
    Nested(NestedSchema),
}

/// The type of a field with `nested`, as a schema tells it. [`NestedType`] has the same shape.
#[derive(Clone, Debug)]
enum NestedSchema {
    Section(Object),
    Optional(Box<NestedSchema>),
    List(Box<NestedSchema>),
    Map(Box<NestedSchema>),
    /// The contents of the variants.
    Variants(Vec<Option<NestedSchema>>),
}

impl Schema {
    /// The schema in this file, of at most 4 MiB.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read; otherwise as for [`Schema::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::read(path, error);
        let mut bytes = Vec::new();
        open_regular(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes)).map_err(failed)?;
        if bytes.len() as u64 > LIMIT {
            return Err(Error::new(Kind::Usage, "a schema has at most 4 MiB").at(path));
        }
        let text =
            std::str::from_utf8(&bytes).map_err(|_| Error::new(Kind::Usage, "a schema is UTF-8").at(path))?;
        Self::parse(text).map_err(|error| error.at(path))
    }

    /// The schema in this text: JSON Schema, draft 2020-12, of the kind that
    /// [`T::json_schema`](crate::EncryptedConfig::json_schema) writes.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a text that is not JSON, and for a keyword that is not understood and could refuse a value,
    /// with its line and column.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { root: read::schema(text)?, provided: Vec::new() })
    }

    /// Says that the application will have this variable, or its `_FILE` form, where it runs: content may be silent on what it gives.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a name that no field has.
    pub fn provided(mut self, variable: &str) -> Result<Self, Error> {
        let prefix = self.meta().env_prefix;
        let names: Vec<String> =
            self.meta().leaves().iter().filter_map(|leaf| leaf.variable(prefix)).collect();
        // A container's secret comes in a file that the variable's other form names.
        if let Some(name) = names.iter().find(|name| *name == variable || file_form(name) == variable) {
            self.provided.push(name.clone());
            return Ok(self);
        }
        let below = prefix.and_then(|prefix| variable.strip_prefix(prefix)?.strip_prefix("__"));
        if below.is_some_and(|name| fits(self.meta().part(), Tail::Below(name), FileForms::Named)) {
            self.provided.push(variable.strip_suffix("_FILE").unwrap_or(variable).to_owned());
            return Ok(self);
        }
        // Everyone who writes NAME=value here is not to find the value in a log.
        let name = variable.split_once('=').map_or(variable, |(name, _)| name);
        let error = Error::new(Kind::Usage, format!("no field has the variable {}", escape(name)));
        Err(match suggest::nearest(name, names.iter().map(String::as_str)) {
            Some(nearest) => error.advise(format!("did you mean {}?", escape(nearest))),
            None => error,
        })
    }

    /// The type as its program knows it, without its functions and its settings of trust.
    pub fn meta(&self) -> &'static Meta {
        self.root.meta
    }

    /// Refuses what the application would refuse of `layers`, the weakest first; `what` says whose they are.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] with every problem there is.
    pub(crate) fn check(&self, what: &str, layers: &[Layer<'_>]) -> Result<(), Error> {
        let refused = match self.build(what, layers, &Variables::given::<&str, &str>([]), Report::default()) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let by_variable = refused
            .problems()
            .iter()
            .any(|problem| matches!(problem.complaint(), Complaint::Missing { variable: Some(_), .. }));
        Err(match refused.advice() {
            None if by_variable => refused.advise_to_set(
                Remedy::ProvidedVariables,
                "name the variables that the program will have where it runs with Schema::provided",
            ),
            _ => refused,
        })
    }

    /// Where each value comes from, of `layers` and the application's `variables`.
    ///
    /// # Errors
    /// As for [`Schema::check`].
    #[cfg(feature = "tools")]
    pub(crate) fn origins(
        &self,
        what: &str,
        layers: &[Layer<'_>],
        variables: &Variables,
    ) -> Result<Vec<Provenance>, Error> {
        self.build(what, layers, variables, Report::tracing())
    }

    fn build(
        &self,
        what: &str,
        layers: &[Layer<'_>],
        variables: &Variables,
        report: Report,
    ) -> Result<Vec<Provenance>, Error> {
        let meta = self.meta();
        let environment = Environment::new(variables, meta.env_prefix).assuming(&self.provided);
        let build = |at: Position<'_>| section(at, &self.root);
        layers::build(what, layers, &environment, report, meta, build).map(|((), origins)| origins)
    }
}

fn section(at: Position<'_>, object: &Object) -> Option<()> {
    at.section(object.meta, &mut |fields| object.build(fields).is_some()).then_some(())
}

impl Object {
    /// Does what generated code does. Every field is checked, also after an invalid one.
    fn build(&self, fields: &mut Fields<'_>) -> Option<()> {
        let mut whole = Some(());
        for (index, slot) in self.slots.iter().enumerate() {
            let value = match slot {
                FieldSchema::Leaf(ty) => leaf(fields, index, ty),
                FieldSchema::Nested(nested) => {
                    let field = fields.field(index);
                    let default: Option<&dyn Fn()> = match field.shape {
                        Shape::Composed { defaulted: true } => Some(&|| ()),
                        _ => None,
                    };
                    let part = field.part;
                    fields.nested(index, |at| nested.build(part?, at).then_some(()), default)
                }
            };
            whole = whole.and(value);
        }
        whole
    }
}

impl NestedSchema {
    /// Does what the type of that `part` does in the program; whether it builds a value.
    fn build(&self, part: NestedType, at: Position<'_>) -> bool {
        if at.is_assumed() {
            return true;
        }
        match (self, part) {
            (Self::Section(object), _) => section(at, object).is_some(),
            (Self::Optional(inner), NestedType::Optional(part)) => {
                !(at.is_given() || at.is_named_elsewhere(*part)) || inner.build(*part, at)
            }
            (Self::List(item), NestedType::List(part)) => at.list(part, &mut |_, at| item.build(*part, at)),
            (Self::Map(value), NestedType::Map(part)) => at.map(part, &mut |_, _, at| value.build(*part, at)),
            (Self::Variants(contents), NestedType::Variants(meta)) => at.variants(meta, &mut |index, at| {
                let content = contents.get(index).and_then(Option::as_ref);
                let part = meta.variants.get(index).and_then(|variant| variant.content);
                match (content, part) {
                    (Some(content), Some(part)) => content.build(part, at),
                    _ => true,
                }
            }),
            _ => false,
        }
    }
}

fn leaf(fields: &mut Fields<'_>, index: usize, ty: &Type) -> Option<()> {
    if let Some(assumed) = fields.assumed(index) {
        return assumed;
    }
    fields.leaf(index, &|given| ty.deserialize(given), |fields, field| match field.shape {
        Shape::Optional | Shape::Defaulted(Fallback::Type | Fallback::Function(_) | Fallback::Computed) => {
            fields.defaulted(field);
            Some(())
        }
        _ => fields.literal_or_missing(field, |given| ty.deserialize(given)),
    })
}

/// The schema of `meta`.
pub(crate) fn of(meta: &'static Meta) -> String {
    write::schema(meta).document()
}

/// Where the schema of the property `key` stands below `here`, as a `$ref` has it.
fn pointer(here: &str, key: &str) -> String {
    [here, PROPERTIES, &pointer_key(key)].concat()
}

const PROPERTIES: &str = "/properties/";

/// Returns a key as a `$ref` has it.
fn pointer_key(key: &str) -> String {
    let mut pointer = String::with_capacity(key.len());
    for byte in key.replace('~', "~0").replace('/', "~1").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                pointer.push(char::from(byte))
            }
            other => pointer.push_str(&format!("%{other:02X}")),
        }
    }
    pointer
}
