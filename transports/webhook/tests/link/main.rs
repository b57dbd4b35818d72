//! The link: the suite of what a transport has to do, on the Python broadcaster and on our own door, over HTTP, over a
//! websocket, and with both.
//!
//! `tls`, `application`, `upgrade`, `closing`: encrypted doors, the receiver in an application of one's own, the change of wires
//! under load, what waits when a link is closed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code fails by panicking")]

mod application;
mod closing;
mod door;
#[path = "../support/lonely.rs"]
mod lonely;
mod python;
mod settings;
mod tls;
mod upgrade;

mod over_http_on_our_door {
    eventhive_conformance::conformance!(crate::door::Ours::over_http);
}

mod over_a_websocket_on_our_door {
    eventhive_conformance::conformance!(crate::door::Ours::over_a_websocket);
}

mod with_both_on_our_door {
    eventhive_conformance::conformance!(crate::door::Ours::with_both);
}
