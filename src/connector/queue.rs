//! A queue bounded in bytes, between a link and its connector.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eventhive_transport::Overflow;
use tokio::sync::Notify;

/// What an entry costs beside its bytes: the entry itself and its place in the queue.
const ENTRY_BYTES: usize = 128;

/// Entries with their size. `push` is for any thread and never waits; `next` is for the one task that empties the queue.
#[derive(Debug)]
pub(super) struct ByteQueue<T> {
    inner: Mutex<Inner<T>>,
    filled: Notify,
    limit: usize,
    overflow: Overflow,
}

#[derive(Debug)]
struct Inner<T> {
    entries: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
}

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed<T> {
    /// The entry waits; so many older ones went for it.
    Queued { dropped: usize },
    /// There is no room for it.
    Full(T),
    /// The queue was closed.
    Closed(T),
}

impl<T> ByteQueue<T> {
    /// A queue of `limit` bytes. Of the policies only `drop_oldest` lets old entries go; the others give the new one back.
    pub(super) fn new(limit: usize, overflow: Overflow) -> Self {
        let inner = Inner { entries: VecDeque::new(), bytes: 0, closed: false };
        Self { inner: Mutex::new(inner), filled: Notify::new(), limit, overflow }
    }

    pub(super) fn push(&self, entry: T, bytes: usize) -> Pushed<T> {
        let size = bytes.saturating_add(ENTRY_BYTES);
        let mut inner = self.lock();
        if inner.closed {
            return Pushed::Closed(entry);
        }
        let mut dropped = 0;
        while inner.bytes.saturating_add(size) > self.limit && !inner.entries.is_empty() {
            if self.overflow != Overflow::DropOldest {
                return Pushed::Full(entry);
            }
            inner.take();
            dropped += 1;
        }
        // An entry larger than the whole queue may wait alone: refusing it for ever would lose it.
        inner.bytes += size;
        inner.entries.push_back((entry, size));
        drop(inner);
        self.filled.notify_one();
        Pushed::Queued { dropped }
    }

    /// The next entry; `None` once the queue is closed and empty.
    pub(super) async fn next(&self) -> Option<T> {
        loop {
            {
                let mut inner = self.lock();
                if let Some(entry) = inner.take() {
                    return Some(entry);
                }
                if inner.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    // The lock covers a few moves in memory and no await; a panic cannot leave it half done.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inner<T> {
    fn take(&mut self) -> Option<T> {
        let (entry, size) = self.entries.pop_front()?;
        self.bytes -= size;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &ByteQueue<i32>) -> Option<i32> {
        queue.lock().take()
    }

    #[test]
    fn a_full_queue_does_what_its_policy_says() {
        let oldest = ByteQueue::new(3 * ENTRY_BYTES, Overflow::DropOldest);
        let newest = ByteQueue::new(3 * ENTRY_BYTES, Overflow::DropNewest);
        for number in 0..3 {
            assert_eq!(oldest.push(number, 0), Pushed::Queued { dropped: 0 });
            assert_eq!(newest.push(number, 0), Pushed::Queued { dropped: 0 });
        }
        assert_eq!(oldest.push(3, ENTRY_BYTES), Pushed::Queued { dropped: 2 });
        assert_eq!(newest.push(3, 0), Pushed::Full(3));
        assert_eq!([taken(&oldest), taken(&oldest), taken(&oldest)], [Some(2), Some(3), None]);
    }

    #[test]
    fn an_entry_larger_than_the_queue_waits_alone() {
        let queue = ByteQueue::new(10, Overflow::DropNewest);
        assert_eq!(queue.push(1, 1000), Pushed::Queued { dropped: 0 });
        assert_eq!(queue.push(2, 0), Pushed::Full(2));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_has_and_ends() {
        let queue = ByteQueue::new(10_000, Overflow::DropNewest);
        queue.push(1, 0);
        queue.close();
        assert_eq!(queue.push(2, 0), Pushed::Closed(2));
        assert_eq!(queue.next().await, Some(1));
        assert_eq!(queue.next().await, None);
    }
}
