//! What must not be committed: plain files that the rules want sealed, local keys, broken pairs, drift from the rules.
//!
//! Files alone are looked at; no key is asked, and nothing that is found is repeated but names.

mod drift;
pub(crate) mod files;
mod local_key;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use envconf::format::{EncFile, KeyFile, MAX_ENC, MAX_KEY};
use envconf::pair::identity_of;
use envconf::process::setting;
use envconf::tools::Rules;
use envconf::{Error, Kind, Pair};

use files::FilesToScan;

/// The largest `.envconf.toml` that is read; `Rules::read` has the same limit.
const MAX_RULES: usize = 1 << 20;

/// One thing that must not be committed.
pub(crate) struct Finding {
    pub(crate) path: PathBuf,
    pub(crate) line: Option<usize>,
    /// One of those that docs/command.md lists.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) advice: &'static str,
}

/// A scan of some of `files`; their partners and rules are looked up among all of them.
pub(crate) struct Scan {
    files: FilesToScan,
    /// Those of `--config`.
    given_rules: Option<Rules>,
    /// By folder.
    found_rules: BTreeMap<PathBuf, Option<Rules>>,
    findings: Vec<Finding>,
    /// What could not be looked at, in words.
    pub(crate) notes: BTreeSet<&'static str>,
}

impl Scan {
    pub(crate) fn new(files: FilesToScan, given_rules: Option<Rules>) -> Self {
        Self {
            files,
            given_rules,
            found_rules: BTreeMap::new(),
            findings: Vec::new(),
            notes: BTreeSet::new(),
        }
    }

    /// Looks at these; a path that is no file any more stands for what it leaves behind.
    ///
    /// # Errors
    /// [`Kind::Io`] for a file that cannot be read; [`Kind::Usage`] for rules that are malformed.
    pub(crate) fn run(&mut self, paths: &BTreeSet<PathBuf>) -> Result<Vec<Finding>, Error> {
        let mut pairs = BTreeMap::new();
        for path in paths {
            if self.files.unmerged.contains(path) {
                self.find(
                    path,
                    None,
                    "conflict",
                    "it is in conflict",
                    "choose one side, for both files of a pair",
                );
                continue;
            }
            let is_there = self.files.has(path);
            if is_there && let Some(line) = self.files.with(path, local_key::find)? {
                let advice = "take it out, make a new key with `envconf keygen`, and seal anew what was sealed for this one";
                self.find(
                    path,
                    Some(line),
                    "local-key",
                    "a local key: whoever reads this file opens what is sealed for it",
                    advice,
                );
            }
            if self.is_sealed(path)? {
                let pair = Pair::of(path)?;
                pairs.insert(pair.enc().to_owned(), pair);
            } else if is_there {
                self.check_plain(path)?;
            }
        }
        for pair in pairs.values() {
            self.check_pair(pair)?;
        }
        Ok(std::mem::take(&mut self.findings))
    }

    fn find(
        &mut self,
        path: &Path,
        line: Option<usize>,
        code: &'static str,
        message: impl Into<String>,
        advice: &'static str,
    ) {
        self.findings.push(Finding { path: path.to_owned(), line, code, message: message.into(), advice });
    }

    /// By its name; other files that end in `.enc` or `.key` are somebody else's unless they begin as ours do.
    fn is_sealed(&mut self, path: &Path) -> Result<bool, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".conf.enc") || name.ends_with(".conf.key") {
            return Ok(true);
        }
        let may_be = (name.ends_with(".enc") || name.ends_with(".key")) && self.files.has(path);
        Ok(may_be && self.files.read(path, 16)?.starts_with(b"envconf/v"))
    }

    /// A plain file that is to be sealed, not committed: its pair is beside it, or a rule speaks of it.
    fn check_plain(&mut self, path: &Path) -> Result<(), Error> {
        if !is_plain(path) {
            return Ok(());
        }
        let pair = identity_of(path).ok().map(|(name, environment)| {
            Pair::new(path.parent().unwrap_or(Path::new("")), &name, &environment)
        });
        let is_there = |file: &Path| self.files.has(file) || self.files.root().join(file).is_file();
        let message = if pair.as_ref().is_some_and(|pair| is_there(pair.enc())) {
            "a plain file, and its sealed pair is beside it".to_owned()
        } else {
            let Some(glob) = self.rule_for_plain(path, pair.is_some())? else { return Ok(()) };
            format!("a plain file that the rule `{glob}` wants sealed")
        };
        let advice = "seal it, `git rm --cached` it and have git ignore it; if it was ever pushed, change the secrets in it";
        self.find(path, None, "plain-file", message, advice);
        Ok(())
    }

    /// The glob of the rule that means this plain file. One of wildcards only, such as `**`, is for whatever is sealed,
    /// not a list of what must be: it means files in the folder of configurations that are called as configurations.
    fn rule_for_plain(&mut self, path: &Path, has_identity: bool) -> Result<Option<String>, Error> {
        let folder = setting("ENVCONF_DIR")?.unwrap_or_else(|| "config".to_owned());
        let Some((rules, relative)) = self.rules(path)? else { return Ok(None) };
        let Some(rule) = rules.matching(&[&relative]) else { return Ok(None) };
        let names_something = rule.files().chars().any(char::is_alphanumeric);
        let in_folder = has_identity && relative.parent() == Some(Path::new(&folder));
        Ok((names_something || in_folder).then(|| rule.files().to_owned()))
    }

    fn check_pair(&mut self, pair: &Pair) -> Result<(), Error> {
        let advice = "commit both files of a pair together";
        match (self.files.has(pair.enc()), self.files.has(pair.key())) {
            (true, true) => {}
            (true, false) if self.files.unmerged.contains(pair.key()) => return Ok(()),
            (false, true) if self.files.unmerged.contains(pair.enc()) => return Ok(()),
            (true, false) => self.find(pair.enc(), None, "half-pair", "its .key is not there", advice),
            (false, true) => self.find(pair.key(), None, "half-pair", "its .enc is not there", advice),
            (false, false) => return Ok(()),
        }
        let enc = self.parse(pair.enc(), MAX_ENC, EncFile::parse)?;
        let key = self.parse(pair.key(), MAX_KEY, KeyFile::parse)?;
        if let Some(enc) = &enc {
            self.check_name(pair, enc);
        }
        let (Some(enc), Some(key)) = (enc, key) else { return Ok(()) };
        let advice = "commit both files of one seal";
        if (&enc.header.name, &enc.header.environment) != (&key.name, &key.environment) {
            let message = format!("it is `{}` for `{}`, its .enc is not", key.name, key.environment);
            self.find(pair.key(), None, "mismatch", message, advice);
            return Ok(());
        }
        match key.section(enc.header.dek) {
            Some(section) => drift::check(self, pair, &enc, section),
            None => {
                let message = format!("it does not hold the data key {} of its .enc", enc.header.dek);
                self.find(pair.key(), None, "mismatch", message, advice);
                Ok(())
            }
        }
    }

    fn parse<T>(
        &mut self,
        path: &Path,
        limit: usize,
        parse: fn(&[u8]) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if !self.files.has(path) {
            return Ok(None);
        }
        let bytes = self.files.read(path, limit)?;
        match parse(&bytes) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(error) => {
                self.find(
                    path,
                    None,
                    "malformed",
                    error.message(),
                    "restore it from git, or seal the configuration again",
                );
                Ok(None)
            }
        }
    }

    /// A pair that was copied to another name opens for nobody who expects what the name says. Other names than
    /// api.md's say nothing.
    fn check_name(&mut self, pair: &Pair, enc: &EncFile) {
        let header = &enc.header;
        let is_ours = pair.enc().to_string_lossy().ends_with(".conf.enc");
        let Some((name, environment)) = identity_of(pair.enc()).ok().filter(|_| is_ours) else { return };
        if (&name, &environment) != (&header.name, &header.environment) {
            let message = format!(
                "it is `{}` for `{}`, and is called as `{name}` for `{environment}`",
                header.name, header.environment
            );
            self.find(
                pair.enc(),
                None,
                "identity",
                message,
                "do not copy pairs: open one, and seal it under the other name",
            );
        }
    }

    /// The rules for a file, and its path relative to their folder.
    fn rules(&mut self, path: &Path) -> Result<Option<(Rules, PathBuf)>, Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let rules = match &self.given_rules {
            Some(rules) => Some(rules.clone()),
            None => match self.found_rules.get(folder) {
                Some(known) => known.clone(),
                None => {
                    let found = self.find_rules(folder)?;
                    self.found_rules.insert(folder.to_owned(), found.clone());
                    found
                }
            },
        };
        let Some(rules) = rules else { return Ok(None) };
        let of = rules.path().parent().unwrap_or(Path::new("")).to_owned();
        let relative = self.files.root().join(path).strip_prefix(of).map(Path::to_owned);
        Ok(relative.ok().map(|relative| (rules, relative)))
    }

    /// Of what is staged the staged rules decide, not those on disk.
    fn find_rules(&mut self, folder: &Path) -> Result<Option<Rules>, Error> {
        if !self.files.are_staged() {
            return Rules::find(&self.files.root().join(folder));
        }
        for folder in folder.ancestors() {
            let file = folder.join(".envconf.toml");
            if self.files.has(&file) {
                let text = String::from_utf8(self.files.read(&file, MAX_RULES)?)
                    .ok()
                    .filter(|text| text.len() <= MAX_RULES);
                let text =
                    text.ok_or_else(|| Error::new(Kind::Usage, "not UTF-8, or too large").at(&file))?;
                return Rules::from_text(&self.files.root().join(&file), &text).map(Some);
            }
        }
        Ok(None)
    }
}

/// Whether it may be a configuration as one edits it. Plain layers and the rules are meant to be committed.
fn is_plain(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("toml" | "json" | "yaml" | "yml" | "env" | "conf"))
        && !name.ends_with(".defaults.toml")
        && name != ".envconf.toml"
}
