//! Settings of a door: the table of keys, and what they mean as typed values.
//!
//! # How to read it
//! - [`keys`]: the table. `auth`: secrets.

mod auth;
pub mod keys;

pub use auth::Secrecy;
