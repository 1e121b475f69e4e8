//! The sealer's policy, `.envconf.toml`: which files are sealed for whom (api.md §4).
//!
//! It lies in the repository, so it says for whom to seal and never whom to trust.

use std::path::{Path, PathBuf};

use crate::base::{Error, Kind, escape, private_file, upward_search};
use crate::envelope::{SignerKey, signing_key};
use crate::format::{ContentType, EncFile, Id, Outline, conflict_markers, outline};
use crate::pair::Trusted;
use crate::syntax;
use crate::syntax::{Node, Value};

/// The file's name, searched upwards from the pair's folder.
const FILE: &str = ".envconf.toml";
const LIMIT: u64 = 1 << 20;

/// The rules of one `.envconf.toml`, in their order.
#[derive(Clone, Debug)]
pub struct Rules {
    path: PathBuf,
    rules: Vec<Rule>,
}

/// One `[[rule]]`: which files, for whom, and with which outline.
#[derive(Clone, Debug)]
pub struct Rule {
    files: glob::Pattern,
    recipients: Vec<Trusted>,
    outline: Option<Outline>,
    demand: Option<Demand>,
}

impl Rule {
    /// The glob, as written.
    pub fn files(&self) -> &str {
        self.files.as_str()
    }

    /// For whom to seal.
    pub fn recipients(&self) -> &[Trusted] {
        &self.recipients
    }

    /// The outline to write; `None` where the rule says nothing of it.
    pub fn outline(&self) -> Option<&Outline> {
        self.outline.as_ref()
    }
}

/// Who has to sign what a rule is about. It binds those who seal and sign; a program pins its signers itself, for
/// whoever can write the repository can write this.
#[derive(Clone, Debug)]
pub struct Demand {
    signers: Vec<SignerKey>,
    required: usize,
}

impl Demand {
    /// The signers who count.
    pub fn signers(&self) -> &[SignerKey] {
        &self.signers
    }

    /// How many signatures are missing where these of them are there.
    pub fn missing(&self, there: &[Id]) -> usize {
        let counted = self.signers.iter().filter(|signer| there.contains(&signer.id())).count();
        self.required.saturating_sub(counted)
    }

    /// Looks whether the `.enc` given by its bytes is signed as demanded.
    ///
    /// # Errors
    /// [`Kind::BadSignature`] for a signature of one of the signers that does not verify; [`Kind::SignatureRequired`]
    /// where there are too few; and as for [`EncFile::parse`].
    pub fn check(&self, enc: &[u8]) -> Result<(), Error> {
        let file = EncFile::parse(enc)?;
        let valid = signing_key::valid_signatures(&file, enc, &self.signers)?;
        if valid >= self.required {
            return Ok(());
        }
        let message = format!("{valid} signatures of the signers in {FILE}, {} demanded", self.required);
        Err(Error::new(Kind::SignatureRequired, message)
            .advise("sign it with `envconf sign`, or seal it with --sign-key"))
    }
}

impl Rules {
    /// The rules that apply to files in `folder`: those of the nearest `.envconf.toml` there or above.
    ///
    /// # Errors
    /// As for [`Rules::read`].
    pub fn find(folder: &Path) -> Result<Option<Self>, Error> {
        upward_search::upwards(folder, FILE).map(|path| Self::read(&path)).transpose()
    }

    /// The rules of this file.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read; [`Kind::Usage`] if it does not parse, or has a key that is unknown or of
    /// the wrong type; and if somebody other than the user and root could have written it: it is a link or not a
    /// regular file, belongs to another user, or it or its directory is writable by everybody.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::read(path, error);
        let file = private_file::open_without_waiting(path).map_err(failed)?;
        let text = check(&file, path)
            .and_then(|()| {
                private_file::read_text(file, LIMIT).map_err(|error| match error.kind() {
                    std::io::ErrorKind::FileTooLarge => usage(format!("larger than {LIMIT} bytes")),
                    _ => failed(error),
                })
            })
            .map_err(|error| error.at(path))?;
        Self::from_text(&std::path::absolute(path).map_err(failed)?, &text)
    }

    /// The rules that `text`, the content of the file `path`, gives; the disk is not looked at.
    ///
    /// # Errors
    /// [`Kind::Usage`], as for [`Rules::read`].
    pub fn from_text(path: &Path, text: &str) -> Result<Self, Error> {
        let rules = Self::parse(text).map_err(|error| error.at(path))?;
        Ok(Self { rules, path: path.to_owned() })
    }

    fn parse(text: &str) -> Result<Vec<Rule>, Error> {
        let at = |node: &Node<'_>| node.place.in_text(text).0;
        let root = syntax::parse(ContentType::Toml, text).map_err(|broken| {
            if let Some(line) = conflict_markers::first_whole(text.as_bytes()) {
                return usage(format!("line {line}: a conflict marker of git"));
            }
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
        self.position(&self.relative(files)).map(|at| (at + 1, self.rules[at].recipients())).ok_or_else(
            || {
                let rules = self.path.to_string_lossy();
                let error = Error::new(Kind::NoRule, format!("no rule of {} matches it", escape(&rules)))
                    .advise("add a [[rule]] whose files glob matches the path, or name recipients with -r");
                files.iter().take(1).fold(error, |error, file| error.at(file))
            },
        )
    }

    /// The outline that the same rule asks for; `None` where it says nothing of it, or no rule matches.
    pub fn outline(&self, files: &[&Path]) -> Option<&Outline> {
        self.rules[self.position(&self.relative(files))?].outline()
    }

    /// The first rule that matches any of `relative`: paths relative to the rules' folder, of files that need not be on
    /// disk.
    pub fn matching(&self, relative: &[&Path]) -> Option<&Rule> {
        self.position(relative).map(|at| &self.rules[at])
    }

    fn position(&self, relative: &[impl AsRef<Path>]) -> Option<usize> {
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        let matches = |file: &Path, rule: &Rule| rule.files.matches_path_with(file, options);
        self.rules.iter().position(|rule| relative.iter().any(|file| matches(file.as_ref(), rule)))
    }

    fn relative(&self, files: &[&Path]) -> Vec<PathBuf> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        files.iter().filter_map(|file| relative_to(file, folder)).collect()
    }

    /// Who has to sign, by the first rule that matches, as for [`Rules::recipients`]; `None` where none does, or it says
    /// nothing of signers.
    pub fn demand(&self, files: &[&Path]) -> Option<&Demand> {
        self.rules[self.position(&self.relative(files))?].demand.as_ref()
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

/// Refuses rules that somebody other than the user and root could have written. Group members may: teams share
/// directories.
#[cfg(unix)]
fn check(file: &std::fs::File, path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    const ANYBODY_WRITES: u32 = 0o002;
    let failed = |error| Error::read(path, error);
    let metadata = file.metadata().map_err(failed)?;
    if path.symlink_metadata().map_err(failed)?.is_symlink() || !metadata.is_file() {
        return Err(usage("the rules are not a regular file".into())
            .advise("put the rules into the file itself, in place of a link or device"));
    }
    if !private_file::is_ours(&metadata) {
        return Err(usage(format!(
            "the rules belong to user {}, neither to you nor to root",
            metadata.uid()
        ))
        .advise("if they are right, copy them into a file of your own; name that with --config"));
    }
    if metadata.mode() & ANYBODY_WRITES != 0 {
        return Err(usage("everybody can write to the rules".into())
            .advise("check what they say, then run chmod o-w on the file"));
    }
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let directory = directory.metadata().map_err(failed)?;
    if !private_file::is_ours(&directory) {
        let owner = directory.uid();
        return Err(usage(format!("the directory of the rules belongs to user {owner}, neither to you nor to root"))
            .advise("run envconf as that user; or copy the rules into a directory of your own, and name them with --config"));
    }
    if directory.mode() & ANYBODY_WRITES != 0 {
        return Err(usage("everybody can write to the directory of the rules".into())
            .advise("move the rules into the project's own directory, or run chmod o-w on this one"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check(file: &std::fs::File, path: &Path) -> Result<(), Error> {
    match file.metadata().map_err(|error| Error::read(path, error))?.is_file() {
        true => Ok(()),
        false => Err(usage("the rules are not a regular file".into())),
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
        let (mut files, mut recipients, mut outline, mut hide) = (None, None, None, None);
        let (mut signers, mut required) = (None, None);
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
                ("outline", Value::String(word)) => {
                    let known = Outline::from_name(word);
                    outline = Some(known.ok_or_else(|| {
                        usage(format!("line {line}: outline is \"keys\", \"tags\" or \"none\""))
                    })?);
                }
                ("outline_hide", Value::Array(items)) => {
                    hide = Some((
                        line,
                        items.iter().map(|item| hidden(item, at(item))).collect::<Result<_, _>>()?,
                    ));
                }
                ("outline", _) => {
                    return Err(usage(format!("line {line}: outline is \"keys\", \"tags\" or \"none\"")));
                }
                ("outline_hide", _) => {
                    return Err(usage(format!("line {line}: outline_hide is a list of paths in quotes")));
                }
                ("signers", Value::Array(items)) if !items.is_empty() => {
                    let list: Vec<SignerKey> =
                        items.iter().map(|item| signer(item, at(item))).collect::<Result<_, _>>()?;
                    let is_repeated = |(at, signer): (usize, &SignerKey)| list[..at].contains(signer);
                    if list.iter().enumerate().any(is_repeated) {
                        return Err(usage(format!("line {line}: a signer is named twice")));
                    }
                    signers = Some(list);
                }
                ("required_signatures", Value::Integer(number)) => {
                    required = Some((usize::try_from(*number).unwrap_or_default(), line));
                }
                ("signers", _) => {
                    return Err(usage(format!("line {line}: signers is a list of public keys in base64")));
                }
                ("required_signatures", _) => {
                    return Err(usage(format!("line {line}: required_signatures is a whole number")));
                }
                ("files", _) => return Err(usage(format!("line {line}: files is a glob in quotes"))),
                ("recipients", _) => {
                    return Err(usage(format!("line {line}: recipients is a list of key references")));
                }
                (key, _) => {
                    return Err(usage(format!(
                        "line {line}: unknown key `{}`, allowed are files, recipients, outline, outline_hide, signers and required_signatures",
                        escape(key)
                    )));
                }
            }
        }
        let outline = match (outline, hide) {
            (outline, None) => outline,
            (Some(Outline::Tags { .. }), Some((_, hide))) => Some(Outline::Tags { hide }),
            (_, Some((line, _))) => {
                return Err(usage(format!("line {line}: outline_hide needs outline = \"tags\"")));
            }
        };
        let demand = match (signers, required) {
            (None, None) => None,
            (Some(signers), None) => Some(Demand { signers, required: 1 }),
            (Some(signers), Some((required, _))) if (1..=signers.len()).contains(&required) => {
                Some(Demand { signers, required })
            }
            (_, Some((_, line))) => {
                return Err(usage(format!(
                    "line {line}: required_signatures is at least 1 and at most as many as signers names"
                )));
            }
        };
        match (files, recipients) {
            (Some(files), Some(recipients)) => Ok(Self { files, recipients, outline, demand }),
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

fn hidden(node: &Node<'_>, line: usize) -> Result<String, Error> {
    let Value::String(path) = &node.value else {
        return Err(usage(format!("line {line}: outline_hide is a list of paths in quotes")));
    };
    outline::check_path(path).map_err(|error| usage(format!("line {line}: {}", error.message())))?;
    Ok(path.to_string())
}

fn signer(node: &Node<'_>, line: usize) -> Result<SignerKey, Error> {
    let Value::String(text) = &node.value else {
        return Err(usage(format!("line {line}: signers is a list of public keys in base64")));
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
    fn a_rule_says_which_outline() {
        let outline = |lines: &str| {
            let text = format!("[[rule]]\nfiles = \"*\"\nrecipients = [\"local\"]\n{lines}");
            Rules::from_text(Path::new(FILE), &text)
                .unwrap()
                .matching(&[Path::new("app.toml")])
                .unwrap()
                .outline()
                .cloned()
        };
        assert_eq!(outline(""), None);
        assert_eq!(outline("outline = \"none\""), Some(Outline::None));
        assert_eq!(outline("outline = \"keys\""), Some(Outline::Keys));
        assert_eq!(outline("outline = \"tags\""), Some(Outline::Tags { hide: vec![] }));
        let hidden = outline("outline = \"tags\"\noutline_hide = [\"a.b\", '\"x y\".z']");
        assert_eq!(hidden, Some(Outline::Tags { hide: vec!["a.b".into(), "\"x y\".z".into()] }));
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
            ("[[rule]]\nfiles = \"*\"\noutline = \"all\"", "line 3"),
            ("[[rule]]\nfiles = \"*\"\noutline = true", "line 3"),
            ("[[rule]]\noutline = \"tags\"\noutline_hide = [\"a b\"]", "line 3"),
            ("[[rule]]\noutline = \"tags\"\noutline_hide = \"a\"", "line 3"),
            ("[[rule]]\noutline = \"keys\"\noutline_hide = [\"a\"]", "line 3"),
            ("\n<<<<<<< HEAD\n=======\n>>>>>>> other\n", "line 2: a conflict marker"),
            ("[[rule]]\nfiles = \"*\"\nrecipients = [\"local\"]\nsigners = [\"x\"]", "line 4"),
            ("[[rule]]\nfiles = \"*\"\nrecipients = [\"local\"]\nsigners = []", "line 4"),
            ("[[rule]]\nfiles = \"*\"\nrecipients = [\"local\"]\nrequired_signatures = 1", "line 4"),
        ] {
            let error = Rules::parse(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{bad}");
            assert!(error.to_string().contains(line), "{bad}: {error}");
        }
    }

    #[test]
    fn a_rule_demands_at_most_as_many_signatures_as_it_names_signers() {
        let key = crate::SigningKey::from_seed(&[7; 32]).public();
        let rule = |more: &str| {
            Rules::parse(&format!(
                "[[rule]]\nfiles = \"**\"\nrecipients = [\"local\"]\nsigners = [\"{key}\"]\n{more}"
            ))
        };
        let rules = rule("").unwrap();
        let demand = rules[0].demand.as_ref().unwrap();
        assert_eq!((demand.missing(&[]), demand.missing(&[key.id()])), (1, 0));
        for more in ["required_signatures = 0", "required_signatures = 2", "required_signatures = -1"] {
            assert!(rule(more).unwrap_err().to_string().contains("line 5"), "{more}");
        }
    }
}
