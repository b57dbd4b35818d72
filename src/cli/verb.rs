//! What a verb is.

use clap::{ArgMatches, Args, Command};

use super::console::Console;
use super::exit::{Exit, Failure};

/// A verb: its name and help, its arguments (the struct's own fields), and what it does.
///
/// `run` prints its answer with [`Console::answer`], as text and as JSON, and says how the program ends.
pub(crate) trait Verb: Args {
    /// What is typed.
    const NAME: &'static str;
    /// One line.
    const ABOUT: &'static str;
    /// What follows the options in the help: examples, details.
    const MORE: &'static str = "";
    /// The level of its logs without `-v` and `-d`.
    const LOG_LEVEL: &'static str = "warn";

    fn run(self, console: Console) -> Result<Exit, Failure>;
}

/// A verb in the list of verbs.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) log_level: &'static str,
    pub(crate) command: fn() -> Command,
    pub(crate) run: fn(&ArgMatches, Console) -> Result<Exit, Failure>,
}

impl Entry {
    pub(crate) const fn of<V: Verb>() -> Self {
        Self { name: V::NAME, log_level: V::LOG_LEVEL, command: command::<V>, run: run::<V> }
    }
}

fn command<V: Verb>() -> Command {
    // Behind `augment_args`, which takes the struct's documentation for the help.
    let command = V::augment_args(Command::new(V::NAME)).about(V::ABOUT).long_about(V::ABOUT);
    if V::MORE.is_empty() { command } else { command.after_help(V::MORE) }
}

fn run<V: Verb>(matches: &ArgMatches, console: Console) -> Result<Exit, Failure> {
    let verb = V::from_arg_matches(matches).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    verb.run(console)
}
