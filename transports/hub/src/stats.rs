//! What happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Deliveries that did not come to the socket, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Drops {
    /// The oldest in a full queue, to make room (`drop_oldest`).
    pub oldest: u64,
    /// New ones that met a full queue (`drop_newest`).
    pub newest: u64,
    /// Those in the queue of a session that was disconnected because it was too slow, and the one that did not fit.
    pub slow_consumer: u64,
    /// Those of sessions that ended while the event was on its way or waited.
    pub ended: u64,
}

impl Drops {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.oldest + self.newest + self.slow_consumer + self.ended
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.oldest += other.oldest;
        self.newest += other.newest;
        self.slow_consumer += other.slow_consumer;
        self.ended += other.ended;
    }
}

/// A hub's numbers. Counts go from the start of the hub on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HubStats {
    /// Workers now.
    pub workers: usize,
    /// Sessions now.
    pub sessions: usize,
    /// Subscriptions now.
    pub subscriptions: usize,
    /// Different filters among them.
    pub filters: usize,
    /// Topics whose match is cached now.
    pub cached_topics: usize,
    /// Events taken in.
    pub published: u64,
    /// Deliveries that a door took from a session's queue, copies and replayed ones included.
    pub delivered: u64,
    /// Deliveries that were dropped.
    pub drops: Drops,
    /// Bytes between publishers and workers now.
    pub inbox_bytes: u64,
    /// Bytes in sessions' queues now.
    pub queue_bytes: u64,
}

/// Numbers of one worker. Only the worker's thread writes, so a load and a store make an addition, without a locked
/// instruction for each delivery.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    delivered: AtomicU64,
    queue_bytes: AtomicU64,
    oldest: AtomicU64,
    newest: AtomicU64,
    slow_consumer: AtomicU64,
    ended: AtomicU64,
}

impl Counters {
    pub(crate) fn taken(&self, is_event: bool, bytes: usize) {
        add(&self.delivered, u64::from(is_event));
        self.released(bytes);
    }

    pub(crate) fn queued(&self, bytes: usize) {
        add(&self.queue_bytes, bytes as u64);
    }

    pub(crate) fn released(&self, bytes: usize) {
        add(&self.queue_bytes, (bytes as u64).wrapping_neg());
    }

    pub(crate) fn dropped(&self, drops: Drops) {
        add(&self.oldest, drops.oldest);
        add(&self.newest, drops.newest);
        add(&self.slow_consumer, drops.slow_consumer);
        add(&self.ended, drops.ended);
    }

    pub(crate) fn add_to(&self, stats: &mut HubStats) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        stats.delivered += read(&self.delivered);
        stats.queue_bytes += read(&self.queue_bytes);
        stats.drops.add(Drops {
            oldest: read(&self.oldest),
            newest: read(&self.newest),
            slow_consumer: read(&self.slow_consumer),
            ended: read(&self.ended),
        });
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    if amount != 0 {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }
}
