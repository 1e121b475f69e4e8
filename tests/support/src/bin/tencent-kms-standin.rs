//! Runs the Tencent KMS stand-in, to try envconf and its examples without an account.

use std::io::{self, Write};
use std::process::ExitCode;
use std::{env, thread};

use envconf_test_support::tencent::REGION;
use envconf_test_support::{Credential, StandIn};

const USAGE: &str = "usage: tencent-kms-standin [--port N]

Runs until it is killed. Its keys are only in memory. Pairs sealed for them cannot be opened after a restart.";

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let port = match arguments[..] {
        [] => Some(0),
        ["--port", port] => port.parse().ok(),
        ["-h" | "--help"] => {
            writeln!(io::stdout(), "{USAGE}")?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => None,
    };
    let Some(port) = port else {
        writeln!(io::stderr(), "{USAGE}")?;
        return Ok(ExitCode::from(2));
    };

    let kms = StandIn::builder().port(port).credential(well_known()).start();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "# A STAND-IN, NOT A KEY SERVICE. Everybody knows its credential. Do not seal real secrets with it."
    )?;
    writeln!(out, "# key: tencent:{REGION}:{}", kms.key_id())?;
    for (name, value) in kms.variables() {
        writeln!(out, "export {name}='{value}'")?;
    }
    out.flush()?;
    loop {
        thread::park();
    }
}

/// Returns the credential. It is the same at every start, so a shell can use a restarted stand-in.
fn well_known() -> Credential {
    Credential {
        secret_id: "AKIDSTANDIN-not-a-real-id".to_owned(),
        secret_key: "fake-secret-key-that-everybody-knows".to_owned(),
        token: None,
    }
}
