//! Configuration: reading, merging, checking, messages, schema, and the files in `config-examples/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

mod backlog;
#[cfg(feature = "webhook")]
mod databases;
mod discovery;
mod environment;
mod examples;
mod merging;
mod messages;
mod model;
mod pyyaml;
mod secrets;
