//! The program `hive-cli`: see `hive-cli --help`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
