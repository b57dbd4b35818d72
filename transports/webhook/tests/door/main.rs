//! The door and the broadcaster behind it, over real sockets.

mod bodies;
mod delivering;
mod exchanges;
mod harness;
mod hub;
mod memory;
mod requests;
mod statuses;
