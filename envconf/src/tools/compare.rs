//! Comparison of two sealed files: of their headers, for reviewers without a key, and of their content, for people who
//! can open both.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use secrecy::{ExposeSecret as _, SecretString};

use crate::base::{KeyRef, escape, exact_text};
use crate::envelope::outline;
use crate::envelope::outline::encode;
use crate::format::{EncFile, Id, OutlineLine};
use crate::pair::Opened;
use crate::syntax::write_scalar;
use crate::syntax::{Node, Value};

/// The differences between the headers of two `.enc` files. Nothing in it is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// Header fields that differ: name, environment, type, suite, generation, time of sealing.
    pub fields: Vec<FieldChange>,
    /// True if both name the same data key.
    pub same_data_key: bool,
    /// True if both are the same seal: equal bytes, signatures excepted.
    pub same_seal: bool,
    /// The differences of the outlines; `None` unless both files have one.
    pub keys: Option<KeyChanges>,
    /// The signers of only one of the files.
    pub signers: Exchange<Id>,
}

/// A header field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldChange {
    /// The name of the field, in words.
    pub field: &'static str,
    /// The value in the old file; empty for a missing field.
    pub old: String,
    /// The value in the new file; empty for a missing field.
    pub new: String,
}

/// The differences between two outlines. Paths are written as in an outline (format.md §7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyChanges {
    /// Keys in the new file only.
    pub added: Vec<String>,
    /// Keys in the old file only.
    pub removed: Vec<String>,
    /// Keys in both files, with another value or type.
    pub changed: Vec<String>,
    /// Keys in both files that cannot be compared without the data key: the tag is hidden, or the files have different
    /// data keys, so that the tags of equal values differ too.
    pub undecided: Vec<String>,
}

/// The items that only one of two lists has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange<T> {
    /// Items in the new list only.
    pub gained: Vec<T>,
    /// Items in the old list only.
    pub lost: Vec<T>,
}

impl<T: Clone + PartialEq> Exchange<T> {
    /// Returns the items that only one of `old` and `new` has, in their order.
    pub fn between(old: &[T], new: &[T]) -> Self {
        let only =
            |these: &[T], those: &[T]| these.iter().filter(|item| !those.contains(item)).cloned().collect();
        Self { gained: only(new, old), lost: only(old, new) }
    }

    /// Returns true if both lists have the same items.
    pub fn is_empty(&self) -> bool {
        self.gained.is_empty() && self.lost.is_empty()
    }
}

impl Comparison {
    /// Compares two `.enc` files. Needs no key, and asks no key service.
    pub fn of(old: &EncFile, new: &EncFile) -> Self {
        let same_data_key = old.header.dek == new.header.dek;
        let same_seal = old.header == new.header
            && (old.salt, old.commit) == (new.salt, new.commit)
            && old.body.expose() == new.body.expose();
        let comparable = same_data_key
            && (&old.header.name, &old.header.environment) == (&new.header.name, &new.header.environment);
        let (before, after) = (&old.header.outline, &new.header.outline);
        let keys = (!before.is_empty() && !after.is_empty()).then(|| match same_seal {
            true => KeyChanges::default(),
            false => KeyChanges::between(before, after, comparable),
        });
        let signers = |file: &EncFile| file.signatures.iter().map(|s| s.signer).collect::<Vec<_>>();
        let signers = Exchange::between(&signers(old), &signers(new));
        Self { fields: fields(old, new), same_data_key, same_seal, keys, signers }
    }
}

fn fields(old: &EncFile, new: &EncFile) -> Vec<FieldChange> {
    type Show = fn(&EncFile) -> String;
    let all: [(&'static str, Show); 6] = [
        ("name", |file| file.header.name.to_string()),
        ("environment", |file| file.header.environment.to_string()),
        ("type", |file| file.header.content_type.name().to_owned()),
        ("suite", |file| file.header.suite.name().to_owned()),
        ("generation", |file| file.header.generation.to_string()),
        ("sealed at", |file| file.header.sealed_at.as_ref().map(ToString::to_string).unwrap_or_default()),
    ];
    let changes = all.into_iter().map(|(field, show)| FieldChange { field, old: show(old), new: show(new) });
    changes.filter(|change| change.old != change.new).collect()
}

impl KeyChanges {
    /// Compares two outlines. Both are sorted by path, so one pass finds equal paths.
    fn between(old: &[OutlineLine], new: &[OutlineLine], comparable: bool) -> Self {
        let mut changes = Self::default();
        walk(old, new, |old, new| match (old, new) {
            (None, Some(new)) => changes.added.push(new.path.clone()),
            (Some(old), None) => changes.removed.push(old.path.clone()),
            (Some(old), Some(new)) => match (&old.tag, &new.tag) {
                (Some(before), Some(after)) if comparable && before == after => {}
                (Some(_), Some(_)) if comparable => changes.changed.push(new.path.clone()),
                _ => changes.undecided.push(new.path.clone()),
            },
            (None, None) => {}
        });
        changes
    }

    /// Returns true if no key is known to differ.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// An item with a path.
trait HasPath {
    fn path(&self) -> &str;
}

impl HasPath for OutlineLine {
    fn path(&self) -> &str {
        &self.path
    }
}

impl HasPath for LeafAtPath<'_, '_> {
    fn path(&self) -> &str {
        &self.0
    }
}

/// Calls `meet` for each path of two lists, with the items that the lists have at this path. Both lists must be sorted
/// by the bytes of the paths.
fn walk<'o, 'n, A: HasPath, B: HasPath>(
    old: &'o [A],
    new: &'n [B],
    mut meet: impl FnMut(Option<&'o A>, Option<&'n B>),
) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) => a.path().as_bytes().cmp(b.path().as_bytes()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let a = if order.is_le() { old.next() } else { None };
        let b = if order.is_ge() { new.next() } else { None };
        meet(a, b);
    }
}

/// Returns the recipients that only one of two opened pairs has. They are authenticated.
pub fn compare_recipients(old: &Opened, new: &Opened) -> Exchange<KeyRef> {
    let recipients = |opened: &Opened| opened.recipients().cloned().collect::<Vec<_>>();
    Exchange::between(&recipients(old), &recipients(new))
}

/// The differences between the contents of two pairs.
#[derive(Debug)]
#[non_exhaustive]
pub enum ContentChanges {
    /// The contents are equal byte for byte.
    Same,
    /// The values that differ, by path; empty if only blanks, order or comments differ.
    Values(Vec<ValueChange>),
    /// The contents differ and cannot be compared by key: raw content, another type, or content that cannot have an
    /// outline (format.md §7).
    Whole,
}

/// A key whose value differs.
#[derive(Debug)]
#[non_exhaustive]
pub struct ValueChange {
    /// The path, written as in an outline (format.md §7).
    pub path: String,
    /// The old value, `None` for an added key: one line like an inline value of TOML. Characters that a terminal does
    /// not show are escaped.
    pub old: Option<SecretString>,
    /// The new value in the same form, `None` for a removed key.
    pub new: Option<SecretString>,
}

/// Compares the contents of two opened pairs.
pub fn compare_contents(old: &Opened, new: &Opened) -> ContentChanges {
    let types = (old.header().content_type, new.header().content_type);
    if types.0 == types.1 && old.content() == new.content() {
        return ContentChanges::Same;
    }
    let changes = outline::with_leaves(types.0, old.content(), |before| {
        outline::with_leaves(types.1, new.content(), |after| {
            changed_values((before, as_text(old.content())), (after, as_text(new.content())))
        })
    });
    changes.flatten().map_or(ContentChanges::Whole, ContentChanges::Values)
}

type LeafAtPath<'n, 'a> = (String, &'n Node<'a>);

/// Returns content as text. Content with leaves is always text.
fn as_text(content: &[u8]) -> &str {
    std::str::from_utf8(content).unwrap_or_default()
}

/// The leaves of a content, and its text.
type LeavesOfText<'l, 'n, 'a> = (&'l [LeafAtPath<'n, 'a>], &'l str);

/// Returns the values that differ. A number with other digits is another value, because programs that read it as text
/// see the difference.
fn changed_values(old: LeavesOfText<'_, '_, '_>, new: LeavesOfText<'_, '_, '_>) -> Vec<ValueChange> {
    let mut changes = Vec::new();
    let ((old, old_text), (new, new_text)) = (old, new);
    walk(old, new, |before, after| {
        let before_value = before.map(|(_, node)| shown(node, old_text));
        let after_value = after.map(|(_, node)| shown(node, new_text));
        let is_same = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
        match (before, after) {
            (Some((_, a)), Some((_, b)))
                if encode(&a.value) == encode(&b.value)
                    && before_value
                        .as_ref()
                        .zip(after_value.as_ref())
                        .is_some_and(|(a, b)| is_same(a, b)) => {}
            (_, Some((path, _))) | (Some((path, _)), None) => {
                changes.push(ValueChange { path: path.clone(), old: before_value, new: after_value });
            }
            (None, None) => {}
        }
    });
    changes
}

/// Returns a value of `text` on one line.
fn shown(node: &Node<'_>, text: &str) -> SecretString {
    std::mem::take(&mut *exact_text(|out| write_value(out, node, text))).into()
}

fn write_value(out: &mut dyn Write, node: &Node<'_>, text: &str) -> fmt::Result {
    match &node.value {
        Value::Null => out.write_str("null"),
        Value::Bool(bool) => write!(out, "{bool}"),
        Value::Integer(_) | Value::Float(_) | Value::Datetime(_) => write_scalar(node, text, out),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.write_char('[')?;
            for (index, item) in items.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { ", " })?;
                write_value(out, item, text)?;
            }
            out.write_char(']')
        }
        Value::Table(table) => {
            out.write_char('{')?;
            for (index, (key, node)) in table.iter().enumerate() {
                out.write_str(if index == 0 { " " } else { ", " })?;
                write_text(out, key)?;
                out.write_str(" = ")?;
                write_value(out, node, text)?;
            }
            out.write_str(if table.iter().next().is_some() { " }" } else { "}" })
        }
    }
}

fn write_text(out: &mut dyn Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            // Escape single characters: `escape` hides a local key, and here the user asked for the value.
            c => write!(out, "{}", escape(c.encode_utf8(&mut [0; 4])))?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Outline;
    use crate::syntax;

    use crate::{ContentType, ExposeSecret, KeyServices, LocalKey, Pair, Seal};

    struct Sealer {
        directory: tempfile::TempDir,
        services: KeyServices,
        seal: Seal,
    }

    impl Sealer {
        fn new(outline: Outline) -> Self {
            let key = LocalKey::generate().unwrap();
            let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml);
            Self {
                directory: tempfile::tempdir().unwrap(),
                services: KeyServices::none().local_key(key.clone()),
                seal: seal.recipient(key.key_ref().clone()).outline(outline),
            }
        }

        fn seal(&self, content: &str) -> EncFile {
            let pair = Pair::new(self.directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
            self.seal.seal(&pair, content.as_bytes(), &self.services).unwrap();
            EncFile::parse(&pair.read_enc().unwrap()).unwrap()
        }
    }

    const OLD: &str = "gone = 1\nhidden = 1\nkept = 1\non = true\nother = 1\n";
    const NEW: &str = "hidden = 2\nkept = 1\nmore.inner = 1\non = false\nother = \"1\"\n";

    // Pitfall 29.
    #[test]
    fn outlines_show_keys_and_changes() {
        let sealer = Sealer::new(Outline::Tags { hide: vec!["hidden".into()] });
        let (old, new) = (sealer.seal(OLD), sealer.seal(NEW));
        let comparison = Comparison::of(&old, &new);
        assert!(comparison.same_data_key && !comparison.same_seal);
        let keys = comparison.keys.unwrap();
        assert_eq!((keys.added, keys.removed), (vec!["more.inner".to_owned()], vec!["gone".to_owned()]));
        assert_eq!(
            (keys.changed, keys.undecided),
            (vec!["other".to_owned()], vec!["hidden".into(), "on".into()])
        );
        let generation = FieldChange { field: "generation", old: "1".into(), new: "2".into() };
        assert_eq!(comparison.fields, [generation]);
        let itself = Comparison::of(&new, &new.clone());
        assert!(itself.same_seal && itself.fields.is_empty() && itself.keys == Some(KeyChanges::default()));
    }

    #[test]
    fn opened_contents_have_values_and_debug_shows_none() {
        let sealer = Sealer::new(Outline::None);
        let pair = Pair::new(sealer.directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        let policy = crate::Policy::new("app".parse().unwrap(), "default".parse().unwrap());
        let policy = policy.trust([crate::Trusted::Local]);
        let open = |content: &str| {
            sealer.seal(content);
            crate::open(&pair, &policy, &sealer.services).unwrap()
        };
        let (old, new) = (open("a = \"canary\"\nb = 1\n"), open("b = 2 # other\n"));
        let ContentChanges::Values(values) = compare_contents(&old, &new) else { panic!() };
        assert!(!format!("{values:?}").contains("canary"));
        let shown: Vec<_> = values
            .iter()
            .map(|change| {
                (&*change.path, [&change.old, &change.new].map(|v| v.as_ref().map(|v| v.expose_secret())))
            })
            .collect();
        assert_eq!(shown, [("a", [Some("\"canary\""), None]), ("b", [Some("1"), Some("2")])]);
        assert!(compare_recipients(&old, &new).is_empty());
        assert!(matches!(compare_contents(&new, &new), ContentChanges::Same));
        let blanks = open("b   =   2\n");
        assert!(
            matches!(compare_contents(&new, &blanks), ContentChanges::Values(values) if values.is_empty())
        );
    }

    /// Equal values have other tags under another data key, so other tags prove nothing.
    #[test]
    fn another_data_key_leaves_values_undecided() {
        let [old, new] = [OLD, NEW].map(|content| Sealer::new(Outline::Tags { hide: vec![] }).seal(content));
        let keys = Comparison::of(&old, &new).keys.unwrap();
        assert_eq!((keys.added.len(), keys.removed.len(), keys.changed.len()), (1, 1, 0));
        assert_eq!(keys.undecided, ["hidden", "kept", "on", "other"]);
        let mut moved = old.clone();
        moved.header.environment = "prod".parse().unwrap();
        assert!(Comparison::of(&old, &moved).keys.unwrap().changed.is_empty());
    }

    #[test]
    fn without_an_outline_keys_are_unknown() {
        let sealer = Sealer::new(Outline::None);
        assert_eq!(Comparison::of(&sealer.seal(OLD), &sealer.seal(NEW)).keys, None);
    }

    #[test]
    fn a_number_with_other_digits_differs() {
        let change = |content_type, old: &str, new: &str| {
            let changes = outline::with_leaves(content_type, old.as_bytes(), |before| {
                outline::with_leaves(content_type, new.as_bytes(), |after| {
                    changed_values((before, old), (after, new))
                })
            });
            let changes = changes.flatten().unwrap();
            let shown = |value: &Option<SecretString>| value.as_ref().unwrap().expose_secret().to_owned();
            changes.iter().map(|change| (shown(&change.old), shown(&change.new))).collect::<Vec<_>>()
        };
        let pair = |old: &str, new: &str| vec![(old.to_owned(), new.to_owned())];
        assert_eq!(change(ContentType::Toml, "tag = 1.10", "tag = 1.1"), pair("1.10", "1.1"));
        assert_eq!(
            change(ContentType::Json, "{\"a\": 12345678901234567890123}", "{\"a\": 12345678901234567890124}"),
            pair("12345678901234567890123", "12345678901234567890124")
        );
        assert_eq!(change(ContentType::Toml, "a = 1_000 # x", "a = 1000"), []);
        assert_eq!(change(ContentType::Toml, "a = \"x\"", "a = 'x'"), []);
    }

    #[test]
    fn values_are_shown_on_one_line_without_control_characters() {
        let json = r#"{"a":[1,-2.5,null,{"k":true},{},"q\"\\\n\u001b[2J\u202e"]}"#;
        let root = syntax::parse(ContentType::Json, json).unwrap();
        let Value::Table(table) = &root.value else { panic!() };
        let text = shown(&table.get("a").unwrap().node, json);
        assert_eq!(
            text.expose_secret(),
            r#"[1, -2.5, null, { "k" = true }, {}, "q\"\\\n\u{1b}[2J\u{202e}"]"#
        );
        let key = "envconf-local-v1:f7e8";
        let text = format!("\"{key}\"");
        let value = Value::String(std::borrow::Cow::Borrowed(key).into());
        assert_eq!(shown(&Node { value, place: syntax::Place(0) }, &text).expose_secret(), text);
    }
}
