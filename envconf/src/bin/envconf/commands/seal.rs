use std::path::{Path, PathBuf};

use envconf::error::{Remedy, escape};
use envconf::format::{EncFile, Header};
use envconf::format::{Id, Outline, Suite};
use envconf::key_store::KnownPair;
use envconf::pair::{Check, DataKeyUse, check_content, check_dotenv, content_type_of};
use envconf::{ContentType, Error, KeyRef, Kind, Pair, Seal, Sealed, Trusted};
use serde_json::json;
use zeroize::Zeroizing;

use crate::git::tracked;
use crate::options::global::{Global, one_of};
use crate::options::plain_file;
use crate::options::schema::SchemaArgs;
use crate::options::signing_args::SigningArgs;
use crate::options::target::{self, Stated, Target};
use crate::options::wanted_recipients::{self, Sealing, Wanted, say_of_lost};
use crate::output::{CHECKED_AFTER_UNWRAP, Output, shown};

/// Encrypt a file into a pair
///
/// envconf writes NAME.conf.enc and NAME.conf.key next to FILE. It first checks that they
/// decrypt to the same content. The file name contains the name and the environment of
/// the configuration: app.toml, app.prod.toml.
///
/// The recipients are those of -r. Without -r, they come from the first rule in
/// .envconf.toml that matches FILE or the pair. Without a policy file, envconf keeps the
/// recipients of the old pair, if it can open that pair. Otherwise, it uses your own
/// local keys. If only .envconf.toml names a recipient, envconf asks you to accept it.
///
/// envconf refuses a plain file that git tracks. A pull could replace this file, and a
/// commit could publish it.
///
/// With --schema, envconf rejects content that the program would reject. It reports all
/// problems at once, before it uses a key or writes a file. It adds the plain layers next
/// to the pair (NAME.defaults.toml). It ignores environment variables: name those of the
/// program with --env-provides.
///
/// When you seal again, envconf increases the generation by one. It keeps the data key if
/// it can open the old pair and the recipients stay the same. You need a signing key
/// or --unsigned if the old pair is signed, or if all recipients are age keys. Name the
/// signing key with --sign-key. If the policy file names a signing key of your key store,
/// envconf uses that key. If the command fails, it leaves the old pair unchanged.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf seal config/app.toml
  envconf seal config/app.prod.toml -r tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01 --rm
  envconf seal config/app.toml --schema app.schema.json --env-provides APP__TOKEN
  envconf seal config/app.toml --outline tags --outline-hide database.pool_size
  generate-config | envconf seal - --name app --environment prod --type json -o config")]
pub(crate) struct Args {
    /// Plain file, or - for standard input (needs --name)
    file: PathBuf,

    /// Write the pair to this directory
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Seal for this key; repeatable
    ///
    /// REF is provider:region:key-id, or local for your own local keys. It can also be an
    /// alias: provider:region:alias/NAME. envconf looks up the id of the alias and writes
    /// the id.
    #[arg(short, long = "recipient", value_name = "REF", value_delimiter = ',')]
    recipients: Vec<Trusted>,

    /// Type of the content (default: from the file extension)
    #[arg(long = "type", value_name = "TYPE",
        value_parser = one_of(ContentType::ALL.map(ContentType::name), ContentType::from_name))]
    content_type: Option<ContentType>,

    /// Keep dotenv lines that other tools read differently
    ///
    /// envconf seals these lines byte for byte. Without this option, it refuses quotes,
    /// export, $, backslashes and comments after values. In a pair, they would be part of
    /// the value.
    #[arg(long)]
    as_is: bool,

    /// Cipher of the pair
    #[arg(long, default_value = Suite::Aes256Gcm.name(),
        value_parser = one_of([Suite::Aes256Gcm, Suite::Aes128Gcm].map(Suite::name), Suite::from_name))]
    suite: Suite,

    #[command(flatten)]
    schema: SchemaArgs,

    /// Add an outline for reviewers, without values
    ///
    /// keys lists the keys. tags also adds a tag for each value except booleans. Under
    /// the same data key, a tag changes if its value changes. none adds no outline. The
    /// default comes from the policy file.
    #[arg(long, value_name = "KIND", value_parser = one_of(Outline::NAMES, Outline::from_name))]
    outline: Option<Outline>,

    /// Write no tags for this path and below; repeatable
    ///
    /// This option needs --outline tags.
    #[arg(long, value_name = "PATH", requires = "outline")]
    outline_hide: Vec<String>,

    #[command(flatten)]
    signing: SigningArgs,

    /// Accept recipients and outline that .envconf.toml names
    ///
    /// If trust is set, it accepts only trusted recipients. Name other recipients with
    /// -r.
    #[arg(short, long)]
    yes: bool,

    /// Seal a plain file that git tracks
    #[arg(long)]
    tracked: bool,

    /// Delete the plain file after sealing
    #[arg(long)]
    rm: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let source = ContentSource::of(args)?;
    let schema = args.schema.read()?;
    let target = source.target(args, global)?;
    if let Some(file) = source.file() {
        tracked::refuse_plain(file, args.tracked, output)?;
    }
    let signing = args.signing.read(global, source.file(), &target.pair)?;
    let mut content = source.read()?;
    refuse_sealed_content(&content).map_err(|error| source.name(error))?;
    let content_type = match args.content_type {
        Some(content_type) => content_type,
        None => content_type_of(source.path_for_type(), plain_file::without_byte_order_mark(&content))?,
    };
    if content_type != ContentType::Raw {
        plain_file::remove_byte_order_mark(&mut content, source.shown_path(), output);
    }
    let seal = Seal::new(target.name.clone(), target.environment.clone(), content_type).suite(args.suite);
    let seal = schema.into_iter().fold(seal, Seal::schema);
    let seal = if args.as_is { seal.as_is() } else { seal };
    if content_type == ContentType::Dotenv && !args.as_is {
        check_dotenv(&content, b"").map_err(|error| source.name(error))?;
    }
    check_content(&content, content_type).map_err(|error| source.name(error))?;
    let (outline, is_of_rules) = match args.outline()? {
        Some(outline) => (outline, false),
        None => {
            (wanted_recipients::outline(global, source.file(), &target.pair, content_type, output)?, true)
        }
    };
    let services = target.services(output)?;
    let sealing = Sealing {
        target: &target,
        file: source.file(),
        services: &services,
        global,
        output,
        yes: args.yes,
        is_plan: false,
        verb: "Seal",
        outline: is_of_rules.then_some((&outline, content_type, &content)),
    };
    let wanted = Wanted::choose(&args.recipients, &sealing)?;
    let before = Stated::read(&target.pair);
    let seal = seal.outline(outline.clone()).trust_for_old(wanted.trust_for_old(&target, global)?);
    let seal = wanted.known().map(KnownPair::generation).into_iter().fold(seal, Seal::above_generation);
    let seal = signing.apply(wanted.keys.iter().cloned().fold(seal, Seal::recipient));
    let sealed = match wanted.opened() {
        Some(opened) => seal.seal_over(&target.pair, opened, &content, &services),
        None => {
            seal.seal_if(&target.pair, &content, &services, |added, old| wanted.confirm(added, old, &sealing))
        }
    };
    let sealed = sealed.map_err(|error| match error.kind() {
        Kind::SignatureRequired if error.remedy() == Some(&Remedy::SigningKeyForPublicKeys) => {
            let key = format!("~/{}.signer", target.name);
            error.advise(format!(
                "create a signing key: `envconf signer new {key}`\nsign with it: `envconf seal {} --sign-key {key}`",
                shown(source.shown_path())
            ))
        }
        // Errors of the old pair name its files already.
        Kind::DoesNotFit | Kind::TooLarge => source.name(error),
        _ => error,
    })?;
    target.sealed(sealed.recipients(), output);
    let stated = before.as_ref().map(|before| before.recipients.as_slice()).unwrap_or_default();
    let lost: Vec<KeyRef> = stated.iter().filter(|key| !sealed.recipients().contains(key)).cloned().collect();
    if let (true, ContentSource::File(file)) = (args.rm, &source) {
        remove(file, &content, &target)?;
    }
    report(&target, &sealed, &signing.ids(), &lost, args, output)?;
    say_of_lost(&lost, &services, output);
    say_of_outline(&outline, before.map(|before| before.header), &target, output)?;
    signing.say_missing(output);
    plain_file::note_quotes(content_type, &content, output);
    Ok(())
}

/// Deletes the plain file, unless it changed during the seal: key services and questions take time.
fn remove(file: &Path, sealed: &[u8], target: &Target) -> Result<(), Error> {
    let now = plain_file::read(file)?;
    if *now != *sealed && plain_file::without_byte_order_mark(&now) != sealed {
        let message = "the file changed during the seal, so envconf did not delete it";
        return Err(Error::new(Kind::Differences, message)
            .at(file)
            .advise(format!("{} has the old content; seal it again", shown(target.pair.enc()))));
    }
    std::fs::remove_file(file).map_err(|error| Error::write(file, error))
}

impl Args {
    /// Returns the outline of the options, if they set one.
    fn outline(&self) -> Result<Option<Outline>, Error> {
        let Some(mut outline) = self.outline.clone() else { return Ok(None) };
        if !self.outline_hide.is_empty() && !matches!(outline, Outline::Tags { .. }) {
            return Err(usage("--outline-hide needs --outline tags"));
        }
        self.outline_hide.iter().try_for_each(|path| outline.hide(path))?;
        Ok(Some(outline))
    }
}

/// Warns of outline settings that have no effect on the new pair.
fn say_of_outline(
    outline: &Outline,
    before: Option<Header>,
    target: &Target,
    output: &Output,
) -> Result<(), Error> {
    match outline {
        Outline::None if before.is_some_and(|old| !old.outline.is_empty()) => {
            output.warn("the old pair had an outline, and this one has none");
        }
        Outline::Tags { hide } if !hide.is_empty() => {
            let shown = EncFile::parse(&target.pair.read_enc()?)?.header.outline;
            let idle = hide.iter().filter(|hidden| !shown.iter().any(|line| line.is_at(hidden)));
            idle.for_each(|hidden| output.warn(format_args!("there is no {} to hide", escape(hidden))));
        }
        _ => {}
    }
    Ok(())
}

/// The source of the plain text.
enum ContentSource<'a> {
    File(&'a Path),
    Stdin,
}

impl<'a> ContentSource<'a> {
    fn of(args: &'a Args) -> Result<Self, Error> {
        let file = args.file.as_path();
        if file == Path::new("-") {
            return if args.rm {
                Err(usage("there is no file that --rm could delete"))
            } else {
                Ok(Self::Stdin)
            };
        }
        if matches!(file.extension().and_then(|extension| extension.to_str()), Some("enc" | "key")) {
            return Err(already_sealed().at(file));
        }
        let is_link = || file.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        if args.rm && is_link() {
            return Err(usage("it is a link: --rm would leave the plain file itself").at(file));
        }
        Ok(Self::File(file))
    }

    /// Returns the pair to write, with its name and environment.
    fn target(&self, args: &Args, global: &Global) -> Result<Target, Error> {
        let (beside, (name, environment)) = match self {
            Self::File(file) => {
                let beside = file.parent().unwrap_or(Path::new(""));
                (beside, target::identity(file, global)?)
            }
            Self::Stdin => {
                let name = global.name.clone();
                let name =
                    name.ok_or_else(|| usage("standard input has no name").advise("set one with --name"))?;
                (Path::new(""), (name, global.environment_or_default()?))
            }
        };
        let directory = args.output.as_deref().unwrap_or(beside);
        if directory != Path::new("") && !directory.is_dir() {
            return Err(Error::write(directory, std::io::ErrorKind::NotFound.into())
                .advise("create the directory first"));
        }
        let pair = Pair::new(directory, &name, &environment);
        if let Self::File(file) = self
            && [pair.enc(), pair.key()].into_iter().any(|sealed| plain_file::same_file(file, sealed))
        {
            return Err(usage("the pair would overwrite it").at(file));
        }
        Ok(Target { pair, name, environment })
    }

    fn file(&self) -> Option<&'a Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Stdin => None,
        }
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::File(file) => plain_file::read(file),
            Self::Stdin => plain_file::read_stdin(),
        }
    }

    /// Returns the name whose extension defines the content type. Standard input counts as `.conf`, whose type depends
    /// on the content.
    fn path_for_type(&self) -> &Path {
        match self {
            Self::File(file) => file,
            Self::Stdin => Path::new("-.conf"),
        }
    }

    /// Adds the plain file to an error about it.
    fn name(&self, error: Error) -> Error {
        error.at(self.shown_path())
    }

    fn shown_path(&self) -> &Path {
        match self {
            Self::File(file) => file,
            Self::Stdin => Path::new("standard input"),
        }
    }
}

fn refuse_sealed_content(content: &[u8]) -> Result<(), Error> {
    if content.starts_with(b"envconf/") { Err(already_sealed()) } else { Ok(()) }
}

fn already_sealed() -> Error {
    Error::new(Kind::AlreadySealed, "this file is already sealed")
        .advise("seal the plain file; `envconf open` prints it again")
}

fn usage(message: &str) -> Error {
    Error::new(Kind::Usage, message)
}

fn report(
    target: &Target,
    sealed: &Sealed,
    signed_by: &[Id],
    lost: &[KeyRef],
    args: &Args,
    output: &Output,
) -> Result<(), Error> {
    let texts = |ids: &[Id]| ids.iter().map(Id::to_string).collect::<Vec<_>>();
    let recipients: Vec<_> = sealed.recipients().iter().map(ToString::to_string).collect();
    if output.is_json() {
        let mut report = json!({
            "enc": target.pair.enc().to_string_lossy(),
            "key": target.pair.key().to_string_lossy(),
            "name": target.name.as_str(),
            "environment": target.environment.as_str(),
            "generation": sealed.generation(),
            "recipients": recipients,
            "data_key": match sealed.data_key() {
                DataKeyUse::First => "first",
                DataKeyUse::Kept => "kept",
                DataKeyUse::RecipientsChanged => "recipients-changed",
                DataKeyUse::SuiteChanged => "suite-changed",
                DataKeyUse::Asked => "asked",
                _ => "old-pair-not-opened",
            },
            "check": if sealed.check() == Check::Whole { "whole" } else { "after-unwrap" },
            "removed": args.rm,
            "signers": texts(signed_by),
            "lost_signers": texts(sealed.lost_signers()),
        });
        if !lost.is_empty() {
            report["lost_recipients"] = lost.iter().map(ToString::to_string).collect();
        }
        return output.json(&report);
    }
    let generation = sealed.generation();
    let (enc, key) = (shown(target.pair.enc()), shown(target.pair.key()));
    let source = if args.file == Path::new("-") { target.label() } else { shown(&args.file) };
    let mut text =
        format!("Sealed {source} (generation {generation}, {})\n  {enc}", data_key(sealed.data_key()));
    if sealed.data_key() != DataKeyUse::Kept {
        text += &format!("\n  {key}");
    }
    recipients.iter().for_each(|key| text += &format!("\n  recipient {key}"));
    lost.iter().for_each(|key| text += &format!("\n  removed recipient {key}"));
    texts(signed_by).iter().for_each(|id| text += &format!("\n  signer {id}"));
    texts(sealed.lost_signers()).iter().for_each(|id| text += &format!("\n  removed signer {id}"));
    output.say(text);
    if sealed.check() == Check::AfterUnwrap {
        output.warn(CHECKED_AFTER_UNWRAP);
    }
    if args.rm {
        output.say(format_args!("Deleted {}", shown(&args.file)));
    }
    Ok(())
}

fn data_key(used: DataKeyUse) -> &'static str {
    match used {
        DataKeyUse::Kept => "same data key",
        DataKeyUse::First | DataKeyUse::Asked => "new data key",
        DataKeyUse::RecipientsChanged => "new data key: the recipients changed",
        DataKeyUse::SuiteChanged => "new data key: the suite changed",
        _ => "new data key: no trusted key can unwrap the old one",
    }
}
