//! x
/// Configuration: reading, checking, messages, schema.
pub mod config;
pub mod discovery;
pub mod envelope;
