//! A dotenv file of another tool.

use std::path::Path;

use envconf::tools::import::Dotenv;
use envconf::{ContentType, Error, Kind, Name, Seal};
use serde_json::json;

use super::{Args, agree, seal_first, sealing, target};
use crate::options::global::Global;
use crate::options::plain_file;
use crate::options::signing_args;
use crate::options::target::identity as whose;
use crate::options::wanted_recipients::Wanted;
use crate::output::{Output, shown};

pub(super) fn run(file: &Path, args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let content_type = args.content_type.unwrap_or(ContentType::Dotenv);
    if !matches!(content_type, ContentType::Dotenv | ContentType::Toml | ContentType::Json) {
        return Err(Error::new(Kind::Usage, format!("cannot convert dotenv to {}", content_type.name()))
            .advise("use --type dotenv, toml or json"));
    }
    let target = target(file, identity(file, global)?, args)?;
    let services = target.services(output)?;
    let sealing = sealing(args, &target, &services, global, output);
    let wanted = Wanted::choose(&args.recipients, &sealing)?;
    let mut text = plain_file::read(file)?;
    plain_file::refuse_too_large(&text).map_err(|error| error.at(file))?;
    plain_file::remove_byte_order_mark(&mut text, file, output);
    let read = Dotenv::parse(&text).map_err(|error| error.at(file))?;
    let content = read.content(content_type, args.env_prefix.as_deref()).map_err(|error| error.at(file))?;

    let names: Vec<&str> = read.names().collect();
    let dollars: Vec<&str> = read.with_dollars().collect();
    let mut report = vec![format!("{}: dotenv, variables: {}", shown(file), names.len())];
    if !names.is_empty() {
        report.push(format!("  names: {}", names.join(" ")));
    }
    if !dollars.is_empty() {
        let dollars = dollars.join(" ");
        report.push(format!("  note: envconf does not expand $ in values: {dollars}"));
    }
    if content_type != ContentType::Dotenv {
        let ty = content_type.name();
        report.push(format!("  note: in {ty} all values are strings: edit the fields that are numbers"));
    }
    report.push(format!(
        "will be sealed as {} for {}, into {}, as {}",
        target.name,
        target.environment,
        shown(target.pair.enc()),
        content_type.name()
    ));
    report.extend(wanted.keys.iter().map(|key| format!("  recipient {key}")));
    agree(&report, args.yes, output)?;

    // Seal the parsed values: as lines of the pair they need no quotes.
    let seal = Seal::new(target.name.clone(), target.environment.clone(), content_type).as_is();
    let sealed = seal_first(seal, content.as_bytes(), &wanted, &sealing)?;
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
            "names": names,
            "with_dollars": dollars,
        }));
    }
    output.say(format_args!(
        "Sealed {} (generation 1, new data key)\n  {}\n  {}",
        shown(file),
        shown(enc),
        shown(key)
    ));
    output.hint(format_args!(
        "check the result with `envconf open {}`, then delete {}",
        shown(enc),
        shown(file)
    ));
    output.hint("if the old file was ever committed, replace its secrets");
    signing_args::say_missing(signing_args::demand(global, None, &target.pair)?.as_ref(), &[], output);
    Ok(())
}

/// Returns the name and the environment of the pair for `file`. `.env` and `.env.production` contain no name, and the
/// second part of the latter is the environment.
fn identity(file: &Path, global: &Global) -> Result<(Name, Name), Error> {
    let file_name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (Some(rest), Some(name)) = (file_name.strip_prefix(".env"), &global.name) else {
        return whose(file, global);
    };
    let environment = match (&global.environment, rest.strip_prefix('.')) {
        (None, Some(environment)) => environment.parse()?,
        _ => global.environment_or_default()?,
    };
    Ok((name.clone(), environment))
}
