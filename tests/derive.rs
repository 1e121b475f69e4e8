//! Tests of every attribute of the derive through the public API.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use common::{load_traced, told};
use envconf::meta::{Fallback, Literal, Shape, Variable};
use envconf::{EncryptedConfig, Error, ExposeSecret, Kind, SecretString, secrecy};

fn load<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Result<T, Error> {
    load_traced("toml", toml, variables).map(|(value, _)| value)
}

#[track_caller]
fn problems<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let error = load::<T>(toml, variables).err().expect("the load should fail");
    assert_eq!(error.kind(), Kind::DoesNotFit);
    error.problems().iter().map(told).collect()
}

/// Everything the service needs
/// to start.
#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", dir = "conf", env_prefix = "APP")]
#[envconf(trust(prod = "tencent:ap-guangzhou:23e80852, local", "prod-eu" = "local", default = "local"))]
struct AppConfig {
    /// Address to listen on.
    #[envconf(default = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[envconf(nested)]
    database: Database,
    api_token: SecretString,
}

#[derive(EncryptedConfig, Debug)]
#[envconf(env_prefix = "IGNORED_WHEN_NESTED")]
struct Database {
    #[envconf(env = "DATABASE_URL")]
    url: SecretString,
    #[envconf(default = 10)]
    pool_size: u32,
}

#[test]
fn the_example_of_the_manual_loads() {
    let toml = "api_token = 't'\n[database]\nurl = 'u'\n";
    let config: AppConfig = load(toml, &[("APP__DATABASE__POOL_SIZE", "20")]).unwrap();
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!(config.database.pool_size, 20);
    assert_eq!(config.database.url.expose_secret(), "u");
    assert_eq!(config.api_token.expose_secret(), "t");
}

#[test]
fn meta_has_the_attributes_as_written() {
    const META: envconf::meta::Meta = AppConfig::META;
    assert_eq!(
        (META.type_name, META.name, META.docs),
        ("AppConfig", "app", "Everything the service needs\nto start.")
    );
    assert_eq!((META.dir, META.env_prefix), (Some("conf"), Some("APP")));
    let trust: Vec<_> = META.trust.iter().map(|trust| (trust.environment, trust.keys)).collect();
    let expected = [
        (Some("prod"), "tencent:ap-guangzhou:23e80852,local"),
        (Some("prod-eu"), "local"),
        (Some("default"), "local"),
    ];
    assert_eq!(trust, expected);
    assert_eq!((META.allow_unknown_fields, META.fields.len()), (false, 3));

    let [listen, database, api_token] = META.fields else { panic!() };
    assert_eq!((listen.key, listen.ty, listen.docs), ("listen", "SocketAddr", "Address to listen on."));
    assert_eq!(listen.shape, Shape::Defaulted(Fallback::Literal(Literal::String("127.0.0.1:8080"))));
    assert_eq!((listen.segment, listen.variable, listen.secret), ("LISTEN", Variable::Generated, false));
    assert_eq!(database.shape, Shape::Nested(&Database::META));
    assert!(api_token.secret && api_token.shape == Shape::Required);

    let leaves = AppConfig::META.leaves();
    let names: Vec<_> = leaves.iter().map(|leaf| (leaf.path(), leaf.variable(META.env_prefix))).collect();
    let named = |path: &str, variable: &str| (path.to_owned(), Some(variable.to_owned()));
    let expected = [
        named("listen", "APP__LISTEN"),
        named("database.url", "DATABASE_URL"),
        named("database.pool_size", "APP__DATABASE__POOL_SIZE"),
        named("api_token", "APP__API_TOKEN"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn an_unsigned_pair_is_rejected_if_the_attribute_names_signers() {
    const SIGNER: &str = "q8RvZswrQiVi8qitrhLj53BKM3heNnUWJDPElW/gkKE=";
    #[derive(EncryptedConfig, Debug)]
    #[envconf(signers = "q8RvZswrQiVi8qitrhLj53BKM3heNnUWJDPElW/gkKE=", required_signatures = 1)]
    struct Signed {}
    assert_eq!((Signed::META.signers, Signed::META.required_signatures), (&[SIGNER][..], Some(1)));
    assert_eq!(load::<Signed>("", &[]).unwrap_err().kind(), Kind::SignatureRequired);
}

#[test]
fn a_struct_without_the_attribute_name_uses_its_rust_name() {
    #[derive(EncryptedConfig)]
    struct BillingServiceSettings {}
    assert_eq!(BillingServiceSettings::META.name, "billing-service");
    #[derive(EncryptedConfig)]
    #[envconf(trust = "local")]
    struct Config {}
    assert_eq!(Config::META.name, "config");
    assert_eq!(Config::META.trust[0].environment, None);
}

fn three() -> u8 {
    3
}

#[derive(EncryptedConfig, Debug, PartialEq)]
struct Defaults {
    #[envconf(default)]
    ty: Vec<String>,
    #[envconf(default = -5)]
    negative: i8,
    #[envconf(default = 1.5)]
    float: f64,
    #[envconf(default = true)]
    flag: bool,
    #[envconf(default = 'x')]
    letter: char,
    #[envconf(default = [1, 2, 3,])]
    list: Vec<u16>,
    #[envconf(default = [["a"], []])]
    lists: Vec<Vec<String>>,
    #[envconf(default_with = three)]
    function: u8,
    #[envconf(default_with = || 4)]
    #[cfg(any())]
    closure: u8,
    #[envconf(default = 7)]
    optional: Option<u8>,
    absent: Option<u8>,
    #[envconf(skip)]
    skipped: BTreeMap<u8, u8>,
}

#[test]
fn defaults_of_every_kind() {
    let expected = Defaults {
        ty: vec![],
        negative: -5,
        float: 1.5,
        flag: true,
        letter: 'x',
        list: vec![1, 2, 3],
        lists: vec![vec!["a".into()], vec![]],
        function: 3,
        optional: Some(7),
        absent: None,
        skipped: BTreeMap::new(),
    };
    assert_eq!(load::<Defaults>("", &[]).unwrap(), expected);
    let given = load::<Defaults>("negative = 1\nfunction = 9\noptional = 8\nabsent = 2", &[]).unwrap();
    assert_eq!((given.negative, given.function, given.optional, given.absent), (1, 9, Some(8), Some(2)));
    assert_eq!(
        problems::<Defaults>("skipped = {}", &[])[0],
        "skipped: no such key, at config/app.conf.enc line 1, column 1 of the sealed text"
    );
}

#[test]
fn an_invalid_default_is_an_error_only_if_it_is_used() {
    #[derive(EncryptedConfig, Debug)]
    struct Wrong {
        #[envconf(default = 300)]
        small: u8,
    }
    assert_eq!(problems::<Wrong>("", &[]), ["small: expected u8, at the attribute's default"]);
    assert_eq!(load::<Wrong>("small = 3", &[]).unwrap().small, 3);
}

#[derive(EncryptedConfig, Debug)]
#[envconf(rename_all = "kebab-case", env_prefix = "APP")]
struct Names {
    pool_size: u8,
    #[envconf(rename = "Key", alias = "old-key", alias = "older_key")]
    key: u8,
    r#type: u8,
}

#[test]
fn keys_are_renamed_and_variables_are_not() {
    let config: Names = load("pool-size = 1\nolder_key = 2\ntype = 3", &[]).unwrap();
    assert_eq!((config.pool_size, config.key, config.r#type), (1, 2, 3));
    let variables = [("APP__POOL_SIZE", "4"), ("APP__KEY", "5"), ("APP__TYPE", "6")];
    let config: Names = load("", &variables).unwrap();
    assert_eq!((config.pool_size, config.key, config.r#type), (4, 5, 6));
}

#[test]
fn a_key_and_its_alias_are_not_both_given() {
    assert_eq!(
        problems::<Names>("pool-size = 1\nKey = 2\nold-key = 2\ntype = 3", &[]),
        [
            "Key: given twice, as Key and as old-key, at config/app.conf.enc line 3, column 1 of the sealed text"
        ]
    );
}

#[derive(EncryptedConfig, Debug)]
struct Lenient {
    a: u8,
}

#[test]
fn unknown_keys_are_accepted_only_with_the_attribute() {
    #[derive(EncryptedConfig)]
    #[envconf(allow_unknown_fields)]
    struct Outer {
        #[envconf(nested)]
        inner: Lenient,
    }
    assert_eq!(load::<Outer>("x = 1\n[inner]\na = 1", &[]).unwrap().inner.a, 1);
    assert_eq!(
        problems::<Outer>("x = 1\n[inner]\na = 1\nx = 1", &[]),
        ["inner.x: no such key, at config/app.conf.enc line 4, column 1 of the sealed text"]
    );
}

#[test]
fn an_optional_struct_exists_if_any_of_its_values_exists() {
    #[derive(EncryptedConfig)]
    #[envconf(env_prefix = "APP")]
    struct Outer {
        #[envconf(nested)]
        database: Option<Database>,
    }
    assert!(load::<Outer>("", &[]).unwrap().database.is_none());
    assert!(load::<Outer>("[database]\nurl = 'u'", &[]).unwrap().database.is_some());
    assert!(load::<Outer>("", &[("DATABASE_URL", "u")]).unwrap().database.is_some());
    assert_eq!(
        problems::<Outer>("", &[("APP__DATABASE__POOL_SIZE", "1")]),
        ["database.url: missing, expected SecretString (environment variable DATABASE_URL)"]
    );
    assert_eq!(problems::<Outer>("[database]", &[]).len(), 1);
    let (json, _) = load_traced::<Outer>("json", r#"{"database":null}"#, &[]).unwrap();
    assert!(json.database.is_none());
}

#[test]
fn secrets_are_marked_by_attribute_or_type() {
    #[derive(EncryptedConfig)]
    #[expect(dead_code, reason = "the test reads only META")]
    struct Secrets {
        a: SecretString,
        b: Option<SecretString>,
        #[envconf(secret)]
        c: String,
        d: secrecy::SecretBox<u64>,
        e: String,
        f: Vec<SecretString>,
        g: BTreeMap<String, Option<Vec<SecretString>>>,
        h: (u8, [SecretString; 2]),
        i: Box<[(String, secrecy::SecretBox<u64>)]>,
        j: Vec<String>,
    }
    let secret: Vec<bool> = Secrets::META.fields.iter().map(|field| field.secret).collect();
    assert_eq!(secret, [true, true, true, true, false, true, true, true, true, false]);
}

#[test]
fn type_parameters_are_bounded_by_their_fields() {
    #[derive(EncryptedConfig)]
    struct Generic<L, N, D: Default, const SIZE: usize>
    where
        L: Clone,
    {
        leaf: L,
        list: Vec<L>,
        #[envconf(nested)]
        inner: N,
        #[envconf(default)]
        default: D,
        #[envconf(skip)]
        skipped: [D; 0],
    }
    type Concrete = Generic<u8, Lenient, String, 3>;
    let config: Concrete = load("leaf = 1\nlist = [2]\n[inner]\na = 3", &[]).unwrap();
    assert_eq!((config.leaf, config.list, config.inner.a, config.default), (1, vec![2], 3, String::new()));
    let _ = config.skipped;
    assert_eq!(Concrete::META.fields[2].shape, Shape::Nested(&Lenient::META));
}

/// A module that replaces all names of the prelude.
mod hygiene {
    #![no_implicit_prelude]

    struct Option;
    struct Result;
    struct String;
    struct Some;

    #[derive(::envconf::EncryptedConfig)]
    #[envconf(env_prefix = "H")]
    pub(super) struct Hygiene {
        #[envconf(default = 1)]
        pub(super) fields: u8,
        #[envconf(default)]
        pub(super) field0: u8,
        #[envconf(nested)]
        inner: ::std::option::Option<Inner>,
        #[envconf(default_with = two)]
        build: u8,
    }

    #[derive(::envconf::EncryptedConfig)]
    struct Inner {
        field0: ::std::option::Option<u8>,
    }

    fn two() -> u8 {
        2
    }

    pub(super) fn sum(h: &Hygiene) -> u8 {
        let _ = (Option, Result, String, Some);
        let inner = h.inner.as_ref().and_then(|inner| inner.field0).unwrap_or(0);
        h.fields + h.field0 + h.build + inner
    }
}

#[test]
fn generated_code_depends_on_nothing_in_scope() {
    let config: hygiene::Hygiene = load("[inner]\nfield0 = 4", &[]).unwrap();
    assert_eq!(hygiene::sum(&config), 7);
}

#[test]
fn types_from_macros_are_recognized() {
    macro_rules! config {
        ($name:ident { $($field:ident: $ty:ty = $default:literal),* }) => {
            #[derive(EncryptedConfig)]
            struct $name { $(#[envconf(default = $default)] $field: $ty),* }
        };
    }
    config!(FromMacro { a: Option<u8> = 3, b: SecretString = "x" });
    let config: FromMacro = load("", &[]).unwrap();
    assert_eq!((config.a, config.b.expose_secret()), (Some(3), "x"));
    assert!(FromMacro::META.fields[1].secret);
    assert_eq!(FromMacro::META.fields[0].ty, "Option<u8>");
}
