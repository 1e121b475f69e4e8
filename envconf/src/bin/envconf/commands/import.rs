mod dotenv;

use std::path::{Path, PathBuf};

use envconf::key_store::KnownPair;
use envconf::pair::{Check, check_content, check_dotenv, content_type_of};
use envconf::process::setting;
use envconf::tools::import::{Blob, BlobPlace, Encoding, GuideData, Imported};
use envconf::{ContentType, Error, KeyRef, KeyServices, Kind, Name, Pair, Seal, Sealed, Trusted};
use serde_json::json;

use crate::options::global::{Global, one_of};
use crate::options::plain_file;
use crate::options::signing_args;
use crate::options::target::{self, Target};
use crate::options::wanted_recipients::{self, Sealing, Wanted};
use crate::output::{CHECKED_AFTER_UNWRAP, Output, shown};

/// Seal a dotenv file, or files of Tencent's KMS guides
///
/// The guide for envelope encryption makes two files: pass them with --key and --data.
/// The guide for small files makes one file of three base64 texts, joined by -k-. Pass
/// that file with --data alone. The key service decrypts the files. envconf seals the
/// content into a new pair under a new data key.
///
/// Nothing authenticates such files. envconf describes the files, and lists the facts
/// that the files do not prove. It does not print the content. It asks you to accept this
/// report. It keeps the
/// old files and never replaces an existing pair.
///
/// With --dotenv, envconf reads the syntax of other tools: quotes, export, comments and
/// escapes. It seals dotenv content, or TOML or JSON with --type. In dotenv content, a
/// value is the rest of its line. envconf rejects lines that tools read differently, and
/// prints their line numbers.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf import --key test_encode_256.key --data test_encode_text.conf --from tencent:ap-guangzhou
  envconf import --data test_encry.dat --from tencent:ap-guangzhou --name app -o config
  envconf import --key old.key --data old.conf --name app --environment prod -o config \\
    --from tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01 --type dotenv --yes
  envconf import --dotenv .env --name app -o config")]
pub(crate) struct Args {
    /// File with the encrypted text
    ///
    /// The file name contains the name and the environment of the configuration. --name
    /// and --environment override them.
    #[arg(long, value_name = "FILE", required_unless_present = "dotenv")]
    data: Option<PathBuf>,

    /// File with the wrapped data key (CiphertextBlob)
    ///
    /// The guide for small files makes no such file.
    #[arg(long, value_name = "FILE", requires = "data")]
    key: Option<PathBuf>,

    /// Plain dotenv file of another tool
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "key", "from"])]
    dotenv: Option<PathBuf>,

    /// Remove PREFIX and __ from names
    ///
    /// This option applies to --dotenv with --type toml or json.
    #[arg(long, value_name = "PREFIX", requires = "dotenv")]
    env_prefix: Option<String>,

    /// Keep dotenv lines that other tools read differently
    #[arg(long, conflicts_with = "dotenv")]
    as_is: bool,

    /// Place of the key that decrypts: provider:region
    ///
    /// The default is tencent in the region of TENCENTCLOUD_REGION, or in the region of
    /// the keys of -r. With provider:region:key-id, envconf accepts only data that this
    /// key encrypted.
    #[arg(long, value_name = "PLACE")]
    from: Option<BlobPlace>,

    /// Write the pair to this directory
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Seal for this key; repeatable
    ///
    /// REF is provider:region:key-id, or local for your own local keys. The default comes
    /// from the first rule in .envconf.toml that matches the pair.
    #[arg(short, long = "recipient", value_name = "REF", value_delimiter = ',')]
    recipients: Vec<Trusted>,

    /// Type of the content
    ///
    /// By default, envconf uses the extension of --data, or detects the type. With
    /// --dotenv, the default is dotenv.
    #[arg(long = "type", value_name = "TYPE",
        value_parser = one_of(ContentType::ALL.map(ContentType::name), ContentType::from_name))]
    content_type: Option<ContentType>,

    /// Accept the report and the recipients without asking
    ///
    /// If trust is set, it accepts only trusted recipients. Name other recipients with
    /// -r.
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    if let Some(file) = &args.dotenv {
        return dotenv::run(file, args, global, output);
    }
    let Some(data_file) = &args.data else { return Err(Error::new(Kind::Usage, "--data is missing")) };
    let target = target(data_file, target::identity(data_file, global)?, args)?;
    let from = place(args)?;
    let services = target.services(output)?;
    let sealing = sealing(args, &target, &services, global, output);
    let wanted = Wanted::choose(&args.recipients, &sealing)?;
    let imported = read(data_file, args, &from, &services)?;
    let content_type = content_type(data_file, args, &imported).map_err(|error| error.at(data_file))?;
    let outline = wanted_recipients::outline(global, None, &target.pair, content_type, output)?;
    let sealing = Sealing { outline: Some((&outline, content_type, imported.expose())), ..sealing };
    agree(&report(data_file, args, &target, &wanted, &imported, content_type), args.yes, output)?;
    let seal =
        Seal::new(target.name.clone(), target.environment.clone(), content_type).outline(outline.clone());
    // `content_type` has checked the lines already.
    let seal = seal.as_is();
    let sealed = seal_first(seal, imported.expose(), &wanted, &sealing)?;
    written(&target, &imported, content_type, &sealed, output)?;
    signing_args::say_missing(signing_args::demand(global, None, &target.pair)?.as_ref(), &[], output);
    Ok(())
}

fn sealing<'a>(
    args: &Args,
    target: &'a Target,
    services: &'a KeyServices,
    global: &'a Global,
    output: &'a Output,
) -> Sealing<'a> {
    Sealing {
        target,
        file: None,
        services,
        global,
        output,
        yes: args.yes,
        is_plan: false,
        verb: "Seal",
        outline: None,
    }
}

/// Seals a new pair for the wanted recipients.
fn seal_first(seal: Seal, content: &[u8], wanted: &Wanted, sealing: &Sealing<'_>) -> Result<Sealed, Error> {
    let Sealing { target, services, output, .. } = sealing;
    let seal = wanted.keys.iter().cloned().fold(seal, Seal::recipient);
    let seal = wanted.known().map(KnownPair::generation).into_iter().fold(seal, Seal::above_generation);
    refuse_existing(&target.pair)?;
    let confirm = |added: &[KeyRef], old| wanted.confirm(added, old, sealing);
    let sealed = seal.seal_if(&target.pair, content, services, confirm)?;
    target.sealed(sealed.recipients(), output);
    Ok(sealed)
}

/// Returns the pair to write. An existing pair is an error: it is another configuration with its own history.
fn target(file: &Path, (name, environment): (Name, Name), args: &Args) -> Result<Target, Error> {
    let beside = file.parent().unwrap_or(Path::new(""));
    let directory = args.output.as_deref().unwrap_or(beside);
    if directory != Path::new("") && !directory.is_dir() {
        return Err(
            Error::write(directory, std::io::ErrorKind::NotFound.into()).advise("create the directory first")
        );
    }
    let pair = Pair::new(directory, &name, &environment);
    refuse_existing(&pair)?;
    Ok(Target { pair, name, environment })
}

/// Rejects an existing pair. Called again before sealing, because the answer to the question may have taken long.
fn refuse_existing(pair: &Pair) -> Result<(), Error> {
    for file in [pair.enc(), pair.key()] {
        if file.symlink_metadata().is_ok() {
            return Err(Error::write(file, std::io::ErrorKind::AlreadyExists.into())
                .advise("choose another --name, --environment or -o, or move the existing pair away"));
        }
    }
    Ok(())
}

/// Returns the place of the key that decrypts the blob. It never comes from a file: a writer of the file could choose
/// the key service.
fn place(args: &Args) -> Result<BlobPlace, Error> {
    if let Some(from) = &args.from {
        return Ok(from.clone());
    }
    let region = setting("TENCENTCLOUD_REGION")?.or_else(|| region_of_recipients(args)).ok_or_else(|| {
        Error::new(Kind::Usage, "the files do not name the region of their key").advise(
            "set the region of the CMK, such as --from tencent:ap-guangzhou, or set TENCENTCLOUD_REGION",
        )
    })?;
    format!("tencent:{region}").parse().map_err(|_| {
        Error::new(Kind::Usage, "TENCENTCLOUD_REGION: invalid region").advise("write it as ap-guangzhou")
    })
}

/// Returns the region of the Tencent keys in `-r`, if they have the same one.
fn region_of_recipients(args: &Args) -> Option<String> {
    let mut regions = args.recipients.iter().filter_map(|recipient| match recipient {
        Trusted::Key(key) if key.provider() == "tencent" => Some(key.region()),
        _ => None,
    });
    let first = regions.next()?;
    regions.all(|region| region == first).then(|| first.to_owned())
}

/// Reads the files, checks their forms before any request, and decrypts them.
fn read(data_file: &Path, args: &Args, from: &BlobPlace, services: &KeyServices) -> Result<Imported, Error> {
    let data = plain_file::read(data_file)?;
    let Some(key_file) = &args.key else {
        let blob = Blob::parse(&data).map_err(|error| error.at(data_file))?;
        let decrypted = blob.decrypt(from, services).map_err(|error| error.at(data_file))?;
        return Ok(Imported::small(&decrypted));
    };
    let blob = Blob::parse(&plain_file::read(key_file)?).map_err(|error| error.at(key_file))?;
    let data = GuideData::parse(&data).map_err(|error| error.at(data_file))?;
    let data_key = blob.decrypt(from, services).map_err(|error| error.at(key_file))?;
    data.open(&data_key).map_err(|error| error.at(data_file))
}

/// Returns the content type: from the option, else from the file name. A name without a type counts as `.conf`.
fn content_type(data_file: &Path, args: &Args, imported: &Imported) -> Result<ContentType, Error> {
    let content = imported.expose();
    let guess =
        || content_type_of(data_file, content).or_else(|_| content_type_of(Path::new("-.conf"), content));
    let content_type = args.content_type.map_or_else(guess, Ok)?;
    if imported.encoding() != Encoding::Utf8 && content_type != ContentType::Raw {
        let message = format!("the content is {}", imported.encoding());
        return Err(Error::new(Kind::DoesNotFit, message).advise(
            "import it with --type raw; then open it, convert it (iconv -f GB18030 -t UTF-8), and seal the result",
        ));
    }
    if content_type == ContentType::Dotenv && !args.as_is {
        check_dotenv(content, b"").map_err(|error| {
            error.advise("keep these lines as they are with --as-is; then change them with `envconf edit`")
        })?;
    }
    check_content(content, content_type).map_err(|error| match args.content_type {
        Some(_) => error,
        None => error.advise(format!(
            "it was read as {}; set its type with --type: toml, json, yaml, dotenv or raw",
            content_type.name()
        )),
    })?;
    Ok(content_type)
}

/// Reports the result, the open questions and the next steps, without any content.
fn report(
    data_file: &Path,
    args: &Args,
    target: &Target,
    wanted: &Wanted,
    imported: &Imported,
    content_type: ContentType,
) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", shown(data_file), imported.guide())];
    let mut found = |what: &str, text: String| lines.push(format!("  {what}: {text}"));
    found("encrypted under", imported.key().to_string());
    if let Some(form) = imported.key_form() {
        found("key", form.to_string());
    }
    found("encoding", imported.encoding().to_string());
    let source = if args.content_type.is_some() { "as --type says" } else { "guessed" };
    found("type", format!("{}, {source}", content_type.name()));
    imported.remarks().iter().for_each(|remark| found("note", remark.to_string()));
    imported.guide().not_known().iter().for_each(|unknown| found("not known", unknown.to_string()));
    let Target { pair, name, environment } = target;
    lines.push(format!("Will be sealed as {name} for {environment}\n  {}", shown(pair.enc())));
    lines.extend(wanted.keys.iter().map(|key| format!("  recipient {key}")));
    lines
}

fn agree(report: &[String], yes: bool, output: &Output) -> Result<(), Error> {
    let say = || report.iter().for_each(|line| output.say(line));
    if yes {
        say();
        return Ok(());
    }
    match output.ask(&format!("{}\nSeal it?", report.join("\n"))) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(Kind::Interrupted, "the report was not accepted; nothing was written")),
        Err(error) if error.kind() == Kind::NeedsTerminal => {
            say();
            Err(Error::new(Kind::NeedsTerminal, "the report needs an answer, and there is no terminal")
                .advise("read the report, then accept it with --yes"))
        }
        Err(error) => Err(error),
    }
}

fn written(
    target: &Target,
    imported: &Imported,
    content_type: ContentType,
    sealed: &Sealed,
    output: &Output,
) -> Result<(), Error> {
    let (enc, key) = (target.pair.enc(), target.pair.key());
    if output.is_json() {
        return output.json(&json!({
            "enc": enc.to_string_lossy(),
            "key": key.to_string_lossy(),
            "name": target.name.as_str(),
            "environment": target.environment.as_str(),
            "type": content_type.name(),
            "generation": sealed.generation(),
            "recipients": sealed.recipients().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "check": if sealed.check() == Check::Whole { "whole" } else { "after-unwrap" },
            "found": {
                "guide": imported.guide().name(),
                "encrypted_under": imported.key().to_string(),
                "key_form": imported.key_form().map(|form| form.name()),
                "encoding": imported.encoding().name(),
                "remarks": imported.remarks().iter().map(|remark| remark.name()).collect::<Vec<_>>(),
            },
        }));
    }
    output.say(format_args!(
        "Sealed {} (generation 1, new data key)\n  {}\n  {}",
        target.label(),
        shown(enc),
        shown(key)
    ));
    if sealed.check() == Check::AfterUnwrap {
        output.warn(CHECKED_AFTER_UNWRAP);
    }
    output
        .hint(format_args!("check the result with `envconf open {}`, then delete the old files", shown(enc)));
    Ok(())
}
