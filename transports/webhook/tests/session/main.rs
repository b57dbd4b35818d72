//! Websockets of a broadcaster, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod acknowledging;
mod compressing;
mod ending;
mod harness;
mod library;
#[path = "../door/memory.rs"]
#[allow(dead_code, reason = "it is another test's too")]
mod memory;
mod notifying;
mod overflowing;
mod splitting;
mod subscribing;
mod transcripts;
