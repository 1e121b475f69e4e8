//! Signs a pair as it is; only the `sig` lines of the `.enc` change (format.md §4).
//!
//! A signature covers the `.enc` up to the end of its body. So several signers, who share no key, can sign one after
//! the other.

use super::files::Pair;
use super::lock::Lock;
use super::open;
use super::policy::Policy;
use crate::base::{Error, Kind};
use crate::envelope::{SigningKey, signing_key};
use crate::format::{self, EncFile, Header, Id, MAX_SIGNATURES, Signature};
use crate::kms::KeyServices;

/// The settings of signing: the policy that the pair must meet, and the signing keys.
///
/// ```no_run
/// use envconf::pair::{Sign, SigningKey};
/// use envconf::{KeyServices, Pair, Policy};
///
/// # fn main() -> Result<(), envconf::Error> {
/// let (name, environment) = ("app".parse()?, "prod".parse()?);
/// let pair = Pair::new("config", &name, &environment);
/// let key = SigningKey::read("release.signer".as_ref())?;
/// let policy = Policy::from_environment(name, environment)?;
/// let signed = Sign::new(policy).key(key).sign(&pair, &KeyServices::from_environment("config")?)?;
/// println!("generation {} is signed by {:?}", signed.header().generation, signed.signers());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sign {
    policy: Policy,
    keys: Vec<SigningKey>,
    blind: bool,
}

/// The result of signing.
#[derive(Debug)]
pub struct Signed {
    header: Header,
    signers: Vec<Id>,
    opened: bool,
    written: bool,
}

impl Signed {
    /// Returns the header of the signed `.enc`. It is authenticated, unless the pair was signed blind.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the ids of all signers of the `.enc`, earlier ones included, in ascending order.
    pub fn signers(&self) -> &[Id] {
        &self.signers
    }

    /// Returns true if the pair was opened before it was signed.
    pub fn is_opened(&self) -> bool {
        self.opened
    }

    /// Returns true if the `.enc` was replaced; false if it already had these signatures.
    pub fn is_written(&self) -> bool {
        self.written
    }
}

impl Sign {
    /// Returns settings without keys. `policy` is the policy for opening the pair before it is signed. The pair may
    /// lack signatures that the policy requires. An invalid signature of a trusted signer is an error.
    pub fn new(policy: Policy) -> Self {
        Self { policy, keys: Vec::new(), blind: false }
    }

    /// Adds a signing key.
    #[must_use]
    pub fn key(mut self, key: SigningKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Signs without opening: the signer then vouches for bytes that it cannot read. envconf still checks identity,
    /// generation and form.
    #[must_use]
    pub fn blind(mut self) -> Self {
        self.blind = true;
        self
    }

    /// Signs `pair`. Blocks the thread. Works inside and outside an async runtime.
    ///
    /// Signatures of other signers stay. The pair is opened, and its content parsed, before it is signed. After an
    /// error the pair is unchanged.
    ///
    /// # Errors
    /// [`Kind::Usage`] without keys, or for more than 8 signatures; the errors of [`open`](crate::open()) and
    /// [`verify`](crate::verify); [`Kind::Io`] for a file that cannot be written, and for a link in the place of one.
    pub fn sign(&self, pair: &Pair, services: &KeyServices) -> Result<Signed, Error> {
        pair.refuse_links()?;
        let _lock = Lock::of(pair)?;
        let (enc, key) = (pair.read_enc()?, pair.read_key()?);
        let added = self.add(&enc).map_err(|error| error.at(pair.enc()))?;
        self.check(&added, &key, services).map_err(|error| open::in_file(error, pair))?;
        let (enc, signed) = self.signed(&enc, added);
        if signed.written {
            pair.replace_enc(&enc, None)?;
        }
        Ok(signed)
    }

    /// Returns the signed `.enc` for a pair given as the bytes of its two files.
    ///
    /// # Errors
    /// The errors of [`Sign::sign`], except [`Kind::Io`].
    pub fn sign_bytes(
        &self,
        enc: &[u8],
        key: &[u8],
        services: &KeyServices,
    ) -> Result<(Vec<u8>, Signed), Error> {
        let added = self.add(enc)?;
        self.check(&added, key, services)?;
        Ok(self.signed(enc, added))
    }

    /// Adds the signatures, and checks the new file like a reader who trusts the signers of the policy and the new
    /// signers.
    fn add(&self, enc: &[u8]) -> Result<Added, Error> {
        if self.keys.is_empty() {
            return Err(Error::new(Kind::Usage, "no signing key was given")
                .advise("name at least one key to sign with"));
        }
        let mut policy = self.policy.clone();
        policy.signers = Vec::new();
        let enc = self.add_to(&open::check_enc(enc, &policy)?, enc)?;
        policy.signers = self.policy.signers.clone();
        for own in self.keys.iter().map(SigningKey::public) {
            if !policy.signers.contains(&own) {
                policy.signers.push(own);
            }
        }
        policy.required_signatures = 1;
        let file = open::check_enc(&enc, &policy)?;
        Ok(Added { enc, file, policy })
    }

    /// Checks that the pair opens. With `blind`, checks only that its files belong together.
    fn check(&self, added: &Added, key: &[u8], services: &KeyServices) -> Result<(), Error> {
        if self.blind {
            return open::check_key(&added.file, key).map(drop);
        }
        let opened = open::open_bytes(&added.enc, key, &added.policy, services)?;
        super::content::check_content(opened.content(), opened.header.content_type)
    }

    fn signed(&self, old: &[u8], Added { enc, file, .. }: Added) -> (Vec<u8>, Signed) {
        let signers = file.signatures.iter().map(|signature| signature.signer).collect();
        let written = enc != old;
        (enc, Signed { header: file.header, signers, opened: !self.blind, written })
    }

    /// Returns the file with these signatures added.
    fn add_to(&self, file: &EncFile, enc: &[u8]) -> Result<Vec<u8>, Error> {
        let message = signing_key::message(&enc[..file.m]);
        let mut signatures: Vec<Signature> = self.keys.iter().map(|key| key.sign(&message)).collect();
        let others =
            file.signatures.iter().filter(|old| signatures.iter().all(|new| new.signer != old.signer));
        let others: Vec<Signature> = others.cloned().collect();
        signatures.extend(others);
        signatures.sort_by_key(|signature| signature.signer);
        signatures.dedup_by_key(|signature| signature.signer);
        if signatures.len() > MAX_SIGNATURES {
            return Err(Error::new(
                Kind::Usage,
                format!("the file would have more than {MAX_SIGNATURES} signatures"),
            )
            .advise("seal the configuration again, and sign it only with the keys that readers trust"));
        }
        let mut new = Vec::with_capacity(enc.len());
        new.extend_from_slice(&enc[..file.m]);
        format::write_signatures(&mut new, &signatures);
        Ok(new)
    }
}

/// A file with its new signatures, and the policy that it meets.
struct Added {
    enc: Vec<u8>,
    file: EncFile,
    policy: Policy,
}
