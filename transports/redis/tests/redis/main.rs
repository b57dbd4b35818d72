//! The transport against real servers, started here on free ports: `redis-server` must be in the PATH.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod access;
mod cluster;
mod conformance;
mod pubsub;
mod sentinel;
mod server;
mod streams;
mod support;
