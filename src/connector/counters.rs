//! What a connector counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the connector was started, updated without locks.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) published: AtomicU64,
    pub(super) resent: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) outbox_dropped: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) inbox_dropped: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) gaps: AtomicU64,
}

/// A snapshot of a connector's counts since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct ConnectorStats {
    /// Events that the broker has taken.
    pub published: u64,
    /// Events sent again because a connection was lost before the broker answered.
    pub resent: u64,
    /// Events that the broker or the wire refused; each has a log line.
    pub rejected: u64,
    /// Events dropped from the full outbox by its policy.
    pub outbox_dropped: u64,
    /// Events received and given to the hooks.
    pub received: u64,
    /// Received messages dropped from the full inbox by its policy.
    pub inbox_dropped: u64,
    /// Received messages that are no events for this connector: malformed, on a wrong channel, not to be opened.
    pub refused: u64,
    /// Received events that had been received before, known by their id.
    pub repeated: u64,
    /// Times the link told that messages were lost while it was down.
    pub gaps: u64,
    /// Events that wait in the outbox now.
    pub waiting: u64,
}

impl Counters {
    /// Adds to a counter and gives what it was.
    pub(super) fn add(counter: &AtomicU64, count: usize) -> u64 {
        counter.fetch_add(count as u64, Ordering::Relaxed)
    }

    pub(super) fn snapshot(&self, waiting: usize) -> ConnectorStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ConnectorStats {
            published: read(&self.published),
            resent: read(&self.resent),
            rejected: read(&self.rejected),
            outbox_dropped: read(&self.outbox_dropped),
            received: read(&self.received),
            inbox_dropped: read(&self.inbox_dropped),
            refused: read(&self.refused),
            repeated: read(&self.repeated),
            gaps: read(&self.gaps),
            waiting: waiting as u64,
        }
    }
}
