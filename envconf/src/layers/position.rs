//! One place of the configuration: the value that each source has there, from the weakest to the strongest.
//!
//! envconf walks the type from the root down. At each place, a list, map, enum or struct divides its sources among its
//! parts.

mod list;
mod map;
mod replaced;
mod section;
mod variants;

use super::document::Document;
use super::env::{Environment, Setting, Unusable, file_form, unreachable};
use super::names::{FileForms, Tail, fits};
use super::report::Report;
use super::set_values::SetValues;
use crate::base::{Complaint, Origin, Problem, suggest};
use crate::meta::{Field, Merge, NestedType, TypeStep, Variable, path_of, segments_below};
use crate::syntax::{Entry, Node, Place, Text, Value, json, toml};

/// State that all positions of a walk share.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) documents: &'a [Document<'a>],
    pub(crate) environment: &'a Environment<'a>,
    /// True if variables that belong to no field are ignored.
    pub(crate) allow_unknown_variables: bool,
}

/// The current place of the walk, and the problems and origins that it found.
pub(crate) struct Walk {
    pub(crate) steps: Vec<TypeStep>,
    pub(crate) report: Report,
    /// True if only the type itself is checked: there are no values, and nothing is missing.
    pub(crate) checking: bool,
}

/// One source at a position.
#[derive(Clone, Copy)]
pub(crate) enum LayerSource<'a> {
    /// A value of a tree.
    Node(&'a Node<'a>, TreeOwner<'a>),
    /// The dotenv lines with the name of the place.
    Lines(&'a Document<'a>),
    /// The environment variables with the name of the place.
    Variables,
    /// The values that the program set.
    Set(&'a SetValues),
}

/// The source of a tree.
#[derive(Clone, Copy)]
pub(crate) enum TreeOwner<'a> {
    Document(&'a Document<'a>),
    /// A text that sets the whole value at a position, such as the text of a variable.
    Text(&'a Origin),
}

impl TreeOwner<'_> {
    pub(crate) fn origin(self, place: Place) -> Origin {
        match self {
            Self::Document(document) => document.origin(place),
            Self::Text(origin) => origin.clone(),
        }
    }

    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Self::Document(document) if document.is_plain())
    }
}

/// A place of the configuration, passed to the type that is built there.
pub struct Position<'a> {
    pub(crate) shared: Shared<'a>,
    pub(crate) walk: &'a mut Walk,
    pub(crate) sources: Vec<LayerSource<'a>>,
    /// The type as it is written in the code.
    pub(crate) ty: &'static str,
    pub(crate) merge: Merge,
    /// True if variables and lines may set the value as a whole.
    pub(crate) takes_whole: bool,
    /// The key that names the variant, in the table with the variant's fields.
    pub(crate) tag: Option<&'static Field>,
}

/// A text that sets the whole value at a position.
struct WholeText<'a> {
    text: OwnedOrBorrowed<'a>,
    origin: Origin,
    /// The index of its source. The parsed text is inserted before this source.
    source: usize,
}

enum OwnedOrBorrowed<'a> {
    Owned(Setting),
    Borrowed(&'a str),
}

impl WholeText<'_> {
    fn text(&self) -> &str {
        match &self.text {
            OwnedOrBorrowed::Owned(setting) => &setting.text,
            OwnedOrBorrowed::Borrowed(text) => text,
        }
    }
}

/// A name below the name of a place, and its origin.
struct NameBelow<'a> {
    /// The part after the place's name and `__`.
    rest: &'a str,
    origin: Origin,
    from_variable: bool,
}

pub(crate) const INLINE: &str = "write lists and maps in environment variables and dotenv content as inline TOML or JSON, such as [1, 2] or {\"a\": 1}";

/// Parses `text` as a list, a table or a text.
pub(crate) fn parse_whole(text: &str) -> Node<'_> {
    let parsed = match text.trim_start().starts_with(['[', '{']) {
        true => json::parse(text).or_else(|_| toml::parse_value(text.trim())).ok(),
        false => None,
    };
    parsed.unwrap_or(Node { value: Value::String(Text::Borrowed(text)), place: Place(0) })
}

impl<'a> Position<'a> {
    /// Returns the dotted path.
    pub(crate) fn path(&self) -> String {
        path_of(&self.walk.steps)
    }

    /// Returns the part of generated names for this place.
    fn segments(&self) -> String {
        let mut segments = segments_below(&self.walk.steps);
        segments.truncate(segments.len().saturating_sub(2));
        segments
    }

    pub(crate) fn complain(&mut self, origin: Option<Origin>, complaint: Complaint) {
        let steps = &self.walk.steps;
        self.walk.report.problem(|| Problem::new(path_of(steps), origin, complaint));
    }

    /// Reports that the value from `origin` does not have the type of the place.
    pub(crate) fn misfit(&mut self, origin: Origin) {
        if matches!(origin, Origin::Variable(_) | Origin::VariableFile { .. } | Origin::Program) {
            self.walk.report.advise(INLINE);
        }
        self.complain(Some(origin), Complaint::WrongType { expected: self.ty.to_owned() });
    }

    /// Reports that no source has the value. Returns false.
    fn missing(&mut self) -> bool {
        if !self.walk.checking {
            let variable = self.takes_whole.then(|| self.shared.environment.name(&self.segments())).flatten();
            self.complain(None, Complaint::Missing { expected: self.ty.to_owned(), variable });
        }
        false
    }

    /// Returns true if any source has the value or a part of it. A null removes the values of weaker sources.
    pub(crate) fn is_given(&self) -> bool {
        let mut given = false;
        let mut segments = None;
        for source in &self.sources {
            match source {
                LayerSource::Node(Node { value: Value::Null, .. }, _) => given = false,
                LayerSource::Node(..) => given = true,
                LayerSource::Set(values) => given |= !values.is_empty(),
                LayerSource::Lines(document) if !given => {
                    let segments: &String = segments.get_or_insert_with(|| self.segments());
                    let prefix = self.shared.environment.prefix();
                    given = document.lines_of(segments, prefix).iter().any(Option::is_some)
                        || document.names(prefix).below(&format!("{segments}__")).next().is_some();
                }
                LayerSource::Variables if !given && !self.shared.environment.present().is_empty() => {
                    let segments: &String = segments.get_or_insert_with(|| self.segments());
                    let present = self.shared.environment.present();
                    given = present.contains(segments)
                        || present.contains(&file_form(segments))
                        || present.below(&format!("{segments}__")).next().is_some();
                }
                LayerSource::Lines(_) | LayerSource::Variables => {}
            }
        }
        given
    }

    /// Returns true if the attribute `env` names the variable of a field of `part`, and this variable or line is set.
    pub(crate) fn is_named_elsewhere(&self, part: NestedType) -> bool {
        let environment = self.shared.environment;
        let in_content = |name: &str| {
            let mut flat = self.shared.documents.iter().filter(|document| document.is_flat());
            flat.any(|document| document.entry(name).is_some())
        };
        part.meta().leaves().iter().any(|leaf| match leaf.field().variable {
            Variable::Named(name) => environment.has(name) || in_content(name),
            _ => false,
        })
    }

    /// Returns true if a variable of this position is treated as set to any valid value.
    pub(crate) fn is_assumed(&self) -> bool {
        let environment = self.shared.environment;
        self.takes_whole && environment.name(&self.segments()).is_some_and(|name| environment.assumes(&name))
    }

    /// Returns the same place, and moves the sources out of this one.
    pub(crate) fn reborrow(&mut self) -> Position<'_> {
        Position {
            shared: self.shared,
            walk: &mut *self.walk,
            sources: std::mem::take(&mut self.sources),
            ty: self.ty,
            merge: self.merge,
            takes_whole: self.takes_whole,
            tag: self.tag,
        }
    }

    /// Reports the message of `validate` about the value at this place. Returns true if the value is valid.
    pub(crate) fn judged(&mut self, verdict: Result<(), &'static str>) -> bool {
        let Err(why) = verdict else { return true };
        self.complain(None, Complaint::Rule(why.to_owned()));
        false
    }

    /// Builds the value one step further down, from `sources`.
    fn descend<R>(
        &mut self,
        step: TypeStep,
        sources: Vec<LayerSource<'_>>,
        ty: &'static str,
        build: impl FnOnce(Position<'_>) -> R,
    ) -> R {
        self.walk.steps.push(step);
        let result = build(Position {
            shared: self.shared,
            walk: &mut *self.walk,
            sources,
            ty,
            merge: Merge::Keys,
            takes_whole: true,
            tag: None,
        });
        self.walk.steps.pop();
        result
    }

    /// Parses the texts that set the whole value, and calls `build` with them among the sources.
    fn expanded(mut self, build: &mut dyn FnMut(Position<'_>) -> bool) -> bool {
        let Some(wholes) = self.whole_texts() else { return false };
        if wholes.is_empty() {
            return build(self);
        }
        let nodes: Vec<Node<'_>> = wholes.iter().map(|whole| parse_whole(whole.text())).collect();
        let mut sources: Vec<LayerSource<'_>> = Vec::with_capacity(self.sources.len() + nodes.len());
        for (index, source) in self.sources.iter().enumerate() {
            for (whole, node) in wholes.iter().zip(&nodes).filter(|(whole, _)| whole.source == index) {
                sources.push(LayerSource::Node(node, TreeOwner::Text(&whole.origin)));
            }
            sources.push(*source);
        }
        build(Position {
            shared: self.shared,
            walk: &mut *self.walk,
            sources,
            ty: self.ty,
            merge: self.merge,
            takes_whole: self.takes_whole,
            tag: self.tag,
        })
    }

    /// Returns the texts that set the whole value; `None` after it reported a text that cannot be read.
    fn whole_texts(&mut self) -> Option<Vec<WholeText<'a>>> {
        let mut wholes = Vec::new();
        if !self.takes_whole {
            return Some(wholes);
        }
        let mut segments = None;
        for (index, source) in self.sources.clone().into_iter().enumerate() {
            match source {
                LayerSource::Node(..) => {}
                LayerSource::Set(values) => wholes.extend(values.text.as_ref().map(|text| WholeText {
                    text: OwnedOrBorrowed::Borrowed(text),
                    origin: Origin::Program,
                    source: index,
                })),
                LayerSource::Lines(document) => {
                    let segments: &String = segments.get_or_insert_with(|| self.segments());
                    let lines = document.lines_of(segments, self.shared.environment.prefix());
                    let Some(entry) = self.only_line(document, lines)? else { continue };
                    let text = self.unquoted_line(document, entry)?;
                    let origin = document.origin(entry.node.place);
                    wholes.push(WholeText { text: OwnedOrBorrowed::Borrowed(text), origin, source: index });
                }
                LayerSource::Variables if self.shared.environment.present().is_empty() => {}
                LayerSource::Variables => {
                    let segments: &String = segments.get_or_insert_with(|| self.segments());
                    let Some(name) = self.shared.environment.name(segments) else { continue };
                    match self.shared.environment.read(&name) {
                        None => {}
                        Some(Ok(setting)) => {
                            let origin = setting.origin.clone();
                            wholes.push(WholeText {
                                text: OwnedOrBorrowed::Owned(setting),
                                origin,
                                source: index,
                            });
                        }
                        Some(Err(Unusable { origin, complaint })) => {
                            self.complain(Some(origin), complaint);
                            return None;
                        }
                    }
                }
            }
        }
        Some(wholes)
    }

    /// Returns the one line for this place. Two lines are an error.
    fn only_line<'e>(
        &mut self,
        document: &Document<'_>,
        lines: [Option<&'e Entry<'e>>; 2],
    ) -> Option<Option<&'e Entry<'e>>> {
        match lines {
            [Some(first), Some(second)] => {
                let rule = format!("given twice, as {} and as {}", &*first.key, &*second.key);
                let later = if first.key_place.0 > second.key_place.0 { first } else { second };
                self.complain(Some(document.origin(later.key_place)), Complaint::Rule(rule));
                None
            }
            [first, second] => Some(first.or(second)),
        }
    }

    /// Returns the text of a line. A text in quotes is an error.
    fn unquoted_line<'e>(&mut self, document: &Document<'_>, entry: &'e Entry<'e>) -> Option<&'e str> {
        match &entry.node.value {
            Value::String(text) if !text.starts_with(['"', '\'', '`']) => Some(text),
            _ => {
                self.walk.report.advise(QUOTES);
                let rule = Complaint::Rule(BEGINS_WITH_A_QUOTE.to_owned());
                self.complain(Some(document.origin(entry.node.place)), rule);
                None
            }
        }
    }

    /// Returns the names of a flat source below the name of this place.
    fn names_below(&self, source: LayerSource<'a>) -> Vec<NameBelow<'a>> {
        let environment = self.shared.environment;
        let start = || segments_below(&self.walk.steps);
        match source {
            LayerSource::Lines(document) => {
                let (start, prefix) = (start(), environment.prefix());
                let below = document.names(prefix).below(&start);
                let origin = |rest: &str| {
                    let lines = document.lines_of(&format!("{start}{rest}"), prefix);
                    let place = lines.into_iter().flatten().next().map_or(Place(0), |entry| entry.key_place);
                    document.origin(place)
                };
                below.map(|rest| NameBelow { rest, origin: origin(rest), from_variable: false }).collect()
            }
            LayerSource::Variables if !environment.present().is_empty() => {
                let start = start();
                let origin = |rest: &str| {
                    Origin::Variable(environment.name(&format!("{start}{rest}")).unwrap_or_default())
                };
                let below = environment.present().below(&start);
                below.map(|rest| NameBelow { rest, origin: origin(rest), from_variable: true }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns true if a name that belongs to nothing here may belong to another program.
    fn lets_pass(&self, name: &NameBelow<'_>) -> bool {
        name.from_variable && self.shared.allow_unknown_variables
    }

    /// Reports a name below the name of this place that belongs to nothing in a value of type `part`. `entry` is the
    /// part of the name that may be right.
    fn unknown_name(&mut self, name: &NameBelow<'_>, part: NestedType, entry: Option<&str>) {
        let environment = self.shared.environment;
        let start =
            segments_below(&self.walk.steps) + &entry.map(|entry| format!("{entry}__")).unwrap_or_default();
        let known = part.meta().leaves().into_iter().map(|leaf| format!("{start}{}", leaf.segments()));
        let known = known.map(|segments| match name.from_variable {
            true => environment.name(&segments).unwrap_or_default(),
            false => segments,
        });
        let known: Vec<String> = known.collect();
        let written = match &name.origin {
            Origin::Variable(variable) => variable.clone(),
            _ => segments_below(&self.walk.steps) + name.rest,
        };
        let suggestion = suggest::nearest(&written, known.iter().map(String::as_str)).map(str::to_owned);
        let path = if name.from_variable { String::new() } else { written };
        let origin = Some(name.origin.clone());
        self.walk.report.problem(|| Problem::new(path, origin, Complaint::Unknown { suggestion }));
    }

    /// Reports entries that the program set in a value that cannot have such entries.
    fn refuse_set_entries(&mut self, values: &SetValues, keys: bool, items: bool) {
        let wrong = (keys && !values.keys.is_empty()) || (items && !values.items.is_empty());
        if wrong {
            let what = if keys { "it has no keys" } else { "it has no indices" };
            self.complain(Some(Origin::Program), Complaint::Rule(what.to_owned()));
        }
    }
}

/// Returns true if a variable or line with the name `tail` may belong to a value of type `part`.
fn tail_fits(part: NestedType, tail: Tail<'_>, from_variable: bool) -> bool {
    fits(part, tail, if from_variable { FileForms::Named } else { FileForms::None })
}

/// Returns the complaint about an entry that no variable can set. `segments` is the name of the whole value without
/// the prefix.
pub(crate) fn unreachable_entry(environment: &Environment<'_>, segments: &str) -> Complaint {
    unreachable(&environment.name(segments).unwrap_or_else(|| segments.to_owned()))
}

pub(crate) const QUOTES: &str = "write the value without quotes: everything after the first = is the value";
/// Largest number of values that an error lists one by one.
pub(crate) const MOST_QUOTED: usize = 200;
pub(crate) const BEGINS_WITH_A_QUOTE: &str =
    "the value begins with a quote, which dotenv content does not support";
