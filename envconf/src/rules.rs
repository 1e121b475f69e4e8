//! The sealer's policy, `.envconf.toml`: which files are sealed for whom (api.md §4).
//!
//! It lies in the repository, so it says for whom to seal and never whom to trust.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, escape};
use crate::format::ContentType;
use crate::layers;
use crate::layers::tree::{Node, Value};
use crate::policy::Trusted;
use crate::search;

/// The file's name, searched upwards from the pair's folder.
const FILE: &str = ".envconf.toml";
const LIMIT: u64 = 1 << 20;

/// The rules of one `.envconf.toml`, in their order.
#[derive(Clone, Debug)]
pub struct Rules {
    path: PathBuf,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    files: glob::Pattern,
    recipients: Vec<Trusted>,
}

impl Rules {
    /// The rules that apply to files in `folder`: those of the nearest `.envconf.toml` there or above.
    ///
    /// # Errors
    /// As for [`Rules::read`].
    pub fn find(folder: &Path) -> Result<Option<Self>, Error> {
        search::upwards(folder, FILE).map(|path| Self::read(&path)).transpose()
    }

    /// The rules of this file.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read; [`Kind::Usage`] if it does not parse, or has a key that is unknown or of
    /// the wrong type.
    pub fn read(path: &Path) -> Result<Self, Error> {
        use std::io::Read as _;
        let failed = |error| Error::read(path, error);
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(LIMIT + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > LIMIT {
            return Err(usage(format!("larger than {LIMIT} bytes")).at(path));
        }
        let path = std::path::absolute(path).map_err(failed)?;
        Self::parse(&text).map(|rules| Self { rules, path: path.clone() }).map_err(|error| error.at(&path))
    }

    fn parse(text: &str) -> Result<Vec<Rule>, Error> {
        let at = |node: &Node<'_>| node.place.in_text(text).0;
        let root = layers::parse(ContentType::Toml, text).map_err(|broken| {
            let (line, column) = broken.place.in_text(text);
            usage(format!("line {line}, column {column}: not valid TOML"))
        })?;
        let Value::Table(root) = &root.value else { return Err(usage("expected tables".into())) };
        let mut rules = Vec::new();
        for (key, node) in root.iter() {
            let Value::Array(items) = &node.value else {
                return Err(usage(format!(
                    "line {}: unknown key `{}`, only [[rule]] is allowed",
                    at(node),
                    escape(key)
                )));
            };
            if &**key != "rule" {
                return Err(usage(format!(
                    "line {}: unknown key `{}`, only [[rule]] is allowed",
                    at(node),
                    escape(key)
                )));
            }
            for item in items {
                rules.push(Rule::parse(item, at(item), &at)?);
            }
        }
        Ok(rules)
    }

    /// The recipients by the first rule whose glob matches any of `files`, each by its path relative to the rules'
    /// folder: of one configuration the plain file and the pair.
    ///
    /// # Errors
    /// [`Kind::NoRule`], naming the first of `files`, if none matches or all lie outside that folder.
    pub fn recipients(&self, files: &[&Path]) -> Result<&[Trusted], Error> {
        self.first(files).map(|(_, recipients)| recipients)
    }

    /// As [`Rules::recipients`]; before them which rule it is, counted from 1.
    pub(crate) fn first(&self, files: &[&Path]) -> Result<(usize, &[Trusted]), Error> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let relative: Vec<_> = files.iter().filter_map(|file| relative_to(file, folder)).collect();
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        let matches = |rule: &Rule| relative.iter().any(|file| rule.files.matches_path_with(file, options));
        let first = self.rules.iter().position(matches);
        first.map(|at| (at + 1, self.rules[at].recipients.as_slice())).ok_or_else(|| {
            let rules = self.path.to_string_lossy();
            let error = Error::new(Kind::NoRule, format!("no rule of {} matches it", escape(&rules)))
                .advise("add a [[rule]] whose files glob matches the path, or name recipients with -r");
            files.iter().take(1).fold(error, |error, file| error.at(file))
        })
    }

    /// The recipients of every rule, in their order.
    pub(crate) fn all_recipients(&self) -> impl Iterator<Item = &Trusted> {
        self.rules.iter().flat_map(|rule| &rule.recipients)
    }

    /// The file that holds the rules.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// `file` relative to `folder`, links in its folder resolved.
fn relative_to(file: &Path, folder: &Path) -> Option<PathBuf> {
    let parent = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let parent = std::fs::canonicalize(parent).ok()?;
    let folder = std::fs::canonicalize(folder).ok()?;
    Some(parent.join(file.file_name()?).strip_prefix(folder).ok()?.to_owned())
}

impl Rule {
    fn parse(node: &Node<'_>, line: usize, at: &impl Fn(&Node<'_>) -> usize) -> Result<Self, Error> {
        let Value::Table(table) = &node.value else {
            return Err(usage(format!("line {line}: expected [[rule]]")));
        };
        let (mut files, mut recipients) = (None, None);
        for (key, node) in table.iter() {
            let line = at(node);
            match (&**key, &node.value) {
                ("files", Value::String(text)) => {
                    let pattern = glob::Pattern::new(text);
                    files =
                        Some(pattern.map_err(|error| {
                            usage(format!("line {line}: files is no glob: {}", error.msg))
                        })?);
                }
                ("recipients", Value::Array(items)) if !items.is_empty() => {
                    recipients =
                        Some(items.iter().map(|item| recipient(item, at(item))).collect::<Result<_, _>>()?);
                }
                ("files", _) => return Err(usage(format!("line {line}: files is a glob in quotes"))),
                ("recipients", _) => {
                    return Err(usage(format!("line {line}: recipients is a list of key references")));
                }
                (key, _) => {
                    return Err(usage(format!(
                        "line {line}: unknown key `{}`, allowed are files and recipients",
                        escape(key)
                    )));
                }
            }
        }
        match (files, recipients) {
            (Some(files), Some(recipients)) => Ok(Self { files, recipients }),
            _ => Err(usage(format!("line {line}: a rule needs both files and recipients"))),
        }
    }
}

fn recipient(node: &Node<'_>, line: usize) -> Result<Trusted, Error> {
    let Value::String(text) = &node.value else {
        return Err(usage(format!("line {line}: recipients is a list of key references")));
    };
    text.parse().map_err(|error: Error| usage(format!("line {line}: {}", error.message())))
}

fn usage(message: String) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_are_too_many_are_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let rule = "[[rule]]\nfiles = \"**\"\nrecipients = [\"local\"]\n";
        std::fs::write(&file, format!("{}{rule}", "\n".repeat(LIMIT as usize - rule.len()))).unwrap();
        assert_eq!(Rules::read(&file).unwrap().rules.len(), 1);
        std::fs::write(&file, format!("{}{rule}", "\n".repeat(LIMIT as usize))).unwrap();
        assert_eq!(Rules::read(&file).unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn only_what_is_documented_is_read() {
        assert!(Rules::parse("").unwrap().is_empty());
        let text =
            "[[rule]]\nfiles = \"config/*.prod.*\"\nrecipients = [\"tencent:ap-guangzhou:1\", \"local\"]\n";
        assert_eq!(Rules::parse(text).unwrap()[0].recipients[1], Trusted::Local);
        for (bad, line) in [
            ("rule = 1", "line 1"),
            ("\n[other]", "line 2"),
            ("[[rule]]\nfiles = \"*\"\n", "line 1"),
            ("[[rule]]\nfiles = \"a[\"\nrecipients = [\"local\"]", "line 2"),
            ("[[rule]]\nfiles = \"*\"\nrecipients = []", "line 3"),
            ("[[rule]]\nfiles = \"*\"\nrecipients = [\"x\"]", "line 3"),
            ("[[rule]]\nfiles = \"*\"\nrecipient = [\"local\"]", "line 3"),
            ("[[rule]]\n= 1", "line 2"),
        ] {
            let error = Rules::parse(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{bad}");
            assert!(error.to_string().contains(line), "{bad}: {error}");
        }
    }
}
