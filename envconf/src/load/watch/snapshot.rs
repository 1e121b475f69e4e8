//! A snapshot of all files of a configuration at one time, and the configuration that they contain.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::base::{Error, Kind, Variables};
use crate::layers::{Environment, env};
use crate::load::EncryptedConfig;
use crate::load::loader::{LoadPlan, Loaded, Loader, Texts};
use crate::pair::{Checked, Pair, PlainLayer, open};

/// A fingerprint of one version of the files: a hash of all their bytes, or of the reason why they cannot be read.
pub(super) type Fingerprint = [u8; 32];

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

    /// Reads the files. The error of a file that cannot be read is part of the snapshot.
    pub(super) fn read(&self, plan: &LoadPlan) -> Snapshot {
        let plain = PlainLayer::beside(&self.pair, &plan.policy.name, &plan.policy.environment);
        let (enc, key) = (self.pair.read_enc(), self.pair.read_key());
        let mut fingerprint = Sha256::new();
        for file in [&enc, &key] {
            match file {
                Ok(bytes) => add(&mut fingerprint, bytes),
                Err(error) => add_unread(&mut fingerprint, error),
            }
        }
        match &plain {
            Ok(plain) => plain.iter().map(PlainLayer::parts).for_each(|(file, text)| {
                add(&mut fingerprint, file.as_os_str().as_encoded_bytes());
                add(&mut fingerprint, text.as_bytes());
            }),
            Err(error) => add_unread(&mut fingerprint, error),
        }
        for file in &self.values {
            match env::read_bounded(file) {
                Ok(value) => add(&mut fingerprint, &value),
                Err(complaint) => add_unread(&mut fingerprint, &complaint),
            }
        }
        Snapshot { enc, key, plain, fingerprint: fingerprint.finalize().into() }
    }
}

/// Adds a part, with its length, so that no other sequence of parts has the same fingerprint.
fn add(fingerprint: &mut Sha256, bytes: &[u8]) {
    fingerprint.update([0]);
    fingerprint.update((bytes.len() as u64).to_le_bytes());
    fingerprint.update(bytes);
}

/// Adds the reason why a file cannot be read.
fn add_unread(fingerprint: &mut Sha256, why: &dyn Debug) {
    fingerprint.update([1]);
    add(fingerprint, format!("{why:?}").as_bytes());
}

pub(super) struct Snapshot {
    enc: Result<Vec<u8>, Error>,
    key: Result<Vec<u8>, Error>,
    plain: Result<Vec<PlainLayer>, Error>,
    pub(super) fingerprint: Fingerprint,
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
        let config = loader.build_with_origins(plan, &Texts { plain, opened })?;
        Ok((config, generation))
    }
}

/// Returns true if a retry may succeed: a key service failed, a local key is missing or unusable, a file cannot be
/// read, or the pair is only half written.
pub(super) fn may_be_temporary(error: &Error) -> bool {
    let by_keys = [Kind::UnwrapFailed, Kind::NoTrustedRecipient, Kind::BadLocalKey, Kind::InsecureKeyFile];
    may_be_half_done(error) || error.kind() == Kind::Io || by_keys.contains(&error.kind())
}

/// Returns true if a half-written pair can cause this error.
pub(super) fn may_be_half_done(error: &Error) -> bool {
    match error.kind() {
        Kind::Io => error.path().is_some_and(|path| !path.exists()),
        kind => matches!(kind, Kind::DekNotFound | Kind::Truncated),
    }
}
