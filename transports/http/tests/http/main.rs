//! The door over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod backlog;
mod beyond;
mod durable;
mod embedded;
mod haproxy;
mod matching;
mod proxied;
mod replaying;
mod requests;
mod rights;
mod slow;
mod stopping;
mod streams;
mod support;
#[path = "../vectors/requests.rs"]
mod vector_requests;
