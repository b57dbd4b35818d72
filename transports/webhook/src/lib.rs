//! The webhook transport: the protocol of lonely pub/sub, which delivers messages to URLs, or over a websocket.
//!
//! # Layout
//!
//! - [`wire`]: bodies, authorizations, globs, and the messages of the websocket.
//! - [`store`]: where subscriptions live. [`index`]: from a topic to whom it concerns.
//! - [`message`]: a message and its bytes. [`outgoing`]: requests to the urls of subscribers.

pub mod index;
pub mod message;
pub mod outgoing;
pub mod store;
pub mod wire;
