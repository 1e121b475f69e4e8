//! dotenv to tree: lines of `NAME=value` (format.md §7). No quotes, no `export`, no expansion.

use super::Broken;
use super::tree::{Entry, Node, Place, Table, Text, Value};

const SYNTAX: &str = "dotenv";

/// The document `text`: one flat table of strings.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Broken> {
    let mut entries = Vec::new();
    let mut offset = 0;
    for line in text.split('\n') {
        if !line.is_empty() && !line.starts_with('#') {
            entries.push(entry(line, offset)?);
        }
        offset += line.len() + 1;
    }
    let table = Table::new(entries).map_err(|place| Broken { syntax: SYNTAX, place })?;
    Ok(Node { value: Value::Table(table), place: Place(0) })
}

fn entry(line: &str, offset: usize) -> Result<Entry<'_>, Broken> {
    let key_place = Place(offset);
    match line.split_once('=') {
        Some((name, value)) if is_name(name) => {
            let place = Place(offset + name.len() + 1);
            Ok(Entry {
                key: Text::Borrowed(name),
                key_place,
                node: Node { value: Value::String(Text::Borrowed(value)), place },
            })
        }
        _ => Err(Broken { syntax: SYNTAX, place: key_place }),
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_raw_rest_of_its_line() {
        let root = parse("# note\n\nA= b=\"c\" # d\\n\n_1=\r\nB=").ok().unwrap();
        let Value::Table(root) = root.value else { panic!() };
        let text = |name| match &root.get(name).unwrap().node {
            Node { value: Value::String(text), place } => ((**text).to_owned(), place.0),
            _ => panic!(),
        };
        assert_eq!(text("A"), (" b=\"c\" # d\\n".into(), 10));
        assert_eq!(text("_1").0, "\r");
        assert_eq!(text("B").0, "");
    }

    #[test]
    fn other_lines_and_repeated_names_are_refused_where_they_stand() {
        for (bad, place) in [
            ("A=1\nexport B=2", 4),
            ("A", 0),
            (" A=1", 0),
            ("1A=1", 0),
            ("=1", 0),
            ("A=1\n\r\n", 4),
            ("A=1\nA=2", 4),
        ] {
            assert_eq!(parse(bad).err().map(|broken| broken.place), Some(Place(place)), "{bad:?}");
        }
    }
}
