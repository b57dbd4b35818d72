//! The texts and names of the protocol.

/// What could not be understood.
pub const BAD_REQUEST: &str = "I could not understand your request, sorry! Please see \
                               https://pubsub.apache.org/api.html for usage documentation.\n";
/// A publish that was taken.
pub const RECEIVED: &str = "Payload received, thank you very much!\n";
/// A publisher without the right.
pub const NOT_ALLOWED: &str = "You are not authorized to deliver payloads!\n";
/// A payload that is JSON and no object.
pub const BAD_PAYLOAD: &str = "Bad payload type. Payloads must be JSON dictionary objects, {..}!\n";
/// A payload beyond the limit.
pub const TOO_LARGE: &str = "Payload is too large for me to serve, please make it shorter.\n";
/// Too many logins are being checked. Not in the original.
pub const BUSY: &str = "There are too many logins at a time, please come again.\n";

/// What the original says it is. Its clients do not look, its operators' checks may.
pub const SERVER: &str = "PyPubSub/0.7.4";
/// The media type of a stream. It has no charset.
pub const STREAM_TYPE: &str = "application/vnd.pypubsub-stream";
/// The media type of every other answer.
pub const TEXT_TYPE: &str = "text/plain; charset=utf-8";
/// A stream of one JSON text a line, for clients that ask for it by this name.
pub const NDJSON_TYPE: &str = "application/x-ndjson";
/// A stream for a browser's `EventSource`.
pub const SSE_TYPE: &str = "text/event-stream";

/// Open streams when the request arrived.
pub const X_SUBSCRIBERS: &str = "x-subscribers";
/// Requests so far, this one included.
pub const X_REQUESTS: &str = "x-requests";
/// Replay from this time, in seconds since the epoch.
pub const X_FETCH_SINCE: &str = "x-fetch-since";
/// Replay what followed this event.
pub const X_FETCH_SINCE_CURSOR: &str = "x-fetch-since-cursor";
/// Replay what followed this event, as browsers say it.
pub const LAST_EVENT_ID: &str = "last-event-id";
/// In the answer to a publish: the event's cursor. Not in the original.
pub const X_PUBSUB_CURSOR: &str = "x-pubsub-cursor";
/// In the answer to a stream that asked for a place in the past: `found`, or `unknown` when events may have been missed.
/// Not in the original.
pub const X_PUBSUB_REPLAY: &str = "x-pubsub-replay";
/// A publish that says so is done once, however often it is sent. Not in the original.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header of a link of ours. Its publishes keep their topic to the letter, and reach other doors as hives send them.
pub const LINK_HEADER: &str = "eventhive-link";
/// The header of a door of ours: it has what the original has not.
pub const DOOR_HEADER: &str = "eventhive-door";

/// The key of a ping.
pub const STILLALIVE: &str = "stillalive";
/// Beside it, while what lies in the past has not all been sent. Not in the original.
pub const REPLAYING: &str = "replaying";

/// The longest target of a request, in bytes, as in the original.
pub const MAX_TARGET: usize = 8190;
