//! The wire of lonely pub/sub: pure functions from bytes to meaning and back.
//!
//! Source: lonelypsp 0.0.47, lonelypss 0.0.12 and lonelypsc 0.0.18 as they run; `tests/vectors/lonely.json` was made by
//! running them. Nothing here knows sockets, and nothing trusts its input: what is read is borrowed from the bytes it
//! was read from, and a length that is announced costs nothing until as many bytes are there. An error names the field,
//! where it begins, and what was expected.
//!
//! Subscriber to broadcaster is S2B, broadcaster to subscriber B2S. All numbers are unsigned and big-endian.
//!
//! # How to read it
//! - [`endpoint`]: paths and headers of HTTP.
//! - [`bodies`]: what requests have in their bodies; [`responses`]: what answers have.
//! - [`auth`]: who may say it: the texts of authorizations, and what they vouch for.
//! - [`etag`]: the hash over all subscriptions of a URL. [`digest`]: the hash of a message.
//! - [`glob`]: patterns of topics.
//! - [`stateful`]: the messages of the websocket.
//! - [`tracing`]: what a broadcaster tells about a notify.
//! - [`identifier`]: what names a message until it is answered.
//!
//! Types that several of them share are here: [`Interest`], [`Proof`], [`WireError`].

pub mod auth;
pub mod bodies;
pub mod digest;
pub mod endpoint;
pub mod etag;
pub mod glob;
pub mod identifier;
pub mod responses;
pub mod stateful;
pub mod tracing;

mod base64;
mod error;
mod interest;
mod proof;
mod read;
mod write;

pub use error::{Problem, WireError};
pub use interest::{Interest, InterestKind};
pub use proof::Proof;
