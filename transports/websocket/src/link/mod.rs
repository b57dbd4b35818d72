//! The client side: one persistent connection, pipelined publishes, subscriptions that outlive connections.
//!
//! # How to read it
//! - [`settings`]: the keys of a connector's `init`, and what they mean.
//! - `api`: the [`Link`](eventhive_transport::Link) that a hive holds. It encodes and queues.
//! - `caller`: calls to the server: their text, their id, their place in the queue.
//! - `queue`: what waits for the connection, bounded in bytes.
//! - `wish`: what can be asked for. `table`: who wants it, and how it stands at the server.
//! - `registry`: the rules by which the table changes, and what the server is asked for then.
//! - `supervise`: the task behind a link: connect, run, wait, again.
//! - `connect`: name, TCP, TLS, upgrade; which refusals are final.
//! - `connection`: one connection's life, in one task that reads and writes.
//! - `calls`: calls that wait for their answer, each with a deadline.
//!
//! # Rules of the wire that shaped it
//! - A hive hears its own events, as it does where publisher and subscriber are different connections: every publish
//!   names a `notifier_id` that is nobody's channel, so the server does not skip the publisher. It is not `sync`: a Python
//!   server that waits for our answer to our own event reads nothing from us meanwhile, and would wait for ever.
//! - Python servers of version 0.3.1 do not know `unsubscribe`, and go deaf on it. Unless the server is known to be ours,
//!   or the setting `unsubscribe` says so, an ended subscription is only forgotten here: what still arrives is answered
//!   and dropped until the next connection.
//! - A subscription to everything and one to a topic make two notifications of one event. Our own door knows a link by a
//!   header, and makes one. On other servers, everything is subscribed alone: where a topic was subscribed before, the
//!   link makes a new connection with everything in its place.
//! - Python servers know no patterns, and go deaf on a `subscribe` with an argument of ours. So the link sends patterns to
//!   doors of ours only; on other servers subscribing a pattern is `Unsupported`, and one asked for while the link is down
//!   is decided when it comes up. A pattern that was granted stays so when another server takes our door's place: there the
//!   link subscribes everything and filters by itself, with a warning, because that costs the network's whole traffic.
//! - A server can go deaf with its socket open, and answer websocket pings still. So the link pings by a call, and every
//!   call has a deadline.

mod api;
mod caller;
mod calls;
mod connect;
mod connection;
mod queue;
mod registry;
pub mod settings;
mod supervise;
mod table;
mod tls;
mod wish;

pub use api::WebSocketLink;
pub use settings::LinkSettings;
