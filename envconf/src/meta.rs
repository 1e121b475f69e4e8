//! A config type as constants: paths, docs, variables, which fields are secret.
//!
//! `T::META` is what the derive found written; nothing of it depends on a value. [`Meta::leaves`] walks it.

use std::time::Duration;

use crate::syntax::segment;

/// What `#[derive(EncryptedConfig)]` knows of a struct.
///
/// Made by the derive only, which is pinned to this version: fields may be added in any release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meta {
    /// The struct's name in Rust.
    pub type_name: &'static str,
    /// The configuration's logical name: the attribute `name`, or the struct's name in kebab-case.
    pub name: &'static str,
    /// The doc comment.
    pub docs: &'static str,
    /// The attribute `dir`.
    pub dir: Option<&'static str>,
    /// The attribute `env_prefix`. Ignored where the struct is a nested field: the outer prefix and path count.
    pub env_prefix: Option<&'static str>,
    /// The attribute `trust`.
    pub trust: &'static [Trust],
    /// The attribute `signers`, one public key each.
    pub signers: &'static [&'static str],
    /// The attribute `required_signatures`.
    pub required_signatures: Option<u8>,
    /// The attribute `deadline`.
    pub deadline: Option<Duration>,
    /// Whether keys that no field has are let pass.
    pub allow_unknown_fields: bool,
    /// Whether variables under the prefix that no field has are let pass. Counts for the outermost struct only.
    pub allow_unknown_variables: bool,
    /// The function of the attribute `validate`, as written.
    pub validate: Option<&'static str>,
    /// The fields in the order of the struct, without those that are skipped.
    pub fields: &'static [Field],
}

/// The trusted keys of one environment, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The environment's label; `None` for all.
    pub environment: Option<&'static str>,
    /// Key references, comma separated, each checked by the derive.
    pub keys: &'static str,
}

/// A field of a struct that derives `EncryptedConfig`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// The key in the content: the field's name, or what `rename` or `rename_all` makes of it.
    pub key: &'static str,
    /// Further keys that are read in its place.
    pub aliases: &'static [&'static str],
    /// The doc comment.
    pub docs: &'static str,
    /// The type as written.
    pub ty: &'static str,
    /// Where the value comes from when nothing gives one, or the nested struct.
    pub shape: Shape,
    /// The Rust name in upper case: the field's part of generated variable names.
    pub segment: &'static str,
    /// The environment variable.
    pub variable: Variable,
    /// Whether the value is secret: the attribute `secret`, or a type of secrecy's.
    pub secret: bool,
    /// Whether keys within the value that its type does not know are let pass.
    pub allow_unknown_fields: bool,
    /// The function of the attribute `deserialize_with`, as written: it decides what a value looks like.
    pub deserialize_with: Option<&'static str>,
    /// The function of the attribute `validate`, as written.
    pub validate: Option<&'static str>,
    /// The attribute `example`.
    pub example: Option<Literal>,
    /// The attribute `deprecated`, with its text or an empty one.
    pub deprecated: Option<&'static str>,
}

/// What stands behind a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// A value that must be given.
    Required,
    /// An `Option`, absent unless given.
    Optional,
    /// A value with a default.
    Defaulted(Fallback),
    /// Another derived struct.
    Nested(&'static Meta),
    /// Another derived struct, absent unless any of its values is given.
    OptionalNested(&'static Meta),
    /// Another derived struct, whose fields are as those of this one: `flatten`.
    Flattened(&'static Meta),
}

impl Shape {
    /// The nested struct, if it is one.
    pub fn nested(&self) -> Option<&'static Meta> {
        match self {
            Self::Nested(meta) | Self::OptionalNested(meta) | Self::Flattened(meta) => Some(meta),
            Self::Required | Self::Optional | Self::Defaulted(_) => None,
        }
    }
}

/// The default of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fallback {
    /// `default`: the type's `Default`.
    Type,
    /// `default = literal`: goes through the field's `Deserialize`, like a value of the content.
    Literal(Literal),
    /// `default_with = path`: the function, as written.
    Function(&'static str),
    /// `default = expression`: computed by the program.
    Computed,
}

/// A literal of `default = …` or `example = …`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// A string or character.
    String(&'static str),
    /// An array of literals.
    Array(&'static [Literal]),
}

/// The environment variable of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Prefix, path and the field's segment, joined by `__`; none without a prefix.
    Generated,
    /// The attribute `env`.
    Named(&'static str),
    /// The attribute `no_env`, or a nested struct.
    Forbidden,
}

/// A leaf of a type: a field that is no nested struct, and the fields that lead to it.
#[derive(Clone, Debug)]
pub struct Leaf {
    parents: Vec<&'static Field>,
    field: &'static Field,
}

impl Meta {
    /// That of a struct without anything.
    pub(crate) const EMPTY: Self = Self {
        type_name: "",
        name: "",
        docs: "",
        dir: None,
        env_prefix: None,
        trust: &[],
        signers: &[],
        required_signatures: None,
        deadline: None,
        allow_unknown_fields: false,
        allow_unknown_variables: false,
        validate: None,
        fields: &[],
    };

    /// All leaves, those of nested structs included, in the order of the struct.
    pub fn leaves(&'static self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.collect_leaves(&mut Vec::new(), &mut leaves);
        leaves
    }

    /// Returns true if a field is read from the environment variable `name`, or from the file that it names.
    pub(crate) fn reads_variable(&'static self, name: &str) -> bool {
        let is_of = |variable: String| variable == name || name.strip_suffix("_FILE") == Some(&*variable);
        self.leaves().iter().filter_map(|leaf| leaf.variable(self.env_prefix)).any(is_of)
    }

    /// The fields whose keys are in this struct's table: those of flattened structs in their places.
    pub(crate) fn unflattened(&'static self) -> Vec<&'static Field> {
        let own = |field: &'static Field| match field.shape {
            Shape::Flattened(meta) => meta.unflattened(),
            _ => vec![field],
        };
        self.fields.iter().flat_map(own).collect()
    }

    fn collect_leaves(&'static self, parents: &mut Vec<&'static Field>, leaves: &mut Vec<Leaf>) {
        for field in self.fields {
            match field.shape {
                Shape::Flattened(meta) => meta.collect_leaves(parents, leaves),
                Shape::Required | Shape::Optional | Shape::Defaulted(_) => {
                    leaves.push(Leaf { parents: parents.clone(), field });
                }
                Shape::Nested(meta) | Shape::OptionalNested(meta) => {
                    parents.push(field);
                    meta.collect_leaves(parents, leaves);
                    parents.pop();
                }
            }
        }
    }
}

impl Field {
    /// One without anything: a required value of any type.
    pub(crate) const EMPTY: Self = Self {
        key: "",
        aliases: &[],
        docs: "",
        ty: "any value",
        shape: Shape::Required,
        segment: "",
        variable: Variable::Generated,
        secret: false,
        allow_unknown_fields: false,
        deserialize_with: None,
        validate: None,
        example: None,
        deprecated: None,
    };

    /// The keys that give this field its value in a table: its own and its aliases, or those of the fields of a
    /// struct that is flattened into it.
    pub(crate) fn keys(&'static self) -> Vec<&'static str> {
        match self.shape {
            Shape::Flattened(meta) => meta.fields.iter().flat_map(Self::keys).collect(),
            _ => std::iter::once(self.key).chain(self.aliases.iter().copied()).collect(),
        }
    }
}

impl Leaf {
    /// The leaf `field` below `parents`, outermost first.
    pub(crate) fn new(parents: &[&'static Field], field: &'static Field) -> Self {
        Self { parents: parents.to_vec(), field }
    }

    /// The same leaf seen from further out: `field` below `parents` is the struct that it belongs to.
    pub(crate) fn below(mut self, parents: &[&'static Field], field: &'static Field) -> Self {
        self.parents.splice(0..0, parents.iter().copied().chain([field]));
        self
    }

    /// The field itself.
    pub fn field(&self) -> &'static Field {
        self.field
    }

    /// The dotted path of its keys, such as `database.pool_size`.
    pub fn path(&self) -> String {
        path_of_key(&self.parents, self.field.key)
    }

    /// The environment variable under a `prefix` (of the outermost struct), if it has one.
    pub fn variable(&self, prefix: Option<&str>) -> Option<String> {
        match self.field.variable {
            Variable::Named(name) => Some(name.to_owned()),
            Variable::Generated => Some(format!("{}__{}", prefix?, self.segments())),
            Variable::Forbidden => None,
        }
    }

    /// The names in dotenv content: with and without the prefix, or the one that `env` gives.
    pub(crate) fn content_names(&self, prefix: Option<&str>) -> Vec<String> {
        match (self.field.variable, prefix) {
            (Variable::Named(name), _) => vec![name.to_owned()],
            (_, Some(prefix)) => vec![self.segments(), format!("{prefix}__{}", self.segments())],
            (_, None) => vec![self.segments()],
        }
    }

    /// The generated name without a prefix: `DATABASE__POOL_SIZE`.
    pub(crate) fn segments(&self) -> String {
        let mut segments: Vec<&str> = self.parents.iter().map(|field| field.segment).collect();
        segments.push(self.field.segment);
        segments.join("__")
    }
}

/// The dotted path of `key` below `parents`.
pub(crate) fn path_of_key(parents: &[&'static Field], key: &str) -> String {
    let mut path = path_of(parents);
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(&segment(key));
    path
}

/// The dotted path of the struct below `parents`; empty for the outermost.
pub(crate) fn path_of(parents: &[&'static Field]) -> String {
    let keys: Vec<_> = parents.iter().map(|parent| segment(parent.key)).collect();
    keys.join(".")
}
