//! Opens a pair: returns the plaintext if a trusted key unwraps the data key (format.md §4, "Open").

use std::sync::Arc;
use std::time::Duration;

use super::files::Pair;
use super::plain_layer::PlainLayer;
use super::policy::Policy;
use super::wrapping;
use crate::base::{Error, KeyRef, Kind, Plaintext, same};
use crate::envelope::{self, DataKey, signing_key};
use crate::format::{EncFile, Header, KeyFile, Section};
use crate::kms::{Context, KeyServices, worker};
use crate::layers::{Layer, LayerKind};

/// Number of times that `.enc` and `.key` are read again, and the pause before each: a sealer may be between its two
/// writes (format.md §4, "Writing").
const READ_AGAIN: (usize, Duration) = (3, Duration::from_millis(100));

/// An opened pair: the plaintext, the header, the recipients, and the key that unwrapped the data key.
#[derive(Debug)]
pub struct Opened {
    pub(crate) plaintext: Plaintext,
    pub(crate) header: Header,
    pub(crate) commit: [u8; 32],
    pub(crate) section: Section,
    pub(crate) dek: DataKey,
    pub(crate) unwrapped_by: KeyRef,
}

impl Opened {
    /// Returns the sealed content, byte for byte.
    pub fn content(&self) -> &[u8] {
        self.plaintext.expose()
    }

    /// Returns the content as a layer.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] for raw content that is not UTF-8. Opening has checked all other content.
    pub(crate) fn layer(&self, pair: &Pair) -> Result<Layer<'_>, Error> {
        let text = std::str::from_utf8(self.content()).map_err(|_| {
            Error::new(Kind::DoesNotFit, "raw content cannot be loaded")
                .at(pair.enc())
                .advise("seal it as toml, json or dotenv")
        })?;
        let file = Some(Arc::from(pair.enc()));
        Ok(Layer { file, kind: LayerKind::Sealed, content_type: self.header.content_type, text })
    }

    /// Returns the header of the `.enc`.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the recipients of this pair's data key. They are authenticated.
    pub fn recipients(&self) -> impl Iterator<Item = &KeyRef> {
        self.section.recipients.iter().map(|recipient| &recipient.key)
    }

    /// Returns the key that unwrapped the data key.
    pub fn unwrapped_by(&self) -> &KeyRef {
        &self.unwrapped_by
    }
}

/// Opens a pair. Blocks the thread. Works inside and outside an async runtime.
///
/// # Errors
/// Every kind of format.md §8, except those of writing; [`Kind::Io`] if a file cannot be read.
pub fn open(pair: &Pair, policy: &Policy, services: &KeyServices) -> Result<Opened, Error> {
    worker::block_on(open_pair(pair, policy, services, Wait::Blocking))
}

/// Opens a pair from the bytes of its two files.
///
/// # Errors
/// The errors of [`open`], except [`Kind::Io`].
pub fn open_bytes(enc: &[u8], key: &[u8], policy: &Policy, services: &KeyServices) -> Result<Opened, Error> {
    let checked = Checked::new(enc, || Ok(key), policy, None)?;
    worker::block_on(checked.open(policy, services))
}

/// The checks that [`verify`] makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Both files are well formed, belong together, match the policy, and have the signatures that it requires. No key
    /// is needed.
    Structure,
    /// In addition, a trusted key unwraps the data key, which authenticates the recipients and the header.
    Unwrap,
    /// In addition, the body decrypts to content that is valid for its type, and the plain layers beside the pair
    /// parse.
    #[default]
    Full,
}

/// The result of [`verify`].
#[derive(Debug)]
pub struct Verified {
    header: Header,
    recipients: Vec<KeyRef>,
    unwrapped_by: Option<KeyRef>,
}

impl Verified {
    /// Returns the header of the `.enc`. It is authenticated, except with [`Depth::Structure`].
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the recipients of the data key. They are authenticated, except with [`Depth::Structure`].
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Returns the key that unwrapped the data key; `None` with [`Depth::Structure`].
    pub fn unwrapped_by(&self) -> Option<&KeyRef> {
        self.unwrapped_by.as_ref()
    }
}

/// Checks a pair without returning its content. Blocks the thread, like [`open`].
///
/// # Errors
/// The errors of [`open`], as far as `depth` checks; [`Kind::DoesNotFit`] for content or a plain layer that does not
/// parse.
pub fn verify(pair: &Pair, policy: &Policy, services: &KeyServices, depth: Depth) -> Result<Verified, Error> {
    if depth == Depth::Full {
        let opened = open(pair, policy, services)?;
        super::content::check_loadable(opened.content(), opened.header.content_type)
            .map_err(|error| error.at(pair.enc()))?;
        PlainLayer::beside(pair, &policy.name, &policy.environment)?
            .iter()
            .try_for_each(PlainLayer::check)?;
        let recipients = opened.recipients().cloned().collect();
        return Ok(Verified { header: opened.header, recipients, unwrapped_by: Some(opened.unwrapped_by) });
    }
    if depth == Depth::Unwrap {
        let unlocked = unlock(pair, policy, services)?;
        let recipients = unlocked.section.recipients.into_iter().map(|recipient| recipient.key).collect();
        let unwrapped_by = Some(unlocked.unwrapped_by);
        return Ok(Verified { header: unlocked.file.header, recipients, unwrapped_by });
    }
    let Checked { file, section, .. } = read_pair(pair, policy)?;
    let recipients = section.recipients.into_iter().map(|recipient| recipient.key).collect();
    Ok(Verified { header: file.header, recipients, unwrapped_by: None })
}

/// A pair with an unwrapped data key. Header and recipients are authentic; the body is not decrypted yet.
pub(crate) struct Unlocked {
    pub(crate) file: EncFile,
    pub(crate) key: KeyFile,
    pub(crate) section: Section,
    pub(crate) dek: DataKey,
    pub(crate) unwrapped_by: KeyRef,
}

/// Runs steps 1 to 12 of "Open".
pub(crate) fn unlock(pair: &Pair, policy: &Policy, services: &KeyServices) -> Result<Unlocked, Error> {
    let checked = read_pair(pair, policy)?;
    worker::block_on(checked.unlock(policy, services)).map_err(|error| in_file(error, pair))
}

/// Like [`unlock`], for the bytes of the two files of a pair.
pub(crate) fn unlock_bytes(
    enc: &[u8],
    key: &[u8],
    policy: &Policy,
    services: &KeyServices,
) -> Result<Unlocked, Error> {
    let checked = Checked::new(enc, || Ok(key), policy, None)?;
    worker::block_on(checked.unlock(policy, services))
}

/// The way to wait before the files are read again.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// Block this thread.
    Blocking,
    /// Wait on the worker thread, for async code.
    OnWorker,
}

/// Calls `read`. Retries it after a pause while a sealer is between two writes of the pair.
pub(crate) async fn read_again<T, F>(wait: Wait, mut read: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let (times, pause) = READ_AGAIN;
    for _ in 0..times {
        match read().await {
            Err(error) if error.kind() == Kind::DekNotFound => match wait {
                Wait::Blocking => std::thread::sleep(pause),
                Wait::OnWorker => worker::sleep(pause).await,
            },
            result => return result,
        }
    }
    read().await
}

/// Runs steps 1 to 7 on the files, and reads them again while a sealer is between its writes.
async fn read_pair_in(pair: &Pair, policy: &Policy, wait: Wait) -> Result<Checked, Error> {
    let read = || async { Checked::read(pair, policy) };
    read_again(wait, read).await
}

/// Like [`read_pair_in`], but blocks this thread while it waits.
pub(crate) fn read_pair(pair: &Pair, policy: &Policy) -> Result<Checked, Error> {
    worker::block_on(read_pair_in(pair, policy, Wait::Blocking))
}

pub(crate) async fn open_pair(
    pair: &Pair,
    policy: &Policy,
    services: &KeyServices,
    wait: Wait,
) -> Result<Opened, Error> {
    let checked = read_pair_in(pair, policy, wait).await?;
    checked.open(policy, services).await.map_err(|error| in_file(error, pair))
}

/// Both files of a pair, after all checks that need no key.
pub(crate) struct Checked {
    pub(crate) file: EncFile,
    pub(crate) key: KeyFile,
    pub(crate) section: Section,
}

impl Checked {
    /// Runs steps 1 to 7. `key` reads the `.key` after the `.enc` has passed its checks. Errors name the files of
    /// `pair`.
    pub(crate) fn new<K: AsRef<[u8]>>(
        enc: &[u8],
        key: impl FnOnce() -> Result<K, Error>,
        policy: &Policy,
        pair: Option<&Pair>,
    ) -> Result<Self, Error> {
        let file = check_enc(enc, policy).map_err(|error| match pair {
            Some(pair) => error.at(pair.enc()),
            None => error,
        })?;
        Self::with_enc(file, key, pair)
    }

    /// Runs steps 1 to 7 on the files. Only a check of signatures needs the text of the `.enc`; without signers, the
    /// file is parsed while it is read.
    fn read(pair: &Pair, policy: &Policy) -> Result<Self, Error> {
        if !policy.signers.is_empty() {
            return Self::new(&pair.read_enc()?, || pair.read_key(), policy, Some(pair));
        }
        let file = pair.parse_enc()?;
        check_header(&file.header, policy).map_err(|error| error.at(pair.enc()))?;
        Self::with_enc(file, || pair.read_key(), Some(pair))
    }

    /// Runs steps 5 to 7.
    fn with_enc<K: AsRef<[u8]>>(
        file: EncFile,
        key: impl FnOnce() -> Result<K, Error>,
        pair: Option<&Pair>,
    ) -> Result<Self, Error> {
        let checked = key().and_then(|key| check_key(&file, key.as_ref()));
        let (key, section) = checked.map_err(|error| match pair {
            Some(pair) => error.at(pair.key()),
            None => error,
        })?;
        Ok(Self { file, key, section })
    }

    /// Runs steps 8 and 9.
    async fn unwrap(&self, policy: &Policy, services: &KeyServices) -> Result<(DataKey, KeyRef), Error> {
        let context = Context::new(&policy.name, &policy.environment, self.section.dek);
        wrapping::unwrap(&self.section, &context, policy, services).await
    }

    /// Runs steps 8 to 15.
    pub(crate) async fn open(self, policy: &Policy, services: &KeyServices) -> Result<Opened, Error> {
        let (dek, unwrapped_by) = self.unwrap(policy, services).await?;
        let commit = self.file.commit;
        self.check_section(&dek)?;
        let (header, plaintext) = open_body(self.file, &dek)?;
        let section = self.section;
        Ok(Opened { plaintext, header, commit, section, dek, unwrapped_by })
    }

    /// Runs steps 8 to 12.
    async fn unlock(self, policy: &Policy, services: &KeyServices) -> Result<Unlocked, Error> {
        let (dek, unwrapped_by) = self.unwrap(policy, services).await?;
        self.check_section(&dek)?;
        envelope::check_commit(&self.file, &dek)?;
        let Self { file, key, section } = self;
        Ok(Unlocked { file, key, section, dek, unwrapped_by })
    }

    /// Runs steps 10 to 15, which need nothing but the data key.
    pub(crate) fn open_with(self, dek: &DataKey) -> Result<(Header, Plaintext), Error> {
        self.check_section(dek)?;
        open_body(self.file, dek)
    }

    /// Runs steps 10 and 11: checks the length of the data key, and the MAC of the section.
    fn check_section(&self, dek: &DataKey) -> Result<(), Error> {
        envelope::check_length(dek, self.file.header.suite)?;
        if !same(&dek.section_mac(&self.key.authenticated(&self.section)), &self.section.mac) {
            return Err(Error::new(
                Kind::KeyMacMismatch,
                "the recipients were changed by someone without the data key",
            )
            .advise("restore the .key from git, and find out who changed it"));
        }
        Ok(())
    }
}

/// Runs steps 12 to 15: decrypts the body, and checks content and outline.
pub(crate) fn open_body(file: EncFile, dek: &DataKey) -> Result<(Header, Plaintext), Error> {
    let (header, plaintext) = envelope::open(file, dek)?;
    envelope::outline::verify(&header, plaintext.expose(), dek)?;
    Ok((header, plaintext))
}

/// Adds the path of the file to an error of steps 5 to 15.
pub(crate) fn in_file(error: Error, pair: &Pair) -> Error {
    let concerns_enc = matches!(
        error.kind(),
        Kind::CommitMismatch | Kind::TagMismatch | Kind::BadPlaintext | Kind::OutlineMismatch | Kind::BadDek
    );
    error.at(if concerns_enc { pair.enc() } else { pair.key() })
}

/// Runs steps 1 to 4: checks that the `.enc` is well formed, matches the policy, and has the signatures that it
/// requires.
pub(crate) fn check_enc(enc: &[u8], policy: &Policy) -> Result<EncFile, Error> {
    let file = EncFile::parse(enc)?;
    check_header(&file.header, policy)?;
    check_signatures(&file, enc, policy)?;
    Ok(file)
}

fn check_header(header: &Header, policy: &Policy) -> Result<(), Error> {
    if (&header.name, &header.environment) != (&policy.name, &policy.environment) {
        let message = format!(
            "the pair is `{}` for environment `{}`, expected `{}` for environment `{}`",
            header.name, header.environment, policy.name, policy.environment
        );
        return Err(Error::new(Kind::IdentityMismatch, message)
            .advise("check ENVCONF_ENV\nif the pair was copied or renamed, seal the plain file for this name and environment"));
    }
    if header.generation < policy.min_generation {
        let message = format!(
            "the pair has generation {}, expected at least {}",
            header.generation, policy.min_generation
        );
        return Err(Error::new(Kind::Rollback, message)
            .advise("deploy the current pair; or lower ENVCONF_MIN_GENERATION to accept this older one"));
    }
    Ok(())
}

fn check_signatures(file: &EncFile, enc: &[u8], policy: &Policy) -> Result<(), Error> {
    if policy.signers.is_empty() {
        return Ok(());
    }
    let valid = signing_key::valid_signatures(file, enc, &policy.signers)?;
    if valid >= policy.required_signatures {
        return Ok(());
    }
    let message = format!("{valid} signatures of trusted signers, {} required", policy.required_signatures);
    Err(Error::new(Kind::SignatureRequired, message)
        .advise("ask a trusted signer to sign the pair: ENVCONF_SIGNERS or the attribute signers lists the trusted signers"))
}

/// Runs steps 5 to 7: checks that the `.key` is well formed, belongs to the `.enc`, and has its data key.
pub(crate) fn check_key(file: &EncFile, key: &[u8]) -> Result<(KeyFile, Section), Error> {
    let key = KeyFile::parse(key)?;
    if (&key.name, &key.environment) != (&file.header.name, &file.header.environment) {
        let message = format!(
            "the .key belongs to `{}` for `{}`, but the .enc belongs to `{}` for `{}`",
            key.name, key.environment, file.header.name, file.header.environment
        );
        return Err(Error::new(Kind::IdentityMismatch, message)
            .advise("restore both files from git: they belong to different pairs"));
    }
    let section = key.section(file.header.dek).cloned().ok_or_else(|| {
        Error::new(
            Kind::DekNotFound,
            format!(
                "the .key file has no section for data key {}, which the .enc file uses",
                file.header.dek
            ),
        )
        .advise("restore both files from the same commit: they come from different seals")
    })?;
    Ok((key, section))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentType, LocalKey, Seal};

    #[test]
    fn only_a_missing_data_key_is_read_again_a_few_times() {
        for (kind, times) in [(Kind::DekNotFound, READ_AGAIN.0 + 1), (Kind::TagMismatch, 1)] {
            let mut reads = 0;
            let result: Result<(), Error> = worker::block_on(read_again(Wait::Blocking, || {
                reads += 1;
                async { Err(Error::new(kind, "no")) }
            }));
            assert_eq!((result.unwrap_err().kind(), reads), (kind, times));
        }
    }

    /// A reader that reads the old `.enc` and the final `.key` of a re-seal reads both again, at every depth.
    #[test]
    fn a_reader_between_two_writes_of_a_sealer_reads_again() {
        for depth in [Depth::Structure, Depth::Unwrap, Depth::Full] {
            let directory = tempfile::tempdir().unwrap();
            let (name, environment) =
                ("app".parse::<crate::Name>().unwrap(), "default".parse::<crate::Name>().unwrap());
            let pair = Pair::new(directory.path(), &name, &environment);
            let key = LocalKey::generate().unwrap();
            let services = KeyServices::none().local_key(key.clone());
            let seal = Seal::new(name.clone(), environment.clone(), ContentType::Raw)
                .recipient(key.key_ref().clone());
            let (enc, key) = seal.seal_bytes(b"new", &services).unwrap();
            let (old, _) = seal.seal_bytes(b"old", &services).unwrap();
            std::fs::write(pair.enc(), old).unwrap();
            std::fs::write(pair.key(), key).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(READ_AGAIN.1 / 2);
                    std::fs::write(directory.path().join("enc"), enc).unwrap();
                    std::fs::rename(directory.path().join("enc"), pair.enc()).unwrap();
                });
                verify(&pair, &Policy::new(name, environment), &services, depth).unwrap();
            });
        }
    }
}
