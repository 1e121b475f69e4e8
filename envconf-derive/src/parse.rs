//! The parser from syntax (syn) to the model.

use std::time::Duration;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Fields, GenericArgument, GenericParam, Ident, Lit, Meta,
    PathArguments, Type,
};

use crate::attr::{self, Item, Items, Value};
use crate::errors::Errors;
use crate::model::{
    Config, Fallback, Field, Kind, Literal, NestedDefault, Spanned, Trust, Variable, plain_name,
};
use crate::serde_attributes::{self, Place};
use crate::shape;
use crate::text::{self, Spell};
use crate::{bare_duration, check, crate_path};

/// Parses the struct; `None` if the derive does not support its kind.
pub(crate) fn config(input: &DeriveInput, errors: &Errors) -> Option<Config> {
    let items = attr::read(&input.attrs, &attr::STRUCT, &attr::FIELD, errors);
    refuse_lifetimes(input, errors);
    let ignores_serde = items.has("ignore_serde");
    if !ignores_serde {
        serde_attributes::refuse(&input.attrs, Place::Struct, errors);
    }
    let spell = case(&items, errors);
    let fields = named_fields(input, errors)?;
    Some(Config {
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        docs: docs(&input.attrs),
        name: name(&input.ident, &items, errors),
        dir: directory(items.string("dir"), errors),
        env_prefix: env_prefix(&items, errors),
        trust: trust(&items, errors),
        signers: signers(&items, errors),
        required_signatures: required_signatures(&items, errors),
        deadline: deadline(&items, errors),
        allow_unknown_fields: items.has("allow_unknown_fields"),
        allow_unknown_variables: items.has("allow_unknown_variables"),
        crate_path: crate_path::of(&items, errors),
        validate: items.path("validate").cloned(),
        fields: fields
            .iter()
            .map(|(ident, syntax)| field(ident, syntax, spell, ignores_serde, errors))
            .collect(),
    })
}

fn named_fields<'a>(input: &'a DeriveInput, errors: &Errors) -> Option<Vec<(&'a Ident, &'a syn::Field)>> {
    let (span, what) = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => {
                return Some(
                    fields.named.iter().filter_map(|field| Some((field.ident.as_ref()?, field))).collect(),
                );
            }
            Fields::Unnamed(_) => (input.ident.span(), "a tuple struct"),
            Fields::Unit => (input.ident.span(), "a unit struct"),
        },
        Data::Enum(data) => (data.enum_token.span, "an enum"),
        Data::Union(data) => (data.union_token.span, "a union"),
    };
    errors.at(
        span,
        format!(
            "cannot derive EncryptedConfig for {what}: expected a struct with named fields or an enum\n\
             a field of any type that implements serde's Deserialize needs no derive"
        ),
    );
    None
}

pub(crate) fn refuse_lifetimes(input: &DeriveInput, errors: &Errors) {
    for param in &input.generics.params {
        if let GenericParam::Lifetime(param) = param {
            errors.at(param.span(), "a configuration owns its values: use `String` instead of borrowed text");
        }
    }
}

pub(crate) fn field(
    ident: &Ident,
    syntax: &syn::Field,
    spell: Spell,
    ignores_serde: bool,
    errors: &Errors,
) -> Field {
    let items = attr::read(&syntax.attrs, &attr::FIELD, &attr::STRUCT, errors);
    if !ignores_serde && !items.has("ignore_serde") {
        serde_attributes::refuse(&syntax.attrs, Place::Field, errors);
    }
    check::combinations(&items, errors);
    let ty = ungrouped(&syntax.ty);
    if let Type::Reference(reference) = ty {
        errors.at(
            reference.span(),
            "a configuration owns its values: use `String`, `Vec` or `Box` instead of a reference",
        );
    }
    let key = match items.string("rename") {
        Some(key) => Spanned { value: key.value.to_owned(), span: key.span },
        None => Spanned { value: spell(&plain_name(ident)), span: ident.unraw().span() },
    };
    Field {
        key,
        aliases: items
            .strings("alias")
            .map(|alias| Spanned { value: alias.value.to_owned(), span: alias.span })
            .collect(),
        docs: docs(&syntax.attrs),
        kind: kind(ty, &items, errors),
        variable: variable(&items, errors),
        secret: items.has("secret") || shape::is_secret(ty),
        merges: merges(ty, &items, errors),
        allow_unknown_fields: items.has("allow_unknown_fields"),
        validate: items.path("validate").map(|path| (path.clone(), within_option(ty).is_some())),
        example: items.literal("example").cloned(),
        deprecated: items
            .has("deprecated")
            .then(|| items.string("deprecated").map(|note| note.value.to_owned()).unwrap_or_default()),
        ident: ident.clone(),
        ty: ty.clone(),
    }
}

fn kind(ty: &Type, items: &Items, errors: &Errors) -> Kind {
    if items.has("skip") {
        return Kind::Skipped;
    }
    let inner = within_option(ty);
    if items.has("nested") {
        return Kind::Nested(nested_default(ty, items, errors));
    }
    if items.has("flatten") {
        if inner.is_some() {
            errors.at(
                ty.span(),
                "a flattened struct cannot be optional: it has no key that could be missing\n\
                 make its fields optional, or give it a separate table with `nested`",
            );
        }
        return Kind::Flattened(inner.unwrap_or(ty).clone());
    }
    let default = items.get("default").or(items.get("default_with"));
    let fallback = match default.map(|item| &item.value) {
        None if inner.is_some() => Fallback::Absent,
        None => Fallback::Required,
        Some(Value::Literal(literal)) => Fallback::Literal(literal.value.clone()),
        Some(Value::Path(path)) => Fallback::Function(path.clone()),
        Some(Value::Expression(tokens)) => Fallback::Expression(tokens.clone()),
        Some(Value::Nothing | Value::PerLabel(_)) => Fallback::Type,
    };
    let reader = items.path("deserialize_with").cloned();
    if reader.is_none() {
        let literals: Vec<&Literal> =
            ["default", "example"].into_iter().filter_map(|name| items.literal(name)).collect();
        bare_duration::refuse(ty, &literals, errors);
    }
    Kind::Leaf { fallback, reader }
}

/// Reads the default of a list or map of derived types. A derived type has the defaults of its fields.
fn nested_default(ty: &Type, items: &Items, errors: &Errors) -> NestedDefault {
    let Some(item) = items.get("default").or(items.get("default_with")) else { return NestedDefault::None };
    if !shape::is_list_or_map(ty) {
        let why = "set the defaults at the fields of the nested struct";
        errors.at(item.span, format!("`{}` cannot be combined with `nested`: {why}", item.name));
    }
    match &item.value {
        Value::Nothing => NestedDefault::Type,
        Value::Path(path) if item.name == "default_with" => NestedDefault::Function(path.clone()),
        _ => {
            if shape::is_list_or_map(ty) {
                let why =
                    "a list or map of derived types cannot be a literal: write `default` or `default_with`";
                errors.at(
                    item.span,
                    format!("`{}` with a value cannot be combined with `nested`: {why}", item.name),
                );
            }
            NestedDefault::Type
        }
    }
}

/// Returns true if a stronger layer replaces only the entries that it has, not the whole value.
fn merges(ty: &Type, items: &Items, errors: &Errors) -> bool {
    match items.string("merge") {
        None => items.has("nested") || shape::is_map(ty),
        Some(Spanned { value: "keys", .. }) => true,
        Some(Spanned { value: "replace", .. }) => false,
        Some(other) => {
            errors.at(other.span, "invalid `merge`: expected \"keys\" or \"replace\"");
            false
        }
    }
}

fn variable(items: &Items, errors: &Errors) -> Variable {
    if let Some(name) = items.string("env") {
        if !text::is_variable(name.value) {
            errors.at(
                name.span,
                "invalid name of a variable: expected letters, digits and `_`, with no digit first",
            );
        }
        if name.value.starts_with("ENVCONF_") {
            errors.at(name.span, "variables that begin with `ENVCONF_` are settings of envconf itself");
        }
        return Variable::Named(Spanned { value: name.value.to_owned(), span: name.span });
    }
    let none = ["no_env", "nested", "flatten", "skip"].into_iter().any(|name| items.has(name));
    if none { Variable::Forbidden } else { Variable::Generated }
}

pub(crate) fn case(items: &Items, errors: &Errors) -> Spell {
    let Some(wanted) = items.string("rename_all") else { return str::to_owned };
    match text::CASES.iter().find(|(name, _)| *name == wanted.value) {
        Some((_, spell)) => *spell,
        None => {
            let names: Vec<&str> = text::CASES.iter().map(|(name, _)| *name).collect();
            errors.at(wanted.span, format!("unknown case\nallowed here: {}", names.join(", ")));
            str::to_owned
        }
    }
}

fn name(ident: &Ident, items: &Items, errors: &Errors) -> String {
    let given = items.string("name").map(|name| (name.value.to_owned(), name.span));
    let (name, span) = given.unwrap_or_else(|| (text::config_name(&plain_name(ident)), ident.span()));
    if !text::is_name(&name) {
        errors.at(
            span,
            format!(
                "{name:?} is not a valid name: expected up to 64 ASCII letters, digits, `.`, `_` and `-`, \
                 with a letter or digit first\n\
                 set a name with #[envconf(name = \"…\")]"
            ),
        );
    }
    name
}

fn env_prefix(items: &Items, errors: &Errors) -> Option<String> {
    let prefix = items.string("env_prefix")?;
    if !text::is_variable(prefix.value) || prefix.value.ends_with('_') {
        errors.at(
            prefix.span,
            "invalid prefix: expected letters, digits and `_`, with no digit first and no `_` last; \
             envconf adds `__`",
        );
    }
    Some(prefix.value.to_owned())
}

fn directory(text: Option<Spanned<&str>>, errors: &Errors) -> Option<String> {
    let text = text?;
    if text.value.trim().is_empty() {
        errors.at(text.span, "the directory is empty");
    }
    Some(text.value.to_owned())
}

fn trust(items: &Items, errors: &Errors) -> Vec<Trust> {
    let per_label = match items.get("trust") {
        Some(Item { value: Value::PerLabel(entries), .. }) => entries.as_slice(),
        _ => &[],
    };
    for (index, (label, _)) in per_label.iter().enumerate() {
        if !text::is_name(&label.value) {
            errors.at(
                label.span,
                "invalid environment: expected up to 64 ASCII letters, digits, `.`, `_` and `-`, with a letter or digit first",
            );
        }
        if per_label[..index].iter().any(|(earlier, _)| earlier.value == label.value) {
            errors.at(label.span, format!("`{}` is set twice", label.value));
        }
    }
    if let Some(item) = items.get("trust")
        && matches!(&item.value, Value::PerLabel(entries) if entries.is_empty())
    {
        errors.at(item.span, "`trust` has no keys: name an environment and its keys");
    }
    let for_all = items
        .string("trust")
        .map(|keys| Trust { environment: None, keys: key_references(keys.value, keys.span, errors) });
    let one = |(label, keys): &(Spanned<String>, Spanned<String>)| Trust {
        environment: Some(label.value.clone()),
        keys: key_references(&keys.value, keys.span, errors),
    };
    for_all.into_iter().chain(per_label.iter().map(one)).collect()
}

fn key_references(list: &str, span: Span, errors: &Errors) -> String {
    for entry in text::entries(list).filter(|entry| !text::is_key_reference(entry)) {
        errors.at(
            span,
            format!(
                "{entry:?} is not a key reference: write `local`, or provider:region:key-id \
                 such as `tencent:ap-guangzhou:<id of the CMK>`"
            ),
        );
    }
    text::entries(list).collect::<Vec<_>>().join(",")
}

fn signers(items: &Items, errors: &Errors) -> Vec<String> {
    let Some(list) = items.string("signers") else { return Vec::new() };
    for entry in text::entries(list.value).filter(|entry| !text::is_public_key(entry)) {
        errors.at(
            list.span,
            format!("{entry:?} is not a public key: expected 32 bytes in base64, which is 44 characters"),
        );
    }
    text::entries(list.value).map(str::to_owned).collect()
}

fn required_signatures(items: &Items, errors: &Errors) -> Option<Spanned<u8>> {
    let Some(Value::Literal(Spanned { value: Literal::Integer(count), span })) =
        items.get("required_signatures").map(|item| &item.value)
    else {
        return None;
    };
    // A file has up to eight signatures (format.md §3).
    let count = u8::try_from(*count).ok().filter(|count| (1..=8).contains(count));
    if count.is_none() {
        errors.at(*span, "invalid number of signatures: expected 1 to 8");
    }
    Some(Spanned { value: count?, span: *span })
}

fn deadline(items: &Items, errors: &Errors) -> Option<Duration> {
    let text = items.string("deadline")?;
    let deadline = text::duration(text.value);
    if deadline.is_none() {
        errors.at(
            text.span,
            "invalid deadline: expected a whole number above 0 with `ms`, `s` or `m`, such as \"10s\"",
        );
    }
    deadline
}

/// Returns the doc comment without the space at the beginning of each line.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                let text = text.value();
                Some(text.strip_prefix(' ').map_or(text.clone(), str::to_owned))
            }
            _ => None,
        },
        _ => None,
    };
    let lines: Vec<String> = attributes.iter().filter_map(line).collect();
    lines.join("\n").trim().to_owned()
}

/// Returns the type without invisible groups, which macros add, and without parentheses.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

/// Returns the `T` of an `Option<T>`. Compares only the last segment of the path, because a macro sees only tokens.
pub(crate) fn within_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Type(inner) => Some(ungrouped(inner)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the type as the user wrote it.
pub(crate) fn written(ty: &Type) -> String {
    text::pretty(ty.to_token_stream())
}
