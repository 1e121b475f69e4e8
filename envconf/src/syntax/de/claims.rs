//! The claims of a type about a table, such as a missing field, and the facts that they become.

use super::misfit::Claim;
use super::{Fact, Misfit, ValueStep};
use crate::syntax::tree::{Entry, Node, Table, Value};

/// Adds the position of `node` to a misfit. Serde reports errors from its buffers only after the table has ended, so
/// claims about the table are checked here too.
pub(super) fn at_node(misfit: Misfit, node: &Node<'_>) -> Misfit {
    let misfit = match &node.value {
        Value::Table(table) => in_table(misfit, table, None),
        _ => misfit,
    };
    misfit.at(node.place)
}

/// Checks a type's claim about `table`, converts it to a fact, and adds a missing field to the path.
///
/// Serde's buffers lose the path of an error in them. So the field may belong to a nested table, unless the type
/// declares it or there is no nested table. A name that the type does not declare could be a value: it is reported only
/// if no text in the table is like it.
pub(super) fn in_table(misfit: Misfit, table: &Table<'_>, fields: Option<&'static [&'static str]>) -> Misfit {
    let is_container = |entry: &Entry<'_>| matches!(entry.node.value, Value::Array(_) | Value::Table(_));
    judged(
        misfit,
        fields,
        &TableFacts {
            has: &|name| table.get(name).is_some(),
            holds: &|name| holds(table, name),
            has_containers: &|| table.entries().iter().any(is_container),
        },
    )
}

/// Questions about a table that do not depend on the source of its entries.
pub(super) struct TableFacts<'f> {
    /// Returns true if the table has this key.
    pub(super) has: &'f dyn Fn(&str) -> bool,
    /// Returns true if a text in the table is like this one.
    pub(super) holds: &'f dyn Fn(&str) -> bool,
    /// Returns true if the table contains lists or tables.
    pub(super) has_containers: &'f dyn Fn() -> bool,
}

pub(super) fn judged(
    misfit: Misfit,
    fields: Option<&'static [&'static str]>,
    table: &TableFacts<'_>,
) -> Misfit {
    let Fact::Claimed(claim) = misfit.fact else { return misfit };
    if !misfit.is_here() {
        return misfit;
    }
    let is_declared = |name: &'static str| fields.is_some_and(|fields| fields.contains(&name));
    let is_safe = |name: &'static str| is_declared(name) || !(table.holds)(name);
    let is_here = |name: &'static str| match fields {
        Some(_) => is_declared(name),
        None => !(table.has_containers)(),
    };
    match claim {
        Claim::Missing(name) | Claim::Twice(name) if !is_safe(name) => misfit.with_fact(Fact::Type),
        Claim::Missing(name) if is_here(name) && !(table.has)(name) => {
            misfit.with_fact(Fact::Missing).within(ValueStep::Field(name))
        }
        Claim::Missing(name) => misfit.with_fact(Fact::MissingBelow(name)),
        Claim::Twice(name) => misfit.with_fact(Fact::Twice(name)),
        Claim::NoSuchKey(known) => misfit.with_fact(Fact::NoSuchKeyBelow(known)),
    }
}

/// Returns true if a text in `table` is like `name`.
pub(super) fn holds(table: &Table<'_>, name: &str) -> bool {
    table.entries().iter().any(|entry| is_in(&entry.node, name))
}

pub(super) fn is_in(node: &Node<'_>, name: &str) -> bool {
    match &node.value {
        Value::String(text) => is_like(text, name),
        Value::Array(items) => items.iter().any(|item| is_in(item, name)),
        Value::Table(table) => holds(table, name),
        _ => false,
    }
}

/// Returns true if `text` is like `name`: equal, or one contains the other and is not too short for that.
pub(super) fn is_like(text: &str, name: &str) -> bool {
    const MIN_LENGTH: usize = 4;
    text == name
        || text.len() >= MIN_LENGTH && name.contains(text)
        || name.len() >= MIN_LENGTH && text.contains(name)
}

/// Converts a misfit of a key.
pub(super) fn of_key(misfit: Misfit) -> Misfit {
    let fact = match misfit.fact {
        Fact::Claimed(Claim::NoSuchKey(known)) => Fact::NoSuchKey(known),
        Fact::Type => Fact::WrongKey,
        fact => fact,
    };
    misfit.with_fact(fact)
}
