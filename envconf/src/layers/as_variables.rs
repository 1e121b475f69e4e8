//! Layers as environment variables: a name and a text for each leaf. Loading these variables has the same result as
//! loading the layers (layers.md, "Variables"), with two exceptions. An untagged enum reads a text such as `8080` as a
//! number. A table is exported like a struct, because the type is unknown, so a field that is a map may find no
//! variable.
//!
//! Nothing authenticates a plain layer. So it adds variables only if the caller chose a prefix.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use zeroize::Zeroizing;

use super::document::Document;
use super::origins::Provenance;
use super::untyped::{for_each_leaf, refuse_long_paths};
use super::{Layer, parse_all};
use crate::base::{Complaint, Error, Origin, Problem, Remedy, exact_text};
use crate::syntax::dotenv::is_name;
use crate::syntax::json_text::write_json;
use crate::syntax::{Node, Value, write_scalar};

/// The rules by which the path of a value becomes the name of a variable.
#[derive(Clone, Copy)]
pub(crate) struct Naming<'a> {
    /// The beginning of every name. Without it, plain layers add no variables.
    pub(crate) prefix: Option<&'a str>,
    /// The text between the prefix and the keys, and between two keys.
    pub(crate) separator: &'a str,
    pub(crate) keys: NameStyle,
    /// If true, values whose path is not a valid name are left out; otherwise they are an error.
    pub(crate) skip_unnamed: bool,
}

/// The style in which a key of the content becomes part of the name of an environment variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameStyle {
    /// As the key is written: `poolSize` stays `poolSize`.
    Keep,
    /// In upper snake case: `poolSize` and `pool-size` become `POOL_SIZE`.
    #[default]
    Upper,
}

impl NameStyle {
    /// The values of the command's `--names`, which [`NameStyle::from_name`] parses.
    pub const NAMES: [&'static str; 2] = ["keep", "upper"];

    /// Returns the style with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "keep" => Some(Self::Keep),
            "upper" => Some(Self::Upper),
            _ => None,
        }
    }
}

/// A leaf as a variable.
pub(crate) struct NamedValue {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) value: Zeroizing<String>,
    pub(crate) origin: Origin,
}

/// The variables of several layers.
pub(crate) struct NamedVariables {
    /// Sorted by name.
    pub(crate) variables: Vec<NamedValue>,
    /// The leaves of plain layers that are not variables, sorted by path.
    pub(crate) left_out: Vec<Provenance>,
    /// The leaves whose path is not a valid name, sorted by path.
    pub(crate) skipped: Vec<Provenance>,
}

/// Returns every leaf of `layers` (the weakest first) as a variable, named by `naming`. Dotenv lines keep their names.
/// A null is not a variable.
///
/// Without a prefix, only the sealed layers count: a plain layer neither adds, changes nor removes a variable. With a
/// prefix, a plain layer adds no variable whose name ends in `_FILE`.
///
/// # Errors
/// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every text that does not parse and every value that cannot be a
/// variable.
pub(crate) fn variables(
    what: &str,
    layers: &[Layer<'_>],
    naming: Naming<'_>,
) -> Result<NamedVariables, Error> {
    let prefix = naming.prefix;
    let documents = parse_all(what, layers, None)?;
    let all_trees: Vec<&Document<'_>> = documents.iter().filter(|document| !document.is_flat()).collect();
    refuse_long_paths(&all_trees).map_err(|problem| Error::does_not_fit(what, vec![problem]))?;
    let mut left_out = if prefix.is_none() { leaves_left_out(&documents, naming) } else { Vec::new() };
    let mut skipped = Vec::new();
    let mut problems = Vec::new();
    let mut is_unnamed = false;
    let mut found = Vec::new();
    let is_source = |document: &&Document<'_>| prefix.is_some() || !document.is_plain();
    let trees: Vec<&Document<'_>> = all_trees.iter().copied().filter(is_source).collect();
    for_each_leaf(&trees, &mut |leaf| {
        let origin = leaf.document.origin(leaf.node.place);
        let value = text_of(leaf.node, leaf.document.text());
        match (naming.name_of(leaf.keys), value) {
            (_, Ok(None)) => {}
            // NAME_FILE names the file with the value of NAME. With such a variable, a writer of the plain layer could
            // choose a secret.
            (Some(name), _) if leaf.document.is_plain() && names_a_file(&name) => {
                left_out.push(Provenance::new(leaf.path(), origin, false));
            }
            (Some(name), Ok(Some(value))) => {
                found.push(NamedValue { path: leaf.path(), name, value, origin })
            }
            (None, _) if naming.skip_unnamed => skipped.push(Provenance::new(leaf.path(), origin, false)),
            (None, _) => {
                is_unnamed = true;
                problems.push(rule(
                    leaf.path(),
                    &origin,
                    "its path cannot become the name of an environment variable",
                ));
            }
            (_, Err(what)) => problems.push(rule(leaf.path(), &origin, what)),
        }
    });
    refuse_collisions(&mut found, &mut problems);
    let mut line_names: HashSet<&str> = HashSet::new();
    let mut lines: BTreeMap<&str, (&Document<'_>, &Node<'_>)> = BTreeMap::new();
    for document in documents.iter().filter(|document| document.is_flat()) {
        for (name, node) in document.entries().iter().map(|entry| (&entry.key, &entry.node)) {
            match &node.value {
                Value::String(text) if !text.starts_with(['"', '\'', '`']) => {
                    // A dotenv line overrides other values, with or without the prefix, as in a load.
                    if let Some(prefix) = prefix {
                        lines.remove([prefix, naming.separator, name].concat().as_str());
                    }
                    line_names.insert(name);
                    lines.insert(name, (document, node));
                }
                _ => problems.push(rule(
                    (**name).to_owned(),
                    &document.origin(node.place),
                    "the value begins with a quote, which dotenv content does not support",
                )),
            }
        }
    }
    let start = prefix.map(|prefix| [prefix, naming.separator].concat());
    let is_hidden = |name: &str| {
        let rest = start.as_deref().and_then(|start| name.strip_prefix(start));
        line_names.contains(name) || rest.is_some_and(|rest| line_names.contains(rest))
    };
    found.retain(|named| !is_hidden(&named.name));
    found.reserve_exact(lines.len());
    for (name, (document, node)) in lines {
        let Value::String(text) = &node.value else { continue };
        let value = exact_text(|out| out.write_str(text));
        let origin = document.origin(node.place);
        found.push(NamedValue { path: name.to_owned(), name: name.to_owned(), value, origin });
    }
    for named in found.iter().filter(|named| named.value.contains('\0')) {
        problems.push(rule(
            named.path.clone(),
            &named.origin,
            "the value contains a zero byte, which no environment variable can contain",
        ));
    }
    if !problems.is_empty() {
        let error = Error::does_not_fit(what, problems);
        return Err(match is_unnamed {
            true => error.advise_to_set(
                Remedy::SkipUnnamed,
                "rename these keys, or leave them out with ExportOptions::skip_unnamed",
            ),
            false => error,
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(NamedVariables { variables: found, left_out, skipped })
}

/// Returns the leaves that only a plain layer contains, sorted by path. A dotenv line is the leaf of its name.
fn leaves_left_out(documents: &[Document<'_>], naming: Naming<'_>) -> Vec<Provenance> {
    let lines: BTreeSet<&str> = documents
        .iter()
        .filter(|document| document.is_flat())
        .flat_map(|document| document.entries())
        .map(|entry| &*entry.key)
        .collect();
    let trees: Vec<&Document<'_>> = documents.iter().filter(|document| !document.is_flat()).collect();
    let mut left_out = Vec::new();
    for_each_leaf(&trees, &mut |leaf| {
        let is_line = || naming.name_of(leaf.keys).is_some_and(|name| lines.contains(name.as_str()));
        if leaf.document.is_plain() && !is_line() {
            left_out.push(Provenance::new(leaf.path(), leaf.document.origin(leaf.node.place), false));
        }
    });
    left_out.sort_by(|a, b| a.path().cmp(b.path()));
    left_out
}

fn rule(path: String, origin: &Origin, what: &str) -> Problem {
    Problem::new(path, Some(origin.clone()), Complaint::Rule(what.to_owned()))
}

/// Reports two paths that result in the same name.
fn refuse_collisions(found: &mut [NamedValue], problems: &mut Vec<Problem>) {
    found.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    for pair in found.windows(2).filter(|pair| pair[0].name == pair[1].name) {
        let first = crate::base::escape(&pair[0].path);
        let what =
            format!("its environment variable has the same name as the one of {first}: {}", pair[1].name);
        problems.push(rule(pair[1].path.clone(), &pair[1].origin, &what));
    }
}

impl Naming<'_> {
    /// Returns the prefix and the keys, joined by the separator; `None` if the result is not a valid name.
    fn name_of(&self, keys: &[&str]) -> Option<String> {
        let part = |key: &&str| match self.keys {
            NameStyle::Keep => Some((*key).to_owned()),
            NameStyle::Upper => upper_snake(key),
        };
        let keys = keys.iter().map(part).collect::<Option<Vec<_>>>()?;
        let name =
            self.prefix.map(str::to_owned).into_iter().chain(keys).collect::<Vec<_>>().join(self.separator);
        is_name(&name).then_some(name)
    }
}

fn names_a_file(name: &str) -> bool {
    name.len() >= "_FILE".len()
        && name.as_bytes()[name.len() - "_FILE".len()..].eq_ignore_ascii_case(b"_FILE")
}

/// Returns a key in upper snake case: `pool_size`, `pool-size` and `poolSize` become `POOL_SIZE`.
fn upper_snake(key: &str) -> Option<String> {
    let has_lower_case = key.bytes().any(|byte| byte.is_ascii_lowercase());
    let mut out = String::with_capacity(key.len() + 4);
    let mut before = b'_';
    for byte in key.bytes() {
        match byte {
            b'_' | b'-' => out.push('_'),
            byte if byte.is_ascii_alphanumeric() => {
                let is_hump = has_lower_case && byte.is_ascii_uppercase();
                if is_hump && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
                    out.push('_');
                }
                out.push(char::from(byte.to_ascii_uppercase()));
            }
            _ => return None,
        }
        before = byte;
    }
    (!out.is_empty()).then_some(out)
}

/// Returns the value `node` of `content` as the text of a variable; `None` for a null. Numbers, dates and times are
/// written as in `content`.
fn text_of(node: &Node<'_>, content: &str) -> Result<Option<Zeroizing<String>>, &'static str> {
    let text = match &node.value {
        Value::Null => return Ok(None),
        Value::String(text) => exact_text(|out| out.write_str(text)),
        Value::Bool(value) => exact_text(|out| write!(out, "{value}")),
        Value::Integer(_) | Value::Float(_) | Value::Datetime(_) => {
            exact_text(|out| write_scalar(node, content, out))
        }
        Value::Array(_) | Value::Table(_) if !is_json(node) => {
            return Err("a list or table is exported as JSON, which has no nan and no inf");
        }
        Value::Array(_) | Value::Table(_) => exact_text(|out| {
            write_json(node, content, &|datetime, out| write_scalar(datetime, content, out), out)
        }),
    };
    Ok(Some(text))
}

/// Returns true if every number in the value is a JSON number.
fn is_json(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Float(value) => value.is_finite(),
        Value::Array(items) => items.iter().all(is_json),
        Value::Table(table) => table.iter().all(|(_, node)| is_json(node)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::base::Variables;
    use crate::format::ContentType;
    use crate::layers::{Environment, LayerKind, Report, build};
    use crate::{EncryptedConfig, Kind};

    fn layer<'a>(content_type: ContentType, name: &str, text: &'a str) -> Layer<'a> {
        let kind = if name.ends_with(".enc") { LayerKind::Sealed } else { LayerKind::Plain };
        Layer { file: Some(Arc::from(Path::new(name))), kind, content_type, text }
    }

    fn under(prefix: Option<&str>) -> Naming<'_> {
        Naming { prefix, separator: "__", keys: NameStyle::Upper, skip_unnamed: false }
    }

    fn variables_of(layers: &[Layer<'_>], prefix: Option<&str>) -> Vec<String> {
        let named = variables("app", layers, under(prefix)).unwrap().variables;
        named.iter().map(|named| format!("{}={}", named.name, *named.value)).collect()
    }

    fn left_out(layers: &[Layer<'_>], prefix: Option<&str>) -> Vec<String> {
        let left_out = variables("app", layers, under(prefix)).unwrap().left_out;
        left_out.iter().map(|left| format!("{} ({})", left.path(), left.origin())).collect()
    }

    // Pitfall 17.
    #[test]
    fn a_variable_has_the_name_of_its_path_and_the_text_of_its_value() {
        let text = "port = 1\npool-size = 2\nmaxWait = 1.0\n[database]\nurl = 'x y'\nS3KEY = true\nhosts = ['a\"', 1, {b = 1979-05-27}]\nnone = {}\nat = 07:32:00";
        let toml = [layer(ContentType::Toml, "app.conf.enc", text)];
        let expected = [
            "APP__DATABASE__AT=07:32:00",
            "APP__DATABASE__HOSTS=[\"a\\\"\",1,{\"b\":\"1979-05-27\"}]",
            "APP__DATABASE__NONE={}",
            "APP__DATABASE__S3KEY=true",
            "APP__DATABASE__URL=x y",
            "APP__MAX_WAIT=1.0",
            "APP__POOL_SIZE=2",
            "APP__PORT=1",
        ];
        assert_eq!(variables_of(&toml, Some("APP")), expected);
        let json = [
            layer(ContentType::Toml, "app.defaults.toml", "a = 1\nb = 1"),
            layer(ContentType::Json, "app.conf.enc", r#"{"a":null,"c":"\u0001","d":["\u0000\n"]}"#),
        ];
        assert_eq!(variables_of(&json, Some("P")), ["P__B=1", "P__C=\u{1}", "P__D=[\"\\u0000\\n\"]"]);
        assert_eq!(variables_of(&json, None), ["C=\u{1}", "D=[\"\\u0000\\n\"]"]);
        assert_eq!(left_out(&json, None), ["b (app.defaults.toml line 2, column 5)"]);
    }

    #[test]
    fn a_line_of_dotenv_keeps_its_name_and_hides_a_plain_layer() {
        let layers = [
            layer(ContentType::Toml, "app.defaults.toml", "port = 1\n[database]\nurl = 'a'\nsize = 1"),
            layer(ContentType::Dotenv, "app.conf.enc", "DATABASE__URL=b\nAPP__PORT=2\nother=3"),
        ];
        let expected = ["APP__DATABASE__SIZE=1", "APP__PORT=2", "DATABASE__URL=b", "other=3"];
        assert_eq!(variables_of(&layers, Some("APP")), expected);
        assert!(left_out(&layers, Some("APP")).is_empty());
        assert_eq!(variables_of(&layers, None), ["APP__PORT=2", "DATABASE__URL=b", "other=3"]);
        let expected = [
            "database.size (app.defaults.toml line 4, column 8)",
            "port (app.defaults.toml line 1, column 8)",
        ];
        assert_eq!(left_out(&layers, None), expected);
    }

    #[test]
    fn a_plain_layer_without_a_prefix_changes_no_variable() {
        let sealed = "port = 1\na.b = 2\nempty = {}\nlist = [1]\n";
        let plain = [
            "gnumakeflags = 'x'\nPath = 'x'",
            "port = 2\na.b = 3\nlist = [2, 3]",
            "port.x = 1\nempty.x = 1\na.c = 1",
            "a__b = 1",
            "'a b' = 1\nnumbers = [nan]\nzero = \"\\u0000\"",
        ];
        let alone = variables_of(&[layer(ContentType::Toml, "app.conf.enc", sealed)], None);
        for plain in plain {
            let layers = [
                layer(ContentType::Toml, "app.defaults.toml", plain),
                layer(ContentType::Toml, "app.conf.enc", sealed),
            ];
            assert_eq!(variables_of(&layers, None), alone, "{plain}");
        }
        assert_eq!(alone, ["A__B=2", "EMPTY={}", "LIST=[1]", "PORT=1"]);
    }

    #[test]
    fn a_value_that_cannot_be_a_variable_is_reported_with_its_path() {
        let text = "a.b = 1\na__b = 2\n\"x y\" = 3\n1 = 4\nlist = [nan]\nzero = \"canary\\u0000\"";
        let error = variables("app", &[layer(ContentType::Toml, "c.enc", text)], under(None)).err().unwrap();
        assert_eq!(error.kind(), Kind::DoesNotFit);
        let told: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
        let at = |line: usize, column: usize| {
            format!(", at c.enc line {line}, column {column} of the sealed text")
        };
        let expected = [
            format!("1: its path cannot become the name of an environment variable{}", at(4, 5)),
            format!("list: a list or table is exported as JSON, which has no nan and no inf{}", at(5, 8)),
            format!("\"x y\": its path cannot become the name of an environment variable{}", at(3, 9)),
            format!("a__b: its environment variable has the same name as the one of a.b: A__B{}", at(2, 8)),
            format!(
                "zero: the value contains a zero byte, which no environment variable can contain{}",
                at(6, 8)
            ),
        ];
        assert_eq!(told, expected);
        let quoted = layer(ContentType::Dotenv, "c.enc", "A='canary'");
        let error = variables("app", &[quoted], under(None)).err().unwrap().to_string();
        assert!(error.contains("A: the value begins with a quote") && !error.contains("canary"), "{error}");
    }

    #[derive(EncryptedConfig, Debug, PartialEq)]
    #[envconf(env_prefix = "APP")]
    struct App {
        level: u8,
        ratio: f64,
        text: String,
        list: Vec<String>,
        #[envconf(nested)]
        inner: Inner,
    }

    #[derive(EncryptedConfig, Debug, PartialEq)]
    struct Inner {
        on: bool,
        sizes: Vec<(i64, u64)>,
    }

    fn load(layers: &[Layer<'_>], variables: &Variables) -> App {
        let environment = Environment::new(variables, App::META.env_prefix);
        build("app", layers, &environment, Report::default(), const { &App::META }, App::build_at).unwrap().0
    }

    proptest::proptest! {
        /// Loading the variables has the same result as loading the layers.
        #[test]
        fn variables_load_as_the_layers_do(
            level: u8,
            ratio in proptest::num::f64::NORMAL | proptest::num::f64::ZERO,
            text in "[^\\x00]*",
            list in proptest::collection::vec(".*", 0..4),
            on: bool,
            sizes: Vec<(i64, u64)>,
        ) {
            let content = serde_json::json!({
                "level": level, "ratio": ratio, "text": text, "list": list, "inner": { "on": on, "sizes": sizes },
            })
            .to_string();
            let layers = [layer(ContentType::Json, "app.conf.enc", &content)];
            let direct = load(&layers, &Variables::given::<&str, &str>([]));
            let named = variables("app", &layers, under(Some("APP"))).unwrap().variables;
            let given = named.iter().map(|named| (named.name.clone(), named.value.as_str()));
            let by_variables = load(&[], &Variables::given(given));
            proptest::prop_assert_eq!(direct, by_variables);
        }
    }
}
