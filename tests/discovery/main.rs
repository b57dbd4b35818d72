//! Discovery against the real python-zeroconf (0.47.4, which eventhive 0.5.0 uses, and a recent one) and the real
//! eventhive 0.5.0. Each test has a network of its own (see `namespace`): nothing is ever sent on the machine's
//! interfaces. `setup.sh` installs the Python packages.
#![cfg(all(feature = "discovery", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail the test")]

mod announcing;
mod bee;
#[cfg(feature = "cli")]
mod dictionary;
mod finding;
mod flood;
mod handing_over;
mod hives;
mod namespace;
mod one_server;
#[cfg(feature = "cli")]
mod processes;
mod python;
mod real_hive;
mod servers;
