//! Reads the keywords of a value's type.

use super::SchemaReader;
use super::keywords::Keywords;
use crate::base::Error;
use crate::schema::types::{TextFormat, TextSchema, Type};
use crate::syntax::{Node, Value};

impl SchemaReader<'_> {
    /// Reads the type that the keywords describe. Leaves the other keywords untaken.
    pub(super) fn ty(&self, keywords: &mut Keywords<'_>) -> Result<Type, Error> {
        let Some((name, null)) = keywords.ty()? else { return Ok(Type::Any) };
        let ty = match name {
            "null" => Type::Null,
            "boolean" => Type::Bool,
            "integer" => {
                Type::Integer { min: keywords.integer("minimum")?, max: keywords.integer("maximum")? }
            }
            "number" => Type::Number,
            "string" => Type::Text(text(keywords)?),
            "array" => match keywords.take("prefixItems") {
                Some(items) => self.tuple(items, keywords)?,
                None => Type::List {
                    items: Box::new(self.part(keywords.take("items"))?),
                    min: keywords.length("minItems")?,
                    max: keywords.length("maxItems")?,
                },
            },
            "object" => Type::Map {
                keys: self.names(keywords.take("propertyNames"))?,
                values: Box::new(self.part(keywords.take("additionalProperties"))?),
            },
            _ => return Err(keywords.refuse("unknown type")),
        };
        Ok(if null { ty.or_null() } else { ty })
    }

    /// Reads the type of the items or values in another type.
    fn part(&self, node: Option<&Node<'_>>) -> Result<Type, Error> {
        let Some(node) = node else { return Ok(Type::Any) };
        match &node.value {
            Value::Bool(true) => Ok(Type::Any),
            Value::Table(table) => {
                let mut keywords = Keywords::of(table, node.place, self);
                let ty = self.ty(&mut keywords)?;
                keywords.finish()?;
                Ok(ty)
            }
            _ => Err(self.refuse(node.place, "the type of a part must be an object or true")),
        }
    }

    fn tuple(&self, items: &Node<'_>, keywords: &mut Keywords<'_>) -> Result<Type, Error> {
        const FORM: &str = "`prefixItems` must be a list, and `minItems` and `maxItems` must be its length";
        let Value::Array(parts) = &items.value else { return Err(self.refuse(items.place, FORM)) };
        let len = Some(parts.len());
        if (keywords.length("minItems")?, keywords.length("maxItems")?) != (len, len) {
            return Err(self.refuse(items.place, FORM));
        }
        Ok(Type::Tuple(parts.iter().map(|part| self.part(Some(part))).collect::<Result<_, _>>()?))
    }

    /// Reads the constraints on a map's keys.
    fn names(&self, node: Option<&Node<'_>>) -> Result<TextSchema, Error> {
        let Some(node) = node else { return Ok(TextSchema::default()) };
        let Value::Table(table) = &node.value else {
            return Err(self.refuse(node.place, "`propertyNames` must be an object"));
        };
        let mut keywords = Keywords::of(table, node.place, self);
        let text = text(&mut keywords)?;
        keywords.finish()?;
        Ok(text)
    }
}

/// Reads the constraints on a text. An unknown format is an annotation, as in the draft.
fn text(keywords: &mut Keywords<'_>) -> Result<TextSchema, Error> {
    let format = keywords.text("format")?.and_then(|(name, _)| TextFormat::from_name(name));
    Ok(TextSchema { format, min: keywords.length("minLength")?, max: keywords.length("maxLength")? })
}

impl Type {
    /// Describes the type in a word, for a schema without `x-envconf-type`.
    pub(super) fn spelled(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Integer { .. } => "an integer in the schema's range",
            Self::Number => "a number",
            Self::Text(_) => "a text of the schema's form",
            Self::List { .. } | Self::Tuple(_) => "a list of the schema's form",
            Self::Map { .. } => "a map of the schema's form",
            Self::Nullable(inner) => inner.spelled(),
        }
    }
}
