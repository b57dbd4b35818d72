//! Keeps requests from waiting for a server that does not answer.
//!
//! After a failure nobody asks for a while. Then one is let through to see, and the others only when it has succeeded. One
//! login that takes too long may be slow by itself; only a second one, with none that succeeded between, is a failure.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Open while the server answers.
#[derive(Debug)]
pub(super) struct Gate {
    /// How long it is closed after a failure.
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Closed until then, or until the first has come back. `None` is open.
    closed_until: Option<Instant>,
    /// One is on its way to see.
    is_tried: bool,
    /// One took too long, and none has succeeded since.
    is_doubted: bool,
}

/// Leave to ask. Says how it went; one that ends without a word leaves the gate as it was.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    is_trial: bool,
}

impl Gate {
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, state: Mutex::default() }
    }

    /// Whether to ask now; `None` is no.
    pub(super) fn enter(&self, now: Instant) -> Option<Pass<'_>> {
        let mut state = self.lock();
        match state.closed_until {
            None => Some(Pass { gate: self, is_trial: false }),
            Some(time) if time <= now && !state.is_tried => {
                state.is_tried = true;
                Some(Pass { gate: self, is_trial: true })
            }
            Some(_) => None,
        }
    }

    // Nothing in here can panic halfway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Whether it has closed since, and not for this one: waiting on is of no use.
    pub(super) fn is_void(&self) -> bool {
        !self.is_trial && self.gate.lock().closed_until.is_some()
    }

    /// The server answered. Says whether that is news.
    pub(super) fn succeeded(self) -> bool {
        let mut state = self.gate.lock();
        // Who set out before the failure and only now has an answer proves as much.
        state.is_doubted = false;
        state.closed_until.take().is_some()
    }

    /// This login took too long. Says whether that is the server's doing, which makes it a [failure](Self::failed).
    pub(super) fn doubts(&self) -> bool {
        let mut state = self.gate.lock();
        std::mem::replace(&mut state.is_doubted, true) || state.closed_until.is_some()
    }

    /// The server did not answer. Says whether that is news.
    pub(super) fn failed(self, now: Instant) -> bool {
        let mut state = self.gate.lock();
        state.closed_until.replace(now + self.gate.pause).is_none()
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_trial {
            self.gate.lock().is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(2);

    #[test]
    fn after_a_failure_nobody_asks_and_then_one_at_a_time() {
        let (gate, start) = (Gate::new(PAUSE), Instant::now());
        let (first, second) = (gate.enter(start).unwrap(), gate.enter(start).unwrap());
        assert!(first.failed(start), "it is news");
        assert!(second.is_void());
        assert!(!second.failed(start), "it is known");
        assert!(gate.enter(start + PAUSE / 2).is_none());
        let trial = gate.enter(start + PAUSE).unwrap();
        assert!(!trial.is_void());
        assert!(gate.enter(start + PAUSE).is_none(), "one is on its way");
        assert!(!trial.failed(start + PAUSE));
        assert!(gate.enter(start + PAUSE).is_none(), "the pause begins anew");
        assert!(gate.enter(start + PAUSE * 2).unwrap().succeeded());
        assert!(!gate.enter(start).unwrap().succeeded());
    }

    #[test]
    fn a_trial_that_ends_without_a_word_leaves_room_for_the_next() {
        let (gate, start) = (Gate::new(PAUSE), Instant::now());
        gate.enter(start).unwrap().failed(start);
        drop(gate.enter(start + PAUSE).unwrap());
        assert!(gate.enter(start + PAUSE).is_some());
    }

    #[test]
    fn one_that_takes_too_long_is_no_failure_until_a_second_does() {
        let (gate, start) = (Gate::new(PAUSE), Instant::now());
        assert!(!gate.enter(start).unwrap().doubts());
        gate.enter(start).unwrap().succeeded();
        assert!(!gate.enter(start).unwrap().doubts());
        assert!(gate.enter(start).unwrap().doubts());
        gate.enter(start).unwrap().failed(start);
        let trial = gate.enter(start + PAUSE).unwrap();
        assert!(trial.doubts(), "when it is closed one is enough");
    }

    #[test]
    fn one_that_set_out_before_the_failure_opens_it_again() {
        let (gate, start) = (Gate::new(PAUSE), Instant::now());
        let (first, second) = (gate.enter(start).unwrap(), gate.enter(start).unwrap());
        first.failed(start);
        assert!(second.succeeded());
        assert!(gate.enter(start).is_some());
    }
}
