//! A door's numbers.

use eventhive_listener::{Count, Population};

/// A door's numbers. Counts go from its start on. What became of events is in the hub's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DoorStats {
    /// Streams now.
    pub sessions: usize,
    /// Of these, compressed.
    pub compressed: usize,
    /// Requests that were understood by the HTTP library.
    pub requests: u64,
    /// Streams that there have been, those of now included.
    pub accepted: u64,
    /// Streams put off because the door was full or draining.
    pub put_off: u64,
    /// Publishes refused because of an address, a user or an origin.
    pub refused: u64,
    /// Publishes answered from memory, because their `Idempotency-Key` had come before.
    pub repeated: u64,
    /// Streams ended because events were not read in time.
    pub slow: u64,
    /// Connections cut because their client took nothing.
    pub cut: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    sessions: Population,
    compressed: Population,
    pub(super) requests: Count,
    pub(super) accepted: Count,
    pub(super) put_off: Count,
    pub(super) refused: Count,
    pub(super) repeated: Count,
    pub(super) slow: Count,
    pub(super) cut: Count,
}

impl Counters {
    /// One more stream, unless there are `most` already.
    pub(super) fn enter(&self, most: usize) -> bool {
        let entered = self.sessions.enter(most);
        if entered {
            self.accepted.add_one();
        }
        entered
    }

    pub(super) fn leave(&self) {
        self.sessions.leave();
    }

    /// One more compressed stream, unless there are `most` already.
    pub(super) fn enter_compressed(&self, most: usize) -> bool {
        self.compressed.enter(most)
    }

    pub(super) fn leave_compressed(&self) {
        self.compressed.leave();
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.count()
    }

    /// Resolves when there is no stream.
    pub(super) async fn none(&self) {
        self.sessions.none().await;
    }

    pub(super) fn read(&self) -> DoorStats {
        DoorStats {
            sessions: self.sessions(),
            compressed: self.compressed.count(),
            requests: self.requests.get(),
            accepted: self.accepted.get(),
            put_off: self.put_off.get(),
            refused: self.refused.get(),
            repeated: self.repeated.get(),
            slow: self.slow.get(),
            cut: self.cut.get(),
        }
    }
}
