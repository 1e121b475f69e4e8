//! Compares the recipients of a pair with the rules, from its files alone.

use std::path::{Path, PathBuf};

use envconf::format::{EncFile, Section};
use envconf::{ContentType, Error, KeyRef, Pair, Trusted};

use super::Scan;

const LOCAL: &str = "local";

/// Compares the recipients of the current data key with the rule's recipients. They are not authenticated here. That
/// is enough: a pair does not open if somebody changed them without the data key.
pub(super) fn check(scan: &mut Scan, pair: &Pair, enc: &EncFile, section: &Section) -> Result<(), Error> {
    let Some((rules, relative)) = scan.rules(pair.enc())? else { return Ok(()) };
    let names = names(&relative, enc.header.content_type);
    let names: Vec<&Path> = names.iter().map(PathBuf::as_path).collect();
    let Some(rule) = rules.matching(&names) else {
        let advice = "add a [[rule]] whose files glob matches it";
        scan.find(pair.enc(), None, "no-rule", "no rule of the policy file matches it", advice);
        return Ok(());
    };
    let present: Vec<&KeyRef> = section.recipients.iter().map(|recipient| &recipient.key).collect();
    if rule.recipients().iter().any(|wanted| matches!(wanted, Trusted::Key(key) if key.alias().is_some())) {
        scan.notes
            .insert("an alias in the rules can mean any key of its region: only the key service knows which");
    }
    let lacking = rule.recipients().iter().filter(|wanted| !present.iter().any(|key| is_for(wanted, key)));
    let lacking: Vec<String> = lacking.map(ToString::to_string).collect();
    let foreign = present.iter().filter(|key| !rule.recipients().iter().any(|wanted| is_for(wanted, key)));
    let foreign: Vec<String> = foreign.map(ToString::to_string).collect();
    let mut parts = Vec::new();
    if !lacking.is_empty() {
        parts.push(format!("{} is missing", lacking.join(" ")));
    }
    if !foreign.is_empty() {
        parts.push(format!("{} is not in the rule", foreign.join(" ")));
    }
    if !parts.is_empty() {
        let message = format!("the recipients differ from the rule `{}`: {}", rule.files(), parts.join(", "));
        let advice = "seal it again, or apply the rule with `envconf rewrap`";
        scan.find(pair.key(), None, "drift", message, advice);
    }
    Ok(())
}

/// Returns true if the rule's entry means `key`.
fn is_for(wanted: &Trusted, key: &KeyRef) -> bool {
    match wanted {
        Trusted::Local => key.provider() == LOCAL,
        Trusted::Key(wanted) if wanted.alias().is_some() => {
            (wanted.provider(), wanted.region()) == (key.provider(), key.region())
        }
        Trusted::Key(wanted) => wanted == key,
    }
}

/// Returns the names that a rule may use for the pair: its own, and those of its plain file.
fn names(enc: &Path, content_type: ContentType) -> Vec<PathBuf> {
    let endings: &[&str] = match content_type {
        ContentType::Toml => &["toml", "conf"],
        ContentType::Json => &["json", "conf"],
        ContentType::Yaml => &["yaml", "yml"],
        ContentType::Dotenv => &["env"],
        ContentType::Raw => &[],
    };
    let file = enc.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.strip_suffix(".conf.enc");
    let plain = stem
        .iter()
        .flat_map(|stem| endings.iter().map(move |ending| enc.with_file_name(format!("{stem}.{ending}"))));
    std::iter::once(enc.to_owned()).chain(plain).collect()
}
