//! Recipients of age, recognized by their spelling (format.md §6, row `age`).
//!
//! envconf supports native X25519 recipients only. For another recipient, the error names its kind, so that the user
//! does not search for a typo.

use super::provider::BadReference;

const FORM: &str =
    "write it as age:-:age1…, with the recipient that `age-keygen -y` or `envconf keygen --age` prints";
const PREFIX: &str = "age1";
/// Characters of an X25519 recipient.
const LENGTH: usize = 62;
/// The alphabet of Bech32.
const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Returns true if `text` contains an age identity, which no message may repeat.
pub(crate) fn holds_secret(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    text.contains("AGE-SECRET-KEY") || text.contains("AGE-PLUGIN-")
}

/// Returns the prefix of an age identity at the beginning of `text`, in any case, if enough text follows.
pub(super) fn secret_prefix(text: &str) -> Option<&str> {
    const PREFIXES: [&str; 2] = ["AGE-SECRET-KEY-", "AGE-PLUGIN-"];
    /// Least number of characters after the prefix of a key.
    const LEAST: usize = 8;
    let starts =
        |prefix: &&str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let prefix = PREFIXES.iter().find(|prefix| starts(prefix))?;
    let (prefix, rest) = text.split_at(prefix.len());
    let follows = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
    (follows >= LEAST).then_some(prefix)
}

/// Checks the key id of a recipient.
pub(super) fn check(text: &str) -> Result<(), BadReference> {
    let bad = |reason, advice| Err(BadReference { reason, advice });
    const NATIVE: &str =
        "use an X25519 recipient, age1 and 58 characters: `envconf keygen --age` makes a key pair";
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("age1pq1") || lower.starts_with("age1tagpq1") {
        return bad("post-quantum recipients of age are not supported", NATIVE);
    }
    // The data part of a Bech32 text has no `1`: the text before the last `1` names the kind.
    if lower.strip_prefix(PREFIX).is_some_and(|rest| rest.contains('1')) {
        return bad("recipients of age plugins are not supported", NATIVE);
    }
    if lower.starts_with("ssh-") {
        return bad("SSH keys are not supported as recipients of age yet", NATIVE);
    }
    if lower.starts_with("scrypt") {
        return bad("passphrases (scrypt) are not supported as recipients of age", NATIVE);
    }
    let Some(data) = lower.strip_prefix(PREFIX) else {
        return bad("expected a recipient of age", FORM);
    };
    if lower != text {
        return bad("a recipient of age is written in lower case", FORM);
    }
    if text.len() != LENGTH || !data.bytes().all(|b| ALPHABET.contains(&b)) {
        return bad("expected age1 and 58 characters", FORM);
    }
    #[cfg(feature = "age")]
    if public_key(text).is_none() {
        return bad("its checksum does not match: a character is wrong", FORM);
    }
    Ok(())
}

/// Returns the public key of a recipient; `None` if the recipient is invalid or not in its canonical spelling.
#[cfg(feature = "age")]
pub(crate) fn public_key(text: &str) -> Option<[u8; 32]> {
    use bech32::Bech32;
    use bech32::primitives::decode::CheckedHrpstring;
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    let mut bytes = checked.byte_iter();
    let mut key = [0; 32];
    for byte in &mut key {
        *byte = bytes.next()?;
    }
    // Reject unused bits, upper case, and a set highest bit of the point: they are further spellings of the same key.
    (bytes.next().is_none() && key[31] < 0x80 && recipient(&key) == text).then_some(key)
}

/// Returns the recipient of a public key.
#[cfg(feature = "age")]
pub(crate) fn recipient(key: &[u8; 32]) -> String {
    let age = bech32::Hrp::parse_unchecked("age");
    bech32::encode_lower::<bech32::Bech32>(age, key).expect("32 bytes are within the length of Bech32")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

    #[test]
    fn native_recipients_fit_and_others_are_refused_by_name() {
        assert!(check(GOOD).is_ok());
        for (bad, says) in [
            ("age1pq1zzz", "post-quantum"),
            ("age1tagpq1zzz", "post-quantum"),
            ("age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt", "plugins"),
            ("age1tag1qqqq", "plugins"),
            ("age1se1qqqq", "plugins"),
            ("ssh-ed25519:AAAA", "SSH keys"),
            ("ssh-rsa:AAAA", "SSH keys"),
            ("scrypt", "passphrases"),
            ("", "expected a recipient"),
            ("age", "expected a recipient"),
            ("0123456789abcdef", "expected a recipient"),
            ("age1", "58 characters"),
            (&GOOD[..61], "58 characters"),
            (&format!("{GOOD}q"), "58 characters"),
            (&GOOD.replace('t', "b"), "58 characters"),
            (&GOOD.to_uppercase(), "lower case"),
            (&GOOD.replacen('a', "A", 1), "lower case"),
        ] {
            let reason = check(bad).unwrap_err().reason;
            assert!(reason.contains(says), "{bad}: {reason}");
        }
    }

    #[test]
    fn secrets_are_known_in_any_case() {
        for text in [
            "AGE-SECRET-KEY-1QQ",
            "age:-:AGE-SECRET-KEY-1QQ",
            "age-secret-key-pq-1q",
            "x AGE-PLUGIN-YUBIKEY-1",
        ] {
            assert!(holds_secret(text), "{text}");
        }
        assert!(!holds_secret(GOOD));
    }

    #[cfg(feature = "age")]
    #[test]
    fn every_changed_character_is_found() {
        let key = public_key(GOOD).unwrap();
        assert_eq!(recipient(&key), GOOD);
        for at in 4..GOOD.len() {
            let mut text = GOOD.as_bytes().to_vec();
            text[at] = if text[at] == b'q' { b'p' } else { b'q' };
            let text = String::from_utf8(text).unwrap();
            assert!(public_key(&text).is_none() && check(&text).is_err(), "{text}");
        }
        let mut high = key;
        high[31] |= 0x80;
        assert!(public_key(&recipient(&high)).is_none(), "a second spelling of a key");
        assert!(public_key(&GOOD.to_uppercase()).is_none());
    }
}
