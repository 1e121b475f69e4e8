//! A configuration type as constants: paths, docs, environment variables, and which fields are secret.
//!
//! The derive writes `T::META` from the source code; no value changes it. [`Meta::leaves`] lists its leaves.

use std::time::Duration;

use crate::syntax::segment;

/// The description of a struct or an enum that `#[derive(EncryptedConfig)]` writes.
///
/// Only the derive constructs this type, and the derive is pinned to this version: any release may add fields.
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
    /// The attribute `env_prefix`. It is ignored for a nested struct, which uses the prefix of the outermost struct.
    pub env_prefix: Option<&'static str>,
    /// The attribute `trust`.
    pub trust: &'static [Trust],
    /// The attribute `signers`, one public key each.
    pub signers: &'static [&'static str],
    /// The attribute `required_signatures`.
    pub required_signatures: Option<u8>,
    /// The attribute `deadline`.
    pub deadline: Option<Duration>,
    /// True if unknown keys are allowed.
    pub allow_unknown_fields: bool,
    /// True if unknown variables under the prefix are allowed. Only the value of the outermost struct counts.
    pub allow_unknown_variables: bool,
    /// The function of the attribute `validate`, as written.
    pub validate: Option<&'static str>,
    /// The fields in the order of the struct, without skipped fields. Empty for an enum.
    pub fields: &'static [Field],
    /// The key that names the variant of an internally tagged enum, as a field of type text.
    pub tag: Option<&'static Field>,
    /// The variants of an enum; empty for a struct.
    pub variants: &'static [Variant],
}

/// The trusted keys of one environment, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The environment's label; `None` for all.
    pub environment: Option<&'static str>,
    /// Key references, comma separated. The derive has checked each of them.
    pub keys: &'static str,
}

/// A field of a struct that derives `EncryptedConfig`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// The key in the content: the field's name after `rename` and `rename_all`.
    pub key: &'static str,
    /// Other keys that are read instead of `key`.
    pub aliases: &'static [&'static str],
    /// The doc comment.
    pub docs: &'static str,
    /// The type as written in the source code.
    pub ty: &'static str,
    /// The source of the value if no layer has one, or the nested struct.
    pub shape: Shape,
    /// The type of a field with `nested`.
    pub part: Option<NestedType>,
    /// The rule by which a stronger layer combines with a weaker one.
    pub merge: Merge,
    /// The Rust name in upper case: the field's part of generated variable names.
    pub segment: &'static str,
    /// The environment variable.
    pub variable: Variable,
    /// True if the value is secret: the attribute `secret`, or a type of the crate `secrecy`.
    pub secret: bool,
    /// True if the value may contain keys that its type does not know.
    pub allow_unknown_fields: bool,
    /// The function of the attribute `deserialize_with`, as written. It defines the form of the value.
    pub deserialize_with: Option<&'static str>,
    /// The function of the attribute `validate`, as written.
    pub validate: Option<&'static str>,
    /// The attribute `example`.
    pub example: Option<Literal>,
    /// The text of the attribute `deprecated`, which may be empty.
    pub deprecated: Option<&'static str>,
}

/// The source of a field's value, or the struct that the field contains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// A value that some layer must have.
    Required,
    /// An `Option`: `None` if no layer has it.
    Optional,
    /// A value with a default.
    Defaulted(Fallback),
    /// Another derived struct.
    Nested(&'static Meta),
    /// An `Option` of another derived struct: `None` if no layer has any of its values.
    OptionalNested(&'static Meta),
    /// Another derived struct with the attribute `flatten`: its fields are read like fields of this struct.
    Flattened(&'static Meta),
    /// A list, a map or an enum of derived types, or an `Option` of one; [`Field::part`] has its type.
    Composed {
        /// True if the field has a value without any layer: `default`, `default_with`, or an `Option`.
        defaulted: bool,
    },
}

/// The type of a field with `nested`, down to the derived types in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NestedType {
    /// A derived struct.
    Section(&'static Meta),
    /// A derived enum.
    Variants(&'static Meta),
    /// An `Option` of a nested type.
    Optional(&'static NestedType),
    /// A `Vec` of a nested type.
    List(&'static NestedType),
    /// A `BTreeMap` or `HashMap` from text to a nested type.
    Map(&'static NestedType),
}

/// A variant of an enum that derives `EncryptedConfig`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// The name in the content: the variant's name after `rename` and `rename_all`.
    pub key: &'static str,
    /// Other names that are read instead of `key`.
    pub aliases: &'static [&'static str],
    /// The doc comment.
    pub docs: &'static str,
    /// The Rust name in upper snake case: the variant's part of generated variable names.
    pub segment: &'static str,
    /// True if this variant is used when no layer names a variant.
    pub is_default: bool,
    /// The variant's fields, or the one type that it wraps. `None` for a unit variant.
    pub content: Option<NestedType>,
}

/// The rule by which a stronger layer combines with a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The stronger layer replaces the whole value.
    Replace,
    /// The stronger layer replaces only the entries that it has, key by key.
    Keys,
}

impl Shape {
    /// Returns the nested struct, if the field contains one.
    pub fn nested(&self) -> Option<&'static Meta> {
        match self {
            Self::Nested(meta) | Self::OptionalNested(meta) | Self::Flattened(meta) => Some(meta),
            Self::Required | Self::Optional | Self::Defaulted(_) | Self::Composed { .. } => None,
        }
    }
}

impl NestedType {
    /// Returns the derived type inside all `Option`s, lists and maps.
    pub(crate) fn meta(self) -> &'static Meta {
        match self {
            Self::Section(meta) | Self::Variants(meta) => meta,
            Self::Optional(inner) | Self::List(inner) | Self::Map(inner) => inner.meta(),
        }
    }

    /// Returns the type without `Option`s around it.
    pub(crate) fn without_options(self) -> Self {
        match self {
            Self::Optional(inner) => inner.without_options(),
            other => other,
        }
    }

    /// Returns true for a struct: a field of this type has no variable, because only its fields have variables.
    pub(crate) fn is_section(self) -> bool {
        matches!(self.without_options(), Self::Section(_))
    }

    fn collect_leaves(self, steps: &mut Vec<TypeStep>, leaves: &mut Vec<Leaf>) {
        let (step, inner) = match self {
            Self::Section(meta) => return meta.collect_leaves(steps, leaves),
            Self::Optional(inner) => return inner.collect_leaves(steps, leaves),
            Self::Variants(meta) => {
                leaves.extend(meta.tag.map(|field| Leaf { parents: steps.clone(), field }));
                for variant in meta.variants {
                    let Some(content) = variant.content else { continue };
                    if meta.tag.is_none() {
                        steps.push(TypeStep::Variant(variant));
                    }
                    content.collect_leaves(steps, leaves);
                    if meta.tag.is_none() {
                        steps.pop();
                    }
                }
                return;
            }
            Self::List(inner) => (TypeStep::AnyItem, inner),
            Self::Map(inner) => (TypeStep::AnyKey, inner),
        };
        steps.push(step);
        inner.collect_leaves(steps, leaves);
        steps.pop();
    }
}

impl Variant {
    /// Returns the names that the content may use for this variant.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.key).chain(self.aliases.iter().copied())
    }
}

/// One step on the path from the configuration's root to a value.
#[derive(Clone, Debug)]
pub(crate) enum TypeStep {
    /// Into the table of a nested field.
    Field(&'static Field),
    /// Into an item of a list.
    Item(usize),
    /// Into the value of a map's key.
    Key(String),
    /// Into any item of a list.
    AnyItem,
    /// Into the value of any key of a map.
    AnyKey,
    /// Into the content of an externally tagged variant.
    Variant(&'static Variant),
}

/// The default of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fallback {
    /// `default`: the type's `Default` implementation.
    Type,
    /// `default = literal`: read by the field's `Deserialize`, like a value of the content.
    Literal(Literal),
    /// `default_with = path`: the function, as written.
    Function(&'static str),
    /// `default = expression`: computed when the program runs.
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
    /// Prefix, path and the field's segment, joined by `__`. Without a prefix, the field has no variable.
    Generated,
    /// The attribute `env`.
    Named(&'static str),
    /// The attribute `no_env`, or a nested struct.
    Forbidden,
}

/// A value that one variable can set: a field that is not a nested struct, with the path to it.
#[derive(Clone, Debug)]
pub struct Leaf {
    parents: Vec<TypeStep>,
    field: &'static Field,
}

impl Meta {
    /// The description of a struct without fields or attributes.
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
        tag: None,
        variants: &[],
    };

    /// Returns all leaves, also those of nested structs, in the order of the struct. A list, a map or an enum is a
    /// leaf, and so are the values in it: `*` in a path or a variable means any index or key.
    pub fn leaves(&'static self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.part().collect_leaves(&mut Vec::new(), &mut leaves);
        leaves
    }

    /// Returns true if a field is read from the environment variable `name`, or from the file that it names.
    pub(crate) fn reads_variable(&'static self, name: &str) -> bool {
        let is_of = |variable: String| variable == name || name.strip_suffix("_FILE") == Some(&*variable);
        self.leaves().iter().filter_map(|leaf| leaf.variable(self.env_prefix)).any(is_of)
    }

    /// Returns the struct or enum that this `Meta` describes.
    pub(crate) const fn part(&'static self) -> NestedType {
        if self.variants.is_empty() { NestedType::Section(self) } else { NestedType::Variants(self) }
    }

    /// Returns the fields with keys in this struct's table. A flattened field is replaced by the fields of its
    /// struct.
    pub(crate) fn unflattened(&'static self) -> Vec<&'static Field> {
        let own = |field: &'static Field| match field.shape {
            Shape::Flattened(meta) => meta.unflattened(),
            _ => vec![field],
        };
        self.fields.iter().flat_map(own).collect()
    }

    fn collect_leaves(&'static self, parents: &mut Vec<TypeStep>, leaves: &mut Vec<Leaf>) {
        for field in self.fields {
            if let Shape::Flattened(meta) = field.shape {
                meta.collect_leaves(parents, leaves);
                continue;
            }
            if !field.part.is_some_and(NestedType::is_section) {
                leaves.push(Leaf { parents: parents.clone(), field });
            }
            if let Some(part) = field.part {
                parents.push(TypeStep::Field(field));
                part.collect_leaves(parents, leaves);
                parents.pop();
            }
        }
    }
}

impl Field {
    /// A required value of any type, without attributes.
    pub(crate) const EMPTY: Self = Self {
        key: "",
        aliases: &[],
        docs: "",
        ty: "any value",
        shape: Shape::Required,
        part: None,
        merge: Merge::Replace,
        segment: "",
        variable: Variable::Generated,
        secret: false,
        allow_unknown_fields: false,
        deserialize_with: None,
        validate: None,
        example: None,
        deprecated: None,
    };

    /// Returns the keys of this field in a table: its key and its aliases, or the keys of all fields of a flattened
    /// struct.
    pub(crate) fn keys(&'static self) -> Vec<&'static str> {
        match self.shape {
            Shape::Flattened(meta) => meta.fields.iter().flat_map(Self::keys).collect(),
            _ => std::iter::once(self.key).chain(self.aliases.iter().copied()).collect(),
        }
    }
}

impl Leaf {
    /// Returns the leaf `field` below `parents`. The outermost parent is first.
    pub(crate) fn new(parents: &[TypeStep], field: &'static Field) -> Self {
        Self { parents: parents.to_vec(), field }
    }

    /// Returns the field.
    pub fn field(&self) -> &'static Field {
        self.field
    }

    /// Returns the dotted path of its keys, such as `database.pool_size`, `nodes[*].id` or `peers.*.host`.
    pub fn path(&self) -> String {
        path_of_key(&self.parents, self.field.key)
    }

    /// Returns the environment variable under the `prefix` of the outermost struct, if the field has one.
    pub fn variable(&self, prefix: Option<&str>) -> Option<String> {
        match self.field.variable {
            Variable::Named(name) => Some(name.to_owned()),
            Variable::Generated => Some(format!("{}__{}", prefix?, self.segments())),
            Variable::Forbidden => None,
        }
    }

    /// Returns the names in dotenv content: with and without the prefix, or only the name of the attribute `env`.
    pub(crate) fn content_names(&self, prefix: Option<&str>) -> Vec<String> {
        match (self.field.variable, prefix) {
            (Variable::Named(name), _) => vec![name.to_owned()],
            (_, Some(prefix)) => vec![self.segments(), format!("{prefix}__{}", self.segments())],
            (_, None) => vec![self.segments()],
        }
    }

    /// Returns the generated name without a prefix, such as `DATABASE__POOL_SIZE`.
    pub(crate) fn segments(&self) -> String {
        let mut segments = segments_below(&self.parents);
        segments.push_str(self.field.segment);
        segments
    }
}

/// Returns the dotted path of `key` below `parents`.
pub(crate) fn path_of_key(parents: &[TypeStep], key: &str) -> String {
    let mut path = String::with_capacity(path_len(parents) + key.len());
    push_path_of_key(&mut path, parents, key);
    path
}

/// Returns the dotted path that `steps` lead to; empty for the root.
pub(crate) fn path_of(steps: &[TypeStep]) -> String {
    let mut path = String::with_capacity(path_len(steps));
    push_path_of(&mut path, steps);
    path
}

/// Appends the dotted path of `key` below `parents` to `text`.
pub(crate) fn push_path_of_key(text: &mut String, parents: &[TypeStep], key: &str) {
    let start = text.len();
    push_path_of(text, parents);
    push_key(text, start, &segment(key));
}

/// Appends to `text` the dotted path of `steps`.
pub(crate) fn push_path_of(text: &mut String, steps: &[TypeStep]) {
    let start = text.len();
    for step in steps {
        match step {
            TypeStep::Field(field) => push_key(text, start, &segment(field.key)),
            TypeStep::Key(key) => push_key(text, start, &segment(key)),
            TypeStep::Variant(variant) => push_key(text, start, &segment(variant.key)),
            TypeStep::AnyKey => push_key(text, start, "*"),
            TypeStep::Item(index) => text.push_str(&format!("[{index}]")),
            TypeStep::AnyItem => text.push_str("[*]"),
        }
    }
}

/// Appends `key`, a segment of a path, to the path that begins at `start` in `text`.
pub(crate) fn push_key(text: &mut String, start: usize, key: &str) {
    if text.len() > start {
        text.push('.');
    }
    text.push_str(key);
}

/// Estimates the length of the path of `steps` in bytes. Keys that need quotes are longer.
fn path_len(steps: &[TypeStep]) -> usize {
    let of = |step: &TypeStep| match step {
        TypeStep::Field(field) => field.key.len(),
        TypeStep::Key(key) => key.len(),
        TypeStep::Variant(variant) => variant.key.len(),
        TypeStep::AnyKey | TypeStep::Item(_) | TypeStep::AnyItem => 3,
    };
    steps.iter().map(|step| of(step) + 1).sum()
}

/// Returns the common start of the generated names below `steps`, without the prefix: `DATABASE__`, or empty text.
pub(crate) fn segments_below(steps: &[TypeStep]) -> String {
    let mut segments = String::new();
    for step in steps {
        match step {
            TypeStep::Field(field) => segments.push_str(field.segment),
            TypeStep::Key(key) => segments.push_str(&key.to_uppercase()),
            TypeStep::Variant(variant) => segments.push_str(variant.segment),
            TypeStep::Item(index) => segments.push_str(&index.to_string()),
            TypeStep::AnyKey | TypeStep::AnyItem => segments.push('*'),
        }
        segments.push_str("__");
    }
    segments
}
