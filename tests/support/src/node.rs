//! Packages from npm for tests: installed once below cargo's target directory, without any settings of the user.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::{fingerprint, install_once, said};

/// Node.js with some packages.
pub struct Node {
    packages: PathBuf,
}

impl Node {
    /// Installs `packages`, each with its version (`dotenv@17.2.3`), below `target`, unless that has been done before.
    /// Tests give `env!("CARGO_TARGET_TMPDIR")` as the target.
    ///
    /// Returns `None` and prints a message if Node.js or npm is not installed. With `CI=true` both are required.
    ///
    /// # Panics
    ///
    /// If the registry cannot be reached, and in CI without Node.js.
    #[expect(clippy::print_stderr, reason = "a skipped test prints the reason")]
    pub fn with_packages(target: impl AsRef<Path>, packages: &[&str]) -> Option<Self> {
        let is_installed = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !(is_installed("node") && is_installed("npm")) {
            assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "CI requires node and npm");
            eprintln!("skipped: node or npm is not installed, so {} was not tried", packages.join(" "));
            return None;
        }
        let version = said(Command::new("node").arg("--version"));
        let listed = packages.join(" ");
        let directory =
            target.as_ref().join(format!("node-{}", fingerprint(&[listed.as_bytes(), version.as_bytes()])));
        install_once(&directory, |partial| {
            let mut npm = Command::new("npm");
            npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save"]);
            // npm must write only to the target directory.
            npm.arg("--cache").arg(partial.join("cache")).arg("--prefix").arg(partial).args(packages);
            said(&mut npm);
        });
        Some(Self { packages: directory })
    }

    /// Returns a command that runs the text of a script with these packages. Its environment has only `PATH`.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new("node");
        command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("NODE_PATH", self.packages.join("node_modules")).args(["-e", script, "--"]);
        command
    }
}
