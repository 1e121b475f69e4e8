//! Queries to git: runs the program without a shell.
//!
//! A repository may be hostile, and its configuration can name programs that git would start. Only plumbing is called,
//! what could start one is switched off, and nothing is fetched.

pub(crate) mod index;
pub(crate) mod appended_lines;
pub(crate) mod hook_managers;
pub(crate) mod pre_commit;
pub(crate) mod scan;
pub(crate) mod tracked;

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use envconf::{Error, Kind};

/// A repository with a work tree.
pub(crate) struct Repository {
    root: PathBuf,
    variables: GitVariables,
}

/// What git's own environment variables count for.
#[derive(Clone, Copy)]
enum GitVariables {
    /// They are removed: one that is left over, or that a hook of another repository inherited, would have git answer
    /// about something else than the files that are meant.
    Removed,
    /// They name the index that is about to be committed.
    OfHook,
}

/// The environment variables by which git finds a repository, its index and its objects.
const VARIABLES: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CEILING_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// A file of the index.
pub(crate) struct IndexEntry {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    /// The id of its content.
    pub(crate) object: String,
    /// A regular file; else a link or a submodule.
    pub(crate) is_file: bool,
    /// In conflict: there is one entry for each side.
    pub(crate) is_unmerged: bool,
}

impl Repository {
    /// The repository that `directory` is in, if it is in one: that of the nearest directory above with `.git`.
    ///
    /// Git itself would look for a bare repository first: tracked files named HEAD, objects and refs make a directory one,
    /// with an index and a configuration that a writer of the repository chose.
    ///
    /// # Errors
    /// [`Kind::Io`] where git is not installed; [`Kind::Unexpected`] where it refuses the repository, or takes another
    /// directory for its top.
    pub(crate) fn find(directory: &Path) -> Result<Option<Self>, Error> {
        let Ok(directory) = directory.canonicalize() else { return Ok(None) };
        let has_git = |directory: &&Path| directory.join(".git").symlink_metadata().is_ok();
        let Some(top) = directory.ancestors().find(has_git) else { return Ok(None) };
        let repository = Self { root: top.to_owned(), variables: GitVariables::Removed };
        let found = one_line(&repository.run(["rev-parse", "--show-toplevel"])?);
        match found.canonicalize() {
            Ok(found) if found == top => Ok(Some(repository)),
            _ => Err(refused("rev-parse")),
        }
    }

    /// The repository whose index is about to be committed, as git's variables say in a hook.
    ///
    /// # Errors
    /// As for [`Repository::find`].
    pub(crate) fn of_hook() -> Result<Option<Self>, Error> {
        if std::env::var_os("GIT_DIR").is_none() && std::env::var_os("GIT_INDEX_FILE").is_none() {
            return Self::find(Path::new("."));
        }
        let repository = Self { root: PathBuf::from("."), variables: GitVariables::OfHook };
        let root = one_line(&repository.run(["rev-parse", "--show-toplevel"])?);
        Ok(Some(Self { root, ..repository }))
    }

    /// The work tree's directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything in the index.
    pub(crate) fn index(&self) -> Result<Vec<IndexEntry>, Error> {
        let listed = self.run(["ls-files", "--stage", "-z"])?;
        Ok(listed.split(|b| *b == 0).filter_map(entry).collect())
    }

    /// Returns the paths that the index adds, changes or deletes, compared with the last commit.
    pub(crate) fn staged(&self) -> Result<Vec<PathBuf>, Error> {
        let options =
            ["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "--ignore-submodules", "-z"];
        let listed = self.run(options)?;
        Ok(listed.split(|b| *b == 0).filter(|path| !path.is_empty()).map(path).collect())
    }

    /// Returns true if the index has `file`.
    pub(crate) fn tracks(&self, file: &Path) -> Result<bool, Error> {
        let mut git = self.command();
        git.args(["ls-files", "-z", "--"]).arg(file);
        let output = git.output().map_err(not_started)?;
        if output.status.success() { Ok(!output.stdout.is_empty()) } else { Err(refused("ls-files")) }
    }

    /// Returns true if git ignores `file`, an absolute path that it does not track.
    pub(crate) fn ignores(&self, file: &Path) -> Result<bool, Error> {
        let mut git = self.command();
        // `check-ignore` refuses literal pathspecs; what begins with `/` is literal anyway.
        git.arg("--no-literal-pathspecs");
        let status = git.args(["check-ignore", "--quiet", "--"]).arg(file).status().map_err(not_started)?;
        match status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(refused("check-ignore")),
        }
    }

    /// Those of `files`, relative to the root, whose line ends git may change when it checks them out: `.gitattributes` does
    /// not say `-text` of them. At most 200 files are looked at.
    pub(crate) fn convertible(&self, files: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
        let mut git = self.command();
        git.args(["check-attr", "-z", "text", "--"]).args(files.iter().take(200));
        let output = git.output().map_err(not_started)?;
        if !output.status.success() {
            return Err(refused("check-attr"));
        }
        // `<path> NUL text NUL <value> NUL`, for each file.
        let fields: Vec<&[u8]> = output.stdout.split(|b| *b == 0).collect();
        let files = fields.chunks_exact(3).filter(|fields| fields[2] != b"unset");
        Ok(files.map(|fields| path(fields[0])).collect())
    }

    /// A reader of contents of the index.
    pub(crate) fn objects(&self) -> Result<Objects, Error> {
        let mut child = self
            .command()
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(not_started)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(ask), Some(answer)) => {
                Ok(Objects { child, ask: Some(ask), answer: BufReader::new(answer) })
            }
            _ => Err(refused("cat-file")),
        }
    }

    /// Where hooks are, `core.hooksPath` considered.
    pub(crate) fn hooks(&self) -> Result<PathBuf, Error> {
        Ok(self.root.join(one_line(&self.run(["rev-parse", "--git-path", "hooks"])?)))
    }

    /// The directory that the repository's work trees share.
    pub(crate) fn common(&self) -> Result<PathBuf, Error> {
        Ok(self.root.join(one_line(&self.run(["rev-parse", "--git-common-dir"])?)))
    }

    /// A setting of this repository.
    pub(crate) fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let output =
            self.command().args(["config", "--local", "--get", name]).output().map_err(not_started)?;
        Ok(output.status.success().then(|| one_line(&output.stdout).to_string_lossy().into_owned()))
    }

    /// Sets it, or removes it.
    pub(crate) fn set(&self, name: &str, value: Option<&str>) -> Result<(), Error> {
        match value {
            Some(value) => self.run(["config", "--local", name, value]).map(drop),
            None => self.run(["config", "--local", "--unset-all", name]).map(drop),
        }
    }

    fn command(&self) -> Command {
        command(&self.root, self.variables)
    }

    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let output = self.command().args(&arguments).output().map_err(not_started)?;
        if output.status.success() { Ok(output.stdout) } else { Err(refused(arguments[0])) }
    }
}

fn command(directory: &Path, variables: GitVariables) -> Command {
    let mut command = Command::new("git");
    if let GitVariables::Removed = variables {
        for name in VARIABLES {
            command.env_remove(name);
        }
    }
    command
        .current_dir(directory)
        .args(["--no-pager", "--literal-pathspecs"])
        .args(["-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit"])
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::null());
    command
}

/// `<mode> <object> <stage>\t<path>`.
fn entry(line: &[u8]) -> Option<IndexEntry> {
    let at = line.iter().position(|b| *b == b'\t')?;
    let mut head = std::str::from_utf8(&line[..at]).ok()?.split(' ');
    let (mode, object, stage) = (head.next()?, head.next()?, head.next()?);
    Some(IndexEntry {
        path: path(&line[at + 1..]),
        object: object.to_owned(),
        is_file: mode.starts_with("100"),
        is_unmerged: stage != "0",
    })
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

fn one_line(output: &[u8]) -> PathBuf {
    path(output.strip_suffix(b"\n").unwrap_or(output))
}

fn not_started(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::new(Kind::Io, "the program git was not found")
            .advise("install git, and add its directory to PATH");
    }
    Error::read(Path::new("git"), error)
}

fn refused(what: &str) -> Error {
    Error::new(Kind::Unexpected, format!("git {what} failed"))
        .advise("run `git status` here; a repository of another owner needs git's safe.directory")
}

/// Contents of the index, one after the other.
pub(crate) struct Objects {
    child: Child,
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
}

impl Objects {
    /// Gives `read` the content of an object; what it leaves is skipped.
    pub(crate) fn read<T>(
        &mut self,
        object: &str,
        read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> io::Result<T> {
        let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let ask = self.ask.as_mut().ok_or_else(gone)?;
        ask.write_all(format!("{object}\n").as_bytes()).and_then(|()| ask.flush())?;
        let mut head = String::new();
        (&mut self.answer).take(1024).read_line(&mut head)?;
        // `<object> blob <size>`; an object that is not here is `<object> missing`.
        let size = head.trim_end().rsplit_once(" blob ").and_then(|(_, size)| size.parse::<u64>().ok());
        let mut content = (&mut self.answer).take(size.ok_or_else(gone)?);
        let result = read(&mut content);
        io::copy(&mut content, &mut io::sink())?;
        self.answer.read_exact(&mut [0; 1])?;
        result
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // With its input closed git ends.
        self.ask = None;
        let _ = self.child.wait();
    }
}
