//! Events of `text/event-stream`, for a browser's `EventSource`.
//!
//! Source: the HTML standard, section "Server-sent events". A line of a stream has no line break inside, so that it is one
//! `data` field. `id` is the cursor, which the browser sends back as `Last-Event-ID`.

use std::time::Duration;

use eventhive_hub::{Message, PublicCursor};

use super::event;

/// The event of a message, whose cursor is said by this.
#[must_use]
pub fn event(message: &Message, cursor: PublicCursor) -> Vec<u8> {
    let line = event::line(message, cursor);
    let mut text = Vec::with_capacity(line.len() + 60);
    text.extend_from_slice(b"id: ");
    text.extend_from_slice(cursor.to_string().as_bytes());
    text.extend_from_slice(b"\ndata: ");
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    text
}

/// A ping: a comment, which no page sees.
#[must_use]
pub fn ping() -> String {
    format!(": {}\n", event::ping())
}

/// The same of a stream that still looks for what lies in the past.
#[must_use]
pub fn replaying() -> String {
    format!(": {}\n", event::replaying())
}

/// The beginning of a stream: how long the browser is to wait before it comes back, and whether events may have been
/// missed. The page receives that as an event of the type `gap`.
#[must_use]
pub fn opening(retry: Duration, gap: bool) -> String {
    let missed = if gap { "event: gap\ndata: {\"replay\": \"unknown\"}\n\n" } else { "" };
    format!("retry: {}\n\n{missed}", retry.as_millis())
}
