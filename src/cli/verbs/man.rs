use clap_mangen::Man as Page;
use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli man`
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The page of one verb. Without it: the page of hive-cli.
    verb: Option<String>,
}

impl Verb for Man {
    const NAME: &'static str = "man";
    const ABOUT: &'static str = "Print a man page";
    const MORE: &'static str = "To read it: hive-cli man | man -l -";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let mut command = crate::cli::command();
        command.build();
        if let Some(verb) = &self.verb {
            let unknown = || Failure::new(Exit::Usage, format!("there is no verb `{verb}`: see hive-cli --help"));
            let found = command.find_subcommand(verb).ok_or_else(unknown)?;
            command = found.clone();
        }
        let mut page = Vec::new();
        Page::new(command).render(&mut page).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let page = String::from_utf8_lossy(&page);
        console.answer(|| page.trim_end().to_owned(), || json!({ "page": page }))?;
        Ok(Exit::Ok)
    }
}
