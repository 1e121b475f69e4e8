//! Recognizes files of Tencent's envelope guide by their form.

/// Returns the text of such a file without the white space and byte order mark that editors add.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii()
}

/// Returns the bare `CiphertextBlob` of Tencent Cloud KMS: one line, three base64 texts joined by `-k-`.
pub(crate) fn blob(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(trimmed(bytes)).ok()?;
    let mut parts = text.split("-k-");
    let is_base64 = |part: &str| base64_bytes(part.as_bytes()).is_some_and(|len| len > 0);
    (parts.by_ref().take(3).filter(|part| is_base64(part)).count() == 3 && parts.next().is_none())
        .then_some(text)
}

/// Returns true for base64 of whole AES blocks, with any line breaks and blanks: the output of the guide's encryption.
pub(crate) fn is_guide_data(bytes: &[u8]) -> bool {
    base64_bytes(trimmed(bytes)).is_some_and(|len| len > 0 && len % 16 == 0)
}

/// Returns the number of bytes that this text encodes, if it is padded base64. White space is ignored.
fn base64_bytes(text: &[u8]) -> Option<usize> {
    let (mut characters, mut padding) = (0, 0);
    for byte in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return None,
        }
        characters += 1;
    }
    (characters % 4 == 0 && padding <= 2).then(|| characters / 4 * 3 - padding.min(characters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_three_base64_texts() {
        for good in ["AAAA-k-AA==-k-AAA=", "\u{feff} AAAA-k-AAAA-k-AAAA\r\n"] {
            assert_eq!(blob(good.as_bytes()), Some(good.trim_matches(['\u{feff}', ' ', '\r', '\n'])));
        }
        for bad in [
            "",
            "AAAA",
            "AAAA-k-AAAA",
            "AAAA-k-AAAA-k-",
            "-k-AAAA-k-AAAA",
            "AAAA-k-AAAA-k-AAAA-k-AAAA",
            "AAAA-k-AAA-k-AAAA",
            "AAAA-k-A=AA-k-AAAA",
            "AAAA-k-AA*A-k-AAAA",
            "====-k-AAAA-k-AAAA",
        ] {
            assert_eq!(blob(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn data_is_base64_of_whole_blocks() {
        assert!(is_guide_data(b"AAAAAAAAAAAAAAAAAAAAAA==\n"));
        assert!(is_guide_data(b"AAAAAAAA AAAA\r\nAAAAAAAAAA=="));
        for bad in ["", "====", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAA==AAAA", "port = 1"]
        {
            assert!(!is_guide_data(bad.as_bytes()), "{bad:?}");
        }
    }
}
