//! The websocket transport: the protocol of fastapi_websocket_pubsub, as link and as door.
//!
//! # Layout
//!
//! - [`link`]: the client side.
//! - [`wire`]: the messages of the protocol and the websocket frames around them.

pub mod link;
pub mod wire;

pub use link::{LinkSettings, WebSocketLink};

/// The websocket transport.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebSocket;
