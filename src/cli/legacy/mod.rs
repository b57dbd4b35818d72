//! The flags of the original `eventhive-cli`, its texts and its exit codes, so that scripts keep working.
//!
//! Different on purpose: it publishes as soon as the link is up, and ends as soon as a message is there, with
//! `--timeout` as the bound of both together (the original always waits `--timeout` and a second); `{secret}` without
//! `--secret` is empty and not `None`; what is printed when nothing came is `--json-fallback`, and not always
//! `{"no":"output"}`.

mod args;
mod session;

use std::ffi::OsString;
use std::io::Write as _;

use super::exit::{Exit, Failure};
use super::run::block_on;
use super::verbs::VERBS;
use args::LegacyArgs;

/// For the help of the program.
pub(super) const SUMMARY: &str = "\
The flags of eventhive-cli work as they did, without a verb:
  --network --receiver --event --json-data --target-event --json-fallback
  --config --timeout --secret --debug --verbose";

/// Where the original looks for its template when no flag is given at all.
const DEFAULT_TEMPLATE: &str = ".eventhive-config.yaml";

/// Whether the arguments (without the program's name) are the original's and not a verb's.
pub(super) fn is_meant(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    let Some(first) = words.next() else { return std::path::Path::new(DEFAULT_TEMPLATE).exists() };
    let is_verb = |word: &str| word == "help" || VERBS.iter().any(|verb| verb.name == word);
    // These flags both have; a verb may follow.
    let mut word = first;
    while matches!(word.as_ref(), "-v" | "-d" | "-vd" | "-dv" | "--verbose" | "--debug") {
        match words.next() {
            Some(next) => word = next,
            None => return true,
        }
    }
    let ours =
        matches!(word.as_ref(), "-h" | "--help" | "-V" | "--version" | "--json") || word.starts_with("--log-format");
    word.starts_with('-') && !ours && !is_verb(&word)
}

/// Runs as the original would.
pub(super) fn main(arguments: Vec<OsString>) -> Exit {
    let arguments = match LegacyArgs::read(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output and ends with 0, all else to standard error with 2, as in the original.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    arguments.logs().start("warn");
    match session::prepare(&arguments).and_then(|config| block_on(session::run(config, &arguments))) {
        Ok(output) => print(&output, &arguments.json_fallback),
        Err(failure) => {
            eprintln(&failure.message);
            failure.exit
        }
    }
}

/// Prints the result; exit code 1 if it is the fallback, whether something came or not.
fn print(output: &str, fallback: &str) -> Exit {
    match writeln!(std::io::stdout().lock(), "{output}") {
        Err(_) => Exit::Failed,
        Ok(()) if output == fallback => Exit::Negative,
        Ok(()) => Exit::Ok,
    }
}

/// A line for people. With nowhere to print to, there is nobody to tell.
fn eprintln(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// What went wrong in a session; see [`session`].
fn failure(exit: Exit, message: impl Into<String>) -> Failure {
    Failure::new(exit, message)
}
