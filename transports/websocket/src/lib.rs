//! The websocket transport: the protocol of fastapi_websocket_pubsub, as link and as door.
//!
//! # Layout
//!
//! - [`wire`]: the messages of the protocol and the websocket frames around them.

pub mod wire;
