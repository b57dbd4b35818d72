//! Queues of Amazon SQS as sources of events: the readers of a door on Moto, a server of the same protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod credentials;
mod deleting;
mod events;
mod failures;
mod hive;
mod moto;
mod proxy;
mod settings;
mod stopping;
mod storing;
#[path = "../http/support.rs"]
#[allow(dead_code, reason = "the tests of the door use what is not used here")]
mod support;
