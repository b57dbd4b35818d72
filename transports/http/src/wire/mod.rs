//! The wire of PyPubSub: pure functions from requests to meaning, and from messages to lines.
//!
//! Source: PyPubSub 0.7.4 as it runs. Nothing here knows sockets, and nothing trusts its input.
//!
//! # How to read it
//! - `target`: the text of a request's target becomes a decoded path, and a path a target again.
//! - `topics`: a path becomes what an event is published under, or what a stream subscribes.
//! - `json`: a payload is checked and written as Python writes it, in one pass.
//! - `event`: a message of the hub becomes the line of a stream, and a line becomes a message again.
//! - `batch`: many publishes in one request, between a link and a door of ours.
//! - `chunk`: a line as one chunk of a body.
//! - `charset`: a body becomes text.
//! - `sse`: a line becomes an event of `text/event-stream`.
//! - [`answers`]: the texts and names of the protocol.

pub mod answers;
pub mod batch;
pub mod charset;
pub mod chunk;
pub mod event;
pub mod json;
pub mod sse;
pub mod target;
pub mod topics;

#[cfg(test)]
mod tests;
