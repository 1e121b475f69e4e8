//! Creates and checks the outline of sealed content (format.md §7).

use zeroize::Zeroizing;

use super::{DataKey, hmac};
use crate::base::{Error, Kind, same};
use crate::format::outline::{MAX_PATH, covers, push_key};
use crate::format::{ContentType, Header, Outline, OutlineLine};
use crate::syntax;
use crate::syntax::{Node, Value};

const MAX_LEAVES: usize = 4096;
const MAX_DEPTH: usize = 64;

impl Outline {
    /// Describes the information about `content` that an outline of this kind adds to the outline of `old`; empty if it
    /// adds none. New keys in `content` do not count.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] for content that cannot have an outline.
    pub fn reveals(
        &self,
        old: Option<&Header>,
        content_type: ContentType,
        content: &[u8],
    ) -> Result<Vec<String>, Error> {
        let old = old.map_or(&[][..], |old| &old.outline);
        let names = || vec!["the names of all keys".to_owned()];
        let tags = "a tag for each value, which shows when the value changes".to_owned();
        match self {
            Self::None => return Ok(Vec::new()),
            Self::Keys if old.is_empty() => return Ok(names()),
            Self::Keys => return Ok(Vec::new()),
            Self::Tags { .. } if old.is_empty() => return Ok([names(), vec![tags]].concat()),
            Self::Tags { .. } => {}
        }
        let is_shown =
            |(path, node): &(String, &Node<'_>)| self.shows(path, &node.value).then(|| path.clone());
        let shown = with_leaves(content_type, content, |leaves| leaves.iter().filter_map(is_shown).collect());
        let shown: Vec<String> = shown.ok_or_else(outline_impossible)?;
        if old.iter().all(|line| line.tag.is_none()) && !shown.is_empty() {
            return Ok(vec![tags]);
        }
        let was_hidden = |path: &&String| old.iter().any(|line| line.path == **path && line.tag.is_none());
        Ok(shown.iter().filter(was_hidden).map(|path| format!("a tag for the value of {path}")).collect())
    }

    /// Returns true if the outline shows the tag of `value` at `path` (format.md §7).
    pub(crate) fn shows(&self, path: &str, value: &Value<'_>) -> bool {
        match self {
            Self::Tags { hide } => {
                !matches!(value, Value::Bool(_) | Value::Null)
                    && !hide.iter().any(|hidden| covers(hidden, path))
            }
            Self::None | Self::Keys => false,
        }
    }
}

/// Returns the outline of `content`: one line per leaf, ascending by path, with a tag if `is_shown` returns true.
///
/// # Errors
/// [`Kind::Usage`] for a type without outline; [`Kind::DoesNotFit`] for content that cannot have one.
pub(crate) fn make(
    header: &Header,
    content: &[u8],
    dek: &DataKey,
    is_shown: impl Fn(&str, &Value<'_>) -> bool,
) -> Result<Vec<OutlineLine>, Error> {
    if !header.content_type.has_outline() {
        let ty = header.content_type.name();
        return Err(Error::new(Kind::Usage, format!("content of type {ty} cannot have an outline")));
    }
    let key = dek.outline_key(header.name.as_str(), header.environment.as_str());
    let line = |(path, node): &(String, &Node<'_>)| OutlineLine {
        path: path.clone(),
        tag: is_shown(path, &node.value).then(|| tag(key.expose(), path, node)),
    };
    let lines = with_leaves(header.content_type, content, |leaves| leaves.iter().map(line).collect());
    lines.ok_or_else(outline_impossible)
}

fn outline_impossible() -> Error {
    Error::new(Kind::DoesNotFit, "the content cannot have an outline").advise(
        "it must parse, and have at most 4096 values, 64 levels and paths of 512 bytes (docs/format.md §7)",
    )
}

/// Runs step 15 of format.md §4: checks that the outline describes the content.
///
/// # Errors
/// [`Kind::OutlineMismatch`].
pub(crate) fn verify(header: &Header, content: &[u8], dek: &DataKey) -> Result<(), Error> {
    if header.outline.is_empty() {
        return Ok(());
    }
    let key = dek.outline_key(header.name.as_str(), header.environment.as_str());
    let agrees = with_leaves(header.content_type, content, |leaves| {
        leaves.len() == header.outline.len()
            && leaves.iter().zip(&header.outline).all(|((path, node), line)| {
                *path == line.path
                    && line.tag.is_none_or(|expected| same(&tag(key.expose(), path, node), &expected))
            })
    });
    if agrees == Some(true) {
        return Ok(());
    }
    Err(Error::new(Kind::OutlineMismatch, "the outline does not describe the content").advise(
        "do not deploy it: reviewers saw an outline of other content; ask the person who sealed this file",
    ))
}

/// Returns the paths of the leaves of `content`, ascending.
#[cfg(all(test, feature = "tools"))]
pub(crate) fn paths(content_type: ContentType, content: &[u8]) -> Option<Vec<String>> {
    with_leaves(content_type, content, |leaves| leaves.iter().map(|(path, _)| path.clone()).collect())
}

/// Calls `with` on the leaves of `content`, ascending by path; returns `None` if it cannot have an outline.
pub(crate) fn with_leaves<T>(
    content_type: ContentType,
    content: &[u8],
    with: impl FnOnce(&[(String, &Node<'_>)]) -> T,
) -> Option<T> {
    let text = std::str::from_utf8(content).ok()?;
    let root = syntax::parse(content_type, text).ok()?;
    let mut leaves = Vec::new();
    collect_leaves(&root, &mut String::new(), 1, &mut leaves)?;
    leaves.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
    Some(with(&leaves))
}

/// Collects the leaves below `node`, a container `depth` levels deep; `None` beyond a limit.
fn collect_leaves<'n, 'a>(
    node: &'n Node<'a>,
    path: &mut String,
    depth: usize,
    leaves: &mut Vec<(String, &'n Node<'a>)>,
) -> Option<()> {
    let Value::Table(table) = &node.value else { return None };
    for (key, child) in table.iter() {
        let parent = path.len();
        push_key(path, key);
        match &child.value {
            Value::Table(inner) if inner.iter().next().is_some() => {
                if depth == MAX_DEPTH {
                    return None;
                }
                collect_leaves(child, path, depth + 1, leaves)?;
            }
            value => {
                if depth + levels(value) > MAX_DEPTH || leaves.len() == MAX_LEAVES || path.len() > MAX_PATH {
                    return None;
                }
                leaves.push((path.clone(), child));
            }
        }
        path.truncate(parent);
    }
    Some(())
}

/// Returns the number of containers that are nested in a value, itself included.
fn levels(value: &Value<'_>) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(|item| levels(&item.value)).max().unwrap_or(0),
        Value::Table(table) => 1 + table.iter().map(|(_, node)| levels(&node.value)).max().unwrap_or(0),
        _ => 0,
    }
}

pub(crate) fn tag(key: &[u8], path: &str, node: &Node<'_>) -> [u8; 16] {
    let value = encode(&node.value);
    let mac = hmac(key, &[&(path.len() as u32).to_be_bytes(), path.as_bytes(), &value]);
    let mut tag = [0; 16];
    tag.copy_from_slice(&mac[..16]);
    tag
}

/// Returns `v(value)` of format.md §7, in a wiped buffer of exact size.
pub(crate) fn encode(value: &Value<'_>) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(encoded_len(value)));
    push_value(&mut out, value);
    out
}

fn push_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(bool) => out.extend_from_slice(if *bool { b"b1" } else { b"b0" }),
        Value::Integer(integer) => out.extend_from_slice(Zeroizing::new(format!("i{integer}")).as_bytes()),
        Value::Float(float) => {
            out.push(b'f');
            let bits = if float.is_nan() { 0x7ff8_0000_0000_0000 } else { float.to_bits() };
            out.extend_from_slice(&bits.to_be_bytes());
        }
        Value::String(text) => {
            out.push(b's');
            out.extend_from_slice(text.as_bytes());
        }
        Value::Datetime(datetime) => {
            out.extend_from_slice(Zeroizing::new(datetime_text(datetime)).as_bytes())
        }
        Value::Array(items) => {
            out.push(b'a');
            push_len(out, items.len());
            for item in items {
                push_len(out, encoded_len(&item.value));
                push_value(out, &item.value);
            }
        }
        Value::Table(table) => {
            out.push(b'o');
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
            push_len(out, entries.len());
            for (key, node) in entries {
                push_len(out, key.len());
                out.extend_from_slice(key.as_bytes());
                push_len(out, encoded_len(&node.value));
                push_value(out, &node.value);
            }
        }
    }
}

/// Appends a length or count. Content has at most 64 MiB, so each fits into 32 bits.
fn push_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&(len as u32).to_be_bytes());
}

fn encoded_len(value: &Value<'_>) -> usize {
    match value {
        Value::Null => 1,
        Value::Bool(_) => 2,
        Value::Integer(integer) => {
            let digits = integer.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
            1 + usize::from(*integer < 0) + digits
        }
        Value::Float(_) => 9,
        Value::String(text) => 1 + text.len(),
        Value::Datetime(datetime) => datetime_text(datetime).len(),
        Value::Array(items) => 5 + items.iter().map(|item| 4 + encoded_len(&item.value)).sum::<usize>(),
        Value::Table(table) => {
            5 + table.iter().map(|(key, node)| 8 + key.len() + encoded_len(&node.value)).sum::<usize>()
        }
    }
}

/// Returns `d`, then the date, time and offset if `datetime` has them; times to the millisecond (format.md §7).
pub(crate) fn datetime_text(datetime: &toml::value::Datetime) -> String {
    let mut text = String::from("d");
    if let Some(date) = &datetime.date {
        text += &format!("{:04}-{:02}-{:02}", date.year, date.month, date.day);
    }
    if let Some(time) = &datetime.time {
        if datetime.date.is_some() {
            text.push('T');
        }
        text += &format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second.unwrap_or(0));
        let millis = time.nanosecond.unwrap_or(0) / 1_000_000;
        if millis != 0 {
            text += format!(".{millis:03}").trim_end_matches('0');
        }
    }
    match datetime.offset {
        None => {}
        Some(toml::value::Offset::Z | toml::value::Offset::Custom { minutes: 0 }) => text.push('Z'),
        Some(toml::value::Offset::Custom { minutes }) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.unsigned_abs();
            text += &format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hiding_a_table_hides_all_values_in_it() {
        let outline = Outline::Tags { hide: vec!["database".into(), "a.\"x y\"".into()] };
        let shows = |path: &str| outline.shows(path, &Value::Integer(1));
        assert!(!shows("database") && !shows("database.password") && !shows("a.\"x y\".z"));
        assert!(shows("databases") && shows("a.b") && shows("x.database"));
        assert!(!outline.shows("debug", &Value::Bool(true)) && !outline.shows("debug", &Value::Null));
    }

    #[test]
    fn encoded_lengths_are_exact() {
        let json = r#"{"a":[null,true,0,-17,18446744073709551615,1.5,"é",[],{}],"b":{"c":{"d":-9223372036854775808}}}"#;
        let root = syntax::parse(ContentType::Json, json).unwrap();
        assert_eq!(encode(&root.value).len(), encoded_len(&root.value));
        let toml = "a = 1979-05-27T00:32:00.999999-07:00\nb = 07:32:00\nc = 1979-05-27\nd = 07:32:00.120\n";
        let root = syntax::parse(ContentType::Toml, toml).unwrap();
        assert_eq!(encode(&root.value).len(), encoded_len(&root.value));
    }
}
