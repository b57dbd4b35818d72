//! The subscriber library against the real Python broadcaster.
//!
//! `support`: what tests are written with. `both`: what holds over HTTP and over a websocket. `http`: what
//! holds over HTTP, and with both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "../support/lonely.rs"]
mod lonely;

mod both;
mod http;
mod support;
