//! Buffers for plaintext and keys: they are wiped on drop, and `Debug` shows no content.
//!
//! Each secret is on the heap, in a buffer of its exact size: no reallocation leaves a copy behind, and a move copies
//! a pointer, not the secret (format.md §12). Keys are locked in memory if that is enabled and allowed.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize as _, ZeroizeOnDrop};

use super::pages;

/// Secret bytes in one buffer of exact size, wiped on drop; `Debug` shows nothing, not even the length.
pub(crate) struct SecretBytes(Box<[u8]>);

impl Clone for SecretBytes {
    fn clone(&self) -> Self {
        Self::copy_of(&self.0)
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // Wipe the slice in bulk: `Box<[u8]>` itself would be wiped byte by byte.
        self.0.as_mut().zeroize();
    }
}

impl ZeroizeOnDrop for SecretBytes {}

impl SecretBytes {
    /// Returns `len` zero bytes, to be filled in place.
    pub(crate) fn zeroed(len: usize) -> Self {
        let mut bytes = vec![0; len].into_boxed_slice();
        pages::prefer_huge(&mut bytes);
        pages::lock(&bytes);
        Self(bytes)
    }

    /// Returns a copy of `bytes`. The caller wipes the original.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        copy.0.copy_from_slice(bytes);
        copy
    }

    /// Returns random bytes of the operating system.
    ///
    /// # Errors
    /// An error if the operating system returns no random bytes.
    pub(crate) fn random(len: usize) -> Result<Self, getrandom::Error> {
        let mut secret = Self::zeroed(len);
        getrandom::fill(secret.expose_mut())?;
        Ok(secret)
    }

    /// Returns the bytes. Each use may leak them, so keep the borrow short.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes, to be written in place.
    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// Returns true if `a` and `b` are equal, in time that depends on their lengths only (format.md §2).
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// The plaintext of a sealed file. Only opening an envelope creates it. It is wiped on drop.
///
/// The content is the bytes that were sealed, without the padding. `Debug` shows nothing.
pub(crate) struct Plaintext {
    padded: SecretBytes,
    content: std::ops::Range<usize>,
}

impl Plaintext {
    /// Returns the content of an opened envelope: `content` within the decrypted, still padded buffer.
    pub(crate) fn new(padded: SecretBytes, content: std::ops::Range<usize>) -> Self {
        Self { padded, content }
    }

    /// Returns the sealed bytes, exactly as they were.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.padded.expose()[self.content.clone()]
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plaintext([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_bytes_nor_length() {
        let short = SecretBytes::copy_of(b"canary");
        let long = SecretBytes::zeroed(64);
        assert_eq!(format!("{short:?}"), format!("{long:?}"));
        assert_eq!(format!("{:?}", Plaintext::new(short, 0..6)), "Plaintext([REDACTED])");
    }

    #[test]
    fn comparison_sees_length_and_content() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"ab"));
    }
}
