//! Users of an LDAP directory, with a real slapd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bounds;
mod faults;
mod login;
mod odd;
#[path = "../../../../tests/support/slapd.rs"]
mod slapd;
mod support;
mod tls;
