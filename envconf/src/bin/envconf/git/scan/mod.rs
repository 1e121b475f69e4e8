//! Finds files that must not be committed: plain files, dotenv files, secret keys, broken pairs and plain layers, and
//! pairs that differ from the rules.
//!
//! It reads files only, and uses no key. A finding contains names, but no content.

mod drift;
pub(crate) mod files;
mod plain_name;
mod secret_key;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use envconf::format::{EncFile, KeyFile, MAX_ENC, MAX_KEY};
use envconf::pair::{check_plain_layer, identity_of};
use envconf::process::setting;
use envconf::tools::Rules;
use envconf::{Error, Kind, Pair};

use files::FilesToScan;
use secret_key::SecretKeyKind;

/// Largest `.envconf.toml` in bytes. `Rules::read` has the same limit.
const MAX_RULES: usize = 1 << 20;
/// Largest plain layer in bytes that a load reads.
const MAX_LAYER: usize = 1 << 20;

/// A problem that must not be committed.
pub(crate) struct Finding {
    pub(crate) path: PathBuf,
    pub(crate) line: Option<usize>,
    /// The class of the problem, listed in docs/command-check.md.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) advice: Cow<'static, str>,
}

/// A scan of some of `files`. Their partners and rules are searched among all files.
pub(crate) struct Scan {
    files: FilesToScan,
    /// The rules of `--config`.
    given_rules: Option<Rules>,
    /// The rules of each directory.
    found_rules: BTreeMap<PathBuf, Option<Rules>>,
    /// All sealed files: the directory, and the name without `.conf.enc` in lower case.
    sealed: BTreeSet<(PathBuf, String)>,
    /// The rules that were read, by their file.
    read_rules: BTreeMap<PathBuf, Rules>,
    findings: Vec<Finding>,
    /// The parts that could not be checked, in words.
    pub(crate) notes: BTreeSet<&'static str>,
}

impl Scan {
    pub(crate) fn new(files: FilesToScan, given_rules: Option<Rules>) -> Self {
        let sealed = files
            .paths()
            .iter()
            .filter_map(|path| Some((directory(path), plain_name::sealed_stem(path)?)))
            .collect();
        Self {
            files,
            sealed,
            given_rules,
            found_rules: BTreeMap::new(),
            read_rules: BTreeMap::new(),
            findings: Vec::new(),
            notes: BTreeSet::new(),
        }
    }

    /// Scans these paths. A deleted file means a check of the files that it leaves behind.
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
            if is_there {
                self.check_keys(path)?;
            }
            if self.is_sealed(path)? {
                let pair = Pair::of(path)?;
                pairs.insert(pair.enc().to_owned(), pair);
            } else if is_there {
                self.check_plain(path)?;
                self.check_layer(path)?;
            }
        }
        for pair in pairs.values() {
            self.check_pair(pair)?;
        }
        Ok(std::mem::take(&mut self.findings))
    }

    /// Returns the `paths` that are a file of a pair.
    pub(crate) fn sealed_among(&self, paths: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let is_sealed = |path: &&PathBuf| plain_name::sealed_stem(path).is_some();
        paths.iter().filter(is_sealed).cloned().collect()
    }

    fn find(
        &mut self,
        path: &Path,
        line: Option<usize>,
        code: &'static str,
        message: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) {
        let (message, advice) = (message.into(), advice.into());
        self.findings.push(Finding { path: path.to_owned(), line, code, message, advice });
    }

    fn check_keys(&mut self, path: &Path) -> Result<(), Error> {
        for (line, kind) in self.files.with(path, secret_key::find)? {
            let (code, message, advice) = match kind {
                SecretKeyKind::Local => (
                    "local-key",
                    "a local key: everyone who can read this file can open the pairs that are sealed for it",
                    "remove it, create a new key with `envconf keygen`, and seal the pairs of this key again",
                ),
                SecretKeyKind::Age => (
                    "age-identity",
                    "an age identity: everyone who can read this file can open the pairs that are sealed for its recipient",
                    "remove it, create a new one with `envconf keygen --age`, and replace the old recipient with `envconf recipients`",
                ),
                SecretKeyKind::Signer => (
                    "signing-key",
                    "a signer's private key: everyone who can read this file can sign as this signer",
                    "remove it, create a new key with `envconf signer new`, and replace the old public key in every program and rule",
                ),
            };
            self.find(path, Some(line), code, message, advice);
        }
        Ok(())
    }

    /// Returns true for the name of a sealed file. Other files that end in `.enc` or `.key` count only if they begin
    /// like sealed files.
    fn is_sealed(&mut self, path: &Path) -> Result<bool, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".conf.enc") || name.ends_with(".conf.key") {
            return Ok(true);
        }
        let may_be = (name.ends_with(".enc") || name.ends_with(".key")) && self.files.has(path);
        Ok(may_be && self.files.read(path, 16)?.starts_with(b"envconf/v"))
    }

    /// Reports a plain file that must be sealed: its pair is beside it, a rule names it, or it is a dotenv file.
    fn check_plain(&mut self, path: &Path) -> Result<(), Error> {
        let stem = plain_name::stem(path);
        let is_dotenv = plain_name::is_dotenv(path);
        if stem.is_none() && !is_dotenv {
            return Ok(());
        }
        let message = if stem.is_some_and(|stem| self.has_pair(path, stem)) {
            "a plain file, and its sealed pair is beside it".to_owned()
        } else if let Some(glob) = self.rule_for_plain(path, identity_of(path).is_ok())? {
            format!("a plain file that must be sealed by the rule `{glob}`")
        } else if is_dotenv {
            "a dotenv file, which usually has secrets".to_owned()
        } else {
            return Ok(());
        };
        let advice = "seal it, remove it from git with `git rm --cached`, and add it to .gitignore; if it was ever pushed, change the secrets in it";
        self.find(path, None, "plain-file", message, advice);
        Ok(())
    }

    /// Returns true if the pair of a plain file, whose name without extension is `stem`, is beside it.
    fn has_pair(&self, path: &Path, stem: String) -> bool {
        let beside = |name: &str| self.files.root().join(path).with_file_name(name).is_file();
        let on_disk = [".conf.enc", ".conf.key"].iter().any(|end| beside(&format!("{stem}{end}")));
        // `app.default.toml` is sealed as `app.conf.enc`.
        let of_identity = || {
            let (name, environment) = identity_of(path).ok()?;
            let pair = Pair::new(path.parent().unwrap_or(Path::new("")), &name, &environment);
            Some(self.files.has(pair.enc()) || self.files.root().join(pair.enc()).is_file())
        };
        on_disk || self.sealed.contains(&(directory(path), stem)) || of_identity() == Some(true)
    }

    /// Reports a plain layer that a load would reject.
    fn check_layer(&mut self, path: &Path) -> Result<(), Error> {
        let Some(name) = plain_name::layer_of(path) else { return Ok(()) };
        let directory = directory(path);
        let environments = format!("{name}.");
        let is_of_pair = |(of, stem): &&(PathBuf, String)| {
            *of == directory && (*stem == name || stem.starts_with(&environments))
        };
        if !self.sealed.iter().any(|sealed| is_of_pair(&sealed)) {
            return Ok(());
        }
        let content = self.files.read(path, MAX_LAYER)?;
        if let Err(error) = check_plain_layer(path, content) {
            let message =
                error.problems().first().map_or_else(|| error.message().to_owned(), ToString::to_string);
            self.find(path, None, "malformed", message, "correct it: programs reject it");
        }
        Ok(())
    }

    /// Returns the glob of the rule that matches this plain file. A glob of wildcards only, such as `**`, matches only
    /// files in the configuration directory that have the name of a configuration: such a rule names recipients, not
    /// files to seal.
    fn rule_for_plain(&mut self, path: &Path, has_identity: bool) -> Result<Option<String>, Error> {
        let directory = setting("ENVCONF_DIR")?.unwrap_or_else(|| "config".to_owned());
        let Some((rules, relative)) = self.rules(path)? else { return Ok(None) };
        let Some(rule) = rules.matching(&[&relative]) else { return Ok(None) };
        let names_something = rule.files().chars().any(char::is_alphanumeric);
        let in_directory = has_identity && relative.parent() == Some(Path::new(&directory));
        Ok((names_something || in_directory).then(|| rule.files().to_owned()))
    }

    fn check_pair(&mut self, pair: &Pair) -> Result<(), Error> {
        let advice = "commit both files of a pair together";
        match (self.files.has(pair.enc()), self.files.has(pair.key())) {
            (true, true) => {}
            (true, false) if self.files.unmerged.contains(pair.key()) => return Ok(()),
            (false, true) if self.files.unmerged.contains(pair.enc()) => return Ok(()),
            (true, false) => self.find(pair.enc(), None, "half-pair", "the .key is missing", advice),
            (false, true) => self.find(pair.key(), None, "half-pair", "the .enc is missing", advice),
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
            let message = format!(
                "the .key belongs to `{}` for `{}`, but the .enc does not",
                key.name, key.environment
            );
            self.find(pair.key(), None, "mismatch", message, advice);
            return Ok(());
        }
        match key.section(enc.header.dek) {
            Some(section) => drift::check(self, pair, &enc, section),
            None => {
                let message = format!(
                    "the .key file has no section for data key {}, which the .enc file uses",
                    enc.header.dek
                );
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
                let advice = error.advice().unwrap_or("restore it from git, or seal the configuration again");
                self.find(path, None, "malformed", error.message(), advice.to_owned());
                Ok(None)
            }
        }
    }

    /// Reports a pair that was copied to another name: no reader who expects this name can open it. Names that do not
    /// follow api.md are not checked.
    fn check_name(&mut self, pair: &Pair, enc: &EncFile) {
        let header = &enc.header;
        let is_ours = pair.enc().to_string_lossy().ends_with(".conf.enc");
        let Some((name, environment)) = identity_of(pair.enc()).ok().filter(|_| is_ours) else { return };
        if (&name, &environment) != (&header.name, &header.environment) {
            let message = format!(
                "the pair is `{}` for `{}`, but its file name says `{name}` for `{environment}`",
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

    /// Returns the rules for a file, and its path relative to their directory.
    fn rules(&mut self, path: &Path) -> Result<Option<(Rules, PathBuf)>, Error> {
        let directory = path.parent().unwrap_or(Path::new(""));
        let rules = match &self.given_rules {
            Some(rules) => Some(rules.clone()),
            None => match self.found_rules.get(directory) {
                Some(known) => known.clone(),
                None => {
                    let found = self.find_rules(directory)?;
                    self.found_rules.insert(directory.to_owned(), found.clone());
                    found
                }
            },
        };
        let Some(rules) = rules else { return Ok(None) };
        let of = rules.path().parent().unwrap_or(Path::new("")).to_owned();
        let relative = self.files.root().join(path).strip_prefix(of).map(Path::to_owned);
        Ok(relative.ok().map(|relative| (rules, relative)))
    }

    /// Returns the rules for a directory. Staged files are checked with the staged rules, not with those on disk.
    fn find_rules(&mut self, directory: &Path) -> Result<Option<Rules>, Error> {
        if !self.files.are_staged() {
            let file = Rules::file_for(&self.files.root().join(directory));
            return file.map(|file| self.read_once(&file, |_| Rules::read(&file))).transpose();
        }
        for directory in directory.ancestors() {
            let file = directory.join(".envconf.toml");
            if self.files.has(&file) {
                return self.read_once(&file, |scan| scan.read_staged_rules(&file)).map(Some);
            }
        }
        Ok(None)
    }

    fn read_staged_rules(&mut self, file: &Path) -> Result<Rules, Error> {
        let text = String::from_utf8(self.files.read(file, MAX_RULES)?);
        let text = text.ok().filter(|text| text.len() <= MAX_RULES);
        let text = text.ok_or_else(|| Error::new(Kind::Usage, "not UTF-8, or too large").at(file))?;
        Rules::from_text(&self.files.root().join(file), &text)
    }

    /// Returns the rules in this file, which may belong to many directories.
    fn read_once(
        &mut self,
        file: &Path,
        read: impl FnOnce(&mut Self) -> Result<Rules, Error>,
    ) -> Result<Rules, Error> {
        if let Some(rules) = self.read_rules.get(file) {
            return Ok(rules.clone());
        }
        let rules = read(self)?;
        self.read_rules.insert(file.to_owned(), rules.clone());
        Ok(rules)
    }
}

/// Returns the plain files among all `files` whose pair is in `paths`.
pub(crate) fn plain_beside(files: &FilesToScan, paths: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let pairs: BTreeSet<_> = paths
        .iter()
        .filter(|path| files.has(path))
        .filter_map(|path| Some((directory(path), plain_name::sealed_stem(path)?)))
        .collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let is_beside =
        |path: &PathBuf| plain_name::stem(path).is_some_and(|stem| pairs.contains(&(directory(path), stem)));
    files.paths().into_iter().filter(is_beside).collect()
}

fn directory(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}
