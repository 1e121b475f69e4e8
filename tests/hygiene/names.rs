//! Checks that each type name is used only once in the crate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Names that are used more than once, and the reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("Args", "the arguments of a verb; each verb's module has one, and only that module and `cli` use it"),
    ("DirectoryId", "one alias, declared for each platform"),
];

#[test]
fn type_names_are_unique() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envconf/src");
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files(&src) {
        let text = fs::read_to_string(&file).unwrap();
        for (line, name) in type_names(&text) {
            let place = format!("{}:{line}", file.strip_prefix(&src).unwrap().display());
            names.entry(name.to_owned()).or_default().push(place);
        }
    }
    assert!(names.len() > 200, "the sources are missing");
    for (name, reason) in EXCEPTIONS {
        let places = names.remove(name).unwrap_or_default();
        assert!(places.len() > 1, "{name} is no longer an exception ({reason})");
    }
    let twice = names.iter().filter(|(_, places)| places.len() > 1);
    let twice: Vec<_> = twice.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect();
    assert!(twice.is_empty(), "rename all but one of each:\n{}", twice.join("\n"));
}

#[test]
fn a_second_declaration_of_a_name_is_found() {
    let text = "\
/// struct Comment
pub struct Point<T> {
    pub(crate) x: T,
}
pub(crate) enum Shape { Point }
impl Trait for Shape {
    type Output = u8;
}
trait Trait { type Output; }
type Alias = u8;
fn f() {
    struct Point;
}
macro_rules! make { ($name:ident) => { struct $name; } }
#[cfg(test)]
mod tests {
    struct Shape;
}
";
    let names: Vec<_> = type_names(text).collect();
    let expected = [(2, "Point"), (5, "Shape"), (9, "Trait"), (10, "Alias"), (12, "Point")];
    assert_eq!(names, expected);
}

/// Returns every type that `text` declares outside its tests, by line. Skips associated types, which are indented.
fn type_names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end].lines().enumerate().filter_map(|(index, line)| Some((index + 1, declared(line)?)))
}

fn declared(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    let (keyword, name) = (words.next()?, words.next()?);
    let is_type = match keyword {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => !line.starts_with(' '),
        _ => false,
    };
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    (is_type && end > 0).then_some(&name[..end])
}

/// Returns the source files of the library and the command, without files that contain only tests.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
