//! The HTTP transport: the streams of PyPubSub, as link and as door.
//!
//! # Layout
//!
//! - [`wire`]: requests, payloads and lines; no sockets.
//! - [`access`]: who may publish, and who sees private events.

pub mod access;
pub mod wire;
