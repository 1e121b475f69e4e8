//! `NAME.enc`: header, body, signatures (format.md §3).

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::field_types::{self, Id, Name, Timestamp};
use super::line_reader::{FileKind, LineReader, checked};
use super::outline::{self, OutlineLine};
use super::{ContentType, MAX_CONTENT, MAX_ENC, PADDING, Suite, TAG};
use crate::base::{Error, Kind, SecretBytes, pages};

/// Largest body, decoded: ciphertext and tag.
pub(super) const MAX_BODY: usize = MAX_CONTENT + PADDING + TAG;
const MAX_HEADER: usize = 1_048_576;
const MAX_OUTLINE: usize = 4096;
pub(crate) const MAX_SIGNATURES: usize = 8;
/// Length of a `sig` line, its LF included.
pub(super) const SIGNATURE_LINE: usize = "sig: ".len() + 16 + " ".len() + 88 + 1;
/// The last line of the file.
pub(super) const END: &[u8] = b"end\n";
/// Number of characters of a full body line.
pub(super) const LINE: usize = 64;
/// Length of a full body line, its LF included.
pub(super) const TEXT_LINE: usize = LINE + 1;
/// Number of bytes that a full body line encodes.
const LINE_BYTES: usize = LINE / 4 * 3;

/// The header fields of an `.enc`. All of them are bound into its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The configuration's logical name.
    pub name: Name,
    /// The environment.
    pub environment: Name,
    /// The type of the content.
    pub content_type: ContentType,
    /// The cipher.
    pub suite: Suite,
    /// The data key's id in the `.key`.
    pub dek: Id,
    /// The generation, 1 … 2^63−1. Each seal raises it by one.
    pub generation: u64,
    /// The time of sealing; informative.
    pub sealed_at: Option<Timestamp>,
    /// The outline (format.md §7); empty if there is none.
    pub outline: Vec<OutlineLine>,
}

impl Header {
    /// Returns the header's lines, from the first to the one before `salt`.
    pub(crate) fn emit(&self) -> Vec<u8> {
        let mut text = format!(
            "{}\nname: {}\nenv: {}\ntype: {}\nsuite: {}\ndek: {}\ngeneration: {}\n",
            FileKind::Enc.first_line(),
            self.name,
            self.environment,
            self.content_type.name(),
            self.suite.name(),
            self.dek,
            self.generation
        );
        if let Some(sealed_at) = &self.sealed_at {
            text += &format!("sealed-at: {sealed_at}\n");
        }
        for line in &self.outline {
            text += &format!("outline: {line}\n");
        }
        text.into_bytes()
    }
}

/// One `sig` line: the signer's id, and the Ed25519 signature over everything before the signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signer's id.
    pub signer: Id,
    /// The signature.
    pub bytes: [u8; 64],
}

/// A parsed `.enc`, with the end offsets of its authenticated parts.
#[derive(Clone, Debug)]
pub struct EncFile {
    /// The header.
    pub header: Header,
    /// Salt of the content key's derivation.
    pub salt: [u8; 32],
    /// The commitment to key and header.
    pub commit: [u8; 32],
    /// The signatures, ascending by signer.
    pub signatures: Vec<Signature>,
    /// Ciphertext and tag; becomes the padded plaintext in place.
    pub(crate) body: SecretBytes,
    /// H: the bytes of the file through the `body:` line.
    pub(crate) head: Vec<u8>,
    /// Length of H0: the file through the `salt` line.
    pub(crate) h0: usize,
    /// Length of M: the file through the last body line.
    pub(crate) m: usize,
}

impl EncFile {
    /// Parses the bytes of a `.enc` (format.md §§1, 3).
    ///
    /// # Errors
    /// The first violation, of the kinds `TooLarge` to `TrailingData`. The message names the line and what was
    /// expected there, but not what was found.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        checked(bytes, MAX_ENC, FileKind::Enc, Self::parse_lines)
    }

    fn parse_lines(mut lines: LineReader<'_>) -> Result<Self, Error> {
        let mut file = parse_head(&mut lines)?;
        file.body = parse_body(&mut lines)?;
        file.m = lines.position();
        file.signatures = parse_end(&mut lines)?;
        Ok(file)
    }

    /// Returns the file's bytes: the inverse of [`EncFile::parse`].
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = self.header.emit();
        bytes.extend_from_slice(format!("salt: {}\n", STANDARD.encode(self.salt)).as_bytes());
        bytes.extend_from_slice(format!("commit: {}\nbody:\n", STANDARD.encode(self.commit)).as_bytes());
        reserve_rest(&mut bytes, self.body_len(), self.signatures.len());
        write_body(&mut bytes, self.body.expose());
        write_signatures(&mut bytes, &self.signatures);
        bytes
    }

    /// Returns the length of ciphertext and tag, in bytes.
    pub fn body_len(&self) -> usize {
        self.body.expose().len()
    }
}

/// Parses the lines through `body:`. Body and signatures of the result are empty.
pub(super) fn parse_head(lines: &mut LineReader<'_>) -> Result<EncFile, Error> {
    let header = parse_header(lines)?;
    let salt = lines.field("salt")?;
    let salt = field_types::b64(salt).ok_or_else(|| lines.bad_value("base64 of 32 bytes"))?;
    let h0 = lines.position();
    let commit = lines.field("commit")?;
    let commit = field_types::b64(commit).ok_or_else(|| lines.bad_value("base64 of 32 bytes"))?;
    lines.exactly("body:")?;
    let head = lines.consumed();
    if head.len() > MAX_HEADER {
        return Err(lines.fault(Kind::TooLarge, &format!("the header is larger than {MAX_HEADER} bytes")));
    }
    let (head, body) = (head.to_vec(), SecretBytes::zeroed(0));
    Ok(EncFile { header, salt, commit, signatures: Vec::new(), body, m: head.len(), head, h0 })
}

fn parse_header(lines: &mut LineReader<'_>) -> Result<Header, Error> {
    let name = name_field(lines, "name")?;
    let environment = name_field(lines, "env")?;
    let content_type = std::str::from_utf8(lines.field("type")?).ok().and_then(ContentType::from_name);
    let content_type = content_type.ok_or_else(|| lines.bad_value("toml, json, yaml, dotenv or raw"))?;
    let suite = std::str::from_utf8(lines.field("suite")?).ok().and_then(Suite::from_name);
    let suite = suite.ok_or_else(|| {
        lines
            .fault(Kind::UnsupportedSuite, "expected suite AES-256-GCM or AES-128-GCM")
            .advise("if a newer envconf wrote this file, update this one")
    })?;
    let dek = Id::from_hex(lines.field("dek")?).ok_or_else(|| lines.bad_value("16 lower-case hex digits"))?;
    let generation = field_types::generation(lines.field("generation")?)
        .ok_or_else(|| lines.bad_value("a number from 1 to 2^63-1 without leading zero"))?;
    let sealed_at = match lines.optional("sealed-at")? {
        Some(value) => {
            Some(Timestamp::from_bytes(value).ok_or_else(|| lines.bad_value("YYYY-MM-DDThh:mm:ssZ"))?)
        }
        None => None,
    };
    let outline = parse_outline(lines, content_type)?;
    Ok(Header { name, environment, content_type, suite, dek, generation, sealed_at, outline })
}

/// Returns a field that holds a name: `name` and `env`, the second and third line of both files.
pub(super) fn name_field(lines: &mut LineReader<'_>, field: &str) -> Result<Name, Error> {
    Name::from_bytes(lines.field(field)?)
        .ok_or_else(|| lines.bad_value("1 to 64 letters, digits, `.`, `_`, `-`, the first a letter or digit"))
}

fn parse_outline(lines: &mut LineReader<'_>, content_type: ContentType) -> Result<Vec<OutlineLine>, Error> {
    let mut outline: Vec<OutlineLine> = Vec::new();
    while let Some(value) = lines.optional("outline")? {
        if !content_type.has_outline() {
            return Err(lines.fault(Kind::BadHeader, "only toml, json and dotenv carry an outline"));
        }
        if outline.len() == MAX_OUTLINE {
            return Err(lines.fault(Kind::TooLarge, &format!("more than {MAX_OUTLINE} outline lines")));
        }
        let line = outline::parse_line(value)
            .ok_or_else(|| lines.bad_value("`outline: <path> <tag>`, the tag `-` or 32 hex digits"))?;
        if outline.last().is_some_and(|last| last.path >= line.path) {
            return Err(lines.fault(Kind::BadHeader, "outline paths must ascend strictly"));
        }
        outline.push(line);
    }
    Ok(outline)
}

/// Parses everything after the body: the signatures and the last line.
pub(super) fn parse_end(lines: &mut LineReader<'_>) -> Result<Vec<Signature>, Error> {
    let signatures = parse_signatures(lines)?;
    lines.exactly("end")?;
    lines.finish()?;
    Ok(signatures)
}

fn parse_signatures(lines: &mut LineReader<'_>) -> Result<Vec<Signature>, Error> {
    let mut signatures: Vec<Signature> = Vec::new();
    while let Some(value) = lines.optional("sig")? {
        if signatures.len() == MAX_SIGNATURES {
            return Err(lines.fault(Kind::TooLarge, &format!("more than {MAX_SIGNATURES} signatures")));
        }
        let parsed = value.split_at_checked(16).and_then(|(signer, rest)| {
            Some(Signature {
                signer: Id::from_hex(signer)?,
                bytes: field_types::b64(rest.strip_prefix(b" ")?)?,
            })
        });
        let signature = parsed.ok_or_else(|| lines.bad_value("`sig: <signer id> <base64 of 64 bytes>`"))?;
        if signatures.last().is_some_and(|last| last.signer >= signature.signer) {
            return Err(lines.fault(Kind::BadHeader, "signers must ascend strictly"));
        }
        signatures.push(signature);
    }
    Ok(signatures)
}

/// Reads the body's lines and decodes them into one buffer of exact size.
///
/// A line with a character that is not base64 is reported before any error after it. Wrong padding and a wrong length
/// are errors of the whole body (format.md §3). Decoding does not distinguish the two, so the function searches for
/// such a line only after decoding has failed.
fn parse_body(lines: &mut LineReader<'_>) -> Result<SecretBytes, Error> {
    let start = lines.clone();
    let (full_lines, last) = match measure_body(lines) {
        Ok(measured) => measured,
        Err(error) => return Err(foreign_character(start, lines.position()).unwrap_or(error)),
    };
    decode_body(start.rest(), full_lines, last)
        .map_err(|error| foreign_character(start, lines.position()).unwrap_or(error))
}

/// Reads the body's lines and checks their lengths. Returns the number of full lines, and the length of a last,
/// shorter line, or 0.
fn measure_body(lines: &mut LineReader<'_>) -> Result<(usize, usize), Error> {
    let mut full = 0;
    loop {
        while starts_with_full_line(lines.rest()) {
            lines.skip(TEXT_LINE);
            full += 1;
        }
        let mut ahead = lines.clone();
        let line = ahead.next()?;
        if ends_body(line) {
            return Ok((full, 0));
        }
        *lines = ahead;
        if line.is_empty() || line.len() > LINE {
            return Err(lines.fault(Kind::BadBody, "expected a line of 1 to 64 base64 characters"));
        }
        if line.len() == LINE {
            full += 1;
            continue;
        }
        let mut ahead = lines.clone();
        let after = ahead.next()?;
        if ends_body(after) {
            return Ok((full, line.len()));
        }
        return Err(
            ahead.fault(Kind::BadBody, "only the last line of the body may be shorter than 64 characters")
        );
    }
}

fn ends_body(line: &[u8]) -> bool {
    line == b"end" || line.starts_with(b"sig: ")
}

/// Returns true in the most frequent case: 64 characters, none of them LF, then LF. This check needs no search.
fn starts_with_full_line(rest: &[u8]) -> bool {
    let Some((line, rest)) = rest.split_first_chunk::<LINE>() else { return false };
    let inner_lf = line.iter().fold(false, |found, b| found | (*b == b'\n'));
    !inner_lf && rest.first() == Some(&b'\n') && !line.starts_with(b"sig: ")
}

fn decode_body(text: &[u8], full_lines: usize, last: usize) -> Result<SecretBytes, Error> {
    let (full, rest) = text.split_at(full_lines * TEXT_LINE);
    let last = &rest[..last];
    let not_base64 = || bad_body("not valid base64");
    let final_line = if last.is_empty() { full.trim_ascii_end() } else { last };
    let len = decoded_len(full_lines * LINE + last.len(), final_line).ok_or_else(not_base64)?;
    if !is_body_len(len) {
        // Invalid base64 has the same kind, so the order of the two checks does not matter.
        return Err(bad_body(&format!("not a multiple of {PADDING} bytes plus the tag")));
    }
    let mut body = SecretBytes::zeroed(len);
    let rest = decode_full_lines(full, body.expose_mut()).ok_or_else(not_base64)?;
    if !decode_last_line(last, rest) {
        return Err(not_base64());
    }
    if len > MAX_BODY {
        return Err(Error::new(Kind::TooLarge, format!("the body is larger than {MAX_BODY} bytes")));
    }
    Ok(body)
}

fn bad_body(what: &str) -> Error {
    Error::new(Kind::BadBody, format!("the body is {what}"))
        .advise("restore it with `git checkout`, or seal the plain file again")
}

/// Returns the number of bytes that a body of `characters` base64 characters encodes; `None` if no base64 text has this
/// length or this padding. `final_line` is the last line of the body, without its LF.
pub(super) fn decoded_len(characters: usize, final_line: &[u8]) -> Option<usize> {
    let padding = final_line.iter().rev().take_while(|b| **b == b'=').count();
    let is_base64 = characters.is_multiple_of(4) && padding <= 2;
    is_base64.then(|| (characters / 4 * 3).saturating_sub(padding))
}

/// Returns true if a sealer writes bodies of `len` bytes: padded content and its tag.
pub(super) fn is_body_len(len: usize) -> bool {
    len >= PADDING + TAG && len % PADDING == TAG
}

/// Decodes full lines into the beginning of `out`. Returns the rest of `out`; `None` for a line that is not base64.
///
/// The lines are gathered without their LFs, in batches: one call for each line costs more than the copy.
pub(super) fn decode_full_lines<'a>(full: &[u8], mut out: &'a mut [u8]) -> Option<&'a mut [u8]> {
    const BATCH: usize = 64;
    let engine = body_engine();
    let mut gathered = [0; BATCH * LINE];
    for batch in full.chunks(BATCH * TEXT_LINE) {
        let mut filled = 0;
        for line in batch.chunks_exact(TEXT_LINE) {
            let line = line.strip_suffix(b"\n")?;
            gathered[filled..filled + LINE].copy_from_slice(line);
            filled += LINE;
        }
        let written = engine.decode_slice(&gathered[..filled], out).ok()?;
        // Padding within the body is an error: the text after it would be a second base64 text.
        if written < filled / 4 * 3 && written < out.len() {
            return None;
        }
        out = &mut out[written..];
    }
    Some(out)
}

/// Decodes the last line into `out`. Returns true if it is base64 of exactly this size.
pub(super) fn decode_last_line(last: &[u8], out: &mut [u8]) -> bool {
    matches!(body_engine().decode_slice(last, out), Ok(written) if written == out.len())
}

/// Returns the first body line with a character that is neither base64 nor padding, among the lines up to `end`.
fn foreign_character(mut lines: LineReader<'_>, end: usize) -> Option<Error> {
    while lines.position() < end {
        let line = lines.next().ok()?;
        if ends_body(line) {
            return None;
        }
        let fits = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
        if line.is_empty() || line.len() > LINE || !line.iter().all(fits) {
            return Some(lines.fault(Kind::BadBody, "expected a line of 1 to 64 base64 characters"));
        }
    }
    None
}

/// Returns the base64 engine for bodies: it uses vector instructions if the processor has them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn body_engine() -> &'static impl Engine {
    use base64::engine::{Simd, general_purpose::PAD};
    static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));
    &*ENGINE
}

/// Returns the base64 engine for bodies: base64 has no vector instructions for this processor.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn body_engine() -> &'static impl Engine {
    &STANDARD
}

/// Reserves memory for a body of `body` bytes, for `signatures` lines and the end, so that `out` grows once.
pub(crate) fn reserve_rest(out: &mut Vec<u8>, body: usize, signatures: usize) {
    let lines = body.div_ceil(3) * 4 + body.div_ceil(LINE_BYTES);
    out.reserve_exact(lines + signatures * SIGNATURE_LINE + END.len());
    pages::prefer_huge(out.spare_capacity_mut());
}

/// Appends `body` as lines of 64 base64 characters, the last one shorter.
pub(crate) fn write_body(out: &mut Vec<u8>, body: &[u8]) {
    const BATCH: usize = 64;
    let engine = body_engine();
    let mut text = [0; BATCH * LINE];
    for batch in body.chunks(BATCH * LINE_BYTES) {
        // The buffer has room for a whole batch, so this cannot fail.
        let written = engine.encode_slice(batch, &mut text).unwrap_or_default();
        for line in text[..written].chunks(LINE) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
}

/// Appends the `sig` lines and the end.
pub(crate) fn write_signatures(out: &mut Vec<u8>, signatures: &[Signature]) {
    for signature in signatures {
        out.extend_from_slice(
            format!("sig: {} {}\n", signature.signer, STANDARD.encode(signature.bytes)).as_bytes(),
        );
    }
    out.extend_from_slice(END);
}
