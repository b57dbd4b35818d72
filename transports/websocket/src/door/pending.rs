//! Synchronous publishes that wait for the answers of one session.

use std::cell::RefCell;
use std::collections::VecDeque;

use eventhive_hub::Tracker;

/// Answers that a session owes. Past this many the oldest is let go, so that a client that never answers costs 48 KiB
/// and not all the memory; the publisher then waits for one session less.
const MOST: usize = 1024;

/// Which deliveries to a session somebody waits for, in the order in which they went out.
#[derive(Default)]
pub(super) struct Pending(RefCell<VecDeque<(u128, Tracker)>>);

impl Pending {
    /// A delivery went out, and its publisher waits.
    pub(super) fn add(&self, call: u128, tracker: Tracker) {
        let mut waiting = self.0.borrow_mut();
        if waiting.len() == MOST {
            waiting.pop_front();
        }
        waiting.push_back((call, tracker));
    }

    /// Whether an answer is of interest to anyone.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// An answer came. Clients answer in order, so the first look is nearly always the last.
    pub(super) fn answered(&self, call: u128) {
        let mut waiting = self.0.borrow_mut();
        if let Some(at) = waiting.iter().position(|(waits_for, _)| *waits_for == call)
            && let Some((_, tracker)) = waiting.remove(at)
        {
            tracker.confirm(1);
        }
    }
}
