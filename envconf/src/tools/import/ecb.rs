//! Decryption of AES in ECB mode, which the guide uses. It has no initialization vector and no authentication.

use aes::cipher::{Array, BlockCipherDecrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};

use crate::base::SecretBytes;

/// Length of a block in bytes.
pub(super) const BLOCK: usize = 16;

/// Decrypts whole blocks; `None` if the length of the key is not that of an AES key.
pub(super) fn decrypt(key: &[u8], ciphertext: &[u8]) -> Option<SecretBytes> {
    match key.len() {
        16 => with::<Aes128>(key, ciphertext),
        24 => with::<Aes192>(key, ciphertext),
        32 => with::<Aes256>(key, ciphertext),
        _ => None,
    }
}

fn with<C: KeyInit + BlockCipherDecrypt>(key: &[u8], ciphertext: &[u8]) -> Option<SecretBytes> {
    let cipher = C::new_from_slice(key).ok()?;
    let mut text = SecretBytes::copy_of(ciphertext);
    let (blocks, rest) = Array::slice_as_chunks_mut(text.expose_mut());
    cipher.decrypt_blocks(blocks);
    rest.is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, appendix C: one block under a key of each length.
    #[test]
    fn the_standards_examples_decrypt() {
        let key: Vec<u8> = (0..32).collect();
        let plain: Vec<u8> = (0..16).map(|nibble| nibble * 0x11).collect();
        for (len, ciphertext) in [
            (16, 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128),
            (24, 0xdda9_7ca4_864c_dfe0_6eaf_70a0_ec0d_7191),
            (32, 0x8ea2_b7ca_5167_45bf_eafc_4990_4b49_6089),
        ] {
            let two = [ciphertext.to_be_bytes(), ciphertext.to_be_bytes()].concat();
            assert_eq!(decrypt(&key[..len], &two).unwrap().expose(), plain.repeat(2));
        }
        assert!(decrypt(&key[..20], &[0; 16]).is_none() && decrypt(&key, &[0; 15]).is_none());
    }
}
