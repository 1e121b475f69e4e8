//! Tests of nested types with random values: the schema accepts exactly the values that load, and templates load as the
//! defaults.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;

use common::load_traced;
use envconf::schema::Format;
use envconf::{ContentType, EncryptedConfig, Error, KeyServices, LocalKey, Schema, Seal, SecretString};
use envconf_test_support::{Python, Sandbox};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Every shape in every other shape. All fields are optional or have a default.
#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(name = "family", env_prefix = "FAMILY")]
#[expect(clippy::type_complexity, reason = "the type has every shape in every other shape")]
struct Family {
    #[envconf(nested, default)]
    list: Vec<Item>,
    #[envconf(nested, default)]
    map: BTreeMap<String, Item>,
    #[envconf(nested)]
    boxed: Option<Box<Item>>,
    #[envconf(nested)]
    options: Option<Vec<Option<Item>>>,
    #[envconf(nested)]
    deep: Option<HashMap<String, Vec<BTreeMap<String, Option<Item>>>>>,
    #[envconf(nested)]
    outer: Option<Outer>,
    #[envconf(nested)]
    plain: Calm,
    #[envconf(nested)]
    external: Option<External>,
    #[envconf(nested)]
    fallback: Fallback,
    #[envconf(nested)]
    tagged: Tagged,
    #[envconf(nested)]
    must_tag: Option<MustTag>,
    #[envconf(nested, default)]
    choices: Vec<External>,
    #[envconf(nested, default)]
    tags: BTreeMap<String, Tagged>,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
struct Item {
    id: u8,
    #[envconf(default = 7)]
    port: u16,
    #[envconf(default, alias = "tag")]
    tags: Vec<String>,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
struct Outer {
    #[envconf(nested)]
    items: Vec<Item>,
    #[envconf(nested)]
    by_name: BTreeMap<String, Calm>,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
struct Calm {
    #[envconf(default = true)]
    on: bool,
    #[envconf(default)]
    labels: BTreeMap<String, u8>,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(rename_all = "snake_case")]
enum External {
    Memory,
    Disk {
        path: String,
        #[envconf(nested, default)]
        items: Vec<Item>,
    },
    #[envconf(alias = "also")]
    Calm(Calm),
    Many(Vec<Item>),
}

#[derive(EncryptedConfig, Debug, PartialEq)]
enum Fallback {
    A,
    #[envconf(default)]
    B(Calm),
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(tag = "type", rename_all = "lowercase")]
enum Tagged {
    #[envconf(default)]
    None,
    Disk {
        path: String,
        #[envconf(alias = "q")]
        quota: Option<u8>,
    },
    #[envconf(alias = "thing")]
    Item(Item),
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(tag = "type", rename_all = "lowercase")]
enum MustTag {
    Empty,
    Calm(Calm),
}

fn load<T: EncryptedConfig>(content_type: &str, text: &str) -> Result<T, Error> {
    load_traced(content_type, text, &[]).map(|(value, _)| value)
}

/// Seals the text with a check by the schema, and returns the result.
fn seal<T: EncryptedConfig>(content_type: ContentType, text: &str) -> Result<(), Error> {
    let key = LocalKey::generate().unwrap();
    let schema = Schema::parse(&T::json_schema()).unwrap();
    let (name, environment) = (schema.meta().name.parse().unwrap(), "default".parse().unwrap());
    let seal = Seal::new(name, environment, content_type).as_is().schema(schema);
    let seal = seal.recipient(key.key_ref().clone());
    seal.seal_bytes(text.as_bytes(), &KeyServices::none().local_key(key)).map(drop)
}

fn report(error: &Error) -> Vec<String> {
    error.problems().iter().map(|problem| format!("{}: {:?}", problem.path(), problem.complaint())).collect()
}

/// Replaces the value by noise in some cases.
fn or_noise(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let noise = prop::sample::select(vec![
        json!(null),
        json!(1),
        json!(300),
        json!("x"),
        json!("memory"),
        json!(true),
        json!([]),
        json!({}),
        json!([null]),
        json!({"a": null}),
        json!({"memory": {}}),
        json!({"disk": {"path": "p"}, "calm": {}}),
        json!({"type": "disk"}),
    ]);
    prop_oneof![80 => value, 1 => noise].boxed()
}

/// Generates an object with some of these members.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(key, value)| {
            (prop::bool::weighted(0.7), value).prop_map(move |(there, value)| there.then_some((key, value)))
        })
        .collect();
    let extra = prop::option::weighted(0.05, prop::sample::select(vec!["extra", "type", "q", "tag"]));
    let object = (members, extra).prop_map(|(members, extra)| {
        let mut object: serde_json::Map<String, Value> =
            members.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect();
        object.extend(extra.map(|key| (key.to_owned(), json!("disk"))));
        Value::Object(object)
    });
    or_noise(object)
}

fn list(items: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    or_noise(prop::collection::vec(items, 0..3).prop_map(Value::Array))
}

fn map(values: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let keys = prop::sample::select(vec!["a", "B", "c.d"]);
    or_noise(
        prop::collection::btree_map(keys, values, 0..3).prop_map(|map| {
            Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        }),
    )
}

fn item() -> BoxedStrategy<Value> {
    let texts = || list(or_noise(Just(json!("t"))));
    object(vec![
        ("id", or_noise((0_u8..9).prop_map(Value::from))),
        ("id", or_noise(Just(json!(1)))),
        ("port", or_noise(Just(json!(80)))),
        ("tags", texts()),
    ])
}

fn calm() -> BoxedStrategy<Value> {
    object(vec![("on", or_noise(Just(json!(false)))), ("labels", map(or_noise(Just(json!(1)))))])
}

fn named(key: &'static str, value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    value.prop_map(move |value| json!({ key: value })).boxed()
}

fn external() -> BoxedStrategy<Value> {
    let disk = object(vec![
        ("path", or_noise(Just(json!("p")))),
        ("path", or_noise(Just(json!("q")))),
        ("items", list(item())),
    ]);
    or_noise(prop_oneof![
        Just(json!("memory")),
        named("disk", disk),
        named("calm", calm()),
        named("also", calm()),
        named("many", list(item())),
    ])
}

fn tagged(tag: &'static [&'static str], value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let tag = prop::option::weighted(0.9, prop::sample::select(tag));
    (tag, value)
        .prop_map(|(tag, mut value)| {
            if let (Some(tag), Value::Object(object)) = (tag, &mut value) {
                object.insert("type".to_owned(), json!(tag));
            }
            value
        })
        .boxed()
}

fn tagged_of_all() -> BoxedStrategy<Value> {
    let disk = object(vec![("path", or_noise(Just(json!("p")))), ("quota", or_noise(Just(json!(1))))]);
    prop_oneof![
        tagged(&["none", "disk", "nothing"], Just(json!({})).boxed()),
        tagged(&["disk"], disk),
        tagged(&["item", "thing"], item()),
    ]
    .boxed()
}

fn family() -> BoxedStrategy<Value> {
    let options = list(prop_oneof![item(), Just(json!(null))].boxed());
    object(vec![
        ("list", list(item())),
        ("map", map(item())),
        ("boxed", item()),
        ("options", options),
        ("deep", map(list(map(item())))),
        ("outer", object(vec![("items", list(item())), ("by_name", map(calm()))])),
        ("plain", calm()),
        ("external", external()),
        ("fallback", or_noise(prop_oneof![Just(json!("A")), Just(json!("B")), named("B", calm())])),
        ("tagged", tagged_of_all()),
        ("must_tag", tagged(&["empty", "calm"], calm())),
        ("choices", list(external())),
        ("tags", map(tagged_of_all())),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn sealing_by_the_schema_accepts_exactly_what_loads(value in family()) {
        let text = value.to_string();
        let (loaded, sealed) = (load::<Family>("json", &text), seal::<Family>(ContentType::Json, &text));
        match (&loaded, &sealed) {
            (Ok(_), Ok(())) => {}
            (Err(loads), Err(seals)) => prop_assert_eq!(report(loads), report(seals), "{}", text),
            _ => prop_assert!(false, "load: {:?}\nseal: {:?}\nof {}", loaded.err(), sealed, text),
        }
    }
}

#[test]
fn a_real_validator_accepts_exactly_what_loads() {
    let strategy = family();
    let mut runner = TestRunner::deterministic();
    let instances: Vec<Value> = (0..1_500)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .filter(Value::is_object)
        .collect();
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/schema");
    let python = Python::with_requirements(env!("CARGO_TARGET_TMPDIR"), directory.join("requirements.txt"));
    let sandbox = Sandbox::new();
    sandbox.write("schema.json", Family::json_schema());
    sandbox.write("instances.json", serde_json::to_string(&instances).unwrap());
    let output = python
        .command(directory.join("validate.py"))
        .arg(sandbox.path("schema.json"))
        .arg(sandbox.path("instances.json"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<bool> = stdout.lines().map(|line| line == "valid").collect();
    assert_eq!(verdicts.len(), instances.len());
    let mut accepted = 0;
    for (instance, valid) in instances.iter().zip(verdicts) {
        let loaded = load::<Family>("json", &instance.to_string());
        accepted += usize::from(loaded.is_ok());
        assert_eq!(loaded.is_ok(), valid, "{:?}\n{instance}", loaded.err());
    }
    assert!(accepted > 50 && accepted < instances.len(), "{accepted}");
}

#[test]
fn templates_load_as_the_defaults() {
    fn defaults<T: EncryptedConfig + std::fmt::Debug + PartialEq>() {
        let expected: T = load("toml", "").unwrap();
        for (format, content_type) in
            [(Format::Toml, "toml"), (Format::Json, "json"), (Format::Dotenv, "dotenv")]
        {
            let template = T::template(format);
            seal::<T>(ContentType::from_name(content_type).unwrap(), &template)
                .unwrap_or_else(|error| panic!("{error}\n{template}"));
            let loaded: T =
                load(content_type, &template).unwrap_or_else(|error| panic!("{error}\n{template}"));
            assert_eq!(loaded, expected, "{template}");
        }
    }
    defaults::<Family>();
    defaults::<Calm>();
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "shown", env_prefix = "SHOWN")]
#[expect(dead_code, reason = "the test uses only the template of the type")]
struct Shown {
    /// The machines.
    #[envconf(nested)]
    nodes: Vec<Machine>,
    #[envconf(nested)]
    peers: BTreeMap<String, Machine>,
    /// The place where data is stored.
    #[envconf(nested)]
    store: ShownStore,
    /// An optional place.
    #[envconf(nested)]
    kept: Option<Kept>,
    tokens: Vec<SecretString>,
}

#[derive(EncryptedConfig, Debug)]
#[expect(dead_code, reason = "the test uses only the template of the type")]
struct Machine {
    #[envconf(example = 1)]
    id: u8,
    token: Option<SecretString>,
}

#[derive(EncryptedConfig, Debug)]
#[envconf(rename_all = "snake_case", tag = "type")]
#[expect(dead_code, reason = "the test uses only the template of the type")]
enum ShownStore {
    /// Nothing is kept.
    Memory,
    Disk {
        path: String,
    },
}

#[derive(EncryptedConfig, Debug)]
#[envconf(rename_all = "snake_case")]
#[expect(dead_code, reason = "the test uses only the template of the type")]
enum Kept {
    No,
    Yes { place: String },
}

#[test]
fn a_template_shows_items_entries_and_variants() {
    let expected = "\
# Vec<SecretString>; secret; required; environment variable SHOWN__TOKENS
#tokens = []

# The machines.
# Vec<Machine>; required; environment variable SHOWN__NODES
# empty; replace this line by the tables below
nodes = []

# BTreeMap<String, Machine>; required; environment variable SHOWN__PEERS
# empty; replace this line by the tables below
peers = {}

# An optional place.
# Option<Kept>; optional; one of no, yes; environment variable SHOWN__KEPT

# variant no
#kept = \"no\"

#[[nodes]]

# u8; required; environment variable SHOWN__NODES__*__ID
#id = 1

# Option<SecretString>; secret; optional; environment variable SHOWN__NODES__*__TOKEN
#token = \"\"

#[peers.key]

# u8; required; environment variable SHOWN__PEERS__KEY__ID
#id = 1

# Option<SecretString>; secret; optional; environment variable SHOWN__PEERS__KEY__TOKEN
#token = \"\"

# The place where data is stored.
# ShownStore; required; one of memory, disk; environment variable SHOWN__STORE

# Nothing is kept.
# variant memory
#[store]
#type = \"memory\"

# variant disk
#[store]
#type = \"disk\"

# String; required; environment variable SHOWN__STORE__PATH
#path = \"\"

# variant yes
#[kept.yes]

# String; required; environment variable SHOWN__KEPT__YES__PLACE
#place = \"\"
";
    assert_eq!(Shown::template(Format::Toml), expected);
    let dotenv = Shown::template(Format::Dotenv);
    for line in
        ["#SHOWN__NODES__0__ID=1", "#SHOWN__PEERS__KEY__ID=1", "SHOWN__NODES=[]", "#SHOWN__STORE__TYPE=disk"]
    {
        assert!(dotenv.lines().any(|there| there == line), "{line}\n{dotenv}");
    }
}
