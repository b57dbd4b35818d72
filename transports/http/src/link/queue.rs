//! What waits to be published, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eventhive_transport::{Delivery, LinkError};
use tokio::sync::{Notify, oneshot};

/// Told what became of a publish.
pub(super) type Settle = oneshot::Sender<Result<Delivery, LinkError>>;

/// One publish, and who waits for the answer.
pub(super) struct Item {
    pub(super) target: String,
    pub(super) body: String,
    pub(super) settle: Settle,
}

/// What a request has beside its target and body, about.
const REQUEST_BYTES: usize = 200;

impl Item {
    pub(super) const fn weight(&self) -> usize {
        self.target.len() + self.body.len() + REQUEST_BYTES
    }
}

/// Why a publish was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    Down,
    Full,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Down,
    Open,
    Closed,
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Told when something comes in, and when the gate closes.
    told: Notify,
    limit: usize,
}

struct Inner {
    gate: Gate,
    items: VecDeque<Item>,
    /// Of the items, and of those taken that are not yet written.
    bytes: usize,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        let inner = Inner { gate: Gate::Down, items: VecDeque::new(), bytes: 0 };
        Self { inner: Mutex::new(inner), told: Notify::new(), limit }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request of this size would be taken now. Asked before the work of making it.
    pub(super) fn admits(&self, bytes: usize) -> Result<(), NotTaken> {
        self.check(&self.lock(), bytes)
    }

    fn check(&self, inner: &Inner, bytes: usize) -> Result<(), NotTaken> {
        match inner.gate {
            Gate::Down => Err(NotTaken::Down),
            Gate::Closed => Err(NotTaken::Closed),
            // One larger than the whole queue still goes when nothing else waits.
            Gate::Open if inner.bytes > 0 && inner.bytes.saturating_add(bytes) > self.limit => Err(NotTaken::Full),
            Gate::Open => Ok(()),
        }
    }

    pub(super) fn push(&self, item: Item) -> Result<(), NotTaken> {
        let mut inner = self.lock();
        self.check(&inner, item.weight())?;
        inner.bytes += item.weight();
        inner.items.push_back(item);
        drop(inner);
        self.told.notify_one();
        Ok(())
    }

    /// Takes items up to this number and weight, one at least; `None` when there are none and none will come. Waits for the
    /// first.
    pub(super) async fn take(&self, most: usize, weight: usize) -> Option<Vec<Item>> {
        loop {
            let told = self.told.notified();
            {
                let mut inner = self.lock();
                if !inner.items.is_empty() {
                    let mut sum = 0;
                    let fits = |item: &&Item| {
                        sum += item.weight();
                        sum <= weight
                    };
                    let count = inner.items.iter().take(most).take_while(fits).count().max(1);
                    return Some(inner.items.drain(..count).collect());
                }
                if inner.gate == Gate::Closed {
                    return None;
                }
            }
            told.await;
        }
    }

    /// Items that were taken are written.
    pub(super) fn written(&self, bytes: usize) {
        let mut inner = self.lock();
        inner.bytes = inner.bytes.saturating_sub(bytes);
    }

    /// Opens, unless the owner has closed the link.
    pub(super) fn open(&self) {
        let mut inner = self.lock();
        if inner.gate == Gate::Down {
            inner.gate = Gate::Open;
        }
    }

    /// Closes for now and forgets what waits: its receipts say that it is unconfirmed.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        if inner.gate == Gate::Open {
            inner.gate = Gate::Down;
        }
        let forgotten = std::mem::take(&mut inner.items);
        inner.bytes = 0;
        drop(inner);
        // Receipts wake their waiters; not under the lock.
        drop(forgotten);
    }

    /// Closes for good. What waits is still to be sent.
    pub(super) fn shut(&self) {
        self.lock().gate = Gate::Closed;
        self.told.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(weight: usize) -> Item {
        Item { target: String::new(), body: "x".repeat(weight - REQUEST_BYTES), settle: oneshot::channel().0 }
    }

    #[tokio::test]
    async fn the_bound_is_on_bytes_until_they_are_written() {
        let queue = Queue::new(1000);
        assert_eq!(queue.push(item(300)), Err(NotTaken::Down));
        queue.open();
        assert_eq!(queue.push(item(600)), Ok(()));
        assert_eq!((queue.push(item(500)), queue.push(item(400))), (Err(NotTaken::Full), Ok(())));
        assert_eq!(queue.take(10, 1000).await.unwrap().len(), 2);
        assert_eq!(queue.push(item(300)), Err(NotTaken::Full));
        queue.written(1000);
        assert_eq!(queue.push(item(5000)), Ok(()));
        queue.clear();
        assert_eq!(queue.push(item(300)), Err(NotTaken::Down));
    }

    #[tokio::test]
    async fn as_much_is_taken_as_fits_and_one_at_least() {
        let queue = Queue::new(10_000);
        queue.open();
        for weight in [300, 300, 300, 2000, 300] {
            queue.push(item(weight)).unwrap();
        }
        assert_eq!(queue.take(2, 1000).await.unwrap().len(), 2);
        assert_eq!(queue.take(9, 1000).await.unwrap().len(), 1);
        assert_eq!(queue.take(9, 1000).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_shut_queue_gives_out_what_waits_and_then_its_end() {
        let queue = Queue::new(1000);
        queue.open();
        queue.push(item(300)).unwrap();
        queue.shut();
        queue.open();
        assert_eq!(queue.push(item(300)), Err(NotTaken::Closed));
        assert_eq!(queue.take(10, 1000).await.unwrap().len(), 1);
        assert!(queue.take(10, 1000).await.is_none());
    }
}
