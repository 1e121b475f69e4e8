//! The application's environment variables: their names come from the type (layers.md).
//!
//! envconf generates the names from the type, and looks them up. Only keys of maps and indices of lists are read from
//! a name.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::names::{self, FileForms, Fit, SortedNames};
use super::set_values::SetValues;
use crate::base::open_regular;
use crate::base::variables::wipe;
use crate::base::{Complaint, Origin, Problem, Variables, suggest};
use crate::meta::{Meta, Variable, path_of_key, segments_below};

/// Largest size of a file that a variable names.
const MAX_FILE: usize = 1 << 20;

/// The application's variables: those that belong to fields of one type.
pub(crate) struct Environment<'a> {
    variables: &'a Variables,
    prefix: Option<&'static str>,
    /// The names that are set, without the prefix and `__`. Most often there are none.
    present: SortedNames,
    /// Names that count as set, although their values are unknown here.
    assumed: &'a [String],
    /// The values that the program set. They override every variable.
    set_values: Option<&'a SetValues>,
}

/// The text of a variable, and its origin.
pub(crate) struct Setting {
    pub(crate) text: Zeroizing<String>,
    pub(crate) origin: Origin,
}

/// An invalid variable, and the reason.
pub(crate) struct Unusable {
    pub(crate) origin: Origin,
    pub(crate) complaint: Complaint,
}

impl<'a> Environment<'a> {
    /// Returns the variables with `prefix`.
    pub(crate) fn new(variables: &'a Variables, prefix: Option<&'static str>) -> Self {
        let below = |prefix| {
            let start = format!("{prefix}__");
            let names = variables.names(&start).into_iter();
            names.filter_map(|name| name.strip_prefix(&start).map(str::to_owned)).collect()
        };
        let present = SortedNames::new(prefix.map(below).unwrap_or_default());
        Self { variables, prefix, present, assumed: &[], set_values: None }
    }

    /// Treats `names` as set.
    pub(crate) fn assuming(self, names: &'a [String]) -> Self {
        let assumed = names.iter().filter_map(|name| self.without_prefix(name)).map(str::to_owned);
        let present = SortedNames::new(self.present.iter().map(str::to_owned).chain(assumed).collect());
        Self { assumed: names, present, ..self }
    }

    /// Adds the values that the program set, which override the variables.
    pub(crate) fn below_set(self, values: &'a SetValues) -> Self {
        Self { set_values: Some(values).filter(|values| !values.is_empty()), ..self }
    }

    /// Returns the values that the program set.
    pub(crate) fn set_values(&self) -> Option<&'a SetValues> {
        self.set_values
    }

    /// Returns the names that are set, without the prefix and `__`.
    pub(crate) fn present(&self) -> &SortedNames {
        &self.present
    }

    /// Returns the name of the variable with `segments` after the prefix.
    pub(crate) fn name(&self, segments: &str) -> Option<String> {
        Some(format!("{}__{segments}", self.prefix?))
    }

    fn without_prefix<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(self.prefix?)?.strip_prefix("__")
    }

    /// Returns true if `name` is to be treated as set.
    pub(crate) fn assumes(&self, name: &str) -> bool {
        self.assumed.iter().any(|assumed| assumed == name)
    }

    /// Returns the prefix of generated names.
    pub(crate) fn prefix(&self) -> Option<&'static str> {
        self.prefix
    }

    /// Returns true if a variable can set this field here. This check saves the work of generating names.
    pub(crate) fn may_have(&self, variable: Variable) -> bool {
        match variable {
            Variable::Named(_) => true,
            Variable::Generated => !self.present.is_empty(),
            Variable::Forbidden => false,
        }
    }

    /// Returns true if `name` or its `_FILE` form is set, or treated as set.
    pub(crate) fn has(&self, name: &str) -> bool {
        let is_set = |name: &str| self.get(name).map(wipe).is_some();
        self.assumes(name) || is_set(name) || is_set(&file_form(name))
    }

    /// Returns the value of the variable `name`, or of the file that its `_FILE` form names.
    pub(crate) fn read(&self, name: &str) -> Option<Result<Setting, Unusable>> {
        let by_file = file_form(name);
        match (self.get(name), self.get(&by_file)) {
            (None, None) => None,
            (Some(value), None) => Some(from_variable(name, value)),
            (None, Some(file)) => Some(from_file(&by_file, PathBuf::from(file))),
            (Some(value), Some(_)) => {
                wipe(value);
                let rule = format!("both {name} and {by_file} are set; unset one of them");
                Some(Err(Unusable {
                    origin: Origin::Variable(name.to_owned()),
                    complaint: Complaint::Rule(rule),
                }))
            }
        }
    }

    /// Returns the value of a variable. A name with the prefix that is not in `present` is not set, which saves a
    /// lookup.
    fn get(&self, name: &str) -> Option<OsString> {
        match self.without_prefix(name) {
            Some(segments) if !self.present.contains(segments) => None,
            _ => self.variables.get(name),
        }
    }

    /// Returns the files with values of `meta`'s fields, named by the `_FILE` forms that are set.
    #[cfg(feature = "watch")]
    pub(crate) fn files(&self, meta: &'static Meta) -> Vec<PathBuf> {
        let leaves = meta.leaves();
        let fixed = leaves.iter().filter_map(|leaf| leaf.variable(self.prefix)).map(|name| file_form(&name));
        // In lists, maps and enums every name may name a file, except the name of a field that ends in `_FILE`.
        let within =
            self.present.iter().filter(|name| name.ends_with("_FILE") && name.matches("__").count() > 0);
        let within = within.filter(|name| matches!(names::fit(meta, name, FileForms::Named), Fit::Value));
        let within = within.filter_map(|name| self.name(name));
        let mut names: Vec<String> = fixed.chain(within).collect();
        names.sort_unstable();
        names.dedup();
        names.iter().filter_map(|name| self.get(name)).map(PathBuf::from).collect()
    }

    /// Returns a problem for every variable with the prefix that no field of `meta` reads.
    pub(crate) fn unknown(&self, meta: &'static Meta) -> Vec<Problem> {
        if self.present.is_empty() || meta.allow_unknown_variables {
            return Vec::new();
        }
        let leaves = meta.leaves();
        let names = leaves.iter().filter_map(|leaf| leaf.variable(self.prefix));
        let known: Vec<String> = names.flat_map(|name| [file_form(&name), name]).collect();
        let is_known: HashSet<&str> = known.iter().map(String::as_str).collect();
        let unknown = self
            .present
            .iter()
            .filter(|segments| self.name(segments).is_some_and(|name| !is_known.contains(name.as_str())));
        unknown.filter_map(|segments| self.unknown_name(meta, segments, &known)).collect()
    }

    fn unknown_name(&self, meta: &'static Meta, segments: &str, known: &[String]) -> Option<Problem> {
        let name = self.name(segments)?;
        let origin = Some(Origin::Variable(name.clone()));
        let suggestion = match names::fit(meta, segments, FileForms::Named) {
            Fit::Value => return None,
            Fit::Forbidden(steps, field) => {
                let rule = Complaint::Rule("this field is not read from environment variables".to_owned());
                return Some(Problem::new(path_of_key(&steps, field.key), origin, rule));
            }
            Fit::Unreachable(steps, field) => {
                let whole = match field.variable {
                    Variable::Named(name) => name.to_owned(),
                    _ => self.name(&(segments_below(&steps) + field.segment))?,
                };
                return Some(Problem::new(path_of_key(&steps, field.key), origin, unreachable(&whole)));
            }
            Fit::Instead(name) => Some(name.to_owned()),
            Fit::Unknown => suggest::nearest(&name, known.iter().map(String::as_str)).map(str::to_owned),
        };
        Some(Problem::new("", origin, Complaint::Unknown { suggestion }))
    }
}

/// Returns the complaint about a name for one part of a value that can only be set as a whole, by the name `whole`.
pub(crate) fn unreachable(whole: &str) -> Complaint {
    let rule = format!(
        "a part of this value cannot be set alone: write the whole value as inline TOML or JSON in {whole}, \
         such as [1, 2] or {{\"a\": 1}}"
    );
    Complaint::Rule(rule)
}

/// Returns the name of the variable that names a file with the value of `name`.
pub(crate) fn file_form(name: &str) -> String {
    format!("{name}_FILE")
}

fn from_variable(name: &str, value: OsString) -> Result<Setting, Unusable> {
    let origin = Origin::Variable(name.to_owned());
    match value.into_string() {
        Ok(text) => Ok(Setting { text: Zeroizing::new(text), origin }),
        Err(value) => {
            wipe(value);
            Err(Unusable { origin, complaint: Complaint::Syntax { expected: "UTF-8" } })
        }
    }
}

fn from_file(variable: &str, file: PathBuf) -> Result<Setting, Unusable> {
    let read = read_file(&file);
    let origin = Origin::VariableFile { variable: variable.to_owned(), file };
    match read {
        Ok(text) => Ok(Setting { text, origin }),
        Err(complaint) => Err(Unusable { origin, complaint }),
    }
}

/// Returns the text of `file` without one newline (LF or CRLF) at its end.
fn read_file(file: &std::path::Path) -> Result<Zeroizing<String>, Complaint> {
    let mut bytes = read_bounded(file)?;
    let mut text = match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            return Err(Complaint::Syntax { expected: "UTF-8" });
        }
    };
    let newline = if text.ends_with("\r\n") { 2 } else { usize::from(text.ends_with('\n')) };
    let len = text.len() - newline;
    text.truncate(len);
    Ok(text)
}

/// Reads `file` into one buffer that never grows, so that no unwiped copy stays behind.
pub(crate) fn read_bounded(file: &std::path::Path) -> Result<Zeroizing<Vec<u8>>, Complaint> {
    let cannot = |error: std::io::Error| {
        Complaint::Rule(format!("cannot read it: {}", crate::base::error::reason(&error)))
    };
    let file = open_regular(file).map_err(cannot)?;
    let len = file.metadata().map_err(cannot)?.len();
    if len > MAX_FILE as u64 {
        return Err(too_large());
    }
    // Files in /proc report length 0. Read one byte more than the length, to detect a longer file.
    let room = if len == 0 { MAX_FILE } else { len as usize } + 1;
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut filled = 0;
    while filled < room {
        match (&file).read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot(error)),
        }
    }
    if filled == room {
        return Err(if room > MAX_FILE { too_large() } else { changed() });
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn too_large() -> Complaint {
    Complaint::Rule("the file is larger than 1 MiB".to_owned())
}

fn changed() -> Complaint {
    Complaint::Rule("the file grew while it was read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Variables {
        Variables::given(pairs.iter().copied())
    }

    fn read(pairs: &[(&str, &str)], name: &str) -> Option<Result<String, Complaint>> {
        let variables = given(pairs);
        let setting = Environment::new(&variables, Some("APP")).read(name)?;
        Some(setting.map(|setting| setting.text.to_string()).map_err(|unusable| unusable.complaint))
    }

    fn file(content: &[u8]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("value");
        std::fs::write(&path, content).unwrap();
        (dir, path.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_set_but_empty_variable_is_a_value() {
        assert_eq!(read(&[("APP__A", "")], "APP__A"), Some(Ok(String::new())));
        assert_eq!(read(&[("APP__A", "")], "APP__B"), None);
        assert_eq!(read(&[("OTHER", "1")], "OTHER"), Some(Ok("1".into())));
    }

    #[test]
    fn a_file_loses_exactly_one_newline() {
        for (content, expected) in
            [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("\n", ""), ("", "")]
        {
            let (_dir, path) = file(content.as_bytes());
            assert_eq!(read(&[("APP__A_FILE", &path)], "APP__A"), Some(Ok(expected.into())), "{content:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_a_value_is_refused() {
        let rule = |text: &str| Some(Err(Complaint::Rule(text.into())));
        let (dir, path) = file(&vec![b'a'; MAX_FILE + 1]);
        assert_eq!(read(&[("APP__A_FILE", &path)], "APP__A"), rule("the file is larger than 1 MiB"));
        let (_dir, path) = file(&vec![b'a'; MAX_FILE]);
        assert_eq!(read(&[("APP__A_FILE", &path)], "APP__A").unwrap().unwrap().len(), MAX_FILE);
        let (_dir, path) = file(b"\xff");
        assert_eq!(
            read(&[("APP__A_FILE", &path)], "APP__A"),
            Some(Err(Complaint::Syntax { expected: "UTF-8" }))
        );
        let gone = dir.path().join("gone").to_str().unwrap().to_owned();
        assert_eq!(read(&[("APP__A_FILE", &gone)], "APP__A"), rule("cannot read it: file not found"));
        assert_eq!(
            read(&[("APP__A", "1"), ("APP__A_FILE", &gone)], "APP__A"),
            rule("both APP__A and APP__A_FILE are set; unset one of them")
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_unicode_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let variables = Variables::given([("APP__A", OsString::from_vec(vec![0xff]))]);
        let setting = Environment::new(&variables, Some("APP")).read("APP__A").unwrap();
        assert_eq!(
            setting.err().map(|unusable| unusable.complaint),
            Some(Complaint::Syntax { expected: "UTF-8" })
        );
    }
}
