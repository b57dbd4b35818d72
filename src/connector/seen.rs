//! The ids of the events received last, to know a repeated one.

use std::collections::{HashSet, VecDeque};

/// A window over the newest ids. The hasher is the standard one: ids come from the network.
#[derive(Debug)]
pub(super) struct Seen {
    order: VecDeque<u128>,
    known: HashSet<u128>,
    most: usize,
}

impl Seen {
    /// A window of `most` ids, about 50 bytes each. With 0 nothing is ever known.
    pub(super) fn new(most: usize) -> Self {
        Self { order: VecDeque::new(), known: HashSet::new(), most }
    }

    /// Notes `id`; false if it was noted before. An id that is no UUID is never known: it cannot be told to be unique.
    pub(super) fn note(&mut self, id: &str) -> bool {
        let Ok(id) = uuid::Uuid::parse_str(id) else { return true };
        if self.most == 0 {
            return true;
        }
        if !self.known.insert(id.as_u128()) {
            return false;
        }
        if self.order.len() == self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(id.as_u128());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_until_it_leaves_the_window() {
        let id = |number: u128| uuid::Uuid::from_u128(number).to_string();
        let mut seen = Seen::new(2);
        assert!(seen.note(&id(1)));
        assert!(!seen.note(&id(1)));
        assert!(seen.note(&id(2)) && seen.note(&id(3)));
        assert!(seen.note(&id(1)), "the oldest id has left the window");
        assert!(seen.note("not a uuid") && seen.note("not a uuid"));
    }
}
