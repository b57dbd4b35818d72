use eventhive::config::Kinds;
use eventhive::config::schema::schema;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli schema`
#[derive(Debug, clap::Args)]
pub(crate) struct Schema {}

impl Verb for Schema {
    const NAME: &'static str = "schema";
    const ABOUT: &'static str = "Print the JSON Schema of configurations, for editors";
    const MORE: &'static str = "Save it beside a configuration and begin the file with\n\
                                # yaml-language-server: $schema=schema.json";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let schema = schema(&Kinds::compiled_in());
        console.answer(|| format!("{schema:#}"), || schema.clone())?;
        Ok(Exit::Ok)
    }
}
