//! Values as JSON text on one line, for tools.

use std::fmt::{self, Write};

use super::tree::{Node, Value};
use super::written::write_json_number;
use crate::base::write_json_string;

/// Writes `node`, which was read from `text`, as JSON on one line.
///
/// Numbers keep the digits of `text`. Dates, `inf` and `nan` become strings; `datetime` writes the dates.
pub(crate) fn write_json(
    node: &Node<'_>,
    text: &str,
    datetime: &dyn Fn(&Node<'_>, &mut dyn Write) -> fmt::Result,
    out: &mut dyn Write,
) -> fmt::Result {
    match &node.value {
        Value::Null => out.write_str("null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Float(value) if !value.is_finite() => write!(out, "\"{}\"", non_finite(*value)),
        Value::Integer(_) | Value::Float(_) => write_json_number(node, text, out),
        Value::Datetime(_) => {
            out.write_char('"')?;
            datetime(node, out)?;
            out.write_char('"')
        }
        Value::String(string) => write_json_string(string, out),
        Value::Array(items) => {
            out.write_char('[')?;
            for (at, item) in items.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { "," })?;
                write_json(item, text, datetime, out)?;
            }
            out.write_char(']')
        }
        Value::Table(table) => {
            out.write_char('{')?;
            for (at, (key, node)) in table.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { "," })?;
                write_json_string(key, out)?;
                out.write_char(':')?;
                write_json(node, text, datetime, out)?;
            }
            out.write_char('}')
        }
    }
}

/// Returns TOML's word for a float that JSON does not have.
pub(crate) fn non_finite(float: f64) -> &'static str {
    match float {
        f if f.is_nan() => "nan",
        f if f > 0.0 => "inf",
        _ => "-inf",
    }
}
