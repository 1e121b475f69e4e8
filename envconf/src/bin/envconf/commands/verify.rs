use std::path::{Path, PathBuf};
use std::process::ExitCode;

use envconf::{Demand, Depth, Error, KeyServices, Kind, Pair, Policy, Verified, parse_signers};
use serde_json::{Value, json};

use crate::options::global::{Global, one_of};
use crate::options::signing;
use crate::options::target::Target;
use crate::output::error_report;
use crate::output::{Output, shown};

/// Check pairs without showing what is in them
///
/// All pairs are checked and reported; the exit code is that of the first one
/// that fails. A pair that lacks signatures which .envconf.toml demands fails too.
#[derive(clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  envconf verify app
  envconf verify config/*.conf.enc --depth structure
  envconf verify app --environment prod --signers 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --json"
)]
pub(crate) struct Args {
    /// Paths of .enc or .key, or bare names such as app
    #[arg(value_name = "PAIR", required = true)]
    pairs: Vec<PathBuf>,

    /// How deep to look
    ///
    /// structure: both files are well formed, belong together and are signed as
    /// required; needs no key, and without signers proves nothing about who made
    /// them. unwrap: a trusted key gives the data key, which authenticates header
    /// and recipients. full: the content opens and parses too.
    #[arg(long, verbatim_doc_comment, default_value = "full", value_parser = one_of(DEPTHS.map(|(word, _)| word), depth))]
    depth: Depth,

    /// Accept a pair that is older than one used before
    ///
    /// envconf remembers the highest generation of each pair that you sealed or
    /// opened. From here on the generation of this pair is the highest one.
    #[arg(long, verbatim_doc_comment)]
    accept_older: bool,

    /// Require signatures by these signers, in place of ENVCONF_SIGNERS
    ///
    /// Ed25519 public keys, base64 of 32 bytes, separated by commas.
    #[arg(long, value_name = "LIST")]
    signers: Option<String>,

    /// How many of the signers must have signed
    #[arg(long, value_name = "N", default_value_t = 1, requires = "signers")]
    required_signatures: usize,
}

const DEPTHS: [(&str, Depth); 3] =
    [("structure", Depth::Structure), ("unwrap", Depth::Unwrap), ("full", Depth::Full)];

fn depth(word: &str) -> Option<Depth> {
    DEPTHS.into_iter().find(|(known, _)| *known == word).map(|(_, depth)| depth)
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Error> {
    // A setting that is malformed is met before anything is tried, and once; a missing pair is one failure of many.
    let mut checks = Vec::new();
    for text in &args.pairs {
        match Check::prepare(text, args, global, output) {
            Err(error) if error.kind() == Kind::Usage => return Err(error),
            check => checks.push((text, check)),
        }
    }
    let mut code = ExitCode::SUCCESS;
    let mut reports = Vec::new();
    for (text, check) in checks {
        let result = check.and_then(|check| check.run(args, output));
        match &result {
            Ok((pair, verified)) if !output.is_json() => {
                output.line(passed(pair, verified, args.depth))?;
                if args.accept_older {
                    verified
                        .recipients()
                        .iter()
                        .try_for_each(|key| output.line(format_args!("  recipient {key}")))?;
                }
            }
            Ok(_) => {}
            Err(error) => {
                error_report::print(error, output);
                if code == ExitCode::SUCCESS {
                    code = ExitCode::from(error.exit_code());
                }
            }
        }
        reports.push(as_json(text, &result));
    }
    if output.is_json() {
        output.json(&json!({ "pairs": reports }))?;
    }
    Ok(code)
}

struct Check {
    target: Target,
    policy: Policy,
    services: KeyServices,
    /// What the rules demand of signatures.
    demand: Option<Demand>,
}

impl Check {
    fn prepare(text: &Path, args: &Args, global: &Global, output: &Output) -> Result<Self, Error> {
        let target = Target::resolve(text, global)?;
        let mut policy = target.policy(global)?;
        if let Some(list) = &args.signers {
            policy = policy.signers(parse_signers(list, "--signers")?, args.required_signatures)?;
        }
        let demand = signing::demand(global, None, &target.pair)?;
        Ok(Self { policy, services: target.services(output)?, target, demand })
    }

    fn run(self, args: &Args, output: &Output) -> Result<(Pair, Verified), Error> {
        let Target { pair, .. } = &self.target;
        let verified = envconf::verify(pair, &self.policy, &self.services, args.depth)?;
        if args.depth == Depth::Structure {
            self.target.check_known()?;
        } else if args.accept_older {
            self.target.accept(&verified)?;
        } else {
            self.target.check_known()?;
            self.target.opened(verified.header(), verified.recipients(), output)?;
        }
        // What the rules demand comes on top, and never into the policy: they lie in the repository.
        if let Some(demand) = &self.demand {
            let enc = pair.read_enc()?;
            demand.check(&enc).map_err(|error| error.at(pair.enc()))?;
        }
        Ok((self.target.pair, verified))
    }
}

fn passed(pair: &Pair, verified: &Verified, depth: Depth) -> String {
    let header = verified.header();
    let (name, environment, generation) = (&header.name, &header.environment, header.generation);
    let what = match (depth, verified.unwrapped_by()) {
        (Depth::Full, Some(key)) => format!("ok, unwrapped by {key}"),
        (_, Some(key)) => format!("header and recipients ok, unwrapped by {key}"),
        (_, None) => "well formed, nothing authenticated".to_owned(),
    };
    format!("{}: {name} for {environment}, generation {generation}: {what}", shown(pair.enc()))
}

fn as_json(text: &Path, result: &Result<(Pair, Verified), Error>) -> Value {
    match result {
        Ok((pair, verified)) => json!({
            "pair": text.to_string_lossy(),
            "ok": true,
            "enc": pair.enc().to_string_lossy(),
            "name": verified.header().name.as_str(),
            "environment": verified.header().environment.as_str(),
            "generation": verified.header().generation,
            "recipients": verified.recipients().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "unwrapped_by": verified.unwrapped_by().map(ToString::to_string),
        }),
        Err(error) => {
            json!({ "pair": text.to_string_lossy(), "ok": false, "error": error_report::as_json(error) })
        }
    }
}
