use clap_complete::Shell;
use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli completions`
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Verb for Completions {
    const NAME: &'static str = "completions";
    const ABOUT: &'static str = "Print a script that completes hive-cli's verbs and options in a shell";
    const MORE: &'static str =
        "For bash: hive-cli completions bash > ~/.local/share/bash-completion/completions/hive-cli";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::cli::command(), "hive-cli", &mut script);
        let script = String::from_utf8_lossy(&script);
        console
            .answer(|| script.trim_end().to_owned(), || json!({ "shell": self.shell.to_string(), "script": script }))?;
        Ok(Exit::Ok)
    }
}
