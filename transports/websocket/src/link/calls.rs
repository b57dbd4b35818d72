//! Calls that wait for their answer, each with a deadline.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use eventhive_transport::{Delivery, LinkError};
use tokio::sync::oneshot;

use super::wish::Wish;

/// A call, and whom its answer is for.
#[derive(Debug)]
pub(super) enum Call {
    /// Settles a receipt.
    Publish(oneshot::Sender<Result<Delivery, LinkError>>),
    /// Shows that the server listens.
    Ping,
    /// Makes subscriptions stand.
    Subscribe(Vec<Wish>),
    /// Ends one; whoever waits for that is told when the sender goes.
    Unsubscribe {
        #[expect(dead_code, reason = "held for its drop, which tells the waiter")]
        done: oneshot::Sender<()>,
    },
}

/// The calls of one connection. Their ids are numbers that the link counts up; on the wire they stand behind the link's
/// own random half, so an answer meant for nobody finds nobody.
#[derive(Debug)]
pub(super) struct Calls {
    waiting: HashMap<u64, Call, foldhash::fast::RandomState>,
    /// In the order of sending, and with one time for all so also in the order of deadlines.
    deadlines: VecDeque<(Instant, u64)>,
    timeout: Duration,
}

impl Calls {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { waiting: HashMap::default(), deadlines: VecDeque::new(), timeout }
    }

    pub(super) fn sent(&mut self, id: u64, call: Call, now: Instant) {
        self.waiting.insert(id, call);
        self.deadlines.push_back((now + self.timeout, id));
    }

    pub(super) fn answered(&mut self, id: u64) -> Option<Call> {
        let call = self.waiting.remove(&id);
        // Nearly always the oldest is the one that is answered, so the list stays as short as the map.
        while let Some((_, oldest)) = self.deadlines.front()
            && !self.waiting.contains_key(oldest)
        {
            self.deadlines.pop_front();
        }
        call
    }

    /// The next call whose deadline has passed.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Call> {
        while let Some((deadline, id)) = self.deadlines.front()
            && *deadline <= now
        {
            let late = self.waiting.remove(id);
            self.deadlines.pop_front();
            if late.is_some() {
                return late;
            }
        }
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_any_order_find_their_call_and_the_rest_is_overdue() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut calls = Calls::new(second);
        for id in 0..4 {
            calls.sent(id, Call::Ping, start);
        }
        assert!(calls.answered(2).is_some());
        assert!(calls.answered(2).is_none());
        assert!(calls.answered(0).is_some());
        assert!(calls.answered(99).is_none());
        assert!(calls.overdue(start).is_none());
        assert!(calls.overdue(start + second).is_some() && calls.overdue(start + second).is_some());
        assert!(calls.overdue(start + second).is_none());
        assert!(calls.is_empty() && calls.deadlines.is_empty());
    }
}
