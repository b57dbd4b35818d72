//! The webhook transport: the protocol of lonely pub/sub, which delivers messages to URLs, or over a websocket.
//!
//! There is the protocol alone: [`wire`], pure functions over bytes and texts. No socket is opened and nothing is
//! stored: this crate has no broadcaster, no subscriber, no transport that a configuration can name, and no
//! compression.
//!
//! # Layout
//!
//! - [`wire`]: bodies, authorizations, globs, and the messages of the websocket.

pub mod wire;
