//! What is to be published and has not been confirmed, bounded in bytes of memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::error::SubscriberError;
use crate::message::Message;

/// One publish, and who waits for its count.
pub(crate) struct Publish {
    pub(crate) message: Message,
    pub(crate) told: Told,
    /// Whether a broadcaster may have it.
    pub(crate) sent: bool,
}

/// Hears what came of a publish.
pub(crate) type Told = Box<dyn FnOnce(Result<u64, SubscriberError>) + Send + Sync>;

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

    /// Whether a message would be taken now. Asked before the work of making it.
    pub(crate) fn admits(&self, bytes: usize) -> Result<(), NotTaken> {
        self.check(&self.lock(), bytes.saturating_add(PUBLISH_BYTES))
    }

    fn check(&self, inner: &Inner, bytes: usize) -> Result<(), NotTaken> {
        match inner.gate {
            Gate::Closed => Err(NotTaken::Closed),
            Gate::Down if !self.keeps => Err(NotTaken::Down),
            // One larger than all the room still comes in when nothing else is there.
            _ if inner.bytes > 0 && inner.bytes.saturating_add(bytes) > self.limit => Err(NotTaken::Full),
            _ => Ok(()),
        }
    }

    /// Takes a message, if there is room. `told` hears the count.
    pub(crate) fn push(&self, message: Message, told: Told) -> Result<(), NotTaken> {
        let bytes = weight(&message);
        let mut inner = self.lock();
        self.check(&inner, bytes)?;
        inner.bytes += bytes;
        inner.waiting.push_back(Publish { message, told, sent: false });
        drop(inner);
        self.told.notify_one();
        Ok(())
    }

    /// Waits for room, and for the count.
    pub(crate) async fn publish(&self, message: &Message) -> Result<u64, SubscriberError> {
        let count = loop {
            let room = self.room.notified();
            let (told, count) = oneshot::channel();
            // Who no longer waits need not be told.
            let told = Box::new(|what| _ = told.send(what));
            match self.push(message.clone(), told) {
                Ok(()) => break count,
                Err(NotTaken::Full) => room.await,
                Err(NotTaken::Closed | NotTaken::Down) => return Err(SubscriberError::Closed),
            }
        };
        count.await.unwrap_or(Err(SubscriberError::Closed))
    }

    pub(crate) fn take(&self) -> Option<Publish> {
        self.lock().waiting.pop_front()
    }

    /// What was taken comes first again.
    pub(crate) fn put_back(&self, publish: Publish) {
        self.lock().waiting.push_front(publish);
    }

    /// A publish is done, for better or worse.
    pub(crate) fn done(&self, publish: Publish, what: Result<u64, SubscriberError>) {
        let mut inner = self.lock();
        inner.bytes = inner.bytes.saturating_sub(publish.weight());
        drop(inner);
        self.room.notify_waiters();
        (publish.told)(what);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes a message of as many bytes.
    fn push(outbox: &Outbox, length: usize) -> Result<oneshot::Receiver<Result<u64, SubscriberError>>, NotTaken> {
        let (told, count) = oneshot::channel();
        let message = Message::new(b"t", vec![0; length].into());
        outbox.push(message, Box::new(|what| _ = told.send(what))).map(|()| count)
    }

    #[tokio::test]
    async fn what_is_not_confirmed_takes_its_room_and_is_sent_again_in_order() {
        let outbox = Outbox::new(3 * (PUBLISH_BYTES + 1 + 10), true);
        let counts: Vec<_> = (0..3).map(|_| push(&outbox, 10).unwrap()).collect();
        assert_eq!(push(&outbox, 10).err(), Some(NotTaken::Full));
        let (mut first, second) = (outbox.take().unwrap(), outbox.take().unwrap());
        first.sent = true;
        assert_eq!(push(&outbox, 10).err(), Some(NotTaken::Full));
        outbox.lost([first, second].into_iter(), "cut");
        let first = outbox.take().unwrap();
        assert!(first.sent);
        outbox.done(first, Ok(7));
        assert!(push(&outbox, 10).is_ok());
        outbox.abandon();
        let mut told = Vec::new();
        for count in counts {
            told.push(count.await.unwrap().ok());
        }
        assert_eq!(told, [Some(7), None, None]);
        assert!(outbox.is_empty() && push(&outbox, 1).err() == Some(NotTaken::Closed));
    }

    #[tokio::test]
    async fn where_nothing_is_kept_a_lost_connection_settles_all_and_nothing_is_taken_without_one() {
        let outbox = Outbox::new(1, false);
        assert_eq!(push(&outbox, 10).err(), Some(NotTaken::Down));
        outbox.open();
        let count = push(&outbox, 10).unwrap();
        let mut publish = outbox.take().unwrap();
        publish.sent = true;
        outbox.lost([publish].into_iter(), "cut");
        assert!(matches!(count.await.unwrap(), Err(SubscriberError::Ambiguous(_))));
        assert_eq!(push(&outbox, 10).err(), Some(NotTaken::Down));
    }
}
