//! How long, and how many.

use std::time::{Duration, SystemTime};

/// Longer than anybody waits, and short enough for every clock to add.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a request goes about its answers.
///
/// By default it has ten seconds, and a gathering of several answers has no count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestOptions {
    within: Duration,
    until: Option<SystemTime>,
    pub(crate) count: Option<usize>,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self { within: Duration::from_secs(10), until: None, count: None }
    }
}

impl RequestOptions {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits this long, from the first poll on. It travels with the request as a point in time, so that nobody works on what
    /// nobody waits for. More than a year counts as a year.
    #[must_use]
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Waits no longer than until then, whatever [`within`](Self::within) says: for a hook that asks others on its way, with
    /// the [deadline](crate::Event::deadline) of its own event.
    #[must_use]
    pub const fn until(mut self, until: SystemTime) -> Self {
        self.until = Some(until);
        self
    }

    /// Ends [`request_all`](crate::Hive::request_all) after so many answers. [`request`](crate::Hive::request) takes one in any
    /// case.
    #[must_use]
    pub const fn count(mut self, answers: usize) -> Self {
        self.count = Some(answers);
        self
    }

    /// What there is to wait from now on.
    pub(crate) fn left(&self) -> Duration {
        let within = self.within.min(LONGEST);
        match self.until {
            None => within,
            Some(until) => within.min(until.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_of_the_two_times_counts() {
        let (short, long) = (Duration::from_secs(5), Duration::from_secs(500));
        let options = RequestOptions::new().within(long);
        assert_eq!(options.left(), long);
        assert!(options.until(SystemTime::now() + short).left() <= short);
        assert_eq!(options.until(SystemTime::UNIX_EPOCH).left(), Duration::ZERO);
        assert_eq!(RequestOptions::new().within(Duration::MAX).left(), LONGEST);
    }
}
