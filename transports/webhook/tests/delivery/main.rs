//! What becomes of messages at subscribers on real sockets, with a store that is real, and a time that tests move.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod away;
mod bed;
mod disabling;
mod handshake;
mod journal;
mod missed;
mod outcomes;
mod replay;
mod subscriber;
