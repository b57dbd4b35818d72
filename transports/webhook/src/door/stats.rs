//! A door's numbers, and what is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::budget::Budget;
use crate::delivery::Counts;
use crate::outgoing::Load;

/// A door's numbers. Counts go from its start on. What became of messages is in the broadcaster's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DoorStats {
    /// Websockets now.
    pub sessions: usize,
    /// Messages that are being delivered for a notify.
    pub under_way: usize,
    /// Requests to paths of the protocol.
    pub requests: u64,
    /// Of these, those that were refused, by whatever status.
    pub refused: u64,
    /// Bytes of memory that messages have now.
    pub memory: usize,
    /// Messages that went to a file because all of them together had enough memory.
    pub out_of_memory: u64,
    /// What became of messages to urls, if the door has opened its broadcaster itself.
    pub deliveries: Counts,
    /// Requests to urls that are under way or wait, with hosts, addresses and connections, if it has done so.
    pub outgoing: Load,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    under_way: AtomicUsize,
    changed: Notify,
    pub(super) requests: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// Something that the end of the door waits for.
pub(super) struct UnderWay(Arc<Counters>);

impl Counters {
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(self))
    }

    /// Resolves when nothing is under way.
    pub(super) async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            if self.under_way.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn read(&self, sessions: usize, memory: &Budget) -> DoorStats {
        DoorStats {
            sessions,
            under_way: self.under_way.load(Ordering::Acquire),
            requests: self.requests.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            memory: memory.used(),
            out_of_memory: memory.refused(),
            deliveries: Counts::default(),
            outgoing: Load::default(),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}
