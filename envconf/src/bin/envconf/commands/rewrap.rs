use std::path::PathBuf;
use std::process::ExitCode;

use envconf::pair::{HowWrapped, OldPair, Rewrap, Rewrapped};
use envconf::{Error, KeyRef, Trusted};
use serde_json::{Value, json};

use crate::options::batch::{self, BatchPair, Work};
use crate::options::global::Global;
use crate::options::target::Target;
use crate::options::wanted_recipients::{Sealing, Wanted};
use crate::output::{Output, shown};

/// Wrap data keys for the recipients of the policy file
///
/// envconf writes only the .key file. It keeps the data key and the .enc file. The
/// recipients are those of -r. Without -r, they come from the first rule in .envconf.toml
/// that matches the pair. Without a policy file, envconf keeps the recipients of the
/// pair.
///
/// envconf needs a trusted key to unwrap the data key. The trusted keys are those of
/// --trust. Without --trust, they are those of ENVCONF_TRUST. Without both, they are your
/// local keys. Within one region, Tencent Cloud KMS and AWS KMS rewrap a key themselves
/// (ReEncrypt). In other cases, or without the right to ReEncrypt, envconf unwraps the data
/// key and wraps it again.
///
/// A removed recipient can still unwrap this data key from older commits. Use `envconf
/// rotate` to create a new data key.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf rewrap app --environment prod
  envconf rewrap app --environment prod --trust tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01 \\
      -r tencent:ap-guangzhou:alias/app-prod-2027
  envconf rewrap app --environment prod --renew")]
pub(crate) struct Args {
    /// Paths of .enc or .key files, or bare names such as app
    #[arg(value_name = "PAIR", required = true)]
    pairs: Vec<PathBuf>,

    /// Wrap for this key; repeatable
    ///
    /// REF is provider:region:key-id, or local for your own local keys. It can also be an
    /// alias: provider:region:alias/NAME.
    #[arg(short, long = "recipient", value_name = "REF", value_delimiter = ',')]
    recipients: Vec<Trusted>,

    /// Move wrapped keys to the newest version of their key
    ///
    /// This applies to recipients that stay. Vault needs it before you raise
    /// min_decryption_version of a key.
    #[arg(long)]
    renew: bool,

    /// Accept recipients that only .envconf.toml names
    ///
    /// If trust is set, it accepts only trusted recipients. Name other recipients with
    /// -r.
    #[arg(short, long)]
    yes: bool,

    /// Open the pairs and print the changes, but write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Error> {
    batch::run(&Rewrapping { args, global, output }, &args.pairs, global, output)
}

struct Rewrapping<'a> {
    args: &'a Args,
    global: &'a Global,
    output: &'a Output,
}

impl Work for Rewrapping<'_> {
    type Prepared = ();
    type Done = Rewrapped;

    fn prepare(&self, _: &Target) -> Result<(), Error> {
        Ok(())
    }

    fn run(&self, BatchPair { target, services, .. }: &BatchPair) -> Result<Rewrapped, Error> {
        let Self { args, global, output } = self;
        let sealing = Sealing {
            target,
            file: None,
            services,
            global,
            output,
            yes: args.yes,
            is_plan: args.dry_run,
            verb: "Wrap",
            outline: None,
        };
        let wanted = Wanted::choose(&args.recipients, &sealing)?;
        let rewrap = Rewrap::new(wanted.trust_for_old(target, global)?);
        let rewrap = wanted.keys.iter().cloned().fold(rewrap, Rewrap::recipient);
        let rewrap = if args.renew { rewrap.renew() } else { rewrap };
        if args.dry_run {
            return rewrap.plan(&target.pair, services);
        }
        let confirm = |added: &[KeyRef]| wanted.confirm(added, OldPair::Opened, &sealing);
        let done = rewrap.rewrap_if(&target.pair, services, confirm)?;
        target.sealed(done.recipients().iter().map(|(key, _)| key), output);
        Ok(done)
    }

    fn as_text(&self, subject: &BatchPair, done: &Rewrapped) -> Vec<String> {
        let key = shown(subject.target.pair.key());
        if done.recipients().iter().all(|(_, how)| *how == HowWrapped::Already) && done.removed().is_empty() {
            return vec![format!("Unchanged: the data key is wrapped for these recipients already\n  {key}")];
        }
        let mut lines = vec![match done.is_written() {
            true => format!("Wrapped the data key of {}\n  {key}", subject.target.label()),
            false => format!("Would wrap the data key of {}\n  {key}", subject.target.label()),
        }];
        for (recipient, how) in done.recipients() {
            let unproved = if done.unproved().contains(recipient) { ", not tested" } else { "" };
            lines.push(format!("  recipient {recipient} ({}{unproved})", word(*how)));
        }
        lines.extend(done.removed().iter().map(|recipient| format!("  removed recipient {recipient}")));
        if !done.removed().is_empty() {
            lines.push(
                "A removed recipient can still unwrap this data key from older commits: run `envconf rotate`"
                    .to_owned(),
            );
        }
        lines
    }

    fn as_json(&self, BatchPair { target, .. }: &BatchPair, done: &Rewrapped) -> Value {
        let recipients = done.recipients().iter().map(|(key, how)| {
            json!({
                "recipient": key.to_string(),
                "how": word(*how),
                "proved": done.is_written() && !done.unproved().contains(key),
            })
        });
        json!({
            "key": target.pair.key().to_string_lossy(),
            "name": target.name.as_str(),
            "environment": target.environment.as_str(),
            "written": done.is_written(),
            "recipients": recipients.collect::<Vec<_>>(),
            "removed": done.removed().iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    /// Recipients that only the rules name must be accepted.
    fn asks(&self) -> bool {
        self.args.recipients.is_empty()
    }
}

fn word(how: HowWrapped) -> &'static str {
    match how {
        HowWrapped::Already => "already",
        HowWrapped::Moved => "moved",
        HowWrapped::Planned => "new",
        _ => "wrapped",
    }
}
