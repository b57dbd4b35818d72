//! The door and the broadcaster behind it, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bodies;
#[cfg(feature = "sqlite")]
mod configured;
mod delivering;
mod durable;
mod exchanges;
mod harness;
mod hub;
mod lanes;
mod log;
mod memory;
mod requests;
mod statuses;
mod waiting;
