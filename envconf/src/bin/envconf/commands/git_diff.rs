use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;

use envconf::error::escape;
use envconf::files::open_regular;
use envconf::format::{EncFile, KeyFile, MAX_ENC};
use envconf::{Error, Kind};

use crate::output::Output;
use crate::output::pair_difference::{PairDifference, Side};

/// Print the changes of a sealed file for git
///
/// `envconf hook install` registers this command as git's external diff driver. Git
/// passes a path and two files, each with its id and mode. The command uses no key and
/// prints no content. Its output cannot be mistaken for the text of a file.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments from git: path, old and new file, id and mode
    ///
    /// For a renamed file, git adds the new path.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Prints the difference of one file. An error in the two files is part of the output, because git treats any code
/// except 0 as a crash, and stops.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    let path = |at: usize| args.arguments.get(at).map(Path::new);
    let shown = |path: &Path| escape(&path.to_string_lossy()).to_string();
    match (path(0), path(1), path(4)) {
        // Git passes no files for a path in conflict.
        (Some(file), None, _) => {
            output.line(format_args!("sealed file {}: in conflict, choose one side", shown(file)))
        }
        (Some(file), Some(old), Some(new)) => {
            match path(7) {
                Some(renamed) => {
                    output.line(format_args!("sealed file {} -> {}", shown(file), shown(renamed)))?
                }
                None => output.line(format_args!("sealed file {}", shown(file)))?,
            }
            let [old, new] =
                [("old", old), ("new", new)].map(|(which, path)| read(file, path).map_err(|e| (which, e)));
            let lines = match (old, new) {
                (Ok(None), Ok(None)) => Vec::new(),
                (Ok(None), Ok(Some(side))) => summary("added", &side),
                (Ok(Some(side)), Ok(None)) => summary("deleted", &side),
                (Ok(Some(old)), Ok(Some(new))) => PairDifference::between(&old, &new).lines(),
                (old, new) => [old.err(), new.err()].into_iter().flatten().map(unreadable).collect(),
            };
            lines.iter().try_for_each(|line| output.line(line))?;
            output.line("  (unauthenticated, from the files alone)")
        }
        _ => Err(Error::new(Kind::Usage, "this is git's diff driver: expected a path and two files of git")
            .advise("compare two pairs with `envconf diff A B`")),
    }
}

/// Reads one side: an `.enc` or a `.key`; `None` if the file does not exist on this side.
fn read(name: &Path, path: &Path) -> Result<Option<Side>, Error> {
    if path == Path::new("/dev/null") || path == Path::new("nul") {
        return Ok(None);
    }
    let failed = |error| Error::read(path, error);
    let mut bytes = Vec::new();
    open_regular(path).map_err(failed)?.take(MAX_ENC as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let is_key = name.extension().is_some_and(|extension| extension == "key");
    let side = match is_key {
        true => Side { key: Some(KeyFile::parse(&bytes)?), ..Side::default() },
        false => Side { enc: Some(EncFile::parse(&bytes)?), ..Side::default() },
    };
    Ok(Some(side))
}

/// Describes a file that exists on one side only.
fn summary(what: &str, side: &Side) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(EncFile { header, .. }) = &side.enc {
        let (name, environment, generation) = (&header.name, &header.environment, header.generation);
        lines.push(format!(
            "  {what}: {name} for {environment}, generation {generation}, data key {}",
            header.dek
        ));
        lines.extend(header.outline.iter().map(|line| format!("  {:<12} {}", "key", line.path)));
    }
    if let Some(key) = &side.key {
        lines.push(format!("  {what}: {} for {}", key.name, key.environment));
        let recipients = key.sections.iter().flat_map(|section| &section.recipients);
        lines.extend(recipients.map(|recipient| format!("  {:<12} {}", "recipient", recipient.key)));
    }
    lines
}

fn unreadable((which, error): (&str, Error)) -> String {
    format!("  the {which} file is not a sealed file: {}", escape(error.message()))
}
