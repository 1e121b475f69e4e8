//! Tests of the layers and their order, and of the messages for invalid values, which never contain a value.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use common::{Project, load_traced, told};
use envconf::error::{Complaint, Origin};
use envconf::{ContentType, EncryptedConfig, Error, ExposeSecret, KeyServices, Kind, SecretString};
use serde::Deserialize;
use serde::de::{self, Visitor};

fn load<T: EncryptedConfig>(content_type: &str, text: &str, variables: &[(&str, &str)]) -> Result<T, Error> {
    load_traced(content_type, text, variables).map(|(value, _)| value)
}

#[track_caller]
fn error<T: EncryptedConfig>(content_type: &str, text: &str, variables: &[(&str, &str)]) -> Error {
    let error = load::<T>(content_type, text, variables).err().expect("the load should fail");
    assert_eq!(error.kind(), Kind::DoesNotFit);
    error
}

#[track_caller]
fn problems<T: EncryptedConfig>(content_type: &str, text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    error::<T>(content_type, text, variables).problems().iter().map(told).collect()
}

#[derive(EncryptedConfig)]
#[envconf(env_prefix = "APP")]
struct App {
    #[envconf(default = 1)]
    level: u8,
    #[envconf(nested)]
    database: Database,
}

#[derive(EncryptedConfig)]
struct Database {
    #[envconf(env = "DATABASE_URL")]
    url: SecretString,
    #[envconf(default = 10, no_env)]
    pool_size: u32,
    servers: Vec<Server>,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Server {
    host: String,
    port: u16,
}

const TOML: &str = "\
level = 2

[database]
url = 'postgres://'
servers = [{ host = 'a', port = 1 }]
";
const JSON: &str = r#"{"level":2,"database":{"url":"postgres:\/\/","servers":[{"host":"a","port":1}]}}"#;
const YAML: &str = "\
level: 2
database:
  url: postgres://
  servers:
    - host: a
      port: 1
";
const DOTENV: &str = "\
# the same
APP__LEVEL=2
DATABASE_URL=postgres://
DATABASE__SERVERS=[{ host = 'a', port = 1 }]
";

#[test]
fn every_syntax_has_the_same_result() {
    let yaml = cfg!(feature = "yaml").then_some(("yaml", YAML));
    for (content_type, text) in [("toml", TOML), ("json", JSON), ("dotenv", DOTENV)].into_iter().chain(yaml) {
        let app: App = load(content_type, text, &[]).unwrap();
        assert_eq!(app.level, 2, "{content_type}");
        assert_eq!(app.database.url.expose_secret(), "postgres://");
        assert_eq!(app.database.pool_size, 10);
        assert_eq!(app.database.servers, [Server { host: "a".into(), port: 1 }]);
    }
}

#[test]
fn a_variable_overrides_the_sealed_value_which_overrides_the_default() {
    let level = |text: &str, variables: &[(&str, &str)]| {
        let variables = [variables, &[("DATABASE_URL", "u"), ("APP__DATABASE__SERVERS", "[]")]].concat();
        let (app, origins) = load_traced::<App>("toml", text, &variables).unwrap();
        (app.level, told(origins[0].origin()))
    };
    assert_eq!(level("", &[]), (1, "the attribute's default".into()));
    let sealed = "config/app.conf.enc line 1, column 9 of the sealed text";
    assert_eq!(level("level = 2", &[]), (2, sealed.into()));
    assert_eq!(level("level = 2", &[("APP__LEVEL", "3")]), (3, "environment variable APP__LEVEL".into()));
}

/// The layers of api.md §3, the weakest first, with the values 1, 2, … and the texts of their origins.
const LAYERS: [(&str, &str); 5] = [
    ("default", "the attribute's default"),
    ("config/app.defaults.toml", "config/app.defaults.toml line 2, column 9"),
    ("config/app.prod.defaults.toml", "config/app.prod.defaults.toml line 2, column 9"),
    ("sealed", "config/app.prod.conf.enc line 2, column 9 of the sealed text"),
    ("variable", "environment variable APP__LEVEL"),
];

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
struct WithDefault {
    #[envconf(default = 1)]
    level: u8,
    rest: Option<u8>,
}

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
struct WithoutDefault {
    level: u8,
    rest: Option<u8>,
}

/// Loads a project with the layers of these indices.
fn layered(project: &Project, layers: &[usize]) -> Result<(u8, String), Error> {
    for (file, value) in [(LAYERS[1].0, 2), (LAYERS[2].0, 3)] {
        match layers.contains(&(value - 1)) {
            true => drop(project.sandbox.write(file, format!("\nlevel = {value}\n"))),
            // The layer has only another key.
            false => drop(project.sandbox.write(file, "rest = 0")),
        }
    }
    let sealed = if layers.contains(&3) { "\nlevel = 4\n" } else { "rest = 0" };
    let services = KeyServices::none().local_key(project.key.clone());
    project.seal("prod", ContentType::Toml, sealed.as_bytes(), &[project.key.key_ref()], &services);
    let variables: &[(&str, &str)] = if layers.contains(&4) { &[("APP__LEVEL", "5")] } else { &[] };
    if layers.contains(&0) {
        let loaded = project.loader::<WithDefault>(variables).environment("prod").load()?;
        let _ = loaded.rest;
        return Ok((loaded.level, told(loaded.origin("level").unwrap())));
    }
    let loaded = project.loader::<WithoutDefault>(variables).environment("prod").load()?;
    let _ = loaded.rest;
    Ok((loaded.level, told(loaded.origin("level").unwrap())))
}

// Pitfall 23.
#[test]
fn the_stronger_of_two_layers_is_used() {
    let project = Project::toml("");
    for (weaker, (name, its_origin)) in LAYERS.iter().enumerate() {
        let (value, origin) = layered(&project, &[weaker]).unwrap();
        assert_eq!((usize::from(value), origin.as_str()), (weaker + 1, *its_origin));
        for (stronger, (other, its_origin)) in LAYERS.iter().enumerate().skip(weaker + 1) {
            let (value, origin) = layered(&project, &[weaker, stronger]).unwrap();
            assert_eq!(
                (usize::from(value), origin.as_str()),
                (stronger + 1, *its_origin),
                "{name} and {other}"
            );
        }
    }
    assert_eq!(layered(&project, &[0, 1, 2, 3, 4]).unwrap().0, 5);
    assert_eq!(layered(&project, &[]).unwrap_err().problems().len(), 1);
}

#[test]
fn plain_layers_are_next_to_the_pair_and_for_its_environment() {
    let project = Project::toml("rest = 0");
    let level = |loader: envconf::Loader<WithDefault>| loader.load().unwrap().level;
    project.sandbox.write("config/app.prod.defaults.toml", "level = 9");
    project.sandbox.write("config/app.default.defaults.toml", "level = 9");
    project.sandbox.write("config/other.defaults.toml", "level = 9");
    project.sandbox.write("config/app.defaults.json", "{\"level\": 9}");
    assert_eq!(level(project.loader(&[])), 1);
    project.sandbox.write("config/app.defaults.toml", "level = 2");
    assert_eq!(level(project.loader(&[])), 2);
    let moved = project.sandbox.write("moved/x.conf.enc", project.sandbox.read("config/app.conf.enc"));
    project.sandbox.write("moved/x.conf.key", project.sandbox.read("config/app.conf.key"));
    project.sandbox.write("moved/app.defaults.toml", "level = 3");
    assert_eq!(
        level(project.loader(&[]).path(moved)),
        3,
        "the name of the configuration and not of the file is used"
    );
}

#[test]
fn plain_layers_are_checked_too_and_do_not_replace_a_pair() {
    let project = Project::toml("rest = 'x'\nlevl = 1");
    project.sandbox.write("config/app.defaults.toml", "leve = 1\nrest = 1\nlevel = 'x'");
    let error = project.loader::<WithDefault>(&[]).load().map(drop).unwrap_err();
    let report = "\
app for default: 4 problems
  level: expected u8, at config/app.defaults.toml line 3, column 9
  rest: expected Option<u8>, at config/app.conf.enc line 1, column 8 of the sealed text
  leve: no such key (did you mean level?), at config/app.defaults.toml line 1, column 1
  levl: no such key (did you mean level?), at config/app.conf.enc line 2, column 1 of the sealed text";
    assert_eq!(told(&error), report);
    std::fs::remove_file(project.pair("default").enc()).unwrap();
    project.sandbox.write("config/app.defaults.toml", "level = 1\nrest = 1");
    let error = project.loader::<WithDefault>(&[]).load().map(drop).unwrap_err();
    assert_eq!((error.kind(), error.path()), (Kind::Io, Some(project.pair("default").enc())));
}

#[test]
fn a_variable_replaces_the_whole_leaf() {
    let variables = [("APP__DATABASE__SERVERS", r#"[{"host":"b","port":2}]"#), ("DATABASE_URL", "")];
    let app: App = load("toml", TOML, &variables).unwrap();
    assert_eq!(app.database.servers, [Server { host: "b".into(), port: 2 }]);
    assert_eq!(app.database.url.expose_secret(), "", "an empty variable is a value");
}

#[test]
fn origins_name_every_leaf_and_which_are_secret() {
    let (_, origins) = load_traced::<App>("toml", TOML, &[("APP__LEVEL", "3")]).unwrap();
    let seen: Vec<_> =
        origins.iter().map(|o| format!("{} {} {}", o.path(), told(o.origin()), o.secret())).collect();
    let text = "config/app.conf.enc line";
    let expected = [
        "level environment variable APP__LEVEL false".to_owned(),
        format!("database.url {text} 4, column 7 of the sealed text true"),
        "database.pool_size the attribute's default false".to_owned(),
        format!("database.servers {text} 5, column 11 of the sealed text false"),
    ];
    assert_eq!(seen, expected);
}

// Pitfall 19.
#[test]
fn all_problems_are_reported_at_once() {
    let toml = "levl = 2\n[database]\npool_size = '5'\nservers = [{ host = 'a', port = 1 }, { host = 'b', port = 70000 }]\nhost.x = 1\n";
    let error = error::<App>(
        "toml",
        toml,
        &[("APP__LEVEL", "high"), ("APP__LEVL", "1"), ("APP__DATABASE__POOL_SIZE", "1")],
    );
    let report = "\
app for default: 8 problems
  level: expected u8, at environment variable APP__LEVEL
  database.url: missing, expected SecretString (environment variable DATABASE_URL)
  database.pool_size: expected u32, at config/app.conf.enc line 3, column 13 of the sealed text
  database.servers[1].port: expected u16, at config/app.conf.enc line 4, column 59 of the sealed text
  database.host: no such key, at config/app.conf.enc line 5, column 1 of the sealed text
  levl: no such key (did you mean level?), at config/app.conf.enc line 1, column 1 of the sealed text
  database.pool_size: this field is not read from environment variables, at environment variable APP__DATABASE__POOL_SIZE
  no field has this name (did you mean APP__LEVEL?), at environment variable APP__LEVL";
    assert_eq!(told(&error), report);
    assert_eq!(
        error.problems()[1].complaint(),
        &Complaint::Missing { expected: "SecretString".into(), variable: Some("DATABASE_URL".into()) }
    );
}

#[test]
fn a_nested_struct_that_is_not_a_table_is_one_problem() {
    assert_eq!(
        problems::<App>("toml", "database = 3", &[]),
        ["database: expected Database, at config/app.conf.enc line 1, column 12 of the sealed text"]
    );
}

// Pitfall 17.
#[test]
fn unknown_variables_are_rejected_only_under_the_prefix() {
    let given =
        [("DATABASE_URL", "u"), ("APP__DATABASE__SERVERS", "[]"), ("APP_LEVEL", "1"), ("APPX__A", "1")];
    assert!(load::<App>("toml", "", &given).is_ok());
    for (name, suggestion) in [
        ("APP__DATABASE__URL", "DATABASE_URL"),
        ("APP__DATABASE__URL_FILE", "DATABASE_URL"),
        ("APP__DATABASE__SERVER", "APP__DATABASE__SERVERS"),
        ("APP__DATABASE__SERVERS_FIL", "APP__DATABASE__SERVERS_FILE"),
        ("APP__DATABASE_SERVERS", "APP__DATABASE__SERVERS"),
    ] {
        let variables = [given.as_slice(), &[(name, "1")]].concat();
        let error = error::<App>("toml", "", &variables);
        let suggestion = Complaint::Unknown { suggestion: Some(suggestion.into()) };
        assert_eq!(error.problems()[0].complaint(), &suggestion, "{name}");
        assert_eq!(error.problems()[0].origin(), Some(&Origin::Variable(name.into())));
    }
}

#[test]
fn a_file_can_contain_the_value_of_a_variable() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    std::fs::write(&file, "from file\n").unwrap();
    let file = file.to_str().unwrap();
    let (app, origins) = load_traced::<App>("toml", TOML, &[("DATABASE_URL_FILE", file)]).unwrap();
    assert_eq!(app.database.url.expose_secret(), "from file");
    let origin = Origin::VariableFile { variable: "DATABASE_URL_FILE".into(), file: PathBuf::from(file) };
    assert_eq!(origins[1].origin(), &origin);
    assert_eq!(
        problems::<App>("toml", TOML, &[("DATABASE_URL_FILE", file), ("DATABASE_URL", "x")]),
        [
            "database.url: both DATABASE_URL and DATABASE_URL_FILE are set; unset one of them, at environment variable DATABASE_URL"
        ]
    );
    assert_eq!(
        problems::<App>("toml", TOML, &[("APP__LEVEL_FILE", "/nowhere")]),
        ["level: cannot read it: file not found, at environment variable APP__LEVEL_FILE, file /nowhere"]
    );
}

#[test]
fn without_a_prefix_only_named_variables_are_read() {
    let variables =
        [("DATABASE__SERVERS", "[]"), ("APP__SERVERS", "1"), ("SERVERS", "[]"), ("DATABASE_URL", "u")];
    let database: Database = load("toml", "servers = [{ host = 'a', port = 1 }]", &variables).unwrap();
    assert_eq!((database.servers.len(), database.url.expose_secret()), (1, "u"));
}

#[test]
fn dotenv_content_has_special_rules() {
    let text = format!("{DOTENV}DATABASE__POOL_SIZE=3\n");
    let app: App = load("dotenv", &text, &[]).unwrap();
    assert_eq!(app.database.pool_size, 3, "no_env forbids the variable, not the content");
    assert_eq!(
        problems::<App>("dotenv", "LEVEL=1\nDATABASE_URL=\"u\"\nDATABASE__SERVERS=[]\nDATABASE__URL=x", &[]),
        [
            "database.url: the value begins with a quote, which dotenv content does not support, at config/app.conf.enc line 2, column 14 of the sealed text",
            "DATABASE__URL: no such key (did you mean DATABASE_URL?), at config/app.conf.enc line 4, column 1 of the sealed text",
        ]
    );
    assert_eq!(
        problems::<App>("dotenv", "LEVEL=1\nAPP__LEVEL=1\nDATABASE_URL=u\nDATABASE__SERVERS=[]", &[]),
        [
            "level: given twice, as LEVEL and as APP__LEVEL, at config/app.conf.enc line 2, column 1 of the sealed text"
        ]
    );
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Fast,
    Slow(u8),
    Other { x: u8 },
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(tag = "kind")]
enum Tagged {
    A { x: u8 },
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(untagged)]
enum Untagged {
    List(Vec<u8>),
    Text(String),
}

#[derive(Deserialize, Debug, PartialEq)]
struct Newtype(i32);

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(env_prefix = "T")]
struct Types {
    flag: Option<bool>,
    int: Option<i128>,
    float: Option<f32>,
    letter: Option<char>,
    text: Option<String>,
    list: Option<Vec<u8>>,
    map: Option<HashMap<u16, bool>>,
    tuple: Option<(u8, String)>,
    mode: Option<Mode>,
    tagged: Option<Tagged>,
    untagged: Option<Untagged>,
    newtype: Option<Newtype>,
    path: Option<PathBuf>,
    duration: Option<Duration>,
    unit: Option<()>,
    any: Option<BTreeMap<String, String>>,
}

#[test]
fn a_variable_is_parsed_as_the_type_of_its_field() {
    let one = |name: &str, text: &str| load::<Types>("toml", "", &[(name, text)]);
    let none = || load::<Types>("toml", "", &[]).unwrap();
    macro_rules! reads {
        ($($variable:literal $text:literal => $field:ident $value:expr;)*) => {$(
            let expected = Types { $field: Some($value), ..none() };
            assert_eq!(one($variable, $text).unwrap(), expected, "{} {}", $variable, $text);
        )*};
    }
    reads! {
        "T__FLAG" "true" => flag true;
        "T__INT" "-170141183460469231731687303715884105728" => int i128::MIN;
        "T__FLOAT" "1.5" => float 1.5;
        "T__FLOAT" "2" => float 2.0;
        "T__LETTER" "\u{e9}" => letter '\u{e9}';
        "T__TEXT" " [not parsed" => text " [not parsed".into();
        "T__TEXT" "[1]" => text "[1]".into();
        "T__TEXT" "" => text String::new();
        "T__LIST" "[1, 2]" => list vec![1, 2];
        "T__LIST" " [\n1,\n] " => list vec![1];
        "T__MAP" "{ 1 = true }" => map HashMap::from([(1, true)]);
        "T__MAP" r#"{"2": false}"# => map HashMap::from([(2, false)]);
        "T__TUPLE" "[1, 'a']" => tuple (1, "a".into());
        "T__MODE" "fast" => mode Mode::Fast;
        "T__MODE" "{ slow = 3 }" => mode Mode::Slow(3);
        "T__MODE" r#"{"other": {"x": 3}}"# => mode Mode::Other { x: 3 };
        "T__TAGGED" "{ kind = 'A', x = 1 }" => tagged Tagged::A { x: 1 };
        "T__UNTAGGED" "[1]" => untagged Untagged::List(vec![1]);
        "T__UNTAGGED" "5" => untagged Untagged::Text("5".into());
        "T__NEWTYPE" "-3" => newtype Newtype(-3);
        "T__PATH" "/a b" => path "/a b".into();
        "T__DURATION" "{ secs = 1, nanos = 2 }" => duration Duration::new(1, 2);
        "T__UNIT" "" => unit ();
        "T__ANY" "{ a = 'b' }" => any BTreeMap::from([("a".into(), "b".into())]);
    }
    for (name, text) in [
        ("T__FLAG", "True"),
        ("T__FLAG", "1"),
        ("T__FLAG", ""),
        ("T__INT", " 1"),
        ("T__INT", "1.0"),
        ("T__INT", "0x10"),
        ("T__FLOAT", "x"),
        ("T__LETTER", "ab"),
        ("T__LIST", "1,2"),
        ("T__LIST", "[1, 300]"),
        ("T__MAP", "{ a = true }"),
        ("T__TUPLE", "[1, 'a', 2]"),
        ("T__MODE", "Fast"),
        ("T__MODE", "slow"),
        ("T__MODE", "{ fast = 3 }"),
        ("T__UNIT", "x"),
    ] {
        let ty = Types::META.fields.iter().find(|field| name == format!("T__{}", field.segment)).unwrap().ty;
        let complaint = match (name, text) {
            ("T__LIST", "[1, 300]") => Complaint::WrongType { expected: "u8".into() },
            ("T__MAP", _) => Complaint::WrongType { expected: "u16 as the key".into() },
            ("T__TUPLE", _) => Complaint::WrongLength { expected: 2 },
            ("T__MODE", "Fast") => Complaint::UnknownVariant { expected: &["fast", "slow", "other"] },
            _ => Complaint::WrongType { expected: ty.into() },
        };
        let error = one(name, text).unwrap_err();
        assert_eq!(error.problems()[0].complaint(), &complaint, "{name} {text}");
    }
    assert!(one("T__LIST", "1,2").unwrap_err().advice().unwrap().contains("inline TOML or JSON"));
}

#[test]
fn content_keeps_its_types() {
    let toml = "flag = true\nint = 9223372036854775807\nfloat = 2\nletter = 'x'\ntext = 'a'\nlist = [1]\nmap = { 1 = true }\n\
                tuple = [1, 'a']\nmode = { other = { x = 1 } }\ntagged = { kind = 'A', x = 1 }\nuntagged = 'x'\nnewtype = 3\nduration = { secs = 1, nanos = 0 }";
    let types: Types = load("toml", toml, &[]).unwrap();
    assert_eq!(
        (types.float, types.int),
        (Some(2.0), Some(i64::MAX.into())),
        "a float field must accept an integer"
    );
    assert_eq!(types.mode, Some(Mode::Other { x: 1 }));
    for wrong in [
        "flag = 'true'",
        "int = '1'",
        "int = 1.0",
        "text = 1",
        "letter = 'ab'",
        "list = '[1]'",
        "mode = {}",
        "tuple = [1]",
    ] {
        assert_eq!(problems::<Types>("toml", wrong, &[]).len(), 1, "{wrong}");
    }
    let json = load::<Types>("json", r#"{"flag":null,"unit":null,"int":18446744073709551615}"#, &[]).unwrap();
    assert_eq!((json.flag, json.int), (None, Some(u64::MAX.into())));
}

#[cfg(feature = "yaml")]
#[test]
fn errors_in_yaml_have_positions() {
    assert_eq!(
        problems::<App>("yaml", "level: high\ndatabase:\n  url: 5\n  servers: []\n  host: x\n", &[]),
        [
            "level: expected u8, at config/app.conf.enc line 1, column 8 of the sealed text",
            "database.url: expected SecretString, at config/app.conf.enc line 3, column 8 of the sealed text",
            "database.host: no such key, at config/app.conf.enc line 5, column 3 of the sealed text",
        ]
    );
    assert_eq!(
        problems::<App>("yaml", "level: 1\nlevel: 2", &[]),
        [
            "level: set twice, first at line 1, again at config/app.conf.enc line 2, column 1 of the sealed text"
        ]
    );
    let null: Types = load("yaml", "flag: ~\nlist: [1, 2]\nmode: {other: {x: 3}}", &[]).unwrap();
    assert_eq!((null.flag, null.list, null.mode), (None, Some(vec![1, 2]), Some(Mode::Other { x: 3 })));
}

#[test]
fn dates_are_leaves() {
    #[derive(EncryptedConfig)]
    #[envconf(env_prefix = "D")]
    struct Dates {
        at: toml::value::Datetime,
    }
    let at = |content_type: &str, text: &str, variables: &[(&str, &str)]| {
        load::<Dates>(content_type, text, variables).map(|dates| dates.at.to_string()).ok()
    };
    let date = Some("1979-05-27T07:32:00Z".to_owned());
    assert_eq!(at("toml", "at = 1979-05-27T07:32:00Z", &[]), date);
    assert_eq!(at("json", r#"{"at":"1979-05-27T07:32:00Z"}"#, &[]), date);
    assert_eq!(at("toml", "", &[("D__AT", "1979-05-27T07:32:00Z")]), date);
    assert_eq!(at("toml", "at = 1979", &[]), None);
}

#[test]
fn null_is_not_a_value_for_a_required_field() {
    assert_eq!(
        problems::<App>("json", r#"{"level":null,"database":{"url":null,"servers":[]}}"#, &[]),
        [
            "level: expected u8, at config/app.conf.enc line 1, column 10 of the sealed text",
            "database.url: expected SecretString, at config/app.conf.enc line 1, column 33 of the sealed text",
        ]
    );
}

#[test]
fn syntax_errors_have_line_and_column() {
    for (content_type, text, problem) in [
        (
            "toml",
            "level = 1\nlevel = ",
            "not valid TOML, at config/app.conf.enc line 2, column 9 of the sealed text",
        ),
        (
            "json",
            "{\"level\":}",
            "not valid JSON, at config/app.conf.enc line 1, column 10 of the sealed text",
        ),
        (
            "dotenv",
            "LEVEL=1\nlevel",
            "not valid dotenv, expected NAME=value, at config/app.conf.enc line 2, column 1 of the sealed text",
        ),
        (
            "json",
            "[]",
            "not valid JSON with an object at its root, at config/app.conf.enc line 1, column 1 of the sealed text",
        ),
    ] {
        assert_eq!(problems::<App>(content_type, text, &[]), [problem]);
    }
}

/// A text that must never be printed.
const CANARY: &str = "hunter2canary";

/// A type with an error that quotes the value, in its message and in its expectation.
#[derive(Debug)]
struct Talkative;

impl<'de> Deserialize<'de> for Talkative {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quoting(String);
        impl Visitor<'_> for Quoting {
            type Value = Talkative;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "anything but {}", self.0)
            }
        }
        let text = String::deserialize(deserializer)?;
        match text.len() % 2 {
            0 => Err(de::Error::custom(format!("{text} is not good"))),
            _ => Err(de::Error::invalid_type(de::Unexpected::Str(&text), &Quoting(text.clone()))),
        }
    }
}

#[derive(EncryptedConfig, Debug)]
#[envconf(env_prefix = "C")]
#[expect(dead_code, reason = "every load of the type fails")]
struct Leaky {
    talkative: Option<Talkative>,
    number: Option<u8>,
    mode: Option<Mode>,
    untagged: Option<Vec<Untagged>>,
    letter: Option<char>,
    date: Option<toml::value::Datetime>,
    #[envconf(default = "hunter2canary")]
    default: NeverFits,
}

#[derive(Debug)]
struct NeverFits;

impl<'de> Deserialize<'de> for NeverFits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(String::deserialize(deserializer)?))
    }
}

#[test]
fn no_error_contains_a_value() {
    let texts = [
        ("toml", "talkative = 'hunter2canary'"),
        ("toml", "talkative = 'hunter2canary.'"),
        ("toml", "number = 'hunter2canary'"),
        ("toml", "mode = 'hunter2canary'"),
        ("toml", "mode = { slow = 'hunter2canary' }"),
        ("toml", "untagged = [{ a = 'hunter2canary' }]"),
        ("toml", "letter = 'hunter2canary'"),
        ("toml", "date = 'hunter2canary'"),
        ("toml", "number = 'hunter2canary"),
        ("toml", "number = hunter2canary"),
        ("toml", "'x' = 'hunter2canary'"),
        ("json", r#"{"talkative":"hunter2\u0063anary"}"#),
        ("json", r#"{"talkative":"hunter2canary"#),
        ("json", r#"{"talkative":hunter2canary}"#),
        ("json", r#""hunter2canary""#),
        ("dotenv", "NUMBER=hunter2canary"),
        ("dotenv", "NUMBER='hunter2canary'"),
        ("dotenv", "hunter2canary"),
        ("dotenv", "UNKNOWN=hunter2canary"),
        ("yaml", "number: hunter2canary"),
        ("yaml", "number: !hunter2canary x"),
        ("yaml", "number: *hunter2canary"),
        ("yaml", "number: 'hunter2canary"),
        ("yaml", "{hunter2canary"),
        ("raw", "hunter2canary"),
        ("toml", ""),
    ];
    for (content_type, text) in texts {
        silent(&error::<Leaky>(content_type, text, &[]), text);
    }
    for name in ["C__TALKATIVE", "C__NUMBER", "C__MODE", "C__UNTAGGED", "C__UNKNOWN", "C__DEFAULT"] {
        for text in [CANARY.to_owned(), format!("[\"{CANARY}\"]"), format!("{{{CANARY}")] {
            silent(&error::<Leaky>("toml", "", &[(name, &text)]), name);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("value");
    std::fs::write(&file, CANARY).unwrap();
    silent(&error::<Leaky>("toml", "", &[("C__NUMBER_FILE", file.to_str().unwrap())]), "file");
}

#[track_caller]
fn silent(error: &Error, case: &str) {
    let mut said =
        format!("{error} {error:#} {error:?} {error:#?} {:?} {:?}", error.problems(), error.advice());
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        said += &format!("{error} {error:?}");
        source = error.source();
    }
    // Fragments must not be printed either.
    for fragment in [CANARY, "hunter2", "canary", "unter2can"] {
        assert!(!said.contains(fragment), "{case}: {said}");
    }
}
