//! Known pairs: the highest generation of each pair that this user sealed or opened, and its recipients.
//!
//! A genuine older pair can be put back by anybody who can write the repository. It opens, and its recipients are
//! authentic, so without this memory it would bring back a recipient that was removed (format.md §9, "Rollback").
//! Nothing in here is secret.

use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::files::Pair;
use crate::base::{Error, KeyRef, Kind, data_directory, private_file};
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
    /// The generation, 1 … 2^63−1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The recipients that a seal of this generation had, authenticated at that time.
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Checks that `generation`, which the pair's `.enc` states, is not older than this one.
    ///
    /// # Errors
    /// [`Kind::Rollback`].
    pub fn check(&self, generation: u64, pair: &Pair) -> Result<(), Error> {
        if generation >= self.generation {
            return Ok(());
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
    /// Returns what is known of `pair`, of this name and environment.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::InsecureKeyFile`] and [`Kind::Usage`] for a record that cannot be used.
    pub fn known_pair(
        &self,
        pair: &Pair,
        name: &Name,
        environment: &Name,
    ) -> Result<Option<KnownPair>, Error> {
        let Some((path, _)) = self.record_of(pair, name, environment) else { return Ok(None) };
        let file = match private_file::open_without_waiting(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::read(&path, error)),
        };
        self.check_pairs()?;
        private_file::check(&file, &path, "record of a pair")?;
        let text = private_file::read_text(file, LIMIT).map_err(|error| Error::read(&path, error))?;
        let damaged = || {
            Error::new(Kind::Usage, "the record of a pair is damaged")
                .at(&path)
                .advise("check the pair's recipients with `envconf recipients list`, then delete the record")
        };
        parse(&text).map(Some).ok_or_else(damaged)
    }

    /// Remembers a pair that was sealed, or opened and so authenticated. An older generation than the known one changes
    /// nothing.
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
            Some(known) if known.generation > this.generation || known == this => Ok(()),
            _ => self.accept(pair, header, &this.recipients),
        }
    }

    /// Accepts a pair that was opened, whatever is known of it: from now on its generation is the highest one.
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

    /// The record's path, and the canonical path of the `.enc`; `None` where the pair's directory does not exist.
    fn record_of(&self, pair: &Pair, name: &Name, environment: &Name) -> Option<(PathBuf, PathBuf)> {
        let enc = pair.folder().canonicalize().ok()?.join(pair.enc().file_name()?);
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

fn parse(text: &str) -> Option<KnownPair> {
    let record: Value = serde_json::from_str(text).ok()?;
    let generation = record["generation"].as_u64().filter(|number| (1..=MAX_GENERATION).contains(number))?;
    let recipients = record["recipients"].as_array()?.iter();
    let recipients = recipients.map(|key| key.as_str()?.parse().ok()).collect::<Option<_>>()?;
    Some(KnownPair { generation, recipients })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentType, KeyServices, LocalKey, Policy, Seal};

    #[test]
    fn the_highest_generation_is_kept_with_its_recipients() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::at(folder.path().join("home"));
        let (name, environment): (Name, Name) = ("app".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(folder.path(), &name, &environment);
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
        assert_eq!(newest.check(1, &pair).unwrap_err().kind(), Kind::Rollback);
        newest.check(2, &pair).unwrap();
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
    fn a_damaged_record_is_an_error_and_no_clean_slate() {
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
