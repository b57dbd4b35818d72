//! x
/// Configuration: reading, checking, messages, schema.
pub mod config;
