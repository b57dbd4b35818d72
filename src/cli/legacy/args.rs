//! The original's flags.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser as _;
use serde_json::Value;

use crate::cli::logging::{LogArgs, LogFormat};

/// As `argparse` of the original reads them: long flags may be cut short, the last of several wins.
#[derive(Debug, clap::Parser)]
#[command(
    name = "hive-cli",
    about = "The flags of the original eventhive-cli. For the verbs: hive-cli --help",
    infer_long_args = true,
    args_override_self = true,
    disable_version_flag = true
)]
pub(super) struct LegacyArgs {
    /// `{network}` in the template, and the first segment of the default target.
    #[arg(long, default_value = "eventhive")]
    pub(super) network: String,

    /// `{receiver}` in the template, and the channel that is listened on.
    #[arg(long, default_value = "cli")]
    pub(super) receiver: String,

    /// The last segment of the event that is waited for.
    #[arg(long, default_value = "do")]
    pub(super) event: String,

    /// JSON to publish.
    #[arg(long, value_parser = json, allow_negative_numbers = true)]
    pub(super) json_data: Option<Value>,

    /// The event to publish; by default NETWORK/RECEIVER/EVENT.
    #[arg(long)]
    pub(super) target_event: Option<String>,

    /// What is printed when nothing comes; the exit code is 1 if this is what was printed.
    #[arg(long, default_value = r#"{"no":"output"}"#)]
    pub(super) json_fallback: String,

    /// The configuration template.
    #[arg(long, default_value = ".eventhive-config.yaml")]
    pub(super) config: PathBuf,

    /// How many seconds to wait at most.
    #[arg(long, default_value_t = 6)]
    pub(super) timeout: u32,

    /// `{secret}` in the template.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) secret: String,

    /// Log everything.
    #[arg(short, long)]
    pub(super) debug: bool,

    /// As --debug.
    #[arg(short, long)]
    pub(super) verbose: bool,
}

impl LegacyArgs {
    /// What was typed, or the text to print and how to end.
    pub(super) fn read(arguments: Vec<OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(arguments)
    }

    /// The event that is hooked here.
    pub(super) fn awaited(&self) -> String {
        format!("{}/{}", self.receiver, self.event)
    }

    /// The event that is published.
    pub(super) fn target(&self) -> String {
        self.target_event.clone().unwrap_or_else(|| format!("{}/{}/{}", self.network, self.receiver, self.event))
    }

    pub(super) fn logs(&self) -> LogArgs {
        LogArgs { verbose: false, debug: self.debug || self.verbose, log_format: LogFormat::Text }
    }
}

/// The usage line, for a template that cannot be read.
pub(super) fn usage() -> String {
    <LegacyArgs as clap::CommandFactory>::command().render_usage().to_string()
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))
}
