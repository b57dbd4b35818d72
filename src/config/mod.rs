//! Configuration: what is read, checked, and told when it is wrong.
//!
//! # Layout
//!
//! In the order in which a configuration passes through them:
//!
//! - [`sources`]: built-in defaults, files, text and environment variables, merged as the original merges them.
//! - YAML is read by the crate `eventhive-yaml`.
//! - `pypubsub`: PyPubSub's configuration made one of ours.
//! - [`tables`]: the keys of `eventhive`, of a connector and of a server; [`kinds`] has those of the transports.
//! - `resolve`: the tree against the tables, into the typed [`Config`] of [`model`]; `discovery` has what concerns finding
//!   servers, `clash` finds servers that are in each other's way.
//! - [`secret`]: literal, `env:`, `file:`, or a list of them; never printed.
//! - [`report`]: all problems at once, each with file, line, column, key and fix, for people and as JSON.
//! - [`schema`]: the JSON Schema of the same tables, for editors.
//!
//! ```
//! use eventhive::config::{Kinds, Sources};
//!
//! let mut sources = Sources::new();
//! sources.read_string("connectors: {my-hive: {pubsub_type: fastapi, input_channel: worker, init: {prot: 8085}}}");
//! let error = sources.resolve(&Kinds::compiled_in()).unwrap_err();
//! assert!(error.to_string().starts_with("<text>:1:76: connectors.my-hive.init.prot: unknown key `prot`: did you mean `port`?"));
//! ```

mod clash;
mod discovery;
pub mod kinds;
mod mask;
mod merge;
pub mod model;
#[cfg(feature = "http")]
pub mod pypubsub;
pub mod report;
mod resolve;
pub mod schema;
pub mod secret;
pub mod sources;
pub mod tables;

#[cfg(feature = "discovery")]
pub(crate) use discovery::{credential, named_host, withheld};
pub use kinds::{Kind, Kinds};
pub use model::{
    Backlog, Config, ConnectorConfig, Create, DiscoverySettings, DoorConfig, HiveSettings, OutboxConfig, ServerConfig,
};
pub use report::{ConfigError, Report};
pub use secret::Secrets;
pub use sources::Sources;
