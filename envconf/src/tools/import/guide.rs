//! The encrypted text of Tencent's envelope guide: base64 of AES-ECB, under a key that may have several forms.

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

/// Characters of a line as MIME has it, and as the guide of 2019 writes it.
const MIME_LINE: usize = 76;

/// The file with the encrypted text.
pub struct GuideData {
    ciphertext: Vec<u8>,
    /// The guide that the line breaks match.
    guide: Guide,
}

impl GuideData {
    /// Reads the bytes of the file: base64 of whole AES blocks, with any line breaks and blanks, or nothing at all.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] for anything else; [`Kind::AlreadySealed`] for a file of a sealed pair; [`Kind::TooLarge`]
    /// above 64 MiB.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        refuse_sealed(bytes)?;
        if bytes.len() > MAX_CONTENT {
            return Err(Error::content_too_large());
        }
        let wrong = |what: &str| Error::new(Kind::DoesNotFit, what);
        if tencent_guide::blob(bytes).is_some() {
            return Err(wrong("it is a CiphertextBlob, and not the encrypted text").advise_to_set(
                Remedy::GuideFiles,
                "read it with Blob, and the encrypted text with GuideData; a file of the guide for small files is a Blob alone",
            ));
        }
        let text = tencent_guide::trimmed(bytes);
        let base64: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let ciphertext = STANDARD.decode(&base64).map_err(|_| {
            wrong("it is not base64, or was cut")
                .advise("give the file that the guide's program wrote, whole")
        })?;
        if ciphertext.len() % BLOCK != 0 {
            return Err(wrong("it is not base64 of whole AES blocks")
                .advise("it was cut, or made by another program than the guide's"));
        }
        Ok(Self { ciphertext, guide: guide_of(text) })
    }

    /// Returns the text, decrypted with the first form of the key that works (in the order of [`KeyForm`]), and the
    /// remarks about it.
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
                "check that both files belong together; they may have been changed, or made by another program than the guide's",
            )
        })?;
        if self.has_repeated_blocks() {
            read.remarks.push(Remark::RepeatedBlocks);
        }
        let guide = if form == KeyForm::Decoded { self.guide } else { Guide::Envelope2019 };
        Ok(Imported::new(guide, data_key.key(), Some(form), text, read))
    }

    /// The first of those that look most like a text.
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

/// Nothing of the content: under ECB the ciphertext shows which of its parts are equal.
impl fmt::Debug for GuideData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuideData").field("guide", &self.guide).finish_non_exhaustive()
    }
}

/// Everything that may have served as the key: the guide of 2019 as printed encrypts with the base64 text and decrypts
/// with the bytes, and people have mended that in several ways.
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
    fn lines_tell_the_generations_apart() {
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
    fn the_forms_of_a_key_come_in_their_order() {
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
    fn what_is_no_text_under_any_form_is_refused() {
        let data = GuideData::parse(STANDARD.encode([0x5A; 64]).as_bytes()).unwrap();
        assert_eq!(data.open(&key(&[7; 32])).unwrap_err().kind(), Kind::BadPlaintext);
        assert_eq!(data.open(&key(&[7; 5])).unwrap_err().kind(), Kind::BadDek);
        assert!(!format!("{data:?}").contains("5A") && !format!("{data:?}").contains("90"));
    }

    /// A block that is text with a control character under two forms of the key, found by trying.
    #[test]
    fn several_forms_that_fit_are_told() {
        let data = GuideData::parse(b"t04V/RLEj6Nze9Ud/5yIXg==").unwrap();
        let imported = data.open(&key(&[7; 16])).unwrap();
        assert_eq!(imported.expose(), b"\x01000000000005147");
        assert_eq!(imported.key_form(), Some(KeyForm::Decoded));
        assert_eq!(imported.remarks(), [Remark::ControlCharacters, Remark::OtherKeyForms]);
    }

    #[test]
    fn other_files_are_refused_by_their_form() {
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
