//! HTTP listeners that several doors share: binding, TLS with reload, limits, drain.
//!
//! A *door* serves one protocol on one path. Doors with the same address share one listener, so that several networks
//! and several protocols fit on one port. [`Listeners::start`] works from any thread: inside a running actix system,
//! inside plain tokio, and in neither, because the listeners bring their own threads.
//!
//! A path that no door serves is answered 404, websocket upgrades included. The Python server answers those 403, which
//! stops some of its clients for good and makes others try again without a pause; 404 makes all of them back off.
//!
//! # Layout
//!
//! - [`door`]: what a protocol implements, and what it asks of its listener.
//! - [`connection`]: the kernel's side of a connection: timeouts, and the handle with which a watchdog ends it.
//! - [`tls`]: certificates, and replacing them without a restart.
//! - [`listeners`]: starting, sharing, stopping.
//! - [`proxies`]: who a client is that comes through one. [`networks`]: sets of addresses.
//! - [`origin`]: which web pages may use a door.
//! - [`addresses`]: what one remote address may have at a time. [`population`]: how many sessions there are. [`count`]: how
//!   often something has happened.
//! - [`websocket`]: what doors with websockets have in common.
//! - `files`: enough file descriptors for the connections that are allowed.
//! - `bind`: from a host and a port to sockets.
//! - `share`: which doors share a listener, and which clash.
//! - `serve`: the threads behind one listener. `preface`: what comes before HTTP: the PROXY protocol, TLS.

pub mod addresses;
mod bind;
pub mod connection;
pub mod count;
pub mod door;
mod error;
mod files;
pub mod listeners;
pub mod networks;
pub mod origin;
pub mod population;
mod preface;
pub mod proxies;
mod serve;
mod share;
pub mod tls;
pub mod websocket;

pub use addresses::{PerAddress, Place, counted};
pub use connection::Connection;
pub use count::Count;
pub use door::{Door, DoorPlan, DoorTransport, Limits, Listen, TLS_KEYS, TlsFiles};
pub use error::{StartError, TlsError};
pub use listeners::{Bound, BoundDoor, Listeners, Reload};
pub use networks::Networks;
pub use population::Population;
pub use proxies::Proxies;
