use std::path::PathBuf;

use eventhive::Hive;
use eventhive::config::pypubsub::CONFIG_FILE;
use eventhive::config::{Kinds, Sources};
use eventhive_transport::settings::{Node, Value};
use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::pypubsub;
use crate::cli::verb::Verb;

/// `hive-cli migrate`
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// Whose configuration it is.
    from: Origin,
    /// The file; without it the one that the original reads: pypubsub.yaml in the working directory.
    #[arg(value_name = "FILE")]
    config: Option<PathBuf>,
    /// The access list. Without it: pypubsub_acl.yaml in the working directory, if it is there.
    #[arg(long, value_name = "FILE")]
    acl: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Origin {
    /// PyPubSub's pypubsub.yaml.
    #[value(name = "pypubsub")]
    PyPubSub,
}

impl Verb for Migrate {
    const NAME: &'static str = "migrate";
    const ABOUT: &'static str = "Print the configuration that does what another server's configuration does";
    const MORE: &'static str = "\
  hive-cli migrate pypubsub > eventhive.yaml
  hive-cli check && hive-cli serve

The access list stays the file it is. A backlog that PyPubSub keeps in a file goes into a folder with `.log` behind the
file's name; it begins with what is in the file, which is left as it is.
What keeps the new one from running on this machine, such as a file that is not there, is told as a warning.
Exit code 0: all of it could be taken over; 2: something is wrong with it, or it cannot be read.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let mut sources = Sources::new();
        match self.from {
            Origin::PyPubSub => {
                let config = self.config.unwrap_or_else(|| PathBuf::from(CONFIG_FILE));
                pypubsub::read(&mut sources, &config, self.acl, console);
            }
        }
        let mut config = sources.resolve(&Kinds::compiled_in())?;
        // Of this machine: what lacks here may be there where it is to run.
        let found = Hive::builder().check(&config);
        config.warn(found.problems.into_iter().chain(found.warnings).collect());
        console.warn(config.warnings());
        let yaml = eventhive_yaml::write(&servers(sources.tree()));
        console.answer(
            || yaml.trim_end().to_owned(),
            || json!({ "configuration": yaml, "warnings": config.warnings().to_json() }),
        )?;
        Ok(Exit::Ok)
    }
}

/// What was made, without the defaults around it.
fn servers(tree: &Node) -> Node {
    let Value::Map(entries) = &tree.value else { return tree.clone() };
    let servers = entries.iter().filter(|entry| entry.key == "servers").cloned();
    Node { value: Value::Map(servers.collect()), at: tree.at }
}
