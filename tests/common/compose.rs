//! A copy of Docker Compose's dotenv reader, as a reference for tests.
//!
//! No package registry has Compose. So this module implements the rules of compose-go (`dotenv/parser.go`,
//! `template/template.go`) for lines that `export` may print. No environment variable is set: `$NAME` is empty.

use std::collections::BTreeMap;

/// Versions of compose-go that read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Up to 2023: a comment begins at any `#` outside quotes, and a backslash stays in quotes.
    First,
    /// Since then: a comment begins at ` #`, and `\` before the quote is removed.
    Current,
}

/// Returns the variables of `text`, or the error of the reader.
pub(crate) fn read(text: &str, rules: Rules) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut rest = text.as_str();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(variables);
        }
        if rest.starts_with('#') {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        let statement = rest.strip_prefix("export ").unwrap_or(rest).trim_start_matches(is_blank);
        let end = statement.find(['=', ':', '\n']).ok_or("no value")?;
        let name = statement[..end].trim_end();
        let is_name_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        if statement[end..].starts_with('\n') || !name.chars().all(is_name_part) {
            return Err(format!("unexpected character in variable name {name:?}"));
        }
        let (value, behind) = value(statement[end + 1..].trim_start_matches(is_blank), rules)?;
        variables.insert(name.to_owned(), value);
        rest = behind;
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

fn value(text: &str, rules: Rules) -> Result<(String, &str), String> {
    let Some(quote) = text.chars().next().filter(|first| ['"', '\''].contains(first)) else {
        let (line, rest) = text.split_at(text.find('\n').unwrap_or(text.len()));
        let comment = match rules {
            Rules::First => "#",
            Rules::Current => " #",
        };
        let value = line.split(comment).next().unwrap_or_default().trim_end();
        return Ok((expanded(value)?, rest));
    };
    let mut value = String::new();
    let mut after_backslash = false;
    for (at, c) in text.char_indices().skip(1) {
        match rules {
            Rules::Current if c != quote && !after_backslash && c == '\\' => {
                after_backslash = true;
                continue;
            }
            Rules::Current if c != quote && after_backslash => value.push('\\'),
            _ if c == quote && !after_backslash => {
                if rules == Rules::First {
                    value = value.trim_matches(quote).to_owned();
                }
                if quote == '"' {
                    // `export` never writes a value with a backslash in double quotes.
                    assert!(!value.contains('\\'), "{value:?}");
                    value = expanded(&value)?;
                }
                return Ok((value, &text[at + 1..]));
            }
            _ => {}
        }
        after_backslash = rules == Rules::First && c == '\\';
        value.push(c);
    }
    Err("unterminated quoted value".to_owned())
}

/// Expands a value: `$$` is `$`, and `$NAME` and `${…}` are empty because no variable is set. Any other `$` is an
/// error.
fn expanded(value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        rest = match behind.chars().next() {
            Some('$') => {
                out.push('$');
                &behind[1..]
            }
            Some('{') => behind.split_once('}').ok_or("invalid template")?.1,
            Some(first) if is_name(first) && !first.is_ascii_digit() => behind.trim_start_matches(is_name),
            _ => return Err("invalid template".to_owned()),
        };
    }
    Ok(out + rest)
}
