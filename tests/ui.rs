//! The derive's errors: one case for each message, each at the token to change.
//!
//! The expected output is that of the compiler in `rust-toolchain.toml`, or else the newest stable one. Bless with
//! `TRYBUILD=overwrite`.

#[test]
fn mistakes_are_reported_on_their_tokens() {
    trybuild::TestCases::new().compile_fail("../tests/ui/*/*.rs");
}
