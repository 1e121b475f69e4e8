//! Searches memory for secrets after a load (format.md §12). A separate process loads a pair full of canaries. It
//! searches all of its writable memory, and every block of the heap before the block is freed.
//!
//! This process invents the canaries, seals them, and runs the key service. The process that loads receives each canary
//! only masked with random bytes. It is this program, started with `ENVCONF_MEMORY_…` set.
//!
//! `ENVCONF_MEMORY_SHOW=1 cargo test … -- --nocapture` shows where a block with a canary was freed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output is for the other process and for people"
)]
#![allow(unreachable_pub, reason = "these are modules of a test, which exports nothing")]

#[path = "memory/child.rs"]
mod child;
#[path = "common/mod.rs"]
mod common;
#[path = "memory/content.rs"]
mod content;
#[path = "memory/freed.rs"]
mod freed;
#[path = "memory/needles.rs"]
mod needles;
#[path = "memory/parent.rs"]
mod parent;
#[path = "memory/scan.rs"]
mod scan;
#[path = "memory/types.rs"]
mod types;

use content::Syntax;
use parent::{Case, Key, Seen, Transport};

/// Checks that memory has each secret field once while it exists. Other secrets, such as keys, must not be in memory.
/// No secret may be in a freed block.
#[track_caller]
fn leaves_nothing(case: Case) {
    assert_eq!(beyond_fields(case.run(), true), []);
}

/// Checks a load that fails. It has no fields, so memory must have no secret.
#[track_caller]
fn leaves_nothing_of_a_failure(case: Case) {
    assert_eq!(beyond_fields(case.run(), false), []);
}

fn beyond_fields(seen: Vec<Seen>, is_loaded: bool) -> Vec<Seen> {
    let is_right = |seen: &Seen| {
        let expected = u32::from(is_loaded && seen.name.starts_with("field:"));
        (seen.loaded_min, seen.loaded_max) == (expected, expected) && seen.dropped == 0 && seen.freed == 0
    };
    seen.into_iter().filter(|seen| !is_right(seen)).collect()
}

/// Returns the number of freed blocks with each needle.
#[track_caller]
fn freed(case: Case) -> Vec<(String, u32)> {
    let freed = case.run().into_iter().filter(|seen| seen.freed > 0);
    freed.map(|seen| (seen.name, seen.freed)).collect()
}

fn counts(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|(name, count)| (name.to_string(), *count)).collect()
}

#[test]
fn toml() {
    leaves_nothing(Case::of(Syntax::Toml));
}

#[test]
fn toml_with_escapes() {
    leaves_nothing(Case::of(Syntax::TomlEscapes));
}

#[test]
fn json() {
    leaves_nothing(Case::of(Syntax::Json));
}

#[test]
fn json_with_escapes() {
    leaves_nothing(Case::of(Syntax::JsonEscapes));
}

#[test]
fn dotenv() {
    leaves_nothing(Case::of(Syntax::Dotenv));
}

#[cfg(feature = "yaml")]
#[test]
fn yaml() {
    leaves_nothing(Case::of(Syntax::Yaml));
}

#[test]
fn with_an_outline() {
    leaves_nothing(Case::of(Syntax::TomlEscapes).outline());
    leaves_nothing(Case::of(Syntax::JsonEscapes).outline());
}

#[test]
fn a_local_key_from_a_given_variable() {
    leaves_nothing(Case::of(Syntax::Toml).key(Key::Variable));
}

#[test]
fn a_local_key_from_a_command() {
    leaves_nothing(Case::of(Syntax::Toml).key(Key::Command));
}

#[test]
fn an_age_identity() {
    leaves_nothing(Case::of(Syntax::Toml).key(Key::Age));
}

#[test]
fn values_from_variables() {
    leaves_nothing(Case::of(Syntax::Toml).overridden());
}

#[test]
fn lists_maps_and_enums() {
    for syntax in [Syntax::Toml, Syntax::TomlEscapes, Syntax::Json, Syntax::JsonEscapes, Syntax::Dotenv] {
        leaves_nothing(Case::of(syntax).shapes());
    }
}

#[test]
fn entries_of_lists_maps_and_enums_from_variables() {
    for syntax in [Syntax::Toml, Syntax::JsonEscapes] {
        leaves_nothing(Case::of(syntax).shapes().overridden());
    }
}

#[test]
fn content_that_does_not_fit() {
    for syntax in [Syntax::TomlEscapes, Syntax::JsonEscapes] {
        leaves_nothing_of_a_failure(Case::of(syntax).lacking());
    }
}

#[test]
fn content_that_does_not_parse() {
    for syntax in [Syntax::TomlEscapes, Syntax::JsonEscapes, Syntax::Dotenv] {
        leaves_nothing_of_a_failure(Case::of(syntax).broken());
    }
}

#[test]
fn in_async_code() {
    leaves_nothing(Case::of(Syntax::TomlEscapes).in_async());
    leaves_nothing(Case::of(Syntax::Json).key(Key::Tencent(Transport::Http)).in_async());
}

#[test]
fn tencent_over_http() {
    leaves_nothing(Case::of(Syntax::Toml).key(Key::Tencent(Transport::Http)));
}

#[cfg(feature = "vault")]
#[test]
fn vault_over_http() {
    leaves_nothing(Case::of(Syntax::Toml).key(Key::Vault));
}

#[cfg(feature = "aws")]
#[test]
fn aws_over_http() {
    leaves_nothing(Case::of(Syntax::Toml).key(Key::Aws));
}

/// The copies that envconf cannot wipe, each with the expected result (docs/memory.md, "What remains").
mod what_remains {
    use super::*;

    /// The TLS library keeps received and decrypted bytes in its own buffers.
    #[test]
    fn tencent_over_tls() {
        let case = || Case::of(Syntax::Toml).key(Key::Tencent(Transport::Tls));
        assert_eq!(freed(case()), counts(&[("reply", 2)]));
        leaves_nothing(case().wiping());
    }

    /// A `String` is not wiped. Values that serde reads twice are only borrowed.
    #[test]
    fn fields_that_are_no_secrets() {
        for syntax in [Syntax::Json, Syntax::JsonEscapes] {
            let case = || Case::of(syntax).buffered();
            assert_eq!(freed(case()), counts(&[("field:text", 1)]));
            leaves_nothing(case().wiping());
        }
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn yaml_with_escapes() {
        let case = || Case::of(Syntax::YamlEscapes);
        let names = types::SECRETS.iter().filter(|name| **name != "comment");
        let expected: Vec<_> = names.map(|name| (*name, 2)).collect();
        assert_eq!(freed(case()), counts(&expected));
        leaves_nothing(case().wiping());
    }
}

/// The process that the tests above check. Does nothing unless they start it.
#[test]
fn child() {
    child::run();
}
