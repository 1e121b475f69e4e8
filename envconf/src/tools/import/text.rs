//! Detection of text in decrypted bytes, and of its end. The bytes are not authenticated, so only this check can detect
//! a wrong key.

use std::ops::Range;

use super::ecb::BLOCK;
use super::imported::Remark;

/// The kind of text that bytes look like, the least probable text first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Looks {
    Nothing,
    /// The form of GBK, with mostly common characters.
    Gbk,
    /// UTF-8 with control characters.
    Odd,
    /// UTF-8.
    Text,
}

/// A text in decrypted bytes.
pub(super) struct DecryptedText {
    /// The range of the text, without padding and byte order mark.
    pub(super) content: Range<usize>,
    pub(super) looks: Looks,
    pub(super) remarks: Vec<Remark>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The padding that one version of the guide writes. All of it is shorter than a block.
const SPELLED_ZERO: &[u8] = b"\\0";
const MOST_SPELLED: usize = (BLOCK - 1) / SPELLED_ZERO.len();

impl DecryptedText {
    /// Reads whole blocks with the padding of the guide: zero bytes, or none if the text fills its blocks.
    pub(super) fn padded(bytes: &[u8]) -> Self {
        let mut end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let mut remarks = Vec::new();
        if bytes.len() - end >= BLOCK {
            remarks.push(Remark::ManyZeroBytes);
        }
        if end == bytes.len() {
            for _ in 0..MOST_SPELLED {
                end = bytes[..end].strip_suffix(SPELLED_ZERO).map_or(end, <[u8]>::len);
            }
            if end < bytes.len() {
                remarks.push(Remark::SpelledPadding);
            }
        }
        Self::of(bytes, end, remarks)
    }

    /// Reads all bytes as text, without padding.
    pub(super) fn whole(bytes: &[u8]) -> Self {
        Self::of(bytes, bytes.len(), Vec::new())
    }

    fn of(bytes: &[u8], end: usize, mut remarks: Vec<Remark>) -> Self {
        let text = &bytes[..end];
        let looks = looks(text);
        let is_utf8 = looks >= Looks::Odd;
        let start = if is_utf8 && text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let zero_inside = text.contains(&0);
        remarks.extend(
            [
                (end == start, Remark::Empty),
                (start > 0, Remark::ByteOrderMark),
                (zero_inside, Remark::ZeroBytesInside),
                (looks == Looks::Odd && !zero_inside, Remark::ControlCharacters),
                (text.contains(&b'\r'), Remark::CarriageReturns),
                (is_utf8 && !text[start..].is_ascii(), Remark::BeyondAscii),
            ]
            .into_iter()
            .filter_map(|(is_so, remark)| is_so.then_some(remark)),
        );
        Self { content: start..end, looks, remarks }
    }
}

fn looks(text: &[u8]) -> Looks {
    match std::str::from_utf8(text) {
        Ok(text) if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) => Looks::Odd,
        Ok(_) => Looks::Text,
        Err(_) if is_gbk(text) => Looks::Gbk,
        Err(_) => Looks::Nothing,
    }
}

/// Returns true for the form of GBK without control characters, if three of four non-ASCII characters are in its oldest
/// part (GB 2312). The form alone proves little, because half of all byte pairs have it.
fn is_gbk(text: &[u8]) -> bool {
    let (mut all, mut common) = (0_usize, 0_usize);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match (byte, if *byte < 0x80 { None } else { bytes.next() }) {
            (b'\t' | b'\n' | b'\r' | 0x20..=0x7E, _) => {}
            (0x81..=0xFE, Some(second @ (0x40..=0x7E | 0x80..=0xFE))) => {
                all += 1;
                common += usize::from((0xA1..=0xF7).contains(byte) && *second >= 0xA1);
            }
            _ => return false,
        }
    }
    common * 4 >= all * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_padding_is_removed_from_the_text() {
        for (padded, text, remarks) in [
            (&b"port = 1\nx = 23\n"[..], &b"port = 1\nx = 23\n"[..], &[][..]),
            (b"port = 1\0\0\0\0\0\0\0\0", b"port = 1", &[]),
            (b"a\0b\0\0\0\0\0\0\0\0\0\0\0\0\0", b"a\0b", &[Remark::ZeroBytesInside]),
            (b"port = 1\\0\\0\\0\\0", b"port = 1", &[Remark::SpelledPadding]),
            (b"po\\0\\0\\0\\0\\0\\0\\0", b"po", &[Remark::SpelledPadding]),
            (b"\\0\\0\\0\\0\\0\\0\\0\\0", b"\\0", &[Remark::SpelledPadding]),
            (b"x = '\\0\\0'\0\0\0\0\0\0", b"x = '\\0\\0'", &[]),
            (&[0; 16], b"", &[Remark::ManyZeroBytes, Remark::Empty]),
            (
                b"\xEF\xBB\xBFa = 1\r\nb\0\0\0\0",
                b"a = 1\r\nb",
                &[Remark::ByteOrderMark, Remark::CarriageReturns],
            ),
            (b"a\x1Bbcdefghijklmno", b"a\x1Bbcdefghijklmno", &[Remark::ControlCharacters]),
            ("名 = '值'\0\0\0\0".as_bytes(), "名 = '值'".as_bytes(), &[Remark::BeyondAscii]),
        ] {
            let read = DecryptedText::padded(padded);
            assert_eq!((&padded[read.content], &read.remarks[..]), (text, remarks));
            assert!(read.looks >= Looks::Odd);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_gbk_or_nothing() {
        // `名称 = "值"` in GBK, and characters that only GBK has.
        assert_eq!(looks(b"\xC3\xFB\xB3\xC6 = \"\xD6\xB5\"\n"), Looks::Gbk);
        assert_eq!(looks(b"\xC3\xFB\xB3\xC6 = \"\xD6\xEC\xE9F\xBB\xF9\""), Looks::Gbk);
        for bytes in [&b"\xC3"[..], b"\xC3\x20", b"\xFF\xFE", b"a\xC3\xFB\0", b"\x81\x40\x81\x41"] {
            assert_eq!(looks(bytes), Looks::Nothing, "{bytes:02x?}");
        }
    }
}
