//! Configuration.
pub(crate) mod yaml;
