//! The numbers of a door's queues.

use eventhive_listener::Count;

/// The numbers of all queues of a door together, from its start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueueStats {
    /// Messages that became events.
    pub published: u64,
    /// Messages that came again and were not published again.
    pub repeated: u64,
    /// Messages left out because of what is in them.
    pub bad: u64,
    /// Messages deleted.
    pub deleted: u64,
    /// Attempts that failed: to reach a queue, to receive or delete messages, to hand an event to the hub.
    pub failures: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) published: Count,
    pub(super) repeated: Count,
    pub(super) bad: Count,
    pub(super) deleted: Count,
    pub(super) failures: Count,
}

impl Counters {
    pub(super) fn read(&self) -> QueueStats {
        QueueStats {
            published: self.published.get(),
            repeated: self.repeated.get(),
            bad: self.bad.get(),
            deleted: self.deleted.get(),
            failures: self.failures.get(),
        }
    }
}
