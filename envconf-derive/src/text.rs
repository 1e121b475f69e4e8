//! Text functions: cases of names, grammars of settings, and types in their usual form.

use std::time::Duration;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A function from a field's name to a key.
pub(crate) type Spell = fn(&str) -> String;

/// The cases of serde, each with a function that converts a name in snake_case.
pub(crate) const CASES: [(&str, Spell); 8] = [
    ("lowercase", |name| name.to_lowercase()),
    ("UPPERCASE", |name| name.to_uppercase()),
    ("PascalCase", |name| words(name).map(capitalised).collect()),
    ("camelCase", |name| uncapitalised(&words(name).map(capitalised).collect::<String>())),
    ("snake_case", |name| name.to_owned()),
    ("SCREAMING_SNAKE_CASE", |name| name.to_uppercase()),
    ("kebab-case", |name| name.replace('_', "-")),
    ("SCREAMING-KEBAB-CASE", |name| name.to_uppercase().replace('_', "-")),
];

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').filter(|word| !word.is_empty())
}

fn capitalised(word: &str) -> String {
    let mut rest = word.chars();
    rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
}

fn uncapitalised(word: &str) -> String {
    let mut rest = word.chars();
    rest.next().into_iter().flat_map(char::to_lowercase).chain(rest).collect()
}

/// Returns the configuration's name for a struct: kebab-case without `Config` or `Settings` at the end (api.md §3).
pub(crate) fn config_name(type_name: &str) -> String {
    let stem = ["Config", "Settings"].iter().find_map(|suffix| type_name.strip_suffix(suffix));
    kebab(stem.filter(|stem| !stem.is_empty()).unwrap_or(type_name))
}

/// Converts a variant's name to the snake_case of serde: `InMemory` becomes `in_memory`, and `S3` becomes `s3`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.char_indices() {
        if i > 0 && c.is_uppercase() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// Converts a name to its part of a variable's name: `InMemory` becomes `IN_MEMORY`.
pub(crate) fn upper_snake(name: &str) -> String {
    kebab(name).replace('-', "_").to_uppercase()
}

/// Converts a name to kebab-case: `HTTPServer2` becomes `http-server2`.
fn kebab(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| chars[i]);
        let after = chars.get(i + 1);
        let begins_word = c.is_uppercase()
            && before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(|c| c.is_lowercase()));
        if begins_word && !out.ends_with('-') {
            out.push('-');
        }
        out.extend(if *c == '_' { vec!['-'] } else { c.to_lowercase().collect() });
    }
    out
}

/// Returns true for `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, the grammar of names and environments (format.md §1).
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Returns true for `[A-Za-z_][A-Za-z0-9_]*`.
pub(crate) fn is_variable(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Returns true for `local`, or `provider:region:key-id` in the grammar of format.md §5.
pub(crate) fn is_key_reference(text: &str) -> bool {
    let word = |text: &str| {
        text.len() <= 32 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    match parts[..] {
        ["local"] => true,
        [provider, region, key_id] => {
            word(provider)
                && provider.starts_with(|c: char| c.is_ascii_lowercase())
                && (region == "-" || word(region) && !region.is_empty() && !region.starts_with('-'))
                && (1..=512).contains(&key_id.len())
                && key_id.bytes().all(|b| b.is_ascii_graphic() && b != b',')
        }
        _ => false,
    }
}

/// Returns true for 32 bytes in base64: 43 characters and one `=`, with all unused bits 0.
pub(crate) fn is_public_key(text: &str) -> bool {
    let Some(digits) = text.strip_suffix('=') else { return false };
    digits.len() == 43
        && digits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        && digits.ends_with(|last| "AEIMQUYcgkosw048".contains(last))
}

/// Parses a whole number above 0 with `ms`, `s` or `m`, like `ENVCONF_KMS_DEADLINE` in the library.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

/// Returns the entries of a comma separated list, without white space around them.
pub(crate) fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// Returns the tokens of a type in its usual form: `Vec<String>`, not `Vec < String >`.
pub(crate) fn pretty(tokens: TokenStream) -> String {
    let mut out = String::new();
    write_tokens(tokens, &mut out);
    out.trim_end().to_owned()
}

fn write_tokens(tokens: TokenStream, out: &mut String) {
    for token in tokens {
        let after_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                out.push_str(open);
                write_tokens(group.stream(), out);
                out.truncate(out.trim_end().len());
                out.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                c @ (',' | ';') => out.extend([c, ' ']),
                c @ ('+' | '=') => out.extend([' ', c, ' ']),
                '>' if out.ends_with('-') => {
                    out.pop();
                    out.push_str(" -> ");
                }
                c => out.push(c),
            },
            word => {
                if after_word {
                    out.push(' ');
                }
                out.push_str(&word.to_string());
            }
        }
    }
}

/// Returns the candidate that is most similar to `name`, and differs in at most a third of its letters.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_the_name_of_its_struct() {
        for (type_name, name) in [
            ("AppConfig", "app"),
            ("Settings", "settings"),
            ("Config", "config"),
            ("HTTPServer2Settings", "http-server2"),
            ("MyApp", "my-app"),
            ("ConfigStore", "config-store"),
        ] {
            assert_eq!(config_name(type_name), name);
        }
    }

    #[test]
    fn variants_have_the_case_of_serde_and_of_variables() {
        assert_eq!([snake_case("InMemory"), snake_case("S3")], ["in_memory", "s3"]);
        assert_eq!(
            ["InMemory", "S3", "AwsS3", "HTTPServer", "type"].map(upper_snake),
            ["IN_MEMORY", "S3", "AWS_S3", "HTTP_SERVER", "TYPE"]
        );
    }

    #[test]
    fn the_cases_are_those_of_serde() {
        let spelled: Vec<String> = CASES.iter().map(|(_, spell)| spell("pool_size")).collect();
        let serdes = [
            "pool_size",
            "POOL_SIZE",
            "PoolSize",
            "poolSize",
            "pool_size",
            "POOL_SIZE",
            "pool-size",
            "POOL-SIZE",
        ];
        assert_eq!(spelled, serdes);
    }

    #[test]
    fn types_read_as_written() {
        for written in [
            "Vec<String>",
            "Option<std::net::SocketAddr>",
            "HashMap<String, Vec<(u8, [i64; 4])>>",
            "<T as Iterator>::Item",
            "Box<dyn Fn(u8) -> u8 + Send>",
        ] {
            assert_eq!(pretty(written.parse().unwrap()), written);
        }
    }

    #[test]
    fn settings_are_checked_by_their_grammars() {
        assert!(is_key_reference("local") && is_key_reference("aws:us-east-1:arn:aws:kms:us-east-1:1:key/2"));
        for bad in ["", "tencent", "tencent:ap-guangzhou", "Tencent:-:x", "a:_:x", "a:-:", "a:-:b c"] {
            assert!(!is_key_reference(bad), "{bad}");
        }
        assert!(is_public_key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
        assert!(!is_public_key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="));
        assert!(!is_public_key("AAAA"));
        let library = crate::library_duration::parse_duration;
        for text in
            ["250ms", "10s", "2m", "01s", "", "s", "10", "0s", "-1s", "1h", "1.5s", " 1s", "1 s", "1\u{e9}"]
        {
            assert_eq!(duration(text), library(text), "{text}");
        }
        assert_eq!(duration("18446744073709551615m"), None);
        assert!(is_variable("_A1") && !is_variable("1A") && !is_variable("A-B") && !is_variable(""));
        assert!(is_name("app.v2") && !is_name(".app") && !is_name(""));
    }
}
