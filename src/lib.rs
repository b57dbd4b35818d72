//! x
pub mod discovery;
pub mod envelope;
