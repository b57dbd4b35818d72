//! The ids of messages that were handled.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// A window over the newest ids. The hasher is the standard one: ids come from the network.
#[derive(Debug)]
pub(super) struct Seen {
    order: VecDeque<Arc<str>>,
    known: HashSet<Arc<str>>,
    most: usize,
}

impl Seen {
    /// A window of `most` ids: of Amazon's 36 characters, 64 bytes each for the text and about as much for its places in
    /// the two tables. With 0 nothing is ever known.
    pub(super) fn new(most: usize) -> Self {
        Self { order: VecDeque::new(), known: HashSet::new(), most }
    }

    /// Whether `id` is among them.
    pub(super) fn has(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    /// Notes `id`. The oldest makes room.
    pub(super) fn note(&mut self, id: &str) {
        let id: Arc<str> = id.into();
        if self.most == 0 || !self.known.insert(Arc::clone(&id)) {
            return;
        }
        if self.order.len() == self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_until_as_many_others_have_come() {
        let mut seen = Seen::new(2);
        seen.note("one");
        seen.note("one");
        seen.note("two");
        assert!(seen.has("one") && seen.has("two") && !seen.has("three"));
        seen.note("three");
        assert!(!seen.has("one") && seen.has("two") && seen.has("three"));
    }

    #[test]
    fn with_no_room_nothing_is_known() {
        let mut seen = Seen::new(0);
        seen.note("one");
        assert!(!seen.has("one"));
    }
}
