//! Queries to git: runs the program without a shell.
//!
//! A repository may be hostile, and its configuration can name programs that git would start. So envconf calls only
//! plumbing commands, disables everything that starts programs, and fetches nothing.

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

/// The use of git's own environment variables.
#[derive(Clone, Copy)]
enum GitVariables {
    /// They are removed. Variables that are left over, or inherited from a hook of another repository, would make git
    /// answer about other files.
    Removed,
    /// They are kept: they name the index that will be committed.
    OfHook,
}

/// The environment variables that tell git where the repository, its index and its objects are.
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
    /// Its path, relative to the root.
    pub(crate) path: PathBuf,
    /// The id of its content.
    pub(crate) object: String,
    /// True for a regular file; false for a link or a submodule.
    pub(crate) is_file: bool,
    /// True for a file in conflict, which has one entry for each side.
    pub(crate) is_unmerged: bool,
}

impl Repository {
    /// Returns the repository of `directory`, if it is in one: that of the nearest directory above with `.git`.
    ///
    /// Git itself would first search a bare repository: tracked files named HEAD, objects and refs make a directory
    /// one, with an index and a configuration that a writer of the repository chose.
    ///
    /// # Errors
    /// [`Kind::Io`] if git is not installed; [`Kind::Unexpected`] if it refuses the repository, or reports another top
    /// directory.
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

    /// Returns the repository whose index will be committed, from git's variables in a hook.
    ///
    /// # Errors
    /// The errors of [`Repository::find`].
    pub(crate) fn of_hook() -> Result<Option<Self>, Error> {
        if std::env::var_os("GIT_DIR").is_none() && std::env::var_os("GIT_INDEX_FILE").is_none() {
            return Self::find(Path::new("."));
        }
        let repository = Self { root: PathBuf::from("."), variables: GitVariables::OfHook };
        let root = one_line(&repository.run(["rev-parse", "--show-toplevel"])?);
        Ok(Some(Self { root, ..repository }))
    }

    /// Returns the work tree's directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns all files of the index.
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
        // `check-ignore` rejects literal pathspecs. A path that begins with `/` is literal anyway.
        git.arg("--no-literal-pathspecs");
        let status = git.args(["check-ignore", "--quiet", "--"]).arg(file).status().map_err(not_started)?;
        match status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(refused("check-ignore")),
        }
    }

    /// Returns the `files`, relative to the root, whose line ends git may change on checkout: `.gitattributes` does
    /// not set `-text` for them. It checks at most 200 files.
    pub(crate) fn convertible(&self, files: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
        let mut git = self.command();
        git.args(["check-attr", "-z", "text", "--"]).args(files.iter().take(200));
        let output = git.output().map_err(not_started)?;
        if !output.status.success() {
            return Err(refused("check-attr"));
        }
        // The output has `<path> NUL text NUL <value> NUL` for each file.
        let fields: Vec<&[u8]> = output.stdout.split(|b| *b == 0).collect();
        let files = fields.chunks_exact(3).filter(|fields| fields[2] != b"unset");
        Ok(files.map(|fields| path(fields[0])).collect())
    }

    /// Returns a reader of contents of the index.
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

    /// Returns the directory of the hooks; `core.hooksPath` overrides the default.
    pub(crate) fn hooks(&self) -> Result<PathBuf, Error> {
        Ok(self.root.join(one_line(&self.run(["rev-parse", "--git-path", "hooks"])?)))
    }

    /// Returns the directory that the repository's work trees share.
    pub(crate) fn common(&self) -> Result<PathBuf, Error> {
        Ok(self.root.join(one_line(&self.run(["rev-parse", "--git-common-dir"])?)))
    }

    /// Returns a setting of this repository.
    pub(crate) fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let output =
            self.command().args(["config", "--local", "--get", name]).output().map_err(not_started)?;
        Ok(output.status.success().then(|| one_line(&output.stdout).to_string_lossy().into_owned()))
    }

    /// Sets or removes a setting of this repository.
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

/// Parses `<mode> <object> <stage>\t<path>`.
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

/// A reader of file contents in the index.
pub(crate) struct Objects {
    child: Child,
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
}

impl Objects {
    /// Passes the content of an object to `read`, and skips the bytes that it does not read.
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
        // The header is `<object> blob <size>`, or `<object> missing` for an unknown object.
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
        // Git ends when its input is closed.
        self.ask = None;
        let _ = self.child.wait();
    }
}
