//! Events as a stream.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::Stream;

use crate::Event;
use crate::registry::mailbox::{Mailbox, Rejected, Weigh};
use crate::registry::{Pattern, Registry};

/// A stream's place in the registry.
pub(crate) struct Tap {
    pub(crate) id: u64,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) mailbox: Mailbox<Event>,
    dropped: AtomicU64,
}

impl Weigh for Event {
    fn weight(&self) -> usize {
        self.payload().weight()
    }
}

impl Tap {
    pub(crate) fn new(id: u64, patterns: Vec<Pattern>, mailbox: Mailbox<Event>) -> Self {
        Self { id, patterns, mailbox, dropped: AtomicU64::new(0) }
    }

    pub(crate) fn offer(&self, event: &Event) {
        match self.mailbox.push(event.clone()) {
            Ok(evicted) if evicted.is_empty() => {}
            Ok(evicted) => self.count(evicted.len() as u64),
            Err(Rejected::Full(_)) => self.count(1),
            // The stream is being dropped.
            Err(Rejected::Closed(_)) => {}
        }
    }

    pub(crate) async fn deliver(&self, event: &Event) {
        match self.mailbox.push_when_room(event.clone()).await {
            Ok(evicted) => self.count(evicted.len() as u64),
            Err(Rejected::Full(_)) => self.count(1),
            Err(Rejected::Closed(_)) => {}
        }
    }

    fn count(&self, dropped: u64) {
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }
}

/// The events that match a pattern, in the order in which they were called.
///
/// It ends when the hive is stopped, or under the policy `disconnect` when it is too slow. Dropping it ends it.
#[must_use = "a stream does nothing until it is polled"]
pub struct EventStream {
    tap: Arc<Tap>,
    registry: Weak<Registry>,
}

impl EventStream {
    pub(crate) const fn new(tap: Arc<Tap>, registry: Weak<Registry>) -> Self {
        Self { tap, registry }
    }

    /// How many events the stream missed because its queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.tap.dropped.load(Ordering::Relaxed)
    }

    /// The next event; `None` at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| self.tap.mailbox.poll_pop(context)).await
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.tap.mailbox.poll_pop(context)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.tap.mailbox.abort();
        if let Some(registry) = self.registry.upgrade() {
            registry.remove_tap(self.tap.id);
        }
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let patterns: Vec<&str> = self.tap.patterns.iter().map(Pattern::as_str).collect();
        f.debug_struct("EventStream").field("patterns", &patterns).finish_non_exhaustive()
    }
}
