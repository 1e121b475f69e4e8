//! Templates in TOML and dotenv, which have comments.
//!
//! A line that begins with `# ` is prose. A line that begins with `#` and no space is a setting that is optional or has
//! no value to show. It parses if the `#` is removed.

use crate::base::{is_deceptive, json_string};
use crate::meta::{Fallback, Field, Leaf, Literal, Meta, NestedType, Shape, TypeStep, Variant};
use crate::schema::types::Type;
use crate::schema::{Json, literal};
use crate::syntax::dotenv;

/// A template that is being written.
pub(super) struct WithComments {
    out: String,
    prefix: Option<&'static str>,
    parents: Vec<TypeStep>,
}

impl WithComments {
    /// Returns the template of `meta` as TOML: the values of each table first, then the tables in it.
    pub(super) fn toml(meta: &'static Meta) -> String {
        let mut lines = Self::of(meta);
        lines.toml_table(meta, true);
        lines.out
    }

    /// Returns the template of `meta` as dotenv, with the names of the variables.
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

    /// Writes a table. `active` is false if all its settings must be comments: one setting would create an optional
    /// table.
    fn toml_table(&mut self, meta: &'static Meta, active: bool) {
        let fields = meta.unflattened();
        for field in fields.iter().filter(|field| field.part.is_none()) {
            self.leaf(field);
            let value = shown(field);
            let line = match value.and_then(toml_value) {
                Some(value) => format!("{} = {value}", toml_key(field.key)),
                None => format!("{} = {}", toml_key(field.key), toml_blank(field)),
            };
            self.setting(active && is_set(field), &line);
        }
        // In TOML, all values of a table stand before its first subtable. So empty lists and maps, and enums without
        // content, come first.
        for field in fields.iter().copied().filter(|field| needs_empty(field)) {
            let empty = if matches!(field.part, Some(NestedType::List(_))) { "[]" } else { "{}" };
            self.begin();
            self.part_prose(field, field.part);
            self.prose("empty; replace this line by the tables below");
            self.setting(active, &format!("{} = {empty}", toml_key(field.key)));
        }
        for field in fields.iter().copied().filter(|field| has_named_units(field)) {
            self.begin();
            self.part_prose(field, field.part);
            let variants = field.part.map(NestedType::meta).map_or(&[][..], |meta| meta.variants);
            for variant in variants.iter().filter(|variant| variant.content.is_none()) {
                self.begin();
                self.variant_prose(variant);
                let name = json_string(variant.key).to_string();
                self.setting(false, &format!("{} = {name}", toml_key(field.key)));
            }
        }
        for field in fields {
            let Some(part) = field.part else { continue };
            self.parents.push(TypeStep::Field(field));
            let has_prose = needs_empty(field) || has_named_units(field);
            if !has_prose {
                self.begin();
                self.part_prose(field, Some(part));
            }
            self.toml_part(part, active && !needs_empty(field), has_prose);
            self.parents.pop();
        }
    }

    /// Writes the content of a value of this type, after its description.
    ///
    /// `apart` is true if the description is not directly above, so that an empty line is needed.
    fn toml_part(&mut self, part: NestedType, active: bool, apart: bool) {
        match part {
            NestedType::Section(meta) => {
                if apart {
                    self.begin();
                }
                let path = self.toml_path();
                self.setting(active, &format!("[{path}]"));
                self.toml_table(meta, active);
            }
            NestedType::Optional(inner) => self.toml_part(*inner, false, apart),
            NestedType::List(NestedType::Section(meta)) => {
                if apart {
                    self.begin();
                }
                let path = self.toml_path();
                self.setting(false, &format!("[[{path}]]"));
                self.parents.push(TypeStep::AnyItem);
                self.toml_table(meta, false);
                self.parents.pop();
            }
            NestedType::List(_) => {}
            NestedType::Map(inner) => {
                self.parents.push(TypeStep::Key("key".to_owned()));
                self.toml_part(*inner, false, apart);
                self.parents.pop();
            }
            NestedType::Variants(meta) => self.toml_variants(meta),
        }
    }

    /// Writes every variant as a comment, because the reader must choose one.
    fn toml_variants(&mut self, meta: &'static Meta) {
        // `toml_table` has already written the variants that text alone names, before the tables.
        let is_written = |variant: &Variant| {
            let has_units =
                matches!(self.parents.last(), Some(TypeStep::Field(field)) if has_named_units(field));
            has_units && variant.content.is_none()
        };
        let variants: Vec<&'static Variant> =
            meta.variants.iter().filter(|variant| !is_written(variant)).collect();
        for variant in variants {
            self.begin();
            self.variant_prose(variant);
            let name = json_string(variant.key).to_string();
            match (meta.tag, variant.content) {
                (Some(tag), content) => {
                    let path = self.toml_path();
                    self.setting(false, &format!("[{path}]"));
                    self.setting(false, &format!("{} = {name}", toml_key(tag.key)));
                    self.toml_table(content.map_or(&NO_FIELDS, NestedType::meta), false);
                }
                (None, None) => self.prose(&format!("{name} instead of a table")),
                (None, Some(content)) => {
                    self.parents.push(TypeStep::Variant(variant));
                    self.toml_part(content, false, false);
                    self.parents.pop();
                }
            }
        }
    }

    fn toml_path(&self) -> String {
        let keys = self.parents.iter().filter_map(|step| match step {
            TypeStep::Field(field) => Some(toml_key(field.key)),
            TypeStep::Variant(variant) => Some(toml_key(variant.key)),
            TypeStep::Key(key) => Some(toml_key(key)),
            TypeStep::Item(_) | TypeStep::AnyItem | TypeStep::AnyKey => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }

    fn dotenv_table(&mut self, meta: &'static Meta, active: bool) {
        for field in meta.unflattened() {
            if let Some(part) = field.part {
                self.parents.push(TypeStep::Field(field));
                let optional = matches!(part, NestedType::Optional(_)) || !part.is_section();
                if optional || !field.docs.is_empty() || !part.meta().docs.is_empty() {
                    self.begin();
                    self.part_prose(field, Some(part));
                }
                self.parents.pop();
                if !part.is_section() {
                    let empty = match part {
                        NestedType::List(_) => "[]",
                        NestedType::Map(_) => "{}",
                        _ => "",
                    };
                    let names = Leaf::new(&self.parents, field).content_names(self.prefix);
                    let name = names.last().map_or(field.segment, String::as_str);
                    self.dotenv_line(active && needs_empty(field), name, empty);
                }
                self.parents.push(TypeStep::Field(field));
                self.dotenv_part(part, active && !optional);
                self.parents.pop();
                continue;
            }
            self.leaf(field);
            // The last name is that of the variable, if the field has one. So the file can also set the environment.
            let names = Leaf::new(&self.parents, field).content_names(self.prefix);
            let name = names.last().map_or(field.segment, String::as_str);
            let value = shown(field).and_then(dotenv_value);
            let is_active = active && is_set(field) && value.is_some();
            self.dotenv_line(is_active, name, value.as_deref().unwrap_or_default());
        }
    }

    fn dotenv_part(&mut self, part: NestedType, active: bool) {
        match part {
            NestedType::Section(meta) => self.dotenv_table(meta, active),
            NestedType::Optional(inner) => self.dotenv_part(*inner, false),
            NestedType::List(inner) => {
                self.parents.push(TypeStep::Item(0));
                self.dotenv_part(*inner, false);
                self.parents.pop();
            }
            NestedType::Map(inner) => {
                self.parents.push(TypeStep::Key("key".to_owned()));
                self.dotenv_part(*inner, false);
                self.parents.pop();
            }
            NestedType::Variants(meta) => {
                for variant in meta.variants {
                    self.begin();
                    self.variant_prose(variant);
                    if let Some(tag) = meta.tag {
                        let names = Leaf::new(&self.parents, tag).content_names(self.prefix);
                        let name = names.last().map_or(tag.segment, String::as_str);
                        self.dotenv_line(false, name, variant.key);
                    }
                    let Some(content) = variant.content else { continue };
                    if meta.tag.is_none() {
                        self.parents.push(TypeStep::Variant(variant));
                    }
                    self.dotenv_part(content, false);
                    if meta.tag.is_none() {
                        self.parents.pop();
                    }
                }
            }
        }
    }

    fn variant_prose(&mut self, variant: &'static Variant) {
        self.prose(variant.docs);
        let default = if variant.is_default { "; the default" } else { "" };
        self.prose(&format!("variant {}{default}", variant.key));
    }

    /// Writes the description of a field with `nested`, before its table or line.
    fn part_prose(&mut self, field: &'static Field, part: Option<NestedType>) {
        let Some(part) = part else { return };
        self.prose(if field.docs.is_empty() { part.meta().docs } else { field.docs });
        if let NestedType::Section(_) = part {
            return;
        }
        if let NestedType::Optional(NestedType::Section(_)) = part {
            return self.prose("optional, as a whole");
        }
        let mut facts = vec![field.ty.to_owned()];
        facts.push(match (field.shape, part) {
            (_, NestedType::Optional(_)) => "optional".to_owned(),
            (Shape::Composed { defaulted: true }, _) => "default".to_owned(),
            (_, NestedType::Variants(meta)) => {
                match meta.variants.iter().find(|variant| variant.is_default) {
                    Some(variant) => format!("default {}", variant.key),
                    None => "required".to_owned(),
                }
            }
            _ => "required".to_owned(),
        });
        if let NestedType::Variants(meta) = part.without_options() {
            let names: Vec<&str> = meta.variants.iter().map(|variant| variant.key).collect();
            facts.push(format!("one of {}", names.join(", ")));
        }
        let parents: Vec<TypeStep> = match self.parents.split_last() {
            Some((TypeStep::Field(last), outer)) if std::ptr::eq(*last, field) => outer.to_vec(),
            _ => self.parents.clone(),
        };
        if let Some(variable) = Leaf::new(&parents, field).variable(self.prefix) {
            facts.push(format!("environment variable {variable}"));
        }
        self.prose(&facts.join("; "));
    }

    /// Writes the description of a value, before its line.
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
            facts.push(format!("environment variable {variable}"));
        }
        match field.deprecated {
            Some("") => facts.push("deprecated".to_owned()),
            Some(note) => facts.push(format!("deprecated: {note}")),
            None => {}
        }
        self.prose(&facts.join("; "));
    }

    /// Writes an empty line, unless the text is empty.
    fn begin(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn prose(&mut self, text: &str) {
        for line in text.lines() {
            // A comment in TOML must not contain control characters.
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.out.push_str(format!("# {line}").trim_end());
            self.out.push('\n');
        }
    }

    /// Writes `NAME=value`, or a sentence if dotenv does not allow the name.
    fn dotenv_line(&mut self, active: bool, name: &str, value: &str) {
        if dotenv::is_name(name) {
            self.setting(active, &format!("{name}={value}"));
        } else {
            self.prose(&format!("{name}: a dotenv file cannot have this name"));
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

/// The fields of a unit variant.
static NO_FIELDS: Meta = Meta::EMPTY;

/// Returns true if the field is an enum with a variant that text alone names.
fn has_named_units(field: &Field) -> bool {
    match field.part.map(NestedType::without_options) {
        Some(NestedType::Variants(meta)) => {
            meta.tag.is_none() && meta.variants.iter().any(|variant| variant.content.is_none())
        }
        _ => false,
    }
}

/// Returns true if the template writes an empty list or map: the value is required, and its items are unknown.
fn needs_empty(field: &Field) -> bool {
    matches!(field.shape, Shape::Composed { defaulted: false })
        && matches!(field.part, Some(NestedType::List(_) | NestedType::Map(_)))
}

/// Returns true if the template sets the field. Fields with a default and optional fields are comments.
fn is_set(field: &Field) -> bool {
    field.shape == Shape::Required && field.example.is_some()
}

/// Returns the value to show: the default, or else the example.
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

/// Returns the value as TOML; `None` for an integer that does not fit into 64 bits.
fn toml_value(value: Literal) -> Option<String> {
    let fits = match value {
        Literal::Integer(number) => i64::try_from(number).is_ok(),
        Literal::Array(items) => items.iter().all(|item| toml_value(*item).is_some()),
        _ => true,
    };
    literal(value).filter(|_| fits).map(|value| value.line())
}

/// Returns a value of the field's type, as a placeholder.
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

/// Returns the value as dotenv writes it; `None` for text that a line cannot contain, or that `seal` rejects as
/// ambiguous.
fn dotenv_value(value: Literal) -> Option<String> {
    let text = match literal(value)? {
        Json::String(text) => text,
        other => other.line(),
    };
    let is_plain = !text.contains(|c: char| c.is_control() || is_deceptive(c));
    (is_plain && dotenv::ambiguous_lines(&format!("NAME={text}")).is_empty()).then_some(text)
}
