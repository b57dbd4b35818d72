//! Logs, to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// What every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LogArgs {
    /// Log what happens, not only what goes wrong.
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) verbose: bool,

    /// Log everything, payloads included.
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) debug: bool,

    /// The form of log lines.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, help_heading = "Output")]
    pub(crate) log_format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogArgs {
    /// Switches logging on. `quiet` is the level without `-v` and `-d`. `RUST_LOG` overrides all.
    pub(crate) fn start(&self, quiet: &str) {
        let level = match (self.debug, self.verbose) {
            (true, _) => "debug",
            (false, true) => "info",
            (false, false) => quiet,
        };
        // The crates of this project all begin with `eventhive`; of others only what goes wrong here. What
        // actix_http calls an error is a client's: any port scanner could fill the log with it. What aws_config warns of
        // comes with each try to read a queue, and is told by the reader, once.
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
            EnvFilter::new(format!("warn,actix_http=off,aws_config=off,eventhive={level},hive_cli={level}"))
        });
        let colours =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
        // It fails only if logging is on already; then the first one stays.
        let _ = match self.log_format {
            LogFormat::Text => lines.try_init(),
            LogFormat::Json => lines.json().try_init(),
        };
    }
}
