//! Checks that need more than one attribute, or more than one field.

use proc_macro2::Span;

use crate::attr::Items;
use crate::errors::Errors;
use crate::model::{Config, Field, Kind, Variable};
use crate::shape;

/// Pairs of attributes that a field cannot combine, and the reason. The error is at the first of the two.
const CONFLICTS: &[(&str, &str, &str)] = &[
    ("default_with", "default", "a field can have only one default"),
    ("no_env", "env", "`env` names a variable, and `no_env` forbids it"),
    ("flatten", "nested", "`flatten` already means a nested struct; remove `nested`"),
    ("rename", "flatten", "only the fields of the struct have keys"),
    ("alias", "flatten", "only the fields of the struct have keys"),
    ("default", "flatten", "set the defaults at the fields of the nested struct"),
    ("default_with", "flatten", "set the defaults at the fields of the nested struct"),
    ("merge", "flatten", "a flattened field has no separate table"),
];

/// Attributes that cannot be combined with `nested` or `flatten`, and the reason.
const OF_LEAVES: &[(&str, &str)] = &[
    ("env", "only the fields of the nested struct have variables"),
    ("no_env", "only the fields of the nested struct have variables"),
    ("secret", "mark the fields of the nested struct"),
    ("deserialize_with", "a nested struct is read field by field"),
    ("example", "set the examples at the fields of the nested struct"),
    ("deprecated", "mark the fields of the nested struct"),
    ("allow_unknown_fields", "set this attribute on the nested struct"),
];

/// Reports the attributes of one field that cannot be combined.
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

/// Reports the errors of the struct as a whole.
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
                format!("more signatures are required than `signers` has keys, which is {signers}"),
            );
        }
    }
}

pub(crate) const RECURSIVE: &str = "a recursive type cannot be loaded: it has infinitely many keys and variables\n\
     make this a leaf that serde reads: remove `nested`, and derive serde's Deserialize for the type";

/// Rejects a nested field with `ident` in its type.
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

/// Reports the fields of one table that share a key or a variable.
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
                    errors.at(key.span, format!("the key `{}` already belongs to `{owner}`", key.value))
                }
                None => seen.push((&key.value, field.name())),
            }
        }
    }
}

/// The variable of a leaf, as far as this struct defines it.
struct Named<'a> {
    field: &'a Field,
    name: String,
    span: Span,
}

/// Reports variables of two fields at the later field, and a variable that is another one's `_FILE` form.
fn unique_variables(fields: &[Field], prefix: Option<&str>, errors: &Errors) {
    let named: Vec<Named<'_>> = fields.iter().filter_map(|field| named(prefix, field)).collect();
    for (index, one) in named.iter().enumerate() {
        for other in &named[..index] {
            if one.name == other.name {
                let what = format!("already belongs to `{}`", other.field.name());
                errors.at(one.span, collision(&one.name, &what));
            }
            for (file, value) in [(one, other), (other, one)] {
                if file.name == format!("{}_FILE", value.name) {
                    let what = format!("is also the _FILE form of the variable of `{}`", value.field.name());
                    errors.at(file.span, collision(&file.name, &what));
                }
            }
        }
    }
}

fn collision(variable: &str, what: &str) -> String {
    format!("the variable `{variable}` {what}: set another name with `env`, or use `no_env`")
}

fn named<'a>(prefix: Option<&str>, field: &'a Field) -> Option<Named<'a>> {
    match &field.variable {
        Variable::Named(name) => Some(Named { field, name: name.value.clone(), span: name.span }),
        // Without a prefix, the struct may be nested in a struct that has one.
        Variable::Generated => {
            let prefix = prefix.map(|prefix| format!("{prefix}__")).unwrap_or_default();
            Some(Named { field, name: prefix + &field.segment(), span: field.ident.span() })
        }
        Variable::Forbidden => None,
    }
}
