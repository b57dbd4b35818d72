//! x
pub mod discovery;
pub mod envelope;
/// Configuration: reading, checking, messages, schema.
pub mod config;
