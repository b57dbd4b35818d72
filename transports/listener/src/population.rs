//! How many sessions there are: no more than allowed, and word when there is none.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The number of a door's sessions, on all threads.
#[derive(Debug, Default)]
pub struct Population {
    number: AtomicUsize,
    none: Notify,
}

impl Population {
    /// One more, unless there are `most` already.
    #[must_use]
    pub fn enter(&self, most: usize) -> bool {
        let more = |now: usize| (now < most).then_some(now + 1);
        self.number.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// One that [entered](Self::enter) is gone.
    pub fn leave(&self) {
        if self.number.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none.notify_waiters();
        }
    }

    /// How many there are now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.number.load(Ordering::Acquire)
    }

    /// Resolves when there is none.
    pub async fn none(&self) {
        loop {
            let none = self.none.notified();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn there_are_never_more_than_allowed_and_the_last_to_leave_is_told_of() {
        let population = Population::default();
        assert!(population.none().now_or_never().is_some());
        assert!(population.enter(2) && population.enter(2) && !population.enter(2));
        let mut none = Box::pin(population.none());
        population.leave();
        assert!(none.as_mut().now_or_never().is_none());
        population.leave();
        assert!(none.now_or_never().is_some());
        assert_eq!(population.count(), 0);
    }
}
