//! Names and paths from outside, safe to print.

use std::fmt;

use super::{age_recipient, key_ref};

/// Returns a name or path from outside, safe to print. Control, bidirectional and other unprintable characters are
/// escaped. After the prefix of a local key, an age identity or a signing key, `[REDACTED]` replaces the key.
pub fn escape(text: &str) -> impl fmt::Display + '_ {
    struct Escaped<'a>(&'a str);
    impl fmt::Display for Escaped<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut rest = self.0;
            while let Some((at, prefix)) = rest.char_indices().find_map(|(at, _)| key_at(rest, at)) {
                let (before, key) = (&rest[..at], &rest[at + prefix.len()..]);
                let after =
                    key.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+/=:-".contains(c));
                write_escaped(before, f)?;
                write!(f, "{prefix}[REDACTED]")?;
                // Leave an already escaped text unchanged.
                rest = after.strip_prefix("[REDACTED]").unwrap_or(after);
            }
            write_escaped(rest, f)
        }
    }
    fn key_at(text: &str, at: usize) -> Option<(usize, &str)> {
        let prefix = [key_ref::LOCAL_PREFIX, key_ref::SIGNER_PREFIX]
            .into_iter()
            .find(|prefix| text[at..].starts_with(prefix));
        prefix.or_else(|| age_recipient::secret_prefix(&text[at..])).map(|prefix| (at, prefix))
    }
    fn write_escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in text.chars() {
            match c {
                '\'' | '"' | '\\' => f.write_char(c)?,
                c if is_deceptive(c) => write!(f, "{}", c.escape_unicode())?,
                c => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
    Escaped(text)
}

/// Returns true for characters that print as nothing or reorder their neighbours.
pub fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_in_a_text_is_left_out() {
        let key = format!("{}canary ", key_ref::LOCAL_PREFIX);
        let all = escape(&key.repeat(100_000)).to_string();
        assert!(!all.contains("canary") && all.matches("[REDACTED]").count() == 100_000);
        assert_eq!(escape(&all).to_string(), all, "nothing changes when it is escaped again");
    }

    #[test]
    fn names_from_outside_cannot_move_the_cursor_or_the_text() {
        assert_eq!(escape("a\u{1b}[2J\n\u{202e}b\"c").to_string(), "a\\u{1b}[2J\\n\\u{202e}b\"c");
    }

    #[test]
    fn a_local_key_in_the_wrong_place_is_not_repeated() {
        assert_eq!(
            escape("a envconf-local-v1:f7e8:q50O/+=' b envconf-local-v1:x\n").to_string(),
            "a envconf-local-v1:[REDACTED]' b envconf-local-v1:[REDACTED]\\n"
        );
        assert_eq!(
            escape("envconf-signer-v1:f7e8:q50O/+= envconf-local-v1:x").to_string(),
            "envconf-signer-v1:[REDACTED] envconf-local-v1:[REDACTED]"
        );
        let identities = "age:-:AGE-SECRET-KEY-1CANARYCANARY age-secret-key-pq-1canary2 'AGE-PLUGIN-CANARY-1QQ' AGE-SECRET-KEY-1…";
        let shown = escape(identities).to_string();
        assert_eq!(
            shown,
            "age:-:AGE-SECRET-KEY-[REDACTED] age-secret-key-[REDACTED] 'AGE-PLUGIN-[REDACTED]' AGE-SECRET-KEY-1…"
        );
        assert_eq!(escape(&shown).to_string(), shown);
    }
}
