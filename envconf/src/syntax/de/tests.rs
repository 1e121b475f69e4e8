use std::collections::HashMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::*;
use crate::format::ContentType;
use crate::syntax::parse;

fn from_node<T: DeserializeOwned>(node: &Node<'_>) -> Result<T, Misfit> {
    super::from_node(node, |given| T::deserialize(given)).value
}

fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, Misfit> {
    super::from_text(text, |given| T::deserialize(given)).value
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Misfit> {
    from_node(&crate::syntax::json::parse(json).ok().unwrap())
}

/// Returns the message, and the text from the position of the misfit.
#[track_caller]
fn misfit<T: DeserializeOwned>(json: &str) -> (String, &str) {
    let misfit = read::<T>(json).err().expect("it should not fit");
    let rest = &json[misfit.place.expect("a tree has places").0..];
    (path_of_steps(&misfit.into_steps()), rest)
}

#[derive(Deserialize, Debug, PartialEq)]
struct Server {
    host: String,
    port: u16,
}

#[derive(Deserialize, Debug, PartialEq)]
enum Figure {
    Unit,
    Newtype(u8),
    Tuple(u8, String),
    Struct { side: u8 },
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Unit,
    Newtype(u8),
}

#[derive(Deserialize, Debug, PartialEq)]
struct Flat {
    a: u8,
    #[serde(flatten)]
    rest: HashMap<String, u8>,
}

#[test]
fn a_misfit_has_a_path_and_a_position() {
    let path = |path: &str, rest| (path.to_owned(), rest);
    assert_eq!(misfit::<Vec<Server>>(r#"[{"host":"a","port":70000}]"#), path("[0].port", "70000}]"));
    assert_eq!(misfit::<Vec<Server>>(r#"[{"host":"a"},3]"#), path("[0].port", r#"{"host":"a"},3]"#));
    assert_eq!(misfit::<HashMap<u8, u8>>(r#"{"1":1,"a.b":2}"#), path(".\"a.b\"", r#""a.b":2}"#));
    assert_eq!(misfit::<(u8, u8)>("[1,2,3]"), path("", "[1,2,3]"));
    assert_eq!(misfit::<Figure>(r#"{"Struct":{"side":"x"}}"#), path(".Struct.side", r#""x"}}"#));
    assert_eq!(misfit::<Option<Vec<u8>>>("[1,null]"), path("[1]", "null]"));
}

#[test]
fn every_form_of_an_enum_is_read() {
    assert_eq!(read(r#""Unit""#), Ok(Figure::Unit));
    assert_eq!(read(r#"{"Unit":null}"#), Ok(Figure::Unit));
    assert_eq!(read(r#"{"Newtype":1}"#), Ok(Figure::Newtype(1)));
    assert_eq!(read(r#"{"Tuple":[1,"a"]}"#), Ok(Figure::Tuple(1, "a".into())));
    assert_eq!(read(r#"{"Struct":{"side":1}}"#), Ok(Figure::Struct { side: 1 }));
    assert_eq!(read(r#"{"kind":"Newtype","of":1}"#), Ok(Adjacent::Newtype(1)));
    assert_eq!(read(r#"{"kind":"Unit"}"#), Ok(Adjacent::Unit));
    for wrong in [r#""Newtype""#, r#"{"Unit":1}"#, r#"{"Unit":null,"Newtype":1}"#, "{}", "1", r#""unit""#] {
        assert!(read::<Figure>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn flattened_keyed_and_unusual_types_are_read() {
    let rest = HashMap::from([("b".into(), 2), ("c".into(), 3)]);
    assert_eq!(read(r#"{"a":1,"b":2,"c":3}"#), Ok(Flat { a: 1, rest }));
    assert_eq!(read(r#"{"1":true}"#), Ok(HashMap::from([(1_i8, true)])));
    assert_eq!(read(r#"{"Unit":1}"#.trim()), Ok(HashMap::from([("Unit".to_owned(), 1)])));
    assert_eq!(read("18446744073709551615"), Ok(u64::MAX));
    assert_eq!(read("-9223372036854775808"), Ok(i64::MIN));
    assert_eq!(read("7"), Ok(7_u128));
    assert_eq!(read("7"), Ok(7.0_f64));
    assert_eq!(read("null"), Ok(()));
    assert_eq!(read::<Vec<de::IgnoredAny>>("[{},[],1]").map(|ignored| ignored.len()), Ok(3));
    assert!(read::<u8>("1.0").is_err() && read::<u8>("256").is_err() && read::<bool>("1").is_err());
}

#[test]
fn the_buffer_of_a_text_has_the_length_of_the_text() {
    for json in [r#""plain""#, r#""esc\u0061ped""#] {
        let text: String = read(json).unwrap();
        assert_eq!(text.capacity(), text.len(), "{json}");
    }
    let text: String = from_text("of a variable").unwrap();
    assert_eq!(text.capacity(), text.len());
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i32>().prop_map(|n| Json::from(f64::from(n) / 8.0)),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_has_the_same_values_as_in_serde_json(value in json()) {
        prop_assert_eq!(read::<Json>(&value.to_string()), Ok(value));
    }

    #[test]
    fn toml_has_the_same_values_as_in_the_toml_crate(text in "([a-c.]{1,3} = [0-9'\\[\\]{}\",a.e-]{0,6}\n|\\[[a-c.]{1,3}\\]\n){0,4}") {
        let theirs = toml::from_str::<toml::Table>(&text);
        match crate::syntax::toml::parse(&text) {
            Ok(node) => prop_assert_eq!(from_node::<toml::Table>(&node).unwrap(), theirs.unwrap()),
            Err(_) => prop_assert!(theirs.is_err(), "{}", text),
        }
    }

    #[test]
    fn nothing_panics(text in any::<String>(), lines in "([A-Za-z\\[\\]{}=.\"' \n\\\\u0-9]){0,40}") {
        for text in [&text, &lines] {
            for content_type in ContentType::ALL {
                if let Ok(node) = parse(content_type, text) {
                    let _ = from_node::<Json>(&node);
                }
            }
            let _ = from_text::<Vec<Json>>(text);
            let _ = from_text::<Figure>(text);
        }
    }
}
