//! The policy file, `.envconf.toml`: the recipients for which each file is sealed (policy-file.md).
//!
//! Everybody who can write to the repository can change it. So it never names trusted keys.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use toml::Spanned;

use crate::base::suggest::nearest;
use crate::base::{Error, Kind, Remedy, escape, private_file, upward_search};
use crate::envelope::{SignerKey, signing_key};
use crate::format::{EncFile, Id, MAX_RECIPIENTS, Outline, conflict_markers, outline};
use crate::pair::Trusted;
use crate::syntax::Place;

use super::file_glob::FileGlob;

/// The name of the policy file, searched upwards from the pair's directory.
const FILE: &str = ".envconf.toml";
/// Maximum size of the policy file in bytes.
const LIMIT: u64 = 1 << 20;

/// The rules of one policy file, in their order. Clones share them.
#[derive(Clone, Debug)]
pub struct Rules {
    path: Arc<Path>,
    rules: Arc<[Rule]>,
}

/// One `[[rule]]`: files, recipients, outline and signers.
#[derive(Clone, Debug)]
pub struct Rule {
    files: FileGlob,
    recipients: Vec<Trusted>,
    outline: Option<Outline>,
    demand: Option<Demand>,
}

impl Rule {
    /// Returns the glob, as written.
    pub fn files(&self) -> &str {
        self.files.as_str()
    }

    /// Returns the recipients.
    pub fn recipients(&self) -> &[Trusted] {
        &self.recipients
    }

    /// Returns the outline to write; `None` if the rule does not set it.
    pub fn outline(&self) -> Option<&Outline> {
        self.outline.as_ref()
    }
}

/// The signatures that a rule requires for its files.
///
/// It binds only people who seal and sign. A program pins its signers itself, because everybody who can write to the
/// repository can change the policy file.
#[derive(Clone, Debug)]
pub struct Demand {
    signers: Vec<SignerKey>,
    required: usize,
}

impl Demand {
    /// Returns the signers with signatures that count.
    pub fn signers(&self) -> &[SignerKey] {
        &self.signers
    }

    /// Returns the number of missing signatures, if the signers in `there` have signed.
    pub fn missing(&self, there: &[Id]) -> usize {
        let counted = self.signers.iter().filter(|signer| there.contains(&signer.id())).count();
        self.required.saturating_sub(counted)
    }

    /// Checks that an `.enc` file has the required signatures. `enc` contains its bytes.
    ///
    /// # Errors
    /// [`Kind::BadSignature`] for an invalid signature of one of the signers; [`Kind::SignatureRequired`] for too few
    /// signatures; the errors of [`EncFile::parse`].
    pub fn check(&self, enc: &[u8]) -> Result<(), Error> {
        let file = EncFile::parse(enc)?;
        let valid = signing_key::valid_signatures(&file, enc, &self.signers)?;
        if valid >= self.required {
            return Ok(());
        }
        let message = format!("{valid} signatures of the signers in {FILE}, {} required", self.required);
        Err(Error::new(Kind::SignatureRequired, message).advise_to_set(
            Remedy::SigningKey,
            "sign the pair with `envconf sign`, or when sealing it (Seal::sign)",
        ))
    }
}

impl Rules {
    /// Reads the rules for files in `directory`: those of the nearest `.envconf.toml` there or above.
    ///
    /// # Errors
    /// The errors of [`Rules::read`].
    pub fn find(directory: &Path) -> Result<Option<Self>, Error> {
        Self::file_for(directory).map(|path| Self::read(&path)).transpose()
    }

    /// Returns the path of the nearest `.envconf.toml` in `directory` or above; `None` if there is none.
    pub fn file_for(directory: &Path) -> Option<PathBuf> {
        upward_search::upwards(directory, FILE)
    }

    /// Reads the rules of this policy file.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read. [`Kind::Usage`] if it does not parse, or has a key that is unknown or of the
    /// wrong type. [`Kind::Usage`] also if another user than the current one and root can have written it: if it is not
    /// a regular file, belongs to another user, or if every user can write to it or to its directory.
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

    /// Parses the rules in `text`, the content of the file `path`. Does not access the disk.
    ///
    /// # Errors
    /// [`Kind::Usage`], as for [`Rules::read`].
    pub fn from_text(path: &Path, text: &str) -> Result<Self, Error> {
        let rules = Self::parse(text).map_err(|error| error.at(path))?;
        Ok(Self { rules: rules.into(), path: path.into() })
    }

    fn parse(text: &str) -> Result<Vec<Rule>, Error> {
        let source = Source(text);
        let file: RulesFile = toml::from_str(text).map_err(|error| {
            if let Some(line) = conflict_markers::first_whole(text.as_bytes()) {
                return usage(format!("line {line}: a conflict marker of git"));
            }
            let at = error.span().map_or(0, |span| span.start);
            source.usage_at(at, escape(error.message()))
        })?;
        source.refuse_unknown(&file.unknown, RulesFile::KEYS)?;
        let rules = file.rule.map(Spanned::into_inner).unwrap_or_default();
        rules.into_iter().map(|rule| Rule::of(rule, source)).collect()
    }

    /// Returns the recipients of the first rule with a glob that matches any of `files`.
    ///
    /// `files` are the files of one configuration: the plain file and the pair. The glob is compared with their paths
    /// relative to the directory of the policy file.
    ///
    /// # Errors
    /// [`Kind::NoRule`], naming the first of `files`, if no rule matches or all files are outside that directory.
    pub fn recipients(&self, files: &[&Path]) -> Result<&[Trusted], Error> {
        self.first(files).map(|(_, recipients)| recipients)
    }

    /// Like [`Rules::recipients`], with the number of the rule, counted from 1.
    pub(crate) fn first(&self, files: &[&Path]) -> Result<(usize, &[Trusted]), Error> {
        self.position(&self.relative(files)).map(|at| (at + 1, self.rules[at].recipients())).ok_or_else(
            || {
                let rules = self.path.to_string_lossy();
                let error =
                    Error::new(Kind::NoRule, format!("no rule of {} matches this file", escape(&rules)))
                        .advise_to_set(
                            Remedy::Recipients,
                            "add a [[rule]] with a glob that matches this path\nor name the recipients",
                        );
                files.iter().take(1).fold(error, |error, file| error.at(file))
            },
        )
    }

    /// Returns the outline of the same rule; `None` if the rule does not set it, or no rule matches.
    pub fn outline(&self, files: &[&Path]) -> Option<&Outline> {
        self.rules[self.position(&self.relative(files))?].outline()
    }

    /// Returns the first rule that matches any of `relative`: paths relative to the directory of the policy file. The
    /// files need not exist.
    pub fn matching(&self, relative: &[&Path]) -> Option<&Rule> {
        self.position(relative).map(|at| &self.rules[at])
    }

    fn position(&self, relative: &[impl AsRef<Path>]) -> Option<usize> {
        self.rules.iter().position(|rule| relative.iter().any(|file| rule.files.matches(file.as_ref())))
    }

    fn relative(&self, files: &[&Path]) -> Vec<PathBuf> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        files.iter().filter_map(|file| relative_to(file, directory)).collect()
    }

    /// Returns the required signatures of the first rule that matches, as for [`Rules::recipients`]; `None` if no rule
    /// matches, or the rule names no signers.
    pub fn demand(&self, files: &[&Path]) -> Option<&Demand> {
        self.rules[self.position(&self.relative(files))?].demand.as_ref()
    }

    /// Returns the recipients of every rule, in their order.
    pub fn all_recipients(&self) -> impl Iterator<Item = &Trusted> {
        self.rules.iter().flat_map(|rule| &rule.recipients)
    }

    /// Returns the path of the policy file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Rejects a policy file that another user than the current one and root can have written. Members of the group may
/// write to it, because teams share directories.
#[cfg(unix)]
fn check(file: &std::fs::File, path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    const ANYBODY_WRITES: u32 = 0o002;
    let failed = |error| Error::read(path, error);
    let metadata = file.metadata().map_err(failed)?;
    if path.symlink_metadata().map_err(failed)?.is_symlink() || !metadata.is_file() {
        return Err(usage("the policy file is not a regular file".into())
            .advise("replace the link or device by a regular file with the rules"));
    }
    if !private_file::is_ours(&metadata) {
        return Err(usage(format!("the policy file belongs to user {}, not to you or root", metadata.uid()))
            .advise_to_set(
                Remedy::PolicyFile,
                "check the rules, copy them into a file that belongs to you, and read the copy (Rules::read)",
            ));
    }
    if metadata.mode() & ANYBODY_WRITES != 0 {
        return Err(usage("every user can write to the policy file".into())
            .advise("check its rules, then run chmod o-w on the file"));
    }
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let directory = directory.metadata().map_err(failed)?;
    if !private_file::is_ours(&directory) {
        let owner = directory.uid();
        return Err(usage(format!("the directory of the policy file belongs to user {owner}, not to you or root"))
            .advise_to_set(
                Remedy::PolicyFile,
                "run the program as that user, or copy the policy file into a directory that belongs to you and read the copy (Rules::read)",
            ));
    }
    if directory.mode() & ANYBODY_WRITES != 0 {
        return Err(usage("every user can write to the directory of the policy file".into()).advise(
            "move the policy file into the directory of the project, or run chmod o-w on this directory",
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check(file: &std::fs::File, path: &Path) -> Result<(), Error> {
    match file.metadata().map_err(|error| Error::read(path, error))?.is_file() {
        true => Ok(()),
        false => Err(usage("the policy file is not a regular file".into())),
    }
}

/// Returns `file` relative to `directory`, after resolving links in both directories.
fn relative_to(file: &Path, directory: &Path) -> Option<PathBuf> {
    let parent = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let parent = std::fs::canonicalize(parent).ok()?;
    let directory = std::fs::canonicalize(directory).ok()?;
    Some(parent.join(file.file_name()?).strip_prefix(directory).ok()?.to_owned())
}

/// Declares a table of the file with its keys, and implements `Deserialize` for it.
///
/// The derive of serde would do the same, but then every user of the library would have to build serde_derive and syn.
/// The table keeps an unknown key, for a message with a suggestion.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident { $($key:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Default)]
        struct $name {
            $($key: Option<Spanned<$type>>,)*
            unknown: Option<Spanned<String>>,
        }

        impl $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct TableVisitor;
                impl<'de> Visitor<'de> for TableVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a table")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut table = $name::default();
                        while let Some(key) = map.next_key::<Spanned<String>>()? {
                            match key.get_ref().as_str() {
                                $(stringify!($key) => table.$key = Some(map.next_value()?),)*
                                _ => {
                                    let _: IgnoredAny = map.next_value()?;
                                    table.unknown.get_or_insert(key);
                                }
                            }
                        }
                        Ok(table)
                    }
                }
                deserializer.deserialize_map(TableVisitor)
            }
        }
    };
}

table! {
    /// The whole policy file.
    RulesFile {
        rule: Vec<Spanned<RuleTable>>,
    }
}

table! {
    /// A `[[rule]]` of the file.
    RuleTable {
        files: String,
        recipients: Vec<Spanned<String>>,
        outline: String,
        outline_hide: Vec<Spanned<String>>,
        signers: Vec<Spanned<String>>,
        required_signatures: i64,
    }
}

/// The text of the file, for line and column in errors.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl Source<'_> {
    fn usage_at(self, offset: usize, what: impl fmt::Display) -> Error {
        let (line, column) = Place(offset).in_text(self.0);
        usage(format!("line {line}, column {column}: {what}"))
    }

    fn usage<T>(self, spanned: &Spanned<T>, what: impl fmt::Display) -> Error {
        self.usage_at(spanned.span().start, what)
    }

    fn refuse_unknown(self, unknown: &Option<Spanned<String>>, known: &[&str]) -> Result<(), Error> {
        let Some(key) = unknown else { return Ok(()) };
        let name = key.get_ref();
        let error = self.usage(key, format!("unknown key `{}`", escape(name)));
        Err(match nearest(name, known.iter().copied()) {
            Some(nearest) => error.advise(format!("did you mean {nearest}?")),
            None => error.advise(format!("allowed here: {}", known.join(", "))),
        })
    }

    /// Parses every text of a list, which must not be empty.
    fn parse_all<T>(
        self,
        list: Spanned<Vec<Spanned<String>>>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        if list.get_ref().is_empty() {
            return Err(self.usage(&list, format!("{name} is empty")));
        }
        let parse =
            |item: &Spanned<String>| parse(item.get_ref()).map_err(|error| self.usage(item, error.message()));
        list.get_ref().iter().map(parse).collect()
    }
}

impl Rule {
    fn of(table: Spanned<RuleTable>, source: Source<'_>) -> Result<Self, Error> {
        let at = table.span().start;
        let RuleTable { files, recipients, outline, outline_hide, signers, required_signatures, unknown } =
            table.into_inner();
        source.refuse_unknown(&unknown, RuleTable::KEYS)?;
        let outline = Self::outline_of(outline, outline_hide, source)?;
        let demand = Self::demand_of(signers, required_signatures, source)?;
        let (Some(files), Some(recipients)) = (files, recipients) else {
            return Err(source.usage_at(at, "a rule needs both files and recipients"));
        };
        let pattern = FileGlob::parse(files.get_ref())
            .map_err(|reason| source.usage(&files, format!("invalid glob: {reason}")))?;
        // Check the number before parsing each recipient.
        if recipients.get_ref().len() > MAX_RECIPIENTS {
            return Err(source.usage(&recipients, format!("more than {MAX_RECIPIENTS} recipients")));
        }
        let recipients = source.parse_all(recipients, "recipients", str::parse)?;
        Ok(Self { files: pattern, recipients, outline, demand })
    }

    fn outline_of(
        outline: Option<Spanned<String>>,
        hide: Option<Spanned<Vec<Spanned<String>>>>,
        source: Source<'_>,
    ) -> Result<Option<Outline>, Error> {
        let outline = match outline {
            None => None,
            Some(word) => Some(Outline::from_name(word.get_ref()).ok_or_else(|| {
                source.usage(&word, "invalid outline: expected \"keys\", \"tags\" or \"none\"")
            })?),
        };
        match (outline, hide) {
            (outline, None) => Ok(outline),
            (Some(Outline::Tags { .. }), Some(hide)) => {
                let check = |item: &Spanned<String>| -> Result<String, Error> {
                    let path = item.get_ref();
                    outline::check_path(path).map_err(|error| source.usage(item, error.message()))?;
                    Ok(path.clone())
                };
                let hide = hide.get_ref().iter().map(check).collect::<Result<_, _>>()?;
                Ok(Some(Outline::Tags { hide }))
            }
            (_, Some(hide)) => Err(source.usage(&hide, "outline_hide needs outline = \"tags\"")),
        }
    }

    fn demand_of(
        signers: Option<Spanned<Vec<Spanned<String>>>>,
        required: Option<Spanned<i64>>,
        source: Source<'_>,
    ) -> Result<Option<Demand>, Error> {
        let signers = match signers {
            None => Vec::new(),
            Some(list) => {
                let at = list.span().start;
                let signers: Vec<SignerKey> = source.parse_all(list, "signers", str::parse)?;
                let mut seen = HashSet::new();
                if !signers.iter().all(|signer| seen.insert(signer.to_string())) {
                    return Err(source.usage_at(at, "a signer is named twice"));
                }
                signers
            }
        };
        let Some(number) = required else {
            return Ok((!signers.is_empty()).then_some(Demand { signers, required: 1 }));
        };
        let required = usize::try_from(*number.get_ref()).unwrap_or_default();
        if !(1..=signers.len()).contains(&required) {
            let what = "required_signatures must be from 1 to the number of signers";
            return Err(source.usage(&number, what));
        }
        Ok(Some(Demand { signers, required }))
    }
}

fn usage(message: String) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_limit_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        let rule = "[[rule]]\nfiles = \"**\"\nrecipients = [\"local\"]\n";
        std::fs::write(&file, format!("{}{rule}", "\n".repeat(LIMIT as usize - rule.len()))).unwrap();
        assert_eq!(Rules::read(&file).unwrap().rules.len(), 1);
        std::fs::write(&file, format!("{}{rule}", "\n".repeat(LIMIT as usize))).unwrap();
        assert_eq!(Rules::read(&file).unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn a_rule_sets_the_outline() {
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
    fn only_documented_keys_are_read() {
        assert!(Rules::parse("").unwrap().is_empty());
        let text =
            "[[rule]]\nfiles = \"config/*.prod.*\"\nrecipients = [\"tencent:ap-guangzhou:1\", \"local\"]\n";
        assert_eq!(Rules::parse(text).unwrap()[0].recipients[1], Trusted::Local);
        for (bad, line) in [
            ("rule = 1", "line 1, column 8"),
            ("[rule]\nfiles = \"*\"\nrecipients = [\"local\"]", "line 1"),
            ("\n[other]", "line 2, column 2: unknown key `other`"),
            ("\n[[rules]]\nfiles = \"*\"\nrecipients = [\"local\"]", "line 2, column 3: unknown key `rules`"),
            ("[[rule]]\nfiles = \"*\"\n", "line 1"),
            ("[[rule]]\nfiles = \"a[\"\nrecipients = [\"local\"]", "line 2"),
            ("[[rule]]\nfiles = \"*\"\nrecipients = []", "line 3"),
            ("[[rule]]\nfiles = \"*\"\nrecipients = [\"local\",\n  \"x\"]", "line 4, column 3"),
            ("[[rule]]\nfiles = [\"*\"]\nrecipients = [\"local\"]", "line 2, column 9"),
            ("[[rule]]\nfiles = \"*\"\nfiles = \"*\"\nrecipients = [\"local\"]", "line 3"),
            ("[[rule]]\nfiles = \"*\"\nrecipient = [\"local\"]", "line 3, column 1"),
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
    fn an_unknown_key_gets_a_suggestion_or_the_list_of_known_ones() {
        let advice = |key: &str| {
            let error = Rules::parse(&format!("[[rule]]\n{key} = 1")).unwrap_err();
            error.advice().unwrap().to_owned()
        };
        assert_eq!(advice("recipient"), "did you mean recipients?");
        assert!(
            advice("owner").starts_with("allowed here: files, recipients, outline,"),
            "{}",
            advice("owner")
        );
        assert_eq!(Rules::parse("[[rules]]").unwrap_err().advice(), Some("did you mean rule?"));
    }

    #[test]
    fn a_rule_requires_at_most_as_many_signatures_as_it_has_signers() {
        let key = crate::pair::SigningKey::from_seed(&[7; 32]).public();
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
