//! What is to be published and has not been confirmed, bounded in bytes of memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::message::{Body, Message};
use crate::subscriber::error::SubscriberError;

/// One publish, and who waits for its count.
pub(crate) struct Publish {
    pub(crate) message: Message,
    pub(crate) told: oneshot::Sender<Result<u64, SubscriberError>>,
    /// Whether a broadcaster may have it.
    pub(crate) sent: bool,
}

/// What a publish has beside its bytes, about.
const PUBLISH_BYTES: usize = 512;

impl Publish {
    fn weight(&self) -> usize {
        weight(&self.message)
    }
}

fn weight(message: &Message) -> usize {
    PUBLISH_BYTES + message.topic.len() + message.body.as_bytes().map_or(0, bytes::Bytes::len)
}

/// Why a publish was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
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

pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    /// Told when something comes in, and when it closes.
    pub(crate) told: Notify,
    room: Notify,
    limit: usize,
    /// Whether what is not confirmed when a connection is lost is sent on the next one. Else it is ambiguous, and
    /// nothing is taken without a connection.
    keeps: bool,
}

struct Inner {
    gate: Gate,
    waiting: VecDeque<Publish>,
    /// Of all that are not confirmed.
    bytes: usize,
}

impl Outbox {
    pub(crate) fn new(limit: usize, keeps: bool) -> Self {
        let inner = Inner { gate: Gate::Down, waiting: VecDeque::new(), bytes: 0 };
        Self { inner: Mutex::new(inner), told: Notify::new(), room: Notify::new(), limit, keeps }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message, if there is room. The receiver hears the count.
    pub(crate) fn push(&self, message: &Message) -> Result<oneshot::Receiver<Result<u64, SubscriberError>>, NotTaken> {
        let bytes = weight(message);
        let mut inner = self.lock();
        match inner.gate {
            Gate::Closed => return Err(NotTaken::Closed),
            Gate::Down if !self.keeps => return Err(NotTaken::Down),
            // One larger than all the room still comes in when nothing else is there.
            _ if inner.bytes > 0 && inner.bytes.saturating_add(bytes) > self.limit => return Err(NotTaken::Full),
            _ => {}
        }
        let (told, count) = oneshot::channel();
        inner.bytes += bytes;
        inner.waiting.push_back(Publish { message: message.clone(), told, sent: false });
        drop(inner);
        self.told.notify_one();
        Ok(count)
    }

    /// Waits for room, and for the count.
    pub(crate) async fn publish(&self, message: &Message) -> Result<u64, SubscriberError> {
        let count = loop {
            let room = self.room.notified();
            match self.push(message) {
                Ok(count) => break count,
                Err(NotTaken::Full) => room.await,
                Err(NotTaken::Closed | NotTaken::Down) => return Err(SubscriberError::Closed),
            }
        };
        count.await.unwrap_or(Err(SubscriberError::Closed))
    }

    pub(crate) fn take(&self) -> Option<Publish> {
        self.lock().waiting.pop_front()
    }

    /// A publish is done, for better or worse.
    pub(crate) fn done(&self, publish: Publish, what: Result<u64, SubscriberError>) {
        let mut inner = self.lock();
        inner.bytes = inner.bytes.saturating_sub(publish.weight());
        drop(inner);
        self.room.notify_waiters();
        // Who does not wait need not be told.
        let _ = publish.told.send(what);
    }

    pub(crate) fn open(&self) {
        let mut inner = self.lock();
        if inner.gate == Gate::Down {
            inner.gate = Gate::Open;
        }
    }

    /// The connection is lost on which these, in this order, are not confirmed.
    pub(crate) fn lost(&self, unconfirmed: impl DoubleEndedIterator<Item = Publish>, reason: &str) {
        let mut inner = self.lock();
        unconfirmed.rev().for_each(|publish| inner.waiting.push_front(publish));
        if inner.gate == Gate::Open {
            inner.gate = Gate::Down;
        }
        if self.keeps {
            return;
        }
        let given_up = std::mem::take(&mut inner.waiting);
        drop(inner);
        given_up.into_iter().for_each(|publish| self.done_without(publish, reason));
    }

    fn done_without(&self, publish: Publish, reason: &str) {
        let what = if publish.sent { SubscriberError::Ambiguous(reason.to_owned()) } else { SubscriberError::Closed };
        self.done(publish, Err(what));
    }

    /// Takes nothing more. What waits is still to be sent.
    pub(crate) fn shut(&self) {
        self.lock().gate = Gate::Closed;
        self.told.notify_one();
        self.room.notify_waiters();
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.lock().gate == Gate::Closed
    }

    /// Whether everything is confirmed.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().bytes == 0
    }

    /// There will be no connection any more.
    pub(crate) fn abandon(&self) {
        let mut inner = self.lock();
        inner.gate = Gate::Closed;
        let given_up = std::mem::take(&mut inner.waiting);
        drop(inner);
        given_up.into_iter().for_each(|publish| self.done_without(publish, "the subscriber was closed"));
        self.room.notify_waiters();
    }
}

/// The body that is kept while it is sent.
pub(crate) fn is_small(body: &Body, most: usize) -> bool {
    usize::try_from(body.len()).is_ok_and(|length| length <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Message {
        Message::new(b"t", vec![0; length].into())
    }

    #[tokio::test]
    async fn what_is_not_confirmed_takes_its_room_and_is_sent_again_in_order() {
        let outbox = Outbox::new(3 * (PUBLISH_BYTES + 1 + 10), true);
        let counts: Vec<_> = (0..3).map(|_| outbox.push(&message(10)).unwrap()).collect();
        assert_eq!(outbox.push(&message(10)).err(), Some(NotTaken::Full));
        let (mut first, second) = (outbox.take().unwrap(), outbox.take().unwrap());
        first.sent = true;
        assert_eq!(outbox.push(&message(10)).err(), Some(NotTaken::Full));
        outbox.lost([first, second].into_iter(), "cut");
        let first = outbox.take().unwrap();
        assert!(first.sent);
        outbox.done(first, Ok(7));
        assert!(outbox.push(&message(10)).is_ok());
        outbox.abandon();
        let mut told = Vec::new();
        for count in counts {
            told.push(count.await.unwrap().ok());
        }
        assert_eq!(told, [Some(7), None, None]);
        assert!(outbox.is_empty() && outbox.push(&message(1)).err() == Some(NotTaken::Closed));
    }

    #[tokio::test]
    async fn where_nothing_is_kept_a_lost_connection_settles_all_and_nothing_is_taken_without_one() {
        let outbox = Outbox::new(1, false);
        assert_eq!(outbox.push(&message(10)).err(), Some(NotTaken::Down));
        outbox.open();
        let count = outbox.push(&message(10)).unwrap();
        let mut publish = outbox.take().unwrap();
        publish.sent = true;
        outbox.lost([publish].into_iter(), "cut");
        assert!(matches!(count.await.unwrap(), Err(SubscriberError::Ambiguous(_))));
        assert_eq!(outbox.push(&message(10)).err(), Some(NotTaken::Down));
    }
}
