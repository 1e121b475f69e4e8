//! What a person reads about a text that cannot be parsed.

use super::{Layer, LayerKind};
use crate::base::{Complaint, Origin, Problem};
use crate::format::conflict_markers;
use crate::meta::{Meta, Shape};
use crate::syntax::{Broken, Lines, PathPart, SyntaxFault, segment};

impl Broken {
    /// Returns the problem to report, with line and column of `layer`. It names no key below a secret field of `meta`,
    /// because such keys can be tokens.
    ///
    /// Where git left a conflict in the text, that is the problem, at the line where it begins.
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
    let mut meta = meta;
    for step in path {
        match step {
            PathPart::Item(index) => text.push_str(&format!("[{index}]")),
            PathPart::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&segment(key));
                let (is_secret, below) = meta.map_or((false, None), |meta| field(meta, key));
                if is_secret {
                    break;
                }
                meta = below;
            }
        }
    }
    text
}

/// Returns whether the field that reads `key` is secret, and the struct behind it.
fn field(meta: &'static Meta, key: &str) -> (bool, Option<&'static Meta>) {
    for field in meta.fields {
        if let Shape::Flattened(inner) = field.shape {
            if let found @ ((true, _) | (_, Some(_))) = self::field(inner, key) {
                return found;
            }
        } else if field.key == key || field.aliases.contains(&key) {
            return (field.secret, field.shape.nested());
        }
    }
    (false, None)
}
