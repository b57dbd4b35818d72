//! The frames of fastapi_websocket_rpc and fastapi_websocket_pubsub, read and written without needless work.
//!
//! ```text
//! {"request": {"method": M, "arguments": {..}, "call_id": ID}, "response": null}
//! {"request": null, "response": {"result": R, "result_type": T, "call_id": ID}}
//! ```
//!
//! Each websocket text message is one such document. Texts are borrowed from the message and the `data` of an event
//! stays the JSON text that it came as, so that it leaves as it came: numbers keep their digits, keys their order.
//!
//! # How to read it
//! - [`parse`]: a message into [`Frame`]; what is not of this form is told apart as [`FrameError`].
//! - [`answer`]: the call id of an answer, without parsing the message.
//! - [`mend`]: what Python's `json` writes and JSON forbids (`NaN`, lone surrogates) made harmless.
//! - [`encode`]: every message we send, as text.
//! - [`data`]: what stands in `data` for a payload, and the way back.
//! - [`frame`]: the websocket frame of a server around a text, ready for the socket.
//!
//! Source of the format: both Python packages, observed; see the vectors in `tests/vectors`.

pub mod answer;
pub mod data;
pub mod encode;
pub mod frame;
pub mod mend;
pub mod parse;

pub use data::{Data, payload_of};
pub use encode::CallId;
pub use parse::{Arguments, Frame, FrameError, Request, Response, Topics, read};

/// The topic whose subscribers receive every event, whatever its topic.
pub const ALL_TOPICS: &str = "__EventNotifier_ALL_TOPICS__";

/// The header in a link's request for the upgrade by which a door of ours knows it: the door then notifies it of an event
/// once, however many of its subscriptions match, and lets it subscribe patterns.
pub const LINK_HEADER: &str = "eventhive-link";

/// The header in the answer by which a link knows a door of ours: the door takes `unsubscribe`, and does the above.
///
/// Between the two, `subscribe` and `unsubscribe` have an argument `patterns` beside `topics`: a list of
/// [globs](eventhive_transport::Glob). Python servers go deaf on arguments that they do not know, so a link sends it to no
/// other server; and to no other client does a door know it.
///
/// A `publish` of a link that is not `sync` is answered with the number of sessions that the event was handed to, in place of
/// `true`; its `result_type` is `int`.
pub const DOOR_HEADER: &str = "eventhive-door";

#[cfg(test)]
mod tests;
