//! The parser of expressions in attributes, which end at a comma.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{Lit, Token, bracketed, token};

/// Returns true if the text up to the comma is a literal or an array of literals.
pub(crate) fn is_literal(input: ParseStream<'_>) -> bool {
    let fork = input.fork();
    skip_literal(&fork).is_some() && (fork.is_empty() || fork.peek(Token![,]))
}

fn skip_literal(input: ParseStream<'_>) -> Option<()> {
    if input.peek(token::Bracket) {
        let items = |input: ParseStream<'_>| {
            let content;
            bracketed!(content in input);
            while !content.is_empty() {
                skip_literal(&content).ok_or_else(|| content.error(""))?;
                if !content.is_empty() {
                    content.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        return items(input).ok();
    }
    input.parse::<Option<Token![-]>>().ok()?;
    match input.parse::<Lit>().ok()? {
        Lit::Int(_) | Lit::Float(_) | Lit::Bool(_) | Lit::Str(_) | Lit::Char(_) => Some(()),
        _ => None,
    }
}

/// Reads the tokens of an expression. A comma in the angle brackets of a path does not end the expression.
pub(crate) fn tokens(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens: Vec<TokenTree> = Vec::new();
    let mut depth = 0_usize;
    while !(input.is_empty() || depth == 0 && input.peek(Token![,])) {
        let token: TokenTree = input.parse()?;
        if let TokenTree::Punct(punct) = &token {
            match punct.as_char() {
                '<' if depth > 0 || begins_path(&tokens) => depth += 1,
                '>' if !is_arrow(&tokens) => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        tokens.push(token);
    }
    match tokens.is_empty() {
        true => Err(input.error("expected a literal or an expression")),
        false => Ok(tokens.into_iter().collect()),
    }
}

/// Returns true if a `<` after these tokens begins generic arguments or a qualified path. It does after `::`, and if no
/// operand precedes it.
fn begins_path(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Punct(first), TokenTree::Punct(second)]
            if first.as_char() == ':' && first.spacing() == Spacing::Joint && second.as_char() == ':' =>
        {
            true
        }
        // This is the second half of a shift.
        [.., TokenTree::Punct(first)] if first.as_char() == '<' && first.spacing() == Spacing::Joint => false,
        [] | [.., TokenTree::Punct(_)] => true,
        _ => false,
    }
}

/// Returns true if a `>` after these tokens belongs to `->` or `=>`.
fn is_arrow(before: &[TokenTree]) -> bool {
    let Some(TokenTree::Punct(punct)) = before.last() else { return false };
    punct.spacing() == Spacing::Joint && matches!(punct.as_char(), '-' | '=')
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser as _;

    use super::*;

    #[test]
    fn an_expression_ends_at_its_comma() {
        let first = |text: &str| {
            let parser = |input: ParseStream<'_>| {
                let literal = is_literal(input);
                let expression = tokens(input)?;
                input.parse::<TokenStream>()?;
                Ok((literal, expression.to_string().replace(' ', "")))
            };
            parser.parse_str(text).unwrap()
        };
        for (text, literal, expression) in [
            ("1, secret", true, "1"),
            ("-1.5", true, "-1.5"),
            ("[1, [-2], \"a\",], env = \"X\"", true, "[1,[-2],\"a\",]"),
            ("60 * 60, secret", false, "60*60"),
            ("[1 + 1]", false, "[1+1]"),
            ("b\"x\"", false, "b\"x\""),
            ("Level::Info, secret", false, "Level::Info"),
            ("HashMap::<String, u8>::new(), secret", false, "HashMap::<String,u8>::new()"),
            ("<Vec<(u8, u8)> as Default>::default(), a", false, "<Vec<(u8,u8)>asDefault>::default()"),
            ("<HashMap<u8, u8> as Default>::default(), a", false, "<HashMap<u8,u8>asDefault>::default()"),
            ("A < B, secret", false, "A<B"),
            ("16 << 20, secret", false, "16<<20"),
            ("A << 1 << B >> 2, secret", false, "A<<1<<B>>2"),
            ("A < <B as C>::D, secret", false, "A<<BasC>::D"),
            ("<<B as C>::D as E<u8, u8>>::F, secret", false, "<<BasC>::DasE<u8,u8>>::F"),
            ("if a { b } else { c }, x", false, "ifa{b}else{c}"),
            ("f(1, 2), x", false, "f(1,2)"),
        ] {
            assert_eq!(first(text), (literal, expression.to_owned()), "{text}");
        }
    }
}
