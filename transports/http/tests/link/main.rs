//! The link: against our own door and the real Python server by the conformance suite, and against a server that says
//! what a test wants it to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code fails by panicking")]

mod hub;
mod python;
mod resume;
mod settings;

mod on_our_door {
    use crate::hub::Server;

    eventhive_conformance::conformance!(Server::start);
}
