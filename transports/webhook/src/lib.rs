//! The webhook transport: the protocol of lonely pub/sub, which delivers messages to URLs, or over a websocket.
//!
//! # Layout
//!
//! - [`wire`]: bodies, authorizations, globs, and the messages of the websocket.
//! - [`delivery`]: what becomes of one message at one subscription.
//! - [`store`]: where subscriptions live. [`message`]: a message and its bytes.

pub mod delivery;
pub mod message;
pub mod store;
pub mod wire;
