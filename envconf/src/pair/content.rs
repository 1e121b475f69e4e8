//! What may be sealed: content that is what its type says (format.md §3).

use crate::base::{Complaint, Error, Kind, Origin, Problem};
use crate::format::ContentType;
use crate::layers::{Layer, LayerKind};
use crate::syntax;

/// Refuses content that is not what its type says: no UTF-8, a byte order mark, or text that does not parse. YAML
/// and raw content are never parsed.
///
/// # Errors
/// [`Kind::DoesNotFit`] with line and column; [`Kind::TooLarge`] above 64 MiB.
pub fn check_content(content: &[u8], content_type: ContentType) -> Result<(), Error> {
    if content.len() > crate::format::MAX_CONTENT {
        return Err(Error::new(
            Kind::TooLarge,
            format!("the content is larger than {} bytes", crate::format::MAX_CONTENT),
        ));
    }
    let broken = |problem: Problem| Error::does_not_fit("the content", vec![problem]);
    if content_type == ContentType::Raw {
        return Ok(());
    }
    let text =
        std::str::from_utf8(content).map_err(|error| broken(not_utf8(content, error.valid_up_to())))?;
    if text.starts_with('\u{feff}') {
        return Err(Error::new(Kind::DoesNotFit, "the content begins with a byte order mark")
            .advise("save it without one"));
    }
    if content_type == ContentType::Yaml {
        return Ok(());
    }
    let layer = Layer { file: None, kind: LayerKind::ToSeal, content_type, text };
    syntax::parse(content_type, text).map(|_| ()).map_err(|syntax| broken(syntax.problem(&layer)))
}

pub(crate) fn not_utf8(content: &[u8], at: usize) -> Problem {
    let before = &content[..at];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    let origin = Origin::Text { file: None, sealed: false, line, column };
    Problem::new("", Some(origin), Complaint::Syntax { expected: "UTF-8" })
}
