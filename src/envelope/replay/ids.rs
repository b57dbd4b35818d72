//! Which ids came, the newest by their own time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use foldhash::fast::RandomState;

use super::ReplayWindow;
use crate::envelope::OpenError;

/// The ids of messages within the window. When there are too many, the oldest go, and whatever is no newer is refused from
/// then on.
#[derive(Debug)]
pub(in crate::envelope) struct Ids {
    /// Whose message is in it has the secret: no stranger can fill it with what hashes badly.
    known: HashSet<u128, RandomState>,
    /// The oldest first. Most messages are newer than all others, which is the cheap case of a heap.
    by_time: BinaryHeap<Reverse<(u64, u128)>>,
    /// The newest time of what was forgotten while it was within the window.
    forgotten: Option<u64>,
    window: ReplayWindow,
}

impl Ids {
    pub(in crate::envelope) fn new(window: ReplayWindow) -> Self {
        Self { known: HashSet::default(), by_time: BinaryHeap::new(), forgotten: None, window }
    }

    /// Notes a message made at `time`; without a time, it is one of now and known only for as long as the window lasts.
    /// Times are milliseconds since the epoch.
    ///
    /// # Errors
    /// [`OpenError::OutsideWindow`]; [`OpenError::Replayed`] if it came before; [`OpenError::Forgotten`] if it is too old
    /// to tell.
    pub(in crate::envelope) fn note(&mut self, id: u128, time: Option<u64>, now: u64) -> Result<(), OpenError> {
        if time.is_some_and(|time| !self.window.admits(time, now)) {
            return Err(OpenError::OutsideWindow);
        }
        self.let_go(now);
        if self.known.contains(&id) {
            return Err(OpenError::Replayed);
        }
        if time.is_some_and(|time| Some(time) <= self.forgotten) {
            return Err(OpenError::Forgotten);
        }
        self.known.insert(id);
        self.by_time.push(Reverse((time.unwrap_or(now), id)));
        if self.known.len() > self.window.messages
            && let Some(Reverse((time, id))) = self.by_time.pop()
        {
            self.known.remove(&id);
            self.forgotten = self.forgotten.max(Some(time));
        }
        Ok(())
    }

    /// Those that are too old to be accepted again need not be known.
    fn let_go(&mut self, now: u64) {
        while let Some(Reverse((time, id))) = self.by_time.peek().copied()
            && time < now
            && !self.window.admits(time, now)
        {
            self.by_time.pop();
            self.known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn ids(messages: usize) -> Ids {
        Ids::new(ReplayWindow { time: Duration::from_millis(100), messages })
    }

    #[test]
    fn an_id_is_new_once_and_kept_no_longer_than_it_could_be_accepted() {
        let mut ids = ids(10);
        assert!(ids.note(1, Some(1000), 1000).is_ok());
        assert!(matches!(ids.note(1, Some(1000), 1100), Err(OpenError::Replayed)));
        assert!(matches!(ids.note(1, Some(1000), 1101), Err(OpenError::OutsideWindow)));
        assert!(matches!(ids.note(1, Some(1000), 899), Err(OpenError::OutsideWindow)));
        assert!(ids.note(2, Some(1101), 1101).is_ok());
        assert_eq!(ids.known.len(), 1);
    }

    #[test]
    fn with_too_many_the_oldest_go_and_nothing_as_old_comes_in_again() {
        let mut ids = ids(2);
        for (id, time) in [(1, 1010), (2, 1000), (3, 1020)] {
            assert!(ids.note(id, Some(time), 1000).is_ok());
        }
        assert!(matches!(ids.note(2, Some(1000), 1000), Err(OpenError::Forgotten)), "the oldest by its own time");
        assert!(matches!(ids.note(4, Some(999), 1000), Err(OpenError::Forgotten)));
        assert!(matches!(ids.note(1, Some(1010), 1000), Err(OpenError::Replayed)));
        assert!(ids.note(5, Some(1005), 1000).is_ok());
    }

    #[test]
    fn what_has_no_time_is_known_while_the_window_lasts() {
        let mut ids = ids(10);
        assert!(ids.note(1, None, 1000).is_ok());
        assert!(matches!(ids.note(1, None, 1100), Err(OpenError::Replayed)));
        assert!(ids.note(1, None, 1101).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_with_a_time_ever_comes_in_twice_and_memory_is_bounded(
            steps in proptest::collection::vec((0_u128..60, 0_u64..40), 1..300),
        ) {
            let (mut ids, mut came, mut now) = (ids(16), HashSet::new(), 1000);
            for (id, pause) in steps {
                now += pause;
                // The time belongs to the id: it is signed.
                let time = 1000 + u64::try_from(id).unwrap() * 20;
                if ids.note(id, Some(time), now).is_ok() {
                    prop_assert!(came.insert(id));
                }
                prop_assert!(ids.known.len() <= 16 && ids.by_time.len() == ids.known.len());
            }
        }
    }
}
