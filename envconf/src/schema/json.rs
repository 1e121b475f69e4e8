//! JSON values to write. Members keep their order; the map of serde_json does not keep it.

use crate::base::json_string;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// The digits of the number, as they are written to the document.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i128> for Json {
    fn from(number: i128) -> Self {
        Self::Number(number.to_string())
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Self::Number(number.to_string())
    }
}

impl Json {
    /// Returns the document, indented by two spaces for each level, with a line feed at the end.
    pub(crate) fn document(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out.push('\n');
        out
    }

    /// Returns the value on one line.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.clone(),
            Self::String(text) => json_string(text).to_string(),
            Self::Array(items) => {
                format!("[{}]", items.iter().map(Self::line).collect::<Vec<_>>().join(", "))
            }
            Self::Object(members) => {
                let member =
                    |(key, value): &(String, Self)| format!("{}: {}", *json_string(key), value.line());
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn write(&self, level: usize, out: &mut String) {
        let members = match self {
            Self::Object(members) if !members.is_empty() => members,
            // Only a list of objects is long enough to need several lines.
            Self::Array(items) if items.iter().any(|item| matches!(item, Self::Object(_))) => {
                let items = items.iter().map(|item| (None, item));
                return lines('[', ']', items, level, out);
            }
            other => return out.push_str(&other.line()),
        };
        lines('{', '}', members.iter().map(|(key, value)| (Some(key), value)), level, out);
    }
}

/// Writes the items of a list or an object, each on its own line.
fn lines<'j>(
    open: char,
    close: char,
    items: impl Iterator<Item = (Option<&'j String>, &'j Json)>,
    level: usize,
    out: &mut String,
) {
    let indent = |level| "  ".repeat(level);
    out.push(open);
    for (index, (key, value)) in items.enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push_str(&indent(level + 1));
        if let Some(key) = key {
            out.push_str(&json_string(key));
            out.push_str(": ");
        }
        value.write(level + 1, out);
    }
    out.push('\n');
    out.push_str(&indent(level));
    out.push(close);
}
