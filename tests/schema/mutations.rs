//! Random changes of a valid configuration, as TOML, JSON and dotenv.

use envconf::{EncryptedConfig, meta};
use proptest::prelude::*;

/// A value of any syntax. A syntax without some kind of value writes another kind instead.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    String(String),
    Date,
    Array(Vec<Value>),
    Table(Vec<(String, Value)>),
}

/// A change at a place. The numbers select one of the existing values.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Remove(Vec<usize>),
    Replace(Vec<usize>, Value),
    Rename(Vec<usize>, String),
    Add(Vec<usize>, String, Value),
}

const KEYS: [&str; 34] = [
    "small",
    "signed-one",
    "wide",
    "huge",
    "below",
    "size",
    "float",
    "single",
    "flag",
    "letter",
    "text",
    "secret",
    "path",
    "ip",
    "v6",
    "unit",
    "nonzero",
    "boxed",
    "cow",
    "set",
    "queue",
    "region",
    "zone",
    "area",
    "even%",
    "maybe",
    "other",
    "uri",
    "a",
    "b",
    "c",
    "d",
    "numbers",
    "unknown",
];

const TEXTS: [&str; 16] = [
    "",
    "a",
    "ab",
    "é",
    "1",
    "-0",
    "+7",
    "true",
    "127.0.0.1",
    "::1",
    "[::1]:80",
    "1.2.3.4:65536",
    "null",
    "\"",
    "[1]",
    "a\u{1}\n",
];

const NUMBERS: [i128; 16] = [
    0,
    1,
    -1,
    2,
    127,
    128,
    -128,
    -129,
    255,
    256,
    65535,
    65536,
    i64::MAX as i128,
    i64::MIN as i128,
    u64::MAX as i128,
    u64::MAX as i128 + 1,
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(&NUMBERS[..]).prop_map(Value::Integer),
        prop::sample::select(vec![0.0, 1.0, -1.5, 1e300, f64::NAN, f64::INFINITY]).prop_map(Value::Float),
        prop::sample::select(&TEXTS[..]).prop_map(|text| Value::String(text.to_owned())),
        Just(Value::Date),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let key = prop::sample::select(vec!["url", "uri", "pool", "level", "label", "deep", "10.0.0.1", "x"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map(key, inner, 0..3).prop_map(|map| {
                Value::Table(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

/// Generates zero to five changes.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = || prop::collection::vec(any::<usize>(), 1..4);
    let key = || prop::sample::select(&KEYS[..]).prop_map(str::to_owned);
    let change = prop_oneof![
        1 => place().prop_map(Change::Remove),
        3 => (place(), value()).prop_map(|(place, value)| Change::Replace(place, value)),
        1 => (place(), key()).prop_map(|(place, key)| Change::Rename(place, key)),
        5 => (place(), key(), value()).prop_map(|(place, key, value)| Change::Add(place, key, value)),
    ];
    prop::collection::vec(change, 0..6)
}

pub(crate) fn apply(mut value: Value, changes: &[Change]) -> Value {
    for change in changes {
        let place = match change {
            Change::Remove(place)
            | Change::Replace(place, _)
            | Change::Rename(place, _)
            | Change::Add(place, ..) => place,
        };
        at(&mut value, place, change);
    }
    value
}

fn at(value: &mut Value, place: &[usize], change: &Change) {
    let Some((choice, further)) = place.split_first() else { return };
    match value {
        Value::Table(entries) => {
            if let (true, Change::Add(_, key, new)) = (further.is_empty() || entries.is_empty(), change) {
                entries.retain(|(there, _)| there != key);
                return entries.push((key.clone(), new.clone()));
            }
            let Some(index) = choice.checked_rem(entries.len()) else { return };
            if matches!(entries[index].1, Value::Table(_) | Value::Array(_)) && !further.is_empty() {
                return at(&mut entries[index].1, further, change);
            }
            match change {
                Change::Remove(_) => drop(entries.remove(index)),
                Change::Replace(_, new) => entries[index].1 = new.clone(),
                Change::Rename(_, key) if entries.iter().all(|(there, _)| there != key) => {
                    entries[index].0 = key.clone();
                }
                Change::Rename(..) => {}
                Change::Add(_, key, new) => {
                    entries.retain(|(there, _)| there != key);
                    entries.push((key.clone(), new.clone()));
                }
            }
        }
        Value::Array(items) => match (choice.checked_rem(items.len()), change) {
            (_, Change::Add(_, _, new)) => items.push(new.clone()),
            (Some(index), Change::Remove(_)) => drop(items.remove(index)),
            (Some(index), Change::Replace(_, new)) => items[index] = new.clone(),
            _ => {}
        },
        _ => {}
    }
}

/// Returns the value of a TOML text.
pub(crate) fn parse(text: &str) -> Value {
    fn of(value: &toml::Value) -> Value {
        match value {
            toml::Value::Boolean(value) => Value::Bool(*value),
            toml::Value::Integer(number) => Value::Integer((*number).into()),
            toml::Value::Float(number) => Value::Float(*number),
            toml::Value::String(text) => Value::String(text.clone()),
            toml::Value::Datetime(_) => Value::Date,
            toml::Value::Array(items) => Value::Array(items.iter().map(of).collect()),
            toml::Value::Table(table) => {
                Value::Table(table.iter().map(|(key, value)| (key.clone(), of(value))).collect())
            }
        }
    }
    of(&toml::Value::Table(text.parse().unwrap()))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

impl Value {
    /// Returns the value as TOML. Null is omitted, except in a list, where it is a text.
    pub(crate) fn toml(&self) -> String {
        let Self::Table(entries) = self else { return String::new() };
        let there = entries.iter().filter(|(_, value)| *value != Self::Null);
        there.map(|(key, value)| format!("{} = {}\n", quoted(key), value.inline_toml())).collect()
    }

    fn inline_toml(&self) -> String {
        match self {
            Self::Null => "'null'".to_owned(),
            Self::Float(number) if number.is_nan() => "nan".to_owned(),
            Self::Float(number) => format!("{number:?}"),
            Self::Date => "1979-05-27T07:32:00Z".to_owned(),
            Self::Array(items) => {
                format!("[{}]", items.iter().map(Self::inline_toml).collect::<Vec<_>>().join(", "))
            }
            Self::Table(entries) => {
                let there = entries.iter().filter(|(_, value)| *value != Self::Null);
                let there = there.map(|(key, value)| format!("{} = {}", quoted(key), value.inline_toml()));
                format!("{{{}}}", there.collect::<Vec<_>>().join(", "))
            }
            other => other.json(),
        }
    }

    /// Returns the value as JSON. A date is a text, and NaN and infinity are null.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) if number.is_finite() => format!("{number:?}"),
            Self::Float(_) => "null".to_owned(),
            Self::String(text) => quoted(text),
            Self::Date => quoted("1979-05-27"),
            Self::Array(items) => {
                format!("[{}]", items.iter().map(Self::json).collect::<Vec<_>>().join(", "))
            }
            Self::Table(entries) => {
                let members = entries.iter().map(|(key, value)| format!("{}: {}", quoted(key), value.json()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Returns the names of a type's dotenv lines. A required name has a valid value.
pub(crate) fn text_of<T: EncryptedConfig>() -> Vec<(String, Option<&'static str>)> {
    let meta: &'static meta::Meta = const { &T::META };
    let mut names = Vec::new();
    for leaf in meta.leaves() {
        let needed = (leaf.field().shape == meta::Shape::Required
            && !leaf.path().contains("maybe")
            && !leaf.path().contains("below_flat")
            && !leaf.path().starts_with("d."))
        .then(|| if leaf.field().ty == "u8" { "1" } else { "text" });
        let variable = leaf.variable(Some("RICH")).unwrap_or_else(|| "RICH__LISTEN".to_owned());
        if let Some(bare) = variable.strip_prefix("RICH__") {
            names.push((bare.to_owned(), None));
        }
        names.push((variable, needed));
    }
    names.push(("UNKNOWN".to_owned(), None));
    names
}

/// Generates dotenv lines: usually all required ones, and up to four more.
pub(crate) fn lines(names: &[(String, Option<&'static str>)]) -> impl Strategy<Value = String> + use<> {
    let needed: Vec<String> =
        names.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?))).collect();
    let all: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    let kept = prop::collection::vec(prop::bool::weighted(0.95), needed.len());
    let inline = [
        "[1, 2]",
        "[]",
        "[-1, 1]",
        "[1, \"a\"]",
        "[[true], [null]]",
        "{a = 1}",
        "{\"10.0.0.1\": 1.5}",
        "{\"x\": null}",
        "256",
        "1.5",
        "nan",
        "1e400",
        "false",
        "0x10",
        " 1",
        "65536",
        "18446744073709551616",
        "-129",
    ];
    let text = prop::sample::select([&TEXTS[..], &inline[..]].concat());
    let more = prop::collection::vec((prop::sample::select(all), text), 0..5);
    (kept, more).prop_map(move |(kept, more)| {
        let kept = needed.iter().zip(kept).filter(|(_, kept)| *kept).map(|(line, _)| line.clone());
        let more = more.into_iter().map(|(name, text)| format!("{name}={}", text.replace('\n', "")));
        kept.chain(more).collect::<Vec<_>>().join("\n")
    })
}
