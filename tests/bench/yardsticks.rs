//! The benchmark: the cost of envconf in comparison with the work that it cannot avoid.
//!
//! Run `cargo bench -p envconf-bench`. Add `--` and the name of a section to run only that section. The results are in
//! `envconf/docs/performance.md`.
//!
//! If an aim is not met, the benchmark prints it and does not fail.

#![allow(clippy::unwrap_used, reason = "a benchmark ends by panicking")]
#![allow(clippy::print_stdout, reason = "a benchmark prints a table")]

mod command;
#[allow(dead_code, reason = "the fields are loaded and never read")]
mod config;
mod envelope;
mod key_services;
mod load;
#[path = "../common/loopback.rs"]
mod loopback;
mod measure;
mod project;
mod tls;

/// The name of each section, and the function that runs it.
const SECTIONS: [(&str, fn()); 4] =
    [("load", load::run), ("envelope", envelope::run), ("command", command::run), ("tls", tls::run)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if tls::is_child(&arguments) {
        return;
    }
    // `cargo test --all-targets` also starts this program, without this flag.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    if std::env::var_os("ENVCONF_HOME").is_none() {
        return rerun_with_key_store(&arguments);
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    measure::steady_heap();
    measure::print_head();
    for (name, run) in SECTIONS {
        if wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name) {
            run();
        }
    }
}

/// Runs this program again with an empty key store, which `App::load()` then uses.
fn rerun_with_key_store(arguments: &[String]) {
    let store = tempfile::TempDir::with_prefix("envconf-").unwrap();
    let program = std::env::current_exe().unwrap();
    let status =
        std::process::Command::new(program).args(arguments).env("ENVCONF_HOME", store.path()).status();
    drop(store);
    std::process::exit(status.unwrap().code().unwrap_or(1));
}
