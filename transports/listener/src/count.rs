//! A number that only grows.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something has happened, on all threads. It orders nothing else.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts one, and gives the number with it.
    pub fn add_one(&self) -> u64 {
        self.add(1)
    }

    /// Counts as many, and gives the number with them.
    pub fn add(&self, more: u64) -> u64 {
        self.0.fetch_add(more, Ordering::Relaxed) + more
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
