use std::path::PathBuf;
use std::process::ExitCode;

use envconf::pair::Check;
use envconf::{Error, KeyRef, Seal, Sealed};
use serde_json::{Value, json};

use crate::options::batch::{self, BatchPair, Work};
use crate::options::global::Global;
use crate::options::signing_args::SigningArgs;
use crate::options::target::Target;
use crate::options::wanted_recipients::refuse_drift;
use crate::output::{CHECKED_AFTER_UNWRAP, Output, shown};

/// Rotate data keys
///
/// envconf seals the same content, byte for byte, under a new data key. It increases the
/// generation by one. The old data key still decrypts older commits, so rotation protects
/// only later seals. It does not change the secrets. After a leak, change the secrets
/// too.
///
/// If the recipients of a pair differ from those in .envconf.toml, envconf does not
/// change the pair.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf rotate app --environment prod
  envconf rotate config/*.prod.conf.enc --dry-run
  envconf rotate config/*.conf.enc --trust tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01,local")]
pub(crate) struct Args {
    /// Paths of .enc or .key files, or bare names such as app
    #[arg(value_name = "PAIR", required = true)]
    pairs: Vec<PathBuf>,

    /// Open the pairs and print the changes, but write nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    signing: SigningArgs,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Error> {
    batch::run(&Rotate { args, global, output }, &args.pairs, global, output)
}

struct Rotate<'a> {
    args: &'a Args,
    global: &'a Global,
    output: &'a Output,
}

/// The result, or the planned result.
struct Rotated {
    recipients: Vec<KeyRef>,
    generation: u64,
    sealed: Option<Sealed>,
}

impl Work for Rotate<'_> {
    type Prepared = ();
    type Done = Rotated;

    fn prepare(&self, _: &Target) -> Result<(), Error> {
        Ok(())
    }

    fn run(&self, BatchPair { target, services, .. }: &BatchPair) -> Result<Rotated, Error> {
        target.refuse_older(self.global, services)?;
        let opened = target.open(self.global, services, self.output)?;
        let recipients: Vec<KeyRef> = opened.recipients().cloned().collect();
        refuse_drift(&recipients, &target.pair, self.global, services)?;
        let signing = self.args.signing.read(self.global, None, &target.pair)?;
        let seal = signing.apply(Seal::again(&opened).new_data_key());
        let sealed = match self.args.dry_run {
            true => None,
            false => Some(seal.seal_over(&target.pair, &opened, opened.content(), services)?),
        };
        if let Some(sealed) = &sealed {
            target.sealed(sealed.recipients(), self.output);
        }
        signing.say_missing(self.output);
        Ok(Rotated { recipients, generation: opened.header().generation + 1, sealed })
    }

    fn as_text(&self, subject: &BatchPair, done: &Rotated) -> Vec<String> {
        let (enc, generation) = (shown(subject.target.pair.enc()), done.generation);
        let verb = if self.args.dry_run { "Would rotate" } else { "Rotated" };
        let label = subject.target.label();
        let mut lines = vec![format!("{verb} the data key of {label} (generation {generation})\n  {enc}")];
        lines.extend(done.recipients.iter().map(|key| format!("  recipient {key}")));
        let lost = done.sealed.iter().flat_map(Sealed::lost_signers);
        lines.extend(lost.map(|id| format!("  removed signer {id}")));
        if done.sealed.as_ref().is_some_and(|sealed| sealed.check() == Check::AfterUnwrap) {
            lines.push(CHECKED_AFTER_UNWRAP.to_owned());
        }
        lines
    }

    fn as_json(&self, subject: &BatchPair, done: &Rotated) -> Value {
        json!({
            "enc": subject.target.pair.enc().to_string_lossy(),
            "generation": done.generation,
            "recipients": done.recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "written": done.sealed.is_some(),
        })
    }
}
