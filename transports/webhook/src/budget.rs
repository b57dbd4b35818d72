//! Memory that the messages of a door share.
//!
//! Each connection may have a large message in memory, so that a thousand slow senders would have a thousand of them. A
//! [`Budget`] bounds all of them together: what it does not grant goes to a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bytes of memory that messages have together, while they come and until they have been delivered. Clones are the same.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
    refused: AtomicU64,
}

impl Budget {
    /// Grants up to `limit` bytes at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, used: AtomicUsize::new(0), refused: AtomicU64::new(0) }))
    }

    /// Bytes that are granted now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Messages that went to a file because of it.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn grant(&self, more: usize) -> bool {
        let add = |used: usize| used.checked_add(more).filter(|used| *used <= self.0.limit);
        let granted = self.0.used.try_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        if !granted {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        granted
    }
}

/// What a message has of a budget. It is given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    budget: Option<Budget>,
    bytes: usize,
}

impl Charge {
    /// Of `budget`, nothing yet; without one everything is granted.
    pub(crate) const fn of(budget: Option<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Whether it may have so many bytes in all.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let granted = more == 0 || self.budget.as_ref().is_none_or(|budget| budget.grant(more));
        if granted {
            self.bytes = self.bytes.max(bytes);
        }
        granted
    }

    /// Gives all of it back.
    pub(crate) fn clear(&mut self) {
        if let Some(budget) = &self.budget {
            budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        self.bytes = 0;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.clear();
    }
}
