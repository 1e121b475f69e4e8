//! Conversion of an imported dotenv file to the content of a pair: dotenv content of envconf, or TOML or JSON with a
//! path for each name.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use zeroize::Zeroizing;

use super::{Dotenv, DotenvVariable, problem};
use crate::base::{Error, Kind, exact_text, write_json_string};
use crate::format::ContentType;

impl Dotenv {
    /// Returns the content to seal.
    ///
    /// In dotenv content, the names stay, and a value is the rest of its line. In TOML and JSON, a name becomes a path:
    /// in lower case, without `prefix` and its `__`, and with a table for every other `__`. All values are texts: edit
    /// the values of fields with another type.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] for values that a line cannot contain, names without a path, and two names with the same
    /// path; [`Kind::Usage`] for another type.
    pub fn content(
        &self,
        content_type: ContentType,
        prefix: Option<&str>,
    ) -> Result<Zeroizing<String>, Error> {
        match content_type {
            ContentType::Dotenv => self.as_dotenv(),
            ContentType::Toml => {
                let paths = self.paths(prefix)?;
                Ok(exact_text(|out| toml(&paths, out)))
            }
            ContentType::Json => {
                let paths = self.paths(prefix)?;
                let tree = Tree::of(&paths);
                Ok(exact_text(|out| {
                    tree.json(0, out)?;
                    out.write_char('\n')
                }))
            }
            _ => Err(Error::new(
                Kind::Usage,
                "invalid type for the imported file: expected dotenv, toml or json",
            )),
        }
    }

    fn as_dotenv(&self) -> Result<Zeroizing<String>, Error> {
        let mut problems = Vec::new();
        for DotenvVariable { name, value, line } in &self.variables {
            if value.contains('\n') {
                problems.push(problem(
                    name,
                    *line,
                    "the value has several lines, which dotenv content does not allow".into(),
                ));
            } else if value.starts_with(['"', '\'', '`']) {
                problems.push(problem(
                    name,
                    *line,
                    "the value itself begins with a quote, which dotenv content does not allow".into(),
                ));
            }
        }
        if problems.is_empty() {
            let lines = |out: &mut dyn Write| {
                self.variables.iter().try_for_each(|v| writeln!(out, "{}={}", v.name, v.value.as_str()))
            };
            return Ok(exact_text(lines));
        }
        Err(Error::does_not_fit("dotenv", problems).advise("import it as toml or json instead"))
    }

    /// Returns the path of each variable, in the order of the file.
    fn paths(&self, prefix: Option<&str>) -> Result<Vec<(Vec<String>, &str)>, Error> {
        let mut paths: Vec<(Vec<String>, &str)> = Vec::new();
        let mut variables = Vec::new();
        let mut problems = Vec::new();
        let start = prefix.map(|prefix| format!("{prefix}__"));
        for DotenvVariable { name, value, line } in &self.variables {
            let rest = start.as_deref().and_then(|start| name.strip_prefix(start)).unwrap_or(name);
            let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
            if path.iter().any(String::is_empty) {
                problems.push(problem(
                    name,
                    *line,
                    "the name has no path: a part beside `__` is empty".into(),
                ));
            } else if path.len() > MAX_DEPTH {
                problems.push(problem(
                    name,
                    *line,
                    format!("the path of the name has more than {MAX_DEPTH} keys"),
                ));
            } else {
                paths.push((path, value));
                variables.push((name, *line));
            }
        }
        for at in paths_within_others(&paths) {
            let (name, line) = variables[at];
            let what =
                format!("another name has the path {}, or one inside or above it", paths[at].0.join("."));
            problems.push(problem(name, line, what));
        }
        match problems.is_empty() {
            true => Ok(paths),
            false => Err(Error::does_not_fit("dotenv", problems)),
        }
    }
}

/// Maximum depth of a path, so that every reader accepts the result.
const MAX_DEPTH: usize = 64;

/// Returns the ascending indices of paths that equal, contain or are inside an earlier path.
fn paths_within_others(paths: &[(Vec<String>, &str)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by(|a, b| paths[*a].0.cmp(&paths[*b].0).then(a.cmp(b)));
    let mut later = Vec::new();
    // In this order, all paths inside a path follow it directly.
    let mut outer: Option<usize> = None;
    for at in order {
        match outer {
            Some(outer) if paths[at].0.starts_with(&paths[outer].0) => later.push(at.max(outer)),
            _ => outer = Some(at),
        }
    }
    later.sort_unstable();
    later.dedup();
    later
}

/// Writes one line for each path, in the order of the file.
fn toml(paths: &[(Vec<String>, &str)], out: &mut dyn Write) -> fmt::Result {
    for (path, value) in paths {
        write!(out, "{} = ", path.join("."))?;
        // Every JSON string that this function writes is also a basic string of TOML.
        write_json_string(value, out)?;
        out.write_char('\n')?;
    }
    Ok(())
}

enum Tree<'a> {
    Text(&'a str),
    Table(BTreeMap<&'a str, Tree<'a>>),
}

impl<'a> Tree<'a> {
    /// Builds the tree. No path may be inside another one.
    fn of(paths: &'a [(Vec<String>, &'a str)]) -> Self {
        let mut root = BTreeMap::new();
        for (path, value) in paths {
            let mut table = &mut root;
            for (at, key) in path.iter().enumerate() {
                let is_last = at + 1 == path.len();
                let new = if is_last { Tree::Text(value) } else { Tree::Table(BTreeMap::new()) };
                match table.entry(key.as_str()).or_insert(new) {
                    Tree::Table(inner) => table = inner,
                    Tree::Text(_) => break,
                }
            }
        }
        Self::Table(root)
    }

    fn json(&self, depth: usize, out: &mut dyn Write) -> fmt::Result {
        let table = match self {
            Self::Text(text) => return write_json_string(text, out),
            Self::Table(table) if table.is_empty() => return out.write_str("{}"),
            Self::Table(table) => table,
        };
        let indent = 2 * (depth + 1);
        out.write_char('{')?;
        for (at, (key, tree)) in table.iter().enumerate() {
            out.write_str(if at == 0 { "\n" } else { ",\n" })?;
            write!(out, "{:indent$}\"{key}\": ", "")?;
            tree.json(depth + 1, out)?;
        }
        write!(out, "\n{:width$}}}", "", width = 2 * depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, content_type: ContentType, prefix: Option<&str>) -> Result<String, Error> {
        Dotenv::parse(text.as_bytes()).unwrap().content(content_type, prefix).map(|text| text.to_string())
    }

    #[test]
    fn each_type_has_the_same_values() {
        let text = "APP__DB__URL='x\"y'\nAPP__DB__SIZE=1\nOTHER=\"a\tb\"\n";
        let dotenv = "APP__DB__URL=x\"y\nAPP__DB__SIZE=1\nOTHER=a\tb\n";
        assert_eq!(written(text, ContentType::Dotenv, Some("APP")).unwrap(), dotenv);
        let toml = "db.url = \"x\\\"y\"\ndb.size = \"1\"\nother = \"a\\tb\"\n";
        assert_eq!(written(text, ContentType::Toml, Some("APP")).unwrap(), toml);
        let json = "{\n  \"db\": {\n    \"size\": \"1\",\n    \"url\": \"x\\\"y\"\n  },\n  \"other\": \"a\\tb\"\n}\n";
        assert_eq!(written(text, ContentType::Json, Some("APP")).unwrap(), json);
        assert!(written(text, ContentType::Toml, None).unwrap().starts_with("app.db.url = "));
        assert_eq!(written("", ContentType::Json, None).unwrap(), "{}\n");
        assert_eq!(written("", ContentType::Raw, None).unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn deep_names_and_many_names_are_converted_or_rejected() {
        let deep = |keys: usize| format!("{}=1\n", vec!["A"; keys].join("__"));
        for ty in [ContentType::Toml, ContentType::Json] {
            let content = written(&deep(MAX_DEPTH), ty, None).unwrap();
            crate::pair::check_content(content.as_bytes(), ty).unwrap();
            for keys in [MAX_DEPTH + 1, 1_000, 300_000] {
                assert_eq!(written(&deep(keys), ty, None).unwrap_err().kind(), Kind::DoesNotFit, "{keys}");
            }
        }
        let many: String = (0..50_000).map(|at| format!("A{at}=1\n")).collect();
        assert_eq!(written(&many, ContentType::Toml, None).unwrap().lines().count(), 50_000);
    }

    #[test]
    fn an_error_names_the_variable_and_its_line() {
        let error = written("A=1\nB='canary\n'\nC=\"'canary\"\n", ContentType::Dotenv, None).unwrap_err();
        assert_eq!(error.problems().len(), 2);
        let told = error.to_string();
        assert!(told.contains("B: ") && told.contains("line 4") && told.contains("toml or json"), "{told}");
        assert!(!told.contains("canary"), "{told}");
        for bad in ["A=1\na=2", "A=1\nA__B=2", "A__B=1\nA=2", "A=1\n__B=2", "A=1\nB____C=2"] {
            let error = written(bad, ContentType::Toml, None).unwrap_err();
            assert!(error.to_string().contains("at line 2"), "{bad}: {error}");
        }
    }
}
