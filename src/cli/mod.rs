//! `hive-cli`.
//!
//! # Layout
//!
//! - [`verb`]: what a verb is; [`verbs`]: one file for each.
//! - [`legacy`]: the flags of the original `eventhive-cli`, with [`template`] and [`python`].
//! - [`calling`], [`target`]: which event, of which network.
//! - [`exit`]: exit codes; [`console`]: answers; [`logging`]: logs; [`config_args`]: `--config`; `pypubsub`: the
//!   files of PyPubSub.

mod calling;
mod config_args;
mod console;
mod exit;
mod legacy;
mod logging;
#[cfg(feature = "http")]
mod pypubsub;
mod python;
mod run;
mod target;
mod template;
mod verb;
mod verbs;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Args as _, Command, FromArgMatches as _};

use console::Console;
use exit::{Exit, Failure};
use logging::LogArgs;
use verbs::VERBS;

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if legacy::is_meant(arguments.get(1..).unwrap_or_default()) {
        return legacy::main(arguments).into();
    }
    let matches = command().get_matches_from(arguments);
    let console = Console { json: matches.get_flag("json") };
    let Some((name, arguments)) = matches.subcommand() else { return Exit::Usage.into() };
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else { return Exit::Usage.into() };
    let result = LogArgs::from_arg_matches(&matches)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))
        .and_then(|logs| {
            logs.start(verb.log_level);
            (verb.run)(arguments, console)
        });
    result.unwrap_or_else(|failure| console.fail(&failure)).into()
}

/// The whole command line, for parsing, completions and the man page.
fn command() -> Command {
    const ABOUT: &str =
        "An event bus for networks of hives: serve a network, call and watch events, check configurations";
    let json = Arg::new("json").long("json").global(true).action(ArgAction::SetTrue);
    LogArgs::augment_args(Command::new("hive-cli"))
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .long_about(ABOUT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(format!("{}\n\n{}", exit::TABLE, legacy::SUMMARY))
        .arg(json.help("Answer as JSON, one object a line").help_heading("Output"))
        .subcommands(VERBS.iter().map(|verb| (verb.command)()))
}
