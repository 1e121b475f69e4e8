//! The types that a schema can describe, recognized by the type of a field as written.
//!
//! A derive sees only tokens. It treats names such as `u16` and `Vec<String>` as types of the standard library. Every
//! other type is [`Type::Any`]: only the program knows which values it accepts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    /// Any value.
    Any,
    /// Null, the value of `()`.
    Null,
    Bool,
    /// An integer from `min` to `max`, both included.
    Integer {
        min: Option<i128>,
        max: Option<i128>,
    },
    /// An integer or float.
    Number,
    Text(TextSchema),
    List {
        items: Box<Type>,
        min: Option<usize>,
        max: Option<usize>,
    },
    /// A list with exactly these items.
    Tuple(Vec<Type>),
    Map {
        keys: TextSchema,
        values: Box<Type>,
    },
    /// A type that may be null. Never contains a type that accepts null itself.
    Nullable(Box<Type>),
}

/// The constraints on a text. Lengths are in characters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TextSchema {
    pub(crate) format: Option<TextFormat>,
    pub(crate) min: Option<usize>,
    pub(crate) max: Option<usize>,
}

/// The format of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextFormat {
    Ipv4,
    Ipv6,
    Ip,
    SocketV4,
    SocketV6,
    Socket,
}

impl TextFormat {
    const ALL: [Self; 6] = [Self::Ipv4, Self::Ipv6, Self::Ip, Self::SocketV4, Self::SocketV6, Self::Socket];

    /// Returns the value of the keyword `format`: the name from JSON Schema if it has one.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Ip => "ip-address",
            Self::SocketV4 => "ipv4-socket-address",
            Self::SocketV6 => "ipv6-socket-address",
            Self::Socket => "socket-address",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Returns true if the standard library can parse `text` in this format.
    fn admits(self, text: &str) -> bool {
        match self {
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Ip => text.parse::<IpAddr>().is_ok(),
            Self::SocketV4 => text.parse::<SocketAddrV4>().is_ok(),
            Self::SocketV6 => text.parse::<SocketAddrV6>().is_ok(),
            Self::Socket => text.parse::<SocketAddr>().is_ok(),
        }
    }
}

impl TextSchema {
    pub(crate) fn admits(&self, text: &str) -> bool {
        let bounded = self.min.is_some() || self.max.is_some();
        let length = if bounded { text.chars().count() } else { 0 };
        self.min.is_none_or(|min| length >= min)
            && self.max.is_none_or(|max| length <= max)
            && self.format.is_none_or(|format| format.admits(text))
    }
}

impl Type {
    /// Parses a type as written in Rust.
    pub(crate) fn of(written: &str) -> Self {
        let written = written.trim();
        if let Some(inner) = within(written, '(', ')') {
            return match split(inner, ',').as_slice() {
                [] => Self::Null,
                [one] if !inner.trim_end().ends_with(',') => Self::of(one),
                several => Self::Tuple(several.iter().map(|one| Self::of(one)).collect()),
            };
        }
        if let Some(inner) = within(written, '[', ']') {
            return match split(inner, ';').as_slice() {
                [items, len] => {
                    let len = len.strip_suffix("usize").unwrap_or(len).replace('_', "").parse().ok();
                    Self::List { items: Box::new(Self::of(items)), min: len, max: len }
                }
                _ => Self::list(inner),
            };
        }
        let (path, arguments) = match written.split_once('<') {
            Some((path, rest)) => (path, rest.strip_suffix('>').unwrap_or_default()),
            None => (written, ""),
        };
        match name(path) {
            Some(name) => Self::named(name, &split(arguments, ',')),
            None => Self::Any,
        }
    }

    fn named(name: &str, arguments: &[&str]) -> Self {
        match (name, arguments) {
            ("bool", []) => Self::Bool,
            ("f32" | "f64", []) => Self::Number,
            ("String" | "PathBuf" | "SecretString", []) => Self::Text(TextSchema::default()),
            ("char", []) => Self::Text(TextSchema { min: Some(1), max: Some(1), format: None }),
            ("Ipv4Addr", []) => Self::format(TextFormat::Ipv4),
            ("Ipv6Addr", []) => Self::format(TextFormat::Ipv6),
            ("IpAddr", []) => Self::format(TextFormat::Ip),
            ("SocketAddrV4", []) => Self::format(TextFormat::SocketV4),
            ("SocketAddrV6", []) => Self::format(TextFormat::SocketV6),
            ("SocketAddr", []) => Self::format(TextFormat::Socket),
            ("Option", [inner]) => Self::of(inner).or_null(),
            ("Box" | "Rc" | "Arc" | "SecretBox", [inner]) => Self::owned(inner),
            // `Cow<'static, str>`
            ("Cow", [lifetime, inner]) if lifetime.starts_with('\'') => Self::owned(inner),
            ("NonZero", [inner]) => positive(inner).unwrap_or(Self::Any),
            ("Vec" | "VecDeque" | "LinkedList" | "BinaryHeap" | "BTreeSet", [items])
            | ("HashSet", [items] | [items, _]) => Self::list(items),
            ("BTreeMap", [keys, values]) | ("HashMap", [keys, values] | [keys, values, _]) => {
                // A schema cannot describe keys that are not text, such as numbers.
                let keys = match Self::of(keys) {
                    Self::Text(keys) => keys,
                    _ => TextSchema::default(),
                };
                Self::Map { keys, values: Box::new(Self::of(values)) }
            }
            (name, []) => integer(name).unwrap_or(Self::Any),
            _ => Self::Any,
        }
    }

    /// Parses the type in a `Box` or another pointer: it may be one of the unsized types `str`, `Path` and `[T]`.
    fn owned(inner: &str) -> Self {
        match name(inner) {
            Some("str" | "Path") => Self::Text(TextSchema::default()),
            _ => Self::of(inner),
        }
    }

    fn format(format: TextFormat) -> Self {
        Self::Text(TextSchema { format: Some(format), ..TextSchema::default() })
    }

    fn list(items: &str) -> Self {
        Self::List { items: Box::new(Self::of(items)), min: None, max: None }
    }

    /// Returns this type, with null allowed.
    pub(crate) fn or_null(self) -> Self {
        match self {
            Self::Any | Self::Null | Self::Nullable(_) => self,
            other => Self::Nullable(Box::new(other)),
        }
    }
}

fn integer(name: &str) -> Option<Type> {
    let between = |min: i128, max: i128| Type::Integer { min: Some(min), max: Some(max) };
    Some(match name {
        "u8" => between(0, u8::MAX.into()),
        "u16" => between(0, u16::MAX.into()),
        "u32" => between(0, u32::MAX.into()),
        "u64" => between(0, u64::MAX.into()),
        "usize" => between(0, usize::MAX as i128),
        "u128" => Type::Integer { min: Some(0), max: None },
        "i8" => between(i8::MIN.into(), i8::MAX.into()),
        "i16" => between(i16::MIN.into(), i16::MAX.into()),
        "i32" => between(i32::MIN.into(), i32::MAX.into()),
        "i64" => between(i64::MIN.into(), i64::MAX.into()),
        "isize" => between(isize::MIN as i128, isize::MAX as i128),
        "i128" => Type::Integer { min: None, max: None },
        _ => return positive(name.strip_prefix("NonZero")?.to_lowercase().as_str()),
    })
}

/// Returns an unsigned type without 0; `None` for a signed type, because its range has a gap at 0.
fn positive(name: &str) -> Option<Type> {
    match integer(name)? {
        Type::Integer { min: Some(0), max } => Some(Type::Integer { min: Some(1), max }),
        _ => None,
    }
}

/// Returns the last segment of a path, if the path can name a type that this module knows.
fn name(path: &str) -> Option<&str> {
    let path = path.strip_prefix("::").unwrap_or(path);
    match path.rsplit_once("::") {
        None => Some(path),
        Some((parent, name)) => {
            let root = parent.split("::").next().unwrap_or_default();
            ["std", "core", "alloc", "envconf", "secrecy"].contains(&root).then_some(name)
        }
    }
}

fn within(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// Splits text at the separators outside of brackets. Leaves out an empty last part.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if text[..at].ends_with('-') => {}
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Type {
        Type::Text(TextSchema::default())
    }

    #[test]
    fn types_of_the_standard_library_are_known_by_their_names() {
        let byte = || Type::Integer { min: Some(0), max: Some(255) };
        let list = |items, len| Type::List { items: Box::new(items), min: len, max: len };
        let map = |values| Type::Map { keys: TextSchema::default(), values: Box::new(values) };
        for (written, expected) in [
            ("u8", byte()),
            ("Option<u8>", Type::Nullable(Box::new(byte()))),
            ("Option<Option<u8>>", Type::Nullable(Box::new(byte()))),
            ("Option<()>", Type::Null),
            ("Option<Mine>", Type::Any),
            ("NonZeroU8", Type::Integer { min: Some(1), max: Some(255) }),
            ("std::num::NonZeroU8", Type::Integer { min: Some(1), max: Some(255) }),
            ("NonZeroI8", Type::Any),
            ("NonZero<u8>", Type::Integer { min: Some(1), max: Some(255) }),
            ("NonZero<i8>", Type::Any),
            ("str", Type::Any),
            ("Path", Type::Any),
            ("Box<std::path::Path>", text()),
            ("std::option::Option<u8>", Type::Nullable(Box::new(byte()))),
            ("u128", Type::Integer { min: Some(0), max: None }),
            ("std::net::SocketAddr", Type::format(TextFormat::Socket)),
            ("::std::string::String", text()),
            ("envconf::SecretString", text()),
            ("SecretBox<str>", text()),
            ("Cow<'static, str>", text()),
            ("Vec<Vec<String>>", list(list(text(), None), None)),
            ("[u8; 4]", list(byte(), Some(4))),
            ("[u8; 1_0usize]", list(byte(), Some(10))),
            ("[u8; N]", list(byte(), None)),
            ("Box<[u8]>", list(byte(), None)),
            ("(u8, (String, bool))", Type::Tuple(vec![byte(), Type::Tuple(vec![text(), Type::Bool])])),
            ("(u8,)", Type::Tuple(vec![byte()])),
            ("(u8)", byte()),
            ("()", Type::Null),
            ("HashMap<String, Vec<(u8, u8)>>", map(list(Type::Tuple(vec![byte(), byte()]), None))),
            ("HashMap<String, u8, RandomState>", map(byte())),
            ("BTreeMap<u8, Mine>", map(Type::Any)),
            ("my::u8", Type::Any),
            ("std::time::Duration", Type::Any),
            ("Box<dyn Fn(u8) -> u8>", Type::Any),
            ("Vec", Type::Any),
            ("<T as Iterator>::Item", Type::Any),
        ] {
            assert_eq!(Type::of(written), expected, "{written}");
        }
    }
}
