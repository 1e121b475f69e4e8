//! The secret half of an age key pair (X25519), its text form, and files with identities.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use zeroize::Zeroizing;

use super::{PROVIDER, file};
use crate::base::{Error, KeyRef, Kind, SecretBytes, age_recipient, private_file};
use crate::envelope;

const KEY: usize = 32;
const HRP: &str = "age-secret-key-";
const PREFIX: &str = "AGE-SECRET-KEY-1";
/// The length of an identity as text.
const TEXT: usize = 74;
/// Limit of an identity file in bytes.
const FILE: usize = 64 * 1024;

/// An age identity: a person's X25519 secret key. Wiped on drop; `Debug` shows only the recipient.
///
/// As text it is `AGE-SECRET-KEY-1…`, as `age-keygen` prints it.
#[derive(Clone)]
pub struct AgeIdentity {
    secret: SecretBytes,
    public: [u8; KEY],
    key: KeyRef,
}

impl AgeIdentity {
    /// Generates an identity.
    ///
    /// # Errors
    /// [`Kind::Unexpected`] if the operating system returns no random bytes.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self::of(SecretBytes::random(KEY).map_err(envelope::no_randomness)?))
    }

    fn of(secret: SecretBytes) -> Self {
        let public = file::public_key(&secret);
        let recipient = age_recipient::recipient(&public);
        let key = KeyRef::new(PROVIDER, "-", &recipient).expect("a recipient is a key id");
        Self { secret, public, key }
    }

    /// Returns the reference of its recipient, `age:-:age1…`. Public.
    pub fn key_ref(&self) -> &KeyRef {
        &self.key
    }

    /// Returns the identity as text. This is the raw secret: store it where only its owner can read it.
    pub fn expose_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TEXT + 1)); // and a line feed
        bech32::encode_upper_to_fmt::<Bech32, _>(&mut *text, Hrp::parse_unchecked(HRP), self.secret.expose())
            .expect("32 bytes are within the length of Bech32");
        text
    }

    /// Writes the identity to a new file that only its owner can read, with its recipient in a comment.
    ///
    /// # Errors
    /// [`Kind::Io`], also if the file exists: envconf never overwrites a key.
    pub fn create(&self, path: &Path) -> Result<(), Error> {
        let comment = format!("# public key: {}\n", self.key.key_id());
        let mut text = Zeroizing::new(String::with_capacity(comment.len() + TEXT + 1));
        text.push_str(&comment);
        text.push_str(&self.expose_text());
        text.push('\n');
        private_file::create(path, text.as_bytes())
    }

    /// Reads the identities of a file that `age-keygen` writes: one identity in a line, with comments and empty lines.
    /// Only its owner may be able to change the file, and only owner and group may be able to read it.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] for a file that is missing, unreadable, above 64 KiB or without an identity;
    /// [`Kind::InsecureKeyFile`] for one that is not regular, not the user's or root's, or has any of the mode bits
    /// 0037.
    pub fn read_file(path: &Path) -> Result<Vec<Self>, Error> {
        let unreadable = |error: std::io::Error| {
            let advice = match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "make the file readable for the user that runs this process, and for nobody else"
                }
                _ => {
                    "create an identity with `envconf keygen --age`, or set ENVCONF_AGE_KEY_FILE to the right file"
                }
            };
            let message = format!("cannot read the age identity: {}", crate::base::error::reason(&error));
            Error::new(Kind::BadLocalKey, message).at(path).caused_by(error).advise(advice)
        };
        let file = private_file::open_without_waiting(path).map_err(unreadable)?;
        private_file::check(&file, path, "age identity")?;
        // Room for one byte above the limit.
        let mut buffer = SecretBytes::zeroed(FILE + 1);
        let len = private_file::fill(file, &mut buffer).map_err(unreadable)?;
        if len > FILE {
            return Err(Error::new(Kind::BadLocalKey, "the file is larger than 64 KiB").at(path));
        }
        let bytes = &buffer.expose()[..len];
        let text = std::str::from_utf8(bytes).map_err(|_| not_identity("the file", "", "").at(path))?;
        let identities = parse_several(text).map_err(|error| error.at(path))?;
        if identities.is_empty() {
            return Err(Error::new(Kind::BadLocalKey, "the file contains no age identity")
                .at(path)
                .advise(FORM));
        }
        Ok(identities)
    }

    /// Decrypts an age file that is encrypted to this identity.
    pub(super) fn open_file(&self, file: &[u8]) -> Result<SecretBytes, file::Unopened> {
        file::open(&self.secret, &self.public, file)
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() != TEXT || !text.starts_with(PREFIX) {
            return None;
        }
        let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
        let mut secret = SecretBytes::zeroed(KEY);
        let mut bytes = checked.byte_iter();
        for byte in secret.expose_mut() {
            *byte = bytes.next()?;
        }
        let is_whole = bytes.next().is_none();
        let this = Self::of(secret);
        // Compare the text: with other unused bits, it would be a second spelling of the same identity.
        (is_whole && crate::base::same(this.expose_text().as_bytes(), text.as_bytes())).then_some(this)
    }
}

const FORM: &str = "an identity is a line AGE-SECRET-KEY-1…; comments begin with #";

/// Parses the identities in a text, separated by commas, blanks or line feeds. A line that begins with `#` is a
/// comment.
///
/// # Errors
/// [`Kind::BadLocalKey`] for anything else in the text, with its line.
pub(super) fn parse_several(text: &str) -> Result<Vec<AgeIdentity>, Error> {
    let mut identities: Vec<AgeIdentity> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let words = line.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|word| !word.is_empty());
        for word in words {
            let identity = AgeIdentity::parse(word)
                .ok_or_else(|| not_identity(&format!("line {number}"), line, word))?;
            if identities.iter().all(|known| known.key != identity.key) {
                identities.push(identity);
            }
        }
    }
    Ok(identities)
}

/// Returns the error for a word that is not an identity. It names the kind of the word, and never quotes it: a secret
/// with a typing error is still a secret.
fn not_identity(place: &str, line: &str, word: &str) -> Error {
    let upper = Zeroizing::new(word.to_ascii_uppercase());
    let begins = |prefix: &str| upper.starts_with(prefix);
    const NATIVE: &str = "use an X25519 identity: `envconf keygen --age` creates one";
    let (what, advice) = if begins("AGE-PLUGIN-") {
        ("identities of age plugins are not supported", NATIVE)
    } else if begins("AGE-SECRET-KEY-PQ-") {
        ("post-quantum identities of age are not supported", NATIVE)
    } else if begins("AGE-ENCRYPTION.ORG/") || *upper == "-----BEGIN" && line.contains("AGE ENCRYPTED") {
        (
            "encrypted identity files are not supported",
            "decrypt it with a command in ENVCONF_AGE_KEY_CMD, such as `age -d FILE`",
        )
    } else if begins("-----BEGIN") || begins("SSH-") {
        ("SSH keys are not supported as age identities yet", NATIVE)
    } else if begins("AGE1") {
        ("this is a recipient, the public half, not an identity", FORM)
    } else if begins("ENVCONF-LOCAL-V1") {
        ("this is a local key, not an age identity", "set it in ENVCONF_KEY or ENVCONF_KEY_FILE")
    } else if begins("AGE-SECRET-KEY-") {
        ("invalid age identity: a character is wrong or missing", "copy it whole, in upper case")
    } else {
        ("expected an age identity", FORM)
    };
    Error::new(Kind::BadLocalKey, format!("{place}: {what}")).advise(advice)
}

impl FromStr for AgeIdentity {
    type Err = Error;

    /// Parses the identity's text, with at most one line feed after it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        Self::parse(text).ok_or_else(|| not_identity("the text", text, text))
    }
}

impl fmt::Debug for AgeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeIdentity({}, [REDACTED])", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the file format's test vectors (`cctv-age`, vector `x25519`).
    const KNOWN: &str = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

    #[test]
    fn an_identity_survives_its_text_form() {
        let known: AgeIdentity = KNOWN.parse().unwrap();
        assert_eq!(*known.expose_text(), KNOWN);
        let identity = AgeIdentity::generate().unwrap();
        let text = identity.expose_text();
        assert_eq!(text.len(), TEXT);
        assert_eq!(text.parse::<AgeIdentity>().unwrap().key_ref(), identity.key_ref());
        assert!(identity.key_ref().to_string().parse::<KeyRef>().is_ok());
        assert!(!format!("{identity:?}").contains(&text[PREFIX.len()..]));
        for at in PREFIX.len()..TEXT {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'Q' { b'P' } else { b'Q' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<AgeIdentity>().is_err(), "character {at}");
        }
        for bad in
            [format!("{}\n\n", *text), format!(" {}", *text), text.to_lowercase(), text[..73].to_owned()]
        {
            assert_eq!(bad.parse::<AgeIdentity>().unwrap_err().kind(), Kind::BadLocalKey);
        }
    }

    #[test]
    fn a_text_contains_several_identities_and_comments() {
        let other = AgeIdentity::generate().unwrap().expose_text();
        let text =
            format!("# created: today\r\n# public key: age1…\r\n{KNOWN}\r\n\r\n  {}\n{KNOWN}\n", *other);
        assert_eq!(parse_several(&text).unwrap().len(), 2, "one identity occurs twice");
        assert_eq!(parse_several(&format!("{KNOWN}, {}", *other)).unwrap().len(), 2);
        assert!(parse_several("# nothing\n\n").unwrap().is_empty());
        for (bad, says) in [
            ("AGE-PLUGIN-YUBIKEY-1QQ", "plugins"),
            ("AGE-SECRET-KEY-PQ-1QQ", "post-quantum"),
            ("age-encryption.org/v1", "encrypted"),
            ("-----BEGIN AGE ENCRYPTED FILE-----", "encrypted"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "SSH"),
            ("age1canary", "recipient"),
            ("envconf-local-v1:canary", "local key"),
            ("AGE-SECRET-KEY-1CANARY", "a character is wrong"),
            ("canary", "expected"),
        ] {
            let error = parse_several(&format!("# comment\n{bad}\n")).unwrap_err();
            assert_eq!(error.kind(), Kind::BadLocalKey);
            let report = error.to_string();
            assert!(report.contains(says) && report.contains("line 2"), "{bad}: {report}");
            assert!(!report.to_lowercase().contains("canary"), "{report}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_change_is_rejected() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.txt");
        let identity = AgeIdentity::generate().unwrap();
        identity.create(&path).unwrap();
        assert_eq!(identity.create(&path).unwrap_err().exit_code(), 11);
        assert_eq!(AgeIdentity::read_file(&path).unwrap()[0].key_ref(), identity.key_ref());
        for mode in [0o604, 0o620, 0o610, 0o601, 0o602] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(AgeIdentity::read_file(&path).unwrap_err().kind(), Kind::InsecureKeyFile, "{mode:o}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for text in [&b"# only a comment\n"[..], b"", b"\xff\xfe", b"nonsense"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(AgeIdentity::read_file(&path).unwrap_err().kind(), Kind::BadLocalKey);
        }
        std::fs::write(&path, vec![b'#'; FILE + 1]).unwrap();
        assert_eq!(AgeIdentity::read_file(&path).unwrap_err().kind(), Kind::BadLocalKey);
        assert_eq!(AgeIdentity::read_file(directory.path()).unwrap_err().kind(), Kind::InsecureKeyFile);
        assert_eq!(
            AgeIdentity::read_file(&directory.path().join("no")).unwrap_err().kind(),
            Kind::BadLocalKey
        );
    }
}
