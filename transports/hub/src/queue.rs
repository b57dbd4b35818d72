//! A session's queue: what waits for its socket, bounded in bytes. It lives on one thread.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use eventhive_transport::Overflow;

use crate::lane::Lane;
use crate::message::ENTRY_BYTES;
use crate::outgoing::Outbound;
use crate::{Drops, Message, SendError, SessionId, SessionSettings, Tracker};

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// Its door closed it.
    Closed,
    /// It did not take its events in time.
    SlowConsumer,
    /// The hub closes.
    HubClosing,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::SlowConsumer => "too slow a consumer",
            Self::HubClosing => "the hub closes",
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Takes nothing more; what waits is still to be read.
    Finishing(Ended),
    /// Nothing waits any more.
    Over(Ended),
}

enum Entry {
    Event { message: Arc<Message>, tracker: Option<Tracker>, copies: u32 },
    Own(Bytes),
}

/// What became of an event that was offered.
pub(crate) enum Offer {
    /// It waits; the reader is to be woken, if it sleeps.
    Queued(Option<Waker>),
    /// There is no room.
    Full,
    /// The session has ended.
    Over,
}

pub(crate) struct Queue {
    pub(crate) id: SessionId,
    /// The session's place in the hub's index.
    pub(crate) key: u32,
    /// Its place in the worker's table.
    pub(crate) slot: usize,
    /// Whether those two places are still its own.
    pub(crate) registered: Cell<bool>,
    pub(crate) overflow: Overflow,
    pub(crate) longest_block: Duration,
    bound: usize,
    lane: Arc<Lane>,
    state: RefCell<State>,
}

struct State {
    entries: VecDeque<Entry>,
    event_bytes: usize,
    own_bytes: usize,
    /// Items taken so far: how a watchdog sees progress.
    taken: u64,
    /// The same when it was last empty.
    taken_before: u64,
    phase: Phase,
    reader: Option<Waker>,
    room: Vec<Waker>,
    /// Whether the reader has had its turn since the queue last ran full.
    spared: bool,
    drops: Drops,
}

/// Entries for which an idle session keeps room: 640 B.
const KEPT_CAPACITY: usize = 16;

/// Entries for which a busy session keeps room between its bursts: 20 KB.
const KEPT_WHILE_BUSY: usize = 512;

impl Queue {
    pub(crate) fn new(id: SessionId, key: u32, slot: usize, lane: Arc<Lane>, settings: &SessionSettings) -> Self {
        let state = State {
            entries: VecDeque::new(),
            event_bytes: 0,
            own_bytes: 0,
            taken: 0,
            taken_before: 0,
            phase: Phase::Open,
            reader: None,
            room: Vec::new(),
            spared: false,
            drops: Drops::default(),
        };
        Self {
            id,
            key,
            slot,
            registered: Cell::new(true),
            overflow: settings.overflow,
            longest_block: settings.longest_block,
            bound: settings.queue_bytes,
            lane,
            state: RefCell::new(state),
        }
    }

    /// Queues an event if there is room for it.
    pub(crate) fn offer(&self, message: &Arc<Message>, tracker: Option<&Tracker>, copies: u32) -> Offer {
        let mut state = self.state.borrow_mut();
        let weight = message.weight().saturating_mul(copies as usize);
        if state.phase != Phase::Open {
            return Offer::Over;
        }
        if !state.fits(weight, self.bound) {
            return Offer::Full;
        }
        state.event_bytes += weight;
        state.entries.push_back(Entry::Event { message: Arc::clone(message), tracker: tracker.cloned(), copies });
        self.lane.counters.queued(weight);
        Offer::Queued(state.reader.take())
    }

    /// Queues a frame of the door's own.
    pub(crate) fn push_own(&self, frame: Bytes) -> Result<Option<Waker>, SendError> {
        let mut state = self.state.borrow_mut();
        if let Some(why) = state.ended() {
            return Err(SendError::Ended(why));
        }
        let weight = ENTRY_BYTES + frame.len();
        if state.own_bytes != 0 && state.own_bytes + weight > self.bound {
            return Err(SendError::Full(frame));
        }
        state.own_bytes += weight;
        state.entries.push_back(Entry::Own(frame));
        self.lane.counters.queued(weight);
        Ok(state.reader.take())
    }

    /// The next item; `Ready(None)` once the session is over.
    pub(crate) fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Outbound>> {
        let mut state = self.state.borrow_mut();
        if let Some((item, weight)) = state.pop() {
            self.took(state, &item, weight);
            return Poll::Ready(Some(item));
        }
        if let Some(ended) = state.ended() {
            state.phase = Phase::Over(ended);
            return Poll::Ready(None);
        }
        state.shrink();
        match &mut state.reader {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// The next item, if one waits.
    pub(crate) fn try_next(&self) -> Option<Outbound> {
        let mut state = self.state.borrow_mut();
        let (item, weight) = state.pop()?;
        self.took(state, &item, weight);
        Some(item)
    }

    fn took(&self, mut state: RefMut<'_, State>, item: &Outbound, weight: usize) {
        state.spared = false;
        self.lane.counters.taken(matches!(item, Outbound::Event { .. }), weight);
        // Half: a waiter that is woken for each item taken would cost more than it brings.
        let waiting = if state.event_bytes <= self.bound / 2 { mem::take(&mut state.room) } else { Vec::new() };
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until an event of `weight` fits, or the session is over.
    pub(crate) fn poll_room(&self, weight: usize, share: Share, context: &Context<'_>) -> Poll<Result<(), Ended>> {
        let mut state = self.state.borrow_mut();
        if let Some(ended) = state.ended() {
            return Poll::Ready(Err(ended));
        }
        if state.fits(weight, share.of(self.bound)) {
            return Poll::Ready(Ok(()));
        }
        if !state.room.iter().any(|waker| waker.will_wake(context.waker())) {
            state.room.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Whether events of `weight` in all fit now.
    pub(crate) fn fits(&self, weight: usize, share: Share) -> bool {
        self.state.borrow().fits(weight, share.of(self.bound))
    }

    /// Whether several events of `weight` in all fit now. Unlike for one event, an empty queue makes no exception.
    pub(crate) fn fits_together(&self, weight: usize, share: Share) -> bool {
        self.state.borrow().event_bytes.saturating_add(weight) <= share.of(self.bound)
    }

    /// Drops the oldest events until one of `weight` fits.
    pub(crate) fn evict_for(&self, weight: usize) {
        let mut evicted = Vec::new();
        let mut state = self.state.borrow_mut();
        let mut at = 0;
        while !state.fits(weight, self.bound) && at < state.entries.len() {
            match state.entries.get(at) {
                Some(Entry::Event { .. }) => {
                    let entry = state.entries.remove(at);
                    state.event_bytes -= entry.as_ref().map_or(0, Entry::weight);
                    evicted.extend(entry);
                }
                // A door's own frames are answers: they are never dropped.
                _ => at += 1,
            }
        }
        drop(state);
        self.lane.counters.released(evicted.iter().map(Entry::weight).sum());
        self.dropped(Drops { oldest: evicted.iter().map(Entry::deliveries).sum(), ..Drops::default() });
    }

    /// Counts deliveries that were dropped.
    pub(crate) fn dropped(&self, drops: Drops) {
        self.state.borrow_mut().drops.add(drops);
        self.lane.counters.dropped(drops);
    }

    /// The reader's turn before an overflow policy is applied: `true` once after each time it has read. A burst larger
    /// than the queue so meets a reader that was not idle, and only a reader that takes nothing meets the policy.
    pub(crate) fn spare(&self) -> bool {
        !mem::replace(&mut self.state.borrow_mut().spared, true)
    }

    /// Takes nothing more; what waits is still to be read.
    pub(crate) fn finish(&self, why: Ended) {
        let mut state = self.state.borrow_mut();
        if state.phase == Phase::Open {
            state.phase = Phase::Finishing(why);
            wake_all(state);
        }
    }

    /// Ends it now and lets go of what waits, which counts as dropped.
    pub(crate) fn abort(&self, why: Ended) {
        let mut state = self.state.borrow_mut();
        if matches!(state.phase, Phase::Over(_)) {
            return;
        }
        let ended = state.ended().unwrap_or(why);
        state.phase = Phase::Over(ended);
        let entries = mem::take(&mut state.entries);
        let bytes = mem::take(&mut state.event_bytes) + mem::take(&mut state.own_bytes);
        wake_all(state);
        self.lane.counters.released(bytes);
        let events = entries.iter().map(Entry::deliveries).sum();
        self.dropped(match why {
            Ended::SlowConsumer => Drops { slow_consumer: events, ..Drops::default() },
            _ => Drops { ended: events, ..Drops::default() },
        });
    }

    /// Why it ended or is about to.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.state.borrow().ended()
    }

    pub(crate) fn drops(&self) -> Drops {
        self.state.borrow().drops
    }

    /// Bytes that wait, and the number of items taken so far.
    pub(crate) fn progress(&self) -> (usize, u64) {
        let state = self.state.borrow();
        (state.event_bytes + state.own_bytes, state.taken)
    }
}

/// How much of a queue an event may fill.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    /// All: live events.
    Whole,
    /// Half: history leaves room for the live events beside it.
    Half,
}

impl Share {
    const fn of(self, bound: usize) -> usize {
        match self {
            Self::Whole => bound,
            Self::Half => bound / 2,
        }
    }
}

impl Entry {
    fn weight(&self) -> usize {
        match self {
            Self::Event { message, copies, .. } => message.weight().saturating_mul(*copies as usize),
            Self::Own(frame) => ENTRY_BYTES + frame.len(),
        }
    }

    fn deliveries(&self) -> u64 {
        match self {
            Self::Event { copies, .. } => u64::from(*copies),
            Self::Own(_) => 0,
        }
    }
}

impl State {
    /// An event larger than the whole bound fits when no other waits: it costs no memory that the hub does not hold
    /// anyway, and refusing it would cut the session off from that event for ever.
    const fn fits(&self, weight: usize, bound: usize) -> bool {
        self.event_bytes == 0 || self.event_bytes.saturating_add(weight) <= bound
    }

    const fn ended(&self) -> Option<Ended> {
        match self.phase {
            Phase::Open => None,
            Phase::Finishing(why) | Phase::Over(why) => Some(why),
        }
    }

    /// A burst may make the table large. It goes back to the allocator when it is empty after less than a burst, as a
    /// door's own pings are, so that a stream of bursts does not make it anew each time; at once if it is very large.
    fn shrink(&mut self) {
        let burst = self.taken - mem::replace(&mut self.taken_before, self.taken);
        let kept = if burst > KEPT_CAPACITY as u64 { KEPT_WHILE_BUSY } else { KEPT_CAPACITY };
        if self.entries.capacity() > kept {
            self.entries = VecDeque::new();
        }
    }

    fn pop(&mut self) -> Option<(Outbound, usize)> {
        // One of several copies: the entry stays.
        if let Some(Entry::Event { message, tracker, copies }) = self.entries.front_mut()
            && *copies > 1
        {
            *copies -= 1;
            let weight = message.weight();
            let item = Outbound::Event { message: Arc::clone(message), tracker: tracker.clone() };
            self.event_bytes -= weight;
            self.taken += 1;
            return Some((item, weight));
        }
        let entry = self.entries.pop_front()?;
        let weight = entry.weight();
        self.taken += 1;
        Some(match entry {
            Entry::Event { message, tracker, .. } => {
                self.event_bytes -= weight;
                (Outbound::Event { message, tracker }, weight)
            }
            Entry::Own(frame) => {
                self.own_bytes -= weight;
                (Outbound::Own(frame), weight)
            }
        })
    }
}

/// Wakes the reader and whoever waits for room, after the state is let go of: a waker may run anything.
fn wake_all(mut state: RefMut<'_, State>) {
    let (reader, room) = (state.reader.take(), mem::take(&mut state.room));
    drop(state);
    reader.into_iter().chain(room).for_each(Waker::wake);
}
