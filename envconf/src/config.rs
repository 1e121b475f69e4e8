//! The trait that the derive implements.

use crate::meta::Meta;
use crate::private::Fields;

/// A struct that is loaded from an encrypted configuration; implemented by `#[derive(EncryptedConfig)]`.
///
/// Do not implement it by hand: the hidden method may change in any release.
pub trait EncryptedConfig: Sized {
    /// The struct as constants: names, docs, variables, which fields are secret.
    const META: Meta;

    /// Builds the struct from its fields. `None` when a problem was reported.
    #[doc(hidden)]
    fn build(fields: &mut Fields<'_>) -> Option<Self>;
}
