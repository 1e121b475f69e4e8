//! Tests of `envconf::de`: durations and byte sizes, from content and from variables.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use common::{load_traced, told};
use envconf::{EncryptedConfig, Error, de};

#[derive(EncryptedConfig, Debug, Default, PartialEq)]
#[envconf(env_prefix = "U")]
struct Units {
    #[envconf(default = "5s", deserialize_with = de::duration)]
    timeout: Duration,
    #[envconf(deserialize_with = de::duration)]
    idle: Option<Duration>,
    #[envconf(default, deserialize_with = de::duration)]
    waits: Vec<Duration>,
    #[envconf(default, deserialize_with = de::duration)]
    by_name: BTreeMap<String, Duration>,
    #[envconf(default = "64 MiB", deserialize_with = de::byte_size)]
    body: usize,
    #[envconf(deserialize_with = de::byte_size)]
    cache: Option<u64>,
    #[envconf(default = 512, deserialize_with = de::byte_size)]
    block: u32,
    #[envconf(deserialize_with = de::byte_size)]
    chunk: Option<NonZeroU32>,
    #[envconf(default, deserialize_with = de::byte_size)]
    sizes: HashMap<String, Vec<u64>>,
}

fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Units, Error> {
    load_traced("toml", toml, variables).map(|(value, _)| value)
}

fn default() -> Units {
    Units { timeout: Duration::from_secs(5), body: 64 << 20, block: 512, ..Units::default() }
}

#[test]
fn common_notations_are_read() {
    Units::check().unwrap();
    assert_eq!(load("", &[]).unwrap(), default());
    macro_rules! reads {
        ($($field:ident $value:expr => $toml:literal $variable:literal;)*) => {$(
            let expected = Units { $field: $value, ..default() };
            let toml = format!("{} = {}", stringify!($field), $toml);
            assert_eq!(load(&toml, &[]).unwrap(), expected, "{toml}");
            let name = format!("U__{}", stringify!($field).to_uppercase());
            assert_eq!(load("", &[(&name, $variable)]).unwrap(), expected, "{name}={}", $variable);
        )*};
    }
    reads! {
        timeout Duration::from_secs(90) => "'1m 30s'" "1m 30s";
        timeout Duration::from_secs(90) => "'1m30s'" "90s";
        timeout Duration::from_millis(250) => "'250ms'" "250ms";
        timeout Duration::from_secs(7200) => "'2h'" "2hours";
        idle Some(Duration::from_secs(5)) => "'5s'" "5s";
        waits vec![Duration::from_secs(1), Duration::from_secs(60)] => "['1s', '1m']" r#"["1s", "1m"]"#;
        by_name BTreeMap::from([("a".into(), Duration::from_secs(1))]) => "{ a = '1s' }" "{ a = '1s' }";
        body 1024 => "'1 KiB'" "1KiB";
        body 1000 => "1000" "1000";
        cache Some(1_500_000_000) => "'1.5 GB'" "1.5 GB";
        cache Some(9_007_199_254_740_993) => "'9007199254740993 B'" "9007199254740993";
        block u32::MAX => "4294967295" "4294967295";
        chunk NonZeroU32::new(2048) => "'2 KiB'" "2 KiB";
        sizes HashMap::from([("a".into(), vec![1, 1024])]) => "{ a = [1, '1 KiB'] }" r#"{"a": [1, "1 KiB"]}"#;
    }
    assert_eq!(load_traced::<Units>("json", r#"{"idle": null}"#, &[]).unwrap().0, default());
}

#[test]
fn an_error_shows_an_example() {
    let duration = "expected a duration such as 1m 30s";
    let size = "expected a byte size such as 64 MiB";
    for (name, toml, variable, problem) in [
        ("timeout", "'soon'", "soon", duration),
        ("timeout", "5", "5", duration),
        ("timeout", "5.5", "5.5", duration),
        ("timeout", "''", "", duration),
        ("timeout", "'-5s'", "-5s", duration),
        ("timeout", "'99999999999999999999y'", "99999999999999999999y", duration),
        ("idle", "'5 parsecs'", "5 parsecs", duration),
        ("body", "'64 apples'", "64 apples", size),
        ("body", "-1", "-1", size),
        ("body", "1.5", "1.5", size),
        ("body", "'99 EiB'", "99 EiB", size),
        ("block", "'4 GiB'", "4 GiB", size),
        ("chunk", "0", "0", size),
        ("cache", "''", "", size),
    ] {
        let error = load(&format!("{name} = {toml}"), &[]).unwrap_err();
        let shown = told(&error.problems()[0]);
        assert!(shown.starts_with(&format!("{name}: {problem}, at ")), "{toml}: {shown}");
        let error = load("", &[(&format!("U__{}", name.to_uppercase()), variable)]).unwrap_err();
        let shown = told(&error.problems()[0]);
        assert!(shown.starts_with(&format!("{name}: {problem}, at ")), "{variable}: {shown}");
    }
    let error = load("waits = ['1s', 'x']\n[sizes]\na = [1, 'y']", &[]).unwrap_err();
    let shown: Vec<String> = error.problems().iter().map(told).collect();
    assert!(shown[0].starts_with(&format!("waits[1]: {duration}")), "{shown:?}");
    assert!(shown[1].starts_with(&format!("sizes.a[1]: {size}")), "{shown:?}");
}

/// The functions work with other formats, too.
#[test]
fn other_deserializers_show_the_expected_form() {
    let mut json = serde_json::Deserializer::from_str("\"soon\"");
    let error = de::duration::<_, Duration>(&mut json).unwrap_err();
    assert!(error.to_string().starts_with("expected a duration such as 1m 30s"), "{error}");
    let mut json = serde_json::Deserializer::from_str("\"64 MiB\"");
    assert_eq!(de::byte_size::<_, u64>(&mut json).unwrap(), 64 << 20);
}
