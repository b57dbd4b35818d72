//! Which hosts do not answer MISSED messages, so that one that is dead does not hold up those for others.
//!
//! Breakers of urls do not see it: each subscription of a host may name a recovery url of its own, and each would wait for
//! its own timeout. Only what says something of the host counts here: nobody was reached, or there was no answer in time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::breaker::{Breaker, BreakerSettings, Passage};
use crate::outgoing::Origin;
use crate::store::Outcome;

/// A host that does not answer twice in a row is tried with one message, after ten seconds and then ever more rarely.
const SETTINGS: BreakerSettings =
    BreakerSettings { failures: 2, hold: Duration::from_secs(10), hold_max: Duration::from_secs(600) };

/// Hosts that are remembered at most. What others do is their urls' alone.
const MOST: usize = 10_000;

/// Hosts that did not answer the last time.
#[derive(Debug, Default)]
pub(super) struct Origins(Mutex<HashMap<Arc<Origin>, Breaker>>);

impl Origins {
    fn table(&self) -> MutexGuard<'_, HashMap<Arc<Origin>, Breaker>> {
        // Nothing in here can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message may go now. One that may is to be answered for.
    ///
    /// # Errors
    /// It may not, as far as is known for so long.
    pub(super) fn pass(&self, origin: &Origin, now: Duration) -> Result<Passage, Duration> {
        let mut table = self.table();
        let Some(breaker) = table.get_mut(origin) else { return Ok(Passage::Free) };
        match breaker.pass(now) {
            Passage::Held => Err(breaker.held_for(now)),
            passage => Ok(passage),
        }
    }

    /// What became of a message that was let go.
    pub(super) fn settle(&self, origin: &Arc<Origin>, passage: Passage, outcome: Outcome, now: Duration) {
        let mut table = self.table();
        match outcome {
            Outcome::Unreachable | Outcome::TimedOut => {
                let room = table.len() < MOST;
                match table.entry(Arc::clone(origin)) {
                    Entry::Vacant(_) if !room => {}
                    entry => _ = entry.or_default().failed(passage, now, &SETTINGS),
                }
            }
            // Nothing was sent.
            Outcome::Crowded | Outcome::Held | Outcome::Forbidden | Outcome::OwnFault => {
                if let Some(breaker) = table.get_mut(origin) {
                    breaker.abandoned(passage, now);
                }
            }
            _ => _ = table.remove(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::origin;

    const fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_host_that_does_not_answer_is_tried_with_one_message_and_others_as_before() {
        let (origins, dead) = (Origins::default(), origin("http://dead.test/1").unwrap());
        for _ in 0..2 {
            assert_eq!(origins.pass(&dead, at(0)), Ok(Passage::Free));
            origins.settle(&dead, Passage::Free, Outcome::TimedOut, at(0));
        }
        let another = origin("http://dead.test/2").unwrap();
        assert_eq!(origins.pass(&another, at(4)), Err(at(6)));
        assert_eq!(origins.pass(&origin("http://other.test/").unwrap(), at(4)), Ok(Passage::Free));
        assert_eq!(origins.pass(&another, at(10)), Ok(Passage::Probe));
        assert_eq!(origins.pass(&dead, at(10)), Err(at(0)));
        origins.settle(&another, Passage::Probe, Outcome::BadAnswer, at(11));
        assert_eq!(origins.pass(&dead, at(11)), Ok(Passage::Free), "a bad answer is an answer");
    }

    #[test]
    fn a_probe_that_was_not_sent_leaves_the_place_to_the_next() {
        let (origins, dead) = (Origins::default(), origin("http://dead.test/").unwrap());
        for _ in 0..2 {
            origins.settle(&dead, Passage::Free, Outcome::Unreachable, at(0));
        }
        assert_eq!(origins.pass(&dead, at(10)), Ok(Passage::Probe));
        origins.settle(&dead, Passage::Probe, Outcome::Crowded, at(10));
        assert_eq!(origins.pass(&dead, at(10)), Ok(Passage::Probe));
    }
}
