//! The contract between a hive and a wire.
//!
//! A *transport* is a kind of wire (websocket, HTTP stream, webhook, Redis, ...). To write one, implement [`Transport`]
//! and the [`Link`] it opens, prove it with the suite in `eventhive-conformance`, and hand it to
//! `Hive::builder().transport(..)`. What a wire cannot do it says in its [`Capabilities`]; the hive makes up for it or
//! refuses at start.
//!
//! # Layout
//!
//! - [`name`]: event names, topics; the separator and segments.
//! - [`glob`]: patterns, as Python's `fnmatch` reads them.
//! - [`filter`]: what a subscription asks for.
//! - [`link`]: the client side of a transport: publish, subscribe, state, close.
//! - [`transport`]: the kind of wire: its settings and capabilities.
//! - [`settings`]: a table of keys that checks settings, explains them and describes them to editors.
//! - [`secret`]: where secrets in settings come from.
//! - [`backoff`]: the jittered wait between attempts to reconnect.
//! - [`queue`]: overflow policies, the words shared by every bounded queue.

pub mod backoff;
pub mod filter;
pub mod glob;
pub mod link;
pub mod name;
pub mod queue;
pub mod secret;
pub mod settings;
pub mod transport;

pub use backoff::Backoff;
pub use filter::Filter;
pub use glob::Glob;
pub use link::{
    Delivery, Gap, Incoming, Link, LinkError, LinkState, Receipt, Refused, RefusedReason, Sink, Subscription,
};
pub use name::{EventName, NameError, Topic};
pub use queue::Overflow;
pub use settings::{Key, KeyKind, Node, Position, Problem, Settings};
pub use transport::{Capabilities, Order, Transport};
