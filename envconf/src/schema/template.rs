//! Templates: a type's META as a text to fill in.

mod skeleton;
pub(crate) mod with_comments;

use self::with_comments::WithComments;
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

/// A text to fill in, as [`T::template`](crate::EncryptedConfig::template) gives it, for whoever has the type as constants
/// only, such as those of a [`Schema`](crate::Schema).
pub fn template(meta: &'static Meta, format: Format) -> String {
    match format {
        Format::Toml => WithComments::toml(meta),
        Format::Json => skeleton::of(meta),
        Format::Dotenv => WithComments::dotenv(meta),
    }
}
