//! Layers: their precedence, how they are merged, and the origin of each value.
//!
//! Layers are parsed into trees of borrowed values, and are not copied into one tree. The type is walked from its root
//! ([`Position`]). Each leaf is looked up in the values of the program, then in the variables, the texts, and the
//! default of the attribute (layers.md). All problems are collected, so that one report lists them.

pub(crate) mod document;
pub(crate) mod env;
pub(crate) mod fields;
pub(crate) mod names;
mod origins;
pub(crate) mod position;
pub(crate) mod report;
pub(crate) mod set_values;
mod syntax_problem;
pub(crate) mod unit_variant;
#[cfg(feature = "tools")]
mod untyped;
#[cfg(feature = "tools")]
pub(crate) mod as_variables;

#[cfg(feature = "tools")]
pub use self::as_variables::NameStyle;
#[cfg(feature = "tools")]
pub(crate) use self::as_variables::NamedValue;
pub(crate) use self::env::Environment;
pub use self::fields::Fields;
pub(crate) use self::origins::Origins;
pub use self::origins::Provenance;
pub use self::position::Position;
pub(crate) use self::report::Report;
pub(crate) use self::set_values::SetValues;

use std::path::Path;
use std::sync::Arc;

use self::document::Document;
use crate::base::{Complaint, Error, Origin, Problem};
use crate::format::ContentType;
use crate::meta::Meta;
use crate::syntax::{Lines, Node, Place, Text, Value, no_table, parse};

/// One text of a configuration: the sealed one, or a plain layer.
pub(crate) struct Layer<'a> {
    /// The file with the text; for a sealed text, its `.enc`.
    pub(crate) file: Option<Arc<Path>>,
    pub(crate) kind: LayerKind,
    pub(crate) content_type: ContentType,
    pub(crate) text: &'a str,
}

/// The kind of file that stores the text of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayerKind {
    /// In a committed file, which everybody can read.
    Plain,
    /// Sealed in a pair.
    Sealed,
    /// In a file that is about to be sealed.
    ToSeal,
}

impl Layer<'_> {
    /// Returns the origin of the value at `place`. `lines` are the lines of the text.
    pub(crate) fn origin(&self, place: Place, lines: &Lines) -> Origin {
        let (line, column) = lines.position(self.text, place);
        Origin::Text { file: self.file.clone(), sealed: self.kind == LayerKind::Sealed, line, column }
    }
}

/// Returns the origin of each leaf, sorted by path. It needs no type.
///
/// # Errors
/// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every layer that does not parse, and for paths that are too long
/// together. `what` names the configuration.
#[cfg(feature = "tools")]
pub(crate) fn origins(what: &str, layers: &[Layer<'_>]) -> Result<Vec<Provenance>, Error> {
    untyped::origins(&parse_all(what, layers, None)?)
        .map_err(|problem| Error::does_not_fit(what, vec![problem]))
}

/// Parses one layer like a load.
///
/// # Errors
/// The problem that a load would report.
pub(crate) fn check(layer: &Layer<'_>) -> Result<(), Problem> {
    document(layer, None).map(drop)
}

/// Returns a problem for each value of a dotenv layer that begins with a quote. A load rejects such a value if a field
/// reads it.
pub(crate) fn quoted_dotenv_values(layer: &Layer<'_>) -> Vec<Problem> {
    let Ok(Node { value: Value::Table(lines), .. }) = parse(layer.content_type, layer.text) else {
        return Vec::new();
    };
    let starts = Lines::of(layer.text);
    let is_quoted = |node: &Node<'_>| match &node.value {
        Value::String(text) => text.starts_with(['"', '\'', '`']),
        _ => false,
    };
    let quoted = lines.iter().filter(|(_, node)| is_quoted(node)).take(position::MOST_QUOTED);
    let problem = |(name, node): (&Text<'_>, &Node<'_>)| {
        let rule = Complaint::Rule(position::BEGINS_WITH_A_QUOTE.to_owned());
        Problem::new(name.to_string(), Some(layer.origin(node.place, &starts)), rule)
    };
    quoted.map(problem).collect()
}

/// Builds a `T` with the fields of `meta` from `layers` (the weakest first) and variables. With a
/// [tracing](Report::tracing) report, also returns the origin of each value, in the order of the struct.
///
/// # Errors
/// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every problem. `what` names the configuration.
pub(crate) fn build<T>(
    what: &str,
    layers: &[Layer<'_>],
    environment: &Environment<'_>,
    mut report: Report,
    meta: &'static Meta,
    build: impl FnOnce(Position<'_>) -> Option<T>,
) -> Result<(T, Origins), Error> {
    let documents = parse_all(what, layers, Some(meta))?;
    let value = fields::build_root(meta, &documents, environment, &mut report, build);
    for problem in environment.unknown(meta) {
        report.problem(|| problem);
    }
    report.finish(what, value)
}

/// Parses all texts. A text that does not parse hides its values, so it is an error even if no field needs them.
///
/// An error names no key below a secret field of `meta`.
fn parse_all<'a>(
    what: &str,
    layers: &'a [Layer<'a>],
    meta: Option<&'static Meta>,
) -> Result<Vec<Document<'a>>, Error> {
    let mut documents = Vec::with_capacity(layers.len());
    let mut problems = Vec::new();
    for layer in layers {
        match document(layer, meta) {
            Ok(document) => documents.push(document),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(documents) } else { Err(Error::does_not_fit(what, problems)) }
}

fn document<'a>(layer: &'a Layer<'a>, meta: Option<&'static Meta>) -> Result<Document<'a>, Problem> {
    if let Some(remedy) = not_loaded(layer.content_type) {
        let rule = format!("content of type {} is not loaded: {remedy}", layer.content_type.name());
        let origin = layer.origin(Place(0), &Lines::of(""));
        return Err(Problem::new("", Some(origin), Complaint::Rule(rule)));
    }
    match parse(layer.content_type, layer.text) {
        Ok(root @ Node { value: Value::Table(_), .. }) => Ok(Document::new(layer, root)),
        Ok(Node { place, .. }) => Err(no_table(place).problem(layer, meta)),
        Err(broken) => Err(broken.problem(layer, meta)),
    }
}

/// Returns the hint for content of a type that is not loaded.
fn not_loaded(content_type: ContentType) -> Option<&'static str> {
    match content_type {
        ContentType::Raw => Some("seal it as toml, json or dotenv"),
        ContentType::Yaml if cfg!(not(feature = "yaml")) => {
            Some("build with envconf's feature yaml, or seal it as toml, json or dotenv")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Variables;
    use crate::{EncryptedConfig, Kind};

    #[derive(EncryptedConfig, Debug)]
    #[envconf(env_prefix = "APP")]
    struct App {
        #[envconf(default = 0)]
        level: u8,
        list: Option<Vec<u8>>,
        #[envconf(nested)]
        inner: Option<Inner>,
    }

    #[derive(EncryptedConfig, Debug, PartialEq)]
    struct Inner {
        #[envconf(default = 0)]
        a: u8,
        #[envconf(default = 0)]
        b: u8,
    }

    fn layer<'a>(content_type: ContentType, name: &str, text: &'a str) -> Layer<'a> {
        let kind = if name.ends_with(".enc") { LayerKind::Sealed } else { LayerKind::Plain };
        Layer { file: Some(Arc::from(Path::new(name))), kind, content_type, text }
    }

    fn toml<'a>(name: &str, text: &'a str) -> Layer<'a> {
        layer(ContentType::Toml, name, text)
    }

    fn build_typed<T: EncryptedConfig>(
        what: &str,
        layers: &[Layer<'_>],
        variables: &Variables,
    ) -> Result<(T, Origins), Error> {
        let environment = Environment::new(variables, T::META.env_prefix);
        build(what, layers, &environment, Report::tracing(), const { &T::META }, T::build_at)
    }

    fn load(layers: &[Layer<'_>], variables: &[(&str, &str)]) -> Result<(App, Vec<String>), Error> {
        let variables = Variables::given(variables.iter().copied());
        let (app, origins) = build_typed::<App>("app", layers, &variables)?;
        Ok((app, origins.list().iter().map(|o| format!("{} {}", o.path(), o.origin())).collect()))
    }

    #[test]
    fn the_later_layer_wins_and_tables_are_merged_key_by_key() {
        let layers = [
            toml("a.toml", "level = 1\nlist = [1, 2]\ninner = { a = 1, b = 1 }"),
            layer(ContentType::Json, "b.json", "{\"list\":[3],\n\"inner\":{\"b\":2}}"),
            layer(ContentType::Dotenv, "c.conf.enc", "APP__INNER__B=3\n"),
        ];
        let (app, origins) = load(&layers, &[]).unwrap();
        assert_eq!((app.level, app.list, app.inner), (1, Some(vec![3]), Some(Inner { a: 1, b: 3 })));
        let expected = [
            "level a.toml line 1, column 9",
            "list b.json line 1, column 9",
            "inner.a a.toml line 3, column 15",
            "inner.b c.conf.enc line 1, column 15 of the sealed text",
        ];
        assert_eq!(origins, expected);
        let (app, _) = load(&layers[..2], &[("APP__INNER__B", "4"), ("APP__LEVEL", "5")]).unwrap();
        assert_eq!((app.level, app.inner), (5, Some(Inner { a: 1, b: 4 })));
    }

    #[test]
    fn a_null_removes_the_values_of_weaker_layers() {
        let null = layer(ContentType::Json, "b.json", r#"{"inner":null,"list":null}"#);
        let weaker = toml("a.toml", "list = [1]\ninner = { a = 1 }");
        let (app, _) = load(&[weaker, null], &[]).unwrap();
        assert_eq!((app.list, app.inner), (None, None));
        let (app, _) = load(&[toml("a.toml", "inner = { a = 1 }"), toml("b.toml", "")], &[]).unwrap();
        assert_eq!(app.inner, Some(Inner { a: 1, b: 0 }));
    }

    #[test]
    fn an_optional_struct_comes_from_a_single_variable_or_line() {
        let (app, _) = load(&[], &[("APP__INNER__A", "1")]).unwrap();
        assert_eq!(app.inner, Some(Inner { a: 1, b: 0 }));
        let (app, _) = load(&[layer(ContentType::Dotenv, "c.env", "INNER__A=1")], &[]).unwrap();
        assert_eq!(app.inner, Some(Inner { a: 1, b: 0 }));
        assert_eq!(load(&[], &[]).unwrap().0.inner, None);
    }

    #[test]
    fn a_secret_in_a_plain_layer_is_rejected() {
        #[derive(EncryptedConfig, Debug)]
        #[expect(dead_code, reason = "it never loads")]
        struct Login {
            user: crate::SecretString,
        }
        let plain = toml("app.defaults.toml", "\nuser = 'root'");
        let sealed = toml("app.conf.enc", "user = 'other'");
        let variables = Variables::given::<&str, &str>([]);
        let error = build_typed::<Login>("login", &[plain, sealed], &variables).unwrap_err();
        let report = "login: 1 problem\n  user: a secret does not belong in a plain layer, at app.defaults.toml \
                      line 2, column 8\nremove it from there and seal it; if the file was committed, change the secret";
        assert_eq!(error.to_string(), report);
    }

    #[cfg(feature = "tools")]
    #[test]
    fn without_a_type_every_leaf_has_the_origin_of_the_strongest_layer() {
        let layers = [
            toml("a.toml", "a = 1\nb = { x = 1, y = 1 }\nc.x = 1\nd = 1\ne = {}\nf.x = 1"),
            layer(ContentType::Json, "b.enc", r#"{"b":{"y":2,"z.z":{}},"c":[1],"d":{"x":1},"f":{}}"#),
        ];
        let told: Vec<_> = origins("app", &layers)
            .unwrap()
            .iter()
            .map(|o| format!("{} {} {}", o.path(), o.origin(), o.secret()))
            .collect();
        let expected = [
            "a a.toml line 1, column 5 false",
            "b.x a.toml line 2, column 11 false",
            "b.y b.enc line 1, column 11 of the sealed text true",
            "b.\"z.z\" b.enc line 1, column 19 of the sealed text true",
            "c b.enc line 1, column 27 of the sealed text true",
            "d.x b.enc line 1, column 40 of the sealed text true",
            "e a.toml line 5, column 5 false",
            "f.x a.toml line 6, column 7 false",
        ];
        assert_eq!(told, expected);
        let error = origins("app", &[toml("a.toml", "="), toml("b.toml", "x")]).unwrap_err();
        assert_eq!((error.kind(), error.problems().len()), (Kind::DoesNotFit, 2));
    }

    #[test]
    fn every_layer_is_checked() {
        let layers = [toml("a.toml", "levl = 1\nlevel = 2"), toml("b.toml", "level = 1\n[inner]\nc = 1")];
        let error = load(&layers, &[]).unwrap_err();
        let report = "app: 2 problems\n  inner.c: no such key, at b.toml line 3, column 1\n  \
                      levl: no such key (did you mean level?), at a.toml line 1, column 1";
        assert_eq!(error.to_string(), report);

        let error = load(&[toml("a.toml", "="), toml("b.toml", "x"), toml("c.toml", "")], &[]).unwrap_err();
        assert_eq!((error.kind(), error.problems().len()), (Kind::DoesNotFit, 2));
    }

    #[test]
    fn a_long_report_is_cut() {
        let text: String = (0..500_000).map(|i| format!("unknown{i} = 1\n")).collect();
        let error = load(&[toml("a.toml", &text)], &[]).unwrap_err();
        assert_eq!(error.problems().last().map(ToString::to_string).as_deref(), Some("and 499800 more"));
    }
}
