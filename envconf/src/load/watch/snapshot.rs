//! A snapshot of all files of a configuration at one time, and the configuration that they contain.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::base::{Error, Kind, Variables};
use crate::layers::{Environment, env};
use crate::load::EncryptedConfig;
use crate::load::loader::{LoadPlan, Loaded, Loader, Texts};
use crate::pair::{Checked, Pair, Plain, open};

/// A fingerprint of one version of the files: a hash of all their bytes, or of the reason why they cannot be read.
pub(super) type Print = [u8; 32];

/// The paths of the files.
pub(super) struct WatchedFiles {
    pair: Pair,
    plain: Vec<PathBuf>,
    /// The files that `_FILE` variables name.
    values: Vec<PathBuf>,
}

impl WatchedFiles {
    pub(super) fn of<T: EncryptedConfig>(plan: &LoadPlan, variables: &Variables) -> Self {
        let meta = const { &T::META };
        let values = Environment::new(variables, meta.env_prefix).files(meta);
        Self { pair: plan.pair.clone(), plain: plan.plain_files(), values }
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let pair = [self.pair.enc(), self.pair.key()].into_iter();
        pair.chain(self.plain.iter().chain(&self.values).map(PathBuf::as_path))
    }

    /// Reads the files. A file that cannot be read becomes part of the snapshot, too.
    pub(super) fn read(&self, plan: &LoadPlan) -> Snapshot {
        let plain = Plain::beside(&self.pair, &plan.policy.name, &plan.policy.environment);
        let (enc, key) = (self.pair.read_enc(), self.pair.read_key());
        let mut print = Sha256::new();
        for file in [&enc, &key] {
            match file {
                Ok(bytes) => add(&mut print, bytes),
                Err(error) => add_unread(&mut print, error),
            }
        }
        match &plain {
            Ok(plain) => plain.iter().map(Plain::parts).for_each(|(file, text)| {
                add(&mut print, file.as_os_str().as_encoded_bytes());
                add(&mut print, text.as_bytes());
            }),
            Err(error) => add_unread(&mut print, error),
        }
        for file in &self.values {
            match env::read_bounded(file) {
                Ok(value) => add(&mut print, &value),
                Err(complaint) => add_unread(&mut print, &complaint),
            }
        }
        Snapshot { enc, key, plain, print: print.finalize().into() }
    }
}

/// Adds a part, with its length, so that no other sequence of parts has the same fingerprint.
fn add(print: &mut Sha256, bytes: &[u8]) {
    print.update([0]);
    print.update((bytes.len() as u64).to_le_bytes());
    print.update(bytes);
}

/// Adds the reason why a file cannot be read.
fn add_unread(print: &mut Sha256, why: &dyn Debug) {
    print.update([1]);
    add(print, format!("{why:?}").as_bytes());
}

pub(super) struct Snapshot {
    enc: Result<Vec<u8>, Error>,
    key: Result<Vec<u8>, Error>,
    plain: Result<Vec<Plain>, Error>,
    pub(super) print: Print,
}

impl Snapshot {
    /// Returns the configuration, and the generation of its pair.
    ///
    /// # Errors
    /// The errors of `Loader::load`.
    pub(super) async fn load<T: EncryptedConfig>(
        self,
        loader: &Loader<T>,
        plan: &LoadPlan,
    ) -> Result<(Loaded<T>, u64), Error> {
        let (plain, enc) = (self.plain?, self.enc?);
        let checked = Checked::new(&enc, || self.key, &plan.policy, Some(&plan.pair))?;
        let opened = checked.open(&plan.policy, &plan.services).await;
        let opened = opened.map_err(|error| open::in_file(error, &plan.pair))?;
        let generation = opened.header().generation;
        let config = loader.build_traced(plan, &Texts { plain, opened })?;
        Ok((config, generation))
    }
}

/// Returns true if the error may disappear while the files stay as they are: a key service does not answer or refuses,
/// a local key is missing, or the second file of a pair is late.
pub(super) fn may_pass(error: &Error) -> bool {
    let by_keys = [Kind::UnwrapFailed, Kind::NoTrustedRecipient, Kind::BadLocalKey, Kind::InsecureKeyFile];
    may_be_half_done(error) || error.kind() == Kind::Io || by_keys.contains(&error.kind())
}

/// Returns true if a reader between two writes of a slow writer meets this error.
pub(super) fn may_be_half_done(error: &Error) -> bool {
    match error.kind() {
        Kind::Io => error.path().is_some_and(|path| !path.exists()),
        kind => matches!(kind, Kind::DekNotFound | Kind::Truncated),
    }
}
