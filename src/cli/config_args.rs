//! Which configuration a verb uses.

use std::path::PathBuf;

use eventhive::config::{Config, Kinds, Sources};

use super::exit::Failure;

/// `--config`
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// A configuration file; may be given several times, later ones over earlier ones. Without it: the file named by
    /// EVENTHIVE_CONFIG, or else eventhive.yaml in the working directory.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

impl ConfigArgs {
    /// The sources that the arguments and the environment name.
    pub(crate) fn sources(&self) -> Sources {
        sources(&self.files)
    }

    /// The configuration.
    ///
    /// # Errors
    /// Every problem of it.
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        Ok(self.sources().resolve(&Kinds::compiled_in())?)
    }
}

/// These files, or what the environment names if there are none; and `EVENTHIVE_SECRET`.
pub(crate) fn sources(files: &[PathBuf]) -> Sources {
    let mut sources = Sources::new();
    if files.is_empty() {
        sources.read_environment();
        return sources;
    }
    for file in files {
        sources.read_file(file);
    }
    sources.read_environment_secrets();
    sources
}
