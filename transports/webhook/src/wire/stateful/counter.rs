//! What ties a signed message to its connection and its place in it: counter urls.
//!
//! Both sides contribute to a nonce for the connection and count messages, each direction for itself. The authorization
//! of a counted message vouches for `websocket:<nonce>:<counter>`, so that it is worth nothing elsewhere. Counters move
//! whatever the scheme is; only signatures look at them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The nonce of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionNonce(String);

impl ConnectionNonce {
    /// From both sides' halves.
    #[must_use]
    pub fn new(subscriber_nonce: &[u8; 32], broadcaster_nonce: &[u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(subscriber_nonce);
        hash.update(broadcaster_nonce);
        Self(STANDARD.encode(hash.finalize()))
    }

    /// Its text, 44 characters of base64.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The counter url for a value of a counter.
    #[must_use]
    pub fn url(&self, counter: i64) -> String {
        let sign = if counter < 0 { "-" } else { "" };
        format!("websocket:{}:{sign}{:x}", self.0, counter.unsigned_abs())
    }
}

/// The counter of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    next: i64,
    step: i64,
}

impl Counter {
    /// S2B: -1, -2, -3 and so on, for [counted](super::S2b::is_counted) messages in the order in which they are sent.
    #[must_use]
    pub fn s2b() -> Self {
        Self { next: -1, step: -1 }
    }

    /// B2S: 1, 2, 3 and so on, for [counted](super::B2s::is_counted) messages in the order in which they are sent.
    #[must_use]
    pub fn b2s() -> Self {
        Self { next: 1, step: 1 }
    }

    /// The value for the next counted message.
    pub fn take(&mut self) -> i64 {
        let value = self.next;
        // No connection lives for as many messages.
        self.next = self.next.saturating_add(self.step);
        value
    }
}

/// The B2S counter as a subscriber has to keep it: broadcasters differ in whether each part of a message counts, as in
/// Python's, or the message once, as in Python's own client and in ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    messages: Counter,
    parts: Counter,
    follows_parts: bool,
}

/// The values that the next counted message may have been signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates {
    /// The one to try first: by what the broadcaster was seen to do.
    pub first: i64,
    /// The other, if there is another. When it is right, [`Expected::was_other`] is to be told.
    pub other: Option<i64>,
}

impl Expected {
    /// At the beginning of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self { messages: Counter::b2s(), parts: Counter::b2s(), follows_parts: false }
    }

    /// For the next [counted](super::B2s::is_counted) message.
    pub fn take(&mut self) -> Candidates {
        let (message, part) = (self.messages.take(), self.parts.take());
        let (first, other) = if self.follows_parts { (part, message) } else { (message, part) };
        Candidates { first, other: Some(other).filter(|other| *other != first) }
    }

    /// A part behind the first has come. Its signature need not be looked at: that of the first covers the message's
    /// hash.
    pub fn skip_part(&mut self) {
        self.parts.take();
    }

    /// The other candidate was the right one: from now on it comes first.
    pub fn was_other(&mut self) {
        self.follows_parts = !self.follows_parts;
    }
}

impl Default for Expected {
    fn default() -> Self {
        Self::new()
    }
}
