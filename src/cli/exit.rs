//! How the program ends.

use std::process::ExitCode;

/// Exit codes. The table in the help and the man page is [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Negative = 1,
    Usage = 2,
    Unreachable = 3,
    Failed = 4,
    NoListener = 5,
    NoAnswer = 6,
    Interrupted = 130,
    Terminated = 143,
}

/// The table for people.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    done; `serve` was told to stop and did
  1    a negative answer: the configuration has problems, a hook failed, nothing came, a url is unknown or did not confirm
  2    wrong usage, or a configuration that cannot be used
  3    the network could not be reached in time
  4    it could not be done: a port is in use, a file cannot be read or written
  5    nobody listens to the event, or nobody who does has a hook for it
  6    no answer came in time
  130  ended by Ctrl-C before it was done
  143  ended by SIGTERM before it was done";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb could not answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// More for programs, beside the message, under keys of their own: `problems` are those of a configuration.
    pub(crate) keys: Vec<(&'static str, serde_json::Value)>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), keys: Vec::new() }
    }
}

impl From<eventhive::config::ConfigError> for Failure {
    fn from(error: eventhive::config::ConfigError) -> Self {
        Self {
            exit: Exit::Usage,
            message: format!("the configuration cannot be used\n{error}"),
            keys: vec![("problems", error.report().to_json())],
        }
    }
}
