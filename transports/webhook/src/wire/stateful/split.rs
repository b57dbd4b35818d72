//! How large a part of a message is.
//!
//! To write one, write the [`Part`](super::Part) without a payload, ask [`payload_bytes`] how much fits behind what
//! that gave, and append as many bytes of the message.

/// The most bytes of a websocket message that Python's client takes.
pub const PYTHON_CLIENT_MAX_BYTES: usize = 4_194_303;

/// The most bytes of a websocket message that Python's broadcaster takes, as it is set up by default.
pub const PYTHON_BROADCASTER_MAX_BYTES: usize = 16 * 1024 * 1024;

/// A limit that every end can take, with room for what is around a message.
pub const DEFAULT_MAX_BYTES: usize = 3_670_016;

/// The most parts of a message that a subscriber can acknowledge with signatures, which hold the number of a part in
/// one byte.
pub const MAX_SIGNED_PARTS: u64 = 257;

/// A part has at least as many bytes of the message, whatever its headers take.
pub const MIN_PAYLOAD_BYTES: usize = 512;

/// How many bytes of a message go into a part, of those that are left: as many as fit in a websocket message of `limit`
/// bytes behind `header_bytes`.
#[must_use]
pub fn payload_bytes(limit: usize, header_bytes: usize, left: u64) -> usize {
    let room = limit.saturating_sub(header_bytes).max(MIN_PAYLOAD_BYTES);
    usize::try_from(left).map_or(room, |left| left.min(room))
}
