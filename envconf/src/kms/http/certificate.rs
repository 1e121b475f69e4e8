//! The names in a certificate, for a report: its subject and its issuer. Pure.
//!
//! This module reads the names only (X.509, RFC 5280 §4.1), and also from an untrusted certificate. rustls verifies the
//! certificate.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const VERSION: u8 = 0xa0;
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANISATION: [u8; 3] = [0x55, 0x04, 0x0a];
/// The number of characters of a name that a report shows.
const LONGEST: usize = 64;

/// The names in a certificate; a missing name is `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// The owner of the certificate.
    pub(crate) subject: String,
    /// The authority that signed the certificate.
    pub(crate) issuer: String,
}

impl Names {
    /// Reads the names from DER; `None` if the bytes are not a certificate.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let certificate = inside(SEQUENCE, certificate)?.0;
        let mut rest = inside(SEQUENCE, certificate)?.0;
        if let Some((_, after)) = inside(VERSION, rest) {
            rest = after;
        }
        let (_serial, rest) = any(rest)?;
        let (_algorithm, rest) = any(rest)?;
        let (issuer, rest) = inside(SEQUENCE, rest)?;
        let (_validity, rest) = any(rest)?;
        let (subject, _) = inside(SEQUENCE, rest)?;
        Some(Self { subject: name(subject), issuer: name(issuer) })
    }
}

/// Returns the common name, or else the organisation.
fn name(parts: &[u8]) -> String {
    let found = part(parts, &COMMON_NAME).or_else(|| part(parts, &ORGANISATION));
    found.unwrap_or_else(|| "?".to_owned())
}

fn part(mut parts: &[u8], wanted: &[u8]) -> Option<String> {
    while let Some((set, rest)) = inside(SET, parts) {
        parts = rest;
        let Some((pair, _)) = inside(SEQUENCE, set) else { continue };
        let Some((kind, value)) = inside(OBJECT, pair) else { continue };
        if kind == wanted {
            let (text, _) = any(value)?;
            return Some(String::from_utf8_lossy(text).chars().take(LONGEST).collect());
        }
    }
    None
}

/// Returns the content of the first element, and the bytes after it; `None` if the element has another tag.
fn inside(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    (*der.first()? == tag).then(|| any(der)).flatten()
}

/// Returns the content of the first element, and the bytes after it.
fn any(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn authority() -> CertificateDer<'static> {
        let kms = envconf_test_support::StandIn::builder().tls().start();
        CertificateDer::from_pem_slice(kms.ca_pem().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn names_are_found_in_a_certificate() {
        let names = Names::of(&authority()).unwrap();
        assert_eq!(names.subject, "envconf tests: no authority to trust");
        assert_eq!(names.issuer, names.subject);
    }

    #[test]
    fn every_built_in_root_certificate_has_a_name() {
        // A trust anchor contains the content of its subject's name.
        for anchor in webpki_roots::TLS_SERVER_ROOTS {
            let found = name(&anchor.subject);
            assert!(found.len() > 3 && !found.contains('\u{fffd}'), "{found}");
        }
    }

    #[test]
    fn damaged_certificates_cause_no_panic() {
        let whole = authority();
        for end in 0..whole.len() {
            assert!(Names::of(&whole[..end]).is_none_or(|names| !names.subject.is_empty()));
        }
        for at in 0..whole.len().min(300) {
            for byte in [0, 0x7f, 0x80, 0x83, 0xff] {
                let mut broken = whole.to_vec();
                broken[at] = byte;
                let _ = Names::of(&broken);
            }
        }
        assert_eq!(Names::of(&[SEQUENCE, 0x84, 1, 1, 1, 1]), None);
    }
}
