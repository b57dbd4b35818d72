use std::path::PathBuf;

use eventhive::Hive;
use eventhive::config::{Config, ConfigError, Create, Kinds, Report};
use serde_json::{Value, json};

use crate::cli::config_args;
use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli check`
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The files, later ones over earlier ones. Without any: the file named by EVENTHIVE_CONFIG, or else eventhive.yaml in
    /// the working directory.
    files: Vec<PathBuf>,
}

impl Verb for Check {
    const NAME: &'static str = "check";
    const ABOUT: &'static str = "Tell everything that is wrong with a configuration, without starting anything";
    const MORE: &'static str = "Secrets from env: and file: are looked up, and never printed.\n\
                                Exit code 0: nothing is wrong; 1: something is.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        match self.check() {
            Ok(config) => {
                console.answer(|| fine(&config), || answer(None, config.warnings()))?;
                Ok(Exit::Ok)
            }
            Err(error) => {
                console.answer(|| wrong(&error), || answer(Some(error.report()), &Report::default()))?;
                Ok(Exit::Negative)
            }
        }
    }
}

impl Check {
    fn check(&self) -> Result<Config, ConfigError> {
        let config = config_args::sources(&self.files).resolve(&Kinds::compiled_in())?;
        let problems = Hive::builder().check(&config);
        if problems.is_empty() { Ok(config) } else { Err(config.error(problems)) }
    }
}

fn fine(config: &Config) -> String {
    let started = config.servers.iter().filter(|server| server.create != Create::Never).count();
    let mut text = format!("ok: {}, {}", count(config.connectors.len(), "connector"), count(started, "server"));
    if !config.warnings().is_empty() {
        text = format!("{}\n{text}", prefixed(&config.warnings().to_string()));
    }
    text
}

fn wrong(error: &ConfigError) -> String {
    format!("{error}\n{}", count(error.report().problems().len(), "problem"))
}

fn prefixed(warnings: &str) -> String {
    warnings.lines().map(|line| format!("warning: {line}")).collect::<Vec<_>>().join("\n")
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn answer(problems: Option<&Report>, warnings: &Report) -> Value {
    let problems = problems.map_or_else(|| json!([]), Report::to_json);
    json!({ "ok": problems == json!([]), "problems": problems, "warnings": warnings.to_json() })
}
