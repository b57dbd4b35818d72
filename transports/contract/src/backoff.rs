//! The wait between attempts to reach a peer.

use std::time::Duration;

/// Jittered exponential back-off: attempt *n* waits a random time between `base` and `base * 2^n`, at most `max`.
///
/// The random part keeps a thousand clients of a restarted server from coming back in the same instant.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// A back-off between `base` and `max`.
    #[must_use]
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self { base, max, failures: 0 }
    }

    /// Counts one more failure and gives the time to wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        // The first wait has a random part too: it is the one that all clients of a restarted server begin with.
        self.failures = self.failures.saturating_add(1);
        let doubled = self.base.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let ceiling = doubled.clamp(self.base.min(self.max), self.max);
        let floor = self.base.min(ceiling);
        floor + (ceiling - floor).mul_f64(fastrand::f64())
    }

    /// Failures since the last [`reset`](Self::reset).
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts again from `base`. Call it when a connection has proven to last, not when it has merely opened: a server
    /// that accepts and closes at once must not be hammered.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_stay_between_base_and_max_and_start_again_after_a_reset() {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(10));
        let mut backoff = Backoff::new(base, max);
        for _ in 0..100 {
            let wait = backoff.next_wait();
            assert!(wait >= base && wait <= max, "{wait:?}");
        }
        backoff.reset();
        let first = backoff.next_wait();
        assert!(first >= base && first <= base * 2, "{first:?}");
    }

    #[test]
    fn the_first_waits_of_many_clients_differ() {
        let first = || Backoff::new(Duration::from_secs(1), Duration::from_secs(30)).next_wait();
        let waits: std::collections::HashSet<Duration> = (0..100).map(|_| first()).collect();
        assert!(waits.len() > 50, "{waits:?}");
    }
}
