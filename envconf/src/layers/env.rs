//! Environment variables to values, by the names that the type gives (api.md §3).
//!
//! Names are generated from the type and looked up; no variable's name is ever split.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::base::open_regular;
use crate::base::variables::wipe;
use crate::base::{Complaint, Origin, Problem, Variables, suggest};
use crate::meta::{Leaf, Meta, Variable};

/// A file that a variable names may be as large as this.
const MAX_FILE: usize = 1 << 20;

/// The application's variables: those that the fields of one type name.
pub(crate) struct Environment<'a> {
    variables: &'a Variables,
    prefix: Option<&'static str>,
    /// The names that are set and begin with the prefix and `__`: most often none.
    present: HashSet<String>,
    /// Names to be taken for set, though their values are not known here.
    assumed: &'a [String],
}

/// A variable's text and where it came from.
pub(crate) struct Setting {
    pub(crate) text: Zeroizing<String>,
    pub(crate) origin: Origin,
}

/// What is wrong with a variable, and which.
pub(crate) struct Unusable {
    pub(crate) origin: Origin,
    pub(crate) complaint: Complaint,
}

impl<'a> Environment<'a> {
    /// The variables under `prefix`.
    pub(crate) fn new(variables: &'a Variables, prefix: Option<&'static str>) -> Self {
        let present = prefix.map(|prefix| variables.names(&format!("{prefix}__"))).unwrap_or_default();
        let present = present.into_iter().collect();
        Self { variables, prefix, present, assumed: &[] }
    }

    /// The same where `names` are taken for set.
    pub(crate) fn assuming(self, names: &'a [String]) -> Self {
        Self { assumed: names, ..self }
    }

    /// Whether `name` is to be taken for set.
    pub(crate) fn assumes(&self, name: &str) -> bool {
        self.assumed.iter().any(|assumed| assumed == name)
    }

    /// The prefix of generated names.
    pub(crate) fn prefix(&self) -> Option<&'static str> {
        self.prefix
    }

    /// Whether a field can have a value here at all: spares making up its name.
    pub(crate) fn may_have(&self, variable: Variable) -> bool {
        match variable {
            Variable::Named(_) => true,
            Variable::Generated => !self.present.is_empty(),
            Variable::Forbidden => false,
        }
    }

    /// Whether `name` or its `_FILE` form is set, or taken for set.
    pub(crate) fn has(&self, name: &str) -> bool {
        let is_set = |name: &str| self.get(name).map(wipe).is_some();
        self.assumes(name) || is_set(name) || is_set(&file_form(name))
    }

    /// The value of the variable `name`, from itself or from the file that its `_FILE` form names.
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

    /// A name under the prefix is one of `present` or not set: no need to ask the system.
    fn get(&self, name: &str) -> Option<OsString> {
        let under_prefix = self
            .prefix
            .is_some_and(|prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("__")));
        if under_prefix && !self.present.contains(name) {
            return None;
        }
        self.variables.get(name)
    }

    /// The files that hold the values of `meta`'s fields, named by the `_FILE` forms that are set.
    #[cfg(feature = "watch")]
    pub(crate) fn files(&self, meta: &'static Meta) -> Vec<PathBuf> {
        let names = meta.leaves().into_iter().filter_map(|leaf| leaf.variable(self.prefix));
        names.filter_map(|name| self.get(&file_form(&name))).map(PathBuf::from).collect()
    }

    /// A problem for every variable under the prefix that no field of `meta` reads.
    pub(crate) fn unknown(&self, meta: &'static Meta) -> Vec<Problem> {
        if self.present.is_empty() || meta.allow_unknown_variables {
            return Vec::new();
        }
        let leaves = meta.leaves();
        let known: Vec<String> = leaves
            .iter()
            .filter_map(|leaf| leaf.variable(self.prefix))
            .flat_map(|name| [file_form(&name), name])
            .collect();
        let mut generated: HashMap<String, &Leaf> = HashMap::new();
        for leaf in &leaves {
            let name = format!("{}__{}", self.prefix.unwrap_or_default(), leaf.segments());
            generated.entry(file_form(&name)).or_insert(leaf);
            generated.entry(name).or_insert(leaf);
        }
        let is_known: HashSet<&str> = known.iter().map(String::as_str).collect();
        let mut unknown: Vec<&String> =
            self.present.iter().filter(|name| !is_known.contains(name.as_str())).collect();
        unknown.sort();
        unknown.into_iter().map(|name| unknown_name(name, generated.get(name).copied(), &known)).collect()
    }
}

/// The problem of the variable `name`, which `leaf` would have if its variable were a generated one.
fn unknown_name(name: &str, leaf: Option<&Leaf>, known: &[String]) -> Problem {
    let origin = Some(Origin::Variable(name.to_owned()));
    match leaf.map(|leaf| (leaf, leaf.field().variable)) {
        Some((leaf, Variable::Forbidden)) => {
            let rule = Complaint::Rule("this field is not read from variables".to_owned());
            Problem::new(leaf.path(), origin, rule)
        }
        Some((_, Variable::Named(instead))) => {
            Problem::new("", origin, Complaint::Unknown { suggestion: Some(instead.to_owned()) })
        }
        _ => {
            let suggestion = suggest::nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
            Problem::new("", origin, Complaint::Unknown { suggestion })
        }
    }
}

/// The variable that names a file with the value of `name`.
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

/// The text of `file` without the newline (LF or CRLF) that it may end with.
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

/// The content of `file` in one buffer that never grows, so that no unwiped copy of it stays behind.
pub(crate) fn read_bounded(file: &std::path::Path) -> Result<Zeroizing<Vec<u8>>, Complaint> {
    let cannot = |error: std::io::Error| {
        Complaint::Rule(format!("cannot read it: {}", crate::base::error::reason(&error)))
    };
    let file = open_regular(file).map_err(cannot)?;
    let len = file.metadata().map_err(cannot)?.len();
    if len > MAX_FILE as u64 {
        return Err(too_large());
    }
    // Files of /proc have no length of their own. One byte more shows whether there is more.
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
    fn a_variable_that_is_no_unicode_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let variables = Variables::given([("APP__A", OsString::from_vec(vec![0xff]))]);
        let setting = Environment::new(&variables, Some("APP")).read("APP__A").unwrap();
        assert_eq!(
            setting.err().map(|unusable| unusable.complaint),
            Some(Complaint::Syntax { expected: "UTF-8" })
        );
    }
}
