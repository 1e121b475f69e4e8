//! The parser of YAML 1.2 with the core schema: one document, and each key is a text that occurs once.
//!
//! An alias is a copy of the node with its anchor. The number of copies is limited. Merge keys, which YAML 1.2 does not
//! have, and tags outside of the core schema are errors.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use zeroize::Zeroizing;

use super::tree::{Entry, MAX_DEPTH, Node, Place, Table, Text, Value};
use super::{Broken, SyntaxFault};

const SYNTAX: &str = "YAML";
/// Maximum number of values that are copies. It limits aliases of aliases.
const MAX_COPIES: usize = 10_000;
/// Maximum size of all copied texts in bytes, in addition to [`COPIED_PER_BYTE`] for each byte of the document.
const MAX_COPIED: usize = 1 << 20;
const COPIED_PER_BYTE: usize = 4;

/// Parses the document `text`. An empty document is an empty table.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Broken> {
    let mut reader = YamlReader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        copies: 0,
        copied: 0,
        text,
    };
    let root = match reader.first()? {
        Some((event, place)) => reader.node(event, place, MAX_DEPTH)?,
        None => Node { value: Value::Null, place: Place(0) },
    };
    reader.end()?;
    let empty = || table_of(Vec::new());
    match root.value {
        Value::Null => Ok(Node { value: Value::Table(empty()?), place: root.place }),
        Value::Table(_) => Ok(root),
        _ => Err(Broken {
            syntax: "YAML with a mapping at its root",
            place: root.place,
            fault: SyntaxFault::Grammar,
        }),
    }
}

struct YamlReader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node<'a>>,
    copies: usize,
    /// Size of all copied texts in bytes, including keys.
    copied: usize,
    text: &'a str,
}

impl<'a> YamlReader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Broken> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, place(&span))),
            Some(Err(error)) => Err(scan_fault(&error)),
            None => Err(broken(Place(self.text.len()))),
        }
    }

    /// Returns the first event of the document; `None` if there is no document.
    fn first(&mut self) -> Result<Option<(Event<'a>, Place)>, Broken> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => return Ok(None),
                node => return Ok(Some(node)),
            }
        }
    }

    /// Rejects text after the document.
    fn end(&mut self) -> Result<(), Broken> {
        while let Some(next) = self.parser.next_event() {
            let (event, span) = next.map_err(|error| scan_fault(&error))?;
            match event {
                Event::DocumentEnd | Event::StreamEnd => {}
                _ => {
                    return Err(Broken {
                        syntax: "YAML of one document",
                        place: place(&span),
                        fault: SyntaxFault::Grammar,
                    });
                }
            }
        }
        Ok(())
    }

    /// Reads the node that begins with `event`. `depth` is the number of containers that may still be opened.
    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node<'a>, Broken> {
        let (anchor, value) = match event {
            Event::Alias(anchor) => return self.copied(anchor, place, depth),
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(text, style, tag.as_deref(), place)?),
            Event::SequenceStart(_, anchor, tag) if depth > 0 => {
                expect_tag(tag.as_deref(), "seq", place)?;
                (anchor, Value::Array(self.items(depth - 1)?))
            }
            Event::MappingStart(_, anchor, tag) if depth > 0 => {
                expect_tag(tag.as_deref(), "map", place)?;
                (anchor, Value::Table(self.entries(depth - 1)?))
            }
            _ => return Err(broken(place)),
        };
        let node = Node { value, place };
        if anchor != 0 {
            let copy = self.copy(&node, place, depth)?;
            self.anchors.insert(anchor, copy);
        }
        Ok(node)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node<'a>>, Broken> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, place) => {
                    let item =
                        self.node(event, place, depth).map_err(|broken| broken.within_item(items.len()))?;
                    items.push(item);
                }
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Table<'a>, Broken> {
        let mut entries = Vec::new();
        loop {
            let (key, key_place) = match self.next()? {
                (Event::MappingEnd, _) => return table_of(entries),
                (Event::Scalar(key, style, 0, None), place) => {
                    refuse_merge(&key, style, place)?;
                    (Text::from(key), place)
                }
                (_, place) => {
                    return Err(Broken {
                        syntax: "YAML with plain keys",
                        place,
                        fault: SyntaxFault::Grammar,
                    });
                }
            };
            let (event, place) = self.next()?;
            let node = self.node(event, place, depth).map_err(|broken| broken.within(&key))?;
            entries.push(Entry { key, key_place, node });
        }
    }

    /// Returns a copy of the node that the alias at `place` names. The copy keeps the positions of the original.
    fn copied(&mut self, anchor: usize, place: Place, depth: usize) -> Result<Node<'a>, Broken> {
        // The anchor is removed during the copy, so that an alias inside its own anchor is an error.
        let Some(original) = self.anchors.remove(&anchor) else { return Err(broken(place)) };
        let copy = self.copy(&original, place, depth);
        self.anchors.insert(anchor, original);
        copy
    }

    fn copy(&mut self, node: &Node<'a>, alias: Place, depth: usize) -> Result<Node<'a>, Broken> {
        self.copies += 1;
        let is_container = matches!(node.value, Value::Array(_) | Value::Table(_));
        if self.copies > MAX_COPIES || is_container && depth == 0 {
            return Err(Broken {
                syntax: "YAML with so many aliases",
                place: alias,
                fault: SyntaxFault::Grammar,
            });
        }
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(*value),
            Value::Integer(value) => Value::Integer(*value),
            Value::Float(value) => Value::Float(*value),
            Value::Datetime(value) => Value::Datetime(*value),
            Value::String(text) => Value::String(self.copied_text(text, alias)?),
            Value::Array(items) => {
                let copies = items.iter().map(|item| self.copy(item, alias, depth - 1));
                Value::Array(copies.collect::<Result<_, _>>()?)
            }
            Value::Table(table) => {
                let copies = table.entries().iter().map(|entry| {
                    let key = self.copied_text(&entry.key, alias)?;
                    let node = self.copy(&entry.node, alias, depth - 1)?;
                    Ok(Entry { key, key_place: entry.key_place, node })
                });
                Value::Table(table_of(copies.collect::<Result<_, _>>()?)?)
            }
        };
        Ok(Node { value, place: node.place })
    }

    /// Copies a text. Borrowed texts also count for the limit, because output writes each copy.
    fn copied_text(&mut self, text: &Text<'a>, alias: Place) -> Result<Text<'a>, Broken> {
        self.copied += text.len();
        if self.copied > MAX_COPIED + COPIED_PER_BYTE * self.text.len() {
            let syntax = "YAML whose aliases expand to this much text";
            return Err(Broken { syntax, place: alias, fault: SyntaxFault::Grammar });
        }
        Ok(match text {
            Text::Borrowed(text) => Text::Borrowed(text),
            Text::Owned(text) => Text::Owned(Zeroizing::clone(text)),
        })
    }
}

/// Rejects a merge key. YAML 1.2 would silently read it as a normal key.
fn refuse_merge(key: &str, style: ScalarStyle, place: Place) -> Result<(), Broken> {
    match style {
        ScalarStyle::Plain if key == "<<" => {
            Err(Broken { syntax: "YAML 1.2, which has no merge keys", place, fault: SyntaxFault::Grammar })
        }
        _ => Ok(()),
    }
}

fn expect_tag(tag: Option<&Tag>, expected: &str, place: Place) -> Result<(), Broken> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema_tag(expected) => Err(foreign(place)),
        _ => Ok(()),
    }
}

/// Reads a scalar by its tag. Without a tag, reads a plain scalar by the core schema.
fn scalar<'a>(
    text: Cow<'a, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    place: Place,
) -> Result<Value<'a>, Broken> {
    let Some(tag) = tag else {
        return Ok(match style {
            ScalarStyle::Plain => plain(text),
            _ => Value::String(Text::from(text)),
        });
    };
    let kind = tag.core_suffix();
    if kind == Some("str") {
        return Ok(Value::String(Text::from(text)));
    }
    let value = plain(text);
    match (kind, &value) {
        (Some("null"), Value::Null) | (Some("bool"), Value::Bool(_)) | (Some("int"), Value::Integer(_)) => {
            Ok(value)
        }
        (Some("float"), Value::Float(_)) => Ok(value),
        (Some("float"), Value::Integer(number)) => Ok(Value::Float(*number as f64)),
        _ => Err(foreign(place)),
    }
}

/// Reads a plain scalar by the core schema (YAML 1.2.2 §10.3.2).
fn plain(text: Cow<'_, str>) -> Value<'_> {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number => match integer(number) {
            Some(integer) => Value::Integer(integer),
            None => match float(number) {
                Some(float) => Value::Float(float),
                None => Value::String(Text::from(text)),
            },
        },
    }
}

/// Parses an integer that fits into `Value::Integer`. A larger decimal number is a float, as in JSON.
fn integer(text: &str) -> Option<i128> {
    const INTEGERS: std::ops::RangeInclusive<i128> = i64::MIN as i128..=u64::MAX as i128;
    let (digits, radix) = match text.split_at_checked(2) {
        Some(("0x", digits)) => (digits, 16),
        Some(("0o", digits)) => (digits, 8),
        _ => (text, 10),
    };
    // `from_str_radix` accepts a sign, which YAML allows only for decimal numbers.
    let unsigned = digits.strip_prefix(['-', '+']).filter(|_| radix == 10).unwrap_or(digits);
    let fits = unsigned.starts_with(|first: char| first.is_digit(radix));
    let number = fits.then(|| i128::from_str_radix(digits, radix).ok()).flatten()?;
    Some(number).filter(|number| INTEGERS.contains(number))
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(f64::NAN),
        _ => {}
    }
    // Rust also reads `inf` and `nan`, which are texts in YAML.
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    is_number.then(|| text.parse::<f64>().ok()).flatten().filter(|number| number.is_finite())
}

fn foreign(place: Place) -> Broken {
    Broken { syntax: "YAML with the tags of the core schema", place, fault: SyntaxFault::Grammar }
}

fn place(span: &Span) -> Place {
    Place(span.start.byte_offset().unwrap_or_default())
}

fn table_of(entries: Vec<Entry<'_>>) -> Result<Table<'_>, Broken> {
    Table::new(entries).map_err(|repeated| repeated.broken(SYNTAX))
}

/// Converts an error of the parser. Drops its message, which may quote content.
fn scan_fault(error: &ScanError) -> Broken {
    let place = Place(error.marker().byte_offset().unwrap_or_default());
    let fault = match error.kind() {
        ErrorKind::UnclosedQuotedScalar => SyntaxFault::Unclosed("string"),
        ErrorKind::UnclosedFlowCollection { open: '{' } => SyntaxFault::Unclosed("mapping"),
        ErrorKind::UnclosedFlowCollection { .. } => SyntaxFault::Unclosed("list"),
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation | ErrorKind::TabNotAllowed => {
            SyntaxFault::Rule("a tab cannot indent a line; use spaces")
        }
        ErrorKind::UnknownAnchor => SyntaxFault::Rule("this alias has no anchor before it"),
        ErrorKind::RecursionLimitExceeded => SyntaxFault::TooDeep,
        _ => SyntaxFault::Grammar,
    };
    Broken { syntax: SYNTAX, place, fault }
}

fn broken(place: Place) -> Broken {
    Broken { syntax: SYNTAX, place, fault: SyntaxFault::Grammar }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize as _;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::syntax::de;

    fn as_json(text: &str) -> Option<Json> {
        let node = parse(text).ok()?;
        de::from_node(&node, |given| Json::deserialize(given)).value.ok()
    }

    #[track_caller]
    fn refused(text: &str) -> (&'static str, (usize, usize)) {
        let broken = parse(text).err().unwrap();
        (broken.syntax, broken.place.in_text(text))
    }

    #[test]
    fn the_copied_text_of_aliases_is_limited() {
        const SO_MUCH: &str = "YAML whose aliases expand to this much text";
        let aliases = |count: usize| "- *x\n".repeat(count);
        for scalar in [
            "x".repeat(1 << 20),
            format!("\"{}\"", "\\n".repeat(1 << 19)),
            format!("'{}'", "a''".repeat(1 << 18)),
            format!("{{ {}: 1 }}", "k".repeat(900)),
        ] {
            let text = format!("a: &x {scalar}\nb:\n{}", aliases(9_000));
            assert_eq!(refused(&text).0, SO_MUCH);
            // A few aliases are allowed.
            assert!(parse(&format!("a: &x {scalar}\nb:\n{}", aliases(2))).is_ok());
        }
        // Aliases of aliases, and anchors within anchors.
        let doubled: String = (1..30).map(|at| format!("a{at}: &a{at} [*a{0}, *a{0}]\n", at - 1)).collect();
        assert_eq!(refused(&format!("a0: &a0 {}\n{doubled}", "x".repeat(100_000))).0, SO_MUCH);
        let within: String = (0..100).map(|at| format!("&a{at} [")).collect();
        let text = format!("a: {within}{}{}", "x".repeat(1 << 19), "]".repeat(100));
        assert_eq!(refused(&text).0, SO_MUCH);
        // A small document may repeat its text often.
        assert!(parse(&format!("a: &x {}\nb:\n{}", "x".repeat(200), aliases(5_000))).is_ok());
    }

    #[test]
    fn a_plain_scalar_is_read_by_the_core_schema() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!("yes")),
            ("NO", json!("NO")),
            ("true", json!(true)),
            ("'true'", json!("true")),
            ("\"1\"", json!("1")),
            ("0123", json!(123)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("-0x1", json!("-0x1")),
            ("0x-1", json!("0x-1")),
            ("+5", json!(5)),
            ("1_000", json!("1_000")),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!(18446744073709551616.0)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1e3", json!(1000.0)),
            ("inf", json!("inf")),
            ("nan", json!("nan")),
            ("e5", json!("e5")),
            (".", json!(".")),
            ("1979-05-27", json!("1979-05-27")),
            ("!!str 5", json!("5")),
            ("!!float 5", json!(5.0)),
            ("!!int '5'", json!(5)),
            ("|\n  x\n  y\n", json!("x\ny\n")),
            (">-\n  x\n  y\n", json!("x y")),
        ] {
            assert_eq!(as_json(&format!("a: {text}")), Some(json!({ "a": expected })), "{text}");
        }
        let infinite = |text: &str| matches!(plain(text.into()), Value::Float(x) if x.is_infinite());
        assert!(infinite(".inf") && infinite("-.INF") && infinite("+.Inf"));
        assert!(matches!(plain(".nan".into()), Value::Float(x) if x.is_nan()));
    }

    #[test]
    fn blocks_flows_and_comments_are_read_with_positions() {
        let text = "# c\na:\n  - {b: 1, c: [x]} # d\n  -\n\u{e9}: 'y'\n";
        assert_eq!(as_json(text), Some(json!({"a": [{"b": 1, "c": ["x"]}, null], "\u{e9}": "y"})));
        let root = parse(text).ok().unwrap();
        let Value::Table(root) = root.value else { panic!() };
        let place =
            |key: &str| root.get(key).map(|e| (e.key_place.in_text(text), e.node.place.in_text(text)));
        assert_eq!(place("\u{e9}"), Some(((5, 1), (5, 4))));
        assert_eq!(place("a"), Some(((2, 1), (3, 3))));
        for empty in ["", "---\n", "# only a comment\n", "~"] {
            assert_eq!(as_json(empty), Some(json!({})), "{empty:?}");
        }
    }

    #[test]
    fn plain_texts_are_borrowed() {
        let Value::Table(root) = parse("a: x y\nb: \"z\\u0041\"").ok().unwrap().value else { panic!() };
        assert!(matches!(root.get("a").unwrap().node.value, Value::String(Text::Borrowed("x y"))));
        assert!(matches!(&root.get("b").unwrap().node.value, Value::String(text) if &**text == "zA"));
    }

    #[test]
    fn ambiguous_yaml_is_rejected_with_its_position() {
        assert_eq!(refused("a: 1\nb: 2\na: 3"), ("YAML", (3, 1)));
        assert_eq!(refused("a: {b: 1,\n 'b': 2}"), ("YAML", (2, 2)));
        assert_eq!(refused("a: 1\n---\nb: 1").0, "YAML of one document");
        assert_eq!(refused("x: &x {a: 1}\ny:\n  <<: *x"), ("YAML 1.2, which has no merge keys", (3, 3)));
        assert_eq!(refused("a: !!binary aGk="), ("YAML with the tags of the core schema", (1, 13)));
        assert_eq!(refused("a: !secret x").0, "YAML with the tags of the core schema");
        assert_eq!(refused("a: !!int x").0, "YAML with the tags of the core schema");
        assert_eq!(refused("? [a]\n: 1").0, "YAML with plain keys");
        assert_eq!(refused("- a").0, "YAML with a mapping at its root");
        assert_eq!(refused("a: *nowhere").0, "YAML");
        assert_eq!(refused("a: 'x").0, "YAML");
        assert_eq!(refused("a:\n\t- b").0, "YAML");
        assert_eq!(as_json("'<<': 1"), Some(json!({"<<": 1})));
    }

    #[test]
    fn a_fault_has_the_position_where_it_begins() {
        let fault = |text: &str| {
            let broken = parse(text).err().unwrap();
            (broken.place.in_text(text), broken.fault)
        };
        for (text, at, what) in [
            ("a: 1\nb: \"x\nc: 2\n", (2, 4), "string"),
            ("a: 1\nb: 'x\nc: 2\n", (2, 4), "string"),
            ("a: 1\nb: [1,\n  2\n", (2, 4), "list"),
            ("a: 1\nb: {c: 1,\n", (2, 4), "mapping"),
        ] {
            assert_eq!(fault(text), (at, SyntaxFault::Unclosed(what)), "{text}");
        }
        assert_eq!(fault("a:\n\tb: 1").1, SyntaxFault::Rule("a tab cannot indent a line; use spaces"));
        let repeated = |path: &[&str], line| {
            let path = path.iter().map(|key| super::super::PathPart::Key((*key).to_owned())).collect();
            SyntaxFault::Repeated { path, first: Place(line) }
        };
        assert_eq!(fault("a: 1\nb: 2\na: 3"), ((3, 1), repeated(&["a"], 0)));
        assert_eq!(fault("a:\n  b: 1\n  'b': 2"), ((3, 3), repeated(&["a", "b"], 5)));
    }

    #[test]
    fn aliases_are_copies_and_their_number_is_limited() {
        let text = "a: &a {x: [1, \"\\u0032\"]}\nb: *a\nc: [*a, *a]";
        let a = json!({"x": [1, "2"]});
        assert_eq!(as_json(text), Some(json!({"a": a, "b": a, "c": [a, a]})));
        let line = |i: usize| format!("l{i}: &l{i} [{}]\n", vec![format!("*l{}", i - 1); 10].join(", "));
        let bomb =
            format!("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n{}", (1..10).map(line).collect::<String>());
        assert_eq!(refused(&bomb).0, "YAML with so many aliases");
        assert_eq!(refused("a: &a [*a]").0, "YAML", "a value within itself");
        let deep = |i: usize| format!("l{i}: &l{i} [*l{}]\n", i - 1);
        let chain = format!("l0: &l0 []\n{}", (1..200).map(deep).collect::<String>());
        assert_eq!(refused(&chain).0, "YAML with so many aliases", "deeper than a text may be");
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let flow = |levels: usize| format!("a: {}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&flow(MAX_DEPTH - 1)).is_ok());
        assert!(parse(&flow(MAX_DEPTH)).is_err());
        assert!(parse(&flow(100_000)).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
    }

    fn json_value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<i32>().prop_map(|n| Json::from(f64::from(n) / 8.0)),
            "[ -~]{0,12}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map("[ -~]{0,6}", inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_yaml(value in prop::collection::btree_map("[a-z<]{1,5}", json_value(), 0..4)) {
            let value = Json::Object(value.into_iter().collect());
            prop_assert_eq!(as_json(&value.to_string()), Some(value.clone()));
            prop_assert_eq!(as_json(&serde_json::to_string_pretty(&value).unwrap()), Some(value));
        }

        #[test]
        fn nothing_panics(text in any::<String>(), lines in "([a-c:&*!|>{}\\[\\],'\" \n#?~<0-9-]){0,40}") {
            let _ = (as_json(&text), as_json(&lines));
        }
    }
}
