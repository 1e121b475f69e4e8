//! Prints the tables of docs/fleets.md. With `--vault` or `--aws`, prints the table of docs/vault-errors.md or
//! docs/aws-errors.md. With `--svg FILE`, draws the plot.

use std::io::{self, Write};
use std::process::ExitCode;

use envconf_fleet::{aws_table, plot, tables, vault_table};

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => io::stdout().write_all(tables().as_bytes())?,
        ["--vault"] => io::stdout().write_all(vault_table().as_bytes())?,
        ["--aws"] => io::stdout().write_all(aws_table().as_bytes())?,
        ["--svg", file] => std::fs::write(file, plot())?,
        _ => {
            io::stderr().write_all(b"usage: envconf-fleet [--vault|--aws|--svg FILE]\n")?;
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
