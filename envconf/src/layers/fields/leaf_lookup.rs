//! Looks up the value of a leaf: variables override texts, and stronger texts override weaker ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Fields, Reported, Scope};
use crate::base::written_type::map_levels;
use crate::base::{Complaint, Origin};
use crate::layers::document::Document;
use crate::layers::env::{Setting, Unusable};
use crate::layers::names::is_upper;
use crate::layers::position::{BEGINS_WITH_A_QUOTE, QUOTES, TreeOwner, parse_whole, unreachable_entry};
use crate::layers::set_values::SetValues;
use crate::meta::{Field, Leaf, Merge, Variable, segments_below};
use crate::syntax::{
    Entry, Fact, Given, Merged, MergedTable, Misfit, Node, Place, Reading, Value, de, segment,
};

pub(crate) const PLAIN_SECRET: &str = "a secret does not belong in a plain layer";
pub(crate) const PLAIN_SECRET_ADVICE: &str =
    "remove it from there and seal it; if the file was committed, change the secret";

/// A value that a source has for a leaf.
pub(super) enum Lookup<'a> {
    /// A value of a tree.
    Node(&'a Node<'a>, TreeOwner<'a>),
    /// A dotenv line.
    Line(&'a str, &'a Node<'a>, &'a Document<'a>),
    /// A variable, or the file that it names.
    Variable(Setting),
    /// The value that the program set.
    Set(&'a str),
}

impl Lookup<'_> {
    fn read<T>(&self, read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>) -> Reading<T> {
        match self {
            Self::Node(node, _) => de::from_node(node, read),
            Self::Line(text, ..) | Self::Set(text) => de::from_text(text, read),
            Self::Variable(setting) => de::from_text(&setting.text, read),
        }
    }

    /// Returns the text of a value that is a text.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Node(..) => None,
            Self::Line(text, ..) | Self::Set(text) => Some(text),
            Self::Variable(setting) => Some(&setting.text),
        }
    }

    /// Returns the origin of the value, or of the part at `place`. A text has no places.
    fn origin(&self, place: Option<Place>) -> Origin {
        match self {
            Self::Node(node, owner) => owner.origin(place.unwrap_or(node.place)),
            Self::Line(_, node, document) => document.origin(node.place),
            Self::Variable(setting) => setting.origin.clone(),
            Self::Set(_) => Origin::Program,
        }
    }
}

/// The sources of a leaf's value.
pub(super) enum LeafSources<'a> {
    /// The strongest source.
    One(Lookup<'a>),
    /// Several sources, the weakest first. Their entries are merged.
    Several { layers: Vec<MapLayer<'a>>, levels: usize },
}

/// One source of a map.
pub(super) struct MapLayer<'a> {
    /// The key, if the source sets only one entry.
    key: Option<String>,
    lookup: Lookup<'a>,
}

impl LeafSources<'_> {
    pub(super) fn read<T>(&self, read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>) -> Reading<T> {
        let (layers, levels) = match self {
            Self::One(lookup) => return lookup.read(read),
            Self::Several { layers, levels } => (layers, *levels),
        };
        let nodes: Vec<Option<Node<'_>>> = layers
            .iter()
            .map(|layer| layer.lookup.text().filter(|_| layer.key.is_none()).map(parse_whole))
            .collect();
        let mut table = MergedTable::default();
        for (index, (layer, parsed)) in layers.iter().zip(&nodes).enumerate() {
            let node = match (&layer.lookup, parsed) {
                (_, Some(node)) => node,
                (Lookup::Node(node, _), None) => node,
                (lookup, None) => {
                    let (Some(key), Some(text)) = (&layer.key, lookup.text()) else { continue };
                    table.put(key, Merged::Text(text), index);
                    continue;
                }
            };
            match (&node.value, parsed.is_some()) {
                (Value::Table(entries), _) => table.lay_over(entries, levels, index),
                (Value::Null, _) => table = MergedTable::default(),
                (_, is_text) => {
                    let fact = if is_text { Fact::Inline } else { Fact::Type };
                    return Reading { value: Err(Misfit::of_layer(fact, index)), ignored: Vec::new() };
                }
            }
        }
        de::from_merged(&mut table, read)
    }

    /// Returns the origin of the part at `place` in the value of `layer`.
    pub(super) fn origin_at(&self, layer: Option<usize>, place: Option<Place>) -> Origin {
        match self {
            Self::One(lookup) => lookup.origin(place),
            Self::Several { layers, .. } => match layer.and_then(|index| layers.get(index)) {
                Some(layer) => layer.lookup.origin(place),
                None => self.whole_origin(),
            },
        }
    }

    /// Returns the origin of the value: the strongest source.
    pub(super) fn whole_origin(&self) -> Origin {
        match self {
            Self::One(lookup) => lookup.origin(None),
            Self::Several { layers, .. } => {
                layers.last().map_or(Origin::Default, |layer| layer.lookup.origin(None))
            }
        }
    }

    /// Returns the keys of a merged map, each with the origin of its value.
    pub(super) fn entries(&self) -> BTreeMap<&str, Origin> {
        let mut entries = BTreeMap::new();
        let Self::Several { layers, .. } = self else { return entries };
        for MapLayer { key, lookup } in layers {
            match (key, lookup) {
                (Some(key), _) => drop(entries.insert(key.as_str(), lookup.origin(None))),
                (None, Lookup::Node(Node { value: Value::Table(table), .. }, owner)) => {
                    for entry in table.entries() {
                        match entry.node.value {
                            Value::Null => drop(entries.remove(&*entry.key)),
                            _ => drop(entries.insert(&*entry.key, owner.origin(entry.node.place))),
                        }
                    }
                }
                (None, _) => {}
            }
        }
        entries
    }
}

/// The keys of a map as they appear in names of variables.
#[derive(Default)]
struct KeysBySegment(HashMap<String, BTreeSet<String>>);

impl KeysBySegment {
    /// Returns the keys in `layers`.
    fn of(layers: &[MapLayer<'_>]) -> Self {
        let mut this = Self::default();
        for MapLayer { key, lookup } in layers {
            let parsed = lookup.text().filter(|_| key.is_none()).map(parse_whole);
            let node = match lookup {
                Lookup::Node(node, _) => Some(*node),
                _ => parsed.as_ref(),
            };
            this.add(key.as_deref());
            if let Some(Node { value: Value::Table(table), .. }) = node {
                this.add(table.iter().map(|(key, _)| &**key));
            }
        }
        this
    }

    /// Returns true if the segment of a name can be a key, an existing or a new one.
    fn may_be_key(&self, segment: &str) -> bool {
        self.0.contains_key(segment) || !segment.contains("__") && is_upper(segment)
    }

    fn add<'k>(&mut self, keys: impl IntoIterator<Item = &'k str>) {
        for key in keys {
            self.0.entry(key.to_uppercase()).or_default().insert(key.to_owned());
        }
    }
}

impl<'a> Fields<'a> {
    /// Returns the sources of the leaf `field`: the strongest one, or all of them for a map that is merged.
    ///
    /// Weaker sources are checked too: a problem in them is reported.
    pub(super) fn find(&mut self, field: &'static Field) -> Result<Option<LeafSources<'a>>, Reported> {
        if field.merge == Merge::Keys {
            return self.find_merged(field);
        }
        let mut strongest = None;
        for index in 0..self.scopes.len() {
            if let Some(stronger) = self.lookup(index, field)? {
                strongest = Some(LeafSources::One(stronger));
            }
        }
        Ok(strongest)
    }

    fn find_merged(&mut self, field: &'static Field) -> Result<Option<LeafSources<'a>>, Reported> {
        let mut layers: Vec<MapLayer<'a>> = Vec::new();
        for index in 0..self.scopes.len() {
            let found = self.lookup(index, field)?;
            layers.extend(found.map(|lookup| MapLayer { key: None, lookup }));
            self.add_entries(index, field, &mut layers)?;
        }
        // A null removes the values of weaker sources.
        let null = |layer: &MapLayer<'_>| {
            matches!(layer.lookup, Lookup::Node(Node { value: Value::Null, .. }, _)) && layer.key.is_none()
        };
        if let Some(last) = layers.iter().rposition(null) {
            layers.drain(..if last + 1 < layers.len() { last + 1 } else { last });
        }
        match (layers.len(), layers.pop()) {
            (_, None) => Ok(None),
            (1, Some(MapLayer { key: None, lookup })) => Ok(Some(LeafSources::One(lookup))),
            (_, Some(last)) => {
                layers.push(last);
                Ok(Some(LeafSources::Several { layers, levels: map_levels(field.ty) }))
            }
        }
    }

    /// Returns the whole value of the leaf `field` in the source of scope `index`.
    fn lookup(&mut self, index: usize, field: &'static Field) -> Result<Option<Lookup<'a>>, Reported> {
        Ok(match self.scopes[index] {
            Scope::Table { owner, .. } => match self.entry(index, field)? {
                Some(entry) => {
                    self.refuse_plain_secret(field, entry, owner)?;
                    Some(Lookup::Node(&entry.node, owner))
                }
                None => None,
            },
            Scope::Lines(document) => match self.line(document, field)? {
                Some(entry) => Some(self.unquoted(field, entry, document)?),
                None => None,
            },
            Scope::Variables => self.variable(field)?.map(Lookup::Variable),
            Scope::Set(values) => match self.set_value(field, values) {
                Some(values) => {
                    self.refuse_set_entries(field, values)?;
                    values.text.as_ref().map(|text| Lookup::Set(text))
                }
                None => None,
            },
        })
    }

    /// Adds the entries of the map `field` to `layers` that variables, lines or the program set one by one.
    fn add_entries(
        &mut self,
        index: usize,
        field: &'static Field,
        layers: &mut Vec<MapLayer<'a>>,
    ) -> Result<(), Reported> {
        let environment = self.shared.environment;
        let start = || segments_below(&self.walk.steps) + field.segment + "__";
        match self.scopes[index] {
            Scope::Table { .. } => {}
            Scope::Set(values) => {
                let Some(values) = self.set_value(field, values) else { return Ok(()) };
                for (key, values) in &values.keys {
                    let deeper = !values.keys.is_empty() || !values.items.is_empty();
                    if deeper {
                        return Err(self.unreachable(field, Origin::Program));
                    }
                    let Some(text) = &values.text else { continue };
                    layers.push(MapLayer { key: Some(key.clone()), lookup: Lookup::Set(text) });
                }
            }
            Scope::Lines(document) => {
                let (start, prefix) = (start(), environment.prefix());
                let names: Vec<&str> = document.names(prefix).below(&start).collect();
                let there =
                    if names.is_empty() { KeysBySegment::default() } else { KeysBySegment::of(layers) };
                for rest in names {
                    let lines = document.lines_of(&format!("{start}{rest}"), prefix);
                    let entry = self.only(field, (lines[0], lines[1]), TreeOwner::Document(document))?;
                    let Some(entry) = entry else { continue };
                    if rest.ends_with("_FILE") {
                        let origin = document.origin(entry.key_place);
                        return Err(self.unreachable(field, origin));
                    }
                    let key = self.entry_key(field, rest, &there, document.origin(entry.key_place))?;
                    let lookup = self.unquoted(field, entry, document)?;
                    layers.push(MapLayer { key: Some(key), lookup });
                }
            }
            Scope::Variables if environment.present().is_empty() => {}
            Scope::Variables => {
                let start = start();
                let names = environment.present().below(&start);
                let mut names: Vec<&str> = names
                    .map(|rest| rest.strip_suffix("_FILE").filter(|bare| !bare.is_empty()).unwrap_or(rest))
                    .collect();
                names.sort_unstable();
                names.dedup();
                let there =
                    if names.is_empty() { KeysBySegment::default() } else { KeysBySegment::of(layers) };
                for rest in names {
                    let Some(name) = environment.name(&format!("{start}{rest}")) else { continue };
                    if self.shared.allow_unknown_variables && !there.may_be_key(rest) {
                        continue;
                    }
                    let key = self.entry_key(field, rest, &there, Origin::Variable(name.clone()))?;
                    match environment.read(&name) {
                        None => {}
                        Some(Ok(setting)) => {
                            layers.push(MapLayer { key: Some(key), lookup: Lookup::Variable(setting) });
                        }
                        Some(Err(Unusable { origin, complaint })) => {
                            self.complain(field, "", Some(origin), complaint);
                            return Err(Reported);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the key that the `segment` of a name means: an existing key, or a new one.
    fn entry_key(
        &mut self,
        field: &'static Field,
        segment: &str,
        there: &KeysBySegment,
        origin: Origin,
    ) -> Result<String, Reported> {
        let there = there.0.get(segment).map(|keys| keys.iter().map(String::as_str).collect::<Vec<_>>());
        match there.unwrap_or_default()[..] {
            [key] => Ok(key.to_owned()),
            [] if segment.contains("__") || !is_upper(segment) => Err(self.unreachable(field, origin)),
            [] => Ok(segment.to_lowercase()),
            [one, other, ..] => {
                let rule = match field.secret {
                    true => "it is the name of two keys; rename one of them".to_owned(),
                    false => format!("it is the name of two keys, {one} and {other}; rename one of them"),
                };
                self.complain(field, "", Some(origin), Complaint::Rule(rule));
                Err(Reported)
            }
        }
    }

    fn unreachable(&mut self, field: &'static Field, origin: Origin) -> Reported {
        let complaint = match field.variable {
            Variable::Named(name) => crate::layers::env::unreachable(name),
            _ => {
                let segments = segments_below(&self.walk.steps) + field.segment;
                unreachable_entry(self.shared.environment, &segments)
            }
        };
        self.complain(field, "", Some(origin), complaint);
        Reported
    }

    fn refuse_set_entries(&mut self, field: &'static Field, values: &SetValues) -> Result<(), Reported> {
        let keys = !values.keys.is_empty() && field.merge != Merge::Keys;
        if keys || !values.items.is_empty() {
            let rule =
                "entries of this value cannot be set one by one: set the whole value as inline TOML or JSON";
            self.complain(field, "", Some(Origin::Program), Complaint::Rule(rule.to_owned()));
            return Err(Reported);
        }
        Ok(())
    }

    /// Rejects a secret in a plain layer, because everybody can read the file.
    fn refuse_plain_secret(
        &mut self,
        field: &'static Field,
        entry: &Entry<'_>,
        owner: TreeOwner<'_>,
    ) -> Result<(), Reported> {
        if !field.secret || !owner.is_plain() {
            return Ok(());
        }
        self.walk.report.advise(PLAIN_SECRET_ADVICE);
        let origin = owner.origin(entry.node.place);
        self.complain(field, "", Some(origin), Complaint::Rule(PLAIN_SECRET.to_owned()));
        Err(Reported)
    }

    /// Returns the application's variable for the leaf `field`.
    fn variable(&mut self, field: &'static Field) -> Result<Option<Setting>, Reported> {
        if !self.shared.environment.may_have(field.variable) {
            return Ok(None);
        }
        let name = Leaf::new(&self.walk.steps, field).variable(self.shared.environment.prefix());
        match name.and_then(|name| self.shared.environment.read(&name)).transpose() {
            Ok(setting) => Ok(setting),
            Err(Unusable { origin, complaint }) => {
                self.complain(field, "", Some(origin), complaint);
                Err(Reported)
            }
        }
    }

    /// Returns the entry of `field` in the table of scope `index`, found by its key or an alias.
    pub(super) fn entry(
        &mut self,
        index: usize,
        field: &'static Field,
    ) -> Result<Option<&'a Entry<'a>>, Reported> {
        let Some(Scope::Table { table, owner, known }) = self.scopes.get_mut(index) else { return Ok(None) };
        let (table, owner) = (*table, *owner);
        let entry = table.get(field.key);
        *known += usize::from(entry.is_some());
        if field.aliases.is_empty() {
            return Ok(entry);
        }
        let aliases: Vec<_> = field.aliases.iter().filter_map(|alias| table.get(alias)).collect();
        *known += aliases.len();
        let mut given = entry.into_iter().chain(aliases);
        let given = (given.next(), given.next());
        self.only(field, given, owner)
    }

    /// Returns the dotenv line for the leaf `field`, found by its name with or without the prefix.
    fn line(
        &mut self,
        document: &'a Document<'a>,
        field: &'static Field,
    ) -> Result<Option<&'a Entry<'a>>, Reported> {
        let names = Leaf::new(&self.walk.steps, field).content_names(self.shared.environment.prefix());
        let mut lines = names.iter().filter_map(|name| document.entry(name));
        self.only(field, (lines.next(), lines.next()), TreeOwner::Document(document))
    }

    /// Returns the one entry for `field`. Two entries are an error.
    fn only(
        &mut self,
        field: &'static Field,
        given: (Option<&'a Entry<'a>>, Option<&'a Entry<'a>>),
        owner: TreeOwner<'_>,
    ) -> Result<Option<&'a Entry<'a>>, Reported> {
        let (Some(first), Some(second)) = given else { return Ok(given.0.or(given.1)) };
        let rule = format!("given twice, as {} and as {}", segment(&first.key), segment(&second.key));
        let later = if first.key_place.0 > second.key_place.0 { first } else { second };
        self.complain(field, "", Some(owner.origin(later.key_place)), Complaint::Rule(rule));
        Err(Reported)
    }

    /// Returns a dotenv line. A value in quotes is an error, because other readers remove the quotes.
    fn unquoted(
        &mut self,
        field: &'static Field,
        entry: &'a Entry<'a>,
        document: &'a Document<'a>,
    ) -> Result<Lookup<'a>, Reported> {
        match &entry.node.value {
            Value::String(text) if !text.starts_with(['"', '\'', '`']) => {
                Ok(Lookup::Line(text, &entry.node, document))
            }
            _ => {
                self.walk.report.advise(QUOTES);
                let origin = document.origin(entry.node.place);
                self.complain(field, "", Some(origin), Complaint::Rule(BEGINS_WITH_A_QUOTE.to_owned()));
                Err(Reported)
            }
        }
    }
}
