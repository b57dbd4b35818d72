//! The end of a door.
//!
//! Python clients reconnect at once, without a pause, when an established connection ends, whatever the code. So the
//! listener has stopped accepting before this begins, and the closes are spread, so that whoever takes the clients over
//! is not met by all of them in one instant. A handshake that is under way is told to come later (503), which every
//! client answers with a growing pause.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Common;

/// Closes a second, at most, while there is time for that.
const CLOSES_PER_SECOND: f64 = 2000.0;

/// The part of the time for closing; the rest is for the clients' answers.
const CLOSING_SHARE: f64 = 0.7;

/// Tells the threads of a door that it drains.
#[derive(Debug)]
pub(super) struct Drain(watch::Sender<Option<Plan>>);

/// From when to when the sessions are closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    from: Instant,
    over: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Drain {
    pub(super) fn is_on(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<Plan>> {
        self.0.subscribe()
    }
}

impl Plan {
    fn new(sessions: usize, within: Duration) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a time need not be exact")]
        let enough = Duration::from_secs_f64(sessions as f64 / CLOSES_PER_SECOND);
        Self { from: Instant::now(), over: enough.min(within.mul_f64(CLOSING_SHARE)) }
    }

    /// Of `at_start` sessions, how many may still stand at `now`.
    pub(super) fn may_stand(&self, at_start: usize, now: Instant) -> usize {
        if self.over.is_zero() {
            return 0;
        }
        let left = 1.0 - now.duration_since(self.from).as_secs_f64() / self.over.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the number of sessions"
        )]
        let standing = (at_start as f64 * left.max(0.0)) as usize;
        standing
    }
}

pub(super) async fn drain(common: &Common, within: Duration) {
    common.drain.0.send_replace(Some(Plan::new(common.counters.sessions(), within)));
    if timeout(within, common.counters.none()).await.is_err() {
        tracing::warn!(sessions = common.counters.sessions(), "sessions did not end in the time for draining");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_are_spread_and_end_before_the_time_is_over() {
        let plan = Plan::new(100_000, Duration::from_secs(10));
        let standing = |after_ms| plan.may_stand(1000, plan.from + Duration::from_millis(after_ms));
        assert_eq!([0, 3500, 7000, 9000].map(standing), [1000, 500, 0, 0]);
        let few = Plan::new(4, Duration::from_secs(10));
        assert_eq!(few.may_stand(4, few.from + Duration::from_millis(2)), 0);
    }
}
