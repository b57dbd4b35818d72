//! Hives on networks: what a program sees of connectors, whatever the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on must fail")]

#[cfg(all(feature = "http", feature = "websocket"))]
mod backlog;
mod delivery;
#[cfg(all(feature = "http", feature = "websocket"))]
mod doors;
mod envelopes;
#[cfg(feature = "discovery")]
mod found;
mod memory;
mod outbox;
mod receive;
#[cfg(feature = "redis")]
#[path = "../support/redis_server.rs"]
mod redis_server;
mod requests;
mod semantics;
mod start;
mod websocket;
