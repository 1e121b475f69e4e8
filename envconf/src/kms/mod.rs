//! Key services: the [`Kms`] trait, the reference that names one key of one service, and what passes between.

pub(crate) mod deadline;
pub(crate) mod heard;
pub(crate) mod keys;
pub(crate) mod local;
pub(crate) mod services;
#[cfg(feature = "tencent")]
pub(crate) mod tencent;
pub(crate) mod worker;

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;

use self::keys::Keys;
use crate::envelope::DataKey;
use crate::error::{Error, Fault, Kind, escape};
use crate::format::{Id, Name, Suite};
use crate::secret::SecretBytes;
use crate::step::Step;

/// A future in a box, as the methods of [`Kms`] return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A key service: wraps and unwraps data keys under keys that never leave it.
///
/// The trait is open: implement it for a service that this library does not know, and hand it to
/// [`Loader::kms`](crate::Loader::kms). Its futures run on the library's own thread, within a Tokio runtime.
///
/// The context MUST be bound to what is wrapped, so that unwrapping under another name or environment fails: as the
/// service's associated data, or as `DEK || SHA-256(ctx)` checked after unwrapping (format.md §6).
///
/// ```
/// use envconf::{Context, DataKey, KeyRef, Kms, KmsError, WrappedKey, BoxFuture};
///
/// struct Vendor;
///
/// impl Kms for Vendor {
///     fn provider(&self) -> &str {
///         "vendor"
///     }
///
///     fn authenticates(&self) -> bool {
///         true // only who may wrap can make a wrapped key
///     }
///
///     fn wrap<'a>(&'a self, _: &'a KeyRef, _: &'a DataKey, _: &'a Context) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
///         Box::pin(async { Err(KmsError::refused("this service only unwraps")) })
///     }
///
///     fn unwrap<'a>(&'a self, _: &'a KeyRef, _: &'a WrappedKey, _: &'a Context) -> BoxFuture<'a, Result<DataKey, KmsError>> {
///         Box::pin(async { Err(KmsError::transient("the service does not answer")) })
///     }
/// }
/// ```
pub trait Kms: Send + Sync + 'static {
    /// The provider's name in key references, such as `vault`.
    fn provider(&self) -> &str;

    /// Whether holding a wrapped key proves the right to wrap (class A of format.md §6). `false` for public-key
    /// wrapping (class P): such a key opens a file only where a signer is pinned too.
    fn authenticates(&self) -> bool;

    /// Wraps a data key under `key`.
    ///
    /// # Errors
    /// What the service answered, sorted by what it means for the next step.
    fn wrap<'a>(
        &'a self,
        key: &'a KeyRef,
        dek: &'a DataKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>>;

    /// Unwraps a data key that was wrapped under `key` with the same context.
    ///
    /// # Errors
    /// As for [`Kms::wrap`].
    fn unwrap<'a>(
        &'a self,
        key: &'a KeyRef,
        wrapped: &'a WrappedKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>>;

    /// Has the service make a data key and wrap it in one call; `None` where it cannot, which is the default.
    ///
    /// # Errors
    /// As for [`Kms::wrap`].
    fn generate<'a>(
        &'a self,
        key: &'a KeyRef,
        suite: Suite,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Option<(DataKey, WrappedKey)>, KmsError>> {
        let _ = (key, suite, context);
        Box::pin(async { Ok(None) })
    }

    /// Has the service move a wrapped key to another of its keys, so that nobody else sees the data key; `None` where
    /// it cannot, which is the default: the caller then unwraps and wraps.
    ///
    /// # Errors
    /// As for [`Kms::wrap`].
    fn rewrap<'a>(
        &'a self,
        from: &'a KeyRef,
        wrapped: &'a WrappedKey,
        to: &'a KeyRef,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Option<WrappedKey>, KmsError>> {
        let _ = (from, wrapped, to, context);
        Box::pin(async { Ok(None) })
    }

    /// The service's keys themselves, where it lets them be managed; the default is that it does not.
    fn keys(&self) -> Option<&dyn Keys> {
        None
    }

    /// Decrypts what another program encrypted without a context, and tells which key the service used for it. Only
    /// [`import`](crate::import) asks: such a blob says nothing about whose it is, so it never opens a pair. The
    /// default is that the service has none.
    ///
    /// # Errors
    /// As for [`Kms::wrap`].
    fn decrypt_bare<'a>(
        &'a self,
        region: &'a str,
        blob: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<Decrypted, KmsError>> {
        let _ = (region, blob);
        Box::pin(async { Err(KmsError::other("of this key service there are no files to import")) })
    }

    /// Looks step by step at the way to the service of `key`, for a diagnosis: credentials, endpoint, name resolution,
    /// TLS; without a request that asks it for something. The default looks at nothing.
    fn diagnose<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Vec<Step>> {
        let _ = key;
        Box::pin(async { Vec::new() })
    }

    /// Tells apart services of one provider whose answers could differ (other account, other endpoint), so that
    /// concurrent loads share a request only where it is the same. The default never shares.
    fn identity(&self) -> Option<[u8; 32]> {
        None
    }
}

/// Whose data key it is: bound into every wrapped key (format.md §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    text: String,
    dek: Id,
}

impl Context {
    /// The context of a data key of this name and environment.
    pub(crate) fn new(name: &Name, environment: &Name, dek: Id) -> Self {
        Self { text: format!("{{\"env\":\"{environment}\",\"envconf\":\"v1\",\"name\":\"{name}\"}}"), dek }
    }

    /// The context as JSON text, byte for byte as format.md §6 fixes it.
    pub fn as_json(&self) -> &str {
        &self.text
    }

    /// The data key's id.
    pub fn dek(&self) -> Id {
        self.dek
    }
}

/// A data key wrapped by a key service: 1–8000 bytes of 0x21–0x7E, in the form that the provider defines. Public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey(String);

impl WrappedKey {
    /// The wrapped key of this text; `None` if it could not stand in a `.key`.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=8000).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a key service decrypted without a context: bytes that anybody with the right to encrypt may have made, and the
/// key that the service says it used. Wiped on drop; `Debug` does not show the bytes.
#[derive(Clone, Debug)]
pub struct Decrypted {
    key: KeyRef,
    bytes: SecretBytes,
}

impl Decrypted {
    /// A copy of `bytes`, which the caller should wipe, decrypted under `key`.
    pub fn new(key: KeyRef, bytes: &[u8]) -> Self {
        Self { key, bytes: SecretBytes::copy_of(bytes) }
    }

    /// The key that the service used.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }
}

/// Why a key service did not do what it was asked.
///
/// Words are the implementation's own and `'static`: a service's reply can repeat what it was sent. Of the reply
/// only its code, request id and HTTP status are kept, and the first two only if they have the form of one.
#[derive(Clone, Debug)]
pub struct KmsError {
    pub(crate) fault: Fault,
    pub(crate) message: Cow<'static, str>,
    pub(crate) advice: Option<&'static str>,
    pub(crate) code: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) tries: u32,
    /// The next request will be signed with another time than this one.
    #[cfg_attr(
        not(feature = "tencent"),
        allow(dead_code, reason = "only a service that signs with the time asks")
    )]
    pub(crate) clock_corrected: bool,
}

impl KmsError {
    /// `message` is put together from this library's own words only.
    pub(crate) fn new(fault: Fault, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self {
            fault,
            message,
            advice: None,
            code: None,
            request_id: None,
            status: None,
            tries: 1,
            clock_corrected: false,
        }
    }

    /// A failure that another try may not meet: network, overload, deadline.
    pub fn transient(message: &'static str) -> Self {
        Self::new(Fault::Transient, message)
    }

    /// The service said no: credentials, rights, a key that is disabled or gone.
    pub fn refused(message: &'static str) -> Self {
        Self::new(Fault::Refused, message)
    }

    /// Anything else: a damaged blob, another context, a reply that makes no sense.
    pub fn other(message: &'static str) -> Self {
        Self::new(Fault::Other, message)
    }

    /// What to do about it.
    #[must_use]
    pub fn advise(mut self, advice: &'static str) -> Self {
        self.advice = Some(advice);
        self
    }

    /// The service's error code; dropped unless it is words of letters, joined by dots.
    #[must_use]
    pub fn code(mut self, code: &str) -> Self {
        self.code = is_code(code).then(|| code.to_owned());
        self
    }

    /// The service's id of the request; dropped unless it is a UUID.
    #[must_use]
    pub fn request_id(mut self, id: &str) -> Self {
        self.request_id = is_uuid(id).then(|| id.to_owned());
        self
    }

    /// The HTTP status of the reply.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// How many requests were made.
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }
}

/// Up to four words of letters that begin with a capital, as `ResourceUnavailable.CmkDisabled`. A key in base64 or
/// hexadecimal practically always has a digit.
fn is_code(text: &str) -> bool {
    let word = |word: &str| {
        (2..=48).contains(&word.len())
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.bytes().all(|b| b.is_ascii_alphabetic())
    };
    text.split('.').count() <= 4 && text.split('.').all(word)
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// One key of one key service: `provider:region:key-id`, exactly the triplet of format.md §5.
///
/// Parsed once, at the edge; the parts keep to the grammar of format.md §5.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyRef {
    provider: String,
    region: String,
    key_id: String,
}

impl KeyRef {
    /// The key of these parts, each within its grammar: provider `[a-z][a-z0-9-]{0,31}`, region `-` or
    /// `[a-z0-9][a-z0-9-]{0,31}`, key id 1–512 bytes of 0x21–0x7E.
    pub(crate) fn new(provider: &str, region: &str, key_id: &str) -> Option<Self> {
        let word = |text: &str| {
            text.len() <= 32
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let provider_fits = word(provider) && provider.starts_with(|c: char| c.is_ascii_lowercase());
        let region_fits = region == "-" || word(region) && !region.is_empty() && !region.starts_with('-');
        let key_id_fits = (1..=512).contains(&key_id.len()) && key_id.bytes().all(|b| b.is_ascii_graphic());
        (provider_fits && region_fits && key_id_fits).then(|| Self {
            provider: provider.to_owned(),
            region: region.to_owned(),
            key_id: key_id.to_owned(),
        })
    }

    /// The key service's name: `local`, `tencent`, …
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The service's region, or `-` where it has none.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The key's immutable id within service and region.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The alias, where one stands in place of the id: `tencent:ap-guangzhou:alias/NAME`. Tools resolve it
    /// ([`KeyServices::resolve`](crate::KeyServices::resolve)); it is never written into a file and never trusted,
    /// because it can be moved to another key.
    pub fn alias(&self) -> Option<&str> {
        // Other services may use these letters in ids.
        let id = (self.provider == "tencent").then_some(self.key_id.as_str())?;
        id.strip_prefix("alias/")
    }

    /// # Errors
    /// [`Kind::Usage`] for an alias, where `what` says what it was given for.
    pub(crate) fn refuse_alias(&self, what: &str) -> Result<(), Error> {
        if self.alias().is_none() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            format!("{what} `{}` is an alias, which can be moved to another key", escape(&self.to_string())),
        )
        .advise(format!(
            "name the key by its id: `envconf keys describe {}` tells it",
            escape(&self.to_string())
        )))
    }
}

impl FromStr for KeyRef {
    type Err = Error;

    /// Splits at the first two colons: the key id may hold more of them.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with(local::PREFIX) {
            return Err(Error::new(Kind::Usage, "this is a local key itself, not a reference to one")
                .advise(
                    "write local:-:<id of the key>, or `local`; the key goes into ENVCONF_KEY or a file",
                ));
        }
        let mut parts = text.splitn(3, ':');
        let (provider, region, key_id) =
            (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        Self::new(provider, region, key_id).ok_or_else(|| {
            Error::new(Kind::Usage, format!("`{}` is no key reference", escape(text)))
                .advise("write it as provider:region:key-id, such as tencent:ap-guangzhou:<id of the CMK>")
        })
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.provider, self.region, self.key_id)
    }
}

impl fmt::Debug for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRef({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_splits_at_the_first_two_colons() {
        let key: KeyRef = "aws:us-east-1:arn:aws:kms:us-east-1:1:key/2".parse().unwrap();
        assert_eq!(
            (key.provider(), key.region(), key.key_id()),
            ("aws", "us-east-1", "arn:aws:kms:us-east-1:1:key/2")
        );
        assert_eq!(key.to_string().parse::<KeyRef>().unwrap(), key);
    }

    #[test]
    fn of_a_reply_only_codes_and_ids_in_their_form_are_kept() {
        let error = KmsError::other("no").code("ResourceUnavailable.CmkDisabled");
        assert_eq!(error.code.as_deref(), Some("ResourceUnavailable.CmkDisabled"));
        for bad in [
            "",
            "lower",
            "A",
            "AuthFailure.",
            "Has space",
            "Q2FuYXJ5S2V5MDEyMzQ1Njc4OQ==",
            "A.B",
            "Ab.Cd.Ef.Gh.Ij",
        ] {
            assert_eq!(KmsError::other("no").code(bad).code, None, "{bad:?}");
        }
        let id = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";
        assert_eq!(KmsError::other("no").request_id(id).request_id.as_deref(), Some(id));
        assert_eq!(KmsError::other("no").request_id("not an id").request_id, None);
    }

    #[test]
    fn the_context_is_spelled_byte_for_byte() {
        let context = Context::new(&"app.conf".parse().unwrap(), &"prod".parse().unwrap(), Id::new([0; 8]));
        assert_eq!(context.as_json(), r#"{"env":"prod","envconf":"v1","name":"app.conf"}"#);
    }

    #[test]
    fn parts_outside_their_grammar_are_refused() {
        for bad in
            ["", "local", "local:-", "local:-:", "Local:-:x", "1a:-:x", "a:_:x", "a:--:x", "a:-:b c", "a::x"]
        {
            assert_eq!(bad.parse::<KeyRef>().unwrap_err().kind(), Kind::Usage, "{bad:?}");
        }
        assert!(KeyRef::new("a", "-", &"k".repeat(512)).is_some());
        assert!(KeyRef::new("a", "-", &"k".repeat(513)).is_none());
    }
}
