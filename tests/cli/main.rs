//! `hive-cli`, as a person or a script runs it: every verb, every exit code, text and JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

mod answers;
mod call;
#[cfg(feature = "http")]
mod durable;
mod examples;
#[cfg(feature = "http")]
mod hash_password;
mod keygen;
#[cfg(feature = "ldap")]
mod ldap;
mod legacy;
mod listen;
#[cfg(feature = "redis")]
mod pypubsub;
mod redis;
#[path = "../support/redis_server.rs"]
mod redis_server;
mod request;
mod serve;
#[cfg(feature = "webhook")]
mod setup;
#[cfg(feature = "ldap")]
#[path = "../support/slapd.rs"]
mod slapd;
mod support;
mod usage;
#[cfg(feature = "webhook")]
mod webhooks;
