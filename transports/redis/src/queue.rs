//! Messages on their way out, bounded in bytes until their answers have come.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use eventhive_transport::{Delivery, LinkError, Receipt, Refused, RefusedReason, Topic};
use tokio::sync::{Notify, oneshot};

/// What an empty message costs beside its bytes: its place in the queue, its receipt, and its command's frame.
const OVERHEAD: usize = 256;

/// One message. Dropping it settles its receipt as unconfirmed.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) topic: Topic,
    pub(crate) payload: Bytes,
    receipt: oneshot::Sender<Result<Delivery, LinkError>>,
}

impl Item {
    pub(crate) fn cost(&self) -> usize {
        cost(&self.topic, &self.payload)
    }

    pub(crate) fn settle(self, result: Result<Delivery, LinkError>) {
        // Nobody needs to wait for a receipt.
        let _ = self.receipt.send(result);
    }
}

fn cost(topic: &Topic, payload: &Bytes) -> usize {
    OVERHEAD + topic.as_bytes().len() + payload.len()
}

/// The queue between [`publish`](eventhive_transport::Link::publish), on any thread, and the session's task.
#[derive(Debug)]
pub(crate) struct SendQueue {
    inner: Mutex<Inner>,
    filled: Notify,
    most_bytes: usize,
    largest: usize,
}

#[derive(Debug)]
struct Inner {
    gate: Gate,
    items: VecDeque<Item>,
    /// Of what waits and of what is on the wire without an answer.
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Down,
    Open,
    Closed,
}

impl SendQueue {
    /// A queue that takes nothing yet. The largest payload always fits, whatever the bound.
    pub(crate) fn new(most_bytes: usize, largest: usize) -> Self {
        let inner = Inner { gate: Gate::Down, items: VecDeque::new(), bytes: 0 };
        Self { inner: Mutex::new(inner), filled: Notify::new(), most_bytes, largest }
    }

    pub(crate) fn push(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        let cost = cost(&topic, &payload);
        let mut inner = self.lock();
        let reason = match inner.gate {
            Gate::Closed => RefusedReason::Closed,
            _ if payload.len() > self.largest => RefusedReason::TooLarge { size: payload.len(), largest: self.largest },
            Gate::Down => RefusedReason::Down,
            Gate::Open if inner.bytes > 0 && inner.bytes + cost > self.most_bytes => RefusedReason::Full,
            Gate::Open => {
                let (sender, receipt) = Receipt::pending();
                inner.items.push_back(Item { topic, payload, receipt: sender });
                inner.bytes += cost;
                let first = inner.items.len() == 1;
                drop(inner);
                if first {
                    self.filled.notify_one();
                }
                return Ok(receipt);
            }
        };
        Err(Refused { topic, payload, reason })
    }

    /// Resolves when something waits. For one task.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes what waits, oldest first, at most so many bytes but at least one message. Their bytes stay counted.
    pub(crate) fn take(&self, most_items: usize, most_bytes: usize) -> Vec<Item> {
        let mut inner = self.lock();
        let sums = inner.items.iter().take(most_items).scan(0, |sum, item| {
            *sum += item.cost();
            Some(*sum)
        });
        let count = sums.take_while(|bytes| *bytes <= most_bytes).count();
        let count = count.max(1).min(inner.items.len());
        inner.items.drain(..count).collect()
    }

    /// The answers for this many bytes have come.
    pub(crate) fn release(&self, bytes: usize) {
        let mut inner = self.lock();
        inner.bytes = inner.bytes.saturating_sub(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// The link is up.
    pub(crate) fn open(&self) {
        let mut inner = self.lock();
        if inner.gate == Gate::Down {
            inner.gate = Gate::Open;
        }
    }

    /// The link is down, and nothing is on the wire any more: what waits can no longer be sent under the receipts given.
    pub(crate) fn shut(&self) {
        let mut inner = self.lock();
        if inner.gate == Gate::Open {
            inner.gate = Gate::Down;
        }
        inner.bytes = 0;
        let lost = std::mem::take(&mut inner.items);
        drop(inner);
        drop(lost);
    }

    /// Takes nothing more, for good. What waits stays, to be flushed.
    pub(crate) fn close(&self) {
        self.lock().gate = Gate::Closed;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &SendQueue, bytes: usize) -> Result<Receipt, RefusedReason> {
        queue.push("t".into(), Bytes::from(vec![0; bytes])).map_err(|refused| refused.reason)
    }

    #[test]
    fn the_bound_holds_until_the_answers_have_come() {
        let queue = SendQueue::new(1000, 900);
        assert_eq!(push(&queue, 1).unwrap_err(), RefusedReason::Down);
        queue.open();
        push(&queue, 300).unwrap();
        assert_eq!(push(&queue, 700).unwrap_err(), RefusedReason::Full);
        assert_eq!(push(&queue, 901).unwrap_err(), RefusedReason::TooLarge { size: 901, largest: 900 });
        let taken = queue.take(10, 10);
        assert_eq!(taken.len(), 1, "one at least, whatever its size");
        assert_eq!(push(&queue, 700).unwrap_err(), RefusedReason::Full, "taken is not answered");
        queue.release(taken[0].cost());
        push(&queue, 900).unwrap();
        queue.close();
        assert_eq!(push(&queue, 1).unwrap_err(), RefusedReason::Closed);
        assert!(!queue.is_empty(), "what was accepted stays to be flushed");
    }

    #[test]
    fn batches_are_bounded_by_number_and_by_bytes() {
        let queue = SendQueue::new(1 << 20, 1 << 20);
        queue.open();
        (0..10).for_each(|_| drop(push(&queue, 744).unwrap()));
        assert_eq!(queue.take(3, 1 << 20).len(), 3);
        assert_eq!(queue.take(10, 2100).len(), 2);
        assert_eq!(queue.take(10, 1 << 20).len(), 5);
        assert!(queue.take(10, 1 << 20).is_empty());
    }

    #[tokio::test]
    async fn going_down_settles_what_waits() {
        let queue = SendQueue::new(1000, 900);
        queue.open();
        let receipt = push(&queue, 10).unwrap();
        queue.shut();
        assert_eq!(receipt.await, Err(LinkError::Unconfirmed));
        queue.open();
        push(&queue, 900).unwrap();
    }
}
