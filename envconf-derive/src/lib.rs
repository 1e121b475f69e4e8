//! The derive macro of envconf. Use it through that crate, as `envconf::EncryptedConfig`.

mod attr;
mod bare_duration;
mod check;
mod crate_path;
mod enums;
mod errors;
mod expand;
mod expression;
mod model;
mod parse;
mod serde_attributes;
mod shape;
mod text;
// The parser of the library, which a test compares with the parser of this crate: the crates cannot share code.
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
    let (expanded, path) = match &input.data {
        syn::Data::Enum(data) => {
            let config = enums::parse(&input, data, &errors);
            let path = config.as_ref().and_then(|config| config.crate_path.clone());
            (config.map(|config| enums::expand(&config)), path)
        }
        _ => {
            let config = parse::config(&input, &errors);
            if let Some(config) = &config {
                check::config(config, &errors);
            }
            let path = config.as_ref().and_then(|config| config.crate_path.clone());
            (config.map(|config| expand::config(&config)), path)
        }
    };
    let expanded = match (expanded, errors.finish()) {
        (Some(expanded), None) => expanded,
        (_, errors) => expand::stub(&input, errors),
    };
    match path {
        Some(path) => crate_path::renamed(expanded, &path).into(),
        None => expanded.into(),
    }
}
