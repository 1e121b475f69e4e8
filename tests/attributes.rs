//! Tests of the attributes `flatten`, `deserialize_with`, `validate` and `deprecated`, and of the errors that `check`
//! finds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{load_traced, told};
use envconf::meta::{Literal, Shape};
use envconf::{EncryptedConfig, Error, Kind};

fn load<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Result<T, Error> {
    load_traced("toml", toml, variables).map(|(value, _)| value)
}

#[track_caller]
fn problems<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let error = load::<T>(toml, variables).err().expect("the load should fail");
    assert_eq!(error.kind(), Kind::DoesNotFit);
    error.problems().iter().map(told).collect()
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(env_prefix = "F")]
struct Flat {
    name: String,
    #[envconf(flatten)]
    common: Common,
    #[envconf(nested)]
    inner: Option<Inside>,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(rename_all = "kebab-case", allow_unknown_fields)]
struct Common {
    #[envconf(default = 1)]
    log_level: u8,
    #[envconf(alias = "old")]
    region: String,
    #[envconf(flatten)]
    deeper: Deeper,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
struct Deeper {
    #[envconf(nested)]
    limits: Option<Limits>,
    token: Option<u8>,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
struct Limits {
    a: u8,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
struct Inside {
    #[envconf(flatten)]
    deeper: Deeper,
}

#[test]
fn fields_of_a_flattened_struct_are_like_those_of_the_outer_one() {
    let flat: Flat = load("name = 'n'\nold = 'r'\nlimits.a = 2", &[]).unwrap();
    assert_eq!((flat.common.log_level, flat.common.region.as_str()), (1, "r"));
    assert_eq!((flat.common.deeper.limits, flat.inner), (Some(Limits { a: 2 }), None));
    let variables = [("F__NAME", "n"), ("F__REGION", "r"), ("F__LIMITS__A", "3"), ("F__INNER__TOKEN", "4")];
    let flat: Flat = load("log-level = 5", &variables).unwrap();
    assert_eq!((flat.common.log_level, flat.common.deeper.limits), (5, Some(Limits { a: 3 })));
    assert_eq!(flat.inner.unwrap().deeper.token, Some(4));

    let paths: Vec<_> = Flat::META.leaves().iter().map(envconf::meta::Leaf::path).collect();
    assert_eq!(paths, ["name", "log-level", "region", "limits.a", "token", "inner.limits.a", "inner.token"]);
    assert_eq!(Flat::META.fields[1].shape, Shape::Flattened(&Common::META));
    // The table belongs to the outer struct, which also decides about unknown keys.
    assert_eq!(
        problems::<Flat>("log-levl = 1\nregion = 2\nold = 'r'\n[limits]\nb = 1", &[("F__REGIN", "r")]),
        [
            "name: missing, expected String (environment variable F__NAME)",
            "region: given twice, as region and as old, at config/app.conf.enc line 3, column 1 of the sealed text",
            "limits.a: missing, expected u8 (environment variable F__LIMITS__A)",
            "limits.b: no such key, at config/app.conf.enc line 5, column 1 of the sealed text",
            "log-levl: no such key (did you mean log-level?), at config/app.conf.enc line 1, column 1 of the sealed text",
            "no field has this name (did you mean F__REGION?), at environment variable F__REGIN",
        ]
    );
}

/// A type without `Deserialize`.
#[derive(Debug, PartialEq, Clone, Default)]
struct Rgb(u8, u8, u8);

fn rgb<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Rgb, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom(format!("{text} is not a colour"));
    let part =
        |at: usize| text.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or_else(wrong);
    Ok(Rgb(part(1)?, part(3)?, part(5)?))
}

fn white() -> Rgb {
    Rgb(255, 255, 255)
}

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds: Option<u64> = serde::Deserialize::deserialize(deserializer)?;
    Ok(seconds.map(Duration::from_secs))
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(env_prefix = "W")]
struct With<T: Default> {
    #[envconf(deserialize_with = rgb)]
    plain: Rgb,
    #[envconf(deserialize_with = rgb, default = "#010203", example = "#ffffff")]
    literal: Rgb,
    #[envconf(deserialize_with = rgb, default)]
    ty: Rgb,
    #[envconf(deserialize_with = rgb, default_with = white)]
    function: Rgb,
    #[envconf(deserialize_with = seconds)]
    optional: Option<Duration>,
    #[envconf(deserialize_with = generic::<T, _>)]
    generic: T,
}

fn generic<'de, T: Default, D: serde::Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let _: serde::de::IgnoredAny = serde::Deserialize::deserialize(deserializer)?;
    Ok(T::default())
}

#[test]
fn a_function_can_replace_deserialize() {
    let with: With<u8> = load("plain = '#ff0000'\ngeneric = [1]", &[]).unwrap();
    assert_eq!(
        (with.plain, with.literal, with.ty, with.optional),
        (Rgb(255, 0, 0), Rgb(1, 2, 3), Rgb(0, 0, 0), None)
    );
    let variables =
        [("W__PLAIN", "#00ff00"), ("W__LITERAL", "#0000ff"), ("W__OPTIONAL", "5"), ("W__GENERIC", "")];
    let with: With<String> = load("", &variables).unwrap();
    assert_eq!((with.plain, with.literal), (Rgb(0, 255, 0), Rgb(0, 0, 255)));
    assert_eq!(with.optional, Some(Duration::from_secs(5)));
    assert_eq!(
        problems::<With<u8>>("plain = 'red'\nliteral = 3\ngeneric = 0", &[]),
        [
            "plain: expected Rgb, at config/app.conf.enc line 1, column 9 of the sealed text",
            "literal: expected Rgb, at config/app.conf.enc line 2, column 11 of the sealed text",
        ]
    );
    let field = &With::<u8>::META.fields[0];
    assert_eq!((field.deserialize_with, field.example), (Some("rgb"), None));
    assert_eq!(With::<u8>::META.fields[1].example, Some(Literal::String("#ffffff")));
}

fn not_empty(text: &str) -> Result<(), &'static str> {
    if text.is_empty() { Err("must not be empty") } else { Ok(()) }
}

fn even(number: &u8) -> Result<(), &'static str> {
    if number.is_multiple_of(2) { Ok(()) } else { Err("must be even") }
}

mod rules {
    pub(super) fn ordered(range: &super::Range) -> Result<(), &'static str> {
        if range.min <= range.max { Ok(()) } else { Err("min is above max") }
    }

    pub(super) fn small(range: &super::Range) -> Result<(), &'static str> {
        if range.max < 100 { Ok(()) } else { Err("a range ends below 100") }
    }
}

#[derive(EncryptedConfig, Debug)]
#[envconf(env_prefix = "V", validate = Checked::whole)]
#[expect(dead_code, reason = "its validation looks at them")]
struct Checked {
    #[envconf(validate = not_empty)]
    name: String,
    #[envconf(validate = even, default = 3)]
    optional: Option<u8>,
    #[envconf(validate = even)]
    absent: Option<u8>,
    #[envconf(nested, validate = rules::small)]
    range: Range,
    #[envconf(nested, validate = rules::small)]
    other: Option<Range>,
}

impl Checked {
    fn whole(&self) -> Result<(), &'static str> {
        if self.name == "root" { Err("not as root") } else { Ok(()) }
    }
}

#[derive(EncryptedConfig, Debug)]
#[envconf(validate = rules::ordered)]
struct Range {
    #[envconf(default = 1, validate = even)]
    min: u8,
    #[envconf(default = 2)]
    max: u8,
}

#[test]
fn the_report_has_path_and_origin_of_invalid_values() {
    let expected = [
        "name: must not be empty, at config/app.conf.enc line 1, column 8 of the sealed text",
        "optional: must be even, at the attribute's default",
        "absent: must be even, at environment variable V__ABSENT",
        "range.min: must be even, at config/app.conf.enc line 3, column 13 of the sealed text",
        "range.max: expected u8, at environment variable V__RANGE__MAX",
        "other: min is above max",
        "unknown: no such key, at config/app.conf.enc line 2, column 1 of the sealed text",
    ];
    let toml = "name = ''\nunknown = 1\nrange.min = 1\nother = { min = 102, max = 100 }";
    assert_eq!(problems::<Checked>(toml, &[("V__ABSENT", "1"), ("V__RANGE__MAX", "x")]), expected);
    assert_eq!(
        problems::<Checked>(
            "name = 'a'\noptional = 2\nrange = { min = 2, max = 200 }\nother = { min = 2, max = 250 }",
            &[]
        ),
        ["range: a range ends below 100", "other: a range ends below 100"]
    );
    let whole = "name = 'root'\noptional = 2\nrange = { min = 2 }";
    assert_eq!(problems::<Checked>(whole, &[]), ["not as root"]);
    assert!(load::<Checked>(whole, &[("V__NAME", "a")]).is_ok());
    assert_eq!(
        (Checked::META.validate, Checked::META.fields[0].validate),
        (Some("Checked::whole"), Some("not_empty"))
    );
}

#[derive(EncryptedConfig, Debug)]
#[envconf(env_prefix = "O")]
#[expect(dead_code, reason = "the test reads only its origins")]
struct Old {
    #[envconf(deprecated, default = 1)]
    silent: u8,
    #[envconf(deprecated = "use `listen`", alias = "bind")]
    port: Option<u8>,
    #[deprecated]
    #[envconf(default = 1)]
    rusty: u8,
}

#[test]
fn the_origin_of_a_used_deprecated_value_is_marked() {
    let told = |toml: &str, variables: &[(&str, &str)]| -> Vec<(String, Option<&str>)> {
        let (_, origins) = load_traced::<Old>("toml", toml, variables).unwrap();
        origins.iter().map(|value| (value.path().to_owned(), value.deprecated())).collect()
    };
    let at = |path: &str, note| (path.to_owned(), note);
    assert_eq!(told("", &[]), [at("silent", None), at("rusty", None)]);
    assert_eq!(
        told("bind = 1", &[("O__SILENT", "2")]),
        [at("silent", Some("")), at("port", Some("use `listen`")), at("rusty", None)]
    );
}

#[derive(EncryptedConfig, Debug)]
#[envconf(env_prefix = "A")]
#[expect(dead_code, reason = "every load of the type fails")]
struct Colliding {
    #[envconf(nested)]
    db: Part,
    #[envconf(env = "A__DB__URL", rename = "addr")]
    address: String,
    #[envconf(nested)]
    token: Token,
    #[envconf(env = "A__TOKEN__KEY_FILE")]
    key_file: String,
    #[envconf(flatten)]
    more: Part,
    #[envconf(default = "x", example = true)]
    number: u8,
    #[envconf(nested)]
    optional: Option<Range>,
    #[envconf(default = 3, validate = even)]
    odd: u8,
    #[envconf(nested)]
    a: Last,
}

#[derive(EncryptedConfig, Debug)]
#[expect(dead_code, reason = "every load of the type fails")]
struct Part {
    url: String,
    #[envconf(default = [300])]
    addr: Vec<u8>,
}

#[derive(EncryptedConfig, Debug)]
#[expect(dead_code, reason = "every load of the type fails")]
struct Token {
    key: String,
}

#[derive(EncryptedConfig, Debug)]
#[expect(dead_code, reason = "every load of the type fails")]
struct Last {
    odd: u8,
}

#[test]
fn check_finds_errors_that_the_derive_cannot_see() {
    let error = Colliding::check().unwrap_err();
    assert_eq!(
        error.to_string(),
        "\
Colliding: 10 problems
  addr: addr has the same key: rename one of the two fields with `rename`
  addr: db.url already has the variable A__DB__URL: set another name with `env`, or use `no_env`
  key_file: the variable A__TOKEN__KEY_FILE is also the _FILE form of the variable of token.key: set another name with `env`, or use `no_env`
  a.odd: odd has the same name A__ODD in dotenv content: rename one of the two fields
  db.addr[0]: expected u8, at the attribute's default
  addr[0]: expected u8, at the attribute's default
  number: the example is not a valid u8
  number: expected u8, at the attribute's default
  optional.min: must be even, at the attribute's default
  odd: must be even, at the attribute's default"
    );
    for good in [Flat::check(), With::<u8>::check(), Old::check(), Limits::check()] {
        good.unwrap();
    }
    assert_eq!(Checked::check().unwrap_err().problems().len(), 3, "the validation rejects its own defaults");
}
