//! Tests of common types of configurations, from content and from variables, with `Option`, an empty text and `_FILE`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use common::{load_traced, told};
use envconf::{EncryptedConfig, Error, ExposeSecret, SecretString};
use proptest::prelude::*;
use serde::Deserialize;
use url::Url;

fn load<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Result<T, Error> {
    load_traced("toml", toml, variables).map(|(value, _)| value)
}

#[track_caller]
fn problem<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> String {
    let error = load::<T>(toml, variables).err().expect("the load should fail");
    assert_eq!(error.problems().len(), 1, "{error}");
    told(&error.problems()[0])
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Info,
    VeryVerbose,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Range(u16, u16);

#[derive(Deserialize, Debug, PartialEq)]
struct Upstream {
    name: String,
    #[serde(default)]
    weight: Option<u8>,
}

/// A type with optional fields only, so a test can set one at a time.
#[derive(EncryptedConfig, Debug, PartialEq, Default)]
#[envconf(env_prefix = "P")]
struct Popular {
    address: Option<SocketAddr>,
    ip: Option<IpAddr>,
    url: Option<Url>,
    path: Option<PathBuf>,
    size: Option<ByteSize>,
    #[envconf(deserialize_with = humantime_serde::deserialize)]
    duration: Option<Duration>,
    port: Option<NonZeroU16>,
    level: Option<Level>,
    levels: Option<Vec<Level>>,
    range: Option<Range>,
    upstream: Option<Upstream>,
    upstreams: Option<BTreeMap<String, Upstream>>,
    set: Option<BTreeSet<String>>,
    addresses: Option<Vec<SocketAddr>>,
    array: Option<[u8; 2]>,
    boxed: Option<Box<str>>,
    text: Option<String>,
    number: Option<i64>,
    float: Option<f64>,
    list: Option<Vec<i64>>,
    map: Option<BTreeMap<String, String>>,
    unit: Option<()>,
    double: Option<Option<u8>>,
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn upstream(name: &str, weight: Option<u8>) -> Upstream {
    Upstream { name: name.into(), weight }
}

#[test]
fn common_types_are_read_from_content_and_from_variables() {
    macro_rules! reads {
        ($($field:ident $value:expr => $toml:literal $variable:literal;)*) => {$(
            let expected = Popular { $field: Some($value), ..Popular::default() };
            let toml = format!("{} = {}", stringify!($field), $toml);
            assert_eq!(load::<Popular>(&toml, &[]).unwrap(), expected, "{toml}");
            let name = format!("P__{}", stringify!($field).to_uppercase());
            assert_eq!(load::<Popular>("", &[(&name, $variable)]).unwrap(), expected, "{name}={}", $variable);
        )*};
    }
    reads! {
        address SocketAddr::from(([127, 0, 0, 1], 80)) => "'127.0.0.1:80'" "127.0.0.1:80";
        address "[::1]:80".parse().unwrap() => "'[::1]:80'" "[::1]:80";
        ip IpAddr::from([10, 0, 0, 1]) => "'10.0.0.1'" "10.0.0.1";
        url url("https://example.com/a?b") => "'https://example.com/a?b'" "https://example.com/a?b";
        path PathBuf::from("/var/lib/a b") => "'/var/lib/a b'" "/var/lib/a b";
        size ByteSize::mib(16) => "'16 MiB'" "16MiB";
        size ByteSize::b(1024) => "1024" "1024";
        duration Duration::from_millis(90_500) => "'1m 30s 500ms'" "1m 30s 500ms";
        port NonZeroU16::MIN => "1" "1";
        level Level::VeryVerbose => "'very-verbose'" "very-verbose";
        levels vec![Level::Info, Level::VeryVerbose] => "['info', 'very-verbose']" "['info', 'very-verbose']";
        range Range(1, 2) => "[1, 2]" "[1, 2]";
        upstream upstream("a", None) => "{ name = 'a' }" "{ name = 'a' }";
        upstream upstream("a", Some(3)) => "{ name = 'a', weight = 3 }" r#"{"name": "a", "weight": 3}"#;
        upstreams BTreeMap::from([("x".into(), upstream("a", None))]) => "{ x.name = 'a' }" r#"{"x": {"name": "a"}}"#;
        set BTreeSet::from(["a".into(), "b".into()]) => "['b', 'a']" "['b', 'a', 'a']";
        addresses vec![SocketAddr::from(([127, 0, 0, 1], 80))] => "['127.0.0.1:80']" r#"["127.0.0.1:80"]"#;
        array [1, 2] => "[1, 2]" "[1,2]";
        boxed "a".into() => "'a'" "a";
    }
}

#[test]
fn an_error_shows_the_type_as_written() {
    let wrong = |name: &str, text: &str, ty: &str| {
        let field = name.to_lowercase();
        let expected = format!("{field}: expected {ty}, at environment variable P__{name}");
        assert_eq!(problem::<Popular>("", &[(&format!("P__{name}"), text)]), expected, "{text}");
    };
    wrong("ADDRESS", "localhost:80", "a socket address such as 127.0.0.1:8080");
    wrong("IP", "localhost", "an IP address such as 127.0.0.1");
    wrong("URL", "no url", "a URL such as https://example.com/path");
    wrong("SIZE", "16 apples", "a byte size such as 64 MiB");
    wrong("DURATION", "soon", "Option<Duration>");
    wrong("PORT", "0", "a whole number from 1 to 65535");
    wrong("ARRAY", "[1]", "a list of 2 values");
    wrong("RANGE", "[1, 2, 3]", "a list of 2 values");
    wrong("LIST", "1,2", "Option<Vec<i64>>");
    wrong("NUMBER", " 1", "Option<i64>");
}

/// A set but empty variable is a value, for required and optional fields.
#[test]
fn an_empty_variable_is_a_value_and_never_absent() {
    let one = |name: &str| load::<Popular>("number = 1\ntext = 't'\nlist = [1]", &[(name, "")]);
    assert_eq!(
        one("P__TEXT").unwrap().text.as_deref(),
        Some(""),
        "the variable must replace the sealed value"
    );
    assert_eq!(one("P__BOXED").unwrap().boxed.as_deref(), Some(""));
    assert_eq!(one("P__PATH").unwrap().path, Some(PathBuf::new()));
    assert_eq!(one("P__UNIT").unwrap().unit, Some(()));
    for name in
        ["P__NUMBER", "P__FLOAT", "P__LIST", "P__MAP", "P__LEVEL", "P__ADDRESS", "P__URL", "P__DOUBLE"]
    {
        assert_eq!(one(name).unwrap_err().problems().len(), 1, "{name}");
    }
}

#[test]
fn an_option_has_the_value_of_its_variable_or_else_the_sealed_one() {
    let double = |variables: &[(&str, &str)]| load::<Popular>("double = 1", variables).unwrap().double;
    assert_eq!(double(&[]), Some(Some(1)));
    assert_eq!(double(&[("P__DOUBLE", "2")]), Some(Some(2)));
    let null = load_traced::<Popular>("json", r#"{"text": null, "number": null, "upstream": null}"#, &[]);
    assert_eq!(null.unwrap().0, Popular::default());
    let text = load::<Popular>("", &[("P__TEXT", "null")]).unwrap().text;
    assert_eq!(text.as_deref(), Some("null"), "no word must mean an absent value");
}

#[derive(EncryptedConfig, Debug)]
#[envconf(env_prefix = "S")]
struct Secrets {
    token: SecretString,
    #[envconf(env = "TOKENS")]
    tokens: Option<Vec<SecretString>>,
}

#[test]
fn a_file_can_have_any_value_of_a_variable() {
    let directory = tempfile::tempdir().unwrap();
    let file = |content: &str| {
        let path = directory.path().join("value");
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let tokens = |content: &str| {
        let loaded = load::<Secrets>("token = 't'", &[("TOKENS_FILE", &file(content))]);
        let tokens = loaded.unwrap().tokens.unwrap();
        tokens.iter().map(|token| token.expose_secret().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tokens("[\n  'a',\n  'b',\n]\n"), ["a", "b"]);
    assert_eq!(tokens("[\"a\"]"), ["a"]);
    let token = |content: &str| {
        let loaded = load::<Secrets>("", &[("S__TOKEN_FILE", &file(content))]).unwrap();
        loaded.token.expose_secret().to_owned()
    };
    assert_eq!((token("a\n\n"), token("\n"), token("")), ("a\n".into(), String::new(), String::new()));
    let number = load::<Popular>("", &[("P__NUMBER_FILE", &file("5\n"))]).unwrap().number;
    assert_eq!(number, Some(5));
    assert_eq!(
        problem::<Secrets>("token = 't'", &[("S__TOKEN_FILE", "")]),
        "token: cannot read it: file not found, at environment variable S__TOKEN_FILE, file "
    );
    let both = [("S__TOKEN", ""), ("S__TOKEN_FILE", "/nowhere")];
    assert_eq!(
        problem::<Secrets>("token = 't'", &both),
        "token: both S__TOKEN and S__TOKEN_FILE are set; unset one of them, at environment variable S__TOKEN"
    );
}

fn from_variable(name: &str, text: &str) -> Option<Popular> {
    load::<Popular>("", &[(name, text)]).ok()
}

proptest! {
    #[test]
    fn a_variable_holds_any_text_number_list_and_map(
        text in "[^\0]{0,40}",
        number in any::<i64>(),
        float in any::<f64>().prop_filter("numbers", |float| float.is_finite()),
        list in prop::collection::vec(any::<i64>(), 0..6),
        map in prop::collection::btree_map("[^\0]{0,6}", "[^\0]{0,12}", 0..4),
    ) {
        prop_assert_eq!(from_variable("P__TEXT", &text).unwrap().text, Some(text));
        prop_assert_eq!(from_variable("P__NUMBER", &number.to_string()).unwrap().number, Some(number));
        prop_assert_eq!(from_variable("P__FLOAT", &float.to_string()).unwrap().float, Some(float));
        prop_assert_eq!(from_variable("P__LIST", &format!("{list:?}")).unwrap().list, Some(list));
        let json = serde_json::to_string(&map).unwrap();
        prop_assert_eq!(from_variable("P__MAP", &json).unwrap().map, Some(map.clone()));
        let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{} = {}", toml(key), toml(value))).collect();
        let inline = format!("{{ {} }}", pairs.join(", "));
        prop_assert_eq!(from_variable("P__MAP", &inline).unwrap().map, Some(map));
    }

    #[test]
    fn no_text_makes_a_load_panic(text in "[^\0]{0,30}", inline in "[\\[{]([\\[\\]{}\",=: a1.']){0,20}") {
        for name in ["P__LIST", "P__MAP", "P__UPSTREAM", "P__LEVEL", "P__RANGE", "P__DOUBLE", "P__SIZE"] {
            let _ = (from_variable(name, &text), from_variable(name, &inline));
        }
    }
}

/// Returns the text as a basic string of TOML.
fn toml(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    format!("\"{escaped}\"")
}
