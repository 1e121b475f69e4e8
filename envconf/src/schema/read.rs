//! Reads the text of a schema into the META that the loader uses (docs/schema.md).
//!
//! The reader understands exactly the keywords that [`write`](super::write) writes, and ignores annotations. It rejects
//! every other keyword: if it ignored one, it would accept values that the keyword rejects.

mod keywords;
mod nested;
mod value_type;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

use self::keywords::Keywords;
use super::types::Type;
use super::write::COMPUTED;
use super::{DRAFT, FieldSchema, Object, PROPERTIES, pointer_key};
use crate::base::{Error, Kind, escape};
use crate::meta::{Fallback, Field, Literal, Merge, Meta, Shape, Variable};
use crate::syntax::{Entry, Node, Place, Table, Value, json};

/// Parses the schema in `text`.
///
/// # Errors
/// [`Kind::Usage`] with line and column of the unknown keyword.
pub(crate) fn schema(text: &str) -> Result<Object, Error> {
    let reader = SchemaReader { text, paths: Cell::new(0) };
    let root = json::parse(text).map_err(|broken| reader.refuse(broken.place, "not valid JSON"))?;
    let Value::Table(table) = &root.value else {
        return Err(reader.refuse(root.place, "a schema must be an object"));
    };
    let mut keywords = Keywords::of(table, root.place, &reader);
    if let Some((draft, place)) = keywords.text("$schema")?
        && draft.trim_end_matches('#') != DRAFT
    {
        return Err(reader.refuse(place, "unknown draft: expected draft 2020-12"));
    }
    let prefix = keywords.name("x-envconf-prefix")?;
    let allow_unknown_variables = keywords.flag("x-envconf-allow-unknown-variables")?.unwrap_or(false);
    let title = keywords.text("title")?.map_or("", |(title, _)| title);
    if let Some((ty, place)) = keywords.text("type")?
        && ty != "object"
    {
        return Err(reader.refuse(place, "the type of a configuration must be object"));
    }
    let mut object = reader.table(&mut keywords, &mut "#".to_owned())?;
    keywords.finish()?;
    object.meta =
        keep(Meta { name: keep_text(title), env_prefix: prefix, allow_unknown_variables, ..*object.meta });
    Ok(object)
}

/// Leaks a value, because META consists of constants.
fn keep(meta: Meta) -> &'static Meta {
    Box::leak(Box::new(meta))
}

fn keep_text(text: &str) -> &'static str {
    text.to_owned().leak()
}

/// The text of a schema, which errors need for line and column.
struct SchemaReader<'t> {
    text: &'t str,
    /// Total length of the paths of all properties in bytes, to limit it.
    paths: Cell<usize>,
}

/// Maximum total length of all property paths, as a multiple of the schema's length. It limits the memory that one long
/// key above many properties can use.
const PATHS_PER_BYTE: usize = 32;
/// Total length of all property paths in bytes that is always allowed.
const SHORT: usize = 1 << 16;

impl SchemaReader<'_> {
    fn refuse(&self, place: Place, what: &str) -> Error {
        let (line, column) = place.in_text(self.text);
        Error::new(Kind::Usage, format!("line {line}, column {column}: {what}"))
    }

    /// Reads the keywords of a struct's table. `here` is the position in the schema, as a `$ref` writes it.
    fn table(&self, keywords: &mut Keywords<'_>, here: &mut String) -> Result<Object, Error> {
        self.table_beside(keywords, here, None)
    }

    /// Like [`table`](Self::table), without the property `tag`. The other properties are the fields of a variant.
    fn table_beside(
        &self,
        keywords: &mut Keywords<'_>,
        here: &mut String,
        tag: Option<&str>,
    ) -> Result<Object, Error> {
        let Some(Node { value: Value::Table(properties), .. }) = keywords.take("properties") else {
            return Err(keywords.refuse("a table must have `properties`"));
        };
        let docs = keywords.text("description")?.map_or("", |(docs, _)| docs);
        let allow_unknown_fields = keywords.flag("additionalProperties")?.unwrap_or(true);
        let required = keywords.names("required")?;
        let rules = keywords.take("allOf");
        let (references, entries): (Vec<_>, Vec<_>) = in_their_order(properties)
            .into_iter()
            .filter(|entry| Some(&*entry.key) != tag)
            .partition(|entry| reference(entry).is_some());
        let outer = here.len();
        here.push_str(PROPERTIES);
        let mut by_target: HashMap<&str, Vec<&Entry<'_>>> = HashMap::new();
        for alias in &references {
            if let Some(key) = reference(alias).and_then(|target| target.strip_prefix(here.as_str())) {
                by_target.entry(key).or_default().push(alias);
            }
        }
        let found: HashSet<AliasRule<'_>> = match rules {
            Some(Node { value: Value::Array(items), .. }) => items.iter().filter_map(AliasRule::of).collect(),
            _ => HashSet::new(),
        };
        let (mut given, mut known) = (HashSet::new(), 0);
        let (mut fields, mut slots) = (Vec::new(), Vec::new());
        let mut needed: BTreeMap<&str, Place> =
            required.into_iter().filter(|(name, _)| Some(*name) != tag).collect();
        // The aliases of all fields need at most as many rules as `allOf` has. Checked before the rules are built.
        let mut room = match rules {
            Some(Node { value: Value::Array(items), .. }) => items.len(),
            _ => 0,
        };
        for entry in entries {
            let key = pointer_key(&entry.key);
            let aliases: Vec<&'static str> = by_target
                .get(key.as_str())
                .map(|aliases| aliases.iter().map(|alias| keep_text(&alias.key)).collect())
                .unwrap_or_default();
            known += aliases.len();
            let pairs = aliases.len() * (aliases.len() + 1) / 2;
            room = room.checked_sub(pairs).ok_or_else(|| match rules {
                Some(Node { value: Value::Array(_), place }) => self.refuse(*place, MISSING_ALIAS_RULE),
                Some(node) => self.refuse(node.place, RULES_ARE_A_LIST),
                None => keywords.refuse(MISSING_ALIAS_RULE),
            })?;
            let required = if aliases.is_empty() {
                needed.remove(&*entry.key).is_some()
            } else {
                let mut due = AliasRule::of_names(&entry.key, &aliases);
                let required =
                    found.contains(&due.one_of) && due.not_both.iter().all(|rule| found.contains(rule));
                if required {
                    due.not_both.push(due.one_of);
                }
                given.extend(due.not_both);
                required
            };
            let inner = here.len();
            here.push_str(&key);
            self.count_path(here.len(), entry.key_place)?;
            let (mut field, slot) = self.property(entry, here, required)?;
            here.truncate(inner);
            field.aliases = aliases.leak();
            fields.push(field);
            slots.push(slot);
        }
        here.truncate(outer);
        if let Some(alias) = references.first().filter(|_| known < references.len()) {
            let what = "a `$ref` must name another property of the same table, as an alias of it";
            return Err(self.refuse(alias.key_place, what));
        }
        if let Some((name, place)) = needed.first_key_value() {
            let what = format!(
                "`required` has `{}`, which is not a property, or is a property with an alias",
                escape(name)
            );
            return Err(self.refuse(*place, &what));
        }
        self.check_alias_rules(keywords, rules, &found, &given)?;
        let meta = Meta { docs: keep_text(docs), allow_unknown_fields, fields: fields.leak(), ..Meta::EMPTY };
        Ok(Object { meta: keep(meta), slots })
    }

    /// Counts a property's path of `len` bytes, and fails if all paths together are too long.
    fn count_path(&self, len: usize, place: Place) -> Result<(), Error> {
        let paths = self.paths.get() + len;
        self.paths.set(paths);
        if paths <= SHORT.max(PATHS_PER_BYTE * self.text.len()) {
            return Ok(());
        }
        let what = format!(
            "the paths of all properties together are more than {PATHS_PER_BYTE} times as long as the schema"
        );
        Err(self.refuse(place, &what))
    }

    /// Rejects an `allOf` that contains other rules than the rules of aliases, or that lacks one of these.
    fn check_alias_rules(
        &self,
        keywords: &Keywords<'_>,
        rules: Option<&Node<'_>>,
        found: &HashSet<AliasRule<'_>>,
        due: &HashSet<AliasRule<'_>>,
    ) -> Result<(), Error> {
        let Some(node) = rules else {
            return if due.is_empty() { Ok(()) } else { Err(keywords.refuse(MISSING_ALIAS_RULE)) };
        };
        let Value::Array(items) = &node.value else {
            return Err(self.refuse(node.place, RULES_ARE_A_LIST));
        };
        if let Some(item) =
            items.iter().find(|item| !AliasRule::of(item).is_some_and(|rule| due.contains(&rule)))
        {
            return Err(self.refuse(
                item.place,
                "invalid rule in `allOf`: only the rules of aliases can be read, which forbid two names of one field",
            ));
        }
        if due.is_subset(found) { Ok(()) } else { Err(self.refuse(node.place, MISSING_ALIAS_RULE)) }
    }

    fn property(
        &self,
        entry: &Entry<'_>,
        here: &mut String,
        required: bool,
    ) -> Result<(Field, FieldSchema), Error> {
        let mut field =
            Field { key: keep_text(&entry.key), segment: entry.key.to_uppercase().leak(), ..NO_FIELD };
        let table = match &entry.node.value {
            Value::Bool(true) => {
                if required {
                    field.shape = Shape::Required;
                }
                return Ok((field, FieldSchema::Leaf(Type::Any)));
            }
            Value::Table(table) => table,
            _ => return Err(self.refuse(entry.node.place, "a property must be an object or true")),
        };
        let mut keywords = Keywords::of(table, entry.node.place, self);
        if let Some(segment) = keywords.name("x-envconf-segment")? {
            field.segment = segment;
        }
        let slot = match nested::is_nested(table) {
            true => self.nested(&mut keywords, &mut field, here, required)?,
            false => self.leaf(&mut keywords, &mut field, required)?,
        };
        keywords.finish()?;
        Ok((field, slot))
    }

    fn leaf(
        &self,
        keywords: &mut Keywords<'_>,
        field: &mut Field,
        required: bool,
    ) -> Result<FieldSchema, Error> {
        let ty = self.ty(keywords)?;
        field.docs = keywords.text("description")?.map_or("", |(docs, _)| keep_text(docs));
        field.merge = merge(keywords)?.unwrap_or(Merge::Replace);
        field.ty = written(keywords)?.unwrap_or_else(|| ty.spelled());
        field.secret = keywords.flag("x-envconf-secret")?.unwrap_or(false);
        field.variable = match keywords.take("x-envconf-env") {
            None => Variable::Generated,
            Some(Node { value: Value::Bool(false), .. }) => Variable::Forbidden,
            Some(_) => keywords.name("x-envconf-env")?.map_or(Variable::Generated, Variable::Named),
        };
        field.example = match keywords.take("examples").map(|node| &node.value) {
            Some(Value::Array(examples)) => examples.first().and_then(literal),
            _ => None,
        };
        let deprecated = keywords.flag("deprecated")?.unwrap_or(false);
        let note = keywords.text("x-envconf-deprecated")?.map_or("", |(note, _)| note);
        field.deprecated = deprecated.then(|| keep_text(note));
        let default = keywords.take("default");
        let elsewhere = keywords.take("x-envconf-default");
        field.shape = match (required, default, elsewhere) {
            (true, ..) => Shape::Required,
            (false, Some(node), _) => {
                Shape::Defaulted(literal(node).map_or(Fallback::Type, Fallback::Literal))
            }
            (false, None, Some(Node { value: Value::String(word), .. })) if &**word == COMPUTED => {
                Shape::Defaulted(Fallback::Computed)
            }
            (false, None, Some(Node { value: Value::String(path), .. })) => {
                Shape::Defaulted(Fallback::Function(keep_text(path)))
            }
            (false, None, Some(_)) => Shape::Defaulted(Fallback::Type),
            (false, None, None) => Shape::Optional,
        };
        Ok(FieldSchema::Leaf(ty))
    }
}

/// Reads how a stronger layer combines with a weaker one.
fn merge(keywords: &mut Keywords<'_>) -> Result<Option<Merge>, Error> {
    match keywords.text("x-envconf-merge")? {
        None => Ok(None),
        Some(("keys", _)) => Ok(Some(Merge::Keys)),
        Some(("replace", _)) => Ok(Some(Merge::Replace)),
        Some(_) => Err(keywords.refuse("invalid `x-envconf-merge`: expected keys or replace")),
    }
}

/// Reads the type as written in the program, which errors show if a value does not fit.
fn written(keywords: &mut Keywords<'_>) -> Result<Option<&'static str>, Error> {
    let written = keywords.text("x-envconf-type")?;
    Ok(written.map(|(written, _)| &*escape(written).to_string().leak()))
}

const MISSING_ALIAS_RULE: &str = "a property has an alias, and no rule in `allOf` forbids both together";

const RULES_ARE_A_LIST: &str = "`allOf` must be a list";

const NO_FIELD: Field = Field { shape: Shape::Optional, ..Field::EMPTY };

/// Returns the entries in the order of the text, which is the order of the struct.
fn in_their_order<'t, 'a>(table: &'t Table<'a>) -> Vec<&'t Entry<'a>> {
    let mut entries: Vec<_> = table.entries().iter().collect();
    entries.sort_by_key(|entry| entry.key_place.0);
    entries
}

/// Returns the target of a property that consists only of a `$ref`.
fn reference<'t>(entry: &'t Entry<'_>) -> Option<&'t str> {
    match &entry.node.value {
        Value::Table(table) => match table.entries() {
            [Entry { key, node: Node { value: Value::String(target), .. }, .. }] if &**key == "$ref" => {
                Some(target)
            }
            _ => None,
        },
        _ => None,
    }
}

fn literal(node: &Node<'_>) -> Option<Literal> {
    Some(match &node.value {
        Value::Bool(value) => Literal::Bool(*value),
        Value::Integer(number) => Literal::Integer(*number),
        Value::Float(number) => Literal::Float(*number),
        Value::String(text) => Literal::String(keep_text(text)),
        Value::Array(items) => Literal::Array(items.iter().map(literal).collect::<Option<Vec<_>>>()?.leak()),
        Value::Null | Value::Datetime(_) | Value::Table(_) => return None,
    })
}

/// A rule that `allOf` may contain, as [`write::alias_rules`](super::write) writes it.
#[derive(PartialEq, Eq, Hash)]
enum AliasRule<'t> {
    /// `{"not": {"type": "object", "required": [a, b]}}`; the type may be left out.
    NotBoth(&'t str, &'t str),
    /// `{"anyOf": [{"required": [a]}, …]}`
    OneOf(Vec<&'t str>),
}

/// The rules that one field with aliases must have.
struct ExpectedRules<'t> {
    not_both: Vec<AliasRule<'t>>,
    /// Applies only if the field is required.
    one_of: AliasRule<'t>,
}

impl<'t> AliasRule<'t> {
    fn of(node: &'t Node<'_>) -> Option<Self> {
        if let Some(both) = only_member(node, "not").and_then(required_of_object) {
            return match texts(both)?[..] {
                [a, b] => Some(Self::NotBoth(a, b)),
                _ => None,
            };
        }
        let Value::Array(items) = &only_member(node, "anyOf")?.value else { return None };
        let one = |node| match texts(only_member(node, "required")?)?[..] {
            [name] => Some(name),
            _ => None,
        };
        items.iter().map(one).collect::<Option<_>>().map(Self::OneOf)
    }

    fn of_names(key: &'t str, aliases: &[&'static str]) -> ExpectedRules<'t> {
        let names: Vec<&str> = std::iter::once(key).chain(aliases.iter().copied()).collect();
        let pairs =
            names.iter().enumerate().flat_map(|(at, one)| names[..at].iter().map(|other| (*other, *one)));
        ExpectedRules {
            not_both: pairs.map(|(a, b)| Self::NotBoth(a, b)).collect(),
            one_of: Self::OneOf(names.clone()),
        }
    }
}

/// Returns the value of an object's only member, if the member has this name.
fn only_member<'t, 'a>(node: &'t Node<'a>, name: &str) -> Option<&'t Node<'a>> {
    match &node.value {
        Value::Table(table) => match table.entries() {
            [Entry { key, node, .. }] if **key == *name => Some(node),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the required properties of an object schema that has no other keyword.
fn required_of_object<'t, 'a>(node: &'t Node<'a>) -> Option<&'t Node<'a>> {
    match &node.value {
        Value::Table(table) => match table.entries() {
            [Entry { key, node, .. }] if &**key == "required" => Some(node),
            [
                Entry { key, node, .. },
                Entry { key: ty, node: Node { value: Value::String(name), .. }, .. },
            ] if &**key == "required" && &**ty == "type" && &**name == "object" => Some(node),
            _ => None,
        },
        _ => None,
    }
}

fn texts<'t>(node: &'t Node<'_>) -> Option<Vec<&'t str>> {
    let Value::Array(items) = &node.value else { return None };
    let text = |node: &'t Node<'_>| match &node.value {
        Value::String(text) => Some(&**text),
        _ => None,
    };
    items.iter().map(text).collect()
}
