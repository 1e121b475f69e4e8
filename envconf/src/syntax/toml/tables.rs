//! The tables of a document while it is read: headers and dotted keys create or extend them, or are rejected (TOML 1.1,
//! "Keys", "Table" and "Array of Tables").

use std::collections::BTreeMap;

use super::broken;
use crate::syntax::tree::{Entry, MAX_DEPTH, Node, Place, Table, Text, Value};
use crate::syntax::{Broken, SyntaxFault};

/// One part of a key.
pub(super) struct KeyPart<'a> {
    pub(super) text: Text<'a>,
    pub(super) place: Place,
}

/// A `[header]`, or a `[[header]]` if `is_item` is true.
pub(super) struct TableHeader {
    /// The position of the first bracket.
    pub(super) place: Place,
    pub(super) is_item: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TableId(usize);

impl TableId {
    pub(super) const ROOT: Self = Self(0);
}

/// All tables of a document, indexed by [`TableId`]. The root is the first.
pub(super) struct TomlTables<'a>(Vec<OpenTable<'a>>);

struct OpenTable<'a> {
    definition: Definition,
    place: Place,
    /// Number of containers from the root to this table, both included.
    depth: usize,
    /// `None` for the root and for inline tables.
    parent: Option<Parent>,
    /// The complete values, in the order of the text.
    entries: Vec<Entry<'a>>,
    /// Tables that later lines may still extend.
    children: BTreeMap<Text<'a>, Child>,
}

/// The position of a table in its parent, for the path of an error.
#[derive(Clone, Copy)]
struct Parent {
    table: TableId,
    /// The position of the table's key in the parent.
    key_place: Place,
    /// The index, if the table is an item of an array of tables.
    item: Option<usize>,
}

struct Child {
    key_place: Place,
    tables: ChildTables,
}

enum ChildTables {
    One(TableId),
    /// The items of an array of tables.
    Items(Vec<TableId>),
}

/// The element that created a table. It decides which elements may extend the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Definition {
    /// The header of a table inside it. A later header may define it.
    Implicit,
    /// A dotted key. Other dotted keys may extend it.
    Dotted,
    /// Its own header or braces, or the document. Neither a header nor a dotted key may open it again.
    Explicit,
}

impl<'a> TomlTables<'a> {
    pub(super) fn new() -> Self {
        Self(vec![OpenTable::new(Definition::Explicit, Place(0), 1, None)])
    }

    pub(super) fn depth(&self, table: TableId) -> usize {
        self.0[table.0].depth
    }

    /// Creates the table of `{ … }`.
    pub(super) fn inline(&mut self, depth: usize) -> TableId {
        self.push(OpenTable::new(Definition::Explicit, Place(0), depth, None))
    }

    fn push(&mut self, table: OpenTable<'a>) -> TableId {
        self.0.push(table);
        TableId(self.0.len() - 1)
    }

    /// Returns the table that a header opens. Empties `key`.
    pub(super) fn open(
        &mut self,
        header: &TableHeader,
        key: &mut Vec<KeyPart<'a>>,
    ) -> Result<TableId, Broken> {
        let Some(last) = key.pop() else { return Err(broken(header.place, SyntaxFault::Grammar)) };
        let mut parent = TableId::ROOT;
        for part in key.drain(..) {
            parent = self.descend(parent, part, Definition::Implicit)?;
        }
        if header.is_item { self.open_item(parent, last, header) } else { self.define(parent, last, header) }
    }

    fn define(&mut self, parent: TableId, key: KeyPart<'a>, header: &TableHeader) -> Result<TableId, Broken> {
        let Some(child) = self.0[parent.0].children.get_mut(&*key.text) else {
            return self.create(parent, key, header.place, Definition::Explicit);
        };
        let first = child.key_place;
        let ChildTables::One(table) = child.tables else { return Err(self.repeated(parent, &key, first)) };
        child.key_place = key.place;
        if self.0[table.0].definition != Definition::Implicit {
            return Err(self.repeated(parent, &key, first));
        }
        let open = &mut self.0[table.0];
        (open.definition, open.place) = (Definition::Explicit, header.place);
        open.parent = Some(Parent { table: parent, key_place: key.place, item: None });
        Ok(table)
    }

    fn open_item(
        &mut self,
        parent: TableId,
        key: KeyPart<'a>,
        header: &TableHeader,
    ) -> Result<TableId, Broken> {
        let (index, first) = match self.0[parent.0].children.get(&*key.text) {
            Some(Child { tables: ChildTables::Items(items), key_place }) => (items.len(), *key_place),
            Some(Child { key_place, .. }) => return Err(self.repeated(parent, &key, *key_place)),
            None => (0, key.place),
        };
        let depth = self.child_depth(parent, 2, key.place)?;
        let hangs = Some(Parent { table: parent, key_place: first, item: Some(index) });
        let table = self.push(OpenTable::new(Definition::Explicit, header.place, depth, hangs));
        let child = self.0[parent.0]
            .children
            .entry(key.text)
            .or_insert_with(|| Child { key_place: key.place, tables: ChildTables::Items(Vec::new()) });
        if let ChildTables::Items(items) = &mut child.tables {
            items.push(table);
        }
        Ok(table)
    }

    fn create(
        &mut self,
        parent: TableId,
        key: KeyPart<'a>,
        place: Place,
        definition: Definition,
    ) -> Result<TableId, Broken> {
        let depth = self.child_depth(parent, 1, key.place)?;
        let hangs = Some(Parent { table: parent, key_place: key.place, item: None });
        let table = self.push(OpenTable::new(definition, place, depth, hangs));
        let child = Child { key_place: key.place, tables: ChildTables::One(table) };
        self.0[parent.0].children.insert(key.text, child);
        Ok(table)
    }

    fn child_depth(&self, parent: TableId, levels: usize, place: Place) -> Result<usize, Broken> {
        let depth = self.0[parent.0].depth + levels;
        if depth > MAX_DEPTH { Err(broken(place, SyntaxFault::TooDeep)) } else { Ok(depth) }
    }

    /// Returns the table below `parent` that one part of a header or a dotted key names. Creates a missing table with
    /// the definition `on_the_way`.
    fn descend(
        &mut self,
        parent: TableId,
        key: KeyPart<'a>,
        on_the_way: Definition,
    ) -> Result<TableId, Broken> {
        let is_dotted = on_the_way == Definition::Dotted;
        let Some(child) = self.0[parent.0].children.get(&*key.text) else {
            let place = key.place;
            return self.create(parent, key, place, on_the_way);
        };
        let first = child.key_place;
        let table = match &child.tables {
            ChildTables::One(table) => *table,
            ChildTables::Items(items) if !is_dotted => {
                return items.last().copied().ok_or_else(|| broken(key.place, SyntaxFault::Grammar));
            }
            ChildTables::Items(_) => return Err(self.repeated(parent, &key, first)),
        };
        let definition = &mut self.0[table.0].definition;
        match (is_dotted, *definition) {
            (true, Definition::Explicit) => return Err(self.repeated(parent, &key, first)),
            (true, _) => *definition = Definition::Dotted,
            (false, _) => {}
        }
        Ok(table)
    }

    /// Puts `node` into `table`, or below it if `path` has the first parts of a dotted key. Empties `path`.
    ///
    /// [`finish`](Self::finish) reports a repeated key.
    pub(super) fn insert(
        &mut self,
        table: TableId,
        path: &mut Vec<KeyPart<'a>>,
        last: KeyPart<'a>,
        node: Node<'a>,
    ) -> Result<(), Broken> {
        let mut table = table;
        for part in path.drain(..) {
            table = self.descend(table, part, Definition::Dotted)?;
        }
        self.0[table.0].entries.push(Entry { key: last.text, key_place: last.place, node });
        Ok(())
    }

    /// Takes `table` with its children and converts it to a table of the tree.
    ///
    /// # Errors
    /// The first repeated key.
    pub(super) fn finish(&mut self, table: TableId) -> Result<Table<'a>, Broken> {
        let OpenTable { mut entries, children, .. } = self.take(table);
        entries.reserve_exact(children.len());
        for (key, child) in children {
            let node = self.finish_child(child.tables).map_err(|broken| broken.within(&key))?;
            entries.push(Entry { key, key_place: child.key_place, node });
        }
        Table::new(entries).map_err(|repeated| repeated.broken(super::SYNTAX))
    }

    fn finish_child(&mut self, tables: ChildTables) -> Result<Node<'a>, Broken> {
        match tables {
            ChildTables::One(table) => {
                let place = self.0[table.0].place;
                Ok(Node { value: Value::Table(self.finish(table)?), place })
            }
            ChildTables::Items(items) => {
                let place = items.first().map_or(Place(0), |item| self.0[item.0].place);
                let mut nodes = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    let place = self.0[item.0].place;
                    let table = self.finish(item).map_err(|broken| broken.within_item(index))?;
                    nodes.push(Node { value: Value::Table(table), place });
                }
                Ok(Node { value: Value::Array(nodes), place })
            }
        }
    }

    fn take(&mut self, table: TableId) -> OpenTable<'a> {
        std::mem::replace(&mut self.0[table.0], OpenTable::new(Definition::Explicit, Place(0), 1, None))
    }

    fn repeated(&self, parent: TableId, key: &KeyPart<'a>, first: Place) -> Broken {
        let fault = SyntaxFault::Repeated { path: Vec::new(), first };
        self.outward(parent, broken(key.place, fault).within(&key.text))
    }

    /// Adds the keys from the root down to `table` to the path of a repeated key.
    pub(super) fn outward(&self, table: TableId, mut broken: Broken) -> Broken {
        let mut table = table;
        while let Some(parent) = self.0[table.0].parent {
            if let Some(item) = parent.item {
                broken = broken.within_item(item);
            }
            let mut children = self.0[parent.table.0].children.iter();
            if let Some((key, _)) = children.find(|(_, child)| child.key_place == parent.key_place) {
                broken = broken.within(key);
            }
            table = parent.table;
        }
        broken
    }
}

impl OpenTable<'_> {
    fn new(definition: Definition, place: Place, depth: usize, parent: Option<Parent>) -> Self {
        Self { definition, place, depth, parent, entries: Vec::new(), children: BTreeMap::new() }
    }
}
