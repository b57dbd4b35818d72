//! Messages of a subscriber that wait to be handled, in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::Notify;

/// A message that came.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    /// The value of the S2B counter, if the message takes one.
    pub(super) counter: Option<i64>,
}

/// Bytes that may wait; a message more than that is taken. Then the subscriber is read no further.
const MOST_BYTES: usize = 1 << 20;

/// How many times as many messages as should may wait before an acknowledgement.
const STUFFED: usize = 16;

/// Messages that wait for one who handles them.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: RefCell<VecDeque<Received>>,
    bytes: Cell<usize>,
    came: Notify,
    has_room: Notify,
    ended: Cell<bool>,
}

impl Inbox {
    /// Whether it should be left alone until [less](Self::less) waits.
    pub(super) fn is_full(&self, most: usize) -> bool {
        !self.ended.get() && (self.bytes.get() >= MOST_BYTES || self.waiting.borrow().len() >= most)
    }

    pub(super) fn push(&self, received: Received) {
        if self.ended.get() {
            return;
        }
        self.bytes.set(self.bytes.get() + received.bytes.len());
        self.waiting.borrow_mut().push_back(received);
        self.came.notify_one();
    }

    /// Whether it should be left alone although acknowledgements may be behind what comes next: as much waits as one message
    /// may have, or sixteen times as many as should.
    pub(super) fn is_stuffed(&self, most: usize, most_bytes: usize) -> bool {
        let is_many = self.waiting.borrow().len() >= most.saturating_mul(STUFFED);
        !self.ended.get() && (self.bytes.get() >= most_bytes.max(MOST_BYTES) || is_many)
    }

    /// Resolves when less waits than before. For one waiter.
    pub(super) async fn less(&self) {
        self.has_room.notified().await;
    }

    /// The next message; `None` when no more is to be handled.
    pub(super) async fn next(&self) -> Option<Received> {
        loop {
            if self.ended.get() {
                return None;
            }
            let next = self.waiting.borrow_mut().pop_front();
            if let Some(next) = next {
                self.bytes.set(self.bytes.get() - next.bytes.len());
                self.has_room.notify_one();
                return Some(next);
            }
            self.came.notified().await;
        }
    }

    /// No more is to be handled.
    pub(super) fn end(&self) {
        self.ended.set(true);
        self.waiting.borrow_mut().clear();
        self.came.notify_one();
        self.has_room.notify_one();
    }
}
