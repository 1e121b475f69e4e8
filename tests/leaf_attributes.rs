//! Tests of expressions as defaults, of variables of another program, and of serde attributes next to those of the
//! derive.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "some fields are only loaded")]

mod common;

use std::collections::HashMap;
use std::time::Duration;

use common::{load_traced, told};
use envconf::meta::{Fallback, Shape};
use envconf::schema::Format;
use envconf::{EncryptedConfig, Error, Schema};
use serde::Deserialize;

fn load<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Result<T, Error> {
    load_traced("toml", toml, variables).map(|(value, _)| value)
}

#[derive(Deserialize, Debug, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Level {
    Info,
    Debug,
}

const RETRIES: u8 = 3;

fn doubled(number: u32) -> u32 {
    number * 2
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(name = "app", env_prefix = "D")]
struct Defaults {
    #[envconf(default = 60 * 60)]
    seconds: u64,
    #[envconf(default = Level::Info)]
    level: Level,
    #[envconf(default = Duration::from_secs(5))]
    timeout: Duration,
    #[envconf(default = RETRIES)]
    retries: u8,
    #[envconf(default = doubled(2) + 1, env = "DOUBLED")]
    doubled: u32,
    #[envconf(default = Some(1))]
    some: Option<u8>,
    #[envconf(default = vec!["a".to_owned(), "b".to_owned()])]
    list: Vec<String>,
    #[envconf(default = HashMap::<String, u8>::from([("a".to_owned(), 1)]), validate = not_empty)]
    map: HashMap<String, u8>,
    #[envconf(default = <Vec<(u8, u8)> as Default>::default())]
    pairs: Vec<(u8, u8)>,
    #[envconf(default = if cfg!(test) { "test" } else { "other" }.to_owned())]
    place: String,
    #[envconf(default = [u8::MAX; 2])]
    array: [u8; 2],
    #[envconf(default = -RATE, deserialize_with = f64_of)]
    rate: f64,
    #[envconf(default = 10)]
    literal: u8,
    #[envconf(default = -1)]
    negative: i8,
    #[envconf(default = "info")]
    through_serde: Level,
}

const RATE: f64 = 0.5;

fn f64_of<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    f64::deserialize(deserializer)
}

fn not_empty(map: &HashMap<String, u8>) -> Result<(), &'static str> {
    if map.is_empty() { Err("it is empty") } else { Ok(()) }
}

#[test]
fn an_expression_is_a_default_of_the_fields_type() {
    let defaults = load::<Defaults>("", &[]).unwrap();
    assert_eq!(
        defaults,
        Defaults {
            seconds: 3600,
            level: Level::Info,
            timeout: Duration::from_secs(5),
            retries: 3,
            doubled: 5,
            some: Some(1),
            list: vec!["a".to_owned(), "b".to_owned()],
            map: HashMap::from([("a".to_owned(), 1)]),
            pairs: Vec::new(),
            place: "test".to_owned(),
            array: [255, 255],
            rate: -0.5,
            literal: 10,
            negative: -1,
            through_serde: Level::Info,
        }
    );
    Defaults::check().unwrap();
    let given =
        load::<Defaults>("seconds = 1\nlevel = 'debug'", &[("D__RETRIES", "9"), ("DOUBLED", "1")]).unwrap();
    assert_eq!((given.seconds, given.level, given.retries, given.doubled), (1, Level::Debug, 9, 1));
    let origins = load_traced::<Defaults>("toml", "", &[]).unwrap().1;
    assert!(origins.iter().all(|origin| origin.origin().to_string() == "the attribute's default"));
}

#[test]
fn templates_and_schemas_contain_computed() {
    let computed = |field: &&envconf::meta::Field| field.shape == Shape::Defaulted(Fallback::Computed);
    assert_eq!(Defaults::META.fields.iter().filter(computed).count(), 12);
    let toml = Defaults::template(Format::Toml);
    assert!(
        toml.contains("# u64; default computed; environment variable D__SECONDS\n#seconds = 0\n"),
        "{toml}"
    );
    assert!(!toml.contains("60") && !toml.contains("doubled(2)"), "{toml}");
    load::<Defaults>(&toml, &[]).unwrap();
    let schema = Defaults::json_schema();
    assert!(schema.contains("\"x-envconf-default\": \"computed\""), "{schema}");
    let read = Schema::parse(&schema).unwrap();
    let (ours, theirs) =
        (Defaults::template(Format::Dotenv), envconf::schema::template(read.meta(), Format::Dotenv));
    assert_eq!(ours.matches("default computed").count(), theirs.matches("default computed").count());
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", env_prefix = "SHARED", allow_unknown_variables)]
struct Shared {
    #[envconf(default = 1)]
    port: u8,
    #[envconf(nested)]
    inner: Inner,
}

#[derive(EncryptedConfig, Debug)]
struct Inner {
    #[envconf(default = 1, no_env)]
    depth: u8,
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", env_prefix = "OUTER")]
struct Outer {
    #[envconf(nested)]
    shared: Shared,
}

#[test]
fn two_programs_can_share_a_prefix() {
    let variables = [("SHARED__PORT", "2"), ("SHARED__OTHER", "x"), ("SHARED__INNER__DEPTH", "3")];
    let shared = load::<Shared>("", &variables).unwrap();
    assert_eq!((shared.port, shared.inner.depth), (2, 1));
    let error = load::<Shared>("other = 1", &variables).unwrap_err();
    assert!(told(&error.problems()[0]).starts_with("other: no such key"), "keys are not variables: {error}");
    load_traced::<Shared>("dotenv", "OTHER=1", &[]).unwrap_err();
    let error = load::<Outer>("", &[("OUTER__OTHER", "x")]).unwrap_err();
    assert!(
        error.to_string().contains("OUTER__OTHER"),
        "only the outermost struct's attribute counts: {error}"
    );
    let schema = Schema::parse(&Shared::json_schema()).unwrap();
    assert!(envconf::schema::template(schema.meta(), Format::Toml).contains("SHARED__PORT"));
}

#[derive(EncryptedConfig, Deserialize, Debug, PartialEq)]
#[envconf(ignore_serde)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
struct Both {
    #[serde(rename = "p")]
    port: u8,
    #[serde(alias = "n")]
    #[envconf(rename = "title")]
    name: String,
}

impl Default for Both {
    fn default() -> Self {
        Self { port: 9, name: "n".to_owned() }
    }
}

#[derive(EncryptedConfig, Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct One {
    #[serde(rename = "p")]
    #[envconf(ignore_serde)]
    port: u8,
    #[serde(rename(serialize = "n"), skip_serializing_if = "String::is_empty")]
    name: String,
}

#[test]
fn a_struct_can_have_both_derives() {
    let both = load::<Both>("port = 1\ntitle = 'x'", &[]).unwrap();
    assert_eq!(both, Both { port: 1, name: "x".to_owned() });
    assert_eq!(toml::from_str::<Both>("p = 1\nn = 'x'").unwrap(), both);
    assert_eq!(load::<One>("port = 1\nname = 'x'", &[]).unwrap(), One { port: 1, name: "x".to_owned() });
}
