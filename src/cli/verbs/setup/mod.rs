//! Making the files that a server starts from. `webhook` is what there is to set up; `files` writes.

mod files;
mod webhook;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli setup`
#[derive(Debug, clap::Args)]
pub(crate) struct Setup {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Webhook(webhook::Webhook),
}

impl Verb for Setup {
    const NAME: &'static str = "setup";
    const ABOUT: &'static str = "Write the configuration and the secrets that a server starts from";
    const MORE: &'static str = "  hive-cli setup webhook
  hive-cli check && hive-cli serve

Nothing that is there is replaced: where one of the files exists, none is written.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        match self.what {
            What::Webhook(webhook) => webhook.run(console),
        }
    }
}
