//! Asking broadcasters until one has done it.

use std::time::Duration;

use bytes::Bytes;

use super::broadcasters::round;
use super::error::SubscriberError;
use super::exchange::{Call, Exchange, Failure};

/// How long and how often broadcasters are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How often the whole list is gone through.
    pub(crate) rounds: u32,
    /// Whether to go on when it may have been done already.
    pub(crate) retry_ambiguous: bool,
}

/// All broadcasters.
pub(crate) struct Asker {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) patience: Patience,
}

/// The wait before a round: 2^(round-1) seconds, and up to one more, so that many do not come at once.
pub(crate) fn wait(round: u32) -> Duration {
    let seconds = 2_f64.powi(i32::try_from(round.min(16)).unwrap_or_default().saturating_sub(1));
    Duration::from_secs_f64(seconds + fastrand::f64())
}

/// What came of all attempts so far.
#[derive(Default)]
struct Outcome {
    ambiguous: Option<String>,
    last: String,
}

impl Asker {
    /// Asks one broadcaster after the other until one has done it. `make` makes the request anew for each attempt, because
    /// a signature counts once; `read` reads the answer.
    pub(crate) async fn ask<K, T>(
        &self,
        make: impl Fn() -> Result<(Call, K), SubscriberError>,
        read: impl Fn(&K, &Bytes) -> Result<T, Failure>,
    ) -> Result<T, SubscriberError> {
        let all: Vec<_> = self.exchanges.iter().map(|exchange| exchange.broadcaster.clone()).collect();
        let mut outcome = Outcome::default();
        for number in 0..self.patience.rounds.max(1) {
            if number > 0 {
                tokio::time::sleep(wait(number)).await;
            }
            for exchange in round(&all).into_iter().filter_map(|at| self.exchanges.get(at)) {
                let (call, key) = make()?;
                match exchange.send(call).await.and_then(|answer| read(&key, &answer)) {
                    Ok(done) => return Ok(done),
                    Err(failure) => outcome.note(failure, self.patience.retry_ambiguous)?,
                }
            }
        }
        Err(outcome.end())
    }

    /// Asks one broadcaster, once.
    pub(crate) async fn ask_one<K, T>(
        &self,
        at: usize,
        make: impl Fn() -> Result<(Call, K), SubscriberError>,
        read: impl Fn(&K, &Bytes) -> Result<T, Failure>,
    ) -> Result<T, SubscriberError> {
        let exchange = self.exchanges.get(at).ok_or(SubscriberError::Closed)?;
        let (call, key) = make()?;
        exchange.send(call).await.and_then(|answer| read(&key, &answer)).map_err(SubscriberError::from)
    }
}

impl Outcome {
    fn note(&mut self, failure: Failure, retry_ambiguous: bool) -> Result<(), SubscriberError> {
        match failure {
            Failure::Ambiguous(reason) if retry_ambiguous => self.ambiguous = Some(reason),
            Failure::Unreached(reason) | Failure::Busy(reason) => {
                tracing::debug!(%reason, "a broadcaster was asked in vain");
                self.last = reason;
            }
            failure => return Err(failure.into()),
        }
        Ok(())
    }

    fn end(self) -> SubscriberError {
        self.ambiguous.map_or(SubscriberError::Exhausted(self.last), SubscriberError::Ambiguous)
    }
}

impl From<Failure> for SubscriberError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreached(reason) | Failure::Busy(reason) => Self::Exhausted(reason),
            Failure::Refused(reason) => Self::Refused(reason),
            Failure::Ambiguous(reason) => Self::Ambiguous(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_have_a_random_part() {
        for (round, least) in [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0)] {
            let wait = wait(round).as_secs_f64();
            assert!((least..least + 1.0).contains(&wait), "{round}: {wait}");
        }
        assert!(wait(u32::MAX) < Duration::from_secs(40_000));
    }

    #[test]
    fn what_may_have_been_done_is_told_before_what_surely_was_not() {
        let mut outcome = Outcome::default();
        outcome.note(Failure::Unreached("away".into()), true).unwrap();
        outcome.note(Failure::Ambiguous("cut".into()), true).unwrap();
        outcome.note(Failure::Busy("busy".into()), true).unwrap();
        assert!(matches!(outcome.end(), SubscriberError::Ambiguous(reason) if reason == "cut"));
        let mut outcome = Outcome::default();
        outcome.note(Failure::Busy("busy".into()), false).unwrap();
        assert!(outcome.note(Failure::Ambiguous("cut".into()), false).is_err());
        assert!(outcome.note(Failure::Refused("no".into()), true).is_err());
        assert!(matches!(outcome.end(), SubscriberError::Exhausted(_)));
    }
}
