//! Tests of properties of the format: each parser reads the output of its writer, and every change is detected
//! (format.md §11).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use envconf::__vectors as vectors;
use envconf::format::{EncFile, Header, KeyFile, Recipient, Timestamp};
use envconf::format::{Id, Outline, Suite};
use envconf::pair::{SigningKey, open_bytes};
use envconf::{ContentType, Error, KeyRef, KeyServices, Kind, LocalKey, Opened, Policy, Seal, Trusted};
use proptest::collection::vec;
use proptest::prelude::*;

const TOML: &[u8] = b"port = 8080\ndebug = false\n\n[database]\nurl = \"postgres://db/app\"\n";

/// A pair, with the policy and services that open it.
struct Sample {
    enc: Vec<u8>,
    key: Vec<u8>,
    policy: Policy,
    services: KeyServices,
}

impl Sample {
    fn of(seal: Seal, policy: Policy, content: &[u8]) -> Self {
        let local = LocalKey::generate().unwrap();
        let services = KeyServices::none().local_key(local.clone());
        let (enc, key) = seal.recipient(local.key_ref().clone()).seal_bytes(content, &services).unwrap();
        let sample = Self { enc, key, policy, services };
        assert_eq!(sample.open(&sample.enc, &sample.key).unwrap().content(), content);
        sample
    }

    fn plain() -> Self {
        Self::of(seal("app", "prod"), policy("app", "prod"), TOML)
    }

    fn signed() -> Self {
        let signers = [SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32])];
        let pinned = signers.iter().map(SigningKey::public).collect();
        let policy = policy("app", "prod").signers(pinned, 2).unwrap();
        let seal = signers.into_iter().fold(seal("app", "prod"), Seal::sign);
        Self::of(seal.outline(Outline::Tags { hide: Vec::new() }).sealed_at(true), policy, TOML)
    }

    fn small_key() -> Self {
        Self::of(seal("app", "prod").suite(Suite::Aes128Gcm), policy("app", "prod"), b"")
    }

    fn open(&self, enc: &[u8], key: &[u8]) -> Result<Opened, Error> {
        open_bytes(enc, key, &self.policy, &self.services)
    }
}

fn samples() -> [Sample; 3] {
    [Sample::plain(), Sample::signed(), Sample::small_key()]
}

fn seal(name: &str, environment: &str) -> Seal {
    Seal::new(name.parse().unwrap(), environment.parse().unwrap(), ContentType::Toml)
}

fn policy(name: &str, environment: &str) -> Policy {
    Policy::new(name.parse().unwrap(), environment.parse().unwrap())
}

// Pitfall 22.
#[test]
fn every_flipped_bit_is_rejected() {
    for sample in samples() {
        for at in 0..sample.enc.len() * 8 {
            let error =
                sample.open(&flipped(&sample.enc, at), &sample.key).expect_err("a flipped bit in the .enc");
            assert!(refuses_changes(error.kind()), "bit {at}: {error}");
        }
        for at in 0..sample.key.len() * 8 {
            let error =
                sample.open(&sample.enc, &flipped(&sample.key, at)).expect_err("a flipped bit in the .key");
            assert!(refuses_changes(error.kind()), "bit {at}: {error}");
        }
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[at / 8] ^= 1 << (at % 8);
    flipped
}

/// Returns true for the error classes of changed files in format.md §8. Other classes have causes outside of the files.
fn refuses_changes(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        NotEnvconf
            | BadEncoding
            | TooLarge
            | Truncated
            | WrongKind
            | UnsupportedVersion
            | BadHeader
            | BadValue
            | UnsupportedSuite
            | BadBody
            | TrailingData
            | IdentityMismatch
            | BadSignature
            | SignatureRequired
            | DekNotFound
            | NoTrustedRecipient
            | UnwrapFailed
            | BadDek
            | KeyMacMismatch
            | CommitMismatch
            | TagMismatch
    )
}

#[test]
fn every_proper_prefix_is_rejected() {
    let expected = |len: usize| if len < 8 { Kind::NotEnvconf } else { Kind::Truncated };
    for sample in samples() {
        for len in 0..sample.enc.len() {
            assert_eq!(
                sample.open(&sample.enc[..len], &sample.key).unwrap_err().kind(),
                expected(len),
                "{len}"
            );
        }
        for len in 0..sample.key.len() {
            assert_eq!(
                sample.open(&sample.enc, &sample.key[..len]).unwrap_err().kind(),
                expected(len),
                "{len}"
            );
        }
    }
}

#[test]
fn deleted_doubled_and_swapped_lines_are_rejected() {
    for sample in samples() {
        for changed in changed_lines(&sample.enc) {
            assert!(sample.open(&changed, &sample.key).is_err());
        }
        for changed in changed_lines(&sample.key) {
            assert!(sample.open(&sample.enc, &changed).is_err());
        }
    }
}

fn changed_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let mut changed = Vec::new();
    for at in 0..lines.len() {
        let mut deleted = lines.clone();
        deleted.remove(at);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        changed.extend([deleted.concat(), doubled.concat()]);
        if at > 0 {
            let mut swapped = lines.clone();
            swapped.swap(at - 1, at);
            changed.push(swapped.concat());
        }
    }
    changed
}

#[test]
fn content_of_every_length_can_be_opened() {
    for len in [0, 1, 1019, 1020, 1021, 2043, 2044, 2045, 1 << 20, 64 << 20] {
        let content: Vec<u8> = (0..len).map(|at| ((at * 31) >> 3) as u8).collect();
        let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw);
        let sample = Sample::of(seal, policy("app", "prod"), &content);
        assert!(EncFile::parse(&sample.enc).unwrap().emit() == sample.enc);
    }
}

#[test]
fn content_above_the_limit_is_rejected() {
    let local = LocalKey::generate().unwrap();
    let services = KeyServices::none().local_key(local.clone());
    let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw);
    let error =
        seal.recipient(local.key_ref().clone()).seal_bytes(&vec![0; (64 << 20) + 1], &services).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::TooLarge, 20), "no sealed file is damaged");
}

/// Opens every `.enc` with every `.key` of pairs with two names, two environments and two data keys.
#[test]
fn crossed_pairs_fail_with_their_class() {
    let local = LocalKey::generate().unwrap();
    let services = KeyServices::none().local_key(local.clone());
    let identities = [("app", "prod"), ("app", "staging"), ("other", "prod")];
    let pairs: Vec<_> = identities
        .iter()
        .chain(&identities)
        .map(|(name, environment)| {
            let sealed = seal(name, environment)
                .recipient(local.key_ref().clone())
                .seal_bytes(TOML, &services)
                .unwrap();
            (*name, *environment, sealed)
        })
        .collect();
    for (at, (name, environment, (enc, _))) in pairs.iter().enumerate() {
        for (other, (key_name, key_environment, (_, key))) in pairs.iter().enumerate() {
            let result = open_bytes(enc, key, &policy(name, environment), &services);
            if at == other {
                assert!(result.is_ok());
            } else if (name, environment) == (key_name, key_environment) {
                assert_eq!(result.unwrap_err().kind(), Kind::DekNotFound);
            } else {
                assert_eq!(result.unwrap_err().kind(), Kind::IdentityMismatch);
            }
            if (name, environment) != (key_name, key_environment) {
                let error = open_bytes(enc, key, &policy(key_name, key_environment), &services).unwrap_err();
                assert_eq!(error.kind(), Kind::IdentityMismatch);
            }
        }
    }
}

#[test]
fn sections_of_other_data_keys_have_no_effect() {
    let sample = Sample::plain();
    let foreign = Sample::plain();
    let section = |key: &[u8]| {
        let text = String::from_utf8(key.to_vec()).unwrap();
        let start = text.find("dek: ").unwrap();
        text[start..].strip_suffix("end\n").unwrap().to_owned()
    };
    let prefix = "envconf/v1 key\nname: app\nenv: prod\n";
    let (own, other) = (section(&sample.key), section(&foreign.key));
    for both in [format!("{prefix}{own}{other}end\n"), format!("{prefix}{other}{own}end\n")] {
        assert_eq!(sample.open(&sample.enc, both.as_bytes()).unwrap().content(), TOML);
    }
}

/// With a fixed R, as on a cloned machine, different contents still have different salts.
#[test]
fn a_repeated_random_number_does_not_repeat_a_salt() {
    let mut salts = std::collections::HashSet::new();
    for n in 0u32..1_000_000 {
        salts.insert(vectors::hedged_salt(&[7; 32], &[0; 32], b"header\n", &n.to_be_bytes()));
    }
    assert_eq!(salts.len(), 1_000_000);
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
}

fn recipient() -> impl Strategy<Value = Recipient> {
    ("[a-z][a-z0-9-]{0,31}", "-|[a-z0-9][a-z0-9-]{0,31}", "[!-~]{1,80}", "[!-~]{1,200}").prop_map(
        |(provider, region, key_id, blob)| {
            let key: KeyRef = format!("{provider}:{region}:{key_id}").parse().unwrap();
            Recipient { key, blob }
        },
    )
}

fn header() -> impl Strategy<Value = Header> {
    (
        name(),
        name(),
        0..5usize,
        any::<bool>(),
        any::<[u8; 8]>(),
        1..=i64::MAX as u64,
        proptest::option::of(0..253_402_300_800u64),
    )
        .prop_map(|(name, environment, ty, small, dek, generation, sealed_at)| Header {
            name: name.parse().unwrap(),
            environment: environment.parse().unwrap(),
            content_type: ContentType::ALL[ty],
            suite: if small { Suite::Aes128Gcm } else { Suite::Aes256Gcm },
            dek: Id::new(dek),
            generation,
            sealed_at: sealed_at.and_then(Timestamp::from_unix),
            outline: Vec::new(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_enc_parses_to_the_same_value(header in header(), content in "[ -~]{0,3000}", seeds in vec(any::<[u8; 32]>(), 0..4)) {
        let signers: std::collections::BTreeSet<Id> = seeds.iter().map(|seed| SigningKey::from_seed(seed).public().id()).collect();
        let dek = vec![9; header.suite.key_len()];
        let given = vectors::SealInput { header: header.clone(), content: content.as_bytes(), dek: &dek, random: [3; 32], seeds, outline: None };
        let bytes = vectors::seal(given).unwrap();
        let parsed = EncFile::parse(&bytes).unwrap();
        prop_assert_eq!(&parsed.header, &header);
        prop_assert_eq!(parsed.signatures.iter().map(|signature| signature.signer).collect::<Vec<_>>(), signers.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(parsed.emit(), bytes);
    }

    #[test]
    fn a_written_key_parses_to_the_same_value(name in name(), environment in name(), sections in vec((any::<[u8; 8]>(), vec(recipient(), 1..5)), 1..5)) {
        let mut sections: Vec<_> = sections.into_iter().map(|(id, mut recipients)| {
            recipients.sort_by(|a, b| a.key.cmp(&b.key));
            recipients.dedup_by(|a, b| a.key == b.key);
            (Id::new(id), vec![1; 32], recipients)
        }).collect();
        sections.sort_by_key(|section| section.0);
        sections.dedup_by_key(|section| section.0);
        let bytes = vectors::key_file(&name, &environment, &sections).unwrap();
        let parsed = KeyFile::parse(&bytes).unwrap();
        prop_assert_eq!(parsed.emit(), bytes);
        for (parsed, (id, _, recipients)) in parsed.sections.iter().zip(&sections) {
            prop_assert_eq!((parsed.dek, &parsed.recipients), (*id, recipients));
        }
    }

    /// A changed file is rejected, or it is the canonical form of its data.
    #[test]
    fn an_accepted_file_is_in_canonical_form(edits in vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3u8), 1..4)) {
        let sample = SAMPLE.with(|sample| (sample.enc.clone(), sample.key.clone()));
        let (enc, key) = (edited(sample.0, &edits), edited(sample.1, &edits));
        if let Ok(parsed) = EncFile::parse(&enc) {
            prop_assert_eq!(parsed.emit(), enc);
        }
        if let Ok(parsed) = KeyFile::parse(&key) {
            prop_assert_eq!(parsed.emit(), key);
        }
    }

    #[test]
    fn arbitrary_text_is_rejected_without_panic(text in "(envconf/v1 (enc|key)\n)?[ -~\n]{0,300}") {
        prop_assert!(EncFile::parse(text.as_bytes()).is_err());
        prop_assert!(KeyFile::parse(text.as_bytes()).is_err());
    }
}

thread_local! {
    static SAMPLE: Sample = Sample::signed();
}

/// Replaces, inserts or removes bytes. The new bytes are from the alphabet of sealed files.
fn edited(mut bytes: Vec<u8>, edits: &[(proptest::sample::Index, u8, u8)]) -> Vec<u8> {
    const BYTES: &[u8] = b"\n 0aA+/=-.:\"\\u{~end";
    for (at, byte, what) in edits {
        let at = at.index(bytes.len());
        let byte = BYTES[usize::from(*byte) % BYTES.len()];
        match what {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => {
                bytes.remove(at);
            }
        }
    }
    bytes
}

#[test]
fn the_policy_and_not_the_file_decides_about_trust() {
    let sample = Sample::plain();
    let stranger = sample.policy.clone().trust(["tencent:ap-guangzhou:1".parse::<Trusted>().unwrap()]);
    // A passed local key is always trusted, so this test does not pass it.
    let error = open_bytes(&sample.enc, &sample.key, &stranger, &KeyServices::none()).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::NoTrustedRecipient, 34));
    let recipient = KeyFile::parse(&sample.key).unwrap().sections[0].recipients[0].key.to_string();
    assert!(error.to_string().contains(&recipient) && error.to_string().contains("ENVCONF_TRUST"));
}
