//! The webhook transport: the protocol of lonely pub/sub, which delivers messages to URLs, or over a websocket.
//!
//! # Layout
//!
//! - [`wire`]: bodies, authorizations, globs, and the messages of the websocket.
//! - [`store`]: where subscriptions live. [`index`]: from a topic to whom it concerns.
//! - [`message`]: a message and its bytes. [`budget`]: the memory that they share.
//! - [`delivery`]: what becomes of one message at one subscription. [`outgoing`]: requests to the urls of subscribers.
//! - [`broadcaster`]: the middle of a broadcaster: who wants what, and how a message reaches them.
//! - [`session`]: websockets of a broadcaster. [`compression`]: what they compress, and dictionaries for it.
//! - [`door`]: the broadcaster's endpoints.
//! - [`subscriber`]: the subscriber's side, as a library. [`link`]: a hive's membership, on that library.
//! - [`config`]: the table of a door's keys, and what they mean.

pub mod broadcaster;
pub mod budget;
pub mod compression;
pub mod config;
pub mod delivery;
pub mod door;
pub mod index;
pub mod link;
pub mod message;
pub mod outgoing;
pub mod session;
mod spool;
pub mod store;
pub mod subscriber;
pub mod wire;

pub use config::{Config, Webhook};
pub use door::WebhookDoor;
pub use link::{LinkSettings, WebhookLink};
