//! What is asked of git: the program, started without a shell.
//!
//! A repository may be hostile, and its configuration can name programs that git would start. Only plumbing is called,
//! what could start one is switched off, and nothing is fetched. The variables that git sets for a hook stay: they say
//! which index is about to be committed.

pub(crate) mod index;
pub(crate) mod appended_lines;
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
}

/// A file of the index.
pub(crate) struct Entry {
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
    /// The repository that `folder` is in, if it is in one.
    ///
    /// # Errors
    /// [`Kind::Io`] where git is not installed; [`Kind::Unexpected`] where it refuses the repository.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, Error> {
        // Told by what is there, not by git's words, which are translated. Git itself says by a variable where it is.
        let has_git = |folder: &Path| folder.join(".git").symlink_metadata().is_ok();
        let is_inside = std::env::var_os("GIT_DIR").is_some()
            || folder.canonicalize().is_ok_and(|folder| folder.ancestors().any(has_git));
        if !is_inside {
            return Ok(None);
        }
        let output = command(folder).args(["rev-parse", "--show-toplevel"]).output().map_err(not_started)?;
        if output.status.success() {
            Ok(Some(Self { root: one_line(&output.stdout) }))
        } else {
            Err(refused("rev-parse"))
        }
    }

    /// The work tree's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything in the index.
    pub(crate) fn index(&self) -> Result<Vec<Entry>, Error> {
        let listed = self.run(["ls-files", "--stage", "-z"])?;
        Ok(listed.split(|b| *b == 0).filter_map(entry).collect())
    }

    /// What the index adds, changes or deletes, compared with the last commit.
    pub(crate) fn staged(&self) -> Result<Vec<PathBuf>, Error> {
        let options =
            ["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "--ignore-submodules", "-z"];
        let listed = self.run(options)?;
        Ok(listed.split(|b| *b == 0).filter(|path| !path.is_empty()).map(path).collect())
    }

    /// Whether the index has `file`.
    pub(crate) fn tracks(&self, file: &Path) -> Result<bool, Error> {
        let mut git = command(&self.root);
        git.args(["ls-files", "-z", "--"]).arg(file);
        let output = git.output().map_err(not_started)?;
        if output.status.success() { Ok(!output.stdout.is_empty()) } else { Err(refused("ls-files")) }
    }

    /// Whether git ignores `file`, an absolute path that it does not track.
    pub(crate) fn ignores(&self, file: &Path) -> Result<bool, Error> {
        let mut git = command(&self.root);
        // `check-ignore` refuses literal pathspecs; what begins with `/` is literal anyway.
        git.arg("--no-literal-pathspecs");
        let status = git.args(["check-ignore", "--quiet", "--"]).arg(file).status().map_err(not_started)?;
        match status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(refused("check-ignore")),
        }
    }

    /// A reader of contents of the index.
    pub(crate) fn objects(&self) -> Result<Objects, Error> {
        let mut child = command(&self.root)
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

    /// The folder that the repository's work trees share.
    pub(crate) fn common(&self) -> Result<PathBuf, Error> {
        Ok(self.root.join(one_line(&self.run(["rev-parse", "--git-common-dir"])?)))
    }

    /// A setting of this repository.
    pub(crate) fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let output =
            command(&self.root).args(["config", "--local", "--get", name]).output().map_err(not_started)?;
        Ok(output.status.success().then(|| one_line(&output.stdout).to_string_lossy().into_owned()))
    }

    /// Sets it, or removes it.
    pub(crate) fn set(&self, name: &str, value: Option<&str>) -> Result<(), Error> {
        match value {
            Some(value) => self.run(["config", "--local", name, value]).map(drop),
            None => self.run(["config", "--local", "--unset-all", name]).map(drop),
        }
    }

    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let output = command(&self.root).args(&arguments).output().map_err(not_started)?;
        if output.status.success() { Ok(output.stdout) } else { Err(refused(arguments[0])) }
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(["--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false"])
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::null());
    command
}

/// `<mode> <object> <stage>\t<path>`.
fn entry(line: &[u8]) -> Option<Entry> {
    let at = line.iter().position(|b| *b == b'\t')?;
    let mut head = std::str::from_utf8(&line[..at]).ok()?.split(' ');
    let (mode, object, stage) = (head.next()?, head.next()?, head.next()?);
    Some(Entry {
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
    let missing = error.kind() == io::ErrorKind::NotFound;
    let error = Error::read(Path::new("git"), error);
    if missing {
        error.advise("this needs the program git: install it, and have PATH name its folder")
    } else {
        error
    }
}

fn refused(what: &str) -> Error {
    Error::new(Kind::Unexpected, format!("git {what} failed"))
        .advise("see what `git status` says here; a repository of another owner needs git's safe.directory")
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
