//! A private directory, and commands that use only this directory.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A temporary directory and a separate key store. Both are deleted when the sandbox is dropped.
pub struct Sandbox {
    directory: TempDir,
    store: TempDir,
}

impl Sandbox {
    /// Makes an empty sandbox.
    ///
    /// # Panics
    ///
    /// If no temporary directory can be made. The other methods panic if a file cannot be read or written.
    #[expect(clippy::new_without_default, reason = "makes a directory; a default should cost nothing")]
    pub fn new() -> Self {
        let directory = || TempDir::with_prefix("envconf-").expect("a temporary directory");
        Self { directory: directory(), store: directory() }
    }

    /// Returns the directory.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the path of a file in the directory. The file need not exist.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    /// Writes a file, makes its parent directories, and returns its path.
    pub fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        let directory = path.parent().expect("a file is in a directory");
        fs::create_dir_all(directory).unwrap_or_else(|error| fail(directory, &error));
        fs::write(&path, bytes).unwrap_or_else(|error| fail(&path, &error));
        path
    }

    /// Writes a file with these Unix permissions, with any umask.
    #[cfg(unix)]
    pub fn write_mode(&self, relative: &str, bytes: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;

        let path = self.write(relative, bytes);
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&path, permissions).unwrap_or_else(|error| fail(&path, &error));
        path
    }

    /// Returns the key store of its commands. It is outside of the directory.
    pub fn store(&self) -> &Path {
        self.store.path()
    }

    /// Writes a local key from its text into the key store, enabled for the directory. Returns the key's path.
    pub fn own_key(&self, text: &str) -> PathBuf {
        self.own_key_for(text, "")
    }

    /// Works like `own_key`, but enables the key for a subdirectory.
    #[cfg(unix)]
    pub fn own_key_for(&self, text: &str, relative: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;

        let directory = self.path(relative);
        fs::create_dir_all(&directory).unwrap_or_else(|error| fail(&directory, &error));
        let directory = directory.canonicalize().unwrap_or_else(|error| fail(&directory, &error));
        let keys = self.store().join("keys");
        fs::create_dir_all(&keys).unwrap_or_else(|error| fail(&keys, &error));
        let kid = text.split(':').nth(1).unwrap_or_default();
        let write = |path: &Path, text: &str| {
            fs::write(path, text).unwrap_or_else(|error| fail(path, &error));
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))
                .unwrap_or_else(|error| fail(path, &error));
        };
        write(&keys.join(kid), text);
        let record = self.store().join("enabled.json");
        let before = fs::read_to_string(&record).unwrap_or_else(|_| "{}".into());
        let before = before.trim().trim_start_matches('{').trim_end_matches('}').trim();
        let between = if before.is_empty() { "" } else { ", " };
        write(&record, &format!("{{{before}{between}\"{kid}\": [{:?}]}}", directory.display().to_string()));
        keys.join(kid)
    }

    /// Removes every key from the key store.
    pub fn lose_keys(&self) {
        for path in [self.store().join("enabled.json"), self.store().join("keys")] {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.unwrap_or_else(|error| fail(&path, &error));
        }
    }

    /// Returns every file of the key store, in the form of [`Sandbox::snapshot`].
    pub fn store_snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.store(), "", &mut files);
        files
    }

    /// Reads a file.
    pub fn read(&self, relative: &str) -> Vec<u8> {
        let path = self.path(relative);
        fs::read(&path).unwrap_or_else(|error| fail(&path, &error))
    }

    /// Returns true if there is such a file or directory.
    pub fn exists(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }

    /// Returns every file of the directory, by its relative path with `/`. A command without changes keeps the snapshot
    /// the same. A symbolic link is not followed, and its content is its target path.
    pub fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.root(), "", &mut files);
        files
    }

    /// Returns a command that runs in the directory. It inherits only `PATH` of the environment. Its home is the
    /// directory, and its key store is the separate one.
    pub fn command(&self, bin: &str) -> Command {
        let mut command = Command::new(bin);
        command.env_clear().current_dir(self.root()).env("HOME", self.root());
        command.env("ENVCONF_HOME", self.store());
        command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }
}

fn collect(directory: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap_or_else(|error| fail(directory, &error)) {
        let entry = entry.unwrap_or_else(|error| fail(directory, &error));
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().unwrap_or_else(|error| fail(&path, &error));
        if kind.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).unwrap_or_else(|error| fail(&path, &error));
            files.insert(name, target.into_os_string().into_encoded_bytes());
        } else {
            files.insert(name, fs::read(&path).unwrap_or_else(|error| fail(&path, &error)));
        }
    }
}

#[expect(clippy::panic, reason = "a test cannot go on without its files")]
fn fail(path: &Path, error: &std::io::Error) -> ! {
    panic!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_every_file() {
        let sandbox = Sandbox::new();
        sandbox.write("app.conf", "a = 1");
        sandbox.write("deep/er/app.conf", [0, 255]);
        assert_eq!(sandbox.read("deep/er/app.conf"), [0, 255]);
        assert!(sandbox.exists("deep/er") && !sandbox.exists("deep/app.conf"));
        let names: Vec<_> = sandbox.snapshot().into_keys().collect();
        assert_eq!(names, ["app.conf", "deep/er/app.conf"]);
    }

    #[test]
    #[cfg(unix)]
    fn sets_modes_exactly() {
        use std::os::unix::fs::PermissionsExt;

        let sandbox = Sandbox::new();
        let path = sandbox.write_mode("app.key", "k", 0o666);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o666);
    }

    #[test]
    #[cfg(unix)]
    fn snapshots_do_not_follow_links() {
        let sandbox = Sandbox::new();
        std::os::unix::fs::symlink("/nowhere/at/all", sandbox.path("link")).unwrap();
        assert_eq!(sandbox.snapshot()["link"], b"/nowhere/at/all");
    }

    #[test]
    #[cfg(unix)]
    fn commands_see_the_sandbox_and_no_variables() {
        let sandbox = Sandbox::new();
        let output = sandbox.command("env").output().unwrap();
        let mut variables: Vec<_> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
        variables.retain(|line| !line.starts_with("PATH="));
        variables.sort();
        let (store, root) = (sandbox.store().display(), sandbox.root().display());
        assert_eq!(variables, [format!("ENVCONF_HOME={store}"), format!("HOME={root}")]);
    }
}
