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
    pub(super) requests: AtomicU64,
    pub(super) requests_expired: AtomicU64,
    pub(super) requests_received: AtomicU64,
    pub(super) requests_answered: AtomicU64,
    pub(super) replies: AtomicU64,
    pub(super) replies_late: AtomicU64,
    pub(super) replies_repeated: AtomicU64,
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
    /// Requests of this hive; they count as events too.
    pub requests: u64,
    /// Requests that wait for an answer now.
    pub requests_open: u64,
    /// Requests that nobody waited for any more: those of this hive were not sent, those of others not run.
    pub requests_expired: u64,
    /// Requests of other hives; they count as events received too.
    pub requests_received: u64,
    /// Requests of other hives that were answered, with a value or an error; the answers count as events published too.
    pub requests_answered: u64,
    /// Answers that reached a request.
    pub replies: u64,
    /// Answers that nobody waited for any more.
    pub replies_late: u64,
    /// Answers dropped because the same hive had answered the same request before.
    pub replies_repeated: u64,
}

impl Counters {
    /// Adds to a counter and gives what it was.
    pub(super) fn add(counter: &AtomicU64, count: usize) -> u64 {
        counter.fetch_add(count as u64, Ordering::Relaxed)
    }

    pub(super) fn snapshot(&self, waiting: usize, requests_open: usize) -> ConnectorStats {
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
            requests: read(&self.requests),
            requests_open: requests_open as u64,
            requests_expired: read(&self.requests_expired),
            requests_received: read(&self.requests_received),
            requests_answered: read(&self.requests_answered),
            replies: read(&self.replies),
            replies_late: read(&self.replies_late),
            replies_repeated: read(&self.replies_repeated),
        }
    }
}
