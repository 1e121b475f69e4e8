//! The rules of every provider, including providers without a key service in this build (format.md §6).
//!
//! envconf checks a key reference that a person or a program names against the rules of its provider. It does not
//! check the references in a `.key`: readers skip recipients that they do not know.

use super::age_recipient;
use super::key_ref::KeyRef;

/// The class of a provider (format.md §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Authenticated: only somebody with the right to wrap can create a wrapped key.
    A,
    /// Public: anybody can create a wrapped key, because wrapping needs only a public key.
    P,
}

/// The rules of one provider.
pub(crate) struct Provider {
    /// The name in key references.
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    /// Returns the reason why a reference cannot be a key of the provider.
    check: fn(&KeyRef) -> Result<(), BadReference>,
    /// Returns the alias, if the key id is one.
    alias: fn(&str) -> Option<&str>,
    /// Environment variables with the provider's credentials: names, and prefixes of names followed by `*`.
    #[cfg_attr(
        not(all(test, feature = "tools")),
        allow(dead_code, reason = "a test compares the table of refused names with it")
    )]
    pub(crate) credentials: &'static [&'static str],
}

/// The reason why a reference cannot be a key of its provider, and how to write one.
#[derive(Debug)]
pub(crate) struct BadReference {
    pub(crate) reason: &'static str,
    pub(crate) advice: &'static str,
}

const PROVIDERS: &[Provider] = &[
    Provider { name: "local", credentials: &["ENVCONF_KEY*"], ..Provider::of(Class::A) },
    Provider {
        name: "tencent",
        alias: alias_prefix,
        credentials: &["TENCENTCLOUD_*", "TCCLI_*", "TKE_*", "ENVCONF_TENCENT_*"],
        ..Provider::of(Class::A)
    },
    Provider { name: "tencent-rsa", alias: alias_prefix, ..Provider::of(Class::P) },
    Provider {
        name: "aws",
        check: check_aws,
        alias: aws_alias,
        credentials: &["AWS_*", "ENVCONF_AWS_*"],
        ..Provider::of(Class::A)
    },
    Provider { name: "aws-rsa", check: check_aws, alias: aws_alias, ..Provider::of(Class::P) },
    Provider {
        name: "vault",
        check: check_vault,
        credentials: &["VAULT_*", "BAO_*", "ENVCONF_VAULT_*"],
        ..Provider::of(Class::A)
    },
    Provider { name: "vault-rsa", check: check_vault, ..Provider::of(Class::P) },
    Provider { name: "gcp", ..Provider::of(Class::A) },
    Provider { name: "gcp-rsa", ..Provider::of(Class::P) },
    Provider { name: "azure", ..Provider::of(Class::P) },
    Provider { name: "azure-hsm", ..Provider::of(Class::A) },
    Provider { name: "age", check: check_age, credentials: &["ENVCONF_AGE_KEY*"], ..Provider::of(Class::P) },
    Provider { name: "alibaba", ..Provider::of(Class::A) },
    Provider { name: "huawei", ..Provider::of(Class::A) },
];

impl Provider {
    /// Returns a provider of this class without rules or aliases.
    const fn of(class: Class) -> Self {
        Self { name: "", class, check: |_| Ok(()), alias: |_| None, credentials: &[] }
    }

    /// Returns the provider of this name; `None` for an unknown provider.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// Returns all known providers.
    #[cfg(all(test, feature = "tools"))]
    pub(crate) fn all() -> &'static [Self] {
        PROVIDERS
    }
}

/// Checks a reference against the rules of its provider.
pub(crate) fn check(key: &KeyRef) -> Result<(), BadReference> {
    Provider::named(key.provider()).map_or(Ok(()), |provider| (provider.check)(key))
}

/// Returns the alias, if the key id is one.
pub(crate) fn alias(key: &KeyRef) -> Option<&str> {
    (Provider::named(key.provider())?.alias)(key.key_id())
}

fn alias_prefix(key_id: &str) -> Option<&str> {
    key_id.strip_prefix("alias/")
}

/// Returns `NAME` of `alias/NAME`, or of the ARN of an alias: `arn:aws:kms:REGION:ACCOUNT:alias/NAME`.
fn aws_alias(key_id: &str) -> Option<&str> {
    alias_prefix(key_id).or_else(|| alias_prefix(aws_arn(key_id)?.resource))
}

struct AwsArn<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

/// Returns the parts of an ARN of AWS KMS; `None` for anything else.
fn aws_arn(text: &str) -> Option<AwsArn<'_>> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next();
    let (arn, partition, service) = (next()?, next()?, next()?);
    let is_partition =
        matches!(partition, "aws" | "aws-cn" | "aws-us-gov" | "aws-eusc") || partition.starts_with("aws-iso");
    (arn == "arn" && is_partition && service == "kms").then_some(())?;
    Some(AwsArn { partition, region: next()?, account: next()?, resource: next()? })
}

/// Returns true if the two are replicas of one multi-Region key of AWS, in different regions. They are still different
/// keys: a wrapped key names the key that wrapped it.
pub(crate) fn are_replicas(one: &KeyRef, other: &KeyRef) -> bool {
    let (Some(a), Some(b)) = (aws_arn(one.key_id()), aws_arn(other.key_id())) else { return false };
    one.provider() == other.provider()
        && one.provider().starts_with("aws")
        && a.resource.starts_with("key/mrk-")
        && (a.partition, a.account, a.resource) == (b.partition, b.account, b.resource)
        && a.region != b.region
}

fn check_aws(key: &KeyRef) -> Result<(), BadReference> {
    const FORM: &str =
        "write it as aws:REGION:arn:aws:kms:REGION:ACCOUNT:key/ID, or as aws:REGION:alias/NAME";
    let bad = |reason| Err(BadReference { reason, advice: FORM });
    let is_word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    if key.region() == "-" {
        return bad("a key of AWS KMS needs a region");
    }
    if let Some(name) = alias_prefix(key.key_id()) {
        return if is_word(name, b"/_-") { Ok(()) } else { bad("invalid name of an alias") };
    }
    let Some(arn) = aws_arn(key.key_id()) else { return bad("expected the ARN of a key of AWS KMS") };
    if arn.region != key.region() {
        return Err(BadReference {
            reason: "its region differs from the region in the ARN",
            advice: "write the region of the ARN in both places: aws:REGION:arn:aws:kms:REGION:ACCOUNT:key/ID",
        });
    }
    if arn.account.is_empty() || !arn.account.bytes().all(|b| b.is_ascii_digit()) {
        return bad("its ARN has no account number");
    }
    match (arn.resource.strip_prefix("key/"), alias_prefix(arn.resource)) {
        (Some(id), _) if is_word(id, b"-") => Ok(()),
        (_, Some(name)) if is_word(name, b"/_-") => Ok(()),
        _ => bad("its ARN is not the ARN of a key"),
    }
}

/// Checks a native recipient of age.
fn check_age(key: &KeyRef) -> Result<(), BadReference> {
    age_recipient::check(key.key_id())?;
    match key.region() {
        "-" => Ok(()),
        _ => Err(BadReference {
            reason: "a recipient of age has no region",
            advice: "write it as age:-:age1…",
        }),
    }
}

/// Checks `MOUNT/KEY`, optionally with namespaces before the mount. All of it becomes part of the path of requests.
fn check_vault(key: &KeyRef) -> Result<(), BadReference> {
    const FORM: &str = "write it as vault:-:MOUNT/KEY, such as vault:-:transit/app; a namespace precedes the mount: vault:-:NAMESPACE/MOUNT/KEY";
    let bad = |reason| Err(BadReference { reason, advice: FORM });
    if key.region() != "-" {
        return bad("a key of Vault has no region");
    }
    let mut parts = key.key_id().rsplit('/');
    let name = parts.next().unwrap_or_default();
    let fits = |part: &str, more: &[u8]| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let mut has_mount = false;
    for part in parts {
        has_mount = true;
        if !fits(part, b"-._~!$&'()*+,;=:@") {
            return bad("its path has a part that is empty or has characters that a path cannot have");
        }
    }
    match (has_mount, fits(name, b"-._")) {
        (true, true) => Ok(()),
        (false, true) => bad("its mount is missing"),
        _ => bad("invalid name of a key: expected letters, digits, `-`, `.` and `_`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), &'static str> {
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().unwrap();
        let key = KeyRef::new(next(), next(), next()).unwrap();
        check(&key).map_err(|bad| bad.reason)
    }

    #[test]
    fn the_region_of_an_aws_key_must_match_its_arn() {
        for good in [
            "aws:us-east-1:arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "aws:us-east-1:arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
            "aws:cn-north-1:arn:aws-cn:kms:cn-north-1:111122223333:key/a",
            "aws:us-gov-west-1:arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/a",
            "aws:eusc-de-east-1:arn:aws-eusc:kms:eusc-de-east-1:111122223333:key/a",
            "aws:us-iso-east-1:arn:aws-iso:kms:us-iso-east-1:111122223333:key/a",
            "aws:us-isob-east-1:arn:aws-iso-b:kms:us-isob-east-1:111122223333:key/a",
            "aws:us-east-1:alias/app-prod",
            "aws:us-east-1:alias/team/app_prod",
            "aws:us-east-1:arn:aws:kms:us-east-1:111122223333:alias/app-prod",
            "gcp:-:anything",
            "unheard-of:-:anything",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for (bad, says) in [
            ("aws:us-east-1:arn:aws:kms:us-east-2:111122223333:key/a", "differs"),
            ("aws:-:arn:aws:kms:us-east-1:111122223333:key/a", "needs a region"),
            ("aws:us-east-1:1234abcd-12ab-34cd-56ef-1234567890ab", "expected the ARN"),
            ("aws:us-east-1:arn:aws:s3:us-east-1:111122223333:key/a", "expected the ARN"),
            ("aws:us-east-1:arn:azure:kms:us-east-1:111122223333:key/a", "expected the ARN"),
            ("aws:us-east-1:arn:aws:kms:us-east-1:key/a", "expected the ARN"),
            ("aws:us-east-1:arn:aws:kms:us-east-1::key/a", "account"),
            ("aws:us-east-1:arn:aws:kms:us-east-1:12x:key/a", "account"),
            ("aws:us-east-1:arn:aws:kms:us-east-1:111122223333:key/", "not the ARN of a key"),
            ("aws:us-east-1:arn:aws:kms:us-east-1:111122223333:key/a:b", "not the ARN of a key"),
            ("aws:us-east-1:arn:aws:kms:us-east-1:111122223333:grant/a", "not the ARN of a key"),
            ("aws:us-east-1:alias/", "alias"),
        ] {
            assert!(checked(bad).unwrap_err().contains(says), "{bad}");
        }
    }

    #[test]
    fn replicas_differ_in_their_region_only() {
        let key = |arn: &str| {
            let region = arn.split(':').nth(3).unwrap();
            KeyRef::new("aws", region, arn).unwrap()
        };
        let one = key("arn:aws:kms:us-east-1:1:key/mrk-a");
        assert!(are_replicas(&one, &key("arn:aws:kms:eu-west-1:1:key/mrk-a")));
        for other in [
            "arn:aws:kms:us-east-1:1:key/mrk-a",
            "arn:aws:kms:eu-west-1:2:key/mrk-a",
            "arn:aws:kms:eu-west-1:1:key/mrk-b",
            "arn:aws-cn:kms:cn-north-1:1:key/mrk-a",
        ] {
            assert!(!are_replicas(&one, &key(other)), "{other}");
        }
        let single = |region: &str| key(&format!("arn:aws:kms:{region}:1:key/a"));
        assert!(!are_replicas(&single("us-east-1"), &single("eu-west-1")));
        let local = KeyRef::new("local", "-", "a").unwrap();
        assert!(!are_replicas(&one, &local));
    }

    #[test]
    fn a_key_of_vault_is_a_path() {
        for good in [
            "vault:-:transit/app",
            "vault:-:team-a/transit/app",
            "vault:-:team-a/sub/path/transit/app.prod_1",
            "vault:-:transit@prod/app",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for (bad, says) in [
            ("vault:eu-1:transit/app", "no region"),
            ("vault:-:app", "mount is missing"),
            ("vault:-:/app", "path has a part"),
            ("vault:-:transit/", "name of a key"),
            ("vault:-:transit//app", "path has a part"),
            ("vault:-:../transit/app", "path has a part"),
            ("vault:-:transit/..", "name of a key"),
            ("vault:-:./transit/app", "path has a part"),
            ("vault:-:transit/app?x", "name of a key"),
            ("vault:-:transit/app#x", "name of a key"),
            ("vault:-:tran?sit/app", "path has a part"),
            ("vault:-:tran%73it/app", "path has a part"),
            ("vault:-:transit/a%70p", "name of a key"),
            ("vault:-:https://h/transit/app", "path has a part"),
            ("vault:-:transit\\app", "name of a key"),
        ] {
            assert!(checked(bad).unwrap_err().contains(says), "{bad}: {:?}", checked(bad));
        }
    }

    #[test]
    fn aliases_are_known_by_provider() {
        let alias = |provider: &str, id: &str| {
            let key = KeyRef::new(provider, "r-1", id).unwrap();
            alias(&key).map(str::to_owned)
        };
        assert_eq!(alias("tencent", "alias/app").as_deref(), Some("app"));
        assert_eq!(alias("aws", "alias/app").as_deref(), Some("app"));
        assert_eq!(alias("aws", "arn:aws:kms:r-1:1:alias/a/b").as_deref(), Some("a/b"));
        assert_eq!(alias("aws", "arn:aws:kms:r-1:1:key/b"), None);
        // These providers have no aliases: `alias/…` is an id like any other.
        for provider in ["vault", "gcp", "local", "unheard-of"] {
            assert_eq!(alias(provider, "alias/app"), None, "{provider}");
        }
    }

    #[test]
    fn the_class_is_known_without_the_service() {
        for (name, class) in [
            ("local", Class::A),
            ("tencent", Class::A),
            ("aws", Class::A),
            ("gcp", Class::A),
            ("vault", Class::A),
            ("azure", Class::P),
            ("age", Class::P),
        ] {
            assert_eq!(Provider::named(name).map(|provider| provider.class), Some(class), "{name}");
        }
        assert!(Provider::named("unheard-of").is_none());
    }

    /// The rows of format.md §6.
    #[test]
    fn the_format_has_the_same_classes() {
        let document = include_str!("../../docs/format.md");
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let rows: Vec<_> = rows
            .filter_map(|(name, rest)| match rest.split_once(" | ")?.0 {
                "A" => Some((name, Class::A)),
                "P" => Some((name, Class::P)),
                _ => None,
            })
            .collect();
        assert!(rows.len() >= 7, "{rows:?}");
        for (name, class) in rows {
            assert_eq!(Provider::named(name).map(|provider| provider.class), Some(class), "{name}");
        }
    }
}
