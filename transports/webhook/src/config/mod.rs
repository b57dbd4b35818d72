//! Settings of a door: the table of keys, and what they mean as typed values.
//!
//! # How to read it
//! - [`keys`]: the table. `auth`: secrets.

mod auth;
pub mod keys;

pub use auth::Secrecy;

use std::path::PathBuf;
use std::time::Duration;

/// How a door treats its clients. The defaults are those of the configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What stands before `/v1` in the paths of the protocol, without a slash at its end; empty for nothing.
    pub endpoint: String,
    /// Messages of more bytes are kept in files.
    pub spool_size: usize,
    /// The folder of those files; `None` is the system's.
    pub spool_folder: Option<PathBuf>,
    /// The largest message, in bytes.
    pub max_message: u64,
    /// The largest lists of subscriptions of one url, in bytes.
    pub max_set_bytes: usize,
    /// How long a body may stand still.
    pub body_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            spool_size: 10 << 20,
            spool_folder: None,
            max_message: 16 << 30,
            max_set_bytes: 16 << 20,
            body_timeout: Duration::from_secs(10),
        }
    }
}
