//! Key services: the [`Kms`] trait, its arguments and errors, and the key services of this build.

#[cfg(feature = "aws")]
pub(crate) mod aws;
mod command_output;
mod deadline;
mod key_command;
mod keys;
#[cfg(feature = "age")]
pub(crate) mod age;
pub(crate) mod services;
#[cfg(feature = "tencent")]
pub(crate) mod tencent;
#[cfg(feature = "vault")]
mod vault;
pub(crate) mod worker;
#[cfg(feature = "__http")]
#[cfg_attr(
    not(any(feature = "tencent", feature = "aws")),
    allow(dead_code, reason = "services that sign use all of it")
)]
mod clock;
#[cfg(feature = "__http")]
#[cfg_attr(
    not(any(feature = "tencent", feature = "aws")),
    allow(dead_code, reason = "services that sign use all of it")
)]
mod credential_cache;
#[cfg(feature = "__http")]
mod credential_source;
#[cfg(feature = "__http")]
#[cfg_attr(
    not(any(feature = "tencent", feature = "aws")),
    allow(dead_code, reason = "services that sign use all of it")
)]
mod endpoint;
#[cfg(feature = "__http")]
mod http;
#[cfg(feature = "__http")]
#[cfg_attr(
    not(any(feature = "tencent", feature = "aws")),
    allow(dead_code, reason = "services that sign use all of it")
)]
mod json;
#[cfg(any(feature = "age", feature = "vault"))]
mod payload;
#[cfg(feature = "__http")]
mod proxy;
#[cfg(feature = "__http")]
#[cfg_attr(
    not(any(feature = "tencent", feature = "aws")),
    allow(dead_code, reason = "services that sign use all of it")
)]
pub(crate) mod retry;
#[cfg(feature = "__http")]
#[cfg_attr(
    not(any(feature = "tencent", feature = "aws")),
    allow(dead_code, reason = "services that sign use all of it")
)]
mod retry_table;
#[cfg(all(feature = "__http", feature = "tools"))]
mod service_steps;
#[cfg(feature = "__http")]
mod tries;
mod step;
#[cfg(any(feature = "tools", feature = "__http"))]
pub(crate) mod last_reply;
mod local;

#[cfg(feature = "age")]
pub use self::age::AgeIdentity;
pub(crate) use self::deadline::{Deadline, Patience};
pub use self::keys::{KeyInfo, KeyPlace, KeyState, Keys, NewKey, Rotation};
#[cfg(feature = "tools")]
pub(crate) use self::last_reply::LastReply;
pub use self::local::{KeyStore, LocalKey, StoredKey, StoredSigner, key_in_project};
pub use self::services::KeyServices;
pub use self::step::{State, Step};
pub use crate::envelope::DataKey;

use std::borrow::Cow;
use std::pin::Pin;

use crate::base::{Fault, KeyRef, SecretBytes};
use crate::format::{Id, Name, Suite};

/// The boxed future that the methods of [`Kms`] return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A key service: wraps and unwraps data keys under keys that never leave it.
///
/// The trait is open: implement it for a service that this library does not know, and hand it to
/// [`Loader::kms`](crate::Loader::kms). Its futures run on the library's own thread, within a Tokio runtime.
///
/// An implementation MUST bind the context to the wrapped key, so that unwrapping under another name or environment
/// fails. It passes the context as the service's associated data, or it wraps `DEK || SHA-256(ctx)` and checks the hash
/// after unwrapping (format.md §6).
///
/// ```
/// use envconf::kms::{Context, DataKey, KmsError, WrappedKey, BoxFuture};
/// use envconf::{KeyRef, Kms};
///
/// struct Vendor;
///
/// impl Kms for Vendor {
///     fn provider(&self) -> &str {
///         "vendor"
///     }
///
///     fn authenticates(&self) -> bool {
///         true // a caller needs the right to wrap to make a wrapped key
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
    /// Returns the provider's name in key references, such as `vault`.
    fn provider(&self) -> &str;

    /// Returns true if a wrapped key proves that its maker had the right to wrap (class A of format.md §6). Public-key
    /// wrapping returns false (class P): such a key opens a file only if the reader also pins a signer.
    fn authenticates(&self) -> bool;

    /// Wraps a data key under `key`.
    ///
    /// # Errors
    /// The error of the service. Its class tells the caller whether a retry or other credentials can help.
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

    /// Asks the service to make a data key and wrap it in one call. Returns `None`, the default, if the service cannot
    /// do this.
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

    /// Asks the service to re-wrap a wrapped key under another of its keys, so that the data key never leaves the
    /// service. Returns `None`, the default, if the service cannot do this: the caller then unwraps and wraps.
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

    /// Returns the key management of the service; `None`, the default, if the service has none.
    fn keys(&self) -> Option<&dyn Keys> {
        None
    }

    /// Decrypts a blob that another program encrypted without a context, and returns the key that the service used.
    /// Only [`import`](crate::tools::import) calls this. Such a blob is not bound to a name or environment, so it never
    /// opens a pair. The default returns an error.
    ///
    /// # Errors
    /// As for [`Kms::wrap`].
    fn decrypt_bare<'a>(
        &'a self,
        region: &'a str,
        blob: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<Decrypted, KmsError>> {
        let _ = (region, blob);
        Box::pin(async { Err(KmsError::other("envconf cannot import files of this key service")) })
    }

    /// Checks step by step how a request reaches the service of `key`: credentials, endpoint, name resolution, TLS.
    /// Sends no request to the key service. The default checks nothing.
    fn diagnose<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Vec<Step>> {
        let _ = key;
        Box::pin(async { Vec::new() })
    }

    /// Returns a hash of the settings that the answers depend on, such as account and endpoint. Concurrent loads share
    /// a request only if these hashes are equal. The default, `None`, never shares.
    fn identity(&self) -> Option<[u8; 32]> {
        None
    }
}

/// The name and environment that a data key belongs to. Every wrapped key is bound to them (format.md §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    text: String,
    dek: Id,
}

impl Context {
    /// Returns the context of a data key of this name and environment.
    pub(crate) fn new(name: &Name, environment: &Name, dek: Id) -> Self {
        Self { text: format!("{{\"env\":\"{environment}\",\"envconf\":\"v1\",\"name\":\"{name}\"}}"), dek }
    }

    /// Returns the context as JSON text, byte for byte as format.md §6 fixes it.
    pub fn as_json(&self) -> &str {
        &self.text
    }

    /// Returns the data key's id.
    pub fn dek(&self) -> Id {
        self.dek
    }
}

/// A data key wrapped by a key service: 1–8000 bytes of 0x21–0x7E, in the form that the provider defines. Public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey(String);

impl WrappedKey {
    /// Returns the wrapped key of this text; `None` if a `.key` file cannot contain it.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=8000).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then_some(Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A plaintext that a key service decrypted without a context, and the key that the service reports. Everybody with the
/// right to encrypt may have made it. Wiped on drop; `Debug` does not show the bytes.
#[derive(Clone, Debug)]
pub struct Decrypted {
    key: KeyRef,
    bytes: SecretBytes,
}

impl Decrypted {
    /// Copies `bytes`, which were decrypted under `key`. The caller should wipe its own copy.
    pub fn new(key: KeyRef, bytes: &[u8]) -> Self {
        Self { key, bytes: SecretBytes::copy_of(bytes) }
    }

    /// Returns the key that the service used.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// Returns the bytes.
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }
}

/// The failure of a request to a key service.
///
/// Message and hint are `'static` texts of the implementation, because a service's reply can repeat the request. The
/// error keeps only the reply's code, request id and HTTP status, and drops a code or id that is malformed.
#[derive(Clone, Debug)]
pub struct KmsError {
    pub(crate) fault: Fault,
    pub(crate) message: Cow<'static, str>,
    pub(crate) advice: Option<Cow<'static, str>>,
    pub(crate) code: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) tries: u32,
    /// True if the clock was corrected: the next request will be signed with another time than this one.
    #[cfg_attr(
        not(feature = "__http"),
        allow(dead_code, reason = "only services that sign requests read it")
    )]
    pub(crate) clock_corrected: bool,
}

impl KmsError {
    /// Creates an error. `message` may contain only text of this library, and nothing of a reply.
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

    /// Creates an error that a retry may avoid: network, overload, deadline.
    pub fn transient(message: &'static str) -> Self {
        Self::new(Fault::Transient, message)
    }

    /// Creates an error for a request that the service refused: credentials, rights, a disabled or deleted key.
    pub fn refused(message: &'static str) -> Self {
        Self::new(Fault::Refused, message)
    }

    /// Creates an error of any other kind: a damaged blob, another context, an invalid reply.
    pub fn other(message: &'static str) -> Self {
        Self::new(Fault::Other, message)
    }

    /// Sets the hint: the next step.
    #[must_use]
    pub fn advise(mut self, advice: &'static str) -> Self {
        self.advice = Some(Cow::Borrowed(advice));
        self
    }

    /// Like [`KmsError::advise`], for a hint that names paths and keys.
    #[must_use]
    pub(crate) fn advise_with(mut self, advice: String) -> Self {
        self.advice = Some(Cow::Owned(advice));
        self
    }

    /// Sets the service's error code. Drops a code that is not one to four words joined by dots, such as
    /// `ResourceUnavailable.CmkDisabled`, `PERMISSION_DENIED` or `KMS.0209`.
    #[must_use]
    pub fn code(mut self, code: &str) -> Self {
        self.code = is_code(code).then(|| code.to_owned());
        self
    }

    /// Sets the service's id of the request. Drops an id that is not a UUID or 32 hexadecimal digits.
    #[must_use]
    pub fn request_id(mut self, id: &str) -> Self {
        self.request_id = is_request_id(id).then(|| id.to_owned());
        self
    }

    /// Sets the HTTP status of the reply.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the number of requests that were sent.
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }
}

/// Returns true for one to four words joined by dots, such as `ResourceUnavailable.CmkDisabled` and `KMS.0209`.
///
/// A word begins with a capital letter and consists of parts joined by `_`. A part has letters, then up to six digits.
/// A word after the first one may also be digits alone. This form keeps keys out of reports: a key in base64 or
/// hexadecimal practically always has digits among its letters.
fn is_code(text: &str) -> bool {
    const DIGITS: usize = 6;
    let is_number =
        |word: &str| (1..=DIGITS).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
    let is_part = |part: &str| {
        let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
        !part.is_empty()
            && part.len() - letters.len() <= DIGITS
            && letters.bytes().all(|b| b.is_ascii_alphabetic())
    };
    let is_word = |word: &str| {
        (2..=48).contains(&word.len())
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.split('_').all(is_part)
    };
    text.split('.').count() <= 4
        && text.split('.').enumerate().all(|(at, word)| is_word(word) || at > 0 && is_number(word))
}

/// Returns true for a UUID, with or without its hyphens.
pub(crate) fn is_request_id(text: &str) -> bool {
    is_uuid(text) || text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_codes_and_request_ids_are_dropped() {
        let error = KmsError::other("no").code("ResourceUnavailable.CmkDisabled");
        assert_eq!(error.code.as_deref(), Some("ResourceUnavailable.CmkDisabled"));
        for good in [
            "PERMISSION_DENIED",
            "KMS.0209",
            "APIG.0301",
            "AADSTS700016",
            "INVALID_V4_SIGNATURE",
            "A1",
            "Forbidden.KeyNotFound",
            "ThrottlingException",
            "ERROR_404_NOT_FOUND",
        ] {
            assert_eq!(KmsError::other("no").code(good).code.as_deref(), Some(good));
        }
        for bad in [
            "",
            "lower",
            "A",
            "AuthFailure.",
            "Has space",
            "Q2FuYXJ5S2V5MDEyMzQ1Njc4OQ==",
            "A.B",
            "Ab.Cd.Ef.Gh.Ij",
            "Q2FuYXJ5S2V5MDEyMzQ1Njc4OQ",
            "AKIAIOSFODNN7EXAMPLE",
            "0209",
            "A__B",
            "_A",
            "A_",
            "KMS.",
            "KMS.1234567",
            "A1234567",
            "DEADBEEF0123456789ABCDEF01234567",
            "9F86D081884C7D65",
        ] {
            assert_eq!(KmsError::other("no").code(bad).code, None, "{bad:?}");
        }
        let id = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";
        assert_eq!(KmsError::other("no").request_id(id).request_id.as_deref(), Some(id));
        let id = "7c2bd1a45f0e4c8e9a2b0123456789ab";
        assert_eq!(KmsError::other("no").request_id(id).request_id.as_deref(), Some(id));
        for bad in [
            "not an id",
            "7c2bd1a45f0e4c8e9a2b0123456789a",
            "7c2bd1a45f0e4c8e9a2b0123456789abc",
            "7c2bd1a45f0e4c8e9a2b0123456789ax",
            "",
        ] {
            assert_eq!(KmsError::other("no").request_id(bad).request_id, None, "{bad}");
        }
    }

    #[test]
    fn the_context_is_spelled_byte_for_byte() {
        let context = Context::new(&"app.conf".parse().unwrap(), &"prod".parse().unwrap(), Id::new([0; 8]));
        assert_eq!(context.as_json(), r#"{"env":"prod","envconf":"v1","name":"app.conf"}"#);
    }
}
