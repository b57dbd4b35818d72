//! What a hook counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// The live counters of a hook. Relaxed: each number is right, a set of them read together need not be of one instant.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    handled: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    panicked: AtomicU64,
    restarts: AtomicU64,
    dropped_full: AtomicU64,
    dropped_oldest: AtomicU64,
    dropped_closed: AtomicU64,
    dropped_expired: AtomicU64,
}

/// What a hook has done with its events so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookStats {
    /// The handler returned without error.
    pub handled: u64,
    /// The handler returned an error.
    pub failed: u64,
    /// The event did not fit what the handler takes, so the handler did not run.
    pub refused: u64,
    /// The handler panicked.
    pub panicked: u64,
    /// The hook's actor was started again after a panic.
    pub restarts: u64,
    /// Not taken, because the mailbox was full.
    pub dropped_full: u64,
    /// Taken and given up again to make room for newer ones.
    pub dropped_oldest: u64,
    /// Not taken or not handled, because the hook was closed.
    pub dropped_closed: u64,
    /// Taken and not handled, because it was a request whose deadline was over.
    pub dropped_expired: u64,
    /// Waiting in the mailbox now.
    pub waiting: usize,
}

/// Which counter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    Handled,
    Failed,
    Refused,
    Panicked,
    Restarted,
    DroppedFull,
    DroppedOldest,
    DroppedClosed,
    DroppedExpired,
}

impl Counters {
    pub(crate) fn add(&self, count: Count) {
        let counter = match count {
            Count::Handled => &self.handled,
            Count::Failed => &self.failed,
            Count::Refused => &self.refused,
            Count::Panicked => &self.panicked,
            Count::Restarted => &self.restarts,
            Count::DroppedFull => &self.dropped_full,
            Count::DroppedOldest => &self.dropped_oldest,
            Count::DroppedClosed => &self.dropped_closed,
            Count::DroppedExpired => &self.dropped_expired,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a success. Quicker than the others, and right only where one thread counts successes.
    pub(crate) fn handled_alone(&self) {
        self.handled.store(self.handled.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn read(&self, waiting: usize) -> HookStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HookStats {
            handled: read(&self.handled),
            failed: read(&self.failed),
            refused: read(&self.refused),
            panicked: read(&self.panicked),
            restarts: read(&self.restarts),
            dropped_full: read(&self.dropped_full),
            dropped_oldest: read(&self.dropped_oldest),
            dropped_closed: read(&self.dropped_closed),
            dropped_expired: read(&self.dropped_expired),
            waiting,
        }
    }
}
