//! The result of an import: the content, and remarks that the user must read before sealing it.

use std::fmt;
use std::ops::Range;

use super::text::{DecryptedText, Looks};
use crate::base::{KeyRef, SecretBytes};
use crate::kms::Decrypted;

/// The imported content, in memory only. It is not authenticated: somebody who knows it must check it before sealing.
///
/// The content is wiped on drop, and `Debug` does not show it.
pub struct Imported {
    pub(super) guide: Guide,
    pub(super) key: KeyRef,
    pub(super) key_form: Option<KeyForm>,
    pub(super) encoding: Encoding,
    pub(super) remarks: Vec<Remark>,
    pub(super) text: SecretBytes,
    pub(super) content: Range<usize>,
}

impl Imported {
    /// Converts the content of the guide for small files, which the service decrypted.
    pub fn small(decrypted: &Decrypted) -> Self {
        let text = SecretBytes::copy_of(decrypted.expose());
        let read = DecryptedText::whole(text.expose());
        Self::new(Guide::SmallFile, decrypted.key(), None, text, read)
    }

    pub(super) fn new(
        guide: Guide,
        key: &KeyRef,
        key_form: Option<KeyForm>,
        text: SecretBytes,
        read: DecryptedText,
    ) -> Self {
        let encoding = match read.looks {
            Looks::Text | Looks::Odd => Encoding::Utf8,
            Looks::Gbk => Encoding::Gbk,
            Looks::Nothing => Encoding::Unknown,
        };
        Self {
            guide,
            key: key.clone(),
            key_form,
            encoding,
            remarks: read.remarks,
            text,
            content: read.content,
        }
    }

    /// Returns the guide that wrote the files.
    pub fn guide(&self) -> Guide {
        self.guide
    }

    /// Returns the key that the service reports.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// Returns the form of the AES key; `None` if there was nothing to decrypt.
    pub fn key_form(&self) -> Option<KeyForm> {
        self.key_form
    }

    /// Returns the encoding of the content. Content that is not UTF-8 can only be sealed as
    /// [`ContentType::Raw`](crate::ContentType::Raw).
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Returns the unusual properties of the content.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Returns the content, without padding and byte order mark.
    pub fn expose(&self) -> &[u8] {
        &self.text.expose()[self.content.clone()]
    }
}

impl fmt::Debug for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imported")
            .field("guide", &self.guide)
            .field("key", &self.key)
            .field("key_form", &self.key_form)
            .field("encoding", &self.encoding)
            .field("remarks", &self.remarks)
            .finish_non_exhaustive()
    }
}

/// One of Tencent's guides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guide {
    /// The envelope guide of 2019, which writes two files.
    Envelope2019,
    /// The envelope guide since 2020, which prints both values.
    Envelope2020,
    /// An envelope guide; the files do not show which one.
    Envelope,
    /// The guide for small files of at most 4 KB, which the key service encrypts itself.
    SmallFile,
}

impl Guide {
    /// Returns the guide in one word, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envelope2019 => "envelope-2019",
            Self::Envelope2020 => "envelope-2020",
            Self::Envelope => "envelope",
            Self::SmallFile => "small-file",
        }
    }

    /// Returns the facts that the files cannot prove, one sentence each.
    pub fn not_known(self) -> &'static [&'static str] {
        match self {
            Self::SmallFile => &NOT_KNOWN_SMALL,
            _ => &NOT_KNOWN,
        }
    }
}

const NOT_KNOWN: [&str; 3] = [
    "the author, and later changes: nothing authenticates the file",
    "the readers of the old file: it stays in the git history, and ECB shows which blocks repeat or change; replace every secret in it",
    "the exact bytes: the program of the guide may have read CRLF as LF, and it drops zero bytes at the end",
];

const NOT_KNOWN_SMALL: [&str; 2] = [
    "the author and the purpose: everybody who may encrypt with the key can create such a file, and it is not bound to a name",
    "the readers of the old file: it stays in the git history; replace every secret in it",
];

impl fmt::Display for Guide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Envelope2019 => "Tencent's envelope guide of 2019 (AES in ECB mode)",
            Self::Envelope2020 => "Tencent's envelope guide since 2020 (AES in ECB mode)",
            Self::Envelope => "Tencent's envelope guide (AES in ECB mode)",
            Self::SmallFile => "Tencent's guide for small files (encrypted by the key service)",
        })
    }
}

/// The form of the data key that is the AES key. The guide of 2019 encrypts with another form than it decrypts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyForm {
    /// The data key's bytes.
    Decoded,
    /// The bytes of the data key's base64 text.
    Text,
    /// The first 32 characters of that text.
    First32,
    /// The first 16 characters of that text.
    First16,
}

impl KeyForm {
    /// Returns the form in one word, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Text => "text",
            Self::First32 => "first-32",
            Self::First16 => "first-16",
        }
    }
}

impl fmt::Display for KeyForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decoded => "the decoded data key",
            Self::Text => "the data key's base64 text itself",
            Self::First32 => "the first 32 characters of the data key's base64 text",
            Self::First16 => "the first 16 characters of the data key's base64 text",
        })
    }
}

/// The encoding of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, which includes ASCII.
    Utf8,
    /// Probably GBK, which programs on Chinese versions of Windows write.
    Gbk,
    /// An unknown encoding.
    Unknown,
}

impl Encoding {
    /// Returns the encoding in one word, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gbk => "gbk",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Gbk => "not UTF-8; probably GBK, which programs on Chinese versions of Windows write",
            Self::Unknown => "unknown; not UTF-8",
        })
    }
}

/// An unusual property of imported content. It does not show the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// The content is empty.
    Empty,
    /// Other forms of the key also decrypt to text.
    OtherKeyForms,
    /// Blocks of the ciphertext repeat.
    RepeatedBlocks,
    /// The text contains zero bytes before its end.
    ZeroBytesInside,
    /// The text ends with more zero bytes than a padding has.
    ManyZeroBytes,
    /// The text ended with a padding of backslashes and zeros.
    SpelledPadding,
    /// The text contains control characters other than line ends and tabs.
    ControlCharacters,
    /// The text contains carriage returns.
    CarriageReturns,
    /// The text began with a byte order mark, which was removed.
    ByteOrderMark,
    /// The text contains characters that are not ASCII.
    BeyondAscii,
}

impl Remark {
    /// Returns the remark in a few words joined by `-`, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::OtherKeyForms => "other-key-forms",
            Self::RepeatedBlocks => "repeated-blocks",
            Self::ZeroBytesInside => "zero-bytes-inside",
            Self::ManyZeroBytes => "many-zero-bytes",
            Self::SpelledPadding => "spelled-padding",
            Self::ControlCharacters => "control-characters",
            Self::CarriageReturns => "carriage-returns",
            Self::ByteOrderMark => "byte-order-mark",
            Self::BeyondAscii => "beyond-ascii",
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the text is empty: the encryption of an empty text is an empty file",
            Self::OtherKeyForms => {
                "other forms of the key also decrypt to text: check the result, which is from the first form that fits"
            }
            Self::RepeatedBlocks => "blocks of the ciphertext repeat, which every reader of the old file can see",
            Self::ZeroBytesInside => {
                "zero bytes in the text were kept; the program of the guide of 2019 removes them when it decrypts"
            }
            Self::ManyZeroBytes => "the text ended with more zero bytes than a padding has; all were removed",
            Self::SpelledPadding => {
                "a padding of the two characters `\\0` was removed from the end; one version of the guide writes it"
            }
            Self::ControlCharacters => "control characters in the text were kept",
            Self::CarriageReturns => "carriage returns were kept",
            Self::ByteOrderMark => "a byte order mark at the beginning was removed",
            Self::BeyondAscii => {
                "characters that are not ASCII: check them, because the program of the guide reads the encoding of its machine"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(bytes: &[u8]) -> Imported {
        Imported::small(&Decrypted::new("tencent:ap-guangzhou:a".parse().unwrap(), bytes))
    }

    #[test]
    fn the_content_of_a_small_file_is_unchanged() {
        let text = small(b"canary = 1\n");
        assert_eq!(text.expose(), b"canary = 1\n");
        assert_eq!((text.encoding(), text.remarks()), (Encoding::Utf8, &[][..]));
        assert_eq!(small(b"x\0\0").expose(), b"x\0\0");
        let bytes = small(b"\xFF\x00\xFE");
        assert_eq!((bytes.expose(), bytes.encoding()), (&b"\xFF\x00\xFE"[..], Encoding::Unknown));
        assert!(!format!("{text:?}").contains("canary"));
    }
}
