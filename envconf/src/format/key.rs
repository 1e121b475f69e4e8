//! `NAME.key`: the data keys, each wrapped once for each recipient (format.md §5).

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::MAX_KEY;
use super::enc::name_field;
use super::field_types::{self, Id, Name};
use super::line_reader::{FileKind, LineReader, checked};
use crate::base::{Error, KeyRef, Kind};

const MAX_SECTIONS: usize = 4;
/// Largest number of recipients of one data key (format.md §8).
pub(crate) const MAX_RECIPIENTS: usize = 16;
const MAX_BLOB: usize = 8000;

/// A parsed `.key`. The keys in it are wrapped: the file is safe to commit.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The configuration's logical name.
    pub name: Name,
    /// The environment.
    pub environment: Name,
    /// One section for each data key, 1–4.
    pub sections: Vec<Section>,
    bytes: Vec<u8>,
    /// Length of the first three lines, which the MAC of every section covers.
    prefix: usize,
}

/// One data key, wrapped for each of its recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The data key's id.
    pub dek: Id,
    /// The recipients, 1–16. Each of them can unwrap the data key.
    pub recipients: Vec<Recipient>,
    /// The MAC that authenticates the section to everyone who has the data key.
    pub mac: [u8; 32],
    /// The range of the section's lines in the file, from `dek` through `mac`.
    span: Range<usize>,
    /// The offset of the line `mac`, at which the lines that the MAC covers end.
    mac_at: usize,
}

/// One key of one key service, and the data key wrapped by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The key.
    pub key: KeyRef,
    /// The wrapped data key, in the form that the provider defines (format.md §6); 1–8000 bytes of 0x21–0x7E.
    pub blob: String,
}

impl KeyFile {
    /// Parses the bytes of a `.key` (format.md §§1, 5).
    ///
    /// # Errors
    /// The first violation, of the kinds `TooLarge` to `TrailingData`. The message names the line and what was
    /// expected there, but not what was found.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        checked(bytes, MAX_KEY, FileKind::Key, |lines| Self::parse_lines(bytes, lines))
    }

    fn parse_lines(bytes: &[u8], mut lines: LineReader<'_>) -> Result<Self, Error> {
        let name = name_field(&mut lines, "name")?;
        let environment = name_field(&mut lines, "env")?;
        let prefix = lines.position();
        let mut sections: Vec<Section> = Vec::new();
        let mut start = prefix;
        while let Some(dek) = lines.optional("dek")? {
            if sections.len() == MAX_SECTIONS {
                return Err(lines.fault(Kind::TooLarge, &format!("more than {MAX_SECTIONS} data keys")));
            }
            let dek = Id::from_hex(dek).ok_or_else(|| lines.bad_value("16 lower-case hex digits"))?;
            if sections.iter().any(|section| section.dek == dek) {
                return Err(lines.fault(Kind::BadHeader, "the same data key twice"));
            }
            sections.push(parse_section(&mut lines, dek, start)?);
            start = lines.position();
        }
        if sections.is_empty() {
            lines.field("dek")?;
        }
        lines.exactly("end")?;
        lines.finish()?;
        Ok(Self { name, environment, sections, bytes: bytes.to_vec(), prefix })
    }

    /// Returns a file of these sections. Each is either from [`Section::emit`] or copied byte for byte from another
    /// file.
    pub(crate) fn assemble(name: &Name, environment: &Name, sections: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Self::prefix_of(name, environment);
        sections.iter().for_each(|section| bytes.extend_from_slice(section));
        bytes.extend_from_slice(b"end\n");
        bytes
    }

    /// Returns the first three lines of the file for this name and environment.
    pub(crate) fn prefix_of(name: &Name, environment: &Name) -> Vec<u8> {
        format!("{}\nname: {name}\nenv: {environment}\n", FileKind::Key.first_line()).into_bytes()
    }

    /// Returns the file's bytes: the inverse of [`KeyFile::parse`].
    pub fn emit(&self) -> Vec<u8> {
        let sections: Vec<_> = self
            .sections
            .iter()
            .map(|section| {
                Section::emit(&Section::emit_recipients(section.dek, &section.recipients), &section.mac)
            })
            .collect();
        Self::assemble(&self.name, &self.environment, &sections)
    }

    /// Returns the section of this data key.
    pub fn section(&self, dek: Id) -> Option<&Section> {
        self.sections.iter().find(|section| section.dek == dek)
    }

    /// Returns the bytes that the section's MAC covers: the first three lines, then the section up to its `mac`.
    pub(crate) fn authenticated(&self, section: &Section) -> [&[u8]; 2] {
        [&self.bytes[..self.prefix], &self.bytes[section.span.start..section.mac_at]]
    }

    /// Returns the section's lines, verbatim.
    pub(crate) fn verbatim(&self, section: &Section) -> &[u8] {
        &self.bytes[section.span.clone()]
    }
}

impl Section {
    /// Returns the section's lines under the MAC: from `dek` through the last `blob`.
    pub(crate) fn emit_recipients(dek: Id, recipients: &[Recipient]) -> Vec<u8> {
        let mut text = format!("dek: {dek}\n");
        for Recipient { key, blob } in recipients {
            text +=
                &format!("recipient: {} {} {}\nblob: {blob}\n", key.provider(), key.region(), key.key_id());
        }
        text.into_bytes()
    }

    /// Returns the whole section: the lines under the MAC, and the MAC.
    pub(crate) fn emit(recipients: &[u8], mac: &[u8; 32]) -> Vec<u8> {
        [recipients, format!("mac: {}\n", STANDARD.encode(mac)).as_bytes()].concat()
    }
}

fn parse_section(lines: &mut LineReader<'_>, dek: Id, start: usize) -> Result<Section, Error> {
    let mut recipients: Vec<Recipient> = Vec::new();
    let mut mac_at = lines.position();
    while let Some(value) = lines.optional("recipient")? {
        if recipients.len() == MAX_RECIPIENTS {
            return Err(lines.fault(Kind::TooLarge, &format!("more than {MAX_RECIPIENTS} recipients")));
        }
        let key = parse_recipient(value)
            .ok_or_else(|| lines.bad_value("`recipient: <provider> <region> <key-id>`"))?;
        if recipients.iter().any(|recipient| recipient.key == key) {
            return Err(lines.fault(Kind::BadHeader, "the same recipient twice"));
        }
        let blob = lines.field("blob")?;
        let fits = (1..=MAX_BLOB).contains(&blob.len()) && blob.iter().all(u8::is_ascii_graphic);
        if !fits {
            return Err(lines.bad_value("1 to 8000 printable characters without blanks"));
        }
        recipients.push(Recipient { key, blob: field_types::ascii(blob) });
        mac_at = lines.position();
    }
    if recipients.is_empty() {
        lines.field("recipient")?;
    }
    let mac = lines.field("mac")?;
    let mac = field_types::b64(mac).ok_or_else(|| lines.bad_value("base64 of 32 bytes"))?;
    Ok(Section { dek, recipients, mac, span: start..lines.position(), mac_at })
}

fn parse_recipient(value: &[u8]) -> Option<KeyRef> {
    let mut parts = std::str::from_utf8(value).ok()?.split(' ');
    let key = KeyRef::new(parts.next()?, parts.next()?, parts.next()?)?;
    parts.next().is_none().then_some(key)
}
