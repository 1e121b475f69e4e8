//! The model of a configuration struct: closed enums with spans, without syntax.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::{Generics, Ident, Path, Type};

/// A struct that derives `EncryptedConfig`.
pub(crate) struct Config {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) docs: String,
    pub(crate) name: String,
    pub(crate) dir: Option<String>,
    pub(crate) env_prefix: Option<String>,
    pub(crate) trust: Vec<Trust>,
    pub(crate) signers: Vec<String>,
    pub(crate) required_signatures: Option<Spanned<u8>>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) allow_unknown_fields: bool,
    pub(crate) allow_unknown_variables: bool,
    /// The path of `crate = …`.
    pub(crate) crate_path: Option<Path>,
    pub(crate) validate: Option<Path>,
    pub(crate) fields: Vec<Field>,
}

/// The trusted keys of one environment, or of all.
pub(crate) struct Trust {
    pub(crate) environment: Option<String>,
    pub(crate) keys: String,
}

/// A field of a struct or a variant.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) docs: String,
    pub(crate) key: Spanned<String>,
    pub(crate) aliases: Vec<Spanned<String>>,
    pub(crate) kind: Kind,
    pub(crate) variable: Variable,
    pub(crate) secret: bool,
    /// True if layers are merged key by key.
    pub(crate) merges: bool,
    pub(crate) allow_unknown_fields: bool,
    /// The function of `validate = …`. The flag is true for an `Option`: then the function checks only the inner value.
    pub(crate) validate: Option<(Path, bool)>,
    pub(crate) example: Option<Literal>,
    /// The text of `deprecated`, which may be empty.
    pub(crate) deprecated: Option<String>,
}

/// The source of a field's value.
pub(crate) enum Kind {
    /// A leaf, read by serde or by the function of `deserialize_with`.
    Leaf { fallback: Fallback, reader: Option<Path> },
    /// Another derived type, or a list or map of one.
    Nested(NestedDefault),
    /// Another derived struct with its keys in the same table.
    Flattened(Type),
    /// A skipped field: the default of its type.
    Skipped,
}

/// The value of a `nested` field if no layer has a part of it.
pub(crate) enum NestedDefault {
    /// The defaults of the nested type's fields.
    None,
    /// `default`
    Type,
    /// `default_with = …`
    Function(Path),
}

/// The value of a leaf if no layer has one.
pub(crate) enum Fallback {
    /// No value: an error.
    Required,
    /// The value `None`.
    Absent,
    /// `default`
    Type,
    /// `default = …`
    Literal(Literal),
    /// `default_with = …`
    Function(Path),
    /// `default = …` with an expression that is not a literal.
    Expression(TokenStream),
}

/// The value of `default = …`.
#[derive(Clone)]
pub(crate) enum Literal {
    Bool(bool),
    Integer(i128),
    Float(f64),
    String(String),
    Array(Vec<Literal>),
}

/// The environment variable of a field.
pub(crate) enum Variable {
    /// Generated from prefix and path.
    Generated,
    /// `env = …`
    Named(Spanned<String>),
    /// `no_env`, and fields that are not leaves.
    Forbidden,
}

/// A value with the span for errors.
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl Field {
    /// Returns the Rust name, without `r#`.
    pub(crate) fn name(&self) -> String {
        plain_name(&self.ident)
    }

    /// Returns the field's part of generated variable names.
    pub(crate) fn segment(&self) -> String {
        self.name().to_uppercase()
    }
}

/// Returns an identifier without `r#`.
pub(crate) fn plain_name(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map_or(name.clone(), str::to_owned)
}
