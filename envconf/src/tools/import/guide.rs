//! The encrypted text of Tencent's envelope guide: AES-ECB in base64, with a key that may have several forms.

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::ecb::{self, BLOCK};
use super::imported::{Guide, Imported, KeyForm, Remark};
use super::refuse_sealed;
use super::text::{DecryptedText, Looks};
use crate::base::{Error, Kind, Remedy, SecretBytes};
use crate::format::{MAX_CONTENT, tencent_guide};
use crate::kms::Decrypted;

/// Number of characters in a line of MIME, which the guide of 2019 writes.
const MIME_LINE: usize = 76;

/// The encrypted text of the envelope guide, read from its file.
pub struct GuideData {
    ciphertext: Vec<u8>,
    /// The guide to which the line breaks fit.
    guide: Guide,
}

impl GuideData {
    /// Parses the bytes of the file: base64 of whole AES blocks, with any line breaks and blanks, or an empty file.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] for any other file; [`Kind::AlreadySealed`] for a file of a sealed pair; [`Kind::TooLarge`]
    /// above 64 MiB.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        refuse_sealed(bytes)?;
        if bytes.len() > MAX_CONTENT {
            return Err(Error::content_too_large());
        }
        let wrong = |what: &str| Error::new(Kind::DoesNotFit, what);
        if tencent_guide::blob(bytes).is_some() {
            return Err(wrong("this file is a CiphertextBlob, not the encrypted text").advise_to_set(
                Remedy::GuideFiles,
                "read this file with Blob, and the encrypted text with GuideData; the guide for small files has only a Blob",
            ));
        }
        let text = tencent_guide::trimmed(bytes);
        let base64: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let ciphertext = STANDARD.decode(&base64).map_err(|_| {
            wrong("this file is not base64, or was cut")
                .advise("use the complete file that the program of the guide wrote")
        })?;
        if ciphertext.len() % BLOCK != 0 {
            return Err(wrong("this file is not base64 of whole AES blocks")
                .advise("check that the file is complete, and that the program of the guide wrote it"));
        }
        Ok(Self { ciphertext, guide: guide_of(text) })
    }

    /// Decrypts the text with the first form of the key that works, in the order of [`KeyForm`].
    ///
    /// # Errors
    /// [`Kind::BadDek`] if no form has the length of an AES key; [`Kind::BadPlaintext`] if no form decrypts to text.
    pub fn open(&self, data_key: &Decrypted) -> Result<Imported, Error> {
        let mut base64 = Zeroizing::new(String::with_capacity(data_key.expose().len().div_ceil(3) * 4));
        STANDARD.encode_string(data_key.expose(), &mut base64);
        let forms = key_forms(data_key.expose(), base64.as_bytes());
        if forms.is_empty() {
            return Err(Error::new(
                Kind::BadDek,
                "the key service did not return an AES key in any known form",
            )
            .advise("check that the wrapped key is from the key file of the envelope guide"));
        }
        if self.ciphertext.is_empty() {
            let nothing = SecretBytes::zeroed(0);
            let read = DecryptedText::whole(nothing.expose());
            return Ok(Imported::new(self.guide, data_key.key(), None, nothing, read));
        }
        let (form, text, mut read) = self.best(&forms).ok_or_else(|| {
            Error::new(Kind::BadPlaintext, "no form of the key decrypts to text").advise(
                "check that both files belong together, that nobody changed them, and that the program of the guide wrote them",
            )
        })?;
        if self.has_repeated_blocks() {
            read.remarks.push(Remark::RepeatedBlocks);
        }
        let guide = if form == KeyForm::Decoded { self.guide } else { Guide::Envelope2019 };
        Ok(Imported::new(guide, data_key.key(), Some(form), text, read))
    }

    /// Returns the form of the key with the result that looks most like text; the first one of several.
    fn best(&self, forms: &[(KeyForm, &[u8])]) -> Option<(KeyForm, SecretBytes, DecryptedText)> {
        let mut best: Option<(KeyForm, SecretBytes, DecryptedText)> = None;
        for (form, key) in forms {
            let text = ecb::decrypt(key, &self.ciphertext)?;
            let read = DecryptedText::padded(text.expose());
            match &mut best {
                _ if read.looks == Looks::Nothing => {}
                Some((_, _, other)) if other.looks > read.looks => {}
                Some((_, _, other)) if other.looks == read.looks => {
                    if !other.remarks.contains(&Remark::OtherKeyForms) {
                        other.remarks.push(Remark::OtherKeyForms);
                    }
                }
                _ => best = Some((*form, text, read)),
            }
        }
        best
    }

    fn has_repeated_blocks(&self) -> bool {
        let mut seen = HashSet::new();
        self.ciphertext.chunks(BLOCK).any(|block| !seen.insert(block))
    }
}

/// Does not show the ciphertext: in ECB mode, it shows which blocks of the content are equal.
impl fmt::Debug for GuideData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuideData").field("guide", &self.guide).finish_non_exhaustive()
    }
}

/// Returns all possible AES keys. The guide of 2019 encrypts with the base64 text and decrypts with the bytes, and
/// users have corrected this in several ways.
fn key_forms<'k>(bytes: &'k [u8], text: &'k [u8]) -> Vec<(KeyForm, &'k [u8])> {
    let first = |len: usize| text.get(..len).filter(|first| first.len() < text.len());
    let forms = [
        (KeyForm::Decoded, Some(bytes)),
        (KeyForm::Text, Some(text)),
        (KeyForm::First32, first(32)),
        (KeyForm::First16, first(16)),
    ];
    let is_aes_key = |key: &&[u8]| matches!(key.len(), 16 | 24 | 32);
    forms.into_iter().filter_map(|(form, key)| Some((form, key.filter(is_aes_key)?))).collect()
}

/// Recognises the guide by the line breaks: the guide of 2019 writes lines of 76 characters, the guide since 2020
/// prints a single line.
fn guide_of(text: &[u8]) -> Guide {
    let lines: Vec<usize> = text.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().len()).collect();
    match lines.split_last() {
        Some((last, [])) if *last > MIME_LINE => Guide::Envelope2020,
        Some((_, [])) | None => Guide::Envelope,
        Some((last, full)) if *last <= MIME_LINE && full.iter().all(|len| *len == MIME_LINE) => {
            Guide::Envelope2019
        }
        Some(_) => Guide::Envelope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::import::Encoding;

    fn key(bytes: &[u8]) -> Decrypted {
        Decrypted::new("tencent:ap-guangzhou:a".parse().unwrap(), bytes)
    }

    #[test]
    fn line_breaks_identify_the_guide() {
        let line = "A".repeat(MIME_LINE);
        for (text, guide) in [
            ("".to_owned(), Guide::Envelope),
            (line.clone(), Guide::Envelope),
            (format!("{line}{line}"), Guide::Envelope2020),
            (format!("{line}\n{line}\r\nAAAA"), Guide::Envelope2019),
            (format!("{line}\nAAAA\n{line}"), Guide::Envelope),
            (format!("{line}\n{line}A"), Guide::Envelope),
        ] {
            assert_eq!(guide_of(text.as_bytes()), guide, "{text}");
        }
    }

    #[test]
    fn the_forms_of_a_key_are_tried_in_order() {
        let forms = |len: usize| {
            let bytes = vec![7; len];
            let text = STANDARD.encode(&bytes);
            let forms = key_forms(&bytes, text.as_bytes()).into_iter();
            forms.map(|(form, key)| (form, key.len())).collect::<Vec<_>>()
        };
        assert_eq!(forms(32), [(KeyForm::Decoded, 32), (KeyForm::First32, 32), (KeyForm::First16, 16)]);
        assert_eq!(forms(16), [(KeyForm::Decoded, 16), (KeyForm::Text, 24), (KeyForm::First16, 16)]);
        assert_eq!(forms(24), [(KeyForm::Decoded, 24), (KeyForm::Text, 32), (KeyForm::First16, 16)]);
        assert_eq!(forms(12), [(KeyForm::Text, 16)]);
        assert_eq!(forms(9), []);
    }

    #[test]
    fn data_that_is_not_text_under_any_key_form_is_rejected() {
        let data = GuideData::parse(STANDARD.encode([0x5A; 64]).as_bytes()).unwrap();
        assert_eq!(data.open(&key(&[7; 32])).unwrap_err().kind(), Kind::BadPlaintext);
        assert_eq!(data.open(&key(&[7; 5])).unwrap_err().kind(), Kind::BadDek);
        assert!(!format!("{data:?}").contains("5A") && !format!("{data:?}").contains("90"));
    }

    /// The block was found by trial: two forms of the key decrypt it to text with a control character.
    #[test]
    fn several_fitting_forms_are_a_remark() {
        let data = GuideData::parse(b"t04V/RLEj6Nze9Ud/5yIXg==").unwrap();
        let imported = data.open(&key(&[7; 16])).unwrap();
        assert_eq!(imported.expose(), b"\x01000000000005147");
        assert_eq!(imported.key_form(), Some(KeyForm::Decoded));
        assert_eq!(imported.remarks(), [Remark::ControlCharacters, Remark::OtherKeyForms]);
    }

    #[test]
    fn other_files_are_rejected() {
        for (bytes, code) in [
            (&b"envconf/v1 enc\n"[..], 60),
            (b"AAAA-k-AAAA-k-AAAA", 20),
            (b"port = 1\n", 20),
            (b"AAAA", 20),
            (b"AAAAAAAAAAAAAAAAAAAAAA", 20),
        ] {
            assert_eq!(GuideData::parse(bytes).unwrap_err().exit_code(), code);
        }
        let nothing = GuideData::parse(b"\n").unwrap().open(&key(&[7; 32])).unwrap();
        assert_eq!((nothing.expose(), nothing.encoding()), (&b""[..], Encoding::Utf8));
        assert_eq!((nothing.remarks(), nothing.key_form()), (&[Remark::Empty][..], None));
    }
}
