//! The websocket transport: the protocol of fastapi_websocket_pubsub, as link and as door.
//!
//! # Layout
//!
//! - [`link`]: the client side.
//! - [`wire`]: the messages of the protocol and the websocket frames around them.
//! - [`config`]: the tables of keys, and what they mean.
//! - [`door`]: the server's side.

pub mod config;
pub mod door;
pub mod link;
pub mod wire;

pub use config::{Config, WebSocket};
pub use door::{DoorStats, WebSocketDoor, scope};
pub use link::{LinkSettings, WebSocketLink};
