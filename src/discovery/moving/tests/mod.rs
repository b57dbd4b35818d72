//! A moving link passes the suite that defines a link, on real doors; and it does what no other link does.

mod moves;
#[cfg(feature = "websocket")]
mod on_our_door;
