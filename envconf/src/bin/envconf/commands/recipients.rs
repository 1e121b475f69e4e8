use std::path::PathBuf;

use envconf::format::KeyFile;
use envconf::pair::Rewrap;
use envconf::{Error, KeyRef, KeyServices, Kind, Opened, Seal, Trusted};
use serde_json::json;

use crate::options::global::Global;
use crate::options::signing_args::{Signing, SigningArgs};
use crate::options::target::Target;
use crate::options::wanted_recipients::{refuse_drift, resolve, warn_of_older_commits};
use crate::output::{Output, shown};

/// List, add or remove the recipients of pairs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf recipients list app
  envconf recipients add app tencent:ap-shanghai:71b03ac8-1e38-11e9-b129-5cb9019b4b01
  envconf recipients remove app local:-:02f673fde6952cdf")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: RecipientsVerb,
}

#[derive(clap::Subcommand)]
enum RecipientsVerb {
    List(ListRecipients),

    /// Add recipients to a pair
    ///
    /// A new recipient can also decrypt older commits that use the same data key. The
    /// recipients must agree with the rules in .envconf.toml. Change the rules first.
    #[command(after_help = "\
Examples:
  envconf recipients add app tencent:ap-shanghai:71b03ac8-1e38-11e9-b129-5cb9019b4b01
  envconf recipients add app tencent:ap-shanghai:71b03ac8-1e38-11e9-b129-5cb9019b4b01 --dry-run")]
    Add(RecipientChange),

    /// Remove recipients from a pair
    ///
    /// A removed recipient can still decrypt older commits, so change the secrets too. The
    /// recipients must agree with the rules in .envconf.toml. Change the rules first.
    #[command(after_help = "\
Examples:
  envconf recipients remove app local:-:02f673fde6952cdf
  envconf recipients remove app local:-:02f673fde6952cdf --dry-run")]
    Remove(RemoveRecipients),
}

/// List the recipients of a pair, authenticated by its data key
///
/// envconf needs a trusted key to unwrap the data key. Without a key, `envconf inspect`
/// prints the list that the file states.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  envconf recipients list app --json")]
struct ListRecipients {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,
}

#[derive(clap::Args)]
struct RecipientChange {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Recipient: a key reference, an alias or local
    ///
    /// A key reference is provider:region:key-id. An alias is provider:region:alias/NAME.
    /// local means your own local keys.
    #[arg(value_name = "REF", required = true, value_delimiter = ',')]
    recipients: Vec<Trusted>,

    /// Open the pair and print the changes, but write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args)]
struct RemoveRecipients {
    #[command(flatten)]
    change: RecipientChange,

    #[command(flatten)]
    signing: SigningArgs,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    match &args.verb {
        RecipientsVerb::List(args) => list(args, global, output),
        // Adding writes only the `.key`, so the signatures of the `.enc` stay.
        RecipientsVerb::Add(args) => change(args, None, global, output, add),
        RecipientsVerb::Remove(args) => change(&args.change, Some(&args.signing), global, output, remove),
    }
}

fn list(args: &ListRecipients, global: &Global, output: &Output) -> Result<(), Error> {
    let target = Target::resolve(&args.pair, global)?;
    let depth = envconf::pair::Depth::Unwrap;
    let verified = envconf::verify(&target.pair, &target.policy(global)?, &target.services(output)?, depth)?;
    target.opened(verified.header(), verified.recipients(), output)?;
    if output.is_json() {
        return output.json(&json!({
            "key": target.pair.key().to_string_lossy(),
            "recipients": strings(verified.recipients()),
            "unwrapped_by": verified.unwrapped_by().map(ToString::to_string),
        }));
    }
    verified.recipients().iter().try_for_each(|key| output.line(key))
}

/// The planned change of a pair's recipients.
struct RecipientPlan<'a> {
    target: &'a Target,
    services: &'a KeyServices,
    global: &'a Global,
    opened: &'a Opened,
    recipients: Vec<KeyRef>,
    /// The signers of the new `.enc`, if the change writes one.
    signing: Option<Signing>,
}

type Carry = fn(&RecipientPlan<'_>, &[KeyRef], bool) -> Result<Told, Error>;

/// The result, or the planned result.
struct Told {
    lines: Vec<String>,
    /// The user's keys that lose access.
    own_lost: Vec<KeyRef>,
    recipients: Vec<KeyRef>,
    new_data_key: bool,
}

fn change(
    args: &RecipientChange,
    signing: Option<&SigningArgs>,
    global: &Global,
    output: &Output,
    carry: Carry,
) -> Result<(), Error> {
    let target = Target::resolve(&args.pair, global)?;
    let services = target.services(output)?;
    target.refuse_older(global, &services)?;
    let named = resolve(&args.recipients, &services)?;
    let opened = target.open(global, &services, output)?;
    let recipients = opened.recipients().cloned().collect();
    let signing = signing.map(|signing| signing.read(global, None, &target.pair)).transpose()?;
    let plan =
        RecipientPlan { target: &target, services: &services, global, opened: &opened, recipients, signing };
    let told = carry(&plan, &named, args.dry_run)?;
    if !args.dry_run {
        target.sealed(&told.recipients, output);
    }
    if output.is_json() {
        return output.json(&json!({
            "enc": target.pair.enc().to_string_lossy(),
            "key": target.pair.key().to_string_lossy(),
            "recipients": strings(&told.recipients),
            "new_data_key": told.new_data_key,
            "written": !args.dry_run,
        }));
    }
    if args.dry_run {
        output.say("Nothing is written; without --dry-run:");
    }
    output.say(told.lines.join("\n"));
    told.own_lost.iter().for_each(|key| {
        output.warn(format_args!("you lose access with your own key {key}"));
    });
    if told.new_data_key {
        warn_of_older_commits(output);
        plan.signing.iter().for_each(|signing| signing.say_missing(output));
    }
    Ok(())
}

fn add(plan: &RecipientPlan<'_>, named: &[KeyRef], dry_run: bool) -> Result<Told, Error> {
    let new: Vec<_> = named.iter().filter(|key| !plan.recipients.contains(key)).cloned().collect();
    if new.is_empty() {
        return Err(Error::new(Kind::Usage, "all of these are recipients already").at(plan.target.pair.key()));
    }
    let recipients: Vec<_> = plan.recipients.iter().chain(&new).cloned().collect();
    refuse_drift(&recipients, &plan.target.pair, plan.global, plan.services)?;
    if !dry_run {
        let rewrap = Rewrap::new(plan.target.policy(plan.global)?);
        let rewrap = recipients.iter().cloned().fold(rewrap, Rewrap::recipient);
        // Rewrap the pair that was opened: a recipient that was removed since then must not return.
        rewrap.rewrap_over(&plan.target.pair, plan.opened, plan.services)?;
    }
    let mut lines = vec![
        format!("Added recipients to {} (same data key)", plan.target.label()),
        format!("  {}", shown(plan.target.pair.key())),
    ];
    lines.extend(new.iter().map(|key| format!("  added recipient {key}")));
    lines.push("They can also open older commits that have this data key".to_owned());
    Ok(Told { lines, own_lost: Vec::new(), recipients, new_data_key: false })
}

fn remove(plan: &RecipientPlan<'_>, named: &[KeyRef], dry_run: bool) -> Result<Told, Error> {
    let left_over = left_over(plan)?;
    let is_stranger = |key: &&KeyRef| !plan.recipients.contains(key) && !left_over.contains(key);
    if let Some(stranger) = named.iter().find(is_stranger) {
        return Err(Error::new(Kind::Usage, format!("{stranger} is not a recipient of this pair"))
            .at(plan.target.pair.key())
            .advise("`envconf recipients list` shows them"));
    }
    let recipients: Vec<_> = plan.recipients.iter().filter(|key| !named.contains(key)).cloned().collect();
    if recipients.is_empty() {
        return Err(Error::new(Kind::Usage, "this removes the last recipient: nobody could open the pair")
            .at(plan.target.pair.key()));
    }
    refuse_drift(&recipients, &plan.target.pair, plan.global, plan.services)?;
    if !dry_run {
        let seal = Seal::again(plan.opened).recipients(recipients.clone()).new_data_key();
        let seal = plan.signing.iter().fold(seal, |seal, signing| signing.apply(seal));
        seal.seal_over(&plan.target.pair, plan.opened, plan.opened.content(), plan.services)?;
    }
    let mut lines = vec![
        format!("Removed recipients of {} (new data key)", plan.target.label()),
        format!("  {}", shown(plan.target.pair.enc())),
    ];
    lines.extend(named.iter().map(|key| format!("  removed recipient {key}")));
    let own = plan.services.own_keys().unwrap_or_default();
    let own_lost = named.iter().filter(|key| own.contains(key)).cloned().collect();
    Ok(Told { lines, own_lost, recipients, new_data_key: true })
}

/// Returns the recipients of data keys that the `.key` has and the `.enc` does not need: a sealer was killed before it
/// removed them. Nothing authenticates this list; it only shows that there is something to do.
fn left_over(plan: &RecipientPlan<'_>) -> Result<Vec<KeyRef>, Error> {
    let pair = &plan.target.pair;
    let key = KeyFile::parse(&pair.read_key()?).map_err(|error| error.at(pair.key()))?;
    let unused = key.sections.into_iter().filter(|section| section.dek != plan.opened.header().dek);
    Ok(unused.flat_map(|section| section.recipients).map(|recipient| recipient.key).collect())
}

fn strings(keys: &[KeyRef]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}
