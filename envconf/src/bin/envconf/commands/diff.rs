use std::path::{Path, PathBuf};
use std::process::ExitCode;

use envconf::format::{EncFile, KeyFile};
use envconf::pair::Depth;
use envconf::tools::{ContentChanges, KeyChanges, ValueChange, compare_contents, compare_recipients};
use envconf::{Error, ExposeSecret as _, KeyServices, Kind, Opened, Pair, Policy};
use serde_json::json;
use zeroize::Zeroizing;

use crate::options::global::Global;
use crate::options::target::{self, Target};
use crate::output::pair_difference::{PairDifference, Side};
use crate::output::{Output, shown};

/// Show how two pairs differ, without a key
///
/// If both pairs have an outline, envconf lists keys that were added, removed or changed.
/// It also lists changes of recipients, signers, generation and data key. Without a key,
/// envconf authenticates nothing and shows no secret.
///
/// A and B can be single files. Without the .key file, envconf does not know the
/// recipients.
///
/// With --open, envconf decrypts both pairs, as `envconf open` does. It then
/// authenticates everything that it shows, and finds every changed key.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf diff old/app.conf.enc config/app.conf.enc
  envconf diff app.staging app.prod --open
  envconf diff old/app.conf.enc config/app.conf.enc --show
  envconf hook install && git diff")]
pub(crate) struct Args {
    /// Old pair: path of an .enc or .key file, or a bare name
    #[arg(value_name = "A")]
    old: PathBuf,

    /// New pair: path of an .enc or .key file, or a bare name
    #[arg(value_name = "B")]
    new: PathBuf,

    /// Decrypt both pairs and find every key that differs
    #[arg(long)]
    open: bool,

    /// Decrypt both pairs and print the values that differ
    #[arg(long)]
    show: bool,

    /// Exit with 50 if the pairs differ
    #[arg(long)]
    exit_code: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Error> {
    let (old, new) = (target::locate(&args.old, global)?, target::locate(&args.new, global)?);
    let (before, after) = (read(&old)?, read(&new)?);
    let differ = if args.open || args.show {
        let (old, new) =
            (open(&args.old, &before, global, output)?, open(&args.new, &after, global, output)?);
        with_content(&old, &new, PairDifference::between(&before, &after), args, output)?
    } else {
        let comparable =
            (before.enc.is_some() && after.enc.is_some()) || (before.key.is_some() && after.key.is_some());
        if !comparable {
            return Err(Error::new(
                Kind::Usage,
                "one side has no .enc and the other no .key: nothing can be compared",
            )
            .advise("name two pairs, two .enc, or two .key"));
        }
        let difference = PairDifference::between(&before, &after);
        if output.is_json() {
            output.json(&difference.as_json())?;
        } else {
            output.heading(format_args!("{} -> {}", shown(old.enc()), shown(new.enc())))?;
            difference.lines().iter().try_for_each(|line| output.line(line))?;
            if difference.recipients.is_none() {
                output.warn("the recipients are not compared: one side has no .key file");
            }
            output.warn("nothing here is authenticated");
            output.hint("decrypt and compare with --open");
        }
        !difference.is_empty()
    };
    Ok(ExitCode::from(if differ && args.exit_code {
        Error::new(Kind::Differences, "").exit_code()
    } else {
        0
    }))
}

/// Returns the existing files of a pair. If both exist, they belong together.
fn read(pair: &Pair) -> Result<Side, Error> {
    let there = |path: &Path| path.symlink_metadata().is_ok();
    let (has_enc, has_key) = (there(pair.enc()), there(pair.key()));
    let mut side = Side::default();
    if has_enc || !has_key {
        side.enc = Some(EncFile::parse(&pair.read_enc()?).map_err(|error| error.at(pair.enc()))?);
    }
    if has_key {
        side.key = Some(KeyFile::parse(&pair.read_key()?).map_err(|error| error.at(pair.key()))?);
    }
    if let (Some(enc), true) = (&side.enc, has_key) {
        let itself = Policy::new(enc.header.name.clone(), enc.header.environment.clone());
        envconf::verify(pair, &itself, &KeyServices::none(), Depth::Structure)?;
    }
    Ok(side)
}

/// Opens the pair of `side`.
fn open(text: &Path, side: &Side, global: &Global, output: &Output) -> Result<Opened, Error> {
    let target = Target::resolve(text, global)?;
    let opened = target.open(global, &target.services(output)?, output)?;
    if side.enc.as_ref().is_none_or(|enc| enc.header != *opened.header()) {
        return Err(Error::new(Kind::Differences, "the pair changed while this command ran")
            .at(target.pair.enc())
            .advise("try again"));
    }
    Ok(opened)
}

/// Reports the differences of two opened pairs. Returns true if there are any.
fn with_content(
    old: &Opened,
    new: &Opened,
    mut difference: PairDifference,
    args: &Args,
    output: &Output,
) -> Result<bool, Error> {
    let changes = compare_contents(old, new);
    let values = match &changes {
        ContentChanges::Values(values) => values.as_slice(),
        _ => &[],
    };
    let told = !matches!(changes, ContentChanges::Whole);
    difference.recipients = Some(compare_recipients(old, new));
    if let Some(header) = &mut difference.header {
        header.keys = told.then(|| known(values));
    }
    let differ = !difference.is_empty();
    if output.is_json() {
        let mut report = difference.as_json();
        report["authenticated"] = json!(true);
        if !args.show {
            output.json(&report)?;
            return Ok(differ);
        }
        let report = report.to_string();
        let open = report.strip_suffix('}').unwrap_or(&report);
        output.data(format!("{open},\"values\":[").as_bytes())?;
        for (index, change) in values.iter().enumerate() {
            output.data(if index == 0 { b"" } else { b"," })?;
            output.data(&as_json(change))?;
        }
        output.data(b"]}\n")?;
        return Ok(differ);
    }
    output.heading(format_args!("{} -> {}", shown(&args.old), shown(&args.new)))?;
    difference.lines().iter().try_for_each(|line| output.line(line))?;
    if args.show {
        values.iter().try_for_each(|change| show(change, output))?;
    }
    match changes {
        ContentChanges::Whole => output.say("The contents differ, and cannot be compared key by key"),
        ContentChanges::Values(values) if values.is_empty() => {
            output.say("The contents differ in blanks, order or comments only");
        }
        _ => {}
    }
    Ok(differ)
}

fn known(values: &[ValueChange]) -> KeyChanges {
    let mut keys = KeyChanges::default();
    for change in values {
        let list = match (&change.old, &change.new) {
            (None, _) => &mut keys.added,
            (_, None) => &mut keys.removed,
            _ => &mut keys.changed,
        };
        list.push(change.path.clone());
    }
    keys
}

/// Prints a changed value on two lines: old, then new.
fn show(change: &ValueChange, output: &Output) -> Result<(), Error> {
    output.line(format_args!("{}:", change.path))?;
    for (sign, value) in [("-", &change.old), ("+", &change.new)] {
        let Some(value) = value else { continue };
        for part in ["  ", sign, " ", value.expose_secret(), "\n"] {
            output.data(part.as_bytes())?;
        }
    }
    Ok(())
}

/// Returns a changed value as JSON, in a buffer that is wiped and does not grow.
fn as_json(change: &ValueChange) -> Zeroizing<Vec<u8>> {
    let old = change.old.as_ref().map_or("", |value| value.expose_secret());
    let new = change.new.as_ref().map_or("", |value| value.expose_secret());
    // A character has at most six characters in JSON.
    let mut text = Zeroizing::new(Vec::with_capacity(64 + 6 * (change.path.len() + old.len() + new.len())));
    for (name, value) in [
        ("{\"new\":", change.new.as_ref().map(|_| new)),
        (",\"old\":", change.old.as_ref().map(|_| old)),
        (",\"path\":", Some(change.path.as_str())),
    ] {
        text.extend_from_slice(name.as_bytes());
        // Writing into memory cannot fail.
        let _ = serde_json::to_writer(&mut *text, &value);
    }
    text.push(b'}');
    text
}
