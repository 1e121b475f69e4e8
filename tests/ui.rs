//! Tests of the errors of the derive: each message has a case, and its span is the token to change.
//!
//! The expected output is from the compiler of `rust-toolchain.toml`, or else the newest stable one. Bless with
//! `TRYBUILD=overwrite`.

#[test]
fn mistakes_are_reported_on_their_tokens() {
    trybuild::TestCases::new().compile_fail("../tests/ui/*/*.rs");
}
