//! Tests of schemas: they match `load`, other programs can read them, and unsupported keywords are rejected.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "schema/mutations.rs"]
mod mutations;
#[path = "schema/types.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests only check whether the types load")]
mod types;
#[path = "schema/validator.rs"]
mod validator;

use common::load_traced;
use envconf::schema::{Format, template};
use envconf::{ContentType, EncryptedConfig, Error, KeyServices, Kind, LocalKey, Pair, Schema, Seal};
use envconf_test_support::Sandbox;
use mutations::{Value, text_of};
use proptest::prelude::*;
use types::{Open, Rich};

/// Seals this content with a check by the type's schema, and returns the result.
fn seal<T: EncryptedConfig>(content_type: &str, content: &str) -> Result<(), Error> {
    seal_by(Schema::parse(&T::json_schema()).unwrap(), content_type, content)
}

fn seal_by(schema: Schema, content_type: &str, content: &str) -> Result<(), Error> {
    let key = LocalKey::generate().unwrap();
    let content_type = ContentType::from_name(content_type).unwrap();
    let name = schema.meta().name.parse().unwrap();
    let seal = Seal::new(name, "default".parse().unwrap(), content_type).as_is().schema(schema);
    let seal = seal.recipient(key.key_ref().clone());
    seal.seal_bytes(content.as_bytes(), &KeyServices::none().local_key(key)).map(drop)
}

/// Returns the problems without their positions, because a load and a seal name different files.
fn report(error: &Error) -> Vec<String> {
    error.problems().iter().map(|problem| format!("{}: {:?}", problem.path(), problem.complaint())).collect()
}

/// Checks that sealing accepts content that loads, and rejects other content with the same messages.
#[track_caller]
fn agree<T: EncryptedConfig>(content_type: &str, content: &str) -> bool {
    let loaded = load_traced::<T>(content_type, content, &[]);
    let sealed = seal::<T>(content_type, content);
    match (&loaded, &sealed) {
        (Ok(_), Ok(())) => true,
        (Err(loads), Err(seals)) => {
            assert_eq!(report(loads), report(seals), "{content}");
            false
        }
        _ => panic!("load: {:?}\nseal: {sealed:?}\nof {content}", loaded.err()),
    }
}

const RICH: &str = r#"
    small = 1
    text = "t"
    secret = "s"
    listen = "[::1]:80"
    list = [1, 2]
    matrix = [[true], []]
    fixed = [-1, 1]
    pair = [1, "a"]
    map = { a = 1 }
    hosts = { "10.0.0.1" = 1.5 }
    "odd key/~" = 3
    inner = { url = "u", deep = { level = 2, more = 1 } }
    maybe = { uri = "u" }
    calm = { label = "x" }
    below_flat = { url = "u", pool = 1 }
"#;

fn valid() -> Value {
    mutations::parse(RICH)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sealing_accepts_toml_and_json_exactly_if_they_load(changes in mutations::changes()) {
        let value = mutations::apply(valid(), &changes);
        for (content_type, text) in [("toml", value.toml()), ("json", value.json())] {
            agree::<Rich>(content_type, &text);
            agree::<Open>(content_type, &text);
        }
    }

    /// JSON content, where null removes a value of the plain layer.
    #[test]
    fn sealing_reads_plain_layers_as_loading_does(
        plain in mutations::changes(),
        changes in mutations::changes(),
    ) {
        const PLAIN: &str = "small = 2\nlist = [3]\nregion = 'r'\ninner = { pool = 2 }\ncalm = { level = 1, more = 1 }";
        let project = common::Project { sandbox: Sandbox::new(), key: LocalKey::generate().unwrap() };
        project.sandbox.write("config/rich.defaults.toml", mutations::apply(mutations::parse(PLAIN), &plain).toml());
        let content = mutations::apply(valid(), &changes).json();
        let services = KeyServices::none().local_key(project.key.clone());
        let (name, environment) = ("rich".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(project.sandbox.path("config"), &name, &environment);
        let seal = Seal::new(name, environment, ContentType::Json).recipient(project.key.key_ref().clone());
        let by_schema = seal.clone().schema(Schema::parse(&Rich::json_schema()).unwrap());
        let sealed = by_schema.seal(&pair, content.as_bytes(), &services);
        seal.seal(&pair, content.as_bytes(), &services).unwrap();
        let loaded = project.loader::<Rich>(&[]).load();
        match (&loaded, &sealed) {
            (Ok(_), Ok(_)) => {}
            (Err(loads), Err(seals)) => prop_assert_eq!(report(loads), report(seals)),
            _ => prop_assert!(false, "load: {:?}, seal: {sealed:?}, of {content}", loaded.err()),
        }
    }

    #[test]
    fn sealing_accepts_dotenv_exactly_if_it_loads(lines in mutations::lines(&text_of::<Rich>())) {
        agree::<Rich>("dotenv", &lines);
    }

    #[test]
    fn sealing_accepts_open_dotenv_exactly_if_it_loads(lines in mutations::lines(&text_of::<Open>())) {
        agree::<Open>("dotenv", &lines);
    }
}

#[test]
fn the_content_without_mutations_is_accepted() {
    assert!(agree::<Rich>("toml", &valid().toml()) && agree::<Rich>("json", &valid().json()));
    assert!(agree::<Rich>("dotenv", "SMALL=+1\nRICH__TEXT=\nRICH_SECRET=s\nINNER__URL=u\nLIST=[1]"));
    assert!(agree::<Open>("json", r#"{"c": null, "more": 1}"#));
    // Both read it if the feature is enabled, and both reject it otherwise.
    agree::<Rich>("yaml", "small: 1\ntext: t\nsecret: s\ninner: {url: u}\n");
    agree::<Rich>("yaml", "small: 0x1ff\ntext: 1\nsecret: null\ninner: []\n");
    agree::<Rich>("raw", "small = 1");
}

#[test]
fn the_schema_is_as_strict_as_the_type() {
    let with = |line: &str| format!("small = 1\ntext = ''\nsecret = ''\ninner.url = ''\n{line}\n");
    for (line, fits) in [
        ("float = 1", true),
        ("float = nan", true),
        ("single = -inf", true),
        ("size = 1.0", false),
        ("wide = -1", false),
        ("wide = 9223372036854775807", true),
        ("nonzero = 0", false),
        ("letter = ''", false),
        ("letter = 'é'", true),
        ("letter = 'ab'", false),
        ("path = 1979-05-27", false),
        ("boxed = 1979-05-27", false),
        ("ip = '::1'", true),
        ("ip = '1.2.3'", false),
        ("fixed = [1]", false),
        ("fixed = [1, 2, 3]", false),
        ("pair = [1, 'a', 2]", false),
        ("hosts = { localhost = 1 }", false),
        ("zone = 'a'\narea = 'b'", false),
        ("maybe = {}", false),
        ("calm.other = 1", true),
        ("calm = 1", false),
    ] {
        assert_eq!(agree::<Rich>("toml", &with(line)), fits, "{line}");
    }
    let with = |member: &str| {
        format!(r#"{{"small": 1, "text": "", "secret": "", "inner": {{"url": ""}}, {member}}}"#)
    };
    for (member, fits) in [
        (r#""wide": 18446744073709551615"#, true),
        (r#""wide": 18446744073709551616"#, false),
        (r#""wide": null"#, false),
        (r#""huge": null"#, true),
        (r#""below": -9223372036854775809"#, false),
        (r#""float": 1e300"#, true),
        (r#""size": 1.0"#, false),
        (r#""calm": null"#, true),
        (r#""maybe": null"#, true),
        (r#""inner": null"#, false),
        (r#""unit": null"#, true),
        (r#""queue": [null]"#, true),
        (r#""$schema": "./app.schema.json""#, false),
    ] {
        // The syntax rejects a key that occurs twice.
        let text = with(member).replace(r#""inner": {"url": ""}, "inner""#, r#""inner""#);
        assert_eq!(agree::<Rich>("json", &text), fits, "{member}");
    }
}

#[test]
fn the_program_checks_rules_that_no_schema_has() {
    fn odd(n: &u8) -> Result<(), &'static str> {
        if n % 2 == 1 { Ok(()) } else { Err("even") }
    }
    fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        let text: String = serde::Deserialize::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("no number"))
    }
    #[derive(serde::Deserialize)]
    enum Level {
        Info,
    }
    #[derive(EncryptedConfig)]
    #[envconf(name = "rich")]
    #[allow(dead_code, reason = "the test only checks whether the type loads")]
    struct Own {
        #[envconf(validate = odd, default = 1)]
        judged: u8,
        #[envconf(deserialize_with = text)]
        read: u8,
        level: Option<Level>,
        by_number: Option<std::collections::BTreeMap<u8, u8>>,
        signed: Option<std::num::NonZeroI8>,
    }
    assert!(agree::<Own>("toml", "judged = 3\nread = '1'\nlevel = 'Info'\nby_number.1 = 1\nsigned = 1"));
    for line in ["judged = 2", "level = 'info'", "level = 1", "by_number.a = 1", "signed = 0"] {
        let content = format!("read = '1'\n{line}");
        assert!(seal::<Own>("toml", &content).is_ok(), "{line}");
        assert!(load_traced::<Own>("toml", &content, &[]).is_err(), "{line}");
    }
    assert!(seal::<Own>("toml", "read = 1").is_ok());
    assert!(
        !agree::<Own>("toml", "judged = 256\nread = '1'"),
        "the schema has the type of the validated field"
    );
}

#[test]
fn all_problems_are_reported_before_anything_is_written() {
    let sandbox = Sandbox::new();
    sandbox.write("config/rich.defaults.toml", "small = 3\nsecret = 'no'\nunknown = 1\n");
    let (name, environment) = ("rich".parse().unwrap(), "default".parse().unwrap());
    let pair = Pair::new(sandbox.path("config"), &name, &environment);
    let seal = Seal::new(name, environment, ContentType::Toml)
        .recipient("tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01".parse().unwrap())
        .schema(Schema::parse(&Rich::json_schema()).unwrap());
    // No service has the key, so a request would fail with another error.
    let error =
        seal.seal(&pair, b"signed-one = 'x'\ninner = { url = 1 }\n", &KeyServices::none()).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::DoesNotFit, 20));
    let expected = [
        "signed-one: expected Option<i16>, at line 1, column 14",
        "text: missing, expected String (environment variable RICH__TEXT)",
        "secret: a secret does not belong in a plain layer, at config/rich.defaults.toml line 2, column 10",
        "inner.url: expected SecretString, at line 2, column 17",
        "unknown: no such key, at config/rich.defaults.toml line 3, column 1",
    ];
    let told: Vec<_> = error.problems().iter().map(common::told).collect();
    assert_eq!(told, expected);
    assert!(!pair.enc().exists() && !pair.key().exists());
}

#[test]
fn the_content_needs_no_value_of_a_provided_variable() {
    let schema = || Schema::parse(&Rich::json_schema()).unwrap();
    let content = "small = 1\ntext = ''\n";
    let error = seal_by(schema(), "toml", content).unwrap_err();
    assert_eq!(error.problems().len(), 2);
    assert!(error.advice().unwrap().contains("Schema::provided"), "{error}");
    let provided = || schema().provided("RICH_SECRET").and_then(|schema| schema.provided("RICH__INNER__URL"));
    seal_by(provided().unwrap(), "toml", content).unwrap();
    let by_file =
        schema().provided("RICH_SECRET_FILE").and_then(|schema| schema.provided("RICH__INNER__URL_FILE"));
    seal_by(by_file.unwrap(), "toml", content).unwrap();
    seal_by(provided().unwrap(), "dotenv", "SMALL=1\nTEXT=\n").unwrap();
    // A provided variable makes an optional struct present, so the other values of the struct are required.
    let error =
        seal_by(provided().unwrap().provided("RICH__MAYBE__POOL").unwrap(), "toml", content).unwrap_err();
    assert_eq!(report(&error).len(), 1, "{error}");
    assert!(error.to_string().contains("maybe.url: missing"), "{error}");

    let error = schema().provided("RICH__INNER__ULR=canary-value").unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(
        error.to_string().contains("RICH__INNER__URL") && !error.to_string().contains("canary"),
        "{error}"
    );
    assert_eq!(schema().provided("RICH__LISTEN").unwrap_err().kind(), Kind::Usage, "the field has no_env");
}

#[test]
fn a_read_schema_is_the_same_as_the_written_one() {
    for text in [Rich::json_schema(), Open::json_schema()] {
        let read = Schema::parse(&text).unwrap();
        let written = |meta: &'static envconf::meta::Meta| {
            let prefix = meta.env_prefix;
            let leaf = |leaf: &envconf::meta::Leaf| {
                let field = leaf.field();
                let told =
                    (leaf.path(), leaf.variable(prefix), field.ty, field.docs, field.secret, field.aliases);
                (told, field.example, field.deprecated, field.shape)
            };
            meta.leaves().iter().map(leaf).map(|leaf| format!("{leaf:?}")).collect::<Vec<_>>()
        };
        let own = if read.meta().name == "rich" {
            written(const { &Rich::META })
        } else {
            written(const { &Open::META })
        };
        assert_eq!(written(read.meta()), own);
        for format in [Format::Toml, Format::Json, Format::Dotenv] {
            let own =
                if read.meta().name == "rich" { Rich::template(format) } else { Open::template(format) };
            // The outermost doc comment is the description of the schema.
            assert_eq!(template(read.meta(), format), own);
        }
    }
}

#[test]
fn unknown_keywords_are_rejected_with_their_places() {
    let refused = |schema: &str| {
        let error = Schema::parse(schema).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (Kind::Usage, 2), "{error}");
        error.message().to_owned()
    };
    let of = |property: &str| format!("{{\"properties\": {{\n\"a\": {property}}}}}");
    for (property, expected) in [
        (
            r#"{"type": "string", "pattern": "x"}"#,
            "line 2, column 25: unknown keyword `pattern`: envconf cannot check it",
        ),
        (r#"{"enum": [1]}"#, "line 2, column 7: unknown keyword `enum`: envconf cannot check it"),
        (r#"{"minimum": 1}"#, "line 2, column 7: unknown keyword `minimum`: envconf cannot check it"),
        (
            r#"{"type": "string", "minimum": 1}"#,
            "line 2, column 25: unknown keyword `minimum`: envconf cannot check it",
        ),
        (
            r#"{"type": "array", "items": {"const": 1}}"#,
            "line 2, column 34: unknown keyword `const`: envconf cannot check it",
        ),
        (
            r#"{"type": "integer", "maximum": 1.5}"#,
            "line 2, column 37: invalid `maximum`: expected an integer",
        ),
        (
            r#"{"type": ["string", "integer"]}"#,
            "line 2, column 15: invalid `type`: expected one type, or a list of one type and null",
        ),
        (r#"{"type": "text"}"#, "line 2, column 6: unknown type"),
        (
            r#"{"type": "string", "maximun": 1}"#,
            "line 2, column 25: unknown keyword `maximun`: envconf cannot check it",
        ),
        (
            r#"{"x-envconf-new": 1}"#,
            "line 2, column 7: unknown keyword `x-envconf-new`: envconf cannot check it",
        ),
        (
            r##"{"$ref": "#/$defs/a"}"##,
            "line 2, column 1: a `$ref` must name another property of the same table, as an alias of it",
        ),
        ("false", "line 2, column 6: a property must be an object or true"),
        (r#"{"properties": {}}"#, "line 2, column 6: a part with `properties` must have the type object"),
        (
            r#"{"type": "array", "prefixItems": [true]}"#,
            "line 2, column 39: `prefixItems` must be a list, and `minItems` and `maxItems` must be its length",
        ),
        (
            r#"{"x-envconf-env": "A=B"}"#,
            "line 2, column 24: invalid `x-envconf-env`: expected the name of a variable",
        ),
    ] {
        assert_eq!(refused(&of(property)), expected);
    }
    assert_eq!(refused("{"), "line 1, column 1: not valid JSON");
    assert_eq!(refused("{}"), "line 1, column 1: a table must have `properties`");
    assert_eq!(
        refused(r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#),
        "line 1, column 13: unknown draft: expected draft 2020-12"
    );
    assert!(
        refused(r#"{"properties": {}, "required": ["a"]}"#)
            .contains("`required` has `a`, which is not a property")
    );
    assert!(
        refused(r#"{"properties": {"a": {}}, "allOf": [{"required": ["a"]}]}"#)
            .contains("invalid rule in `allOf`")
    );
    assert!(
        refused(&of(r#"{}, "b": {"$ref": "\u0023/properties/a"}"#)).contains("no rule in `allOf` forbids")
    );
    // The rules of so many aliases would not fit into memory.
    let alias = |n: u32| format!(r#", "b{n}": {{"$ref": "\u0023/properties/a"}}"#);
    let many: String = (0..25_000).map(alias).collect();
    assert!(refused(&of(&format!("{{}}{many}"))).contains("no rule in `allOf` forbids"));
    let aliased =
        Rich::json_schema().replace(r#""required": ["small","#, r#""required": ["region", "small","#);
    assert!(
        refused(&aliased)
            .contains("`required` has `region`, which is not a property, or is a property with an alias")
    );
    // Keywords that reject no value are ignored.
    let annotated =
        of(r#"{"type": "string", "format": "date", "readOnly": true, "x-order": 1, "$comment": "c"}"#);
    seal_by(
        Schema::parse(&annotated.replacen('{', r#"{"title": "rich", "$defs": {},"#, 1)).unwrap(),
        "toml",
        "a = ''",
    )
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_schema_is_rejected_or_valid(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, "[\\[\\]{}\"a0,:]{0,2}"), 1..3)
    ) {
        let mut schema = Rich::json_schema();
        for (at, length, instead) in &cuts {
            let at = at.index(schema.len());
            let end = (at + length).min(schema.len());
            if schema.is_char_boundary(at) && schema.is_char_boundary(end) {
                schema.replace_range(at..end, instead);
            }
        }
        match Schema::parse(&schema) {
            // A damaged title is not a valid name of a pair.
            Ok(schema) if schema.meta().name.parse::<envconf::Name>().is_err() => {}
            Ok(schema) => drop(seal_by(schema, "toml", &valid().toml())),
            Err(error) => prop_assert_eq!(error.kind(), Kind::Usage),
        }
    }
}

#[test]
fn a_hand_written_schema_is_used_unchanged() {
    let schema = r#"{
        "title": "app",
        "properties": {
            "port": {"type": "integer", "minimum": 1024, "maximum": 65535},
            "name": {"type": "string", "maxLength": 3},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
            "db": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}
        },
        "required": ["port"],
        "additionalProperties": false
    }"#;
    let problems = |content: &str| match seal_by(Schema::parse(schema).unwrap(), "toml", content) {
        Ok(()) => String::new(),
        Err(error) => error.problems().iter().map(|problem| format!("{problem}; ")).collect(),
    };
    assert_eq!(problems("port = 1024\nname = 'äöü'\ntags = ['a', 'b']\ndb = { url = '', more = 1 }"), "");
    assert_eq!(
        problems("port = 80\nname = 'long'\ntags = ['a', 'b', 'c']\ndb = {}\nmore = 1"),
        "port: expected an integer in the schema's range, at line 1, column 8; \
         name: expected a text of the schema's form, at line 2, column 8; \
         tags: expected a list of the schema's form, at line 3, column 8; \
         db.url: missing, expected a text of the schema's form; more: no such key, at line 5, column 1; "
    );
}
