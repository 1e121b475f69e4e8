use std::path::PathBuf;
use std::process::ExitCode;

use envconf::pair::{Depth, Verified, parse_signers};
use envconf::tools::Demand;
use envconf::{Error, Pair, Policy};
use serde_json::{Value, json};

use crate::options::batch::{self, BatchPair, Work};
use crate::options::global::{Global, one_of};
use crate::options::signing_args;
use crate::options::target::Target;
use crate::output::style::Paint;
use crate::output::{Output, shown};

/// Decrypt and check pairs, without printing them
///
/// envconf checks all pairs and reports each result. The exit code is that of the first
/// failure. A pair also fails if it lacks signatures that .envconf.toml requires.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf verify app
  envconf verify config/*.conf.enc --depth structure
  envconf verify app --environment prod --signers 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --json")]
pub(crate) struct Args {
    /// Paths of .enc or .key files, or bare names such as app
    #[arg(value_name = "PAIR", required = true)]
    pairs: Vec<PathBuf>,

    /// Depth of the check
    ///
    /// structure checks that both files are well formed, belong together and have the
    /// required signatures. It needs no key. Without signers, it does not prove the
    /// author. unwrap also unwraps the data key with a trusted key. This authenticates
    /// the header and the recipients. full also decrypts and parses the content.
    #[arg(long, default_value = "full", value_parser = one_of(DEPTHS.map(|(word, _)| word), depth))]
    depth: Depth,

    /// Accept a pair that is older than one used before
    ///
    /// envconf remembers the highest generation of each pair that you sealed or opened.
    /// With this option, it records the generation of this pair as the highest one.
    #[arg(long)]
    accept_older: bool,

    /// Require signatures by these signers, not ENVCONF_SIGNERS
    ///
    /// LIST contains Ed25519 public keys, separated by commas. Each key is 32 bytes in
    /// base64.
    #[arg(long, value_name = "LIST")]
    signers: Option<String>,

    /// Number of signers that must have signed
    #[arg(long, value_name = "N", default_value_t = 1, requires = "signers")]
    required_signatures: usize,
}

const DEPTHS: [(&str, Depth); 3] =
    [("structure", Depth::Structure), ("unwrap", Depth::Unwrap), ("full", Depth::Full)];

fn depth(word: &str) -> Option<Depth> {
    DEPTHS.into_iter().find(|(known, _)| *known == word).map(|(_, depth)| depth)
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Error> {
    batch::run(&Verification { args, global, output }, &args.pairs, global, output)
}

struct Verification<'a> {
    args: &'a Args,
    global: &'a Global,
    output: &'a Output,
}

/// The requirements on a pair.
struct Requirements {
    policy: Policy,
    /// The signatures that the rules require. They are required in addition to the policy and never become part of it,
    /// because the rules are in the repository.
    demand: Option<Demand>,
}

impl Work for Verification<'_> {
    type Prepared = Requirements;
    type Done = Verified;

    fn prepare(&self, target: &Target) -> Result<Requirements, Error> {
        let mut policy = target.policy(self.global)?;
        if let Some(list) = &self.args.signers {
            policy = policy.signers(parse_signers(list, "--signers")?, self.args.required_signatures)?;
        }
        Ok(Requirements { policy, demand: signing_args::demand(self.global, None, &target.pair)? })
    }

    fn run(
        &self,
        BatchPair { target, services, prepared }: &BatchPair<Requirements>,
    ) -> Result<Verified, Error> {
        let (pair, depth) = (&target.pair, self.args.depth);
        let verified = envconf::verify(pair, &prepared.policy, services, depth)?;
        if depth == Depth::Structure {
            target.check_known()?;
        } else if self.args.accept_older {
            target.accept(&verified)?;
        } else {
            target.check_known()?;
            target.opened(verified.header(), verified.recipients(), self.output)?;
        }
        if let Some(demand) = &prepared.demand {
            let enc = pair.read_enc()?;
            demand.check(&enc).map_err(|error| error.at(pair.enc()))?;
        }
        Ok(verified)
    }

    fn as_text(
        &self,
        BatchPair { target, .. }: &BatchPair<Requirements>,
        verified: &Verified,
    ) -> Vec<String> {
        let mut lines = vec![passed(&target.pair, verified, self.args.depth, self.output.paint())];
        if self.args.accept_older {
            lines.extend(verified.recipients().iter().map(|key| format!("  recipient {key}")));
        }
        lines
    }

    fn as_json(&self, BatchPair { target, .. }: &BatchPair<Requirements>, verified: &Verified) -> Value {
        let header = verified.header();
        json!({
            "enc": target.pair.enc().to_string_lossy(),
            "name": header.name.as_str(),
            "environment": header.environment.as_str(),
            "generation": header.generation,
            "recipients": verified.recipients().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "unwrapped_by": verified.unwrapped_by().map(ToString::to_string),
        })
    }

    fn is_result(&self) -> bool {
        true
    }

    fn summary(&self, succeeded: usize, failed: usize) -> Option<String> {
        let noun = |count: usize| if count == 1 { "pair" } else { "pairs" };
        Some(match failed {
            0 => format!("Verified {succeeded} {}", noun(succeeded)),
            _ => format!("Verified {succeeded} {}, {failed} {} failed", noun(succeeded), noun(failed)),
        })
    }
}

fn passed(pair: &Pair, verified: &Verified, depth: Depth, paint: Paint) -> String {
    let header = verified.header();
    let (name, environment, generation) = (&header.name, &header.environment, header.generation);
    let what = match (depth, verified.unwrapped_by()) {
        (Depth::Full, Some(key)) => format!("ok, unwrapped by {key}"),
        (_, Some(key)) => format!("header and recipients ok, unwrapped by {key}"),
        (_, None) => "well formed, not authenticated".to_owned(),
    };
    format!("{}: {name} for {environment}, generation {generation}: {what}", paint.strong(&shown(pair.enc())))
}
