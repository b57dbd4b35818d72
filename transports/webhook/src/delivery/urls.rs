//! What is known of all urls, in memory.
//!
//! A url that is well has no entry, unless there is a rate or `verify`: finding that out is one look into a table without
//! locks. The state of a url that has one is behind a lock of its own, which is never held over a wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::breaker::Passage;
use super::clock::Now;
use super::settings::DeliverySettings;
use super::vitals::{Refusal, Vitals};

/// What is known of one url.
#[derive(Debug)]
pub(super) struct Url {
    vitals: Mutex<Vitals>,
    /// Held while its owner is asked, so that this is done once.
    pub(super) asking: tokio::sync::Mutex<()>,
}

impl Url {
    pub(super) fn vitals(&self) -> MutexGuard<'_, Vitals> {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of all urls.
pub(super) struct Urls {
    known: papaya::HashMap<Box<str>, Arc<Url>>,
    settings: Arc<DeliverySettings>,
    /// Whether every url that is called gets an entry.
    all: bool,
    /// How often there was no room for one.
    unknown: AtomicU64,
    warned: AtomicBool,
}

impl Urls {
    pub(super) fn new(settings: Arc<DeliverySettings>) -> Self {
        let all = settings.verify || settings.rate.is_some();
        Self {
            known: papaya::HashMap::new(),
            settings,
            all,
            unknown: AtomicU64::new(0),
            warned: AtomicBool::new(false),
        }
    }

    /// Asks whether a message may go to this url.
    pub(super) fn pass(&self, url: &str, now: Now) -> Result<Permit<'_>, Refusal> {
        let known = self.find(url).or_else(|| if self.all { self.enter(url) } else { None });
        let passage = match &known {
            Some(known) => known.vitals().pass(now, &self.settings)?,
            None => Passage::Free,
        };
        Ok(Permit { urls: self, known, passage, now, settled: false })
    }

    pub(super) fn find(&self, url: &str) -> Option<Arc<Url>> {
        self.known.pin().get(url).cloned()
    }

    /// The entry of a url, which is made if there is none and there is room.
    pub(super) fn enter(&self, url: &str) -> Option<Arc<Url>> {
        if let Some(known) = self.find(url) {
            return Some(known);
        }
        if self.known.len() >= self.settings.most_urls {
            self.no_room();
            return None;
        }
        let fresh = || Arc::new(Url { vitals: Mutex::default(), asking: tokio::sync::Mutex::new(()) });
        Some(Arc::clone(self.known.pin().get_or_insert_with(url.into(), fresh)))
    }

    fn no_room(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        if !self.warned.swap(true, Ordering::Relaxed) {
            let most = self.settings.most_urls;
            tracing::warn!(
                "webhooks: {most} urls are remembered, which is the bound; more have no breaker and no rate"
            );
        }
    }

    /// Looks at all entries, and forgets those of which nothing is lost.
    pub(super) fn review(&self, now: Now, mut look: impl FnMut(&mut Vitals)) {
        self.known.pin().retain(|_, known| {
            let mut vitals = known.vitals();
            look(&mut vitals);
            !vitals.is_idle(now, &self.settings)
        });
    }

    /// Urls that fail, that nobody calls now, and of which the store knows nothing.
    pub(super) fn lonely(&self, now: Now) -> Vec<Box<str>> {
        let known = self.known.pin();
        known.iter().filter(|(_, known)| known.vitals().is_lonely(now)).map(|(url, _)| url.clone()).collect()
    }

    /// Forgets a url.
    pub(super) fn forget(&self, url: &str) {
        self.known.pin().remove(url);
    }

    /// How often there was no room for what is known of a url.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

/// Leave to send one message to a url. Dropped without an answer, it counts neither way.
pub(super) struct Permit<'a> {
    urls: &'a Urls,
    known: Option<Arc<Url>>,
    passage: Passage,
    now: Now,
    settled: bool,
}

impl Permit<'_> {
    pub(super) fn known(&self) -> Option<&Arc<Url>> {
        self.known.as_ref()
    }

    /// The message arrived. Returns whether the store has to be told.
    pub(super) fn succeeded(mut self, url: &str) -> bool {
        self.settled = true;
        // Others may have failed since this one was let go.
        self.known.take().or_else(|| self.urls.find(url)).is_some_and(|known| known.vitals().recover())
    }

    /// The message did not arrive. Returns whether it is time for the store to know.
    pub(super) fn failed(mut self, url: &str, now: Now) -> bool {
        self.settled = true;
        let known = self.known.take().or_else(|| self.urls.enter(url));
        known.is_some_and(|known| known.vitals().failed(self.passage, now, &self.urls.settings))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(known) = self.known.take().filter(|_| !self.settled) {
            known.vitals().abandoned(self.passage, self.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::delivery::{BreakerSettings, Rate};

    fn urls(settings: DeliverySettings) -> Urls {
        Urls::new(Arc::new(settings))
    }

    fn at(secs: u64) -> Now {
        Now { elapsed: Duration::from_secs(secs), epoch_ms: secs * 1000 }
    }

    /// What [`DeliverySettings::most_urls`] says of memory stands on this.
    #[test]
    fn a_url_of_which_something_is_known_takes_no_more_than_200_bytes() {
        assert!(size_of::<Url>() <= 200, "{}", size_of::<Url>());
    }

    #[test]
    fn a_url_that_is_well_takes_no_room() {
        let (urls, url) = (urls(DeliverySettings::default()), "http://a.test/");
        for _ in 0..3 {
            assert!(!urls.pass(url, at(0)).unwrap().succeeded(url));
        }
        assert_eq!(urls.len(), 0);
        urls.pass(url, at(0)).unwrap().failed(url, at(0));
        assert_eq!(urls.len(), 1);
        urls.pass(url, at(0)).unwrap().succeeded(url);
        urls.review(at(600), |_| {});
        assert_eq!(urls.len(), 0);
    }

    #[test]
    fn a_permit_that_is_dropped_makes_room_for_another_probe() {
        let breaker = BreakerSettings { failures: 1, hold: Duration::from_secs(1), ..Default::default() };
        let urls = urls(DeliverySettings { breaker, ..Default::default() });
        let url = "http://a.test/";
        urls.pass(url, at(0)).unwrap().failed(url, at(0));
        let probe = urls.pass(url, at(1)).unwrap();
        assert_eq!(urls.pass(url, at(1)).err(), Some(Refusal::Held));
        drop(probe);
        assert!(urls.pass(url, at(1)).is_ok());
    }

    #[test]
    fn beyond_its_bound_urls_go_without_and_are_counted() {
        let rate = Some(Rate { every: Duration::from_secs(60), burst: 1 });
        let urls = urls(DeliverySettings { most_urls: 1, rate, ..Default::default() });
        let (first, second) = ("http://a.test/", "http://b.test/");
        assert!(urls.pass(first, at(0)).is_ok());
        assert_eq!(urls.pass(first, at(0)).err(), Some(Refusal::Crowded));
        assert!(urls.pass(second, at(0)).is_ok());
        assert!(urls.pass(second, at(0)).is_ok());
        assert_eq!(urls.unknown(), 2);
    }
}
