//! Rewraps a pair: wraps the same data key for other recipients; only the `.key` changes (format.md §5; api.md §4).
//!
//! A change of the recipients needs the data key, to check that the old list is authentic and to authenticate the new
//! one. If a key service can re-encrypt a wrapped key, envconf uses this: the user then needs no permission to wrap.

use std::time::Instant;

use super::files::Pair;
use super::lock::{self, Lock};
use super::open::{self, Opened, Unlocked};
use super::policy::{Policy, Trusted};
use super::{seal, wrapping};
use crate::base::{Error, Fault, KeyRef, Kind, key_ref, same};
use crate::envelope::DataKey;
use crate::format::{EncFile, KeyFile, MAX_RECIPIENTS, Recipient, Section};
use crate::kms::{Context, KeyServices, WrappedKey, worker};

/// The settings for wrapping the data key of a pair for other recipients.
///
/// ```no_run
/// use envconf::pair::Rewrap;
/// use envconf::{KeyRef, KeyServices, Pair, Policy, Trusted};
///
/// # fn main() -> Result<(), envconf::Error> {
/// let (name, environment) = ("app".parse()?, "prod".parse()?);
/// let pair = Pair::new("config", &name, &environment);
/// let (old, new): (KeyRef, KeyRef) = ("tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01".parse()?,
///     "tencent:ap-guangzhou:71b03ac8-1e38-11e9-b129-5cb9019b4b01".parse()?);
/// let policy = Policy::new(name, environment).trust([Trusted::Key(old)]);
/// let rewrapped = Rewrap::new(policy).recipient(new).rewrap(&pair, &KeyServices::from_environment(".")?)?;
/// for key in rewrapped.removed() {
///     println!("{key} still unwraps this data key from older commits");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Rewrap {
    policy: Policy,
    recipients: Vec<KeyRef>,
    renew: bool,
}

/// The result of rewrapping.
#[derive(Clone, Debug)]
pub struct Rewrapped {
    recipients: Vec<(KeyRef, HowWrapped)>,
    removed: Vec<KeyRef>,
    unproved: Vec<KeyRef>,
    written: bool,
}

/// The way in which the data key was wrapped for a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HowWrapped {
    /// Unchanged: the wrapped key is the same, byte for byte.
    Already,
    /// Re-encrypted inside the key service, from another of its keys or from an older version of the same key.
    Moved,
    /// Wrapped again, after an old recipient unwrapped the data key.
    Wrapped,
    /// Not wrapped yet: [`Rewrap::plan`] reports that this recipient needs it.
    Planned,
}

impl Rewrapped {
    /// Returns the new recipients, in their order.
    pub fn recipients(&self) -> &[(KeyRef, HowWrapped)] {
        &self.recipients
    }

    /// Returns the recipients that were removed. They can still unwrap this data key from an older `.key`. If they
    /// must not, seal under a new data key.
    pub fn removed(&self) -> &[KeyRef] {
        &self.removed
    }

    /// Returns the new recipients that were not tested, because this process may not unwrap with them.
    pub fn unproved(&self) -> &[KeyRef] {
        &self.unproved
    }

    /// Returns true if the `.key` was replaced, or if [`Rewrap::rewrap_bytes`] changed it; false if nothing changed,
    /// and for [`Rewrap::plan`].
    pub fn is_written(&self) -> bool {
        self.written
    }
}

impl Rewrap {
    /// Returns settings without recipients. `policy` is the policy for opening the old section. Add recipients before
    /// you rewrap.
    pub fn new(policy: Policy) -> Self {
        Self { policy, recipients: Vec::new(), renew: false }
    }

    /// Adds a recipient.
    #[must_use]
    pub fn recipient(mut self, key: KeyRef) -> Self {
        if !self.recipients.contains(&key) {
            self.recipients.push(key);
        }
        self
    }

    /// Moves the wrapped keys of recipients that stay to the newest versions of their keys, if their services have
    /// versions. A Vault key needs this before its old versions can be retired.
    #[must_use]
    pub fn renew(mut self) -> Self {
        self.renew = true;
        self
    }

    /// Rewraps `pair`. Blocks the thread. Works inside and outside an async runtime.
    ///
    /// The wrapped keys of recipients that stay are kept byte for byte, unless [`Rewrap::renew`] is set. Each new
    /// wrapped key is unwrapped again before anything is replaced, if that is allowed. After an error the pair is
    /// unchanged.
    ///
    /// # Errors
    /// [`Kind::Usage`] without recipients, and for an alias; the errors of [`verify`](crate::verify) for the old pair;
    /// [`Kind::UnwrapFailed`] if a key service does not answer or does not wrap; [`Kind::Io`] for a file that cannot
    /// be read or written, and for a link in the place of one.
    pub fn rewrap(&self, pair: &Pair, services: &KeyServices) -> Result<Rewrapped, Error> {
        self.rewrap_if(pair, services, |_| Ok(()))
    }

    /// Like [`Rewrap::rewrap`], but first calls `confirm` with the recipients that the old section does not have.
    ///
    /// # Errors
    /// The errors of [`Rewrap::rewrap`], and the error of `confirm`.
    pub fn rewrap_if(
        &self,
        pair: &Pair,
        services: &KeyServices,
        confirm: impl FnOnce(&[KeyRef]) -> Result<(), Error>,
    ) -> Result<Rewrapped, Error> {
        self.check()?;
        pair.refuse_links()?;
        let old = open::unlock(pair, &self.policy, services)?;
        let added = self.added(&old);
        if !added.is_empty() {
            confirm(&added)?;
        }
        self.replace(pair, &old, services)
    }

    /// Like [`Rewrap::rewrap`], for a pair that was opened before: no key service unwraps the old data key again.
    ///
    /// # Errors
    /// The errors of [`Rewrap::rewrap`], and [`Kind::Differences`] if the pair was sealed or rewrapped after it was
    /// opened.
    pub fn rewrap_over(
        &self,
        pair: &Pair,
        opened: &Opened,
        services: &KeyServices,
    ) -> Result<Rewrapped, Error> {
        self.check()?;
        let file = EncFile::parse(&pair.read_enc()?).map_err(|error| error.at(pair.enc()))?;
        let (key, section) =
            open::check_key(&file, &pair.read_key()?).map_err(|error| error.at(pair.key()))?;
        if file.commit != opened.commit || file.header != opened.header || section != opened.section {
            return Err(lock::pair_changed(pair));
        }
        let (dek, unwrapped_by) = (opened.dek.clone(), opened.unwrapped_by.clone());
        self.replace(pair, &Unlocked { file, key, section, dek, unwrapped_by }, services)
    }

    /// Replaces the `.key`, if the pair still is the one that was unlocked.
    fn replace(&self, pair: &Pair, old: &Unlocked, services: &KeyServices) -> Result<Rewrapped, Error> {
        let (key, done) = worker::block_on(self.new_key_file(old, services))?;
        if done.written {
            // Take the lock only after the key services have answered.
            let _lock = Lock::of(pair)?;
            let enc = EncFile::parse(&pair.read_enc()?).map_err(|error| error.at(pair.enc()))?;
            if enc.commit != old.file.commit || pair.read_key()? != old.key.emit() {
                return Err(lock::pair_changed(pair));
            }
            pair.replace_key(&key)?;
        }
        Ok(done)
    }

    /// Returns the changes that [`Rewrap::rewrap`] would make. Opens the old section, but wraps and writes nothing.
    /// Blocks the thread.
    ///
    /// # Errors
    /// The errors of [`verify`](crate::verify) for the pair; [`Kind::Usage`] without recipients, and for an alias.
    pub fn plan(&self, pair: &Pair, services: &KeyServices) -> Result<Rewrapped, Error> {
        self.check()?;
        let old = open::unlock(pair, &self.policy, services)?;
        let how = |key: &KeyRef| match blob_of(&old.section, key) {
            Some(_) if !self.renew || key.provider() == key_ref::LOCAL_PROVIDER => HowWrapped::Already,
            _ => HowWrapped::Planned,
        };
        Ok(Rewrapped {
            recipients: self.recipients.iter().map(|key| (key.clone(), how(key))).collect(),
            removed: self.removed(&old),
            unproved: Vec::new(),
            written: false,
        })
    }

    /// Returns the new `.key` for a pair given as the bytes of its two files.
    ///
    /// # Errors
    /// The errors of [`Rewrap::rewrap`], except [`Kind::Io`].
    pub fn rewrap_bytes(
        &self,
        enc: &[u8],
        key: &[u8],
        services: &KeyServices,
    ) -> Result<(Vec<u8>, Rewrapped), Error> {
        self.check()?;
        let old = open::unlock_bytes(enc, key, &self.policy, services)?;
        worker::block_on(self.new_key_file(&old, services))
    }

    fn check(&self) -> Result<(), Error> {
        if self.recipients.is_empty() {
            return Err(Error::new(Kind::Usage, "no recipient was given")
                .advise("name at least one key that can unwrap"));
        }
        if self.recipients.len() > MAX_RECIPIENTS {
            return Err(Error::new(Kind::Usage, format!("more than {MAX_RECIPIENTS} recipients")));
        }
        self.recipients.iter().try_for_each(|key| key.refuse_alias("the recipient"))
    }

    fn added(&self, old: &Unlocked) -> Vec<KeyRef> {
        self.recipients.iter().filter(|key| blob_of(&old.section, key).is_none()).cloned().collect()
    }

    fn removed(&self, old: &Unlocked) -> Vec<KeyRef> {
        let keys = old.section.recipients.iter().map(|recipient| &recipient.key);
        keys.filter(|key| !self.recipients.contains(key)).cloned().collect()
    }

    /// Returns the new `.key` for the old data key, and how it was wrapped.
    async fn new_key_file(
        &self,
        old: &Unlocked,
        services: &KeyServices,
    ) -> Result<(Vec<u8>, Rewrapped), Error> {
        let is_public = |key: &KeyRef| !services.authenticates(key.provider());
        if old.file.signatures.is_empty() && self.recipients.iter().all(is_public) {
            let message = "all recipients would be public keys and the pair has no signature, so no reader could open it";
            return Err(Error::new(Kind::SignatureRequired, message)
                .advise("sign the pair first; or keep a recipient that authenticates, such as a local key"));
        }
        let context = Context::new(&old.key.name, &old.key.environment, old.section.dek);
        let local_keys = seal::local_keys(&self.recipients, services).await?;
        let until = Instant::now() + services.time_limit();
        let mut recipients = Vec::with_capacity(self.recipients.len());
        let mut how = Vec::with_capacity(self.recipients.len());
        let mut unproved = Vec::new();
        for key in &self.recipients {
            let (blob, made) = match blob_of(&old.section, key) {
                Some(blob) if self.renew => {
                    match renewed(key, blob, &context, services, until)
                        .await?
                        .filter(|new| new.as_str() != blob)
                    {
                        Some(wrapped) => (wrapped.as_str().to_owned(), HowWrapped::Moved),
                        None => (blob.to_owned(), HowWrapped::Already),
                    }
                }
                Some(blob) => (blob.to_owned(), HowWrapped::Already),
                None => match moved(&old.section, key, &context, services, until).await? {
                    Some(wrapped) => (wrapped.as_str().to_owned(), HowWrapped::Moved),
                    None => {
                        let wrapped =
                            wrapping::wrap(key, &local_keys, &old.dek, &context, services, until).await?;
                        (wrapped.as_str().to_owned(), HowWrapped::Wrapped)
                    }
                },
            };
            recipients.push(Recipient { key: key.clone(), blob });
            how.push((key.clone(), made));
        }
        let section =
            seal::section(&old.key.name, &old.key.environment, old.section.dek, &recipients, &old.dek);
        // Keep the sections of other data keys: a sealer may be between two of its writes.
        let sections: Vec<_> = old
            .key
            .sections
            .iter()
            .map(|other| match other.dek == old.section.dek {
                true => section.clone(),
                false => old.key.verbatim(other).to_vec(),
            })
            .collect();
        let bytes = KeyFile::assemble(&old.key.name, &old.key.environment, &sections);
        let services = local_keys.into_iter().fold(services.clone(), KeyServices::local_key);
        let (_, new) = open::check_key(&old.file, &bytes)?;
        for (key, _) in how.iter().filter(|(_, how)| *how != HowWrapped::Already) {
            if !self.proves(&new, key, &context, &old.dek, &services).await? {
                unproved.push(key.clone());
            }
        }
        let removed = self.removed(old);
        let written = section != old.key.verbatim(&old.section);
        Ok((bytes, Rewrapped { recipients: how, removed, unproved, written }))
    }

    /// Returns true if a new recipient unwraps to the same data key; false if this process may not unwrap with it.
    async fn proves(
        &self,
        section: &Section,
        key: &KeyRef,
        context: &Context,
        dek: &DataKey,
        services: &KeyServices,
    ) -> Result<bool, Error> {
        let policy = Policy { trust: Some(vec![Trusted::Key(key.clone())]), ..self.policy.clone() };
        match wrapping::unwrap(section, context, &policy, services).await {
            Ok((unwrapped, _)) if same(unwrapped.expose(), dek.expose()) => Ok(true),
            Ok(_) => Err(Error::new(
                Kind::Unexpected,
                format!("{key} unwraps to a different data key than the wrapped one; nothing was written"),
            )),
            Err(error)
                if error.kind() == Kind::SignatureRequired || error.fault() == Some(Fault::Refused) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn blob_of<'a>(section: &'a Section, key: &KeyRef) -> Option<&'a str> {
    section.recipients.iter().find(|recipient| recipient.key == *key).map(|recipient| recipient.blob.as_str())
}

/// Returns the wrapped key, moved by its service to the newest version of the same key; `None` if the service has no
/// versions.
async fn renewed(
    key: &KeyRef,
    blob: &str,
    context: &Context,
    services: &KeyServices,
    until: Instant,
) -> Result<Option<WrappedKey>, Error> {
    let Some(kms) = wrapping::service_of(key, services)? else { return Ok(None) };
    let Some(wrapped) = WrappedKey::new(blob) else { return Ok(None) };
    let (owned, context) = (key.clone(), context.clone());
    let job = async move { kms.rewrap(&owned, &wrapped, &owned, &context).await };
    wrapping::timed(key, until, job).await.map_err(|attempt| {
        Error::service_failed(
            "the wrapped key was not moved to the newest version of its key; nothing was written",
            attempt,
        )
    })
}

/// Returns the wrapped key for `key`, re-encrypted by its service from another of its keys; `None` if that is
/// impossible or not allowed.
async fn moved(
    old: &Section,
    key: &KeyRef,
    context: &Context,
    services: &KeyServices,
    until: Instant,
) -> Result<Option<WrappedKey>, Error> {
    let Some(kms) = wrapping::service_of(key, services)? else { return Ok(None) };
    let candidates = old.recipients.iter().filter(|old| old.key.provider() == key.provider());
    for from in candidates {
        let Some(wrapped) = WrappedKey::new(from.blob.clone()) else { continue };
        let (kms, from, to, context) = (kms.clone(), from.key.clone(), key.clone(), context.clone());
        let job = async move { kms.rewrap(&from, &wrapped, &to, &context).await };
        match wrapping::timed(key, until, job).await {
            Ok(Some(moved)) => return Ok(Some(moved)),
            Ok(None) => {}
            // Without the right to re-encrypt, wrap the data key in this process.
            Err(attempt) if attempt.fault() != Fault::Transient => {}
            Err(attempt) => {
                return Err(Error::service_failed(
                    "the data key was not wrapped again; nothing was written",
                    attempt,
                ));
            }
        }
    }
    Ok(None)
}
