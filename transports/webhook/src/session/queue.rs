//! What a broadcaster has for a subscriber: messages and MISSED, from any thread, up to a bound.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventhive_transport::Overflow;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Sessions;
use crate::broadcaster::Peer;
use crate::message::Message;

/// Topics that can be told as missed while none is sent, each once. Beyond that the session ends, and the subscriber has to
/// look at everything anyway. What it has subscribed itself is told in any case.
const MOST_MISSED: usize = 255;

/// How often the patience of publishers is for all messages of one full queue together. One that takes a message now and
/// then would make everybody wait for ever otherwise.
const MOST_PATIENCE: u32 = 12;

/// The queue of one session.
pub(super) struct Queue {
    sessions: Arc<Sessions>,
    state: Mutex<State>,
    /// There is something to take, or to look at.
    filled: Notify,
    /// Something is through.
    passed: Notify,
    /// No more is queued than should be.
    thinned: Notify,
    /// The session has to be looked at: its queue ran over.
    pub(super) alarm: Notify,
}

#[derive(Default)]
struct State {
    messages: VecDeque<(u64, Message)>,
    bytes: usize,
    missed: VecDeque<Arc<[u8]>>,
    /// The same, for looking.
    told: HashSet<Arc<[u8]>>,
    /// The number of the newest message.
    newest: u64,
    /// The message that is being sent.
    in_flight: Option<u64>,
    /// Nothing more is to start: a subscription begins, and has to be confirmed first.
    is_held: bool,
    /// The subscriber is not read from, so that its acknowledgements are not seen.
    is_unread: bool,
    patience: Patience,
    end: Option<End>,
}

/// How long publishers have waited for the messages of one full queue.
#[derive(Default)]
struct Patience {
    waiting: usize,
    /// Since when somebody waits.
    since: Option<Instant>,
    /// How long somebody waited before.
    waited: Duration,
    /// Messages that were taken meanwhile, and their bytes.
    taken: usize,
    taken_bytes: usize,
}

impl Patience {
    fn begin(&mut self) {
        self.waiting += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    fn end(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 {
            self.waited = self.so_far();
            self.since = None;
        }
    }

    fn so_far(&self) -> Duration {
        self.waited + self.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// As if nobody had waited yet.
    fn restart(&mut self) {
        let since = self.since.map(|_| Instant::now());
        *self = Self { waiting: self.waiting, since, ..Self::default() };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Overflowed,
}

/// What is to be sent next.
pub(super) enum Next {
    Missed(Arc<[u8]>),
    /// When it has been sent, [`Queue::sent`] is to be called.
    Message(Message),
}

impl Queue {
    pub(super) fn new(sessions: Arc<Sessions>) -> Self {
        let (filled, passed, thinned, alarm) = Default::default();
        Self { sessions, state: Mutex::default(), filled, passed, thinned, alarm }
    }

    /// What is to be sent next, if there is anything and it may be.
    pub(super) fn take(&self) -> Option<Next> {
        let mut state = self.lock();
        if state.is_held {
            return None;
        }
        if let Some(topic) = state.missed.pop_front() {
            state.told.remove(&topic);
            return Some(Next::Missed(topic));
        }
        let (number, message) = state.pop()?;
        state.in_flight = Some(number);
        self.count_taken(&mut state, cost(&message));
        let is_thin = !self.is_crowded(&state);
        drop(state);
        if is_thin {
            self.thinned.notify_waiters();
        }
        Some(Next::Message(message))
    }

    /// One that keeps up, and one that has taken a whole queue, has all patience again.
    fn count_taken(&self, state: &mut State, bytes: usize) {
        let settings = &self.sessions.settings;
        let patience = &mut state.patience;
        patience.taken += 1;
        patience.taken_bytes = patience.taken_bytes.saturating_add(bytes);
        let is_half = state.messages.len() <= settings.max_pending / 2 && state.bytes <= settings.queue_bytes / 2;
        if is_half || patience.taken >= settings.max_pending || patience.taken_bytes >= settings.queue_bytes {
            patience.restart();
        }
    }

    /// The subscriber is not read from for now, or again. Nobody waits for it meanwhile: what it waits for may be just that.
    pub(super) fn is_unread(&self, is_unread: bool) {
        self.lock().is_unread = is_unread;
        if is_unread {
            self.thinned.notify_waiters();
        }
    }

    /// The message that was taken has been sent.
    pub(super) fn sent(&self) {
        self.lock().in_flight = None;
        self.passed.notify_one();
    }

    /// Resolves when there may be something to take. For one waiter.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// There may be something to take, here or elsewhere.
    pub(super) fn wake(&self) {
        self.filled.notify_one();
    }

    /// Starts nothing more, or again.
    pub(super) fn hold(&self, hold: bool) {
        self.lock().is_held = hold;
        self.filled.notify_one();
    }

    /// Resolves when all messages that are queued now have been sent, or the session ends. For one waiter.
    pub(super) async fn flushed(&self) {
        let newest = self.lock().newest;
        while !self.lock().is_past(newest) {
            self.passed.notified().await;
        }
    }

    /// Takes nothing more, and lets go of what is there.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        let (is_held, patience) = (state.is_held, mem::take(&mut state.patience));
        *state = State { end: Some(state.end.unwrap_or(End::Closed)), is_held, patience, ..State::default() };
        drop(state);
        self.passed.notify_one();
        self.thinned.notify_waiters();
    }

    /// Whether it ended because it ran over.
    pub(super) fn ran_over(&self) -> bool {
        self.lock().end == Some(End::Overflowed)
    }

    // Nothing in here can panic halfway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether more is queued than should be.
    fn is_crowded(&self, state: &State) -> bool {
        let settings = &self.sessions.settings;
        let waiting = state.messages.len();
        waiting > settings.max_pending || (waiting > 1 && state.bytes > settings.queue_bytes)
    }

    /// Whether one more message of this cost finds room. Where publishers wait, those that are about to have as much again.
    fn has_room(&self, state: &State, cost: usize) -> bool {
        let settings = &self.sessions.settings;
        let times = if settings.overflow == Overflow::Block { 2 } else { 1 };
        let waiting = state.messages.len();
        let is_short = waiting < settings.max_pending.saturating_mul(times);
        waiting == 0 || (is_short && state.bytes.saturating_add(cost) <= settings.queue_bytes.saturating_mul(times))
    }

    /// Whether whoever publishes should wait.
    fn is_waited_for(&self, state: &State) -> bool {
        !state.is_unread && self.is_crowded(state)
    }

    /// Resolves when no more is queued than should be. A subscriber that takes nothing in the time for that, or hardly
    /// anything for long, is too slow.
    async fn thin_out(&self) {
        let _waiting = Waiting::new(self);
        let oldest = || self.lock().messages.front().map(|(number, _)| *number);
        let before = oldest();
        let thinned = async {
            loop {
                let thinned = self.thinned.notified();
                if !self.is_waited_for(&self.lock()) {
                    return;
                }
                thinned.await;
            }
        };
        let patience = self.sessions.settings.patience;
        let is_late = timeout(patience, thinned).await.is_err();
        let stands_still = is_late && oldest() == before;
        let mut state = self.lock();
        if stands_still || (!state.is_unread && state.patience.so_far() >= patience.saturating_mul(MOST_PATIENCE)) {
            self.run_over(&mut state);
            drop(state);
            self.filled.notify_one();
        }
    }

    fn overflow(&self, state: &mut State, message: &Message) -> bool {
        self.sessions.counters.dropped.add_one();
        let is_told = match self.sessions.settings.overflow {
            Overflow::DropNewest => state.tell(&message.topic),
            Overflow::DropOldest => {
                let oldest = state.pop();
                oldest.is_some_and(|(_, oldest)| state.tell(&oldest.topic))
            }
            Overflow::Disconnect | Overflow::Block => false,
        };
        if !is_told {
            self.run_over(state);
        }
        is_told
    }

    fn run_over(&self, state: &mut State) {
        state.end.get_or_insert(End::Overflowed);
        self.alarm.notify_one();
    }
}

/// A publisher that waits.
struct Waiting<'q>(&'q Queue);

impl<'q> Waiting<'q> {
    fn new(queue: &'q Queue) -> Self {
        queue.lock().patience.begin();
        Self(queue)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().patience.end();
    }
}

impl State {
    fn pop(&mut self) -> Option<(u64, Message)> {
        let (number, message) = self.messages.pop_front()?;
        self.bytes -= cost(&message);
        Some((number, message))
    }

    fn is_past(&self, number: u64) -> bool {
        let next = self.messages.front().map(|(number, _)| *number);
        [self.in_flight, next].into_iter().flatten().all(|waiting| waiting > number)
    }

    /// Queues a MISSED, unless there are too many.
    fn tell(&mut self, topic: &Arc<[u8]>) -> bool {
        let has_room = self.missed.len() < MOST_MISSED || self.told.contains(topic);
        if has_room {
            self.tell_in_any_case(topic);
        }
        has_room
    }

    fn tell_in_any_case(&mut self, topic: &Arc<[u8]>) {
        if self.told.insert(Arc::clone(topic)) {
            self.missed.push_back(Arc::clone(topic));
        }
    }
}

/// Bytes of memory that a message keeps.
fn cost(message: &Message) -> usize {
    message.body.as_bytes().map_or(0, |bytes| bytes.len()) + message.topic.len()
}

impl Peer for Queue {
    fn receive(&self, message: &Message) -> bool {
        let cost = cost(message);
        let mut state = self.lock();
        loop {
            if state.end.is_some() {
                return false;
            }
            if self.has_room(&state, cost) {
                break;
            }
            let is_told = self.overflow(&mut state, message);
            if !is_told || self.sessions.settings.overflow != Overflow::DropOldest {
                drop(state);
                self.filled.notify_one();
                return false;
            }
        }
        state.newest += 1;
        let number = state.newest;
        state.bytes += cost;
        state.messages.push_back((number, message.clone()));
        drop(state);
        self.filled.notify_one();
        true
    }

    fn missed(&self, topic: &Arc<[u8]>) {
        let mut state = self.lock();
        if state.end.is_none() && !state.tell(topic) {
            self.run_over(&mut state);
        }
        drop(state);
        self.filled.notify_one();
    }

    fn missed_all_of(&self, interest: &Arc<[u8]>) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.tell_in_any_case(interest);
        }
        drop(state);
        self.filled.notify_one();
    }

    fn room(&self) -> Option<BoxFuture<'_, ()>> {
        let waits = self.sessions.settings.overflow == Overflow::Block && self.is_waited_for(&self.lock());
        waits.then(|| self.thin_out().boxed())
    }
}
