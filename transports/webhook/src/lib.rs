//! The webhook transport: the protocol of lonely pub/sub, which delivers messages to URLs, or over a websocket.
//!
//! # Layout
//!
//! - [`wire`]: bodies, authorizations, globs, and the messages of the websocket.
//! - [`store`]: where subscriptions live. [`index`]: from a topic to whom it concerns.
//! - [`message`]: a message and its bytes.
//! - [`broadcaster`]: the middle of a broadcaster: who wants what, and how a message reaches them.
//! - [`config`]: the table of a door's keys, and what they mean.
//! - [`subscriber`]: the subscriber's side, as a library.
//! - [`compression`]: compressed messages of the websocket, and dictionaries for them.

pub mod broadcaster;
pub mod compression;
pub mod config;
pub mod index;
pub mod message;
mod spool;
pub mod store;
pub mod subscriber;
pub mod wire;
