//! The reference to one key of a key service, and the prefixes of secret keys.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Error, Kind, age_recipient, escape, provider};

/// The provider of local keys.
pub(crate) const LOCAL_PROVIDER: &str = "local";
/// The prefix of a local key's text.
pub(crate) const LOCAL_PREFIX: &str = "envconf-local-v1:";
/// The prefix of a signer's secret key, as text.
pub(crate) const SIGNER_PREFIX: &str = "envconf-signer-v1:";

/// One key of one key service: `provider:region:key-id`, exactly the triplet of format.md §5.
///
/// The parts follow the grammar of format.md §5. Parsing a text also checks the rules of a known provider, such as the
/// region against the ARN of an AWS key. The recipients in a `.key` are not checked against these rules.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyRef {
    /// The three parts, joined by colons. It is shared, because a load clones each key several times.
    text: Arc<str>,
    /// Length of the provider.
    provider: u8,
    /// Length of the region.
    region: u8,
}

impl KeyRef {
    /// Returns the key of these parts; `None` if a part is outside its grammar: provider `[a-z][a-z0-9-]{0,31}`, region
    /// `-` or `[a-z0-9][a-z0-9-]{0,31}`, key id 1–512 bytes of 0x21–0x7E.
    pub(crate) fn new(provider: &str, region: &str, key_id: &str) -> Option<Self> {
        let word = |text: &str| {
            text.len() <= 32
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let provider_fits = word(provider) && provider.starts_with(|c: char| c.is_ascii_lowercase());
        let region_fits = region == "-" || word(region) && !region.is_empty() && !region.starts_with('-');
        let key_id_fits = (1..=512).contains(&key_id.len()) && key_id.bytes().all(|b| b.is_ascii_graphic());
        (provider_fits && region_fits && key_id_fits).then(|| Self {
            text: format!("{provider}:{region}:{key_id}").into(),
            // Provider and region have at most 32 bytes each.
            provider: provider.len() as u8,
            region: region.len() as u8,
        })
    }

    fn region_start(&self) -> usize {
        usize::from(self.provider) + 1
    }

    fn id_start(&self) -> usize {
        self.region_start() + usize::from(self.region) + 1
    }

    /// Parses a recipient of a file. It checks the grammar, but not the rules of the provider.
    pub(crate) fn listed(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        Self::new(parts.next()?, parts.next()?, parts.next()?)
    }

    /// Returns the key service's name: `local`, `tencent`, …
    pub fn provider(&self) -> &str {
        &self.text[..usize::from(self.provider)]
    }

    /// Returns the service's region, or `-` where it has none.
    pub fn region(&self) -> &str {
        &self.text[self.region_start()..self.id_start() - 1]
    }

    /// Returns the key's id within the service and region: an immutable id, or an alias ([`KeyRef::alias`]).
    pub fn key_id(&self) -> &str {
        &self.text[self.id_start()..]
    }

    /// Returns this reference with `*` in place of the key's id.
    pub(crate) fn with_any_id(&self) -> Self {
        Self {
            text: format!("{}*", &self.text[..self.id_start()]).into(),
            provider: self.provider,
            region: self.region,
        }
    }

    /// Returns the alias, if the reference has one in place of the id: `tencent:ap-guangzhou:alias/NAME`,
    /// `aws:us-east-1:alias/NAME` or the ARN of an alias. Providers without aliases always return `None`. Tools
    /// resolve an alias ([`KeyServices::resolve`](crate::KeyServices::resolve)). It is never written into a file and
    /// never trusted, because somebody can move it to another key.
    pub fn alias(&self) -> Option<&str> {
        provider::alias(self)
    }

    /// Rejects an alias.
    ///
    /// Rejects an alias. `what` describes the use of the reference.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an alias.
    pub(crate) fn refuse_alias(&self, what: &str) -> Result<(), Error> {
        if self.alias().is_none() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            format!("{what} `{}` is an alias, which can be moved to another key", escape(&self.to_string())),
        )
        .advise(format!(
            "name the key by its id: `envconf keys describe {}` prints it",
            escape(&self.to_string())
        )))
    }
}

impl FromStr for KeyRef {
    type Err = Error;

    /// Splits the text at the first two colons: a key id may contain more. The parts must follow the rules of a known
    /// provider: for `aws`, the region must be that of the ARN.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with(LOCAL_PREFIX) {
            return Err(Error::new(Kind::Usage, "this is a local key itself, not a reference to one")
                .advise(
                    "write local:-:<id of the key>, or `local`; the key goes into ENVCONF_KEY or a file",
                ));
        }
        if age_recipient::holds_secret(text) {
            return Err(Error::new(Kind::Usage, "this is an age identity itself, not its recipient")
                .advise("write age:-:age1…, with the recipient that `age-keygen -y` prints; the identity goes into ENVCONF_AGE_KEY or a file"));
        }
        // An age recipient that is too long for a key reference, or that has no `age:-:` before it.
        let recipient = text.strip_prefix("age:-:").filter(|id| id.len() > 512);
        if let Some(id) = recipient.or_else(|| text.starts_with("age1").then_some(text)) {
            let (reason, advice) = match age_recipient::check(id) {
                Ok(()) => ("its provider is missing", format!("write it as age:-:{id}")),
                Err(bad) => (bad.reason, bad.advice.to_owned()),
            };
            let start: String = id.chars().take(64).collect();
            let message = format!("invalid key reference `{}`: {reason}", escape(&start));
            return Err(Error::new(Kind::Usage, message).advise(advice));
        }
        let key = Self::listed(text).ok_or_else(|| {
            Error::new(Kind::Usage, format!("`{}` is not a key reference", escape(text)))
                .advise("write it as provider:region:key-id, such as tencent:ap-guangzhou:<id of the CMK>")
        })?;
        provider::check(&key).map_err(|bad| {
            Error::new(Kind::Usage, format!("invalid key reference `{}`: {}", escape(text), bad.reason))
                .advise(bad.advice)
        })?;
        Ok(key)
    }
}

/// Orders by provider, then by region, then by key id.
impl Ord for KeyRef {
    fn cmp(&self, other: &Self) -> Ordering {
        fn parts(key: &KeyRef) -> [&str; 3] {
            [key.provider(), key.region(), key.key_id()]
        }
        parts(self).cmp(&parts(other))
    }
}

impl PartialOrd for KeyRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRef({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_splits_at_the_first_two_colons() {
        let key: KeyRef = "aws:us-east-1:arn:aws:kms:us-east-1:1:key/2".parse().unwrap();
        assert_eq!(
            (key.provider(), key.region(), key.key_id()),
            ("aws", "us-east-1", "arn:aws:kms:us-east-1:1:key/2")
        );
        assert_eq!(key.to_string().parse::<KeyRef>().unwrap(), key);
    }

    #[test]
    fn references_are_ordered_by_provider_then_region_then_key_id() {
        let sorted = ["a:-:z", "a:b:1", "a:b:2", "a:b-c:1", "a-b:-:1", "a1:-:1", "b:-:1"];
        let keys: Vec<KeyRef> = sorted.iter().map(|text| text.parse().unwrap()).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys[1].with_any_id().to_string(), "a:b:*");
        assert_eq!((keys[1].with_any_id().region(), keys[1].with_any_id().key_id()), ("b", "*"));
    }

    #[test]
    fn parts_outside_their_grammar_are_refused() {
        for bad in
            ["", "local", "local:-", "local:-:", "Local:-:x", "1a:-:x", "a:_:x", "a:--:x", "a:-:b c", "a::x"]
        {
            assert_eq!(bad.parse::<KeyRef>().unwrap_err().kind(), Kind::Usage, "{bad:?}");
        }
        assert!(KeyRef::new("a", "-", &"k".repeat(512)).is_some());
        assert!(KeyRef::new("a", "-", &"k".repeat(513)).is_none());
    }
}
