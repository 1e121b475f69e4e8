//! Templates: a type's META as a text to fill in.

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
    /// JSON, which knows no comments: `null` stands where something is to be filled in.
    Json,
    /// Lines of `NAME=value`, with comments.
    Dotenv,
}

/// Returns a text to fill in, like [`T::template`](crate::EncryptedConfig::template), for callers that have the
/// constants of a type and not the type, such as those of a [`Schema`](crate::Schema).
pub fn template(meta: &'static Meta, format: Format) -> String {
    match format {
        Format::Toml => visible(WithComments::toml(meta)),
        Format::Json => visible(skeleton::of(meta)),
        Format::Dotenv => visible(WithComments::dotenv(meta)),
    }
}

/// Writes characters that control a terminal or reorder text as `\uXXXX`: names and texts of a schema may be hostile.
///
/// TOML and JSON read these escapes in strings. Elsewhere such characters are in comments only.
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
