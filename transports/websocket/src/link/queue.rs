//! What waits for the connection: encoded frames in the order of the calls that made them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::task::AtomicWaker;
use std::task::Waker;

use super::calls::Call;

/// A message to the server, and what becomes of its answer.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) text: String,
    pub(super) id: u64,
    pub(super) call: Call,
}

/// Whether publishes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// The link is not up.
    Down,
    /// It is.
    Open,
    /// The owner closed it; nothing is taken any more.
    Closed,
}

/// Why a publish is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    Down,
    Full,
    Closed,
}

/// Many publishers, one connection. The bound is on bytes that the connection has not yet handed to its socket.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Bytes of publishes in `inner` and in the batch that the connection works on.
    bytes: AtomicUsize,
    limit: usize,
    connection: AtomicWaker,
}

#[derive(Debug)]
struct Inner {
    gate: Gate,
    items: VecDeque<Outgoing>,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        let inner = Mutex::new(Inner { gate: Gate::Down, items: VecDeque::new() });
        Self { inner, bytes: AtomicUsize::new(0), limit, connection: AtomicWaker::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn gate(&self) -> Gate {
        self.lock().gate
    }

    /// Whether a publish of about `bytes` would be taken now. Asked before the work of encoding it.
    pub(super) fn admits(&self, bytes: usize) -> Result<(), NotTaken> {
        self.check(self.gate(), bytes)
    }

    fn check(&self, gate: Gate, bytes: usize) -> Result<(), NotTaken> {
        match gate {
            Gate::Down => Err(NotTaken::Down),
            Gate::Closed => Err(NotTaken::Closed),
            Gate::Open => {
                let waiting = self.bytes.load(Ordering::Relaxed);
                // A message larger than the whole queue still goes when nothing else waits.
                if waiting > 0 && waiting.saturating_add(bytes) > self.limit { Err(NotTaken::Full) } else { Ok(()) }
            }
        }
    }

    /// Takes a publish.
    pub(super) fn push(&self, item: Outgoing) -> Result<(), NotTaken> {
        let bytes = item.text.len();
        let mut inner = self.lock();
        self.check(inner.gate, bytes)?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.append(inner.items.is_empty(), &mut inner, item);
        Ok(())
    }

    /// Takes a call of the link's own, whatever the gate says. The caller knows that there is a connection: what no
    /// connection takes is gone with [`clear`](Self::clear).
    pub(super) fn push_own(&self, item: Outgoing) {
        let mut inner = self.lock();
        self.bytes.fetch_add(item.text.len(), Ordering::Relaxed);
        self.append(inner.items.is_empty(), &mut inner, item);
    }

    fn append(&self, first: bool, inner: &mut Inner, item: Outgoing) {
        inner.items.push_back(item);
        // The connection takes everything at once, so only the first after that need tell it.
        if first {
            self.connection.wake();
        }
    }

    /// Everything that waits, in exchange for the empty batch. Its bytes count until [`written`](Self::written).
    pub(super) fn take(&self, batch: &mut VecDeque<Outgoing>) {
        std::mem::swap(&mut self.lock().items, batch);
    }

    pub(super) fn written(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Opens for publishes, unless the owner closed the link.
    pub(super) fn open(&self) {
        let mut inner = self.lock();
        if inner.gate == Gate::Down {
            inner.gate = Gate::Open;
        }
    }

    /// Closes for publishes, and forgets what waits: its receipts say that it is unconfirmed.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        if inner.gate == Gate::Open {
            inner.gate = Gate::Down;
        }
        let forgotten = std::mem::take(&mut inner.items);
        self.bytes.store(0, Ordering::Relaxed);
        drop(inner);
        // Receipts wake their waiters; not under the lock.
        drop(forgotten);
    }

    /// Closes for good. What waits is still the connection's to send. Returns whether this was the first time.
    pub(super) fn shut(&self) -> bool {
        let before = std::mem::replace(&mut self.lock().gate, Gate::Closed);
        self.connection.wake();
        before != Gate::Closed
    }

    /// Wakes the connection, which then looks at everything anew.
    pub(super) fn wake(&self) {
        self.connection.wake();
    }

    /// Who is woken when something comes in. Register first, then take.
    pub(super) fn register(&self, waker: &Waker) {
        self.connection.register(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: usize) -> Outgoing {
        Outgoing { text: "x".repeat(bytes), id: 0, call: Call::Ping }
    }

    #[test]
    fn the_bound_is_on_bytes_until_they_are_written() {
        let queue = Queue::new(10);
        assert_eq!(queue.push(item(1)), Err(NotTaken::Down));
        queue.open();
        assert_eq!(queue.push(item(6)), Ok(()));
        assert_eq!(queue.push(item(5)), Err(NotTaken::Full));
        assert_eq!(queue.push(item(4)), Ok(()));
        let mut batch = VecDeque::new();
        queue.take(&mut batch);
        assert_eq!((batch.len(), queue.push(item(1))), (2, Err(NotTaken::Full)));
        queue.written(6);
        assert_eq!(queue.push(item(1)), Ok(()));
    }

    #[test]
    fn a_message_larger_than_the_queue_goes_alone() {
        let queue = Queue::new(10);
        queue.open();
        assert_eq!(queue.push(item(100)), Ok(()));
        assert_eq!(queue.push(item(1)), Err(NotTaken::Full));
    }

    #[test]
    fn a_shut_queue_stays_shut_and_a_lost_connection_clears_it() {
        let queue = Queue::new(10);
        queue.open();
        queue.push(item(3)).unwrap();
        queue.clear();
        assert_eq!(queue.push(item(1)), Err(NotTaken::Down));
        assert!(queue.shut());
        assert!(!queue.shut());
        queue.open();
        queue.clear();
        assert_eq!(queue.push(item(1)), Err(NotTaken::Closed));
    }
}
