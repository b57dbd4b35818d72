//! A rate for one url: a bucket that holds `burst` tokens and is filled with one every so often.
//!
//! What is kept is not the tokens but the time at which the bucket will be full again (the "generic cell rate algorithm"),
//! so one number is the whole state, and a bucket that was never used is one of zero.

use std::time::Duration;

/// How often a url is called at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Time between two calls in the long run.
    pub every: Duration,
    /// How many calls may come at once after a pause. At least one.
    pub burst: u32,
}

impl Rate {
    /// So many a minute, with a burst of what comes in a second of them.
    #[must_use]
    pub fn per_minute(calls: u32) -> Self {
        Self { every: Duration::from_secs(60) / calls.max(1), burst: (calls / 60).max(1) }
    }

    /// The slower of two.
    pub(super) fn slower(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if one.every >= other.every { one } else { other }),
            (one, other) => one.or(other),
        }
    }
}

/// The tokens of one url.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// Takes a token, if there is one. Times are since any one moment.
    pub(super) fn take(&mut self, now: Duration, rate: Rate) -> bool {
        let full_at = self.full_at.max(now);
        let room = rate.every.saturating_mul(rate.burst.max(1) - 1);
        if full_at - now > room {
            return false;
        }
        self.full_at = full_at.saturating_add(rate.every);
        true
    }

    /// Whether it holds all its tokens, so that it could be forgotten.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A bucket as one would draw it: tokens that are counted, and a clock that is stepped.
    struct Drawn {
        tokens: u64,
        since_last: u64,
        rate: (u64, u64),
    }

    impl Drawn {
        fn step(&mut self) {
            let (every, burst) = self.rate;
            if self.tokens < burst {
                self.since_last += 1;
                if self.since_last == every {
                    (self.tokens, self.since_last) = (self.tokens + 1, 0);
                }
            }
        }

        fn take(&mut self) -> bool {
            let any = self.tokens > 0;
            self.tokens -= u64::from(any);
            any
        }
    }

    proptest! {
        #[test]
        fn tokens_are_those_of_a_bucket_that_is_counted(
            every in 1_u64..6, burst in 1_u32..5, waits in prop::collection::vec(0_u64..9, 0..60),
        ) {
            let rate = Rate { every: Duration::from_millis(every), burst };
            let mut drawn = Drawn { tokens: burst.into(), since_last: 0, rate: (every, burst.into()) };
            let mut bucket = Bucket::default();
            let mut now = 0;
            for wait in waits {
                (0..wait).for_each(|_| drawn.step());
                now += wait;
                prop_assert_eq!(bucket.take(Duration::from_millis(now), rate), drawn.take());
                prop_assert_eq!(bucket.is_full(Duration::from_millis(now)), drawn.tokens == u64::from(burst));
            }
        }
    }

    #[test]
    fn a_rate_by_the_minute_lets_a_second_of_it_come_at_once() {
        assert_eq!(Rate::per_minute(600), Rate { every: Duration::from_millis(100), burst: 10 });
        assert_eq!(Rate::per_minute(2), Rate { every: Duration::from_secs(30), burst: 1 });
        assert_eq!(Rate::per_minute(0).every, Duration::from_secs(60));
    }
}
