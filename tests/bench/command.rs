//! Measures `envconf open` as a process, compared with `cat` of the same text; then with key services.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::config::TOML;
use crate::key_services;
use crate::measure::{Aim, race, whole};
use crate::project::Project;

pub(crate) fn run() {
    let program = build();
    let project = Project::new();
    let command = |program: &Path, arguments: &[&str]| {
        let mut command = project.sandbox.command(&program.to_string_lossy());
        command.args(arguments);
        command
    };
    let opens = || command(&program, &["open", "app"]);
    if opens().output().unwrap().stdout != TOML.as_bytes() {
        println!("{:38} not measured: this build's command does not open", "envconf open app");
        return;
    }
    let cat = || command(Path::new("cat"), &["config/app.toml"]);
    let race = race(
        Duration::from_secs(4),
        [
            whole(|| finish(opens())),
            whole(|| finish(cat())),
            whole(|| finish(command(Path::new("true"), &[]))),
        ],
    );
    race.compare("envconf open app, as a process", |t| t[0], "cat config/app.toml", |t| t[1], Aim::None);
    race.compare("envconf open app, as a process", |t| t[0], "true", |t| t[2], Aim::None);
    key_services::run(&program);
}

/// Runs a command to its end and discards its output.
pub(crate) fn finish(mut command: Command) {
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
}

/// Builds the command from this source. Cargo provides no path to a program of another package.
fn build() -> PathBuf {
    let own = std::env::current_exe().unwrap(); // TARGET/release/deps/yardsticks-…
    let target = own.ancestors().nth(3).unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "envconf",
        "--features",
        "cli",
        "--bin",
        "envconf",
    ]);
    let built =
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).arg("--target-dir").arg(target).status().unwrap();
    assert!(built.success(), "the command does not build");
    target.join("release").join(format!("envconf{}", std::env::consts::EXE_SUFFIX))
}
