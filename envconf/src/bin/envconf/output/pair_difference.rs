//! Formats the differences between two pairs, or two files of them, for people and for programs.

use envconf::KeyRef;
use envconf::error::escape;
use envconf::format::{EncFile, KeyFile};
use envconf::tools::{Comparison, Exchange, KeyChanges};
use serde_json::{Value, json};

/// The differences between two pairs.
pub(crate) struct PairDifference {
    /// The differences of the two `.enc`.
    pub(crate) header: Option<Comparison>,
    /// Ids of the data keys, old and new.
    data_keys: [String; 2],
    /// The differences of the two `.key`.
    pub(crate) recipients: Option<Exchange<KeyRef>>,
    /// True if the two `.key` are equal byte for byte.
    same_key_file: bool,
}

/// The existing parts of one side: an `.enc`, the recipients in its `.key`, or both.
#[derive(Default)]
pub(crate) struct Side {
    pub(crate) enc: Option<EncFile>,
    pub(crate) key: Option<KeyFile>,
}

impl Side {
    /// Returns the recipients of the current data key if it is known, else of all data keys.
    fn recipients(&self) -> Option<Vec<KeyRef>> {
        let in_use = self.enc.as_ref().map(|enc| enc.header.dek);
        let sections = self.key.as_ref()?.sections.iter();
        let sections = sections.filter(|section| in_use.is_none_or(|dek| section.dek == dek));
        Some(
            sections.flat_map(|section| &section.recipients).map(|recipient| recipient.key.clone()).collect(),
        )
    }

    fn data_keys(&self) -> String {
        if let Some(enc) = &self.enc {
            return enc.header.dek.to_string();
        }
        let sections = self.key.iter().flat_map(|key| &key.sections);
        sections.map(|section| section.dek.to_string()).collect::<Vec<_>>().join(" ")
    }
}

impl PairDifference {
    pub(crate) fn between(old: &Side, new: &Side) -> Self {
        let bytes = |side: &Side| side.key.as_ref().map(KeyFile::emit);
        Self {
            header: old.enc.as_ref().zip(new.enc.as_ref()).map(|(old, new)| Comparison::of(old, new)),
            data_keys: [old.data_keys(), new.data_keys()],
            recipients: old
                .recipients()
                .zip(new.recipients())
                .map(|(old, new)| Exchange::between(&old, &new)),
            same_key_file: bytes(old) == bytes(new),
        }
    }

    /// Returns true if there are no differences.
    pub(crate) fn is_empty(&self) -> bool {
        let same_header = |header: &Comparison| header.same_seal && header.signers.is_empty();
        self.header.as_ref().is_none_or(same_header) && self.same_key_file
    }

    /// Prints one indented line for each difference.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_empty() {
            lines.push("  no difference".to_owned());
            return lines;
        }
        let mut line =
            |label: &str, value: &dyn std::fmt::Display| lines.push(format!("  {label:<12} {value}"));
        for change in self.header.iter().flat_map(|header| &header.fields) {
            let or_none =
                |text: &str| if text.is_empty() { "none".to_owned() } else { escape(text).to_string() };
            line(change.field, &format_args!("{} -> {}", or_none(&change.old), or_none(&change.new)));
        }
        match &self.data_keys {
            [old, new] if old == new => line("data key", &"the same"),
            [old, new] => line("data key", &format_args!("{old} -> {new}")),
        }
        if let Some(header) = &self.header {
            self.key_lines(header, &mut line);
            header.signers.lost.iter().for_each(|id| line("signer -", id));
            header.signers.gained.iter().for_each(|id| line("signer +", id));
        }
        if let Some(recipients) = &self.recipients {
            recipients.lost.iter().for_each(|key| line("recipient -", key));
            recipients.gained.iter().for_each(|key| line("recipient +", key));
            if recipients.is_empty() && !self.same_key_file && self.data_keys[0] == self.data_keys[1] {
                line("recipients", &"the same, wrapped again");
            }
        }
        lines
    }

    fn key_lines(&self, header: &Comparison, line: &mut impl FnMut(&str, &dyn std::fmt::Display)) {
        let Some(keys) = &header.keys else {
            if !header.same_seal {
                line("keys", &"unknown: compare them with --open, or seal both with an outline");
            }
            return;
        };
        // Paths of an outline are printable ASCII.
        keys.removed.iter().for_each(|path| line("removed", path));
        keys.added.iter().for_each(|path| line("added", path));
        keys.changed.iter().for_each(|path| line("changed", path));
        match keys.undecided.len() {
            0 => {}
            _ if header.same_data_key => {
                keys.undecided
                    .iter()
                    .for_each(|path| line("undecided", &format_args!("{path} (its tag is hidden)")));
            }
            all => {
                line("undecided", &format_args!("{all} other keys: the data key changed, so all tags differ"))
            }
        }
    }

    /// Returns the shape that docs/json-output.md describes.
    pub(crate) fn as_json(&self) -> Value {
        let header = self.header.as_ref();
        let [old, new] = &self.data_keys;
        let fields = header.map(|header| header.fields.iter());
        let fields: Option<Vec<Value>> = fields.map(|fields| {
            fields
                .map(|change| json!({ "field": change.field, "old": change.old, "new": change.new }))
                .collect()
        });
        let strings = |list: &[KeyRef]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ids = |list: &[envconf::format::Id]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({
            "authenticated": false,
            "differ": !self.is_empty(),
            "fields": fields.unwrap_or_default(),
            "data_keys": { "old": old, "new": new, "same": old == new },
            "keys": header.and_then(|header| header.keys.as_ref()).map(keys_as_json),
            "recipients": self.recipients.as_ref().map(|exchange| {
                json!({ "gained": strings(&exchange.gained), "lost": strings(&exchange.lost) })
            }),
            "signers": header.map(|header| {
                json!({ "gained": ids(&header.signers.gained), "lost": ids(&header.signers.lost) })
            }),
        })
    }
}

fn keys_as_json(keys: &KeyChanges) -> Value {
    json!({
        "added": keys.added,
        "removed": keys.removed,
        "changed": keys.changed,
        "undecided": keys.undecided,
    })
}
