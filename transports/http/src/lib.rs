//! The HTTP transport: the streams of PyPubSub, as link and as door.
//!
//! # Layout
//!
//! - [`wire`]: requests, payloads and lines; no sockets.

pub mod wire;
