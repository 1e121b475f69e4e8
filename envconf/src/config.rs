//! The trait that the derive implements.

use crate::error::Error;
use crate::kms::worker;
use crate::load::Loader;
use crate::meta::Meta;
use crate::open::Wait;
use crate::private::Fields;

/// A struct that is loaded from an encrypted configuration; implemented by `#[derive(EncryptedConfig)]`.
///
/// Do not implement it by hand: the hidden method may change in any release.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not derive `EncryptedConfig`",
    label = "not a configuration struct",
    note = "a `nested` field's type derives `EncryptedConfig`; without `nested`, serde's `Deserialize` is enough"
)]
pub trait EncryptedConfig: Sized {
    /// The struct as constants: names, docs, variables, which fields are secret.
    const META: Meta;

    /// Loads the configuration: reads the pair, has a trusted key unwrap its data key, decrypts, lays environment
    /// variables over it. Blocks; call it from anywhere, inside async code too.
    ///
    /// # Errors
    /// As for [`Loader::load`].
    fn load() -> Result<Self, Error> {
        worker::block_on(Self::loader().load_value(Wait::Here))
    }

    /// The same for async code, on any runtime.
    ///
    /// # Errors
    /// As for [`Loader::load`].
    fn load_async() -> impl Future<Output = Result<Self, Error>> + Send {
        Self::loader().load_value(Wait::Beside)
    }

    /// A [`Loader`], for settings of its own.
    fn loader() -> Loader<Self> {
        Loader::new()
    }

    /// Builds the struct from its fields. `None` when a problem was reported.
    #[doc(hidden)]
    fn build(fields: &mut Fields<'_>) -> Option<Self>;
}
