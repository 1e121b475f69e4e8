//! Checks that generated code depends only on `envconf` and `core`. This crate has no prelude and no serde in its
//! manifest, and has names in scope that break generated code without absolute paths.

#![no_implicit_prelude]
#![allow(non_camel_case_types, non_upper_case_globals, dead_code, reason = "the names conflict on purpose")]

use ::std::prelude::rust_2024::{derive, test};
use ::std::{assert, assert_eq};

// Types, modules, constants and functions that would replace those of generated code.
struct Option;
struct Result;
struct String;
struct Some;
struct None;
struct Vec;
struct Meta;
struct EncryptedConfig;
struct usize;
struct bool;
struct str;
mod std {}
mod core {}
mod serde {}
mod envconf {}
mod private {}
const fields: u8 = 0;
const field0: u8 = 0;
static value: u8 = 0;
fn leaf() {}
fn nested() {}

/// Methods of every type that generated code might call without the name of the trait.
trait InTheWay {
    fn build(&self) {}
    fn clone(&self) {}
    fn into(&self) {}
    fn map(&self) {}
    fn unwrap_or(&self) {}
}
impl<T> InTheWay for T {}

/// A struct with every attribute that needs no name of serde.
#[derive(::envconf::EncryptedConfig)]
#[envconf(name = "hygiene", dir = "config", env_prefix = "H", deadline = "5s", rename_all = "kebab-case")]
#[envconf(trust(prod = "local", default = "local"), allow_unknown_fields, validate = whole)]
#[envconf(signers = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", required_signatures = 1)]
struct All {
    #[envconf(default = 1, validate = small)]
    fields: u8,
    #[envconf(default)]
    field0: ::std::string::String,
    #[envconf(default_with = two, alias = "zwei", example = 2)]
    value: u16,
    #[envconf(env = "H_TEXT", default = "text")]
    text: ::std::string::String,
    #[envconf(no_env, secret, deprecated = "nobody needs it", rename = "renamed")]
    maybe: ::std::option::Option<u32>,
    #[envconf(default = [1, 2])]
    list: ::std::vec::Vec<i64>,
    #[envconf(default = "hidden")]
    token: ::envconf::SecretString,
    #[envconf(nested)]
    inner: Inner,
    #[envconf(nested)]
    optional: ::std::option::Option<Inner>,
    #[envconf(flatten)]
    flat: Flat,
    #[envconf(skip)]
    skipped: u8,
}

#[derive(::envconf::EncryptedConfig)]
struct Inner {
    #[envconf(default = 3)]
    r#type: u8,
}

#[derive(::envconf::EncryptedConfig)]
struct Flat {
    #[envconf(default = true)]
    on: ::std::primitive::bool,
}

#[derive(::envconf::EncryptedConfig)]
struct Generic<T, const N: ::std::primitive::usize> {
    #[envconf(default)]
    value: T,
    #[envconf(skip)]
    skipped: [T; 0],
}

fn two() -> u16 {
    2
}

fn small(number: &u8) -> ::std::result::Result<(), &'static ::std::primitive::str> {
    if *number < 10 { ::std::result::Result::Ok(()) } else { ::std::result::Result::Err("too large") }
}

fn whole(_: &All) -> ::std::result::Result<(), &'static ::std::primitive::str> {
    ::std::result::Result::Ok(())
}

#[test]
fn the_derive_depends_on_nothing_in_scope() {
    assert!(<All as ::envconf::EncryptedConfig>::check().is_ok());
    assert!(<Generic<u8, 2> as ::envconf::EncryptedConfig>::check().is_ok());
    let leaves = <All as ::envconf::EncryptedConfig>::META.leaves();
    assert_eq!(leaves.len(), 10);
    let schema = <All as ::envconf::EncryptedConfig>::json_schema();
    assert!(::envconf::Schema::parse(&schema).is_ok());
}
