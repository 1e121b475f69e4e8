//! Templates: a type's META as text to fill in.

mod skeleton;
pub(crate) mod with_comments;

use std::fmt::Write as _;

use self::with_comments::WithComments;
use crate::base::is_deceptive;
use crate::meta::Meta;

/// A syntax to write a template in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// TOML, with comments.
    Toml,
    /// JSON, which has no comments: `null` marks a value to fill in.
    Json,
    /// Lines of `NAME=value`, with comments.
    Dotenv,
}

/// Returns text to fill in, like [`T::template`](crate::EncryptedConfig::template). Use it if you have only the
/// constants of a type, such as those of a [`Schema`](crate::Schema).
pub fn template(meta: &'static Meta, format: Format) -> String {
    match format {
        Format::Toml => visible(WithComments::toml(meta)),
        Format::Json => visible(skeleton::of(meta)),
        Format::Dotenv => visible(WithComments::dotenv(meta)),
    }
}

/// Replaces characters that control a terminal or reorder text by `\uXXXX`: a schema may come from an attacker.
///
/// TOML and JSON read these escapes in strings. Outside of strings, such characters can occur only in comments.
fn visible(text: String) -> String {
    let is_hidden = |c: char| c != '\n' && (c.is_control() || is_deceptive(c));
    if !text.contains(is_hidden) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if is_hidden(c) => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}
