//! Secret text, written into buffers that never grow and so leave no copy behind.

use std::fmt::{self, Write};

use zeroize::Zeroizing;

/// Returns the text that `write` writes, in a wiped buffer of its exact size.
///
/// `write` runs twice and must write the same text: first to count the bytes, then to store them. A growing `String`
/// would leave its earlier, shorter buffers in memory.
///
/// ```
/// use envconf::secret_text::exact_text;
///
/// let text = exact_text(|out| write!(out, "{}:{}", "user", "password"));
/// assert_eq!((text.as_str(), text.capacity()), ("user:password", 13));
/// ```
pub fn exact_text(write: impl Fn(&mut dyn Write) -> fmt::Result) -> Zeroizing<String> {
    let mut count = ByteCount(0);
    // Neither of the two writers can fail.
    let _ = write(&mut count);
    let mut text = Zeroizing::new(String::with_capacity(count.0));
    let _ = write(&mut *text);
    text
}

/// Counts the bytes that are written, and stores none of them.
struct ByteCount(usize);

impl Write for ByteCount {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Writes `text` as a JSON string that is a TOML basic string too: every control character is escaped, DEL and the C1
/// controls among them.
///
/// serde_json does not escape those two. TOML rejects a bare DEL, and some terminals obey C1 controls.
pub fn write_json_string(text: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

/// Returns `text` as a JSON string, in a wiped buffer of its exact size.
pub(crate) fn json_string(text: &str) -> Zeroizing<String> {
    exact_text(|out| write_json_string(text, out))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let text = json_string("\u{0}\u{1b}\u{7f}\u{85}\t\n\r\"\\ü");
        assert_eq!(&*text, r#""\u0000\u001b\u007f\u0085\t\n\r\"\\ü""#);
    }

    proptest! {
        #[test]
        fn json_and_toml_read_what_is_written(text in any::<String>()) {
            let written = json_string(&text);
            prop_assert_eq!(written.capacity(), written.len());
            prop_assert_eq!(&serde_json::from_str::<String>(&written).unwrap(), &text);
            let toml: toml::Table = toml::from_str(&format!("a = {}", &*written)).unwrap();
            prop_assert_eq!(toml["a"].as_str(), Some(text.as_str()));
        }
    }
}
