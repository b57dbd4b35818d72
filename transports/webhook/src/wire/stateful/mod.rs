//! Messages of the websocket at `/v1/websocket`, each one complete binary message.
//!
//! A message is `u16` flags, `u16` type, headers, body. The sender chooses for each message how its headers are written
//! ([`Mode`]); both are read. What a subscriber says is an [`S2b`], what a broadcaster says a [`B2s`].
//!
//! # How to read it
//! - `header`: the two ways of writing headers; `value`: what is in them.
//! - `s2b`, `b2s`: all messages of a direction, and what their authorizations vouch for.
//! - `configure`, `message`, `receipt`, `compressor`: the messages that have more than two or three fields.
//! - [`stream`]: messages that come in parts, put together and checked; [`split`]: how large a part is.
//! - [`counter`]: the urls that tie a signed message to its connection and its place in it.
//!
//! Compression itself is not here; the messages that announce and use it are.

mod b2s;
mod compressor;
mod configure;
pub mod counter;
mod header;
mod message;
mod receipt;
mod s2b;
pub mod split;
pub mod stream;
#[cfg(test)]
mod tests;
mod value;

pub use b2s::B2s;
pub use compressor::Compressor;
pub use configure::Configure;
pub use header::Mode;
pub use message::{Compression, MessageHead, Notify, Part, Place};
pub use receipt::PartReceipt;
pub use s2b::{Peeked, S2b};
