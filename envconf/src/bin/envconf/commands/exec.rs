use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use envconf::tools::refused_names::NameCategory;
use envconf::tools::{Exported, ExportedVariable};
use envconf::{Error, Kind};

use crate::editor::memory_file::MemoryFile;
#[cfg(unix)]
use crate::editor::scratch::Scratch;
use crate::options::global::Global;
#[cfg(unix)]
use crate::options::plain_file;
use crate::options::target::Target;
use crate::options::variable_names::{self, VariableNames};
use crate::output::Output;

/// Run a program with the values as environment variables
///
/// Each value of the pair becomes an environment variable. Its name is the path of the
/// value in upper snake case, joined by __. With --env-prefix, the name begins with the
/// prefix. Names in dotenv content stay unchanged. Environment variables that are already
/// set keep their values. envconf adds plain layers (app.defaults.toml) only with
/// --env-prefix.
///
/// envconf replaces itself with the command. The command receives signals, and its exit
/// code is the exit code of envconf. The command does not inherit the
/// environment variables of local keys and age identities. It inherits cloud credentials unless you use
/// --drop-credentials.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf exec app -- ./server
  envconf exec app --environment prod --env-prefix APP -- ./server --port 80
  envconf exec app --pristine -- /usr/bin/env
  envconf exec app --drop-credentials --allow AWS_REGION,TZDIR -- ./server
  envconf exec app --names keep --separator _ --skip-unnamed -- ./server
  envconf exec app --file -- nginx -c {}
  envconf exec app --file --file-name app.yaml -- ./server --config {}")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    #[command(flatten)]
    names: VariableNames,

    /// Replace environment variables that are already set
    #[arg(long = "override")]
    overrides: bool,

    /// Inherit no environment variables, not even PATH
    #[arg(long)]
    pristine: bool,

    /// Remove inherited cloud credentials
    ///
    /// envconf removes the environment variables of the category cloud-credentials, such
    /// as AWS_* and TENCENTCLOUD_*. It keeps the values of the configuration.
    #[arg(long)]
    drop_credentials: bool,

    /// Replace {} in CMD with the path of a file in memory
    ///
    /// The file contains the content of the pair, byte for byte, and is read-only. envconf
    /// sets no environment variables from the pair. Without --file-name, this option needs
    /// Linux.
    #[arg(long,
        conflicts_with_all = ["env_prefix", "overrides", "allow", "names", "separator", "skip_unnamed"])]
    file: bool,

    /// Use this file name for --file, such as app.toml
    ///
    /// Use this option if a program needs the file extension. The file is then in a
    /// directory in memory. envconf removes the directory when CMD ends.
    #[arg(long, value_name = "NAME", requires = "file",
        value_parser = file_name)]
    file_name: Option<String>,

    /// Command to run, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// The beginnings of the environment variables with envconf's own keys: `ENVCONF_KEY`, `ENVCONF_KEY_FILE`,
/// `ENVCONF_KEY_CMD`, and those of age identities. The command never inherits them.
const KEYS: [&str; 2] = ["ENVCONF_KEY", "ENVCONF_AGE_KEY"];

/// The placeholder for the file's path.
const PLACE: &str = "{}";

/// Returns only if the command was not started.
pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<Infallible, Error> {
    // Check the command before a key service is asked.
    let (name, arguments) =
        args.command.split_first().ok_or_else(|| Error::new(Kind::Usage, "no command"))?;
    if args.file && !arguments.iter().any(|argument| has_place(argument)) {
        return Err(Error::new(Kind::Usage, "no argument of the command contains {}")
            .advise("put {} where the file's path belongs"));
    }
    let program = find(name)?;
    let target = Target::resolve(&args.pair, global)?;
    let mut command = Command::new(&program);
    if args.pristine {
        command.env_clear();
    }
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if is_own_key(&text) || (args.drop_credentials && is_credential(&text)) {
            command.env_remove(&name);
        }
    }
    if args.file {
        let opened = target.open(global, &target.services(output)?, output)?;
        // Keep it until the command runs or has failed to start.
        let (path, _file) = match &args.file_name {
            None => HandedOver::without_name(opened.content())?,
            Some(name) => HandedOver::with_name(name, opened.content(), output)?,
        };
        command.args(arguments.iter().map(|argument| replaced(argument, &path)));
        return become_it(command, name, &program);
    }
    let exported = variable_names::variables(&target, global, &args.names, output)?;
    let set = set(&mut command, &exported, args, output);
    command.args(arguments);
    become_it(command, name, &program).map_err(|error| match is_too_large(&error) {
        true => too_large(&set).at(target.pair.enc()),
        false => error,
    })
}

/// The content as a file that only this process, and the program that replaces it, can read.
enum HandedOver {
    Memory {
        _file: MemoryFile,
    },
    #[cfg(unix)]
    Directory {
        _directory: Scratch,
    },
}

impl HandedOver {
    /// Returns the path of a file in memory that is not in a directory.
    fn without_name(content: &[u8]) -> Result<(OsString, Self), Error> {
        let file = MemoryFile::of(content)?;
        Ok((file.hand_over()?, Self::Memory { _file: file }))
    }

    /// Returns the path of a file of this name in a directory in memory.
    #[cfg(unix)]
    fn with_name(name: &str, content: &[u8], output: &Output) -> Result<(OsString, Self), Error> {
        let directory = Scratch::for_process(output)?;
        let file = directory.directory().join(name);
        plain_file::write(&file, content, false)?;
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o400))
            .map_err(|error| Error::write(&file, error))?;
        Ok((file.into(), Self::Directory { _directory: directory }))
    }

    #[cfg(not(unix))]
    fn with_name(_: &str, content: &[u8], _: &Output) -> Result<(OsString, Self), Error> {
        Self::without_name(content)
    }
}

fn file_name(text: &str) -> Result<String, &'static str> {
    match Path::new(text).file_name() {
        Some(name) if name == text => Ok(text.to_owned()),
        _ => Err("expected the name of a file, without a directory"),
    }
}

#[cfg(unix)]
fn is_too_large(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == ErrorKind::ArgumentListTooLong)
}

#[cfg(not(unix))]
fn is_too_large(_: &Error) -> bool {
    false
}

/// Largest environment variable of Linux: 32 pages, its name and a zero byte included. The pages of some machines are
/// larger than this.
const MAX_VARIABLE: usize = 32 * 4096;

/// Returns the error for a program that the system could not start with `set` in its environment.
fn too_large(set: &[&ExportedVariable]) -> Error {
    let size = |variable: &ExportedVariable| variable.name().len() + variable.expose_value().len() + 2;
    let mut by_size = set.to_vec();
    by_size.sort_by_key(|variable| std::cmp::Reverse(size(variable)));
    let names = |variables: &[&ExportedVariable]| {
        variables.iter().map(|variable| variable.name()).collect::<Vec<_>>().join(" ")
    };
    let too_large = by_size.partition_point(|variable| size(variable) > MAX_VARIABLE);
    let message = match too_large {
        0 => format!(
            "the environment and the arguments are too large for this system; the largest values: {}",
            names(&by_size[..by_size.len().min(3)])
        ),
        1 => format!("the value is too large for an environment variable: {}", names(&by_size[..1])),
        _ => {
            format!("these values are too large for environment variables: {}", names(&by_size[..too_large]))
        }
    };
    Error::new(Kind::DoesNotFit, message)
        .advise("pass the whole content as a file: envconf exec PAIR --file -- CMD {}")
}

fn is_own_key(name: &str) -> bool {
    KEYS.iter().any(|start| name.starts_with(start))
}

fn is_credential(name: &str) -> bool {
    NameCategory::of(name) == Some(NameCategory::CloudCredentials)
}

/// Sets the variables that are not inherited, and returns them. It does not set an allowed name such as `ENVCONF_KEY`
/// either.
fn set<'a>(
    command: &mut Command,
    exported: &'a Exported,
    args: &Args,
    output: &Output,
) -> Vec<&'a ExportedVariable> {
    let mut kept = Vec::new();
    let mut set_here = Vec::new();
    for variable in exported.variables() {
        let (name, value) = (variable.name(), variable.expose_value().as_str());
        if is_own_key(name) {
            continue;
        }
        let is_dropped = args.pristine || (args.drop_credentials && is_credential(name));
        match std::env::var_os(name).filter(|_| !is_dropped && !args.overrides) {
            Some(set) if set == value => {}
            Some(_) => kept.push(name),
            None => {
                command.env(name, value);
                set_here.push(variable);
            }
        }
    }
    if !kept.is_empty() {
        output.warn(format_args!("kept variables that are set already: {}", kept.join(" ")));
        output.hint("replace them with --override");
    }
    set_here
}

#[cfg(unix)]
fn become_it(mut command: Command, name: &OsStr, program: &Path) -> Result<Infallible, Error> {
    use std::os::unix::process::CommandExt as _;
    Err(not_run(program, command.arg0(name).exec()))
}

#[cfg(not(unix))]
fn become_it(_: Command, _: &OsStr, _: &Path) -> Result<Infallible, Error> {
    Err(Error::new(Kind::Usage, "this system cannot replace envconf with a command")
        .advise("write the variables with `envconf export`"))
}

/// Resolves the program. [`Command`] would search the command's own `PATH`, and would report an error only after a key
/// was used.
fn find(name: &OsStr) -> Result<PathBuf, Error> {
    let path = Path::new(name);
    if path.components().count() != 1 || name.as_encoded_bytes().contains(&b'/') {
        return match path.metadata() {
            Ok(_) => Ok(path.to_owned()),
            Err(error) => Err(not_run(path, error)),
        };
    }
    let places = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    // An empty entry means the working directory, where anybody may have placed a program.
    let places = std::env::split_paths(&places).filter(|place| *place != Path::new(""));
    let found = places.map(|place| place.join(path)).find(|file| is_executable(file));
    found.ok_or_else(|| {
        Error::new(Kind::Io, "command not found")
            .at(path)
            .advise("check its name, and the directories in PATH")
    })
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

fn not_run(program: &Path, error: std::io::Error) -> Error {
    let (message, advice) = match error.kind() {
        ErrorKind::NotFound => ("command not found", "check the path of the command"),
        ErrorKind::PermissionDenied => (
            "cannot run this command: permission denied",
            "check that the file is a program, and make it executable with chmod +x",
        ),
        // The source tells the caller whether the environment is too large.
        _ => return Error::read(program, error).advise("check that the file is a program"),
    };
    Error::new(Kind::Io, message).at(program).advise(advice)
}

fn has_place(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().windows(PLACE.len()).any(|window| window == PLACE.as_bytes())
}

/// Returns the argument with the path in place of each placeholder.
fn replaced(argument: &OsStr, path: &OsStr) -> OsString {
    if !has_place(argument) {
        return argument.to_owned();
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let mut out = Vec::new();
        let mut rest = argument.as_bytes();
        while let Some(at) = rest.windows(PLACE.len()).position(|window| window == PLACE.as_bytes()) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(path.as_bytes());
            rest = &rest[at + PLACE.len()..];
        }
        out.extend_from_slice(rest);
        OsString::from_vec(out)
    }
    #[cfg(not(unix))]
    argument.to_string_lossy().replace(PLACE, &path.to_string_lossy()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_replaced() {
        let replaced = |argument: &str| replaced(argument.as_ref(), "/p".as_ref());
        assert_eq!(replaced("--config={}:{}"), "--config=/p:/p");
        assert_eq!(replaced("{{}}"), "{/p}");
        assert_eq!(replaced("{ }"), "{ }");
    }
}
