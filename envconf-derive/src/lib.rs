//! The derive macro of envconf. Use it through that crate, as `envconf::EncryptedConfig`.

mod attr;
mod check;
mod errors;
mod expand;
mod model;
mod parse;
mod text;
// The library's parser, for the test that compares it with ours: a proc macro cannot share code with its library.
#[cfg(test)]
#[path = "../../envconf/src/base/duration.rs"]
mod library_duration;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use crate::errors::Errors;

#[doc = include_str!("../docs/attributes.md")]
#[proc_macro_derive(EncryptedConfig, attributes(envconf))]
pub fn encrypted_config(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let errors = Errors::default();
    let config = parse::config(&input, &errors);
    if let Some(config) = &config {
        check::config(config, &errors);
    }
    match (config, errors.finish()) {
        (Some(config), None) => expand::config(&config),
        (_, errors) => expand::stub(&input, errors),
    }
    .into()
}
