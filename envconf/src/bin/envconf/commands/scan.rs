use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use envconf::error::escape;
use envconf::tools::Rules;
use envconf::{Error, Kind};
use serde_json::json;

use crate::git::Repository;
use crate::git::appended_lines::ATTRIBUTES;
use crate::git::scan::files::FilesToScan;
use crate::git::scan::{Finding, Scan, plain_beside};
use crate::options::global::Global;
use crate::output::{Output, shown};

/// Find secrets that must not be committed, without a key
///
/// envconf reports plain files that must be sealed, dotenv files, local keys and the
/// private keys of signers. It reports broken, incomplete and mixed pairs. It also
/// reports recipients that differ from the policy file.
///
/// In a git repository, envconf checks the files that git knows. In other directories, it
/// checks all files below the working directory. The exit code is 50 if envconf finds a
/// problem.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf scan
  envconf scan config --json
  envconf scan --staged                  # what the pre-commit hook does
  envconf scan --exclude 'tests/**'")]
pub(crate) struct Args {
    /// Check only these files and directories
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Check the staged content, not the files on disk
    #[arg(long)]
    staged: bool,

    /// Skip files that match; repeatable
    ///
    /// GLOB applies to the path from the top directory of the repository. Outside a
    /// repository, it applies to the path from the working directory.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<glob::Pattern>,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Error> {
    let rules = global.config.as_deref().map(Rules::read).transpose()?;
    let here = Path::new(".").canonicalize().map_err(|error| Error::read(Path::new("."), error))?;
    let repository = if args.staged { Repository::of_hook()? } else { Repository::find(&here)? };
    let (files, candidates) = match (&repository, args.staged) {
        (Some(repository), true) => {
            let files = FilesToScan::indexed(repository)?;
            let staged: BTreeSet<_> = repository.staged()?.into_iter().collect();
            // Check the plain files of staged pairs, too: a plain file may have been committed before its pair.
            let plain = plain_beside(&files, &staged);
            (files, staged.into_iter().chain(plain).collect())
        }
        (Some(repository), false) => {
            let files = FilesToScan::tracked(repository)?;
            let all = files.paths().union(&files.unmerged).cloned().collect();
            (files, all)
        }
        (None, true) => {
            return Err(Error::new(
                Kind::Usage,
                "--staged needs a git repository, and this directory is not in one",
            ));
        }
        (None, false) => {
            let files = FilesToScan::below(&here)?;
            let all = files.paths();
            (files, all)
        }
    };
    let selected = select(candidates, args, files.root())?;
    let mut scan = Scan::new(files, rules);
    let findings = scan.run(&selected)?;
    scan.notes.iter().for_each(|note| output.warn(note));
    if let (Some(repository), false) = (&repository, args.staged) {
        warn_of_line_ends(repository, &scan.sealed_among(&selected), output)?;
    }
    if findings.is_empty() && args.staged && !output.is_json() {
        return Ok(ExitCode::SUCCESS); // a hook prints nothing on success
    }
    report(&findings, selected.len(), output)?;
    let differ = !findings.is_empty();
    Ok(ExitCode::from(if differ { Error::new(Kind::Differences, "").exit_code() } else { 0 }))
}

/// Warns if git may damage sealed files, because no attribute prevents it.
fn warn_of_line_ends(repository: &Repository, sealed: &[PathBuf], output: &Output) -> Result<(), Error> {
    if sealed.is_empty() {
        return Ok(());
    }
    if let Some(file) = repository.convertible(sealed)?.first() {
        output.warn(format_args!(
            "git may change the line ends of sealed files such as {} when it checks them out: add the lines `{}` to .gitattributes",
            shown(file),
            ATTRIBUTES.join("` and `")
        ));
    }
    Ok(())
}

/// Returns the `candidates` that the arguments select.
fn select(candidates: BTreeSet<PathBuf>, args: &Args, root: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let mut below = Vec::new();
    for path in &args.paths {
        let absolute = path.canonicalize().map_err(|error| Error::read(path, error))?;
        let relative = absolute.strip_prefix(root).map(Path::to_owned);
        below
            .push(relative.map_err(|_| {
                Error::new(Kind::Usage, "the path is outside the scanned directory").at(path)
            })?);
    }
    let is_asked = |path: &PathBuf| {
        (below.is_empty() || below.iter().any(|above| path.starts_with(above)))
            && !args.exclude.iter().any(|glob| glob.matches_path(path))
    };
    Ok(candidates.into_iter().filter(is_asked).collect())
}

fn report(findings: &[Finding], files: usize, output: &Output) -> Result<(), Error> {
    if output.is_json() {
        let findings = findings.iter().map(|finding| {
            json!({
                "path": finding.path.to_string_lossy(),
                "line": finding.line,
                "code": finding.code,
                "message": finding.message,
                "advice": finding.advice.replace('\n', "; "),
            })
        });
        return output.json(&json!({ "files": files, "findings": findings.collect::<Vec<_>>() }));
    }
    for finding in findings {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let message = escape(&finding.message);
        let place = format!("{}{line}", shown(&finding.path));
        output.line(format_args!("{}: {}: {message}", output.paint().strong(&place), finding.code))?;
        output.hint(&finding.advice);
    }
    match findings.len() {
        0 => output.say("Found nothing"),
        1 => output.say("Found 1 problem"),
        all => output.say(format_args!("Found {all} problems")),
    }
    Ok(())
}
