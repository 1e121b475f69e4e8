use std::path::PathBuf;

use envconf::{Error, HowWrapped, Rewrap, Rewrapped, Trusted};
use serde_json::json;

use crate::cli::Global;
use crate::output::{Output, shown};
use crate::recipients::Wanted;
use crate::target::Target;

/// Wrap a pair's data key for other recipients
///
/// Writes only the .key: the data key stays, and so does the .enc. For whom: -r,
/// else the first rule of .envconf.toml that matches the pair, else the local keys
/// at hand.
///
/// A key that is trusted (--trust, else ENVCONF_TRUST, else a local key) gives the
/// data key once: without it nobody can change the recipients. Within one region
/// Tencent Cloud KMS moves the wrapped key itself (ReEncrypt); elsewhere, and
/// without the right to that, the data key is wrapped anew.
///
/// Who is a recipient no more still unwraps this data key from older commits: where
/// that must not be, seal again, which brings a new data key when recipients change.
#[derive(clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  envconf rewrap app --environment prod
  envconf rewrap app --environment prod --trust tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01 \\
      -r tencent:ap-guangzhou:alias/app-prod-2027"
)]
pub(crate) struct Args {
    /// The path of an .enc or .key, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Wrap for this key; repeatable
    ///
    /// provider:region:key-id, or local for the local keys at hand. In place of
    /// the id an alias may stand, tencent:ap-guangzhou:alias/NAME.
    #[arg(short, long = "recipient", verbatim_doc_comment, value_name = "REF", value_delimiter = ',')]
    recipients: Vec<Trusted>,

    /// Agree to recipients that .envconf.toml adds to the old pair's
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let target = Target::resolve(&args.pair, global)?;
    let services = target.services()?;
    let wanted = Wanted::of(&args.recipients, global, None, &target.pair, &services)?;
    let rewrap = Rewrap::new(wanted.trust_for_old(&target, global)?);
    let rewrap = wanted.keys.iter().cloned().fold(rewrap, Rewrap::recipient);
    let confirm = |added: &[envconf::KeyRef]| wanted.confirm(added, args.yes, "Wrap", output);
    let done = rewrap.rewrap_if(&target.pair, &services, confirm)?;
    report(&target, &done, output)
}

fn report(target: &Target, done: &Rewrapped, output: &Output) -> Result<(), Error> {
    let removed: Vec<_> = done.removed().iter().map(ToString::to_string).collect();
    if output.is_json() {
        let recipients = done.recipients().iter().map(|(key, how)| {
            json!({ "recipient": key.to_string(), "how": word(*how), "proved": !done.unproved().contains(key) })
        });
        return output.json(&json!({
            "key": target.pair.key().to_string_lossy(),
            "name": target.name.as_str(),
            "environment": target.environment.as_str(),
            "written": done.is_written(),
            "recipients": recipients.collect::<Vec<_>>(),
            "removed": removed,
        }));
    }
    let key = shown(target.pair.key());
    if !done.is_written() {
        output.say(format_args!("{key}: its recipients are these already; nothing was written"));
        return Ok(());
    }
    output.say(format_args!("wrote {key}: same data key"));
    for (recipient, how) in done.recipients() {
        let unproved = if done.unproved().contains(recipient) { ", not proved to unwrap" } else { "" };
        output.say(format_args!("  for {recipient} ({}{unproved})", word(*how)));
    }
    for recipient in removed {
        output.say(format_args!("  no more for {recipient}"));
    }
    if !done.removed().is_empty() {
        output.say(
            "who is no recipient any more still unwraps this data key from older commits; to end that, seal again",
        );
    }
    Ok(())
}

fn word(how: HowWrapped) -> &'static str {
    match how {
        HowWrapped::Already => "already",
        HowWrapped::Moved => "moved",
        _ => "wrapped",
    }
}
