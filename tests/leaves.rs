//! Tests of the messages about leaves, which contain constants of their types and never a value.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use common::{load_traced, told};
use envconf::{EncryptedConfig, Error};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

fn load<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Result<T, Error> {
    load_traced("toml", toml, variables).map(|(value, _)| value)
}

/// Returns the problems, without their positions in the content.
#[track_caller]
fn problems<T: EncryptedConfig>(toml: &str) -> Vec<String> {
    let error = load::<T>(toml, &[]).err().expect("the load should fail");
    error.problems().iter().map(|problem| without_place(&told(problem))).collect()
}

#[track_caller]
fn problems_of_variable<T: EncryptedConfig>(name: &str, text: &str) -> Vec<String> {
    let error = load::<T>("", &[(name, text)]).err().expect("the load should fail");
    error.problems().iter().map(told).collect()
}

fn without_place(text: &str) -> String {
    text.split(", at config/").next().unwrap().to_owned()
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Format {
    Plaintext,
    Json,
    Logfmt,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Variable {
    name: String,
    #[serde(default)]
    value: Option<u16>,
    #[serde(default)]
    bind: Option<SocketAddr>,
    #[serde(default, alias = "old")]
    new: Option<bool>,
}

#[derive(Deserialize, Debug, PartialEq)]
enum Single {
    Only,
}

#[derive(Deserialize, Debug, PartialEq)]
enum Store {
    Memory,
    Disk { path: PathBuf },
    Pair(u8, u8),
    Size(u8),
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Tagged {
    Disk { path: PathBuf, options: Option<HashMap<String, u8>> },
    S3 { bucket: String },
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Number(u8),
    Named { name: String },
}

#[derive(Deserialize, Debug, PartialEq)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    more: More,
}

#[derive(Deserialize, Debug, PartialEq)]
struct More {
    name: String,
    limits: Option<Limits>,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Limits {
    most: u8,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Strict {
    host: String,
    port: u16,
}

/// A type that accepts a text or a table. Many programs have such a type.
#[derive(Debug, PartialEq)]
struct Either(String);

impl<'de> Deserialize<'de> for Either {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Either;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a table")
            }
            fn visit_str<E>(self, text: &str) -> Result<Either, E> {
                Ok(Either(text.to_owned()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                let table = serde::de::value::MapAccessDeserializer::new(map);
                Variable::deserialize(table).map(|variable| Either(variable.name))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Deserialize, Debug)]
#[expect(dead_code, reason = "only its failures matter")]
struct Opaque {
    name: String,
    anything: IgnoredAny,
}

#[derive(EncryptedConfig, Debug)]
#[envconf(env_prefix = "L")]
#[expect(dead_code, reason = "only its failures matter")]
struct Leaves {
    format: Option<Format>,
    single: Option<Single>,
    env: Option<Vec<Variable>>,
    by_name: Option<BTreeMap<String, Variable>>,
    by_number: Option<HashMap<u16, Vec<u16>>>,
    by_format: Option<BTreeMap<String, HashMap<String, Format>>>,
    store: Option<Store>,
    tagged: Option<Tagged>,
    adjacent: Option<Adjacent>,
    flat: Option<Flat>,
    strict: Option<Strict>,
    either: Option<Either>,
    opaque: Option<Opaque>,
    pair: Option<(u8, SocketAddr)>,
    array: Option<[u8; 3]>,
    matrix: Option<Vec<[f64; 2]>>,
    addresses: Option<Vec<IpAddr>>,
    letters: Option<Vec<char>>,
    #[envconf(allow_unknown_fields)]
    open: Option<Variable>,
    #[envconf(secret)]
    tokens: Option<BTreeMap<String, u8>>,
    #[envconf(secret)]
    credentials: Option<Vec<Strict>>,
    #[envconf(secret)]
    ignoring: Option<BTreeMap<String, Variable>>,
}

#[test]
fn variants_fields_and_lengths_are_named() {
    for (toml, problem) in [
        ("format = 'text'", "format: unknown variant, expected one of plaintext, json, logfmt"),
        ("format = 3", "format: expected Option<Format>"),
        ("single = 'x'", "single: unknown variant, expected Only"),
        ("env = [{ name = 'a' }, {}]", "env[1].name: missing"),
        ("env = [{ name = 'a', value = 70000 }]", "env[0].value: expected u16"),
        ("env = [{ name = 'a', value = 'x' }]", "env[0].value: expected u16"),
        ("env = [{ name = 3 }]", "env[0].name: expected a string"),
        ("env = [{ name = 'a', new = 1 }]", "env[0].new: expected true or false"),
        ("env = [{ name = 'a', bind = 'x' }]", "env[0].bind: expected the type of Variable::bind"),
        ("env = [{ name = 'a', new = true, old = true }]", "env[0]: new is given twice"),
        ("env = [1]", "env[0]: expected Variable"),
        ("env = 'x'", "env: expected Option<Vec<Variable>>"),
        ("by_name = { a = {} }", "by_name.a.name: missing"),
        ("by_name = { 'a.b' = 3 }", "by_name.\"a.b\": expected Variable"),
        ("by_number = { x = [] }", "by_number.x: expected u16 as the key"),
        ("by_number = { 1 = [1, -1] }", "by_number.1[1]: expected u16"),
        (
            "by_format = { a = { b = 'c' } }",
            "by_format.a.b: unknown variant, expected one of plaintext, json, logfmt",
        ),
        ("store = 'Tape'", "store: unknown variant, expected one of Memory, Disk, Pair, Size"),
        ("store = { Tape = 1 }", "store: unknown variant, expected one of Memory, Disk, Pair, Size"),
        ("store = { Disk = {} }", "store.Disk.path: missing"),
        ("store = { Disk = { path = 1 } }", "store.Disk.path: expected a string"),
        ("store = { Pair = [1] }", "store.Pair: expected a list of 2 values"),
        ("store = { Pair = [1, 2, 3, 4, 5, 6, 7] }", "store.Pair: expected a list of 2 values"),
        ("store = { Size = 'x' }", "store.Size: expected u8"),
        ("store = 'Disk'", "store: expected Option<Store>"),
        ("store = {}", "store: expected Option<Store>"),
        ("tagged = { bucket = 'b' }", "tagged.type: missing"),
        ("tagged = { type = 'tape' }", "tagged.type: unknown variant, expected one of disk, s3"),
        ("tagged = { type = 's3' }", "tagged.bucket: missing"),
        ("tagged = { type = 'disk', options = {} }", "tagged: path is missing, here or further down"),
        ("adjacent = { kind = 'Named', of = {} }", "adjacent.of.name: missing"),
        ("adjacent = { kind = 'Number', of = 'x' }", "adjacent.of: expected u8"),
        ("adjacent = { kind = 'Number' }", "adjacent.of: missing"),
        ("flat = { id = 1 }", "flat.name: missing"),
        ("flat = { id = 1, name = 'a', limits = {} }", "flat: most is missing, here or further down"),
        (
            "strict = { host = 'h', prot = 1 }",
            "strict.prot: no such key (did you mean port?), expected one of host, port",
        ),
        ("strict = { host = 'h', other = 1 }", "strict.other: no such key, expected one of host, port"),
        ("pair = [1]", "pair: expected a list of 2 values"),
        ("pair = [1, 'x']", "pair[1]: expected a socket address such as 127.0.0.1:8080"),
        ("array = [1, 2]", "array: expected a list of 3 values"),
        ("array = [1, 2, 3, 4]", "array: expected a list of 3 values"),
        ("array = [1, 2, 300]", "array[2]: expected u8"),
        ("matrix = [[1.0, 2.0], [1.0]]", "matrix[1]: expected a list of 2 values"),
        ("addresses = ['::1', 'localhost']", "addresses[1]: expected an IP address such as 127.0.0.1"),
        ("letters = ['ab']", "letters[0]: expected a single character such as x"),
    ] {
        assert_eq!(problems::<Leaves>(toml), [problem], "{toml}");
    }
}

#[test]
fn messages_about_variables_have_no_positions() {
    for (name, text, problem) in [
        ("L__FORMAT", "text", "format: unknown variant, expected one of plaintext, json, logfmt"),
        ("L__ENV", "[{ name = 'a' }, {}]", "env[1].name: missing"),
        ("L__ENV", r#"[{"name": "a", "nam": 1}]"#, "env[0].nam: no such key (did you mean name?)"),
        ("L__ARRAY", "[1]", "array: expected a list of 3 values"),
        ("L__STORE", "{ Pair = [1] }", "store.Pair: expected a list of 2 values"),
        ("L__PAIR", "1,2", "pair: expected Option<(u8, SocketAddr)>"),
    ] {
        let problems = problems_of_variable::<Leaves>(name, text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(problem), "{problems:?}");
        assert!(problems[0].ends_with(&format!(", at environment variable {name}")), "{problems:?}");
    }
}

#[test]
fn a_key_that_a_type_ignores_is_an_unknown_key() {
    let known = "expected one of name, value, bind, new, old";
    for (toml, expected) in [
        (
            "env = [{ name = 'a', valeu = 1 }]",
            vec![format!("env[0].valeu: no such key (did you mean value?), {known}")],
        ),
        (
            "[[env]]\nname = 'a'\nx = 1\n[[env]]\nname = 'b'\n'y z' = { name = 'c', q = 1 }",
            vec![format!("env[0].x: no such key, {known}"), format!("env[1].\"y z\": no such key, {known}")],
        ),
        (
            "by_name = { k = { name = 'a', nmae = 'b' } }",
            vec![format!("by_name.k.nmae: no such key (did you mean name?), {known}")],
        ),
        (
            "store = { Disk = { path = 'p', paht = 'q' } }",
            vec!["store.Disk.paht: no such key (did you mean path?), expected path".to_owned()],
        ),
        (
            "adjacent = { kind = 'Number', of = 1, off = 2 }",
            vec!["adjacent.off: no such key (did you mean of?), expected one of kind, of".to_owned()],
        ),
        (
            "adjacent = { kind = 'Named', of = { name = 'a', mame = 1 } }",
            vec!["adjacent.of.mame: no such key".to_owned()],
        ),
        ("either = { name = 'a', x = 1 }", vec!["either.x: no such key".to_owned()]),
        // An invalid value does not hide the ignored keys before it.
        (
            "env = [{ name = 'a', aa = 1, value = 'x' }]",
            vec![format!("env[0].aa: no such key, {known}"), "env[0].value: expected u16".to_owned()],
        ),
    ] {
        assert_eq!(problems::<Leaves>(toml), expected, "{toml}");
    }
    let error = load::<Leaves>("\nenv = [{ name = 'a', valeu = 1 }]", &[]).unwrap_err();
    assert!(error.to_string().contains("line 2, column 22"), "the position is that of the key: {error}");
    for good in [
        "env = [{ name = 'a', old = true }]",
        "open = { name = 'a', other = { b = 1 } }",
        "opaque = { name = 'a', anything = { b = 1 } }",
        "either = 'text'",
        // Ignored keys in serde's buffers cannot be detected.
        "flat = { id = 1, name = 'a', unseen = 1 }",
        "tagged = { type = 's3', bucket = 'b', unseen = 1 }",
    ] {
        load::<Leaves>(good, &[]).unwrap();
    }
}

#[derive(EncryptedConfig, Debug)]
#[envconf(allow_unknown_fields)]
#[expect(dead_code, reason = "the test only loads it")]
struct Lenient {
    env: Vec<Variable>,
    #[envconf(nested)]
    inner: Inner,
}

#[derive(EncryptedConfig, Debug)]
#[expect(dead_code, reason = "the test only loads it")]
struct Inner {
    variable: Option<Variable>,
}

#[test]
fn a_struct_that_allows_unknown_keys_allows_them_in_its_leaves() {
    load::<Lenient>("other = 1\nenv = [{ name = 'a', x = 1 }]\n[inner]", &[]).unwrap();
    let inner = "env = []\n[inner.variable]\nname = 'a'\nx = 1";
    assert!(problems::<Lenient>(inner)[0].starts_with("inner.variable.x: no such key"));
}

#[test]
fn messages_name_no_key_below_a_secret() {
    let canary = "tokenxQ7kanarienvogel";
    for (toml, problem) in [
        (format!("tokens = {{ {canary} = 'x' }}"), "tokens: expected u8"),
        (format!("tokens = {{ {canary} = {{ {canary} = 1 }} }}"), "tokens: expected u8"),
        ("credentials = [{ host = 'h' }]".to_owned(), "credentials[0].port: missing"),
        ("credentials = [{ host = 'h', port = 'x' }]".to_owned(), "credentials[0].port: expected u16"),
        (
            format!("credentials = [{{ host = 'h', port = 1, {canary} = 1 }}]"),
            "credentials[0]: it contains a key that its type does not know",
        ),
        (
            format!("ignoring = {{ k = {{ name = 'a', {canary} = 1 }} }}"),
            "ignoring: it contains a key that its type does not know",
        ),
        (format!("ignoring = {{ {canary} = {{}} }}"), "ignoring: missing"),
    ] {
        assert_eq!(problems::<Leaves>(&toml), [problem], "{toml}");
    }
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(untagged)]
enum Loose {
    Flag(bool),
    Port(u16),
    Share(f64),
    Ports(Vec<u16>),
    Table { a: u8 },
    Text(String),
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(untagged)]
enum Named {
    Flag(bool),
    Name(String),
}

#[derive(EncryptedConfig, Debug)]
#[envconf(env_prefix = "U")]
struct Untagged {
    loose: Option<Loose>,
    named: Option<Named>,
    json: Option<serde_json::Value>,
}

#[test]
fn a_variable_of_an_untagged_type_is_toml_or_else_text() {
    let loose = |text: &str| load::<Untagged>("", &[("U__LOOSE", text)]).unwrap().loose.unwrap();
    let text = |text: &str| Loose::Text(text.to_owned());
    for (given, expected) in [
        ("8080", Loose::Port(8080)),
        ("true", Loose::Flag(true)),
        ("0.5", Loose::Share(0.5)),
        ("70000", Loose::Share(70000.0)),
        ("[1, 2]", Loose::Ports(vec![1, 2])),
        ("{ a = 1 }", Loose::Table { a: 1 }),
        (r#"{"a": 1}"#, Loose::Table { a: 1 }),
        ("\"8080\"", text("8080")),
        ("'true'", text("true")),
        ("text", text("text")),
        ("", text("")),
        (" 8080", text(" 8080")),
        ("8080 # a port", text("8080 # a port")),
        ("2026-01-31", text("2026-01-31")),
        ("2026-01-31T12:00:00Z", text("2026-01-31T12:00:00Z")),
        ("1.2.3.4", text("1.2.3.4")),
        ("it's", text("it's")),
        ("null", text("null")),
        ("True", text("True")),
        ("a\nb", text("a\nb")),
    ] {
        assert_eq!(loose(given), expected, "{given}");
    }
    let named = |text: &str| load::<Untagged>("", &[("U__NAMED", text)]).unwrap().named.unwrap();
    assert_eq!(named("true"), Named::Flag(true));
    for number in ["8080", "1.50", "0x10"] {
        assert_eq!(named(number), Named::Name(number.to_owned()), "no variant accepts a number");
    }
    let json = load::<Untagged>("", &[("U__JSON", "8080")]).unwrap().json.unwrap();
    assert_eq!(json, serde_json::json!(8080));
    let line = load_traced::<Untagged>("dotenv", "LOOSE=8080\nNAMED=8080", &[]).unwrap().0;
    assert_eq!((line.loose, line.named), (Some(Loose::Port(8080)), Some(Named::Name("8080".to_owned()))));
}

#[derive(EncryptedConfig, Debug)]
#[expect(dead_code, reason = "only its failures matter")]
struct Bare {
    timeout: Option<Duration>,
    waits: Option<Vec<Duration>>,
}

#[test]
fn the_error_for_a_bare_duration_names_the_function() {
    for toml in ["timeout = '5s'", "waits = ['5s']"] {
        let error = load::<Bare>(toml, &[]).unwrap_err();
        assert!(error.advice().unwrap().contains("envconf::de::duration"), "{error}");
    }
    load::<Bare>("timeout = { secs = 5, nanos = 0 }", &[]).unwrap();
}

const CANARY: &str = "xQ7-kanarienvogel-Zw9-sidste-Yv4";

/// Generates values with the canary as a text at any depth.
fn value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(json!(CANARY)),
        Just(json!(format!("a {CANARY}"))),
        Just(json!(1)),
        Just(Value::Null)
    ];
    let key = prop_oneof!["name", "type", "kind", "of", "a", "path", "host", "port", "Disk", "Pair"];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_error_shows_a_value(value in value()) {
        let fields = Leaves::META.fields.iter();
        let content = fields.clone().map(|field| (field.key.to_owned(), value.clone())).collect();
        let content = serde_json::Value::Object(content).to_string();
        let variables: Vec<(String, String)> =
            fields.map(|field| (format!("L__{}", field.segment), value.to_string())).collect();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for error in [load_traced::<Leaves>("json", &content, &[]).err(), load::<Leaves>("", &variables).err()] {
            let text = error.map(|error| format!("{error} {error:?}")).unwrap_or_default();
            prop_assert!(!text.contains("kanarien"), "{}", text);
        }
    }

    /// A message must not show the length of a value, so it is the same for each wrong length.
    #[test]
    fn no_error_shows_a_length(len in 4_usize..60) {
        let list = format!("array = {:?}", vec![1; len]);
        prop_assert_eq!(problems::<Leaves>(&list), ["array: expected a list of 3 values"]);
    }
}
