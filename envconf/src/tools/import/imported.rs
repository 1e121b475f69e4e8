//! The result of an import: the content, and the remarks that a person must read before sealing it.

use std::fmt;
use std::ops::Range;

use super::text::{DecryptedText, Looks};
use crate::base::{KeyRef, SecretBytes};
use crate::kms::Decrypted;

/// The imported content, in memory only. It is unauthenticated: a person who knows it must confirm it before it is
/// sealed.
///
/// The content is wiped on drop; `Debug` does not show it.
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
    /// The content of the guide for small files: what the service decrypted, as it is.
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

    /// Which guide the files were made by.
    pub fn guide(&self) -> Guide {
        self.guide
    }

    /// The key that the service says it used.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// What served as the AES key; `None` where there was nothing to decrypt with it.
    pub fn key_form(&self) -> Option<KeyForm> {
        self.key_form
    }

    /// The encoding of the content. Content that is not UTF-8 can be sealed as
    /// [`ContentType::Raw`](crate::ContentType::Raw) only.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The unusual properties of the files.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// The content, without padding and byte order mark.
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

/// Which of Tencent's guides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guide {
    /// Envelope encryption, as of 2019: writes two files.
    Envelope2019,
    /// Envelope encryption, since 2020: prints both values.
    Envelope2020,
    /// Envelope encryption, where the form of the files does not tell which.
    Envelope,
    /// A file of at most 4 KB, encrypted by the key service itself.
    SmallFile,
}

impl Guide {
    /// The guide in one word, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envelope2019 => "envelope-2019",
            Self::Envelope2020 => "envelope-2020",
            Self::Envelope => "envelope",
            Self::SmallFile => "small-file",
        }
    }

    /// The facts that the files cannot prove: one sentence each.
    pub fn not_known(self) -> &'static [&'static str] {
        match self {
            Self::SmallFile => &NOT_KNOWN_SMALL,
            _ => &NOT_KNOWN,
        }
    }
}

const NOT_KNOWN: [&str; 3] = [
    "who made it, and whether it was changed since: nothing authenticates it",
    "what has been learned from it: it stays in git's history, and ECB shows there which blocks repeat or change; give every secret in it a new value",
    "its text byte for byte: the guide's program may have read CRLF as LF, and zero bytes at the end are lost",
];

const NOT_KNOWN_SMALL: [&str; 2] = [
    "the author and the purpose: everyone who may encrypt under the key can make such a file, and it is not bound to a name",
    "who has read it: it stays in git's history; give every secret in it a new value",
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

/// What served as the AES key: the guide of 2019 does not use the same in both of its halves.
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
    /// The form in one word, for programs.
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

/// How a content is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, and so plain ASCII too.
    Utf8,
    /// It has the form of GBK, as a program on a Chinese Windows writes it.
    Gbk,
    /// None that is known here.
    Unknown,
}

impl Encoding {
    /// The encoding in one word, for programs.
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
            Self::Gbk => "not UTF-8; it has the form of GBK, as a Chinese Windows writes it",
            Self::Unknown => "not UTF-8, nor anything else that is known here",
        })
    }
}

/// Something out of the ordinary in what was imported. None of these says what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// There is nothing in it.
    Empty,
    /// Other forms of the key give text too.
    OtherKeyForms,
    /// Blocks of the ciphertext repeat.
    RepeatedBlocks,
    /// Zero bytes before the end of the text.
    ZeroBytesInside,
    /// More zero bytes at the end than a padding has.
    ManyZeroBytes,
    /// A padding of backslashes and zeros.
    SpelledPadding,
    /// Other control characters than those that end lines.
    ControlCharacters,
    /// Carriage returns.
    CarriageReturns,
    /// A byte order mark, which was left out.
    ByteOrderMark,
    /// Characters beyond ASCII.
    BeyondAscii,
}

impl Remark {
    /// The remark in a word or two, for programs.
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
            Self::Empty => "the text is empty: an empty text makes an empty file",
            Self::OtherKeyForms => {
                "other forms of the key give text too: look at the result, the first form that fits was taken"
            }
            Self::RepeatedBlocks => "blocks of it repeat, which anybody can see in the old file",
            Self::ZeroBytesInside => {
                "zero bytes within the text were kept; the guide's own program of 2019 removes them when it decrypts"
            }
            Self::ManyZeroBytes => "more zero bytes at the end than a padding has; all were removed",
            Self::SpelledPadding => {
                "a padding of `\\0` in two characters was removed from the end, as one print of the guide makes it"
            }
            Self::ControlCharacters => "control characters within the text were kept",
            Self::CarriageReturns => "carriage returns were kept",
            Self::ByteOrderMark => "a byte order mark at the beginning was removed",
            Self::BeyondAscii => {
                "characters beyond ASCII: the guide's program reads in the machine's encoding, so check that they are still right"
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
    fn a_small_file_is_taken_as_it_is() {
        let text = small(b"canary = 1\n");
        assert_eq!(text.expose(), b"canary = 1\n");
        assert_eq!((text.encoding(), text.remarks()), (Encoding::Utf8, &[][..]));
        assert_eq!(small(b"x\0\0").expose(), b"x\0\0");
        let bytes = small(b"\xFF\x00\xFE");
        assert_eq!((bytes.expose(), bytes.encoding()), (&b"\xFF\x00\xFE"[..], Encoding::Unknown));
        assert!(!format!("{text:?}").contains("canary"));
    }
}
