//! A door's numbers.

use eventhive_listener::{Count, Population};

/// A door's numbers. Counts go from its start on. What became of events is in the hub's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DoorStats {
    /// Sessions now.
    pub sessions: usize,
    /// Sessions that there have been, those of now included.
    pub accepted: u64,
    /// Handshakes refused because of a token or an origin.
    pub refused: u64,
    /// Handshakes put off because the door was full or draining.
    pub put_off: u64,
    /// Sessions closed because of something the client sent.
    pub faulty: u64,
    /// Sessions closed because nothing came from the client in time.
    pub silent: u64,
    /// Sessions closed because events were not read in time.
    pub slow: u64,
    /// Connections cut because the client did not answer a close frame in time.
    pub cut: u64,
    /// Deliveries left out because the message would be larger than clients take.
    pub too_large: u64,
    /// Synchronous publishes answered before all subscribers had answered.
    pub unanswered: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    sessions: Population,
    pub(super) accepted: Count,
    pub(super) refused: Count,
    pub(super) put_off: Count,
    pub(super) faulty: Count,
    pub(super) silent: Count,
    pub(super) slow: Count,
    pub(super) cut: Count,
    pub(super) too_large: Count,
    pub(super) unanswered: Count,
}

impl Counters {
    /// One more session, unless there are `most` already.
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

    pub(super) fn sessions(&self) -> usize {
        self.sessions.count()
    }

    /// Resolves when there is no session.
    pub(super) async fn none(&self) {
        self.sessions.none().await;
    }

    pub(super) fn read(&self) -> DoorStats {
        DoorStats {
            sessions: self.sessions(),
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            put_off: self.put_off.get(),
            faulty: self.faulty.get(),
            silent: self.silent.get(),
            slow: self.slow.get(),
            cut: self.cut.get(),
            too_large: self.too_large.get(),
            unanswered: self.unanswered.get(),
        }
    }
}
