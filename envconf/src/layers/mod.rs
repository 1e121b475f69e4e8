//! Precedence and merging; every value remembers its origin.
//!
//! Layers are parsed into trees of borrowed values and stay apart: there is no merged copy. The struct is built
//! leaf by leaf, each looked up from the strongest source down (api.md §3): variables, then the texts, then the
//! attribute's default. Whatever is wrong is collected, so that one report tells all of it.

pub(crate) mod de;
pub(crate) mod dotenv;
pub(crate) mod env;
pub(crate) mod fields;
pub(crate) mod json;
pub(crate) mod report;
mod suggest;
pub(crate) mod toml;
pub(crate) mod tree;

use std::path::Path;
use std::sync::Arc;

use self::env::Environment;
use self::fields::Document;
use self::report::{Provenance, Report};
use self::tree::{Node, Place, Value};
use crate::config::EncryptedConfig;
use crate::error::{Complaint, Error, Origin, Problem};
use crate::format::ContentType;
use crate::variables::Variables;

/// One text of a configuration: the sealed one, or a plain layer.
pub(crate) struct Layer<'a> {
    /// The file that holds it; of a sealed text its `.enc`.
    pub(crate) file: Option<Arc<Path>>,
    /// Whether the text was sealed.
    pub(crate) sealed: bool,
    pub(crate) content_type: ContentType,
    pub(crate) text: &'a str,
}

impl Layer<'_> {
    /// The origin of what stands at `place`.
    pub(crate) fn origin(&self, place: Place) -> Origin {
        let (line, column) = place.in_text(self.text);
        Origin::Text { file: self.file.clone(), sealed: self.sealed, line, column }
    }
}

/// A text that does not follow its syntax, is too deep, repeats a key, or has a root that is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) syntax: &'static str,
    pub(crate) place: Place,
}

impl Broken {
    /// The problem to report, with line and column of `layer`.
    pub(crate) fn problem(self, layer: &Layer<'_>) -> Problem {
        Problem::new("", Some(layer.origin(self.place)), Complaint::Syntax { expected: self.syntax })
    }
}

/// The tree of `text`, whose root is a table. YAML and raw content have none.
pub(crate) fn parse(content_type: ContentType, text: &str) -> Result<Node<'_>, Broken> {
    let root = match content_type {
        ContentType::Toml => toml::parse(text)?,
        ContentType::Json => json::parse(text)?,
        ContentType::Dotenv => dotenv::parse(text)?,
        ContentType::Yaml | ContentType::Raw => {
            return Err(Broken { syntax: "TOML, JSON or dotenv", place: Place(0) });
        }
    };
    match root.value {
        Value::Table(_) => Ok(root),
        _ => Err(Broken { syntax: "JSON with an object at its root", place: root.place }),
    }
}

/// The `T` that `layers` (the weakest first) and the application's `variables` give.
///
/// # Errors
/// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every problem there is; `what` says whose.
pub(crate) fn build<T: EncryptedConfig>(
    what: &str,
    layers: &[Layer<'_>],
    variables: &Variables,
) -> Result<T, Error> {
    build_with(what, layers, variables, Report::default()).map(|(value, _)| value)
}

/// The same, and where each value came from: one entry per leaf that has a value, in the order of the struct.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_traced<T: EncryptedConfig>(
    what: &str,
    layers: &[Layer<'_>],
    variables: &Variables,
) -> Result<(T, Vec<Provenance>), Error> {
    build_with(what, layers, variables, Report::tracing())
}

fn build_with<T: EncryptedConfig>(
    what: &str,
    layers: &[Layer<'_>],
    variables: &Variables,
    mut report: Report,
) -> Result<(T, Vec<Provenance>), Error> {
    let documents = parse_all(what, layers)?;
    let meta = const { &T::META };
    let environment = Environment::new(variables, meta.env_prefix);
    let value = fields::build_root::<T>(&documents, &environment, &mut report);
    for problem in environment.unknown(meta) {
        report.problem(problem);
    }
    report.finish(what, value)
}

/// All texts as trees. A text that does not parse hides what it would have given, so that ends it.
fn parse_all<'a>(what: &str, layers: &'a [Layer<'a>]) -> Result<Vec<Document<'a>>, Error> {
    let mut documents = Vec::with_capacity(layers.len());
    let mut problems = Vec::new();
    for layer in layers {
        match parse(layer.content_type, layer.text) {
            Ok(Node { value: Value::Table(root), .. }) => documents.push(Document { layer, root }),
            Ok(node) => {
                problems.push(Broken { syntax: layer.content_type.name(), place: node.place }.problem(layer))
            }
            Err(broken) => problems.push(broken.problem(layer)),
        }
    }
    if problems.is_empty() { Ok(documents) } else { Err(Error::does_not_fit(what, problems)) }
}
