//! The parser of dotenv: lines of `NAME=value` (format.md §7), without quotes, `export` and expansion.

use super::tree::{Entry, Node, Place, Table, Text, Value};
use super::{Broken, SyntaxFault};

const SYNTAX: &str = "dotenv";

/// Parses the document `text` into one flat table of strings.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Broken> {
    let mut entries = Vec::new();
    let mut offset = 0;
    for line in text.split('\n') {
        if !line.is_empty() && !line.starts_with('#') {
            entries.push(entry(line, offset)?);
        }
        offset += line.len() + 1;
    }
    let table = Table::new(entries).map_err(|repeated| repeated.broken(SYNTAX))?;
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
        _ => Err(Broken { syntax: SYNTAX, place: key_place, fault: SyntaxFault::Grammar }),
    }
}

/// A line that other dotenv readers read differently than envconf.
pub(crate) struct AmbiguousLine<'a> {
    /// The number of the line, from 1.
    pub(crate) number: usize,
    /// The column of the value, or of the line if it has no valid name: in characters, from 1.
    pub(crate) column: usize,
    pub(crate) text: &'a str,
    /// The name; empty if the line has no valid name.
    pub(crate) name: &'a str,
    /// The reason why other readers read the line differently. Does not contain the value.
    pub(crate) why: &'static str,
}

/// Returns the invalid lines of `text`, and those that python-dotenv, Node's dotenv or Docker Compose read differently.
///
/// The lines of one value in quotes count as one line.
pub(crate) fn ambiguous_lines(text: &str) -> Vec<AmbiguousLine<'_>> {
    let mut found = Vec::new();
    let mut lines = text.split('\n').enumerate();
    while let Some((index, line)) = lines.next() {
        let (name, value) = match line.split_once('=') {
            Some((name, value)) if is_name(name) => (name, Some(value)),
            _ => ("", None),
        };
        let why = match value {
            Some(value) => ambiguity_of_value(value),
            None => fault_of_line(line),
        };
        let Some(why) = why else { continue };
        let column = value.map_or(1, |_| name.len() + 2);
        found.push(AmbiguousLine { number: index + 1, column, text: line, name, why });
        // The text after an open quote is part of a value, which must not appear in a message.
        if let Some(quote) = opened_quote(line) {
            let end = lines.clone().position(|(_, line)| line.contains(quote));
            lines.by_ref().take(end.map_or(0, |end| end + 1)).for_each(drop);
        }
    }
    found
}

fn ambiguity_of_value(value: &str) -> Option<&'static str> {
    let value = match value.strip_suffix('\r') {
        Some(_) => return Some("a carriage return at the end of the line, which other readers drop"),
        None => value,
    };
    // JavaScript counts a byte order mark as a blank.
    let is_blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    match value {
        value if value.trim_start().starts_with(QUOTES) => Some(
            "the value begins with a quote: other readers remove it, and programs that use envconf reject it",
        ),
        value if value.starts_with(is_blank) => Some("a blank after the `=`, which other readers drop"),
        value if value.ends_with(is_blank) => {
            Some("a blank at the end of the line, which other readers drop")
        }
        value if value.contains('\r') => {
            Some("a carriage return, which other readers read as the end of the line")
        }
        value if value.contains('#') => Some("a `#`: other readers begin a comment there"),
        value if value.contains('$') => Some("a `$`: other readers replace variables"),
        value if value.contains('\\') => Some("a backslash: other readers disagree about escapes"),
        _ => None,
    }
}

/// Returns the fault of a line that does not begin with a name and `=`.
fn fault_of_line(line: &str) -> Option<&'static str> {
    let trimmed = line.trim();
    let name = trimmed.split('=').next().unwrap_or(trimmed).trim_end();
    match trimmed {
        _ if line.is_empty() || line.starts_with('#') => None,
        "" if line == "\r" => Some("the line ends with CR LF: use LF alone"),
        "" => Some("a line of blanks: leave it empty"),
        _ if trimmed.starts_with('#') => Some("a blank before the `#` of a comment"),
        _ if name.strip_prefix("export").is_some_and(|name| name.starts_with(char::is_whitespace)) => {
            Some("`export`, which other readers drop")
        }
        _ if trimmed.contains('=') && is_name(name) => {
            Some("blanks around the name, which other readers drop")
        }
        _ => Some("expected NAME=value, with a name of letters, digits and `_`"),
    }
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// Returns the quote at the beginning of this line's value, if the line does not close it.
fn opened_quote(line: &str) -> Option<char> {
    let value = line.split_once('=')?.1.trim_start();
    let quote = value.chars().next().filter(|first| QUOTES.contains(first))?;
    (value.matches(quote).count() == 1).then_some(quote)
}

/// Returns true if `name` matches `[A-Za-z_][A-Za-z0-9_]*`.
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

    fn ambiguous(text: &str) -> Vec<(usize, usize, &str)> {
        ambiguous_lines(text).iter().map(|line| (line.number, line.column, line.name)).collect()
    }

    #[test]
    fn a_line_that_all_readers_read_alike_is_not_ambiguous() {
        let text = "# note: \"x\" $y\n\nA=\nB=b c\nC=postgres://u:p@h:1/d?x=1&y=2\nD=it's\nE=a\"b\nF=50%!~*;|()\nG==\nH=é\n_1=x";
        assert_eq!(ambiguous(text), []);
        assert_eq!(ambiguous(""), []);
    }

    #[test]
    fn every_line_that_readers_disagree_about_is_found() {
        for line in [
            "AB=abc # comment",
            "AB=a#b",
            "AB=#a",
            "AB=\"My Shop\"",
            "AB='x'",
            "AB=`x`",
            "AB= \"x\"",
            "AB=$HOME",
            "AB=${HOME}",
            "AB=$(id)",
            "AB=pa$$word",
            "AB=a\\nb",
            "AB=C:\\dir",
            "AB= x",
            "AB=x ",
            "AB=x\t",
            "AB=\u{a0}x",
            "AB=x\r",
            "AB=\r",
            "AB=x\ry",
        ] {
            assert_eq!(ambiguous(&format!("Z=1\n{line}\nY=2")), [(2, 4, "AB")], "{line:?}");
        }
        for line in [
            "export A=1",
            "export\tA=1",
            " A=1",
            "A =1",
            "A = 1",
            "  # x",
            " ",
            "\r",
            "A",
            "A: 1",
            "a-b=1",
            "export A",
        ] {
            assert_eq!(ambiguous(&format!("Z=1\n{line}\nY=2")), [(2, 1, "")], "{line:?}");
        }
    }

    #[test]
    fn the_lines_of_an_open_quote_are_one() {
        let text =
            "A=\"-----BEGIN\nMIIE=\nsecret=#\n-----END\"\nB=#\nC='x\ny' z\nD=1\nE=\"never closed\nF=1\nG=#";
        assert_eq!(ambiguous(text), [(1, 3, "A"), (5, 3, "B"), (6, 3, "C"), (9, 3, "E"), (11, 3, "G")]);
        assert_eq!(ambiguous("export A='x\ny=#'\nB= x"), [(1, 1, ""), (3, 3, "B")]);
    }

    #[test]
    fn other_lines_and_repeated_names_are_rejected_with_their_position() {
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
