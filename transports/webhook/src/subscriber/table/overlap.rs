//! Messages that come on two wires while a wish changes from one to the other.
//!
//! The copies of a message have nothing in common but its topic and its bytes. So they are counted by these: a copy is
//! news if its wire has now brought more of them than any wire had before. That is exact for messages that differ.
//!
//! Of messages that are alike, some may have come on one wire alone, before the other stood, and their count would hide
//! as many later ones. So once a wire has brought two that are alike, every copy is news: they come twice during the
//! change rather than not at all. One alone can still hide one that is published within the time of the change.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Way;
use crate::message::Message;
use crate::wire::digest::Hash;

/// Messages that are remembered at most; about 16 MB. Beyond them a copy may be delivered twice.
const MOST: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Overlap {
    counts: HashMap<(std::sync::Arc<[u8]>, Hash), [u32; 2]>,
    /// Since when nothing is subscribed twice.
    closed: Option<Instant>,
}

impl Overlap {
    pub(super) fn open(&mut self) {
        self.closed = None;
    }

    pub(super) fn close(&mut self) {
        self.closed = Some(Instant::now());
    }

    /// Copies that were on their way on the old wire have come, or never will.
    pub(super) fn is_over(&self, now: Instant, linger: Duration) -> bool {
        self.closed.is_some_and(|closed| now.saturating_duration_since(closed) >= linger)
    }

    pub(super) fn is_news(&mut self, way: Way, message: &Message) -> bool {
        let key = (message.topic.clone(), message.sha512);
        if self.counts.len() >= MOST && !self.counts.contains_key(&key) {
            return true;
        }
        let [http, websocket] = self.counts.entry(key).or_default();
        let before = (*http).max(*websocket);
        let count = match way {
            Way::Http => http,
            Way::Websocket => websocket,
        };
        *count += 1;
        *count > before || before > 1
    }
}
