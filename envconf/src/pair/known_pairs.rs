//! Known pairs: for each pair, a record of the highest generation that this user sealed or opened. The record also
//! lists the recipients of that generation.
//!
//! Everybody who can write the repository can restore a genuine older pair. It opens, and its recipients are
//! authentic. Without this record, sealing over it would bring back a recipient that was removed
//! (format-threats.md §9). The records contain nothing secret.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::files::Pair;
use crate::base::{Error, KeyRef, Kind, data_directory, private_file, upward_search};
use crate::format::{Header, Id, MAX_GENERATION, Name};
use crate::kms::KeyStore;

const DIRECTORY: &str = "pairs";
/// Limit of one record in bytes: 16 recipients of at most 600 bytes, and a path.
const LIMIT: u64 = 64 * 1024;

/// The highest generation of one pair that this user sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPair {
    generation: u64,
    recipients: Vec<KeyRef>,
}

impl KnownPair {
    /// Returns the generation, 1 … 2^63−1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the recipients of this generation, authenticated when it was sealed or opened.
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Checks that `generation`, from the pair's `.enc`, is not older than the known one. If both are equal, checks
    /// that no recipient was added: somebody can restore a `.key` without its `.enc`.
    ///
    /// # Errors
    /// [`Kind::Rollback`].
    pub fn check(&self, generation: u64, recipients: &[KeyRef], pair: &Pair) -> Result<(), Error> {
        let added = |key: &&KeyRef| !self.recipients.contains(key);
        let added: Vec<String> = recipients.iter().filter(added).map(ToString::to_string).collect();
        if generation > self.generation || (generation == self.generation && added.is_empty()) {
            return Ok(());
        }
        if generation == self.generation {
            let message = format!(
                "the pair has recipients that it did not have when you last used it: {}",
                added.join(" ")
            );
            return Err(Error::new(Kind::Rollback, message).at(pair.key()).advise(
                "if a colleague added them, accept the pair with `envconf verify PAIR --accept-older`; else restore the newest .key with git",
            ));
        }
        let message = format!(
            "generation {generation} is older than generation {}, which you already used",
            self.generation
        );
        Err(Error::new(Kind::Rollback, message).at(pair.enc()).advise(
            "restore the newest pair with git; or accept this one with `envconf verify PAIR --accept-older`, which shows its recipients",
        ))
    }
}

impl KeyStore {
    /// Returns the record of `pair` with this name and environment; `None` if this user never sealed or opened it.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::InsecureKeyFile`] and [`Kind::Usage`] for a record that cannot be used.
    pub fn known_pair(
        &self,
        pair: &Pair,
        name: &Name,
        environment: &Name,
    ) -> Result<Option<KnownPair>, Error> {
        let Some((path, enc)) = self.record_of(pair, name, environment) else { return Ok(None) };
        match self.read_record(&path)? {
            Some(record) => Ok(Some(record.known)),
            None => self.known_before_it_moved(&enc, name, environment),
        }
    }

    /// Returns the record of a pair that was moved within its repository. Searches the records of the same name and
    /// environment whose `.enc` no longer exists, and returns the one with the highest generation.
    fn known_before_it_moved(
        &self,
        enc: &Path,
        name: &Name,
        environment: &Name,
    ) -> Result<Option<KnownPair>, Error> {
        let Some(top) = enc.parent().and_then(upward_search::repository_top) else { return Ok(None) };
        let Ok(entries) = std::fs::read_dir(self.directory().join(DIRECTORY)) else { return Ok(None) };
        let mut moved: Option<KnownPair> = None;
        for entry in entries.flatten() {
            // An unreadable record belongs to another pair, and is reported when that pair is used.
            let Ok(Some(record)) = self.read_record(&entry.path()) else { continue };
            let is_of_pair = record.name == name.as_str()
                && record.environment == environment.as_str()
                && record.enc.starts_with(&top)
                && record.enc.canonicalize().ok().as_ref() != Some(&record.enc);
            if is_of_pair && moved.as_ref().is_none_or(|known| known.generation < record.known.generation) {
                moved = Some(record.known);
            }
        }
        Ok(moved)
    }

    fn read_record(&self, path: &Path) -> Result<Option<Record>, Error> {
        let file = match private_file::open_without_waiting(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::read(path, error)),
        };
        self.check_pairs()?;
        private_file::check(&file, path, "record of a pair")?;
        let text = private_file::read_text(file, LIMIT).map_err(|error| Error::read(path, error))?;
        let damaged = || {
            Error::new(Kind::Usage, "the record of a pair is damaged").at(path).advise(
                "check the pair's recipients, and accept them with `envconf verify PAIR --accept-older`",
            )
        };
        parse(&text).map(Some).ok_or_else(damaged)
    }

    /// Records an opened pair. Opening has authenticated it. The record stays unchanged if the pair has an older
    /// generation, or the same generation with additional recipients.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::InsecureKeyFile`] and [`Kind::Usage`] for a record that cannot be used or written.
    pub fn remember<'a>(
        &self,
        pair: &Pair,
        header: &Header,
        recipients: impl IntoIterator<Item = &'a KeyRef>,
    ) -> Result<(), Error> {
        let known = self.known_pair(pair, &header.name, &header.environment)?;
        let recipients: Vec<KeyRef> = recipients.into_iter().cloned().collect();
        let this = KnownPair { generation: header.generation, recipients };
        match known {
            Some(known) if known == this || known.check(this.generation, &this.recipients, pair).is_err() => {
                Ok(())
            }
            _ => self.accept(pair, header, &this.recipients),
        }
    }

    /// Accepts an opened pair without comparing it with its record: its generation becomes the highest known one.
    ///
    /// # Errors
    /// [`Kind::Io`] and [`Kind::InsecureKeyFile`] for a record that cannot be written.
    pub fn accept<'a>(
        &self,
        pair: &Pair,
        header: &Header,
        recipients: impl IntoIterator<Item = &'a KeyRef>,
    ) -> Result<(), Error> {
        let Some((path, enc)) = self.record_of(pair, &header.name, &header.environment) else {
            return Ok(());
        };
        data_directory::create(&self.directory().join(DIRECTORY))?;
        self.check_pairs()?;
        let record = json!({
            "pair": enc.to_string_lossy(),
            "name": header.name.as_str(),
            "environment": header.environment.as_str(),
            "generation": header.generation,
            "recipients": recipients.into_iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        private_file::replace(&path, format!("{record:#}\n").as_bytes())
    }

    /// Returns the record's path, and the canonical path of the `.enc`; `None` if the pair's directory does not exist.
    fn record_of(&self, pair: &Pair, name: &Name, environment: &Name) -> Option<(PathBuf, PathBuf)> {
        let enc = pair.directory().canonicalize().ok()?.join(pair.enc().file_name()?);
        let mut digest = Sha256::new();
        for part in
            [enc.as_os_str().as_encoded_bytes(), name.as_str().as_bytes(), environment.as_str().as_bytes()]
        {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let id = Id::new(std::array::from_fn(|at| digest[at]));
        Some((self.directory().join(DIRECTORY).join(format!("{id}.json")), enc))
    }

    fn check_pairs(&self) -> Result<(), Error> {
        self.check()?;
        data_directory::check(&self.directory().join(DIRECTORY))
    }
}

/// A record as it is stored.
#[derive(Debug, PartialEq)]
struct Record {
    enc: PathBuf,
    name: String,
    environment: String,
    known: KnownPair,
}

fn parse(text: &str) -> Option<Record> {
    let record: Value = serde_json::from_str(text).ok()?;
    let generation = record["generation"].as_u64().filter(|number| (1..=MAX_GENERATION).contains(number))?;
    let recipients = record["recipients"].as_array()?.iter();
    let recipients = recipients.map(|key| KeyRef::listed(key.as_str()?)).collect::<Option<_>>()?;
    let word = |name: &str| Some(record[name].as_str()?.to_owned());
    let known = KnownPair { generation, recipients };
    Some(Record { enc: word("pair")?.into(), name: word("name")?, environment: word("environment")?, known })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentType, KeyServices, LocalKey, Policy, Seal};

    #[test]
    fn the_highest_generation_is_kept_with_its_recipients() {
        let directory = tempfile::tempdir().unwrap();
        let store = KeyStore::at(directory.path().join("home"));
        let (name, environment): (Name, Name) = ("app".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(directory.path(), &name, &environment);
        let [a, b] = [(); 2].map(|()| LocalKey::generate().unwrap());
        let services = KeyServices::none().local_key(a.clone()).local_key(b.clone());
        let known = || store.known_pair(&pair, &name, &environment).unwrap();
        assert_eq!(known(), None);
        let mut pairs = Vec::new();
        for keys in [vec![&a, &b], vec![&a]] {
            let seal = Seal::new(name.clone(), environment.clone(), ContentType::Raw);
            let seal = keys.iter().fold(seal, |seal, key| seal.recipient(key.key_ref().clone()));
            seal.seal(&pair, b"x", &services).unwrap();
            let policy = Policy::new(name.clone(), environment.clone());
            let opened = crate::open(&pair, &policy, &services).unwrap();
            store.remember(&pair, opened.header(), opened.recipients()).unwrap();
            pairs.push(opened);
        }
        let newest = KnownPair { generation: 2, recipients: vec![a.key_ref().clone()] };
        assert_eq!(known(), Some(newest.clone()));
        let both = [a.key_ref().clone(), b.key_ref().clone()];
        for (generation, recipients) in [(1, &both[..1]), (2, &both)] {
            assert_eq!(newest.check(generation, recipients, &pair).unwrap_err().kind(), Kind::Rollback);
        }
        for (generation, recipients) in [(2, &both[..1]), (2, &[]), (3, &both)] {
            newest.check(generation, recipients, &pair).unwrap();
        }
        store.remember(&pair, pairs[0].header(), pairs[0].recipients()).unwrap();
        assert_eq!(known(), Some(newest));
        store.accept(&pair, pairs[0].header(), pairs[0].recipients()).unwrap();
        assert_eq!(known().map(|known| (known.generation, known.recipients.len())), Some((1, 2)));
        // Another name, environment or directory is another pair.
        let other: Name = "other".parse().unwrap();
        assert_eq!(store.known_pair(&pair, &other, &environment).unwrap(), None);
        assert_eq!(store.known_pair(&pair, &name, &other).unwrap(), None);
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"generation": 0, "recipients": []}"#,
            r#"{"generation": 1, "recipients": ["x"]}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
