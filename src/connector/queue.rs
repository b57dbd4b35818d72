//! A queue bounded in bytes, between a connector and its link.

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
    settled: Notify,
    limit: usize,
    overflow: Overflow,
}

#[derive(Debug)]
struct Inner<T> {
    entries: VecDeque<(T, usize)>,
    bytes: usize,
    /// Entries that were popped and are neither finished nor put back.
    out: usize,
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
        let inner = Inner { entries: VecDeque::new(), bytes: 0, out: 0, closed: false };
        Self { inner: Mutex::new(inner), filled: Notify::new(), settled: Notify::new(), limit, overflow }
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

    /// Puts entries back in front, in their order, whatever the limit: they were in the queue before.
    pub(super) fn put_back(&self, entries: impl DoubleEndedIterator<Item = (T, usize)>) {
        let mut inner = self.lock();
        for (entry, bytes) in entries.rev() {
            let size = bytes.saturating_add(ENTRY_BYTES);
            inner.bytes += size;
            inner.entries.push_front((entry, size));
            inner.out = inner.out.saturating_sub(1);
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// The oldest entry. It counts as unsettled until it is [finished](Self::finish) or put back.
    pub(super) fn pop(&self) -> Option<T> {
        let mut inner = self.lock();
        let entry = inner.take()?;
        inner.out += 1;
        Some(entry)
    }

    /// An entry that was popped is done with.
    pub(super) fn finish(&self) {
        let mut inner = self.lock();
        inner.out = inner.out.saturating_sub(1);
        let settled = inner.is_settled();
        drop(inner);
        if settled {
            self.settled.notify_waiters();
        }
    }

    /// Resolves when every entry pushed before this call is gone: finished, or dropped by the policy.
    pub(super) async fn settled(&self) {
        loop {
            let notified = self.settled.notified();
            tokio::pin!(notified);
            // From here on no notification is missed, so one between the look and the wait wakes it.
            notified.as_mut().enable();
            if self.lock().is_settled() {
                return;
            }
            notified.await;
        }
    }

    /// Resolves when something was pushed since the last time; may resolve once too often.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
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
            self.filled().await;
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
    fn is_settled(&self) -> bool {
        self.entries.is_empty() && self.out == 0
    }

    fn take(&mut self) -> Option<T> {
        let (entry, size) = self.entries.pop_front()?;
        self.bytes -= size;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_queue_is_settled_when_every_entry_is_finished() {
        let queue = ByteQueue::new(1 << 20, Overflow::DropOldest);
        assert!(queue.settled().now_or_never().is_some());
        queue.push(1, 0);
        let settled = queue.settled();
        tokio::pin!(settled);
        assert!(settled.as_mut().now_or_never().is_none());
        assert_eq!(queue.pop(), Some(1));
        assert!(settled.as_mut().now_or_never().is_none(), "popped is not finished");
        queue.put_back(std::iter::once((1, 0)));
        assert_eq!(queue.pop(), Some(1));
        queue.finish();
        assert!(settled.now_or_never().is_some());
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
        assert_eq!([oldest.pop(), oldest.pop(), oldest.pop()], [Some(2), Some(3), None]);
    }

    #[test]
    fn an_entry_larger_than_the_queue_waits_alone() {
        let queue = ByteQueue::new(10, Overflow::DropNewest);
        assert_eq!(queue.push(1, 1000), Pushed::Queued { dropped: 0 });
        assert_eq!(queue.push(2, 0), Pushed::Full(2));
    }

    #[test]
    fn what_is_put_back_comes_first_and_in_order() {
        let queue = ByteQueue::new(10_000, Overflow::DropNewest);
        queue.push(3, 0);
        queue.put_back([(1, 0), (2, 0)].into_iter());
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(1), Some(2), Some(3)]);
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
