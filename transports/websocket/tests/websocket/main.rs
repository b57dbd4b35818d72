//! The door over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod durable;
mod embedded;
mod limits;
mod patterns;
mod protocol;
mod sharing;
mod slow;
mod stopping;
mod support;
mod vectors;
