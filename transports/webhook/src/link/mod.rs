//! A hive's membership in a network of broadcasters: a connector's link, on the [subscriber](crate::subscriber) library.
//!
//! # How to read it
//! - [`settings`]: the keys of a connector's `init`, and what they mean.
//! - `api`: the [`Link`](eventhive_transport::Link) that a hive holds. `tap`: from a message to a sink.
//! - `wishes`: from a filter to what broadcasters are asked for.
//!
//! # Rules of the wire that shaped it
//! - A link is up while its broadcaster answers and everything is subscribed there. Over HTTP messages come on
//!   connections that the broadcaster makes, also while the link is down.
//! - Python's broadcaster knows two kinds of patterns, of which one forgets a subscription that the other understands
//!   otherwise. So a link asks only for text, `*` and `?`, which mean the same to all, and does the rest by itself.
//! - A message that was sent and not confirmed is the connector's to send again: it knows its id.

mod api;
pub mod settings;
mod tap;
mod wishes;

pub use api::WebhookLink;
pub use settings::LinkSettings;
