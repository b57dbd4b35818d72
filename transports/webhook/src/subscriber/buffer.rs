//! What waits for the user of a subscription, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::table::Consumer;
use crate::message::Message;

/// What becomes of a message that no longer fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The oldest go until it fits.
    #[default]
    DropOldest,
    /// It goes itself.
    DropNewest,
    /// The subscription ends, behind what waits.
    End,
}

/// What a subscription gives.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message.
    Message(Message),
    /// Messages may have been missed between what came before this and what comes after.
    Gap,
}

/// What a message has beside its bytes, about.
const MESSAGE_BYTES: u64 = 256;

#[derive(Debug)]
pub(crate) struct Buffer {
    inner: Mutex<Inner>,
    limit: u64,
    when_full: WhenFull,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    bytes: u64,
    dropped: u64,
    ended: bool,
    waker: Option<Waker>,
}

fn weight(event: &Event) -> u64 {
    match event {
        Event::Message(message) => message.body.len().saturating_add(message.topic.len() as u64 + MESSAGE_BYTES),
        Event::Gap => 0,
    }
}

impl Buffer {
    pub(crate) fn new(limit: u64, when_full: WhenFull) -> Self {
        Self { inner: Mutex::default(), limit, when_full }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut inner = self.lock();
        if let Some(event) = inner.events.pop_front() {
            inner.bytes -= weight(&event);
            return Poll::Ready(Some(event));
        }
        if inner.ended {
            return Poll::Ready(None);
        }
        inner.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Inner {
    /// Two gaps with nothing between are one.
    fn gap_last(&mut self) {
        if !matches!(self.events.back(), Some(Event::Gap)) {
            self.events.push_back(Event::Gap);
        }
    }

    fn drop_oldest(&mut self) {
        let gap = matches!(self.events.front(), Some(Event::Gap));
        if gap {
            self.events.pop_front();
        }
        if let Some(oldest) = self.events.pop_front() {
            self.bytes -= weight(&oldest);
            self.dropped += 1;
        }
        if !matches!(self.events.front(), Some(Event::Gap)) {
            self.events.push_front(Event::Gap);
        }
    }
}

impl Consumer for Buffer {
    fn deliver(&self, message: &Message) {
        let event = Event::Message(message.clone());
        let bytes = weight(&event);
        let mut inner = self.lock();
        // One larger than the whole still comes in when nothing else waits.
        while !inner.ended && inner.bytes > 0 && inner.bytes.saturating_add(bytes) > self.limit {
            match self.when_full {
                WhenFull::DropOldest => inner.drop_oldest(),
                WhenFull::DropNewest => {
                    inner.dropped += 1;
                    return inner.gap_last();
                }
                WhenFull::End => {
                    inner.dropped += 1;
                    inner.ended = true;
                }
            }
        }
        if inner.ended {
            return;
        }
        inner.bytes = inner.bytes.saturating_add(bytes);
        inner.events.push_back(event);
        let waker = inner.waker.take();
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
    }

    fn gap(&self) {
        let mut inner = self.lock();
        if inner.ended {
            return;
        }
        inner.gap_last();
        let waker = inner.waker.take();
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
    }

    fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        let waker = inner.waker.take();
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `12`, with `-` for a gap and `.` for the end.
    fn told(buffer: &Buffer) -> String {
        let mut context = Context::from_waker(Waker::noop());
        let mut told = String::new();
        while let Poll::Ready(event) = buffer.poll(&mut context) {
            match event {
                Some(Event::Message(message)) => told.push_str(str::from_utf8(&message.topic).unwrap()),
                Some(Event::Gap) => told.push('-'),
                None => return told + ".",
            }
        }
        told
    }

    fn filled(when_full: WhenFull) -> Buffer {
        let buffer = Buffer::new(3 * (MESSAGE_BYTES + 11), when_full);
        for topic in ["1", "2", "3", "4", "5"] {
            buffer.deliver(&Message::new(topic.as_bytes(), b"0123456789"[..].into()));
        }
        buffer
    }

    #[test]
    fn a_full_buffer_does_as_its_policy_says_counts_it_and_tells_where_something_is_missing() {
        let drop_oldest = filled(WhenFull::DropOldest);
        assert_eq!((told(&drop_oldest).as_str(), drop_oldest.dropped()), ("-345", 2));
        let drop_newest = filled(WhenFull::DropNewest);
        assert_eq!((told(&drop_newest).as_str(), drop_newest.dropped()), ("123-", 2));
        let end = filled(WhenFull::End);
        assert_eq!((told(&end).as_str(), end.dropped()), ("123.", 1));
    }

    #[test]
    fn one_message_larger_than_all_the_room_still_comes_in_and_gaps_are_told_once() {
        let buffer = Buffer::new(1, WhenFull::DropNewest);
        buffer.gap();
        buffer.gap();
        buffer.deliver(&Message::new(b"1", b"0123456789"[..].into()));
        buffer.gap();
        assert_eq!(told(&buffer), "-1-");
    }
}
