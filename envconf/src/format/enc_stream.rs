//! Large `.enc` files, decoded in pieces while they are read: only the decoded body is kept in memory.
//!
//! Only well-formed files are parsed here. Every other file is left to [`EncFile::parse`], which reads the whole text
//! and reports the error. So all error messages have one source.

use std::io::{self, Read, Seek, SeekFrom};

use super::MAX_ENC;
use super::enc::{
    END, EncFile, LINE, MAX_BODY, MAX_SIGNATURES, SIGNATURE_LINE, Signature, TEXT_LINE, decode_full_lines,
    decode_last_line, decoded_len, is_body_len, parse_end, parse_head,
};
use super::line_reader::{FileKind, LineReader};
use crate::base::{SecretBytes, fill};

/// Bytes that are read at once. They fit into the second-level cache of a processor core.
const PIECE: usize = 2048 * TEXT_LINE;
/// Size of the longest tail: the last body line, all signatures and the line `end`.
const TAIL: usize = TEXT_LINE + MAX_SIGNATURES * SIGNATURE_LINE + END.len();

impl EncFile {
    /// Size in bytes from which reading in pieces is worth it.
    pub(crate) const LARGE: u64 = 4 * PIECE as u64;

    /// Parses an `.enc` of `len` bytes from `file`. Returns `None` for a file that [`EncFile::parse`] must parse: it
    /// is not well formed, is smaller than a piece, or its header does not fit into one piece.
    ///
    /// # Errors
    /// The errors of reading.
    pub(crate) fn from_reader(file: &mut (impl Read + Seek), len: u64) -> io::Result<Option<Self>> {
        let Some(len) = usize::try_from(len).ok().filter(|len| (PIECE..=MAX_ENC).contains(len)) else {
            return Ok(None);
        };
        let mut tail = [0; TAIL];
        file.seek(SeekFrom::Start((len - TAIL) as u64))?;
        file.read_exact(&mut tail)?;
        file.seek(SeekFrom::Start(0))?;
        let mut piece = vec![0; PIECE];
        file.read_exact(&mut piece)?;
        match Frame::parse(&piece, &tail, len) {
            Some(frame) => frame.read_body(file, piece),
            None => Ok(None),
        }
    }
}

/// An `.enc` with an allocated body that is not decoded yet.
struct Frame {
    file: EncFile,
    /// Number of bytes of all full body lines, as text.
    full: usize,
    /// The characters of a shorter last line; empty if there is none.
    last: Vec<u8>,
}

impl Frame {
    /// Parses everything before the body from the first piece of a file, and everything after it from its tail.
    fn parse(first: &[u8], tail: &[u8], len: usize) -> Option<Self> {
        let mut file = parse_head(&mut LineReader::new(first).first(FileKind::Enc).ok()?).ok()?;
        let (body, signatures) = split_tail(tail)?;
        file.m = len - (tail.len() - body.len());
        file.signatures = signatures;
        let text = file.m.checked_sub(file.head.len())?;
        let (lines, rest) = (text / TEXT_LINE, text % TEXT_LINE);
        let final_line = body.strip_suffix(b"\n")?;
        let last = match rest {
            0 => &[],
            _ => final_line.get(final_line.len() + 1 - rest..).filter(|last| !last.is_empty())?,
        };
        let final_line = if rest == 0 { final_line } else { last };
        let len = decoded_len(lines * LINE + last.len(), final_line).filter(|len| is_body_len(*len))?;
        if len > MAX_BODY {
            return None;
        }
        file.body = SecretBytes::zeroed(len);
        Some(Self { file, full: lines * TEXT_LINE, last: last.to_vec() })
    }

    /// Decodes the part of the body that the first piece contains, and then the rest of the file.
    fn read_body(mut self, file: &mut impl Read, mut piece: Vec<u8>) -> io::Result<Option<EncFile>> {
        let mut out = self.file.body.expose_mut();
        let mut left = self.full;
        let mut from = self.file.head.len();
        loop {
            let text = ((piece.len() - from) / TEXT_LINE * TEXT_LINE).min(left);
            let Some(rest) = decode_full_lines(&piece[from..from + text], out) else { return Ok(None) };
            out = rest;
            left -= text;
            if left == 0 {
                return Ok(decode_last_line(&self.last, out).then_some(self.file));
            }
            // The piece ends within a line, which the next piece completes.
            piece.copy_within(from + text.., 0);
            let kept = piece.len() - from - text;
            let read = fill(file, &mut piece[kept..])?;
            if read == 0 {
                return Ok(None);
            }
            piece.truncate(kept + read);
            from = 0;
        }
    }
}

/// Splits a tail into the text that belongs to the body, and the signatures after it.
fn split_tail(tail: &[u8]) -> Option<(&[u8], Vec<Signature>)> {
    let mut body = tail.strip_suffix(END)?;
    while let Some((rest, line)) = body.split_last_chunk::<SIGNATURE_LINE>()
        && line.starts_with(b"sig: ")
        && rest.ends_with(b"\n")
    {
        body = rest;
    }
    let signatures = parse_end(&mut LineReader::new(&tail[body.len()..])).ok()?;
    Some((body, signatures))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::envelope::{self, DataKey, SigningKey};
    use crate::format::{ContentType, Header, Id, PADDING, Suite};

    /// Returns an `.enc` whose padded content has `blocks` blocks, with `signers` signatures.
    fn sealed(blocks: usize, signers: usize) -> Vec<u8> {
        let header = Header {
            name: "app".parse().unwrap(),
            environment: "default".parse().unwrap(),
            content_type: ContentType::Raw,
            suite: Suite::default(),
            dek: Id::new([7; 8]),
            generation: 1,
            sealed_at: None,
            outline: Vec::new(),
        };
        let signers: Vec<_> = (0..signers).map(|i| SigningKey::from_seed(&[i as u8 + 1; 32])).collect();
        let dek = DataKey::from_bytes(&[3; 32]);
        envelope::seal(&header, &vec![9; blocks * PADDING - 4], &dek, &[5; 32], &signers).unwrap()
    }

    fn streamed(enc: &[u8]) -> Option<EncFile> {
        EncFile::from_reader(&mut Cursor::new(enc), enc.len() as u64).unwrap()
    }

    #[test]
    fn reading_in_pieces_returns_the_same_file() {
        for blocks in [100, 101, 102, 103, 193, 290, 385, 1000] {
            for signers in [0, 1, 8] {
                let enc = sealed(blocks, signers);
                let (file, whole) = (streamed(&enc).unwrap(), EncFile::parse(&enc).unwrap());
                assert!(file.emit() == enc, "{blocks} blocks, {signers} signers");
                assert_eq!((file.m, file.h0, &file.head), (whole.m, whole.h0, &whole.head));
            }
        }
    }

    /// A changed, missing or additional byte, at the places where the two readers could disagree.
    #[test]
    fn reading_in_pieces_accepts_nothing_that_the_parser_rejects() {
        for (blocks, signers) in [(193, 0), (193, 2), (195, 1)] {
            let enc = sealed(blocks, signers);
            let head = streamed(&enc).unwrap().head.len();
            let ends = enc.len() - 400..enc.len();
            let middle = (PIECE - 70..PIECE + 70).chain(head - 10..head + 140);
            for at in (0..head).chain(ends).chain(middle) {
                for new in [&b""[..], b"\n", b"=", b"sig: ", b"AA", b"A\n", b"\xFF", b" "] {
                    for removed in [0, 1] {
                        let mut changed = enc.clone();
                        changed.splice(at..at + removed, new.iter().copied());
                        let is_accepted = streamed(&changed).is_some();
                        assert!(!is_accepted || EncFile::parse(&changed).is_ok(), "{at} {new:?} {removed}");
                    }
                }
            }
            for len in [0, PIECE - 1, PIECE, PIECE + 1, enc.len() - 65, enc.len() - 1] {
                assert!(streamed(&enc[..len]).is_none(), "{len}");
            }
        }
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_left_to_the_parser() {
        let enc = sealed(400, 0);
        let shrunk = Shrinking { bytes: Cursor::new(&enc), limit: PIECE as u64 + 100, tail: false };
        assert!(EncFile::from_reader(&mut { shrunk }, enc.len() as u64).unwrap().is_none());
    }

    /// A file whose size is that of a whole file, but whose end is missing.
    struct Shrinking<'a> {
        bytes: Cursor<&'a Vec<u8>>,
        limit: u64,
        tail: bool,
    }

    impl Read for Shrinking<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let left = self.limit.saturating_sub(self.bytes.position());
            let allowed = if self.tail { buffer.len() } else { buffer.len().min(left as usize) };
            self.bytes.read(&mut buffer[..allowed])
        }
    }

    impl Seek for Shrinking<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.tail = to != SeekFrom::Start(0);
            self.bytes.seek(to)
        }
    }
}
