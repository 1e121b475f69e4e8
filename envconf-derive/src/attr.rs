//! The tables of attributes (name, place, form, repetition), and the parser that uses them.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{Attribute, Ident, Lit, LitStr, Path, Token, bracketed, token};

use crate::errors::Errors;
use crate::expression;
use crate::model::{Literal, Spanned};
use crate::text;

/// The attributes that one place allows.
pub(crate) struct Table {
    place: &'static str,
    attributes: &'static [Known],
}

/// A known attribute.
struct Known {
    name: &'static str,
    /// The forms that may follow the name.
    takes: &'static [Form],
    /// The form of the attribute, for messages.
    usage: &'static str,
    repeats: bool,
}

/// The form of the text after an attribute's name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Nothing,
    String,
    Integer,
    Literal,
    Path,
    /// Any expression of the field's type.
    Expression,
    /// A list in parentheses: `(label = "…", …)`.
    PerLabel,
}

const fn known(name: &'static str, takes: &'static [Form], usage: &'static str) -> Known {
    Known { name, takes, usage, repeats: false }
}

/// The attributes of a struct.
pub(crate) const STRUCT: Table = Table {
    place: "struct",
    attributes: &[
        known("name", &[Form::String], "name = \"app\""),
        known("dir", &[Form::String], "dir = \"config\""),
        known("env_prefix", &[Form::String], "env_prefix = \"APP\""),
        known(
            "trust",
            &[Form::String, Form::PerLabel],
            "trust = \"…\"` or `trust(prod = \"…\", default = \"…\")",
        ),
        known("signers", &[Form::String], "signers = \"…\""),
        known("required_signatures", &[Form::Integer], "required_signatures = 1"),
        known("deadline", &[Form::String], "deadline = \"10s\""),
        known("rename_all", &[Form::String], "rename_all = \"kebab-case\""),
        known("allow_unknown_fields", &[Form::Nothing], "allow_unknown_fields"),
        known("allow_unknown_variables", &[Form::Nothing], "allow_unknown_variables"),
        known("crate", &[Form::String], "crate = \"conf\""),
        known("ignore_serde", &[Form::Nothing], "ignore_serde"),
        known("validate", &[Form::Path], "validate = path::to::function"),
    ],
};

/// The attributes of a field.
pub(crate) const FIELD: Table = Table {
    place: "field",
    attributes: &[
        known(
            "default",
            &[Form::Nothing, Form::Literal, Form::Expression],
            "default`, `default = 10` or `default = Level::Info",
        ),
        known("default_with", &[Form::Path], "default_with = path::to::function"),
        known("env", &[Form::String], "env = \"NAME\""),
        known("no_env", &[Form::Nothing], "no_env"),
        known("rename", &[Form::String], "rename = \"key\""),
        Known { name: "alias", takes: &[Form::String], usage: "alias = \"key\"", repeats: true },
        known("nested", &[Form::Nothing], "nested"),
        known("flatten", &[Form::Nothing], "flatten"),
        known("secret", &[Form::Nothing], "secret"),
        known("merge", &[Form::String], "merge = \"keys\"` or `merge = \"replace\""),
        known("deserialize_with", &[Form::Path], "deserialize_with = path::to::function"),
        known("validate", &[Form::Path], "validate = path::to::function"),
        known("example", &[Form::Literal], "example = 10"),
        known("deprecated", &[Form::Nothing, Form::String], "deprecated` or `deprecated = \"use … instead\""),
        known("skip", &[Form::Nothing], "skip"),
        known("allow_unknown_fields", &[Form::Nothing], "allow_unknown_fields"),
        known("ignore_serde", &[Form::Nothing], "ignore_serde"),
    ],
};

/// The attributes of an enum.
pub(crate) const ENUM: Table = Table {
    place: "enum",
    attributes: &[
        known("tag", &[Form::String], "tag = \"type\""),
        known("rename_all", &[Form::String], "rename_all = \"kebab-case\""),
        known("allow_unknown_fields", &[Form::Nothing], "allow_unknown_fields"),
        known("crate", &[Form::String], "crate = \"conf\""),
        known("ignore_serde", &[Form::Nothing], "ignore_serde"),
        known("validate", &[Form::Path], "validate = path::to::function"),
    ],
};

/// The attributes of a variant.
pub(crate) const VARIANT: Table = Table {
    place: "variant",
    attributes: &[
        known("rename", &[Form::String], "rename = \"name\""),
        Known { name: "alias", takes: &[Form::String], usage: "alias = \"name\"", repeats: true },
        known("rename_all", &[Form::String], "rename_all = \"kebab-case\""),
        known("default", &[Form::Nothing], "default"),
    ],
};

/// A parsed attribute, with a form that its table allows.
pub(crate) struct Item {
    pub(crate) name: &'static str,
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// The value after an attribute's name.
pub(crate) enum Value {
    Nothing,
    Literal(Spanned<Literal>),
    Path(Path),
    Expression(TokenStream),
    PerLabel(Vec<(Spanned<String>, Spanned<String>)>),
}

/// The attributes of one struct, field, enum or variant.
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

    /// Returns the text of every `name = "…"`.
    pub(crate) fn strings(&self, name: &str) -> impl Iterator<Item = Spanned<&str>> {
        self.0.iter().filter(move |item| item.name == name).filter_map(|item| match &item.value {
            Value::Literal(Spanned { value: Literal::String(text), span }) => {
                Some(Spanned { value: text.as_str(), span: *span })
            }
            _ => None,
        })
    }

    /// Returns the path of `name = path`.
    pub(crate) fn path(&self, name: &str) -> Option<&Path> {
        match &self.get(name)?.value {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Returns the literal of `name = …`.
    pub(crate) fn literal(&self, name: &str) -> Option<&Literal> {
        match &self.get(name)?.value {
            Value::Literal(literal) => Some(&literal.value),
            _ => None,
        }
    }

    /// Returns the text of the first `name = "…"`.
    pub(crate) fn string(&self, name: &str) -> Option<Spanned<&str>> {
        self.strings(name).next()
    }
}

/// Reads the attributes in `#[envconf(…)]` that `table` allows. Any other attribute is an error at its token. The error
/// names `elsewhere` if that table has the attribute.
pub(crate) fn read(attributes: &[Attribute], table: &Table, elsewhere: &Table, errors: &Errors) -> Items {
    let mut items: Vec<Item> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("envconf")) {
        let list = match attribute.meta.require_list() {
            Ok(list) => list,
            Err(_) => {
                errors.at(
                    attribute.path().span(),
                    format!("write #[envconf(…)] with any of {}", table.names()),
                );
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

fn add(items: &mut Vec<Item>, item: Item, table: &Table, errors: &Errors) {
    if !table.repeats(item.name) && items.iter().any(|earlier| earlier.name == item.name) {
        errors.at(item.span, format!("`{}` is set twice", item.name));
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

fn item(input: ParseStream<'_>, table: &Table, elsewhere: &Table) -> syn::Result<Item> {
    let name = input.call(Ident::parse_any)?;
    let known = find(&name, table, elsewhere)?;
    let (value, span) = value(input, &name, known)
        .map_err(|error| syn::Error::new(error.span(), format!("{error}\n{}", known.usage())))?;
    if !known.takes.iter().any(|form| fits(*form, &value)) {
        return Err(syn::Error::new(span, format!("invalid `{}`: {}", known.name, known.usage())));
    }
    Ok(Item { name: known.name, span: name.span(), value })
}

fn find(name: &Ident, table: &Table, elsewhere: &Table) -> syn::Result<&'static Known> {
    let text = name.to_string();
    let in_table = |table: &Table| table.attributes.iter().find(|known| known.name == text);
    if let Some(known) = in_table(table) {
        return Ok(known);
    }
    let names = table.attributes.iter().map(|known| known.name);
    let message = match (in_table(elsewhere), text::nearest(&text, names)) {
        (Some(_), _) => format!("`{text}` belongs on {}", elsewhere.place()),
        (None, Some(nearest)) => {
            format!("unknown attribute `{text}` of {}; did you mean `{nearest}`?", table.place())
        }
        (None, None) => format!("unknown attribute `{text}` of {}", table.place()),
    };
    Err(syn::Error::new(name.span(), format!("{message}\nallowed here: {}", table.names())))
}

impl Known {
    fn usage(&self) -> String {
        format!("write `{}`", self.usage)
    }
}

impl Table {
    fn place(&self) -> String {
        let article = if self.place.starts_with('e') { "an" } else { "a" };
        format!("{article} {}", self.place)
    }

    fn names(&self) -> String {
        self.attributes.iter().map(|known| known.name).collect::<Vec<_>>().join(", ")
    }

    fn repeats(&self, name: &str) -> bool {
        self.attributes.iter().any(|known| known.name == name && known.repeats)
    }
}

fn fits(form: Form, value: &Value) -> bool {
    let literal = match value {
        Value::Nothing => return form == Form::Nothing,
        Value::Path(_) => return form == Form::Path,
        Value::Expression(_) => return form == Form::Expression,
        Value::PerLabel(_) => return form == Form::PerLabel,
        Value::Literal(literal) => &literal.value,
    };
    match form {
        Form::Literal => true,
        Form::String => matches!(literal, Literal::String(_)),
        Form::Integer => matches!(literal, Literal::Integer(_)),
        Form::Nothing | Form::Path | Form::Expression | Form::PerLabel => false,
    }
}

/// Reads the value after the attribute's `name`, with the span for errors.
fn value(input: ParseStream<'_>, name: &Ident, known: &Known) -> syn::Result<(Value, Span)> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok((Value::Nothing, name.span()));
    }
    if input.peek(token::Paren) {
        let group: Group = input.parse()?;
        if !known.takes.contains(&Form::PerLabel) {
            return Err(syn::Error::new(group.span(), "unexpected parentheses"));
        }
        // Use a separate parser: unread tokens after an error would be a second error in this one.
        let entries = per_label.parse2(group.stream());
        let entries = entries.map_err(|error| syn::Error::new(group.span(), error))?;
        return Ok((Value::PerLabel(entries), group.span()));
    }
    input.parse::<Token![=]>()?;
    let span = input.span();
    if known.takes.contains(&Form::Expression) && !expression::is_literal(input) {
        return Ok((Value::Expression(expression::tokens(input)?), span));
    }
    if input.peek(Lit) || input.peek(Token![-]) || input.peek(token::Bracket) {
        return Ok((Value::Literal(Spanned { value: literal(input)?, span }), span));
    }
    Ok((Value::Path(input.parse()?), span))
}

/// Reads `label = "…", …`. A label that is not an identifier is written as a string.
fn per_label(input: ParseStream<'_>) -> syn::Result<Vec<(Spanned<String>, Spanned<String>)>> {
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
    Ok(input.parse_terminated(entry, Token![,])?.into_iter().collect())
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
        _ => Err(syn::Error::new(
            literal.span(),
            "a configuration cannot have this value: expected a boolean, number, string or array",
        )),
    }
}
