//! Looking into a broadcaster's store, and trying its urls: one file for each thing to do. `place` is which store, and with
//! whose secrets; `words` is how times, topics and states are said.

mod attempts;
mod enable;
mod list;
mod place;
mod replay;
mod test;
mod words;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::run::block_on;
use crate::cli::verb::Verb;

/// `hive-cli webhooks`
#[derive(Debug, clap::Args)]
pub(crate) struct Webhooks {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    List(list::List),
    Attempts(attempts::Attempts),
    Replay(replay::Replay),
    Test(test::Test),
    Enable(enable::Enable),
}

impl Verb for Webhooks {
    const NAME: &'static str = "webhooks";
    const ABOUT: &'static str = "See what became of webhooks, and try again";
    const MORE: &'static str = "  hive-cli webhooks list                        urls, and how they do
  hive-cli webhooks attempts --since 1h         what failed in the last hour
  hive-cli webhooks test https://example.org/v1/receive
  hive-cli webhooks replay --url https://example.org/v1/receive

They look into the store of the configuration's server, whether that runs or not. Without a configuration it is that
which `hive-cli serve` has without one. `list` and `attempts` change nothing; `test` needs no store.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        block_on(async {
            match self.what {
                What::List(list) => list.run(console).await,
                What::Attempts(attempts) => attempts.run(console).await,
                What::Replay(replay) => replay.run(console).await,
                What::Test(test) => test.run(console).await,
                What::Enable(enable) => enable.run(console).await,
            }
        })
    }
}
