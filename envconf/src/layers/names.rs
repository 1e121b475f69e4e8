//! Finds the value of a type that the name of a variable or dotenv line sets.
//!
//! A name consists of segments joined by `__`. Fields and variants are compared with the names from the type. Only
//! keys of maps and indices of lists are read from a name.

use crate::meta::{Field, Merge, Meta, NestedType, Shape, TypeStep, Variable};

/// Names without their prefix, sorted.
#[derive(Default)]
pub(crate) struct SortedNames(Vec<String>);

impl SortedNames {
    pub(crate) fn new(mut names: Vec<String>) -> Self {
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|other| other.as_str().cmp(name)).is_ok()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns the rest of each name that begins with `start`.
    pub(crate) fn below<'n>(&'n self, start: &str) -> impl Iterator<Item = &'n str> + use<'n> {
        let first = self.0.partition_point(|name| name.as_str() < start);
        let len = start.len();
        let start = start.to_owned();
        self.0[first..].iter().take_while(move |name| name.starts_with(&start)).map(move |name| &name[len..])
    }
}

/// The meaning of a variable name for a value with the segment `segment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail<'n> {
    /// The name of the value itself.
    Exact,
    /// Its `_FILE` form.
    File,
    /// The name of a part of the value: the text after `__`.
    Below(&'n str),
}

/// Returns the meaning of `name` for a value with the name `segment`, if it has one.
pub(crate) fn tail<'n>(name: &'n str, segment: &str) -> Option<Tail<'n>> {
    match name.strip_prefix(segment)? {
        "" => Some(Tail::Exact),
        "_FILE" => Some(Tail::File),
        rest => rest.strip_prefix("__").map(Tail::Below),
    }
}

/// Returns every split of a name into the segment of an entry and the meaning of the name for that entry, the shortest
/// segment first. A name that ends in `_FILE` is a file form, never a key.
pub(crate) fn entry_segments(name: &str) -> impl Iterator<Item = (&str, Tail<'_>)> {
    let whole = match name.strip_suffix("_FILE") {
        Some(segment) if !segment.is_empty() => (segment, Tail::File),
        _ => (name, Tail::Exact),
    };
    let inner = name.match_indices("__").map(|(at, _)| (&name[..at], Tail::Below(&name[at + 2..])));
    inner.chain([whole]).filter(|(segment, tail)| !segment.is_empty() && *tail != Tail::Below(""))
}

/// Parses an index: digits without leading zeros.
pub(crate) fn index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || !segment.starts_with('0');
    (canonical && segment.bytes().all(|byte| byte.is_ascii_digit())).then(|| segment.parse().ok())?
}

/// The meaning of names that end in `_FILE`: a variable with such a name names a file, a dotenv line does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileForms {
    Named,
    None,
}

/// The meaning of a variable name within a type.
#[derive(Clone, Debug)]
pub(crate) enum Fit {
    /// A value, or a part of a list, map or enum.
    Value,
    /// The value of a field that has no variable.
    Forbidden(Vec<TypeStep>, &'static Field),
    /// The value of a field whose variable has this name instead.
    Instead(&'static str),
    /// A part of this field's value that no variable can set.
    Unreachable(Vec<TypeStep>, &'static Field),
    /// Nothing.
    Unknown,
}

/// Returns true if the variable `name` sets a part of the type that `meta` describes.
pub(crate) fn reads_variable(meta: &'static Meta, name: &str) -> bool {
    let below = meta.env_prefix.and_then(|prefix| name.strip_prefix(prefix)?.strip_prefix("__"));
    meta.reads_variable(name)
        || below.is_some_and(|name| fits(meta.part(), Tail::Below(name), FileForms::Named))
}

/// Returns the meaning of `name` for a struct, as far as the names of its fields determine it.
pub(crate) fn fit(meta: &'static Meta, name: &str, files: FileForms) -> Fit {
    fit_section(meta, name, &mut Vec::new(), false, files)
}

/// Returns true if `tail` in the name of a value of type `part` sets a part of it.
pub(crate) fn fits(part: NestedType, tail: Tail<'_>, files: FileForms) -> bool {
    match tail {
        Tail::Exact => true,
        Tail::File => files == FileForms::Named,
        Tail::Below(name) => matches!(fit_part(part, name, &mut Vec::new(), files), Fit::Value),
    }
}

fn fit_part(part: NestedType, name: &str, steps: &mut Vec<TypeStep>, files: FileForms) -> Fit {
    let known = match part {
        NestedType::Section(meta) => return fit_section(meta, name, steps, true, files),
        NestedType::Optional(inner) => return fit_part(*inner, name, steps, files),
        NestedType::List(inner) => entry_segments(name)
            .next()
            .is_some_and(|(segment, tail)| index(segment).is_some() && fits(*inner, tail, files)),
        NestedType::Map(inner) => entry_segments(name).any(|(segment, tail)| {
            is_upper(segment) && (tail != Tail::Exact || !segment.contains("__")) && fits(*inner, tail, files)
        }),
        NestedType::Variants(meta) => variants_fit(meta, name, files),
    };
    if known { Fit::Value } else { Fit::Unknown }
}

fn variants_fit(meta: &'static Meta, name: &str, files: FileForms) -> bool {
    let is_whole = |segment: &str| match tail(name, segment) {
        Some(Tail::Exact) => true,
        Some(Tail::File) => files == FileForms::Named,
        _ => false,
    };
    let is_tag = meta.tag.is_some_and(|tag| is_whole(tag.segment));
    is_tag
        || meta.variants.iter().any(|variant| match (meta.tag, variant.content) {
            (Some(_), Some(content)) => fits(content, Tail::Below(name), files),
            (Some(_), None) => false,
            (None, _) if is_whole(variant.segment) => true,
            (None, content) => match (tail(name, variant.segment), content) {
                (Some(below @ Tail::Below(_)), Some(content)) => fits(content, below, files),
                _ => false,
            },
        })
}

/// Returns true if a segment has no lower-case letters, like generated names.
pub(crate) fn is_upper(segment: &str) -> bool {
    !segment.chars().any(char::is_lowercase)
}

/// Returns how well `name` fits a field of `meta`. With `deep`, searches lists, maps and enums, too. Otherwise they
/// check their parts when they are built.
fn fit_section(
    meta: &'static Meta,
    name: &str,
    steps: &mut Vec<TypeStep>,
    deep: bool,
    files: FileForms,
) -> Fit {
    let mut best = Fit::Unknown;
    for field in meta.fields {
        let found = match field.shape {
            Shape::Flattened(meta) => fit_section(meta, name, steps, deep, files),
            _ => tail(name, field.segment)
                .map_or(Fit::Unknown, |tail| fit_field(field, tail, steps, deep, files)),
        };
        match found {
            Fit::Value => return Fit::Value,
            Fit::Unknown => {}
            other => best = other,
        }
    }
    best
}

fn fit_field(
    field: &'static Field,
    tail: Tail<'_>,
    steps: &mut Vec<TypeStep>,
    deep: bool,
    files: FileForms,
) -> Fit {
    match (field.part, tail) {
        (Some(part), Tail::Below(name)) => match part.without_options() {
            NestedType::Section(meta) => {
                steps.push(TypeStep::Field(field));
                let fit = fit_section(meta, name, steps, deep, files);
                steps.pop();
                fit
            }
            part if deep => fit_part(part, name, steps, files),
            _ => Fit::Value,
        },
        (_, Tail::File) if files == FileForms::None => Fit::Unknown,
        (Some(part), _) if part.is_section() => Fit::Unknown,
        (None, Tail::Below(_)) if field.merge == Merge::Keys => Fit::Value,
        (None, Tail::Below(_)) => Fit::Unreachable(steps.clone(), field),
        (_, Tail::Exact | Tail::File) => match field.variable {
            Variable::Generated => Fit::Value,
            Variable::Named(name) => Fit::Instead(name),
            Variable::Forbidden => Fit::Forbidden(steps.clone(), field),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_another_are_found_by_binary_search() {
        let names = SortedNames::new(["B__1", "A", "A__X", "A__Y_FILE", "AB"].map(str::to_owned).to_vec());
        assert_eq!(names.below("A__").collect::<Vec<_>>(), ["X", "Y_FILE"]);
        assert_eq!(names.below("C").count(), 0);
        assert!(names.contains("AB") && !names.contains("B"));
    }

    #[test]
    fn a_name_is_split_where_a_key_may_end() {
        let segments: Vec<_> = entry_segments("A__B__HOST_FILE").collect();
        let expected = [
            ("A", Tail::Below("B__HOST_FILE")),
            ("A__B", Tail::Below("HOST_FILE")),
            ("A__B__HOST", Tail::File),
        ];
        assert_eq!(segments, expected);
        assert_eq!(entry_segments("A_FILE").collect::<Vec<_>>(), [("A", Tail::File)]);
        assert_eq!(entry_segments("_FILE").collect::<Vec<_>>(), [("_FILE", Tail::Exact)]);
        assert_eq!(entry_segments("A__").collect::<Vec<_>>(), [("A__", Tail::Exact)]);
        assert_eq!(
            (index("0"), index("10"), index("01"), index("A"), index("")),
            (Some(0), Some(10), None, None, None)
        );
    }
}
