//! The door and the broadcaster behind it, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bodies;
#[path = "../session/harness.rs"]
#[allow(dead_code, reason = "it is another test's too")]
mod client;
#[cfg(feature = "sqlite")]
mod configured;
mod delivering;
mod durable;
mod exchanges;
mod harness;
mod hub;
#[cfg(feature = "sqlite")]
mod keys;
mod lanes;
mod log;
mod memory;
mod requests;
mod statuses;
mod waiting;
mod websockets;
