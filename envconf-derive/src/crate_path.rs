//! The attribute `crate`: the path of the library in generated code, if it is not `::envconf`.

use proc_macro2::{Group, Spacing, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{LitStr, Path};

use crate::attr::Items;
use crate::errors::Errors;

/// Returns the path of `crate = "…"`, if it is valid.
pub(crate) fn of(items: &Items, errors: &Errors) -> Option<Path> {
    let given = items.string("crate")?;
    let path = LitStr::new(given.value, given.span).parse_with(Path::parse_mod_style);
    if path.is_err() {
        errors.at(given.span, "invalid path: write the name of the envconf dependency, such as \"conf\"");
    }
    path.ok()
}

/// Returns the generated code with `path` instead of `::envconf`.
pub(crate) fn renamed(tokens: TokenStream, path: &Path) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out = TokenStream::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if !continues_path(at.checked_sub(1).and_then(|before| tokens.get(before))) && is_ours(&tokens[at..])
        {
            path.to_tokens(&mut out);
            at += 3;
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), renamed(group.stream(), path));
                inner.set_span(group.span());
                out.extend([TokenTree::Group(inner)]);
            }
            token => out.extend([token.clone()]),
        }
        at += 1;
    }
    out
}

/// Returns true if `tokens` begin with `::envconf`.
fn is_ours(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(first), TokenTree::Punct(second), TokenTree::Ident(name), ..] => {
            first.as_char() == ':'
                && first.spacing() == Spacing::Joint
                && second.as_char() == ':'
                && name == "envconf"
        }
        _ => false,
    }
}

/// Returns true if a `::` after this token continues a path.
fn continues_path(before: Option<&TokenTree>) -> bool {
    const KEYWORDS: [&str; 6] = ["as", "dyn", "for", "impl", "in", "mut"];
    match before {
        Some(TokenTree::Ident(ident)) => !KEYWORDS.iter().any(|keyword| ident == keyword),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(tokens: &str, path: &str) -> String {
        let tokens: TokenStream = tokens.parse().unwrap();
        super::renamed(tokens, &syn::parse_str(path).unwrap()).to_string().replace(' ', "")
    }

    #[test]
    fn only_paths_of_the_library_are_renamed() {
        assert_eq!(renamed("::envconf::meta::Meta", "conf"), "conf::meta::Meta");
        assert_eq!(renamed("f(<T as ::envconf::X>::META)", "::a::b"), "f(<Tas::a::b::X>::META)");
        assert_eq!(renamed("my::envconf::X + envconf::Y", "conf"), "my::envconf::X+envconf::Y");
    }
}
