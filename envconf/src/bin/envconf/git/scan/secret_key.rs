//! Finds local keys, age identities and signing keys in files by their form. It neither keeps nor repeats them.

use std::collections::BTreeSet;
use std::io::{self, Read};

use zeroize::Zeroizing;

/// The kind of a secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SecretKeyKind {
    /// A local key: it opens pairs.
    Local,
    /// An age identity: it opens pairs, and everything else that is encrypted to its recipient.
    Age,
    /// A signing key: it signs pairs.
    Signer,
}

/// The prefix of each kind. A text in base64, as in a Secret of a cluster, begins with the base64 of the prefix.
const PREFIXES: [(SecretKeyKind, &[u8]); 6] = [
    (SecretKeyKind::Local, b"envconf-local-v1"),
    (SecretKeyKind::Signer, b"envconf-signer-v1"),
    (SecretKeyKind::Local, b"ZW52Y29uZi1sb2NhbC12MT"),
    (SecretKeyKind::Signer, b"ZW52Y29uZi1zaWduZXItdjE6"),
    (SecretKeyKind::Age, b"AGE-SECRET-KEY-1"),
    (SecretKeyKind::Age, b"QUdFLVNFQ1JFVC1LRVktM"),
];
/// Characters of an age identity after its prefix, and of their base64 after the base64 of the prefix.
const AGE_KEY: usize = 58;
const AGE_KEY_IN_BASE64: usize = AGE_KEY * 4 / 3;
/// Characters of a key's id, and of the base64 of 32 bytes without `=`.
const ID: usize = 16;
const KEY: usize = 43;
/// Least number of base64 characters after the prefix in base64: the rest of `:`, an id, `:` and a key.
const REST_IN_BASE64: usize = (ID + 1 + KEY) * 4 / 3;
/// Bytes of the longest spelling: each character of id and key is written as `\u002f`.
const LONGEST: usize = 32 + (ID + KEY + 2) * 6;
/// Largest number of findings in one file.
const MOST: usize = 100;

/// Returns the lines, from 1, that contain keys, each with the kind of the key; at most [`MOST`].
///
/// It ignores zero bytes, so that it finds a key in UTF-16, too.
pub(crate) fn find(reader: &mut dyn Read) -> io::Result<Vec<(usize, SecretKeyKind)>> {
    let mut buffer = Zeroizing::new(vec![0; 64 * 1024]);
    let (mut filled, mut lines) = (0, 0);
    let mut found = BTreeSet::new();
    loop {
        let read = match reader.read(&mut buffer[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let is_end = read == 0;
        filled = without_zero_bytes(&mut buffer, filled, filled + read);
        // Keep bytes that may begin a key, and check them together with the next block.
        let done = if is_end { filled } else { filled.saturating_sub(LONGEST) };
        let mut line = 1 + lines;
        for at in 0..done {
            match buffer[at] {
                b'\n' => line += 1,
                b'e' | b'Z' | b'A' | b'Q' => {
                    found.extend(key_at(&buffer[at..filled]).map(|kind| (line, kind)))
                }
                _ => {}
            }
        }
        if is_end || found.len() >= MOST {
            return Ok(found.into_iter().take(MOST).collect());
        }
        lines = line - 1;
        buffer.copy_within(done..filled, 0);
        filled -= done;
    }
}

/// Moves the bytes of `from..to` that are not zero together. Returns their end.
fn without_zero_bytes(buffer: &mut [u8], from: usize, to: usize) -> usize {
    let mut end = from;
    for at in from..to {
        buffer[end] = buffer[at];
        end += usize::from(buffer[at] != 0);
    }
    end
}

fn key_at(text: &[u8]) -> Option<SecretKeyKind> {
    let (kind, prefix) = PREFIXES.iter().find(|(_, prefix)| text.starts_with(prefix))?;
    let rest = &text[prefix.len()..];
    // Every prefix of a plain key has a hyphen, and base64 has none.
    let is_key = match (kind, prefix.contains(&b'-')) {
        (SecretKeyKind::Age, true) => take(rest, AGE_KEY, is_bech32).is_some(),
        (SecretKeyKind::Age, false) => take(rest, AGE_KEY_IN_BASE64, is_base64).is_some(),
        (_, true) => is_id_and_key(rest),
        (_, false) => take(rest, REST_IN_BASE64, is_base64).is_some(),
    };
    is_key.then_some(*kind)
}

/// Matches `:<id>:<base64 of 32 bytes>` at the start of the text.
fn is_id_and_key(text: &[u8]) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_colon = |b: u8| b == b':';
    let rest = take(text, 1, is_colon).and_then(|rest| take(rest, ID, is_hex));
    rest.and_then(|rest| take(rest, 1, is_colon)).and_then(|rest| take(rest, KEY, is_base64)).is_some()
}

fn is_bech32(byte: u8) -> bool {
    b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".contains(&byte)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/".contains(&byte)
}

/// Returns the rest of `text` after `count` characters that are all `allowed`.
fn take(text: &[u8], count: usize, allowed: fn(u8) -> bool) -> Option<&[u8]> {
    (0..count).try_fold(text, |text, _| {
        let (character, rest) = character(text)?;
        allowed(character).then_some(rest)
    })
}

/// Returns the first character and the rest: as it is, or as an escape of JSON (`\/`, `\u002f`) or of a URL (`%2F`).
fn character(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', b'u', b'0', b'0', digits @ ..] => hex_character(digits),
        [b'\\', character, rest @ ..] => Some((*character, rest)),
        [b'%', digits @ ..] => hex_character(digits),
        [character, rest @ ..] => Some((*character, rest)),
        [] => None,
    }
}

fn hex_character(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = digits.split_at_checked(2)?;
    Some((u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::SecretKeyKind::{Age, Local, Signer};
    use super::*;

    const LOCAL: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";
    const SIGNER: &str = "envconf-signer-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";
    const LOCAL_BASE64: &str = "ZW52Y29uZi1sb2NhbC12MTpmN2U4MzFmMmZkYmRhYjJlOnE1ME9iUVE2TnlJdDlHbUpkQWx3MkNMbkxUcGZHYS9IbSt3Mk15ejB2WGM9";
    const SIGNER_BASE64: &str = "ZW52Y29uZi1zaWduZXItdjE6ZjdlODMxZjJmZGJkYWIyZTpxNTBPYlFRNk55SXQ5R21KZEFsdzJDTG5MVHBmR2EvSG0rdzJNeXowdlhjPQ==";

    const AGE: &str = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";
    const AGE_BASE64: &str = "QUdFLVNFQ1JFVC1LRVktMUVHVFpWRkZWMjA4MzVOV1lWNjI3MExYWVZLMlZLTlgyTU1ES1dZS0xNR1I0OFVBV1g0MFEyUDJMTTA=";

    /// A reader that returns a few bytes at a time, like a pipe.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let give = self.0.len().min(buffer.len()).min(self.1);
            buffer[..give].copy_from_slice(&self.0[..give]);
            self.0 = &self.0[give..];
            Ok(give)
        }
    }

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        for (text, kind) in [
            (LOCAL, Local),
            (SIGNER, Signer),
            (AGE, Age),
            (LOCAL_BASE64, Local),
            (SIGNER_BASE64, Signer),
            (AGE_BASE64, Age),
        ] {
            for before in [0, 1, 70, 64 * 1024 - 40, 200_000] {
                let text = format!("{}\n\n  key = \"{text}\"\n", "x".repeat(before));
                for pace in [7, 4096, usize::MAX] {
                    let found = find(&mut Trickle(text.as_bytes(), pace)).unwrap();
                    assert_eq!(found, [(3, kind)], "{before} {pace}");
                }
            }
        }
    }

    #[test]
    fn every_key_of_a_file_is_found() {
        let text = format!("{LOCAL}\r\n#\r\n{SIGNER} {LOCAL}\r\nA={LOCAL},{LOCAL}\n");
        let expected = [(1, Local), (3, Local), (3, Signer), (4, Local)];
        assert_eq!(find(&mut text.as_bytes()).unwrap(), expected);
        assert_eq!(find(&mut format!("{LOCAL}\n").repeat(10_000).as_bytes()).unwrap().len(), MOST);
    }

    #[test]
    fn a_key_is_found_in_every_spelling() {
        let utf16: Vec<u8> = SIGNER.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16 = [b"\xff\xfe", &utf16[..]].concat();
        let json = SIGNER.replace('/', "\\/");
        let unicode = SIGNER.replace('+', "\\u002b").replace('/', "\\u002F").replace('=', "\\u003d");
        let address = SIGNER.replace(':', "%3A").replace('/', "%2f").replace('+', "%2B").replace('=', "%3D");
        for text in [
            &utf16[..],
            json.as_bytes(),
            unicode.as_bytes(),
            address.as_bytes(),
            SIGNER.trim_end_matches('=').as_bytes(),
            format!("\0\0\x01binary{SIGNER}").as_bytes(),
            format!("{{\"key\":\"{SIGNER}\"}}").as_bytes(),
            format!("export K='{SIGNER}' # x").as_bytes(),
            format!("envconf-signer-v1:{SIGNER}").as_bytes(),
        ] {
            assert_eq!(find(&mut &*text).unwrap(), [(1, Signer)], "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_text_about_a_key_is_not_a_key() {
        for text in [
            "",
            "envconf-local-v1:<kid>:<b64>",
            "envconf-signer-v1:f7e831f2fdbdab2e:[REDACTED]",
            &LOCAL[..LOCAL.len() - 2],
            &LOCAL.replace(":f7e", ":F7e"),
            &SIGNER.replace("v1", "v2"),
            &LOCAL_BASE64[..60],
            "AGE-SECRET-KEY-1…",
            &AGE[..AGE.len() - 1],
            &AGE.replace("KEY-1E", "KEY-1B"),
        ] {
            assert_eq!(find(&mut text.as_bytes()).unwrap(), [], "{text}");
        }
    }
}
