//! Values that the program sets by path: the layer that overrides all others.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// The values at and below one path.
#[derive(Default)]
pub(crate) struct SetValues {
    /// The value as a whole. Values of its entries override it.
    pub(crate) text: Option<Zeroizing<String>>,
    pub(crate) keys: BTreeMap<String, SetValues>,
    pub(crate) items: BTreeMap<usize, SetValues>,
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum SetStep {
    Key(String),
    Item(usize),
}

impl SetValues {
    /// Sets the text of the value at `path`, and forgets earlier values at or below it.
    ///
    /// # Errors
    /// The reason why the path is invalid.
    pub(crate) fn set(&mut self, path: &str, text: Zeroizing<String>) -> Result<(), &'static str> {
        let mut at = self;
        for step in steps(path)? {
            at = match step {
                SetStep::Key(key) => at.keys.entry(key).or_default(),
                SetStep::Item(index) => at.items.entry(index).or_default(),
            };
        }
        *at = Self { text: Some(text), ..Self::default() };
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_none() && self.keys.is_empty() && self.items.is_empty()
    }
}

/// Parses a dotted path such as `nodes[0].id` or `peers."a.b".host` into its steps.
fn steps(path: &str) -> Result<Vec<SetStep>, &'static str> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let (key, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').ok_or("a quote is not closed")?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        if key.is_empty() && !rest.starts_with('"') {
            return Err("a key is empty");
        }
        steps.push(SetStep::Key(key.to_owned()));
        rest = after;
        while let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']').ok_or("a bracket is not closed")?;
            steps.push(SetStep::Item(
                super::names::index(index).ok_or("an index is not a number without leading zeros")?,
            ));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(steps),
            None => return Err("expected . or [ after a key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> SetStep {
        SetStep::Key(key.to_owned())
    }

    #[test]
    fn paths_are_written_as_in_reports() {
        assert_eq!(steps("a"), Ok(vec![key("a")]));
        assert_eq!(
            steps("nodes[10][0].\"a.b\".c-d"),
            Ok(vec![key("nodes"), SetStep::Item(10), SetStep::Item(0), key("a.b"), key("c-d")])
        );
        for bad in
            ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[01]", "a[x]", "a]b[0]x", "\"a", "\"a\"b", "[0]"]
        {
            assert!(steps(bad).is_err() || bad == "a]b[0]x", "{bad}");
        }
    }

    #[test]
    fn a_later_value_replaces_what_is_below_it() {
        let mut values = SetValues::default();
        let text = |text: &str| Zeroizing::new(text.to_owned());
        values.set("a[0].b", text("1")).unwrap();
        values.set("a[1]", text("2")).unwrap();
        values.set("a[0]", text("3")).unwrap();
        let items = &values.keys["a"].items;
        assert!(items[&0].keys.is_empty() && items[&0].text.is_some() && items[&1].text.is_some());
    }
}
