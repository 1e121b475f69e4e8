//! Seals a configuration: encrypts it under a data key, and wraps this key for the recipients (format.md §4; api.md
//! §4).

mod old_pair;
mod planned;
mod sealed;

use std::time::{SystemTime, UNIX_EPOCH};

pub use self::old_pair::OldPair;
use self::old_pair::{OpenedParts, ReplacedPair, section_of};
use self::planned::{NewFiles, Planned};
pub use self::sealed::{Check, DataKeyUse, Sealed};
use super::content::{check_content, check_dotenv, not_utf8};
use super::files::Pair;
use super::lock::{self, Lock};
use super::open::{self, Checked, Opened, Wait};
use super::plain_layer::PlainLayer;
use super::policy::{Policy, Trusted};
use super::wrapping;
use crate::base::{Error, Fault, KeyRef, Kind, Remedy};
use crate::envelope::{self, DataKey, SigningKey, outline};
use crate::format::Outline;
use crate::format::{
    ContentType, EncFile, Header, Id, KeyFile, MAX_GENERATION, MAX_RECIPIENTS, Name, Recipient, Section,
    Suite, Timestamp,
};
use crate::kms::{Context, KeyServices, LocalKey, worker};
use crate::layers::{Layer, LayerKind};
use crate::schema::Schema;

/// The settings of a seal: the configuration, its recipients and the form of the files.
///
/// ```no_run
/// use envconf::{ContentType, KeyServices, LocalKey, Pair, Seal};
///
/// # fn main() -> Result<(), envconf::Error> {
/// let key = LocalKey::read("/run/secrets/app.key".as_ref())?;
/// let (name, environment) = ("app".parse()?, "default".parse()?);
/// let pair = Pair::new("config", &name, &environment);
/// let services = KeyServices::from_environment("config")?.local_key(key.clone());
/// let sealed = Seal::new(name, environment, ContentType::Toml)
///     .recipient(key.key_ref().clone())
///     .seal(&pair, b"port = 8080\n", &services)?;
/// println!("generation {}", sealed.generation());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Seal {
    name: Name,
    environment: Name,
    content_type: ContentType,
    suite: Suite,
    recipients: Vec<KeyRef>,
    outline: Outline,
    sealed_at: bool,
    signers: Vec<SigningKey>,
    old: Option<Policy>,
    new_data_key: bool,
    schema: Option<Schema>,
    unsigned: bool,
    above_generation: Option<u64>,
    as_is: bool,
}

impl Seal {
    /// Returns the settings for content of this type, name and environment. Add recipients before you seal.
    pub fn new(name: Name, environment: Name, content_type: ContentType) -> Self {
        Self {
            name,
            environment,
            content_type,
            suite: Suite::default(),
            recipients: Vec::new(),
            outline: Outline::None,
            sealed_at: false,
            signers: Vec::new(),
            old: None,
            new_data_key: false,
            schema: None,
            unsigned: false,
            above_generation: None,
            as_is: false,
        }
    }

    /// Returns the settings of `opened`: the same identity, recipients, type and suite, with an outline and a time of
    /// sealing if it has them. Signatures are not repeated: sign again, or use [`Seal::unsigned`].
    pub fn again(opened: &Opened) -> Self {
        let header = &opened.header;
        let hidden = header.outline.iter().filter(|line| line.tag.is_none());
        let hide: Vec<String> = hidden.map(|line| line.path.clone()).collect();
        let outline = match header.outline.len() {
            0 => Outline::None,
            all if all == hide.len() => Outline::Keys,
            _ => Outline::Tags { hide },
        };
        Self {
            suite: header.suite,
            recipients: opened.recipients().cloned().collect(),
            outline,
            sealed_at: header.sealed_at.is_some(),
            ..Self::new(header.name.clone(), header.environment.clone(), header.content_type)
        }
    }

    /// Adds a recipient.
    #[must_use]
    pub fn recipient(mut self, key: KeyRef) -> Self {
        if !self.recipients.contains(&key) {
            self.recipients.push(key);
        }
        self
    }

    /// Replaces the recipients that were added before by these.
    #[must_use]
    pub fn recipients(mut self, keys: impl IntoIterator<Item = KeyRef>) -> Self {
        self.recipients.clear();
        keys.into_iter().fold(self, Self::recipient)
    }

    /// Sets the cipher; the default is AES-256-GCM.
    #[must_use]
    pub fn suite(mut self, suite: Suite) -> Self {
        self.suite = suite;
        self
    }

    /// Adds an outline for reviewers (format.md §7).
    #[must_use]
    pub fn outline(mut self, outline: Outline) -> Self {
        self.outline = outline;
        self
    }

    /// Sets whether the header contains the time of sealing; the default is false.
    #[must_use]
    pub fn sealed_at(mut self, write: bool) -> Self {
        self.sealed_at = write;
        self
    }

    /// Signs the new pair. Call it once for each signer.
    #[must_use]
    pub fn sign(mut self, signer: SigningKey) -> Self {
        self.signers.push(signer);
        self
    }

    /// Allows a signed pair to become an unsigned one. Otherwise sealing over a signed pair needs a signer.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.unsigned = true;
        self
    }

    /// Accepts dotenv content with lines that other tools read differently ([`check_dotenv`]), and keeps them byte for
    /// byte. Has no effect on content of other types.
    #[must_use]
    pub fn as_is(mut self) -> Self {
        self.as_is = true;
        self
    }

    /// Seals under a new data key, also if the old one could stay.
    #[must_use]
    pub fn new_data_key(mut self) -> Self {
        self.new_data_key = true;
        self
    }

    /// Seals with a generation above this one, also if there is no old pair, or an older one.
    #[must_use]
    pub fn above_generation(mut self, generation: u64) -> Self {
        self.above_generation = Some(generation);
        self
    }

    /// Opens an old pair with this policy, instead of trusting the recipients and local keys of this seal.
    #[must_use]
    pub fn trust_for_old(mut self, policy: Policy) -> Self {
        self.old = Some(policy);
        self
    }

    /// Validates the content, together with the plain layers beside the pair, against this schema.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Seals `content` into `pair`. Blocks the thread. Works inside and outside an async runtime.
    ///
    /// An existing pair keeps its data key if it opens and has the wanted recipients and suite; otherwise the new pair
    /// has a new data key. The generation rises by one (api.md §4). The new pair is opened before anything is replaced.
    /// After an error the old pair is unchanged.
    ///
    /// # Errors
    /// [`Kind::Usage`] without recipients. [`Kind::DoesNotFit`] for content that does not parse, that the schema
    /// rejects, or that other dotenv readers read differently. This error lists every problem; envconf asks no key
    /// service and writes nothing. [`Kind::SignatureRequired`] without a signer if the old pair is signed, or if all
    /// recipients are public keys (class P of format.md §6). [`Kind::UnwrapFailed`] if a key service does not answer.
    /// The errors of opening the old pair. [`Kind::Io`] for a file that cannot be read or written, and for a link in
    /// the place of one.
    pub fn seal(&self, pair: &Pair, content: &[u8], services: &KeyServices) -> Result<Sealed, Error> {
        self.seal_if(pair, content, services, |_, _| Ok(()))
    }

    /// Like [`Seal::seal`], but first calls `confirm` with the recipients that the old pair does not authenticate.
    /// `confirm` is not called if the old pair opened and has all of them.
    ///
    /// # Errors
    /// The errors of [`Seal::seal`], and the error of `confirm`.
    pub fn seal_if(
        &self,
        pair: &Pair,
        content: &[u8],
        services: &KeyServices,
        confirm: impl FnOnce(&[KeyRef], OldPair) -> Result<(), Error>,
    ) -> Result<Sealed, Error> {
        self.check(pair, content, b"")?;
        self.check_signed(services)?;
        let _lock = Lock::of(pair)?;
        let (old, lost) = self.read_old(pair, services)?;
        let added: Vec<KeyRef> = self.recipients.iter().filter(|key| !old.has(key)).cloned().collect();
        if !added.is_empty() || old.state() != OldPair::Opened {
            confirm(&added, old.state())?;
        }
        let planned = worker::block_on(self.plan(pair, content, services, old))?;
        planned.write(pair).map(|sealed| Sealed { lost, ..sealed })
    }

    /// Like [`Seal::seal`], for a pair that was opened before: no key service unwraps the old data key again. Dotenv
    /// lines that the old content has are not checked again ([`Seal::as_is`]).
    ///
    /// # Errors
    /// The errors of [`Seal::seal`], and [`Kind::Differences`] if the pair was sealed after it was opened.
    pub fn seal_over(
        &self,
        pair: &Pair,
        opened: &Opened,
        content: &[u8],
        services: &KeyServices,
    ) -> Result<Sealed, Error> {
        self.check(pair, content, opened.content())?;
        self.check_signed(services)?;
        let (enc, key) = (pair.read_enc()?, pair.read_key()?);
        let file = EncFile::parse(&enc).map_err(|error| error.at(pair.enc()))?;
        let (key_file, section) = open::check_key(&file, &key).map_err(|error| error.at(pair.key()))?;
        // The commitment differs for each seal and each header, so it identifies the old file.
        if file.commit != opened.commit || section != opened.section {
            return Err(lock::pair_changed(pair));
        }
        let lost = self.check_old(&file).map_err(|error| error.at(pair.enc()))?;
        let old = ReplacedPair::Verified(Box::new(OpenedParts::of(opened, &key_file)));
        let planned = worker::block_on(self.plan(pair, content, services, old))?;
        // Take the lock only after the key services have answered.
        let _lock = Lock::of(pair)?;
        if (pair.read_enc()?, pair.read_key()?) != (enc, key) {
            return Err(lock::pair_changed(pair));
        }
        planned.write(pair).map(|sealed| Sealed { lost, ..sealed })
    }

    /// Returns the bytes of a new pair's two files, `.enc` first, with a new data key and generation 1.
    ///
    /// # Errors
    /// The errors of [`Seal::seal`], except [`Kind::Io`].
    pub fn seal_bytes(&self, content: &[u8], services: &KeyServices) -> Result<(Vec<u8>, Vec<u8>), Error> {
        self.check_content(content, b"")?;
        self.check_by_schema(content, &[])?;
        self.check_signed(services)?;
        worker::block_on(async {
            let made = self.with_new_key(content, 1, services).await?;
            Ok((made.enc, made.key))
        })
    }

    /// Checks everything that needs no key. `old` is the content that was sealed before; its dotenv lines are accepted.
    fn check(&self, pair: &Pair, content: &[u8], old: &[u8]) -> Result<(), Error> {
        self.check_content(content, old)?;
        if self.schema.is_some() {
            self.check_by_schema(content, &PlainLayer::beside(pair, &self.name, &self.environment)?)?;
        }
        pair.refuse_links()
    }

    /// Checks the recipients, the outline, and the content for its type. `old` is the content that was sealed before.
    fn check_content(&self, content: &[u8], old: &[u8]) -> Result<(), Error> {
        if self.recipients.is_empty() {
            return Err(Error::new(Kind::Usage, "no recipient was given")
                .advise("name at least one key that can unwrap"));
        }
        if self.recipients.len() > MAX_RECIPIENTS {
            return Err(Error::new(Kind::Usage, format!("more than {MAX_RECIPIENTS} recipients")));
        }
        self.recipients.iter().try_for_each(|key| key.refuse_alias("the recipient"))?;
        if self.outline != Outline::None && !self.content_type.has_outline() {
            let ty = self.content_type.name();
            return Err(Error::new(Kind::Usage, format!("content of type {ty} cannot have an outline")));
        }
        if self.content_type == ContentType::Dotenv && !self.as_is {
            check_dotenv(content, old)?;
        }
        check_content(content, self.content_type)
    }

    /// Rejects an unsigned pair whose recipients are all of class P, because readers reject it too (format.md §4).
    fn check_signed(&self, services: &KeyServices) -> Result<(), Error> {
        let is_signed = !self.signers.is_empty() || self.unsigned;
        if is_signed || self.recipients.iter().any(|key| services.authenticates(key.provider())) {
            return Ok(());
        }
        let providers: Vec<&str> = self.recipients.iter().map(KeyRef::provider).collect();
        let message = format!(
            "all recipients are public keys ({}), to which anyone can encrypt: the pair must be signed",
            providers.first().copied().unwrap_or_default()
        );
        Err(Error::new(Kind::SignatureRequired, message).advise_to_set(
            Remedy::SigningKeyForPublicKeys,
            "sign it (Seal::sign); or seal it unsigned (Seal::unsigned), and have it signed before it is deployed",
        ))
    }

    /// Checks that the application accepts the content together with these plain layers.
    fn check_by_schema(&self, content: &[u8], plain: &[PlainLayer]) -> Result<(), Error> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let text = std::str::from_utf8(content).map_err(|error| {
            Error::does_not_fit("the content", vec![not_utf8(content, error.valid_up_to())])
        })?;
        let layer = Layer { file: None, kind: LayerKind::ToSeal, content_type: self.content_type, text };
        let layers: Vec<Layer<'_>> = plain.iter().map(PlainLayer::layer).chain([layer]).collect();
        schema.check(&format!("{} for {}", self.name, self.environment), &layers)
    }

    /// Checks that this seal may replace the old file. Returns the signers of the old file that do not sign the new
    /// one.
    fn check_old(&self, old: &EncFile) -> Result<Vec<Id>, Error> {
        self.check_identity(&old.header.name, &old.header.environment)?;
        self.lost_signers(old)
    }

    /// Returns the signers of the old file that do not sign the new one.
    ///
    /// # Errors
    /// [`Kind::SignatureRequired`] if nobody signs the new file, unless [`Seal::unsigned`] allows that.
    fn lost_signers(&self, old: &EncFile) -> Result<Vec<Id>, Error> {
        let new: Vec<Id> = self.signers.iter().map(|signer| signer.public().id()).collect();
        let old = old.signatures.iter().map(|signature| signature.signer);
        let lost: Vec<Id> = old.filter(|id| !new.contains(id)).collect();
        if lost.is_empty() || !new.is_empty() || self.unsigned {
            return Ok(lost);
        }
        let by: Vec<_> = lost.iter().map(Id::to_string).collect();
        let message = format!("the old pair is signed by {}, the new pair has no signature", by.join(" "));
        Err(Error::new(Kind::SignatureRequired, message).advise_to_set(
            Remedy::SigningKeyOrUnsigned,
            "sign the new pair too (Seal::sign); or seal it unsigned (Seal::unsigned), and have it signed before it is deployed",
        ))
    }

    /// Reads the old pair, and the signers whose signatures the new pair will not have.
    fn read_old(&self, pair: &Pair, services: &KeyServices) -> Result<(ReplacedPair, Vec<Id>), Error> {
        let present = |path: &std::path::Path| path.symlink_metadata().is_ok();
        let (enc_there, key_there) = (present(pair.enc()), present(pair.key()));
        let policy = self.old_policy();
        if !enc_there {
            if key_there {
                // An interrupted first seal leaves a `.key` without `.enc`. Check that it belongs to this
                // configuration before it is replaced.
                let key = KeyFile::parse(&pair.read_key()?).map_err(|error| error.at(pair.key()))?;
                self.check_identity(&key.name, &key.environment).map_err(|error| error.at(pair.key()))?;
            }
            return Ok((ReplacedPair::None, Vec::new()));
        }
        let enc = pair.read_enc()?;
        let file = EncFile::parse(&enc).map_err(|error| error.at(pair.enc()))?;
        let lost = self.check_old(&file).map_err(|error| error.at(pair.enc()))?;
        let key = pair.read_key().map_err(|error| match key_there {
            true => error,
            false => error.advise("restore the .key from git; or delete the .enc too, and seal again"),
        })?;
        let (key, section) = open::check_key(&file, &key).map_err(|error| error.at(pair.key()))?;
        let open =
            |policy: &Policy| worker::block_on(open::open_pair(pair, policy, services, Wait::Blocking));
        let opened = open(&policy).or_else(|error| match self.own_signatures(&policy) {
            // The signatures of these signers vouch for recipients of class P, so the policy pins them.
            Some(policy) if error.kind() == Kind::SignatureRequired => open(&policy),
            _ => Err(error),
        });
        match opened {
            Ok(opened) => Ok((ReplacedPair::Verified(Box::new(OpenedParts::of(&opened, &key))), lost)),
            Err(error) => match error.kind() {
                Kind::UnwrapFailed if error.is_permanent() => {
                    Ok((ReplacedPair::closed(&file, &key, &section), lost))
                }
                Kind::NoTrustedRecipient | Kind::BadLocalKey | Kind::SignatureRequired => {
                    Ok((ReplacedPair::closed(&file, &key, &section), lost))
                }
                _ => Err(error),
            },
        }
    }

    fn check_identity(&self, name: &Name, environment: &Name) -> Result<(), Error> {
        if (name, environment) == (&self.name, &self.environment) {
            return Ok(());
        }
        let message = format!(
            "the existing pair is `{name}` for `{environment}`, expected `{}` for `{}`",
            self.name, self.environment
        );
        Err(Error::new(Kind::IdentityMismatch, message)
            .advise("seal into another directory, or move the other pair away"))
    }

    /// Returns the policy for opening the old pair: the recipients of this seal, unless a policy was given.
    fn old_policy(&self) -> Policy {
        self.old.clone().unwrap_or_else(|| {
            let own = self.recipients.iter().cloned().map(Trusted::Key);
            Policy::new(self.name.clone(), self.environment.clone()).trust(own)
        })
    }

    /// Returns `policy` with the signers of the new pair pinned, if it pins no signers.
    fn own_signatures(&self, policy: &Policy) -> Option<Policy> {
        let own: Vec<_> = self.signers.iter().map(SigningKey::public).collect();
        (policy.signers.is_empty() && !own.is_empty()).then(|| Policy { signers: own, ..policy.clone() })
    }

    /// Returns the new files and the result, without writing. Seals the content, and checks that the new pair opens.
    async fn plan(
        &self,
        pair: &Pair,
        content: &[u8],
        services: &KeyServices,
        old: ReplacedPair,
    ) -> Result<Planned, Error> {
        let above = old.generation().max(self.above_generation);
        let generation = above.map_or(Ok(1), |generation| {
            if generation < MAX_GENERATION {
                return Ok(generation + 1);
            }
            Err(Error::new(Kind::Rollback, "the generation cannot be raised any further")
                .at(pair.enc())
                .advise("seal the configuration for a new environment"))
        })?;
        if let ReplacedPair::Verified(known) = &old
            && known.suite == self.suite
            && self.has_recipients_of(known)
            && !self.new_data_key
        {
            let enc = self.envelope(content, known.section.dek, generation, &known.dek)?;
            self.prove(&enc, &known.dek, content)?;
            let own = || KeyFile::assemble(&self.name, &self.environment, &[section_of(known)]);
            let trimmed = known.has_leftovers.then(own);
            let sealed = self.sealed(generation, DataKeyUse::Kept, Check::Whole);
            return Ok(Planned { files: NewFiles::SameKey { enc, trimmed }, sealed });
        }
        let made = self.with_new_key(content, generation, services).await?;
        let both = old.section().map(|section| {
            KeyFile::assemble(&self.name, &self.environment, &[section.to_vec(), made.section.clone()])
        });
        let use_ = match old {
            ReplacedPair::None => DataKeyUse::First,
            ReplacedPair::Verified(known) if !self.has_recipients_of(&known) => DataKeyUse::RecipientsChanged,
            ReplacedPair::Verified(known) if known.suite != self.suite => DataKeyUse::SuiteChanged,
            ReplacedPair::Verified(_) => DataKeyUse::Asked,
            ReplacedPair::Closed { .. } => DataKeyUse::OldPairNotOpened,
        };
        let sealed = self.sealed(generation, use_, made.check);
        Ok(Planned { files: NewFiles::NewKey { both, enc: made.enc, key: made.key }, sealed })
    }

    fn sealed(&self, generation: u64, data_key: DataKeyUse, check: Check) -> Sealed {
        Sealed { generation, recipients: self.recipients.clone(), data_key, check, lost: Vec::new() }
    }

    fn has_recipients_of(&self, old: &OpenedParts) -> bool {
        let has = |key: &KeyRef| old.has(key);
        old.section.recipients.len() == self.recipients.len() && self.recipients.iter().all(has)
    }

    /// Seals with a new data key, and checks that the new pair opens.
    async fn with_new_key(
        &self,
        content: &[u8],
        generation: u64,
        services: &KeyServices,
    ) -> Result<NewPair, Error> {
        let id = envelope::random_id()?;
        let context = Context::new(&self.name, &self.environment, id);
        let local_keys = local_keys(&self.recipients, services).await?;
        let (dek, recipients) =
            wrapping::wrap_for_all(&self.recipients, &local_keys, self.suite, &context, services).await?;
        let section = section(&self.name, &self.environment, id, &recipients, &dek);
        let key = KeyFile::assemble(&self.name, &self.environment, std::slice::from_ref(&section));
        let enc = self.envelope(content, id, generation, &dek)?;
        let services = local_keys.into_iter().fold(services.clone(), KeyServices::local_key);
        let check = self.prove_whole(&enc, &key, &dek, content, &services).await?;
        Ok(NewPair { enc, key, section, check })
    }

    fn envelope(&self, content: &[u8], dek_id: Id, generation: u64, dek: &DataKey) -> Result<Vec<u8>, Error> {
        let mut header = Header {
            name: self.name.clone(),
            environment: self.environment.clone(),
            content_type: self.content_type,
            suite: self.suite,
            dek: dek_id,
            generation,
            sealed_at: self.sealed_at.then(now).flatten(),
            outline: Vec::new(),
        };
        if self.outline != Outline::None {
            header.outline =
                outline::make(&header, content, dek, |path, value| self.outline.shows(path, value))?;
        }
        envelope::seal(&header, content, dek, &envelope::random_32()?, &self.signers)
    }

    /// Opens the new pair like a reader who trusts its recipients. If this sealer may not unwrap, opens it with the
    /// data key (format.md §4, "Writing").
    async fn prove_whole(
        &self,
        enc: &[u8],
        key: &[u8],
        dek: &DataKey,
        content: &[u8],
        services: &KeyServices,
    ) -> Result<Check, Error> {
        let file = EncFile::parse(enc)?;
        let (key, section) = open::check_key(&file, key)?;
        let own = self.recipients.iter().cloned().map(Trusted::Key);
        let mut policy = Policy::new(self.name.clone(), self.environment.clone()).trust(own);
        // Recipients of class P are refused without a pinned signer. Here the sealer itself vouches for them.
        policy.signers = self.signers.iter().map(SigningKey::public).collect();
        let context = Context::new(&self.name, &self.environment, section.dek);
        let (unwrapped, check) = match wrapping::unwrap(&section, &context, &policy, services).await {
            Ok((unwrapped, _)) => (unwrapped, Check::Whole),
            Err(error) if error.kind() == Kind::SignatureRequired => (dek.clone(), Check::AfterUnwrap),
            Err(error) if error.fault() == Some(Fault::Refused) => (dek.clone(), Check::AfterUnwrap),
            Err(error) => return Err(error),
        };
        let checked = Checked { file, key, section };
        let (_, plaintext) = checked.open_with(&unwrapped)?;
        same_content(plaintext.expose(), content)?;
        Ok(check)
    }

    /// Opens a new `.enc` with the data key that was just unwrapped from its `.key`.
    fn prove(&self, enc: &[u8], dek: &DataKey, content: &[u8]) -> Result<(), Error> {
        let (_, plaintext) = open::open_body(EncFile::parse(enc)?, dek)?;
        same_content(plaintext.expose(), content)
    }
}

struct NewPair {
    enc: Vec<u8>,
    key: Vec<u8>,
    section: Vec<u8>,
    check: Check,
}

/// Returns local keys for these recipients: all given keys, and, while a key is missing, the keys of `ENVCONF_KEY_CMD`
/// and of the key store.
pub(crate) async fn local_keys(
    recipients: &[KeyRef],
    services: &KeyServices,
) -> Result<Vec<LocalKey>, Error> {
    let mut keys = services.given().to_vec();
    let missing = |keys: &[LocalKey]| {
        let is_local = |key: &&KeyRef| key.provider() == crate::base::key_ref::LOCAL_PROVIDER;
        recipients.iter().filter(is_local).any(|key| keys.iter().all(|held| held.key_ref() != key))
    };
    if missing(&keys) {
        keys.extend(services.of_command().await?);
    }
    if missing(&keys) {
        let enabled = services.enabled()?;
        keys.extend(services.stored(enabled.iter().filter(|key| recipients.contains(key)))?);
    }
    Ok(keys)
}

/// Returns a section of a `.key`, with its MAC (format.md §5).
pub(crate) fn section(
    name: &Name,
    environment: &Name,
    id: Id,
    recipients: &[Recipient],
    dek: &DataKey,
) -> Vec<u8> {
    let lines = Section::emit_recipients(id, recipients);
    let mac = dek.section_mac(&[&KeyFile::prefix_of(name, environment), &lines]);
    Section::emit(&lines, &mac)
}

fn same_content(opened: &[u8], content: &[u8]) -> Result<(), Error> {
    if opened == content {
        return Ok(());
    }
    Err(Error::new(Kind::Unexpected, "the new pair did not open to the same content; nothing was written"))
}

fn now() -> Option<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Timestamp::from_unix(since.as_secs())
}
