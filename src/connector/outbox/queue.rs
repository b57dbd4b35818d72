//! The order of an outbox: what waits, what is under way, and the bound in bytes.

use std::collections::VecDeque;

use bytes::Bytes;
use eventhive_transport::{Overflow, Topic};

use super::super::pending::Fate;
use super::perishing::Perishing;
use super::segment::{Place, Places};
use super::{Next, Outgoing, Pushed};

/// What an event costs beside its bytes: its entry here, and its head on disk.
pub(super) const ENTRY_BYTES: usize = 128;

/// What an outbox on disk keeps in memory of the events themselves: enough that what is sent at once is never read back.
pub(super) const MEMORY_BYTES: usize = 4 << 20;

/// What is read back from the disk at once.
const LOAD_BYTES: usize = 256 << 10;

fn size_of(event: &Outgoing) -> usize {
    (event.topic.as_bytes().len() + event.message.len()).saturating_add(ENTRY_BYTES)
}

pub(super) struct Queue {
    /// In the order of their numbers.
    waiting: VecDeque<Entry>,
    /// Numbers of the events that were popped and are neither finished nor put back, in order.
    under_way: VecDeque<u64>,
    /// Of what waits.
    bytes: usize,
    /// Of what waits in memory.
    here: usize,
    limit: usize,
    memory: usize,
    overflow: Overflow,
    perishing: Perishing,
    /// Events that were removed because nobody waited for them any more.
    expired: u64,
    next: u64,
    closed: bool,
}

/// An event that waits.
pub(super) struct Entry {
    number: u64,
    size: usize,
    body: Body,
}

pub(super) enum Body {
    Here(Topic, Bytes, Option<Fate>),
    OnDisk(Place),
}

impl Queue {
    pub(super) fn new(limit: usize, overflow: Overflow, memory: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            under_way: VecDeque::new(),
            bytes: 0,
            here: 0,
            limit,
            memory,
            overflow,
            perishing: Perishing::default(),
            expired: 0,
            next: 0,
            closed: false,
        }
    }

    /// Takes over what an earlier process left, whatever the limit.
    pub(super) fn restore(&mut self, next: u64, events: Places) {
        self.next = next;
        for (number, place) in events {
            let size = place.length.saturating_add(ENTRY_BYTES);
            self.bytes = self.bytes.saturating_add(size);
            self.waiting.push_back(Entry { number, size, body: Body::OnDisk(place) });
        }
    }

    /// Why an event is not taken, if it is not. One that is larger than the limit may wait alone: refusing it for ever
    /// would lose it. What nobody waits for any more makes room first.
    pub(super) fn refusal(&mut self, event: &Outgoing) -> Option<Pushed> {
        if self.closed {
            return Some(Pushed::Closed);
        }
        if self.is_over(size_of(event)) && self.perishing.is_due() {
            self.sweep();
        }
        let full = !self.waiting.is_empty() && self.is_over(size_of(event));
        (full && self.overflow != Overflow::DropOldest).then_some(Pushed::Full)
    }

    pub(super) const fn next_number(&self) -> u64 {
        self.next
    }

    /// Takes an event that was not refused, with its place on disk if it has one. Gives how many older ones went for it.
    pub(super) fn push(&mut self, event: Outgoing, place: Option<Place>) -> usize {
        let (number, size) = (event.number, size_of(&event));
        let mut dropped = 0;
        while self.is_over(size) && self.take().is_some() {
            dropped += 1;
        }
        let body = match place {
            Some(place) if self.here.saturating_add(size) > self.memory => Body::OnDisk(place),
            _ => Body::Here(event.topic, event.message, event.fate),
        };
        self.next = number + 1;
        self.count(&body, size);
        self.waiting.push_back(Entry { number, size, body });
        dropped
    }

    fn sweep(&mut self) {
        self.perishing.begin();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|entry| {
            let Body::Here(_, _, Some(fate)) = &mut entry.body else { return true };
            if !fate.is_moot() {
                self.perishing.look_again(fate);
                return true;
            }
            fate.expire();
            self.expired += 1;
            self.uncount(entry);
            false
        });
        self.waiting = waiting;
    }

    pub(super) fn pop(&mut self) -> Next {
        match self.waiting.front().map(|entry| &entry.body) {
            None => return Next::Nothing,
            Some(Body::OnDisk(_)) => return Next::OnDisk,
            Some(Body::Here(..)) => {}
        }
        let Some(Entry { number, body: Body::Here(topic, message, fate), .. }) = self.take() else {
            return Next::Nothing;
        };
        let at = self.under_way.partition_point(|other| *other < number);
        self.under_way.insert(at, number);
        Next::Event(Outgoing { number, topic, message, fate })
    }

    /// Puts an event that was popped where it was.
    pub(super) fn put_back(&mut self, event: Outgoing) {
        let (number, size) = (event.number, size_of(&event));
        self.finish(number);
        self.perishing.came_back();
        let body = Body::Here(event.topic, event.message, event.fate);
        self.count(&body, size);
        let at = self.waiting.partition_point(|other| other.number < number);
        self.waiting.insert(at, Entry { number, size, body });
    }

    pub(super) fn finish(&mut self, number: u64) {
        if let Ok(at) = self.under_way.binary_search(&number) {
            self.under_way.remove(at);
        }
    }

    /// The next events that are not in memory, up to [`LOAD_BYTES`] and at least one.
    pub(super) fn unread(&self) -> Places {
        let mut bytes = 0;
        let mut unread = Vec::new();
        for entry in &self.waiting {
            let Body::OnDisk(place) = entry.body else { break };
            unread.push((entry.number, place));
            bytes += place.length;
            if bytes >= LOAD_BYTES {
                break;
            }
        }
        unread
    }

    /// An event was read; it may have been dropped meanwhile.
    pub(super) fn loaded(&mut self, number: u64, topic: Topic, message: Bytes) {
        let Some(entry) = self.position(number).and_then(|at| self.waiting.get_mut(at)) else { return };
        if let Body::OnDisk(_) = entry.body {
            self.here = self.here.saturating_add(entry.size);
            entry.body = Body::Here(topic, message, None);
        }
    }

    /// Removes an event that waits; false if it does not.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let removed = self.position(number).and_then(|at| self.waiting.remove(at));
        removed.is_some_and(|entry| {
            self.uncount(&entry);
            true
        })
    }

    /// Every event below this number is done with.
    pub(super) fn done(&self) -> u64 {
        let waiting = self.waiting.front().map_or(self.next, |entry| entry.number);
        self.under_way.front().map_or(waiting, |under_way| waiting.min(*under_way))
    }

    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    pub(super) const fn expired(&self) -> u64 {
        self.expired
    }

    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn unsettled(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    const fn is_over(&self, size: usize) -> bool {
        self.bytes.saturating_add(size) > self.limit
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    fn take(&mut self) -> Option<Entry> {
        let entry = self.waiting.pop_front()?;
        self.uncount(&entry);
        Some(entry)
    }

    fn count(&mut self, body: &Body, size: usize) {
        self.bytes = self.bytes.saturating_add(size);
        if let Body::Here(_, _, fate) = body {
            self.here = self.here.saturating_add(size);
            fate.iter().for_each(|fate| self.perishing.add(fate));
        }
    }

    fn uncount(&mut self, entry: &Entry) {
        self.bytes = self.bytes.saturating_sub(entry.size);
        if let Body::Here(_, _, fate) = &entry.body {
            self.here = self.here.saturating_sub(entry.size);
            fate.iter().for_each(|_| self.perishing.remove());
        }
    }
}
