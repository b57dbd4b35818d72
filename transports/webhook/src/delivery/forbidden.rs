//! Telling the operator of urls that are subscribed but may not be called.
//!
//! The protocol has no status for it: whoever subscribes such a url is not told. Anybody who may subscribe can name a million
//! of them, so the log has each once, and not many an hour.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::clock::Now;

/// Urls that are told in an hour.
const MOST: usize = 20;

/// After it each url is told again, if it is still called.
const HOUR: Duration = Duration::from_secs(3600);

/// What was told in this hour.
#[derive(Debug, Default)]
pub(super) struct Forbidden(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    since: Duration,
    urls: Vec<Box<str>>,
}

/// Whether a url is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Yes,
    /// It is the last of this hour.
    Last,
    /// It was told, or too many were.
    No,
}

impl Forbidden {
    /// A url was not called because that is forbidden, for this reason.
    pub(super) fn tell(&self, url: &str, reason: &str, now: Now) {
        let telling = self.admit(url, now);
        if telling == Telling::No {
            return;
        }
        tracing::warn!(
            %url, %reason,
            "webhooks: a url that is subscribed may not be called, and gets nothing; name its network in `allow` if it should"
        );
        if telling == Telling::Last {
            tracing::warn!(
                "webhooks: further such urls are not told for an hour; `hive-cli webhooks attempts` has them"
            );
        }
    }

    fn admit(&self, url: &str, now: Now) -> Telling {
        // Nothing in here can panic halfway.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.elapsed.saturating_sub(told.since) >= HOUR {
            *told = Told { since: now.elapsed, urls: Vec::new() };
        }
        if told.urls.len() >= MOST || told.urls.iter().any(|known| **known == *url) {
            return Telling::No;
        }
        told.urls.push(url.into());
        if told.urls.len() == MOST { Telling::Last } else { Telling::Yes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_url_is_told_once_an_hour_and_no_more_than_twenty_are() {
        let at = |secs| Now { elapsed: Duration::from_secs(secs), epoch_ms: 0 };
        let (forbidden, url) = (Forbidden::default(), |number: usize| format!("http://10.0.0.{number}/"));
        assert_eq!(forbidden.admit(&url(0), at(0)), Telling::Yes);
        assert_eq!(forbidden.admit(&url(0), at(1)), Telling::No);
        let others: Vec<Telling> = (1..100).map(|number| forbidden.admit(&url(number), at(2))).collect();
        assert_eq!(others.iter().filter(|telling| **telling == Telling::Yes).count(), MOST - 2);
        assert_eq!(others.iter().position(|telling| *telling == Telling::Last), Some(MOST - 2));
        assert_eq!(forbidden.admit(&url(0), at(3600)), Telling::Yes);
        assert_eq!(forbidden.admit(&url(77), at(3600)), Telling::Yes);
    }
}
