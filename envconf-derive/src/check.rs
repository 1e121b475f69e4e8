//! Rules that need more than one attribute, or more than one field.

use proc_macro2::Span;

use crate::attr::Items;
use crate::errors::Errors;
use crate::model::{Config, Field, Kind, Variable};
use crate::shape;

/// Attributes of a field that do not go together, and why. The first of the two is the one blamed.
const CONFLICTS: &[(&str, &str, &str)] = &[
    ("default_with", "default", "a field has one default"),
    ("no_env", "env", "one names a variable, the other forbids it"),
    ("flatten", "nested", "`flatten` already means a nested struct; remove `nested`"),
    ("rename", "flatten", "the field has no key, those of the struct have"),
    ("alias", "flatten", "the field has no key, those of the struct have"),
    ("default", "flatten", "set the defaults at the fields of the nested struct"),
    ("default_with", "flatten", "set the defaults at the fields of the nested struct"),
    ("merge", "flatten", "a flattened field has no separate table"),
];

/// Attributes that go with neither `nested` nor `flatten`, and why.
const OF_LEAVES: &[(&str, &str)] = &[
    ("env", "a nested struct has no variable, its fields have"),
    ("no_env", "a nested struct has no variable, its fields have"),
    ("secret", "mark the fields of the nested struct"),
    ("deserialize_with", "a nested struct is read field by field"),
    ("example", "set the examples at the fields of the nested struct"),
    ("deprecated", "mark the fields of the nested struct"),
    ("allow_unknown_fields", "the nested struct has this attribute itself"),
];

/// Everything that is wrong with the attributes of one field taken together.
pub(crate) fn combinations(items: &Items, errors: &Errors) {
    let of_leaves = ["nested", "flatten"]
        .into_iter()
        .flat_map(|other| OF_LEAVES.iter().map(move |(a, why)| (*a, other, *why)));
    for (blamed, other, why) in CONFLICTS.iter().copied().chain(of_leaves) {
        if let (Some(item), true) = (items.get(blamed), items.has(other)) {
            errors.at(item.span, format!("`{blamed}` cannot be combined with `{other}`: {why}"));
        }
    }
    if items.has("skip") {
        for item in items.iter().filter(|item| !["skip", "ignore_serde"].contains(&item.name)) {
            errors.at(
                item.span,
                format!("`{}` cannot be combined with `skip`: the field is not loaded", item.name),
            );
        }
    }
}

/// Everything that is wrong with the struct as a whole.
pub(crate) fn config(config: &Config, errors: &Errors) {
    fields(&config.fields, config.env_prefix.as_deref(), errors);
    for field in &config.fields {
        not_recursive(field, &config.ident, errors);
    }
    if let Some(required) = &config.required_signatures {
        let signers = config.signers.len();
        if signers > 0 && usize::from(required.value) > signers {
            errors.at(
                required.span,
                format!("more signatures are required than the {signers} that `signers` can give"),
            );
        }
    }
}

pub(crate) const RECURSIVE: &str = "a recursive type cannot be loaded: it has infinitely many keys and variables\n\
     make this a leaf that serde reads: remove `nested`, and derive serde's Deserialize for the type";

/// Refuses a nested field whose type has `ident` in it.
pub(crate) fn not_recursive(field: &Field, ident: &syn::Ident, errors: &Errors) {
    let ty = match &field.kind {
        Kind::Nested(_) => &field.ty,
        Kind::Flattened(inner) => inner,
        Kind::Leaf { .. } | Kind::Skipped => return,
    };
    if let Some(span) = shape::mentions_type(ty, ident) {
        errors.at(span, RECURSIVE);
    }
}

/// Everything that is wrong with the fields of one table.
pub(crate) fn fields(fields: &[Field], prefix: Option<&str>, errors: &Errors) {
    unique_keys(fields, errors);
    unique_variables(fields, prefix, errors);
}

fn unique_keys(fields: &[Field], errors: &Errors) {
    let mut seen: Vec<(&str, String)> = Vec::new();
    let has_key = |field: &&Field| !matches!(field.kind, Kind::Skipped | Kind::Flattened(_));
    for field in fields.iter().filter(has_key) {
        for key in std::iter::once(&field.key).chain(&field.aliases) {
            match seen.iter().find(|(earlier, _)| *earlier == key.value) {
                Some((_, owner)) => {
                    errors.at(key.span, format!("the key `{}` is that of `{owner}` already", key.value))
                }
                None => seen.push((&key.value, field.name())),
            }
        }
    }
}

/// A leaf's variable as far as the struct alone tells it.
struct Named<'a> {
    field: &'a Field,
    name: String,
    span: Span,
}

/// The later of two fields with one variable is blamed, and of a value and its file the file.
fn unique_variables(fields: &[Field], prefix: Option<&str>, errors: &Errors) {
    let named: Vec<Named<'_>> = fields.iter().filter_map(|field| named(prefix, field)).collect();
    for (index, one) in named.iter().enumerate() {
        for other in &named[..index] {
            if one.name == other.name {
                let what = format!("is that of `{}` already", other.field.name());
                errors.at(one.span, collision(&one.name, &what));
            }
            for (file, value) in [(one, other), (other, one)] {
                if file.name == format!("{}_FILE", value.name) {
                    let what = format!("would also name a file with the value of `{}`", value.field.name());
                    errors.at(file.span, collision(&file.name, &what));
                }
            }
        }
    }
}

fn collision(variable: &str, what: &str) -> String {
    format!("the variable `{variable}` {what}: give one of them another with `env`, or `no_env`")
}

fn named<'a>(prefix: Option<&str>, field: &'a Field) -> Option<Named<'a>> {
    match &field.variable {
        Variable::Named(name) => Some(Named { field, name: name.value.clone(), span: name.span }),
        // Without a separate prefix the struct may still be nested in one that has one.
        Variable::Generated => {
            let prefix = prefix.map(|prefix| format!("{prefix}__")).unwrap_or_default();
            Some(Named { field, name: prefix + &field.segment(), span: field.ident.span() })
        }
        Variable::Forbidden => None,
    }
}
