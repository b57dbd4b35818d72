//! The door and the broadcaster behind it, over real sockets.

mod exchanges;
mod harness;
mod memory;
