//! The client side: publishes by PUT, receives by streams.
//!
//! # How to read it
//! - [`settings`]: the keys of a connector's `init`, and what they mean.
//! - `api`: the [`Link`](eventhive_transport::Link) that a hive holds.
//! - `shared`: what the link's methods and its tasks share. `standing`: the states of its parts, and of the whole.
//! - `keeper`: a part of the link that is connected, runs, waits, and is connected again.
//! - `publisher`, `queue`: the part that publishes. One connection, requests pipelined, answered in order.
//! - `subscriber`, `filters`, `place`: a part that receives. Each subscription is a stream and a connection of its own.
//! - `dial`, `response`: HTTP as far as it is needed.
//!
//! # Rules of the wire that shaped it
//! - A server matches sets of topics, in any order. The link asks for what its filter surely needs and filters the rest
//!   by itself, so it has patterns on every server.
//! - A payload that is no JSON object travels in one, as [`wire::event`](crate::wire::event) says. One that is may come
//!   back with other spaces and escapes: servers write it anew.
//! - After a loss a stream goes on behind the last event, by its cursor; before the first event, on doors of ours, from the
//!   time of the server's last ping. What comes twice is known by its cursor and dropped. A server that cannot say whether
//!   something was missed, as the original cannot, makes a [gap](eventhive_transport::Sink::gap).
//! - A topic whose first segment is `private` is a private event: subscribers need the right to see it.

mod api;
mod dial;
mod filters;
mod keeper;
mod place;
mod publisher;
mod queue;
mod response;
pub mod settings;
mod shared;
mod standing;
mod subscriber;

pub use api::HttpLink;
pub use settings::LinkSettings;
