//! The HTTP transport: the streams of PyPubSub, as link and as door.
//!
//! # Layout
//!
//! - [`wire`]: requests, payloads and lines; no sockets.
//! - [`access`]: who may publish, and who sees private events.
//! - [`config`]: the tables of keys, and what they mean.
//! - [`door`]: the server's side.
//! - [`link`]: the client's side.
//! - [`sqs`]: events from queues of Amazon SQS.

pub mod access;
pub mod config;
pub mod door;
pub mod link;
pub mod sqs;
pub mod wire;

pub use config::{Config, Http};
pub use door::{DoorStats, HttpDoor, scope};
pub use link::{HttpLink, LinkSettings};
