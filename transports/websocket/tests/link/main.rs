//! The link: against our own door and real Python servers by the conformance suite, and against a server that says what
//! a test wants it to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code fails by panicking")]

mod calls;
mod faults;
mod hub;
mod patterns;
mod python;
mod scripted;
mod security;
mod subscriptions;

mod on_our_door {
    use crate::hub::Server;

    eventhive_conformance::conformance!(Server::start);
}
