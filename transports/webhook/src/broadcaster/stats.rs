//! A broadcaster's numbers.

use eventhive_listener::Count;

use crate::index::IndexStats;

/// A broadcaster's numbers. Counts go from its start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BroadcasterStats {
    /// What the index has.
    pub index: IndexStats,
    /// Messages published here.
    pub notified: u64,
    /// Messages that other broadcasters brought for websockets of this one.
    pub received: u64,
    /// Events that came from other doors.
    pub from_hub: u64,
    /// Messages that were not given to other doors, because their topic or body is too large for the hub.
    pub too_large_for_hub: u64,
    /// Messages that were not given to other doors, because the hub was full or closed.
    pub refused_by_hub: u64,
    /// Deliveries of other doors' events that were dropped: for the most part because the url or websocket is too slow, or
    /// because the broadcaster closed.
    pub dropped: u64,
    /// Times that nobody knows which events of other doors were lost.
    pub gaps: u64,
    /// Deliveries that were confirmed, by whom calls urls.
    pub confirmed: u64,
    /// Deliveries that were not.
    pub failed: u64,
    /// Subscriptions that were removed because their url asked for it.
    pub gone: u64,
    /// Messages that websockets took.
    pub to_peers: u64,
    /// Messages that websockets did not take.
    pub refused_by_peers: u64,
    /// Authorizations that were refused.
    pub denied: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) notified: Count,
    pub(super) received: Count,
    pub(super) from_hub: Count,
    pub(super) too_large_for_hub: Count,
    pub(super) refused_by_hub: Count,
    pub(super) dropped: Count,
    pub(super) gaps: Count,
    pub(super) confirmed: Count,
    pub(super) failed: Count,
    pub(super) gone: Count,
    pub(super) to_peers: Count,
    pub(super) refused_by_peers: Count,
    pub(super) denied: Count,
}

impl Counters {
    pub(super) fn read(&self, index: IndexStats) -> BroadcasterStats {
        BroadcasterStats {
            index,
            notified: self.notified.get(),
            received: self.received.get(),
            from_hub: self.from_hub.get(),
            too_large_for_hub: self.too_large_for_hub.get(),
            refused_by_hub: self.refused_by_hub.get(),
            dropped: self.dropped.get(),
            gaps: self.gaps.get(),
            confirmed: self.confirmed.get(),
            failed: self.failed.get(),
            gone: self.gone.get(),
            to_peers: self.to_peers.get(),
            refused_by_peers: self.refused_by_peers.get(),
            denied: self.denied.get(),
        }
    }
}
