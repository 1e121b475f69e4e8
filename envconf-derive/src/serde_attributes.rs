//! The check of `#[serde(…)]` attributes. The derive does not read them, so it rejects those that change the meaning of
//! a field.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Ident, LitStr, Token, token};

use crate::errors::Errors;

/// The place of an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Struct,
    Enum,
    Variant,
    Field,
}

/// One attribute of serde: its name and its value.
struct SerdeItem {
    name: String,
    span: Span,
    /// The text of `name = "…"`, or of `name(deserialize = "…")`.
    text: Option<String>,
    /// True if the attribute changes only serialization: `name(serialize = "…")`.
    is_of_serialization: bool,
}

/// Rejects the attributes that change what serde reads, and names the attribute of envconf that does the same.
pub(crate) fn refuse(attributes: &[Attribute], place: Place, errors: &Errors) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let Ok(list) = attribute.meta.require_list() else { continue };
        // serde reports an attribute that does not parse.
        let Ok(items) = items.parse2(list.tokens.clone()) else { continue };
        for item in items.iter().filter(|item| !item.is_of_serialization) {
            if let Some(ours) = ours(item, place) {
                errors.at(
                    item.span,
                    format!(
                        "EncryptedConfig does not read serde's `{}`: {ours}\n\
                         if another derive needs it, add #[envconf(ignore_serde)]",
                        item.name
                    ),
                );
            }
        }
    }
}

/// Returns the attribute of envconf to use instead; `None` for an attribute that does not change what is read.
fn ours(item: &SerdeItem, place: Place) -> Option<String> {
    let write = |attribute: String| Some(format!("write #[envconf({attribute})]"));
    let same = || match &item.text {
        Some(text) => write(format!("{} = {text:?}", item.name)),
        None => write(format!("{} = \"…\"", item.name)),
    };
    let text = item.text.as_deref();
    match (place, item.name.as_str()) {
        (Place::Field | Place::Variant, "rename" | "alias")
        | (Place::Struct | Place::Enum | Place::Variant, "rename_all")
        | (Place::Enum, "tag") => same(),
        (Place::Enum, "rename_all_fields") => {
            Some("write #[envconf(rename_all = \"…\")] on the variants".to_owned())
        }
        (Place::Enum, "content") => Some(
            "#[envconf(tag = \"…\")] puts the fields next to the tag, not into a separate table".to_owned(),
        ),
        (
            Place::Variant,
            "skip" | "skip_deserializing" | "other" | "untagged" | "with" | "deserialize_with",
        ) => Some("a variant always has a name, and its fields are read one by one".to_owned()),
        (Place::Field, "default") => match text {
            Some(path) => write(format!("default_with = {path}")),
            None => write("default".to_owned()),
        },
        (Place::Struct, "default") => Some("write #[envconf(default = …)] on the fields".to_owned()),
        (Place::Field, "flatten") => write("flatten".to_owned()),
        (Place::Field, "skip" | "skip_deserializing") => write("skip".to_owned()),
        (Place::Field, "with") => write(format!("deserialize_with = {}::deserialize", text.unwrap_or("…"))),
        (Place::Field, "deserialize_with") => write(format!("deserialize_with = {}", text.unwrap_or("…"))),
        (Place::Struct, "tag" | "content") => {
            Some("a struct has no tag; an enum has one with #[envconf(tag = \"…\")]".to_owned())
        }
        (Place::Struct | Place::Enum, "untagged") => {
            Some("an untagged type derives only serde's Deserialize, and is a leaf".to_owned())
        }
        (Place::Struct | Place::Enum, "from" | "try_from") => {
            Some("check the value with #[envconf(validate = path::to::function)]".to_owned())
        }
        (Place::Struct, "transparent") => {
            Some("a type that wraps a value derives only serde's Deserialize, and is a leaf".to_owned())
        }
        _ => None,
    }
}

fn items(input: ParseStream<'_>) -> syn::Result<Vec<SerdeItem>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        let name = input.call(Ident::parse_any)?;
        let mut item = SerdeItem {
            name: name.unraw().to_string(),
            span: name.span(),
            text: None,
            is_of_serialization: false,
        };
        if input.peek(token::Paren) {
            let group: Group = input.parse()?;
            item.text = deserialized.parse2(group.stream())?;
            item.is_of_serialization = item.text.is_none();
        } else if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            item.text = Some(value(input)?);
        }
        items.push(item);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(items)
}

/// Returns the text of `deserialize = "…"` in the parentheses after a name.
fn deserialized(input: ParseStream<'_>) -> syn::Result<Option<String>> {
    let items = items(input)?;
    Ok(items.into_iter().find(|item| item.name == "deserialize").and_then(|item| item.text))
}

fn value(input: ParseStream<'_>) -> syn::Result<String> {
    if input.peek(LitStr) {
        return Ok(input.parse::<LitStr>()?.value());
    }
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens.to_string())
}
