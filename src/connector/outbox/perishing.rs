//! When a full outbox is worth searching for what nobody waits for any more.
//!
//! A search looks at everything that waits, so it is made only when it may find something: a deadline has passed since the
//! last one, or a request has ended. Otherwise every event that comes to a full outbox would pay for one.

use std::sync::Arc;
use std::time::Instant;

use super::super::pending::{Fate, Pending};

#[derive(Default)]
pub(super) struct Perishing {
    /// How many of the events that wait can become moot.
    events: usize,
    /// No deadline of theirs is earlier.
    first: Option<Instant>,
    /// The requests among them are all of one connector.
    requests: Option<Arc<Pending>>,
    /// How many of those had ended at the last search; `None` if something has come back since.
    ended: Option<u64>,
}

impl Perishing {
    /// An event waits.
    pub(super) fn add(&mut self, fate: &Fate) {
        self.events += 1;
        self.look_again(fate);
        if let Some(requests) = fate.requests() {
            self.requests.get_or_insert_with(|| Arc::clone(requests));
        }
    }

    /// An event waits again: it may have become moot while it was with the link, where no search finds it.
    pub(super) const fn came_back(&mut self) {
        self.ended = None;
    }

    pub(super) const fn remove(&mut self) {
        self.events = self.events.saturating_sub(1);
    }

    pub(super) fn is_due(&self) -> bool {
        let ended = || self.requests.as_ref().is_some_and(|requests| Some(requests.ended()) != self.ended);
        self.events > 0 && (self.first.is_some_and(|first| first <= Instant::now()) || ended())
    }

    /// A search begins. What ends while it goes on is found by the next.
    pub(super) fn begin(&mut self) {
        self.first = None;
        self.ended = self.requests.as_ref().map(|requests| requests.ended());
    }

    /// The search left this one.
    pub(super) fn look_again(&mut self, fate: &Fate) {
        self.first = self.first.into_iter().chain(fate.deadline()).min();
    }
}
