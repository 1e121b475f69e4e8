//! Templates of the syntaxes with lines and comments.
//!
//! A line that begins with `# ` is prose; one that begins with `#` and no space is a setting that needs no value of its
//! own, or has none to show: without the `#` it parses too.

use crate::base::json_string;
use crate::meta::{Fallback, Field, Leaf, Literal, Meta, Shape};
use crate::schema::types::Type;
use crate::schema::{Json, literal};

/// A template as it grows.
pub(super) struct WithComments {
    out: String,
    prefix: Option<&'static str>,
    parents: Vec<&'static Field>,
}

impl WithComments {
    /// `meta` as TOML: the values of each table first, then the tables in it.
    pub(super) fn toml(meta: &'static Meta) -> String {
        let mut lines = Self::of(meta);
        lines.toml_table(meta, true);
        lines.out
    }

    /// `meta` as dotenv, by the names of the variables.
    pub(super) fn dotenv(meta: &'static Meta) -> String {
        let mut lines = Self::of(meta);
        lines.dotenv_table(meta, true);
        lines.out
    }

    fn of(meta: &'static Meta) -> Self {
        let mut lines = Self { out: String::new(), prefix: meta.env_prefix, parents: Vec::new() };
        lines.prose(meta.docs);
        lines
    }

    /// `active` is whether settings may count: those of an optional table would bring it about.
    fn toml_table(&mut self, meta: &'static Meta, active: bool) {
        let fields = meta.unflattened();
        for field in fields.iter().filter(|field| field.shape.nested().is_none()) {
            self.leaf(field);
            let value = shown(field);
            let line = match value.and_then(toml_value) {
                Some(value) => format!("{} = {value}", toml_key(field.key)),
                None => format!("{} = {}", toml_key(field.key), toml_blank(field)),
            };
            self.setting(active && counts(field), &line);
        }
        for field in fields {
            let Some(meta) = field.shape.nested() else { continue };
            let active = active && !matches!(field.shape, Shape::OptionalNested(_));
            self.parents.push(field);
            let path: Vec<String> = self.parents.iter().map(|parent| toml_key(parent.key)).collect();
            self.begin();
            self.table_prose(field, meta);
            self.setting(active, &format!("[{}]", path.join(".")));
            self.toml_table(meta, active);
            self.parents.pop();
        }
    }

    fn dotenv_table(&mut self, meta: &'static Meta, active: bool) {
        for field in meta.unflattened() {
            if let Some(meta) = field.shape.nested() {
                self.parents.push(field);
                let optional = matches!(field.shape, Shape::OptionalNested(_));
                if optional || !field.docs.is_empty() || !meta.docs.is_empty() {
                    self.begin();
                    self.table_prose(field, meta);
                }
                self.dotenv_table(meta, active && !optional);
                self.parents.pop();
                continue;
            }
            self.leaf(field);
            // The last name is the variable's, where there is one: the file then serves as an environment too.
            let names = Leaf::new(&self.parents, field).content_names(self.prefix);
            let name = names.last().map_or(field.segment, String::as_str);
            let value = shown(field).and_then(dotenv_value);
            let line = format!("{name}={}", value.as_deref().unwrap_or_default());
            self.setting(active && counts(field) && value.is_some(), &line);
        }
    }

    /// What is said of a value before its line.
    fn leaf(&mut self, field: &'static Field) {
        self.begin();
        self.prose(field.docs);
        let mut facts = vec![field.ty.to_owned()];
        if field.secret {
            facts.push("secret".to_owned());
        }
        match field.shape {
            Shape::Defaulted(Fallback::Literal(default)) if !field.secret => {
                facts.extend(literal(default).map(|default| format!("default {}", default.line())));
            }
            Shape::Defaulted(Fallback::Function(path)) => facts.push(format!("default of {path}")),
            Shape::Defaulted(Fallback::Computed) => facts.push("default computed".to_owned()),
            Shape::Defaulted(_) => facts.push("default".to_owned()),
            Shape::Optional => facts.push("optional".to_owned()),
            _ => facts.push("required".to_owned()),
        }
        if let (Shape::Defaulted(_), Some(example)) = (field.shape, field.example.and_then(literal)) {
            facts.push(format!("example {}", example.line()));
        }
        if let Some(variable) = Leaf::new(&self.parents, field).variable(self.prefix) {
            facts.push(format!("variable {variable}"));
        }
        match field.deprecated {
            Some("") => facts.push("deprecated".to_owned()),
            Some(note) => facts.push(format!("deprecated: {note}")),
            None => {}
        }
        self.prose(&facts.join("; "));
    }

    fn table_prose(&mut self, field: &'static Field, meta: &'static Meta) {
        self.prose(if field.docs.is_empty() { meta.docs } else { field.docs });
        if let Shape::OptionalNested(_) = field.shape {
            self.prose("optional, as a whole");
        }
    }

    /// An empty line before what comes, unless it is the first.
    fn begin(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn prose(&mut self, text: &str) {
        for line in text.lines() {
            // Comments of TOML hold no control characters.
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.out.push_str(format!("# {line}").trim_end());
            self.out.push('\n');
        }
    }

    fn setting(&mut self, active: bool, line: &str) {
        if !active {
            self.out.push('#');
        }
        self.out.push_str(line);
        self.out.push('\n');
    }
}

/// Whether the template gives the field a value: what is defaulted or optional stays as it is until somebody changes it.
fn counts(field: &Field) -> bool {
    field.shape == Shape::Required && field.example.is_some()
}

/// The value to show, which with a default is that.
fn shown(field: &Field) -> Option<Literal> {
    let default = match field.shape {
        Shape::Defaulted(Fallback::Literal(default)) if !field.secret => Some(default),
        _ => None,
    };
    default.or(field.example)
}

fn toml_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare { key.to_owned() } else { json_string(key).to_string() }
}

/// `None` for an integer beyond TOML's.
fn toml_value(value: Literal) -> Option<String> {
    let fits = match value {
        Literal::Integer(number) => i64::try_from(number).is_ok(),
        Literal::Array(items) => items.iter().all(|item| toml_value(*item).is_some()),
        _ => true,
    };
    literal(value).filter(|_| fits).map(|value| value.line())
}

/// Something of the field's type to write over.
fn toml_blank(field: &Field) -> &'static str {
    match blank(&Type::of(field.ty)) {
        Type::Bool => "false",
        Type::Integer { .. } => "0",
        Type::Number => "0.0",
        Type::List { .. } | Type::Tuple(_) => "[]",
        Type::Map { .. } => "{}",
        _ => "\"\"",
    }
}

fn blank(ty: &Type) -> &Type {
    match ty {
        Type::Nullable(inner) => blank(inner),
        other => other,
    }
}

/// `None` for a text that no line can hold.
fn dotenv_value(value: Literal) -> Option<String> {
    match literal(value)? {
        Json::String(text) => {
            let fits = !text.contains('\n') && !text.starts_with(['"', '\'', '`']);
            fits.then_some(text)
        }
        other => Some(other.line()),
    }
}
