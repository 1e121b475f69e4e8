//! Readable messages for texts that cannot be parsed.

use super::{Layer, LayerKind};
use crate::base::{Complaint, Origin, Problem};
use crate::format::conflict_markers;
use crate::meta::{Field, Meta, NestedType};
use crate::syntax::{Broken, Lines, PathPart, SyntaxFault, segment};

impl Broken {
    /// Returns the problem to report, with line and column of `layer`. It names no key below a secret field of `meta`,
    /// because such keys can be tokens.
    ///
    /// A conflict marker of git in the text is reported first, at the line where the conflict begins.
    pub(crate) fn problem(self, layer: &Layer<'_>, meta: Option<&'static Meta>) -> Problem {
        if let Some(line) = conflict_markers::first_whole(layer.text.as_bytes()) {
            let (file, sealed) = (layer.file.clone(), layer.kind == LayerKind::Sealed);
            let origin = Origin::Text { file, sealed, line, column: 1 };
            let rule = "a conflict marker of git; resolve the conflict first".to_owned();
            return Problem::new("", Some(origin), Complaint::Rule(rule));
        }
        let lines = Lines::of(layer.text);
        let origin = Some(layer.origin(self.place, &lines));
        let invalid = |why: String| Complaint::Rule(format!("not valid {}: {why}", self.syntax));
        let (path, complaint) = match &self.fault {
            SyntaxFault::Grammar => (String::new(), Complaint::Syntax { expected: self.syntax }),
            SyntaxFault::Repeated { path, first } => {
                let (first_line, _) = lines.position(layer.text, *first);
                (written(path, meta), Complaint::Repeated { first_line })
            }
            SyntaxFault::Unclosed(what) => (String::new(), invalid(format!("this {what} has no end"))),
            SyntaxFault::TooDeep => (String::new(), invalid("the values are nested too deeply".to_owned())),
            SyntaxFault::Rule(rule) => (String::new(), invalid((*rule).to_owned())),
        };
        Problem::new(path, origin, complaint)
    }
}

/// Writes a path as `peers.a` or `nodes[1].id`, up to the first secret field.
fn written(path: &[PathPart], meta: Option<&'static Meta>) -> String {
    let mut text = String::new();
    let mut ty = meta.map(Meta::part);
    for step in path {
        match step {
            PathPart::Item(index) => {
                text.push_str(&format!("[{index}]"));
                ty = match ty.map(NestedType::without_options) {
                    Some(NestedType::List(item)) => Some(*item),
                    _ => None,
                };
            }
            PathPart::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&segment(&shortened(key)));
                let (is_secret, below) = ty.map_or((false, None), |ty| within(ty, key));
                if is_secret {
                    break;
                }
                ty = below;
            }
        }
    }
    text
}

/// Returns true if the value of `key` in a value of type `ty` is secret, and the nested type of that value.
fn within(ty: NestedType, key: &str) -> (bool, Option<NestedType>) {
    match ty.without_options() {
        NestedType::Section(meta) => field(meta, key),
        NestedType::Map(value) => (false, Some(*value)),
        NestedType::Variants(meta) if meta.tag.is_none() => {
            let variant = meta.variants.iter().find(|variant| variant.names().any(|name| name == key));
            (false, variant.and_then(|variant| variant.content))
        }
        NestedType::Variants(meta) => {
            let contents = meta.variants.iter().filter_map(|variant| variant.content);
            let found = contents.map(|content| within(content, key)).collect::<Vec<_>>();
            let secret = found.iter().any(|(secret, _)| *secret);
            (secret, found.into_iter().find_map(|(_, below)| below))
        }
        NestedType::List(_) | NestedType::Optional(_) => (false, None),
    }
}

/// Returns a key, shortened if it is very long.
fn shortened(key: &str) -> std::borrow::Cow<'_, str> {
    const LONGEST: usize = 100;
    match key.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}\u{2026}", &key[..end]).into(),
        None => key.into(),
    }
}

/// Returns true if the field that reads `key` is secret, and the nested type of that field.
fn field(meta: &'static Meta, key: &str) -> (bool, Option<NestedType>) {
    let of_key = |field: &&&'static Field| field.keys().contains(&key);
    let fields = meta.unflattened();
    fields.iter().find(of_key).map_or((false, None), |field| (field.secret, field.part))
}
