//! Telling the operator of messages that were not admitted.
//!
//! Who has another secret tries for ever, and strangers as often as they like. So the log has a line at most every
//! [`EVERY`], of the one that was refused then, with the number of those before it.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Denied;
use crate::wire::endpoint::Endpoint;

/// Between two lines.
const EVERY: Duration = Duration::from_secs(60);

/// Who says something, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// Where it was said.
    pub endpoint: Endpoint,
}

/// What was told of refusals.
#[derive(Debug, Default)]
pub(super) struct Denials(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    /// Refusals since then.
    untold: u64,
}

impl Denials {
    pub(super) fn tell(&self, asker: Asker, denied: &Denied) {
        let Some(untold) = self.take(Instant::now()) else { return };
        let Asker { address, endpoint } = asker;
        let address = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        tracing::warn!(
            address, endpoint = endpoint.path(), reason = %denied, others_before = untold,
            "webhooks: refused; if it should have been taken, both ends need the same secrets and clocks that agree"
        );
    }

    /// Whether a line is due, and how many refusals had none since the last.
    fn take(&self, now: Instant) -> Option<u64> {
        // Nothing in here can panic halfway.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| now.saturating_duration_since(at) < EVERY) {
            told.untold += 1;
            return None;
        }
        told.at = Some(now);
        Some(std::mem::take(&mut told.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_is_told_at_once_and_then_one_a_minute_with_the_number_of_others() {
        let (denials, begin) = (Denials::default(), Instant::now());
        let after = |secs| denials.take(begin + Duration::from_secs(secs));
        assert_eq!(
            [after(0), after(1), after(59), after(60), after(61), after(500)],
            [Some(0), None, None, Some(2), None, Some(1)]
        );
    }
}
