//! What waits for the socket, in the order in which it is written.
//!
//! Control frames and answers go before messages, also between the parts of one, which the protocol allows; but nothing goes
//! into the middle of a frame. All of it is bounded: of control frames the newest counts, requests wait while too many
//! answers do, and messages are prepared only when the socket has taken those before.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::Notify;

/// Answers that may wait; then requests do.
const MOST_ANSWERS: usize = 16;

/// Bytes of messages that may wait; a chunk more than that is taken. As much as the server writes at a time.
const MOST_BYTES: usize = 32 * 1024;

#[derive(Default)]
pub(super) struct Outbox {
    ping: Cell<Option<Bytes>>,
    pong: Cell<Option<Bytes>>,
    close: Cell<Option<Bytes>>,
    is_closed: Cell<bool>,
    answers: RefCell<VecDeque<Bytes>>,
    answers_have_room: Notify,
    chunks: RefCell<VecDeque<Chunk>>,
    chunk_bytes: Cell<usize>,
    /// A frame was begun, and its end has not been written.
    is_amid: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

struct Chunk {
    bytes: Bytes,
    ends_frame: bool,
}

impl Outbox {
    pub(super) fn ping(&self, frame: Bytes) {
        self.ping.set(Some(frame));
        self.wake();
    }

    pub(super) fn pong(&self, frame: Bytes) {
        self.pong.set(Some(frame));
        self.wake();
    }

    /// The last frame. It goes behind the answers, and nothing behind it.
    pub(super) fn close(&self, frame: Bytes) {
        self.close.set(Some(frame));
        self.wake();
    }

    pub(super) fn answer(&self, frame: Bytes) {
        self.answers.borrow_mut().push_back(frame);
        self.wake();
    }

    /// Resolves when one more answer may be given. For one waiter.
    pub(super) async fn room_for_answers(&self) {
        while self.answers.borrow().len() >= MOST_ANSWERS {
            self.answers_have_room.notified().await;
        }
    }

    /// A piece of a frame. Only for whoever is polled when the outbox runs empty, because nobody is woken.
    pub(super) fn chunk(&self, bytes: Bytes, ends_frame: bool) {
        self.chunk_bytes.set(self.chunk_bytes.get() + bytes.len());
        self.chunks.borrow_mut().push_back(Chunk { bytes, ends_frame });
    }

    /// Resolves when the socket has taken most of what there was. As with [`chunk`](Self::chunk), nobody is woken.
    pub(super) async fn room(&self) {
        poll_fn(|_| if self.chunk_bytes.get() < MOST_BYTES { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// What is to be written next.
    pub(super) fn pop(&self) -> Option<Bytes> {
        if self.is_amid.get() {
            return self.pop_chunk();
        }
        if self.is_closed.get() {
            return None;
        }
        if let Some(frame) = self.pong.take().or_else(|| self.ping.take()) {
            return Some(frame);
        }
        if let Some(frame) = self.answers.borrow_mut().pop_front() {
            self.answers_have_room.notify_one();
            return Some(frame);
        }
        if let Some(frame) = self.close.take() {
            self.is_closed.set(true);
            return Some(frame);
        }
        self.pop_chunk()
    }

    fn pop_chunk(&self) -> Option<Bytes> {
        let Chunk { bytes, ends_frame } = self.chunks.borrow_mut().pop_front()?;
        self.chunk_bytes.set(self.chunk_bytes.get() - bytes.len());
        self.is_amid.set(!ends_frame);
        Some(bytes)
    }

    /// Whether the close frame has gone.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Whether anything waits.
    pub(super) fn is_waiting(&self) -> bool {
        let close = self.close.take();
        let closes = close.is_some();
        self.close.set(close);
        closes || self.is_amid.get() || !self.answers.borrow().is_empty() || !self.chunks.borrow().is_empty()
    }

    /// Wakes this task when there is something.
    pub(super) fn register(&self, context: &Context<'_>) {
        let mut reader = self.reader.borrow_mut();
        if !reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
            *reader = Some(context.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(reader) = &*self.reader.borrow() {
            reader.wake_by_ref();
        }
    }
}
