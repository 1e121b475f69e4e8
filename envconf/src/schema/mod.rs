//! Schemas: a type's META as a file, and checks of content that need only this file.
//!
//! Reading a schema produces the META from which it was written. The loader then checks content with it: it walks META
//! as generated code does (`layers::fields`), and each leaf asks serde for its value as the Rust type does (`value`).
//! So a check rejects the same values as `load`, with the same messages.

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
use crate::layers::{self, Environment, Fields, Layer, Origins, Position, Report};
use crate::meta::{Fallback, Meta, NestedType, Shape};

pub(crate) use self::json::Json;
pub(crate) use self::write::literal;

/// The draft of JSON Schema that envconf writes and reads.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Maximum size of a schema file in bytes.
const LIMIT: u64 = 4 << 20;

/// The description of a configuration type in a file. [`T::json_schema`](crate::EncryptedConfig::json_schema) writes
/// it, and sealing checks content with it.
///
/// A schema stays in memory until the process ends, like the constants that it describes. Read each schema only once.
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

/// A struct as a schema describes it.
#[derive(Clone, Debug)]
struct Object {
    meta: &'static Meta,
    /// One for each field of `meta`.
    slots: Vec<FieldSchema>,
}

/// The type of a field.
#[derive(Clone, Debug)]
enum FieldSchema {
    Leaf(Type),
    Nested(NestedSchema),
}

/// The type of a field with `nested`, as a schema describes it. [`NestedType`] has the same variants.
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
    /// Reads the schema in this file, which may have at most 4 MiB.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read; otherwise as for [`Schema::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::read(path, error);
        let mut bytes = Vec::new();
        open_regular(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes)).map_err(failed)?;
        if bytes.len() as u64 > LIMIT {
            return Err(Error::new(Kind::Usage, "the schema is larger than 4 MiB").at(path));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Error::new(Kind::Usage, "the schema is not valid UTF-8").at(path))?;
        Self::parse(text).map_err(|error| error.at(path))
    }

    /// Parses a schema: JSON Schema, draft 2020-12, in the form that
    /// [`T::json_schema`](crate::EncryptedConfig::json_schema) writes.
    ///
    /// # Errors
    /// [`Kind::Usage`] with line and column for text that is not JSON, and for an unknown keyword that could reject a
    /// value.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { root: read::schema(text)?, provided: Vec::new() })
    }

    /// Declares that the program will have this environment variable, or its `_FILE` form, where it runs. The content
    /// may then leave out the value that the variable sets.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a name that no field has.
    pub fn provided(mut self, variable: &str) -> Result<Self, Error> {
        let prefix = self.meta().env_prefix;
        let names: Vec<String> =
            self.meta().leaves().iter().filter_map(|leaf| leaf.variable(prefix)).collect();
        // Containers mount secrets as files, which the `_FILE` form of the variable names.
        if let Some(name) = names.iter().find(|name| *name == variable || file_form(name) == variable) {
            self.provided.push(name.clone());
            return Ok(self);
        }
        let below = prefix.and_then(|prefix| variable.strip_prefix(prefix)?.strip_prefix("__"));
        if below.is_some_and(|name| fits(self.meta().part(), Tail::Below(name), FileForms::Named)) {
            self.provided.push(variable.strip_suffix("_FILE").unwrap_or(variable).to_owned());
            return Ok(self);
        }
        // A caller may pass NAME=value by mistake: the error must not print the value.
        let name = variable.split_once('=').map_or(variable, |(name, _)| name);
        let error = Error::new(Kind::Usage, format!("no field has the variable {}", escape(name)));
        Err(match suggest::nearest(name, names.iter().map(String::as_str)) {
            Some(nearest) => error.advise(format!("did you mean {}?", escape(nearest))),
            None => error,
        })
    }

    /// Returns the description of the type, without its functions and its trusted keys.
    pub fn meta(&self) -> &'static Meta {
        self.root.meta
    }

    /// Rejects `layers` (the weakest first) if the program would reject them. `what` names their source in errors.
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
                "declare with Schema::provided the variables that the program will have where it runs",
            ),
            _ => refused,
        })
    }

    /// Returns the origin of each value, from `layers` and the program's `variables`.
    ///
    /// # Errors
    /// As for [`Schema::check`].
    #[cfg(feature = "tools")]
    pub(crate) fn origins(
        &self,
        what: &str,
        layers: &[Layer<'_>],
        variables: &Variables,
    ) -> Result<Vec<layers::Provenance>, Error> {
        self.build(what, layers, variables, Report::tracing()).map(Origins::into_list)
    }

    fn build(
        &self,
        what: &str,
        layers: &[Layer<'_>],
        variables: &Variables,
        report: Report,
    ) -> Result<Origins, Error> {
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
    /// Checks the fields as generated code builds them. Checks every field, also after an invalid one.
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
    /// Returns true if the type of `part` would build a value in the program.
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

/// Returns the JSON Schema of `meta`.
pub(crate) fn of(meta: &'static Meta) -> String {
    write::schema(meta).document()
}

/// Returns the position of the property `key` below `here`, as a `$ref` writes it.
fn pointer(here: &str, key: &str) -> String {
    [here, PROPERTIES, &pointer_key(key)].concat()
}

const PROPERTIES: &str = "/properties/";

/// Returns a key as a `$ref` writes it.
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
