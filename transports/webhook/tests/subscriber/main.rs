//! The subscriber library against the real Python broadcaster.
//!
//! `support`: what tests are written with. `both`: what holds over HTTP and over a websocket. `http`, `websocket`: what
//! holds over one of them.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/lonely.rs"]
mod lonely;

mod both;
mod support;
