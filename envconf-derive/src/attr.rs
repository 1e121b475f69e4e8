//! The attribute table: name, where valid, how written, how often; and reading by it.

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{Attribute, Ident, Lit, LitStr, Path, Token, bracketed, parenthesized, token};

use crate::errors::Errors;
use crate::model::{Literal, Spanned};
use crate::text;

/// An attribute that exists.
pub(crate) struct Known {
    name: &'static str,
    /// What may follow the name.
    takes: &'static [Form],
    /// How it is written, for people.
    usage: &'static str,
    repeats: bool,
}

/// What follows an attribute's name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Nothing,
    String,
    Integer,
    Literal,
    Path,
    /// `(label = "…", …)`
    PerLabel,
}

const fn known(name: &'static str, takes: &'static [Form], usage: &'static str) -> Known {
    Known { name, takes, usage, repeats: false }
}

/// Those of a struct.
pub(crate) const STRUCT: &[Known] = &[
    known("name", &[Form::String], "name = \"app\""),
    known("dir", &[Form::String], "dir = \"config\""),
    known("env_prefix", &[Form::String], "env_prefix = \"APP\""),
    known("trust", &[Form::String, Form::PerLabel], "trust = \"…\" or trust(prod = \"…\", default = \"…\")"),
    known("signers", &[Form::String], "signers = \"…\""),
    known("required_signatures", &[Form::Integer], "required_signatures = 1"),
    known("rename_all", &[Form::String], "rename_all = \"kebab-case\""),
    known("allow_unknown_fields", &[Form::Nothing], "allow_unknown_fields"),
];

/// Those of a field.
pub(crate) const FIELD: &[Known] = &[
    known("default", &[Form::Nothing, Form::Literal], "default or default = 10"),
    known("default_with", &[Form::Path], "default_with = path::to::function"),
    known("env", &[Form::String], "env = \"NAME\""),
    known("no_env", &[Form::Nothing], "no_env"),
    known("rename", &[Form::String], "rename = \"key\""),
    Known { name: "alias", takes: &[Form::String], usage: "alias = \"key\"", repeats: true },
    known("nested", &[Form::Nothing], "nested"),
    known("secret", &[Form::Nothing], "secret"),
    known("skip", &[Form::Nothing], "skip"),
];

/// An attribute as written, of a form that its table allows.
pub(crate) struct Item {
    pub(crate) name: &'static str,
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What stands behind an attribute's name.
pub(crate) enum Value {
    Nothing,
    Literal(Spanned<Literal>),
    Path(Path),
    PerLabel(Vec<(Spanned<String>, Spanned<String>)>),
}

/// The items of one struct or field.
pub(crate) struct Items(Vec<Item>);

impl Items {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.0.iter()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Item> {
        self.0.iter().find(|item| item.name == name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The text of every `name = "…"`.
    pub(crate) fn strings(&self, name: &str) -> impl Iterator<Item = Spanned<&str>> {
        self.0.iter().filter(move |item| item.name == name).filter_map(|item| match &item.value {
            Value::Literal(Spanned { value: Literal::String(text), span }) => {
                Some(Spanned { value: text.as_str(), span: *span })
            }
            _ => None,
        })
    }

    /// The text of `name = "…"`.
    pub(crate) fn string(&self, name: &str) -> Option<Spanned<&str>> {
        self.strings(name).next()
    }
}

/// Everything in `#[envconf(…)]` that `table` allows; the rest is an error on its own token. `elsewhere` is the
/// table of the other place, for who mixes the two up.
pub(crate) fn read(
    attributes: &[Attribute],
    table: &'static [Known],
    elsewhere: &[Known],
    errors: &Errors,
) -> Items {
    let mut items: Vec<Item> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("envconf")) {
        let list = match attribute.meta.require_list() {
            Ok(list) => list,
            Err(_) => {
                errors
                    .at(attribute.path().span(), format!("write #[envconf(…)] with any of {}", names(table)));
                continue;
            }
        };
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                match item(input, table, elsewhere) {
                    Ok(item) => add(&mut items, item, table, errors),
                    Err(error) => {
                        errors.add(error);
                        skip_to_comma(input)?;
                    }
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(list.tokens.clone()) {
            errors.add(error);
        }
    }
    Items(items)
}

fn add(items: &mut Vec<Item>, item: Item, table: &[Known], errors: &Errors) {
    let repeats = table.iter().any(|known| known.name == item.name && known.repeats);
    if !repeats && items.iter().any(|earlier| earlier.name == item.name) {
        errors.at(item.span, format!("`{}` is given twice", item.name));
    } else {
        items.push(item);
    }
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

fn item(input: ParseStream<'_>, table: &'static [Known], elsewhere: &[Known]) -> syn::Result<Item> {
    let name = input.call(Ident::parse_any)?;
    let known = find(&name, table, elsewhere)?;
    let written = value(input).map_err(|error| usage_error(error.span(), known))?;
    let at = written.as_ref().map_or(name.span(), |(_, span)| *span);
    let value = written.map_or(Value::Nothing, |(value, _)| value);
    if !known.takes.iter().any(|form| fits(*form, &value)) {
        return Err(usage_error(at, known));
    }
    Ok(Item { name: known.name, span: name.span(), value })
}

fn find(name: &Ident, table: &'static [Known], elsewhere: &[Known]) -> syn::Result<&'static Known> {
    let text = name.to_string();
    if let Some(known) = table.iter().find(|known| known.name == text) {
        return Ok(known);
    }
    let place = |table| if std::ptr::eq(table, STRUCT) { "struct" } else { "field" };
    let mut message = format!("no attribute of a {} is called `{text}`", place(table));
    if elsewhere.iter().any(|known| known.name == text) {
        message = format!("`{text}` belongs on a {}", place(elsewhere));
    } else if let Some(nearest) = text::nearest(&text, table.iter().map(|known| known.name)) {
        message = format!("{message}; did you mean `{nearest}`?");
    }
    Err(syn::Error::new(name.span(), format!("{message}\nallowed here: {}", names(table))))
}

fn names(table: &[Known]) -> String {
    table.iter().map(|known| known.name).collect::<Vec<_>>().join(", ")
}

fn usage_error(span: Span, known: &Known) -> syn::Error {
    syn::Error::new(span, format!("write `{}` as {}", known.name, known.usage))
}

fn fits(form: Form, value: &Value) -> bool {
    let literal = match value {
        Value::Nothing => return form == Form::Nothing,
        Value::Path(_) => return form == Form::Path,
        Value::PerLabel(_) => return form == Form::PerLabel,
        Value::Literal(literal) => &literal.value,
    };
    match form {
        Form::Literal => true,
        Form::String => matches!(literal, Literal::String(_)),
        Form::Integer => matches!(literal, Literal::Integer(_)),
        Form::Nothing | Form::Path | Form::PerLabel => false,
    }
}

/// What follows an attribute's name, with the token to blame; `None` for nothing.
fn value(input: ParseStream<'_>) -> syn::Result<Option<(Value, Span)>> {
    if input.peek(token::Paren) {
        let span = input.span();
        return Ok(Some((Value::PerLabel(per_label(input)?), span)));
    }
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return if input.is_empty() || input.peek(Token![,]) { Ok(None) } else { Err(input.error("")) };
    }
    let span = input.span();
    if input.peek(Lit) || input.peek(Token![-]) || input.peek(token::Bracket) {
        return Ok(Some((Value::Literal(Spanned { value: literal(input)?, span }), span)));
    }
    Ok(Some((Value::Path(input.parse()?), span)))
}

/// `(label = "…", …)`; a label that is no identifier is written as a string.
fn per_label(input: ParseStream<'_>) -> syn::Result<Vec<(Spanned<String>, Spanned<String>)>> {
    let content;
    parenthesized!(content in input);
    let entry = |input: ParseStream<'_>| {
        let label = match input.peek(LitStr) {
            true => {
                input.parse::<LitStr>().map(|label| Spanned { span: label.span(), value: label.value() })?
            }
            false => Ident::parse_any(input)
                .map(|label| Spanned { span: label.span(), value: label.to_string() })?,
        };
        input.parse::<Token![=]>()?;
        let text: LitStr = input.parse()?;
        Ok((label, Spanned { span: text.span(), value: text.value() }))
    };
    Ok(content.parse_terminated(entry, Token![,])?.into_iter().collect())
}

fn literal(input: ParseStream<'_>) -> syn::Result<Literal> {
    if input.peek(token::Bracket) {
        let content;
        bracketed!(content in input);
        return Ok(Literal::Array(content.parse_terminated(literal, Token![,])?.into_iter().collect()));
    }
    let negative = input.parse::<Option<Token![-]>>()?;
    let sign = if negative.is_some() { "-" } else { "" };
    let literal: Lit = input.parse()?;
    let too_large = || syn::Error::new(literal.span(), "the number is too large");
    match (&literal, negative) {
        (Lit::Int(digits), _) => {
            let number = format!("{sign}{}", digits.base10_digits()).parse();
            Ok(Literal::Integer(number.map_err(|_| too_large())?))
        }
        (Lit::Float(digits), _) => {
            let number = format!("{sign}{}", digits.base10_digits()).parse::<f64>().ok();
            Ok(Literal::Float(number.filter(|number| number.is_finite()).ok_or_else(too_large)?))
        }
        (Lit::Bool(value), None) => Ok(Literal::Bool(value.value)),
        (Lit::Str(text), None) => Ok(Literal::String(text.value())),
        (Lit::Char(character), None) => Ok(Literal::String(character.value().to_string())),
        _ => Err(syn::Error::new(literal.span(), "no value of a configuration")),
    }
}
