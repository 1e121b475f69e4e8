//! TOML 1.1 to tree, through the `toml` crate's borrowed tables and their spans.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Broken;
use super::tree::{Entry, MAX_DEPTH, Node, Place, Table, Text, Value};

const SYNTAX: &str = "TOML";

/// The document `text`.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Broken> {
    let document = DeTable::parse(text).map_err(|error| broken(error.span()))?;
    let place = place(&document.span());
    Ok(Node { value: Value::Table(table(document.into_inner(), MAX_DEPTH)?), place })
}

/// The single value `text`, such as an inline table.
pub(crate) fn parse_value(text: &str) -> Result<Node<'_>, Broken> {
    node(DeValue::parse(text).map_err(|error| broken(error.span()))?, MAX_DEPTH)
}

/// `depth` is how many containers may still follow, this one included.
fn table(table: DeTable<'_>, depth: usize) -> Result<Table<'_>, Broken> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let key_place = place(&key.span());
        entries.push(Entry { key: Text::from(key.into_inner()), key_place, node: node(value, depth - 1)? });
    }
    Table::new(entries).map_err(|place| Broken { syntax: SYNTAX, place })
}

fn node(spanned: Spanned<DeValue<'_>>, depth: usize) -> Result<Node<'_>, Broken> {
    let place = place(&spanned.span());
    let broken = Broken { syntax: SYNTAX, place };
    let value = match spanned.into_inner() {
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| broken)?;
            Value::Integer(number.into())
        }
        DeValue::Float(number) => Value::Float(float(number.as_str()).ok_or(broken)?),
        DeValue::String(text) => Value::String(Text::from(text)),
        DeValue::Datetime(datetime) => Value::Datetime(datetime),
        DeValue::Array(_) | DeValue::Table(_) if depth == 0 => return Err(broken),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| node(item, depth - 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(inner) => Value::Table(table(inner, depth)?),
    };
    Ok(Node { value, place })
}

/// A float; `None` for one too large for its type, which `parse` takes for infinity.
fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() || text.ends_with("inf") || text.ends_with("nan")).then_some(number)
}

fn broken(span: Option<Range<usize>>) -> Broken {
    Broken { syntax: SYNTAX, place: place(&span.unwrap_or_default()) }
}

fn place(span: &Range<usize>) -> Place {
    Place(span.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of_error(text: &str) -> Option<Place> {
        parse(text).err().map(|broken| broken.place)
    }

    #[test]
    fn plain_text_is_borrowed_and_knows_its_place() {
        let text = "[a]\nb = 'x'\nc = \"\\u0041\"\n";
        let root = parse(text).ok().unwrap();
        let Value::Table(root) = root.value else { panic!() };
        let Value::Table(a) = &root.get("a").unwrap().node.value else { panic!() };
        let b = a.get("b").unwrap();
        assert_eq!((b.key_place, b.node.place), (Place(4), Place(8)));
        assert!(matches!(b.node.value, Value::String(Text::Borrowed("x"))));
        assert!(matches!(&a.get("c").unwrap().node.value, Value::String(text) if &**text == "A"));
    }

    #[test]
    fn numbers_beyond_their_type_are_refused_and_infinity_is_not() {
        assert_eq!(place_of_error("a = 9223372036854775808"), Some(Place(4)));
        assert_eq!(place_of_error("a = 9223372036854775807\nb = -0x8"), Some(Place(28)), "no sign before 0x");
        assert_eq!(place_of_error("a = 0xFFFF_FFFF_FFFF_FFFF"), Some(Place(4)));
        assert_eq!(place_of_error("a = 1e400"), Some(Place(4)));
        assert_eq!(place_of_error("a = -inf\nb = nan\nc = 1_0.5e-400"), None);
    }

    #[test]
    fn repeated_keys_are_refused() {
        assert!(place_of_error("a = 1\na = 2").is_some());
        assert!(place_of_error("[a]\n[a]").is_some());
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let nested = |levels: usize| format!("a = {}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(place_of_error(&nested(60)), None);
        assert!(place_of_error(&nested(100_000)).is_some());
        assert!(place_of_error(&format!("{}a = 1", "a.".repeat(100_000))).is_some());
        // Dotted keys within inline tables multiply; each alone is below the parser's own limits.
        let dotted = format!("{}1", format!("{{ {}a = ", "a.".repeat(70)).repeat(3));
        assert!(place_of_error(&format!("a = {dotted} }} }} }}")).is_some());
    }
}
