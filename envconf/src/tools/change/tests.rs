//! Tests of changes in each syntax, and a property test for all of them.

use proptest::prelude::*;

use super::ContentType::{Dotenv, Json, Toml};
use super::NewValue::{Literal, Text};
use super::*;
use crate::envelope::outline;
use crate::format::outline::push_key;

const TOML: &str = "\
# head

name = 'x'   # the name
port = 8_080
a.b = 1
a.c = { d = 2, e.f = 3 }
list = [
  1, # one
  2,
]

# about the database
[database]
  user = \"root\"
  # why so long
  password = '''
long
''' # secret

[server.tls]
on = true

[[peer]]
host = 'a'
[[peer]]
host = 'b'
";

fn path(path: &str) -> KeyPath {
    path.parse().unwrap()
}

fn text(bytes: Zeroizing<Vec<u8>>) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn put(ty: ContentType, content: &str, at: &str, value: NewValue<'_>) -> Result<Option<String>, String> {
    match set(ty, content.as_bytes(), &path(at), &value) {
        Ok(new) => Ok(new.map(text)),
        Err(error) => Err(error.to_string()),
    }
}

fn take(ty: ContentType, content: &str, at: &str) -> Result<Option<String>, String> {
    match unset(ty, content.as_bytes(), &path(at)) {
        Ok(new) => Ok(new.map(text)),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks that setting `at` to `new` replaces exactly the text `from` by `to`.
#[track_caller]
fn puts(ty: ContentType, content: &str, at: &str, new: NewValue<'_>, from: &str, to: &str) {
    assert_eq!(content.matches(from).count(), 1, "{from}");
    assert_eq!(put(ty, content, at, new).unwrap().unwrap(), content.replacen(from, to, 1), "{at}");
}

#[track_caller]
fn takes(ty: ContentType, content: &str, at: &str, from: &str, to: &str) {
    assert_eq!(content.matches(from).count(), 1, "{from}");
    assert_eq!(take(ty, content, at).unwrap().unwrap(), content.replacen(from, to, 1), "{at}");
}

#[test]
fn toml_a_value_is_replaced_in_place() {
    puts(Toml, TOML, "name", Text("it's"), "'x'", "\"it's\"");
    puts(Toml, TOML, "port", Text(" 0x1F\n"), "8_080", "0x1F");
    puts(Toml, TOML, "port", Literal("'eighty'"), "8_080", "'eighty'");
    puts(Toml, TOML, "a.b", Text("-2"), "a.b = 1", "a.b = -2");
    puts(Toml, TOML, "a.c.d", Text("4"), "d = 2", "d = 4");
    puts(Toml, TOML, "a.c.e.f", Text("4"), "e.f = 3", "e.f = 4");
    puts(Toml, TOML, "list[1]", Text("5"), "  2,", "  5,");
    puts(Toml, TOML, "list", Text("[]"), "[\n  1, # one\n  2,\n]", "[]");
    puts(Toml, TOML, "database.password", Text("a\nb"), "'''\nlong\n'''", "\"a\\nb\"");
    puts(Toml, TOML, "server.tls.on", Text("false"), "true", "false");
    puts(Toml, TOML, "peer[1].host", Text("c"), "'b'", "\"c\"");
}

#[test]
fn toml_a_new_key_is_added_to_its_table() {
    puts(Toml, TOML, "new", Text("1"), "  2,\n]\n", "  2,\n]\nnew = \"1\"\n");
    puts(Toml, TOML, "a.n", Literal("1"), "e.f = 3 }\n", "e.f = 3 }\na.n = 1\n");
    puts(Toml, TOML, "a.c.n.m", Literal("1"), "e.f = 3 }", "e.f = 3, n.m = 1 }");
    puts(Toml, TOML, "a.c.e.n", Literal("1"), "e.f = 3 }", "e.f = 3, e.n = 1 }");
    puts(Toml, TOML, "database.url", Text("u"), "''' # secret\n", "''' # secret\n  url = \"u\"\n");
    puts(Toml, TOML, "peer[0].port", Literal("1"), "host = 'a'\n", "host = 'a'\nport = 1\n");
    puts(Toml, TOML, "peer[0].x.y", Literal("1"), "host = 'a'\n", "host = 'a'\nx.y = 1\n");
    let end = "host = 'b'\n";
    puts(Toml, TOML, "server.port", Literal("1"), end, "host = 'b'\n\n[server]\nport = 1\n");
    puts(
        Toml,
        TOML,
        "database.pool.\"max size\"",
        Literal("1"),
        end,
        "host = 'b'\n\n[database.pool]\n\"max size\" = 1\n",
    );
    puts(Toml, TOML, "\"\u{1f600}\"", Literal("1"), "  2,\n]\n", "  2,\n]\n\"\u{1f600}\" = 1\n");
    for (before, at, after) in [
        ("", "a", "a = 1\n"),
        ("", "a.b.c", "[a.b]\nc = 1\n"),
        ("# only", "a", "# only\na = 1\n"),
        ("b = 2", "a", "b = 2\na = 1\n"),
        ("b = 2 # c", "a", "b = 2 # c\na = 1\n"),
        ("b = 2\r\n", "a", "b = 2\r\na = 1\r\n"),
        ("[t]", "t.a", "[t]\na = 1\n"),
        ("[t]\n# c\n[u]\n", "t.a", "[t]\na = 1\n# c\n[u]\n"),
        ("[t]\n", "a", "a = 1\n[t]\n"),
        ("t = {}", "t.a", "t = { a = 1 }"),
        ("t = { }", "t.a", "t = { a = 1 }"),
        ("t = {\n  b = 2, # c\n}", "t.a", "t = {\n  b = 2, a = 1, # c\n}"),
        ("t = [{}]", "t[0].a", "t = [{ a = 1 }]"),
    ] {
        assert_eq!(put(Toml, before, at, Literal("1")).unwrap().as_deref(), Some(after), "{before}");
    }
}

#[test]
fn toml_unset_deletes_lines_or_an_entry() {
    takes(Toml, TOML, "name", "name = 'x'   # the name\n", "");
    takes(Toml, TOML, "a.b", "a.b = 1\n", "");
    takes(Toml, TOML, "a", "a.b = 1\na.c = { d = 2, e.f = 3 }\n", "");
    takes(Toml, TOML, "a.c.d", "d = 2, ", "");
    takes(Toml, TOML, "a.c.e.f", ", e.f = 3", "");
    takes(Toml, TOML, "list", "list = [\n  1, # one\n  2,\n]\n", "");
    takes(Toml, TOML, "database.password", "  password = '''\nlong\n''' # secret\n", "");
    takes(Toml, TOML, "server", "[server.tls]\non = true\n", "");
    takes(Toml, TOML, "peer", "[[peer]]\nhost = 'a'\n[[peer]]\nhost = 'b'\n", "");
    takes(Toml, TOML, "peer[1].host", "host = 'b'\n", "");
    for (before, at, after) in [
        ("t = { a = 1 }", "t.a", "t = {  }"),
        ("t = { a = 1, }", "t.a", "t = {  }"),
        (
            "t = {\n  a = 1, # of a\n  # of b\n  b = 2, # end\n}",
            "t.a",
            "t = {\n  # of a\n  # of b\n  b = 2, # end\n}",
        ),
        (
            "t = {\n  a = 1, # of a\n  # of b\n  b = 2, # end\n}",
            "t.b",
            "t = {\n  a = 1, # of a\n  # of b\n   # end\n}",
        ),
        ("[t]\nx = 1\n[t.u]\ny = 2\n# kept\n[v]\n[t.w]\n", "t", "# kept\n[v]\n"),
        ("a = 1\r\nb = 2\r\n", "a", "b = 2\r\n"),
        ("a = 1\nb = 2", "b", "a = 1\n"),
    ] {
        assert_eq!(take(Toml, before, at).unwrap().as_deref(), Some(after), "{before}");
    }
}

const JSON: &str = r#"{
  "name": "x\u0041",
  "port": 8080,
  "a": {"b": 1, "c":[1, {"d": null}]},
  "empty": {}
}
"#;

#[test]
fn json_keeps_the_layout_of_the_neighbours() {
    puts(Json, JSON, "name", Text("y\""), r#""x\u0041""#, r#""y\"""#);
    puts(Json, JSON, "port", Text("1"), "8080", "1");
    puts(Json, JSON, "a.c[1].d", Text("s"), "null", "\"s\"");
    puts(Json, JSON, "a.c[0]", Literal("[2]"), "[1, ", "[[2], ");
    puts(Json, JSON, "a", Literal("1"), r#"{"b": 1, "c":[1, {"d": null}]}"#, "1");
    puts(Json, JSON, "new", Literal("1"), "\"empty\": {}", "\"empty\": {},\n  \"new\": 1");
    puts(Json, JSON, "a.n", Literal("1"), "null}]}", "null}], \"n\":1}");
    puts(Json, JSON, "a.c[1].e.f", Literal("1"), "{\"d\": null}", "{\"d\": null, \"e\": {\"f\": 1}}");
    puts(Json, JSON, "empty.x.y", Text("1"), "\"empty\": {}", "\"empty\": {\"x\": {\"y\": \"1\"}}");
    takes(Json, JSON, "name", "\"name\": \"x\\u0041\",\n  ", "");
    takes(Json, JSON, "empty", ",\n  \"empty\": {}", "");
    takes(Json, JSON, "a.b", "\"b\": 1, ", "");
    takes(Json, JSON, "a.c[1].d", "{\"d\": null}", "{}");
    let compact = r#"{"a":1}"#;
    puts(Json, compact, "b", Literal("2"), "1}", "1,\"b\":2}");
    puts(Json, "{ \"a\": 1 }", "b", Literal("2"), "1 }", "1, \"b\": 2 }");
    takes(Json, compact, "a", "\"a\":1", "");
    puts(Json, r#"{"x\u0041":"]}"}"#, "xA", Text("n"), "\"]}\"", "\"n\"");
}

#[test]
fn dotenv_keeps_every_other_line() {
    let dotenv = "# c\nA=1\nAB= x \n\nC=";
    puts(Dotenv, dotenv, "A", Text(" 'q' "), "A=1", "A= 'q' ");
    puts(Dotenv, dotenv, "AB", Text(""), "AB= x ", "AB=");
    puts(Dotenv, dotenv, "C", Text("3"), "C=", "C=3");
    puts(Dotenv, dotenv, "D", Text("4"), "C=", "C=\nD=4\n");
    takes(Dotenv, dotenv, "A", "A=1\n", "");
    takes(Dotenv, dotenv, "C", "C=", "");
    assert_eq!(put(Dotenv, "", "A", Text("1")).unwrap().as_deref(), Some("A=1\n"));
    for (at, value) in [("A", "1\n2"), ("A-B", "1"), ("A.B", "1"), ("D.E", "1")] {
        assert!(put(Dotenv, dotenv, at, Text(value)).is_err(), "{at}");
    }
}

#[test]
fn setting_the_same_value_changes_nothing() {
    assert_eq!(put(Toml, TOML, "name", Text("x")), Ok(None));
    assert_eq!(put(Toml, TOML, "port", Text("8080")), Ok(None));
    assert_eq!(put(Json, JSON, "name", Text("xA")), Ok(None));
    assert_eq!(put(Dotenv, "A=1", "A", Text("1")), Ok(None));
    assert_eq!(take(Toml, TOML, "nothing"), Ok(None));
    assert_eq!(take(Toml, TOML, "database.nothing.at.all"), Ok(None));
    assert_ne!(put(Toml, TOML, "port", Literal("8080.0")), Ok(None), "of another type");
    puts(Toml, "a = 1.1\n", "a", Text("1.10"), "a = 1.1", "a = 1.10");
    puts(Json, r#"{"a":1e3}"#, "a", Literal("1000.0"), "1e3", "1000.0");
    assert_eq!(put(Toml, "a = 1_000", "a", Text("1000")), Ok(None), "underscores make no difference");
}

#[test]
fn only_a_literal_changes_the_type() {
    for (at, value, expected) in [
        ("port", "canary", "an integer"),
        ("port", "1.5", "an integer"),
        ("server.tls.on", "canary", "true or false"),
        ("list", "canary", "a list"),
        ("a.c", "canary", "a table"),
    ] {
        let error = put(Toml, TOML, at, Text(value)).unwrap_err();
        assert!(
            error.starts_with(&format!("the value: 1 problem\n  {at}: expected {expected}\n")),
            "{error}"
        );
        assert!(!error.contains("canary"));
    }
    let float = put(Toml, "f = 1.5\n", "f", Text("2")).unwrap();
    assert_eq!(float.as_deref(), Some("f = 2.0\n"));
    for bad in ["canary", "1 # c", "1\nport = 2", "1, b = 2", "", "]"] {
        for (ty, text) in [(Toml, "port = 1\n"), (Toml, "t = { port = 1 }\n"), (Json, "{\"port\":1}")] {
            let at = if text.starts_with('t') { "t.port" } else { "port" };
            let error = put(ty, text, at, Literal(bad)).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}

#[test]
fn an_error_names_the_unreachable_part_of_a_path() {
    for (at, part) in [
        ("name.x", "name: it is not a table"),
        ("list.x", "list: it is a list"),
        ("name[0]", "name: it is not a list"),
        ("list[2]", "the list ends before list[2]"),
        ("database", "expected a table"),
    ] {
        let error = put(Toml, TOML, at, Text("1")).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    assert!(put(Toml, TOML, "database", Literal("1")).unwrap_err().contains("set the values in it"));
    assert!(take(Toml, TOML, "list[0]").unwrap_err().contains("envconf edit"));
    assert!(take(Toml, TOML, "a.c.e").unwrap_err().contains("envconf edit"));
    for ty in [ContentType::Yaml, ContentType::Raw] {
        let error = set(ty, b"a: 1\n", &path("a"), &Text("1")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn scalars_are_shown_as_text_and_others_as_json() {
    let find = |at: &str| get(Toml, TOML.as_bytes(), &path(at)).unwrap();
    for (at, shown, json) in [
        ("name", "x", "\"x\""),
        ("port", "8080", "8080"),
        ("database.password", "long\n", "\"long\\n\""),
        ("a", r#"{"b":1,"c":{"d":2,"e":{"f":3}}}"#, r#"{"b":1,"c":{"d":2,"e":{"f":3}}}"#),
        ("list", "[1,2]", "[1,2]"),
        ("peer[1]", r#"{"host":"b"}"#, r#"{"host":"b"}"#),
    ] {
        assert_eq!((find(at).text(), find(at).json().as_str()), (shown, json));
    }
    let numbers = "v = 1.10\np = +1\nx = 0x1F\nn = [1.10, +1, 1_0]\n";
    let find = |at: &str| get(Toml, numbers.as_bytes(), &path(at)).unwrap();
    for (at, shown, json) in
        [("v", "1.10", "1.10"), ("p", "+1", "1"), ("x", "31", "31"), ("n", "[1.10,1,10]", "[1.10,1,10]")]
    {
        assert_eq!((find(at).text(), find(at).json().as_str()), (shown, json));
    }
    let other = "d = 1979-05-27T07:32:00Z\nf = [inf, 1.0, -nan]\ni = inf\n";
    let find = |at: &str| get(Toml, other.as_bytes(), &path(at)).unwrap();
    assert_eq!(
        (find("d").text(), find("d").json().as_str()),
        ("1979-05-27T07:32:00Z", "\"1979-05-27T07:32:00Z\"")
    );
    assert_eq!(find("f").text(), r#"["inf",1.0,"nan"]"#);
    assert_eq!((find("i").text(), find("i").json().as_str()), ("inf", "\"inf\""));
    assert!(!format!("{:?}", find("d")).contains("1979"));
    let error = get(Toml, TOML.as_bytes(), &path("database.pasword")).unwrap_err();
    assert_eq!(error.to_string(), "database.pasword: no such key\ndid you mean password?");
    assert_eq!(error.exit_code(), 20);
}

#[test]
#[cfg(feature = "yaml")]
fn yaml_can_be_read_by_a_path() {
    let found = get(ContentType::Yaml, b"a:\n  b: [1, x]\n", &path("a.b[1]")).unwrap();
    assert_eq!((found.text(), found.shape()), ("x", ValueKind::String));
}

/// Generates a value that JSON and TOML write alike.
fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<bool>().prop_map(|bool| bool.to_string()),
        any::<i64>().prop_map(|integer| integer.to_string()),
        any::<String>().prop_map(|text| crate::base::json_string(&text).to_string()),
        Just("[1, [2, \"]\"]]".to_owned()),
    ]
}

/// Generates a key, bare or quoted.
fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[abc]", "[ab ]{1,2}", "\u{e9}"].prop_map(|key| {
        let mut path = String::new();
        push_key(&mut path, &key);
        path
    })
}

fn leaf_paths(ty: ContentType, text: &str) -> Vec<String> {
    outline::paths(ty, text.as_bytes()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Builds texts with `set`, reads them with `get` and removes the values with `unset`. The functions check that all
    /// other values stay the same, and so does this test.
    // Pitfall 30.
    #[test]
    fn a_set_value_is_found_and_all_others_stay(
        is_json in any::<bool>(),
        start in prop_oneof![Just(""), Just("a = { b.c = 1 } # x\n"), Just("# x\n[a]\nb.c = 1 # y\n[a.c]\n# z\n[[b]]\nc = 1"), Just("[a.b]\n"), Just("a.b.c = 1\r\n# x\r\n")],
        steps in prop::collection::vec((prop::collection::vec(key(), 1..4), scalar()), 1..12),
    ) {
        let (ty, start) = if is_json { (Json, "{ }") } else { (Toml, start) };
        let comments = |text: &str| text.matches('#').count();
        let mut text = start.to_owned();
        for (keys, value) in steps {
            let at = keys.join(".");
            let before = leaf_paths(ty, &text);
            match put(ty, &text, &at, Literal(&value)) {
                Ok(Some(new)) => {
                    if !is_json && !value.starts_with('"') {
                        prop_assert!(comments(&new) >= comments(start).min(comments(&text)));
                    }
                    let found = get(ty, new.as_bytes(), &path(&at)).unwrap();
                    let (found, value) = (found.json(), serde_json::from_str::<serde_json::Value>(&value).unwrap());
                    prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&found).unwrap(), value);
                    for other in before.iter().filter(|other| **other != at && !other.starts_with(&format!("{at}."))) {
                        let json = |text: &str| get(ty, text.as_bytes(), &path(other)).map(|found| found.json().to_string());
                        // An empty table on the path was a leaf before, and is not one now.
                        if !at.starts_with(&format!("{other}.")) {
                            prop_assert_eq!(json(&text).unwrap(), json(&new).unwrap());
                        }
                    }
                    text = new;
                }
                Ok(None) => {}
                Err(error) => prop_assert!(error.contains("not a table") || error.contains("a list;") || error.contains("this is a table"), "{}: {}", text, error),
            }
        }
        for at in leaf_paths(ty, &text) {
            // A table may have been removed with its last value.
            if let Some(new) = take(ty, &text, &at).unwrap() {
                prop_assert!(get(ty, new.as_bytes(), &path(&at)).is_err());
                text = new;
            }
        }
    }
}
