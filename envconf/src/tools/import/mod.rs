//! Import of files that other programs wrote, to seal their content with a new data key (format.md §10).
//!
//! * The files of Tencent's guides: two files of the envelope guide (the wrapped key, and text in AES-ECB), or one file
//!   of the guide for small files. They are not authenticated. So the loader rejects them, and the user must check the
//!   content before sealing it.
//! * Plain dotenv files of other tools ([`Dotenv`]).
//!
//! ```no_run
//! use envconf::tools::import::{Blob, GuideData, BlobPlace};
//! use envconf::{ContentType, KeyServices, Pair, Seal};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let blob = Blob::parse(&std::fs::read("test_encode_256.key")?)?;
//! let data = GuideData::parse(&std::fs::read("test_encode_text.conf")?)?;
//! let services = KeyServices::from_environment("config")?;
//! let from: BlobPlace = "tencent:ap-guangzhou".parse()?;
//! let imported = data.open(&blob.decrypt(&from, &services)?)?;
//! // Show `imported.guide()`, `key()`, `key_form()`, `remarks()` to somebody who can check them; then:
//! let (name, environment) = ("app".parse()?, "default".parse()?);
//! let pair = Pair::new("config", &name, &environment);
//! Seal::new(name, environment, ContentType::Toml)
//!     .recipient("tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01".parse()?)
//!     .seal(&pair, imported.expose(), &services)?;
//! # Ok(())
//! # }
//! ```

mod dotenv;
mod ecb;
mod guide;
mod text;
pub(crate) mod imported;

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

pub use self::dotenv::Dotenv;
pub use self::guide::GuideData;
pub use self::imported::{Encoding, Guide, Imported, KeyForm, Remark};
use crate::base::{Error, Fault, KeyRef, Kind, Remedy, escape};
use crate::format::tencent_guide;
use crate::kms::{Decrypted, KeyServices, KmsError, WrappedKey, worker};
use crate::pair::wrapping::timed;

/// The key service and region that decrypt a blob: `provider:region`, or `provider:region:key-id` to accept only this
/// key.
///
/// A blob names its key, but not the service and the region. The user names them; they are never read from the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobPlace {
    /// The place; its key id is [`ANY`] if the user named none.
    key: KeyRef,
    pinned: bool,
}

/// The key id of a place without one.
const ANY: &str = "?";

impl FromStr for BlobPlace {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, ':');
        let (provider, region) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let key_id = parts.next();
        let key = KeyRef::new(provider, region, key_id.unwrap_or(ANY));
        let key = key.ok_or_else(|| {
            Error::new(Kind::Usage, format!("`{}` is not a key service and region", escape(text)))
                .advise("write provider:region, such as tencent:ap-guangzhou, or a whole key reference")
        })?;
        Ok(Self { key, pinned: key_id.is_some() })
    }
}

impl fmt::Display for BlobPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pinned {
            true => self.key.fmt(f),
            false => write!(f, "{}:{}", self.key.provider(), self.key.region()),
        }
    }
}

/// The bare `CiphertextBlob` of Tencent's guides: the key file of the envelope guide, or the only file of the guide for
/// small files. It is not secret, like every wrapped key.
#[derive(Clone, Debug)]
pub struct Blob(WrappedKey);

impl Blob {
    /// Parses the bytes of the file: one line of three base64 texts joined by `-k-`, with any white space around it.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] for any other file; [`Kind::AlreadySealed`] for a file of a sealed pair.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        refuse_sealed(bytes)?;
        let blob = tencent_guide::blob(bytes).and_then(WrappedKey::new);
        blob.map(Self).ok_or_else(|| {
            let error = Error::new(
                Kind::DoesNotFit,
                "this file is not a CiphertextBlob: expected one line of three base64 texts joined by `-k-`",
            );
            match tencent_guide::is_guide_data(bytes) {
                true => error.advise_to_set(Remedy::GuideFiles, "this file may be the encrypted text: read it with GuideData, and the file with the wrapped key with Blob"),
                false => error.advise("use the unchanged file with the CiphertextBlob of KMS"),
            }
        })
    }

    /// Asks the key service to decrypt the blob, without a context. Blocks the thread. Works inside and
    /// outside an async runtime.
    ///
    /// # Errors
    /// [`Kind::UnwrapFailed`] with the answer of the service, or if it used another key than `from` names;
    /// [`Kind::Usage`] for a service that this build does not have.
    pub fn decrypt(&self, from: &BlobPlace, services: &KeyServices) -> Result<Decrypted, Error> {
        let provider = from.key.provider();
        let kms = services.provider(provider).ok_or_else(|| {
            Error::new(Kind::Usage, format!("this build has no key service `{provider}` to import from"))
                .advise("check the spelling of the provider, or build with its crate feature")
        })?;
        let until = Instant::now() + services.time_limit();
        let (place, blob) = (from.clone(), self.0.clone());
        let job = async move {
            let decrypted = kms.decrypt_bare(place.key.region(), &blob).await?;
            if place.pinned && *decrypted.key() != place.key {
                let message = format!("the file was encrypted with another key, {}", decrypted.key());
                return Err(KmsError::new(Fault::Other, message)
                    .advise("find the owner of this key; if it is your key, name it instead"));
            }
            Ok(decrypted)
        };
        worker::block_on(timed(&from.key, until, job))
            .map_err(|attempt| Error::service_failed("the key service did not decrypt the file", attempt))
    }
}

fn refuse_sealed(bytes: &[u8]) -> Result<(), Error> {
    if !bytes.starts_with(b"envconf/") {
        return Ok(());
    }
    Err(Error::new(Kind::AlreadySealed, "this file is already sealed")
        .advise("there is nothing to import; `envconf open` prints its content"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::envelope::DataKey;
    use crate::kms::{BoxFuture, Context, Kms};

    #[test]
    fn a_place_is_a_region_or_a_whole_reference() {
        let place = |text: &str| text.parse::<BlobPlace>().map(|place| (place.to_string(), place.pinned));
        assert_eq!(place("tencent:ap-guangzhou").unwrap(), ("tencent:ap-guangzhou".into(), false));
        assert_eq!(place("tencent:ap-guangzhou:a:b").unwrap(), ("tencent:ap-guangzhou:a:b".into(), true));
        for bad in ["", "tencent", "tencent:", "Tencent:ap-guangzhou", "tencent:ap-guangzhou:", "tencent:x y"]
        {
            assert_eq!(place(bad).unwrap_err().kind(), Kind::Usage, "{bad:?}");
        }
    }

    #[test]
    fn other_files_are_not_a_blob() {
        assert_eq!(Blob::parse(b" AAAA-k-AAAA-k-AAAA\r\n").unwrap().0.as_str(), "AAAA-k-AAAA-k-AAAA");
        let advice = |bytes: &[u8]| {
            let error = Blob::parse(bytes).unwrap_err();
            assert_eq!(error.exit_code(), 20);
            error.advice().unwrap().to_owned()
        };
        assert!(advice(b"AAAAAAAAAAAAAAAAAAAAAA==").contains("GuideData"));
        assert!(advice(b"").contains("CiphertextBlob") && advice(b"AAAA-k-AAAA").contains("CiphertextBlob"));
        assert_eq!(Blob::parse(b"envconf/v1 key\n").unwrap_err().kind(), Kind::AlreadySealed);
    }

    /// A key service with only the required methods.
    struct Vendor;

    impl Kms for Vendor {
        fn provider(&self) -> &str {
            "vendor"
        }

        fn authenticates(&self) -> bool {
            true
        }

        fn wrap<'a>(
            &'a self,
            _: &'a KeyRef,
            _: &'a DataKey,
            _: &'a Context,
        ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
            Box::pin(async { Err(KmsError::other("never asked")) })
        }

        fn unwrap<'a>(
            &'a self,
            _: &'a KeyRef,
            _: &'a WrappedKey,
            _: &'a Context,
        ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
            Box::pin(async { Err(KmsError::other("never asked")) })
        }
    }

    #[test]
    fn a_service_that_cannot_decrypt_blobs_returns_an_error() {
        let blob = Blob::parse(b"AAAA-k-AAAA-k-AAAA").unwrap();
        let services = KeyServices::none().kms(Arc::new(Vendor));
        for (from, code) in [("local:-", 2), ("gcp:-", 2), ("vendor:-", 40)] {
            let error = blob.decrypt(&from.parse().unwrap(), &services).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }
}
