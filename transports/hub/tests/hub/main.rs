//! The hub through its public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod close;
mod conformance;
mod crash;
mod cursors;
mod delivery;
mod disk;
mod order;
mod overflow;
mod replay;
mod support;
