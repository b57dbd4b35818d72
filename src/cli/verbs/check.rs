use std::path::PathBuf;

use eventhive::Hive;
use eventhive::config::{Config, ConfigError, Create, Kinds, Report, Sources};
use serde_json::{Value, json};

use crate::cli::config_args;
use crate::cli::console::{Console, warnings};
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli check`
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The files, later ones over earlier ones. Without any: the file named by EVENTHIVE_CONFIG, or else eventhive.yaml in
    /// the working directory.
    files: Vec<PathBuf>,

    /// The same, as other commands have it
    #[arg(short, long, value_name = "FILE", conflicts_with = "files")]
    config: Vec<PathBuf>,
}

impl Verb for Check {
    const NAME: &'static str = "check";
    const ABOUT: &'static str = "Tell everything that is wrong with a configuration, without starting anything";
    const MORE: &'static str = "Secrets from env: and file: are looked up, and never printed.\n\
                                Exit code 0: nothing is wrong; 1: something is; 2: there is no configuration.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let sources = config_args::sources(if self.files.is_empty() { &self.config } else { &self.files });
        if sources.is_empty() {
            return Err(Failure::new(Exit::Usage, NOT_FOUND));
        }
        let names: Vec<&str> = sources.names().collect();
        match check(&sources) {
            Ok(config) => {
                console.answer(|| fine(&config, &names), || answer(&names, None, config.warnings()))?;
                Ok(Exit::Ok)
            }
            Err(error) => {
                console.answer(|| wrong(&error), || answer(&names, Some(error.report()), &Report::default()))?;
                Ok(Exit::Negative)
            }
        }
    }
}

const NOT_FOUND: &str = "no configuration found (looked for EVENTHIVE_CONFIG, ./eventhive.yaml): name a file";

fn check(sources: &Sources) -> Result<Config, ConfigError> {
    let mut config = sources.resolve(&Kinds::compiled_in())?;
    let found = Hive::builder().check(&config);
    config.warn(found.warnings);
    if found.problems.is_empty() { Ok(config) } else { Err(config.error(found.problems)) }
}

fn fine(config: &Config, names: &[&str]) -> String {
    let started = config.servers.iter().filter(|server| server.create != Create::Never).count();
    let (connectors, servers) = (count(config.connectors.len(), "connector"), count(started, "server"));
    let mut text = format!("ok: {}: {connectors}, {servers}", names.join(", "));
    if !config.warnings().is_empty() {
        text = format!("{}\n{text}", warnings(config.warnings()));
    }
    text
}

fn wrong(error: &ConfigError) -> String {
    format!("{error}\n{}", count(error.report().problems().len(), "problem"))
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn answer(names: &[&str], problems: Option<&Report>, warnings: &Report) -> Value {
    let problems = problems.map_or_else(|| json!([]), Report::to_json);
    json!({ "ok": problems == json!([]), "files": names, "problems": problems, "warnings": warnings.to_json() })
}
