//! Types as they are written in the code: a description of their values, and the types of their items.

/// Types whose values are texts or bounded numbers, with a description of such a value. The derive sees only the name
/// of a type, so each name means the type of the standard library or of the best-known crate.
const EXAMPLES: &[(&str, &str)] = &[
    ("SocketAddr", "a socket address such as 127.0.0.1:8080"),
    ("SocketAddrV4", "a socket address such as 127.0.0.1:8080"),
    ("SocketAddrV6", "a socket address such as [::1]:8080"),
    ("IpAddr", "an IP address such as 127.0.0.1"),
    ("Ipv4Addr", "an IP address such as 127.0.0.1"),
    ("Ipv6Addr", "an IP address such as ::1"),
    ("IpNet", "a network such as 10.0.0.0/8"),
    ("Ipv4Net", "a network such as 10.0.0.0/8"),
    ("Ipv6Net", "a network such as fd00::/8"),
    ("Url", "a URL such as https://example.com/path"),
    ("Uuid", "a UUID such as 67e55044-10b1-426f-9247-bb680e5fe0c8"),
    ("Uri", "a URI such as https://example.com/path"),
    ("ByteSize", "a byte size such as 64 MiB"),
    ("PathBuf", "a path such as /var/lib/app"),
    ("bool", "true or false"),
    ("char", "a single character such as x"),
    ("Version", "a version such as 1.2.3"),
    ("NonZeroU8", "a whole number from 1 to 255"),
    ("NonZeroU16", "a whole number from 1 to 65535"),
    ("NonZeroU32", "a whole number from 1 to 4294967295"),
    ("NonZeroU64", "a whole number above 0"),
    ("NonZeroU128", "a whole number above 0"),
    ("NonZeroUsize", "a whole number above 0"),
    ("NonZeroI8", "a whole number from -128 to 127, but not 0"),
    ("NonZeroI16", "a whole number from -32768 to 32767, but not 0"),
    ("NonZeroI32", "a whole number other than 0"),
    ("NonZeroI64", "a whole number other than 0"),
    ("NonZeroI128", "a whole number other than 0"),
    ("NonZeroIsize", "a whole number other than 0"),
];

/// The types with one parameter whose values look like values of the parameter.
const WRAPPERS: &[&str] =
    &["Option", "Box", "Rc", "Arc", "Cow", "RefCell", "Cell", "Mutex", "RwLock", "Wrapping", "SecretBox"];

const LISTS: &[&str] =
    &["Vec", "VecDeque", "LinkedList", "BinaryHeap", "HashSet", "BTreeSet", "IndexSet", "SmallVec"];

const MAPS: &[&str] = &["HashMap", "BTreeMap", "IndexMap"];

/// Returns a description of the values of the type `written`: a fixed text for frequent types, else the type itself.
pub(crate) fn in_words(written: &str) -> &str {
    example(written).unwrap_or(written)
}

/// Returns true if `written` is a `Duration` of the standard library. serde reads it in another form than people
/// write.
pub(crate) fn is_duration(written: &str) -> bool {
    matches!(unwrapped(written), "Duration" | "std::time::Duration" | "core::time::Duration")
}

fn example(written: &str) -> Option<&'static str> {
    let inner = unwrapped(written);
    let (name, arguments) = parts(inner);
    let non_zero = match arguments.as_slice() {
        [number] if name == "NonZero" => {
            let (first, rest) = number.split_at_checked(1)?;
            Some(format!("NonZero{}{rest}", first.to_uppercase()))
        }
        [] => None,
        _ => return None,
    };
    let name = non_zero.as_deref().unwrap_or(name);
    EXAMPLES.iter().find(|(known, _)| *known == name).map(|(_, example)| *example)
}

/// Returns the type within `Option`, `Box` and the like.
fn unwrapped(written: &str) -> &str {
    let mut ty = written.trim();
    loop {
        let (name, arguments) = parts(ty);
        match arguments.last() {
            Some(inner) if WRAPPERS.contains(&name) => ty = inner,
            _ => return ty,
        }
    }
}

/// Returns the type of the item `index` of a list, array or tuple of the type `written`; `None` if only the program
/// knows.
pub(crate) fn item(written: &str, index: usize) -> Option<&str> {
    let ty = unwrapped(written);
    if let Some(inner) = between(ty, '(', ')') {
        return split(inner, ',').get(index).copied().filter(|ty| !ty.is_empty());
    }
    if let Some(inner) = between(ty, '[', ']') {
        return split(inner, ';').first().copied();
    }
    let (name, arguments) = parts(ty);
    arguments.first().copied().filter(|_| LISTS.contains(&name))
}

/// Returns the type of the values of a map of the type `written`; `None` if only the program knows.
pub(crate) fn value(written: &str) -> Option<&str> {
    let ty = unwrapped(written);
    let (name, arguments) = parts(ty);
    arguments.get(1).copied().filter(|_| MAPS.contains(&name))
}

/// Returns the type of the keys of a map of the type `written`; `None` if only the program knows.
pub(crate) fn key(written: &str) -> Option<&str> {
    let ty = unwrapped(written);
    let (name, arguments) = parts(ty);
    arguments.first().copied().filter(|_| MAPS.contains(&name))
}

/// Returns the number of maps that are directly in each other, this one included: at least 1.
pub(crate) fn map_levels(written: &str) -> usize {
    1 + value(written).filter(|inner| value(inner).is_some()).map_or(0, map_levels)
}

/// Returns the last segment of a path and its arguments.
fn parts(ty: &str) -> (&str, Vec<&str>) {
    let (path, arguments) = match ty.split_once('<') {
        Some((path, rest)) => {
            (path, rest.strip_suffix('>').map(|inner| split(inner, ',')).unwrap_or_default())
        }
        None => (ty, Vec::new()),
    };
    let name = path.rsplit("::").next().unwrap_or(path).trim();
    (name, arguments)
}

fn between(ty: &str, open: char, close: char) -> Option<&str> {
    ty.strip_prefix(open)?.strip_suffix(close)
}

/// Splits a list of types at the separators outside brackets.
fn split(list: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    let mut before = ' ';
    for (at, c) in list.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if before == '-' => {}
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + c.len_utf8();
            }
            _ => {}
        }
        before = c;
    }
    let last = list[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_types_have_examples_and_others_their_names() {
        for (ty, words) in [
            ("SocketAddr", "a socket address such as 127.0.0.1:8080"),
            ("Option<std::net::SocketAddr>", "a socket address such as 127.0.0.1:8080"),
            ("Option<Box<url::Url>>", "a URL such as https://example.com/path"),
            ("NonZeroU16", "a whole number from 1 to 65535"),
            ("Option<NonZero<u16>>", "a whole number from 1 to 65535"),
            ("NonZero<>", "NonZero<>"),
            ("bool", "true or false"),
            ("u16", "u16"),
            ("Option<Vec<SocketAddr>>", "Option<Vec<SocketAddr>>"),
            ("Wrapper<SocketAddr>", "Wrapper<SocketAddr>"),
            ("(bool, bool)", "(bool, bool)"),
            ("", ""),
        ] {
            assert_eq!(in_words(ty), words);
        }
    }

    #[test]
    fn an_item_has_a_type_if_the_container_is_a_known_one() {
        for (ty, index, at) in [
            ("Vec<u16>", 3, Some("u16")),
            ("Option<Vec<Option<u16>>>", 0, Some("Option<u16>")),
            ("[i64; 4]", 9, Some("i64")),
            ("Box<[u8]>", 1, Some("u8")),
            ("(u8, Vec<(u8, u16)>)", 1, Some("Vec<(u8, u16)>")),
            ("(u8, u16)", 2, None),
            ("()", 0, None),
            ("Server", 0, None),
            ("HashMap<String, u8>", 0, None),
        ] {
            assert_eq!(item(ty, index), at, "{ty} {index}");
        }
        let map = "Option<HashMap<String, Vec<(u8, [i64; 4])>>>";
        assert_eq!(value(map), Some("Vec<(u8, [i64; 4])>"));
        assert_eq!((value("Vec<u8>"), value("Server")), (None, None));
        assert_eq!(map_levels("HashMap<String, BTreeMap<String, u8>>"), 2);
        assert_eq!(map_levels("Labels"), 1);
    }
}
