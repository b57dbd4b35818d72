//! The part of what is known of urls that the store remembers, so that it survives a restart and all broadcasters share it.
//!
//! One task does all of it, one thing after another, so that what it reads is never older than what it wrote. It hears of
//! urls that fail, and of urls that are well again, by notes; it looks every so often what others have noted.
//!
//! The store has the last word: who noted that a url fails, and finds its note gone, begins to count anew, because somebody
//! else has reached it, or a person has enabled it. A lost note does no harm: whoever calls the url notes it again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{MissedTickBehavior, interval_at};

use super::misses::Noted;
use super::retry::stopped;
use super::shared::Shared;
use super::vitals::Failing;
use crate::index::{self, Target};
use crate::store::{Endpoint, EndpointFilter, Row, Store, StoreError};

/// Notes that wait at most. Beyond that they are dropped, as if the store were away.
const NOTES: usize = 4096;

/// Rows that are read at once.
const PAGE: usize = 1000;

/// How often everything that the store remembers of urls is read. That a url was disabled, or enabled, is seen with each
/// sweep.
const READ_ALL: Duration = Duration::from_secs(600);

/// How often urls without subscriptions are forgotten.
const TIDY: Duration = Duration::from_secs(86_400);

/// As often in a row must a url have failed before it is disabled: two failures far apart say little.
const FAILURES: u32 = 5;

/// A url was disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disabled {
    /// The url.
    pub url: Box<str>,
    /// Since when it has failed; seconds since the epoch.
    pub since: u64,
    /// With what it failed the last time, for people.
    pub reason: Box<str>,
}

/// What the keeper hears.
pub(super) enum Note {
    /// A url has failed for some time.
    Failing { url: Box<str>, reason: Box<str> },
    /// A url that the store believes to fail is well.
    Well { url: Box<str> },
}

/// The notes.
pub(super) struct Keeper {
    sender: Sender<Note>,
    receiver: Mutex<Option<Receiver<Note>>>,
    /// Readings of the store so far.
    round: AtomicU32,
}

impl Keeper {
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel(NOTES);
        Self { sender, receiver: Mutex::new(Some(receiver)), round: AtomicU32::new(0) }
    }

    /// Leaves a note. `false` if there are too many.
    pub(super) fn tell(&self, note: Note) -> bool {
        let left = self.sender.try_send(note).is_ok();
        if !left {
            tracing::debug!("webhooks: a note about a url is dropped; it is made again when the url is called");
        }
        left
    }
}

/// Forgets that a url has failed, and enables it. Returns what was remembered of it, if anything was. Broadcasters that
/// share the store take note with their next sweep.
///
/// # Errors
/// The store fails.
pub async fn enable(store: &dyn Store, url: &str) -> Result<Option<Endpoint>, StoreError> {
    let stored = store.endpoint(url).await?;
    if stored.is_some() {
        store.enable(url).await?;
    }
    Ok(stored)
}

impl Shared {
    /// Does the keeper's work until it is time to stop; then what was noted until then.
    pub(super) async fn keep(&self) {
        let taken = self.keeper.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut notes) = taken else { return };
        let mut stop = self.stopping();
        let [mut look, mut read, mut tidy] = [self.settings.sweep_interval, READ_ALL, TIDY].map(every);
        loop {
            let result = tokio::select! {
                // In no order, so that many notes do not keep it from reading.
                Some(note) = notes.recv() => self.heed(note).await,
                () = stopped(&mut stop) => break,
                _ = tidy.tick() => self.forget_strangers().await,
                _ = read.tick() => self.read(false).await,
                _ = look.tick() => {
                    self.misses.tidy(self.clock.now());
                    self.read(true).await
                }
            };
            if let Err(error) = result {
                tracing::warn!(%error, "webhooks: what is known of urls is not shared with the store");
            }
        }
        while let Ok(note) = notes.try_recv() {
            if let Err(error) = self.heed(note).await {
                tracing::warn!(%error, "webhooks: what is known of urls is not all in the store");
                return;
            }
        }
    }

    /// Reads what the store remembers, at the beginning.
    pub(super) async fn read_all(&self) {
        if let Err(error) = self.read(false).await {
            tracing::warn!(%error, "webhooks: it is not known which urls have failed; that is read later");
        }
    }

    async fn heed(&self, note: Note) -> Result<(), StoreError> {
        match note {
            Note::Well { url } => {
                let result = enable(&*self.store, &url).await;
                if let Some(known) = self.urls.find(&url) {
                    // What could not be written is noted again with the next success.
                    known.vitals().told(result.is_ok());
                }
                result.map(drop)
            }
            Note::Failing { url, reason } => self.failing(url, reason).await,
        }
    }

    async fn failing(&self, url: Box<str>, reason: Box<str>) -> Result<(), StoreError> {
        let Some(known) = self.urls.find(&url) else { return Ok(()) };
        let before = self.store.endpoint(&url).await?;
        let noted = before.as_ref().is_some_and(|endpoint| endpoint.failing_since.is_some());
        let failing = {
            let mut vitals = known.vitals();
            if vitals.stored && !noted {
                vitals.cleared(self.clock.now());
                return Ok(());
            }
            // As it is now: since the note was left it may have begun anew.
            let Some(failing) = vitals.failing() else { return Ok(()) };
            failing
        };
        let before = before.unwrap_or_else(|| Endpoint { url, ..Endpoint::default() });
        if before.disabled_at.is_some() {
            // Written again, it could undo what somebody who enables it does at this moment.
            known.vitals().hear(&before, self.clock.now(), &self.settings);
            return Ok(());
        }
        let after = self.judged(&before, failing, reason);
        self.store.remember(&after).await?;
        if known.vitals().failing().is_none() {
            // It was reached in the meantime.
            return enable(&*self.store, &after.url).await.map(drop);
        }
        known.vitals().hear(&after, self.clock.now(), &self.settings);
        if after.disabled_at.is_some() {
            self.disabled(&after);
            self.tell_owner(&after.url).await?;
        }
        Ok(())
    }

    /// What is to be remembered of a url that fails and is not disabled.
    fn judged(&self, before: &Endpoint, failing: Failing, reason: Box<str>) -> Endpoint {
        let now = self.clock.now().epoch_secs();
        let since = before.failing_since.map_or(failing.since, |since| since.min(failing.since));
        let failures = before.failures.max(failing.failures);
        let long = self.settings.disable_after.is_some_and(|after| now.saturating_sub(since) >= after.as_secs());
        let due = (long && failures >= FAILURES).then_some(now);
        Endpoint {
            url: before.url.clone(),
            failing_since: Some(since),
            failures,
            disabled_at: due,
            reason,
            ..Endpoint::default()
        }
    }

    fn disabled(&self, endpoint: &Endpoint) {
        let Endpoint { url, failing_since, reason, .. } = endpoint;
        let since = failing_since.unwrap_or_default();
        let secs = self.clock.now().epoch_secs().saturating_sub(since);
        tracing::warn!(
            %url, %reason, failing_for_secs = secs,
            "webhooks: a url is disabled; it is tried now and then, and `hive-cli webhooks enable` enables it"
        );
        self.counters.disabled.add(1);
        self.tell_disabled(&Disabled { url: url.clone(), since, reason: reason.clone() });
    }

    /// Tells each subscription of a url that was disabled that it will miss what comes now. For a pattern the topic is the
    /// pattern's own text: no message of a topic was missed.
    async fn tell_owner(&self, url: &str) -> Result<(), StoreError> {
        let (quiet, mut last) = (self.settings.probe_disabled, None::<Row>);
        loop {
            let rows = self.store.of_url(url, last.as_ref().and_then(Row::interest), PAGE).await?;
            for row in &rows {
                let urls = index::Urls { receive: row.url.clone(), recovery: row.recovery.clone() };
                let target = Target { id: row.id, urls: urls.into() };
                let noted = self.misses.note_now(&target, &(&*row.interest).into(), self.clock.now(), quiet);
                self.counters.missed_dropped.add(u64::from(noted == Noted::NoRoom));
            }
            let is_last = rows.len() < PAGE;
            last = rows.into_iter().last();
            if is_last {
                return Ok(());
            }
        }
    }

    /// Takes note of what the store remembers: of urls that are disabled, or of all.
    async fn read(&self, disabled: bool) -> Result<(), StoreError> {
        let round = self.keeper.round.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut pages = Pages::new(disabled);
        while let Some(page) = pages.next(&*self.store).await? {
            page.iter().for_each(|endpoint| self.hear(endpoint, round));
        }
        let now = self.clock.now();
        self.urls.review(now, |vitals| {
            let believed = if disabled { vitals.is_disabled() } else { vitals.stored };
            if believed && vitals.seen != round {
                vitals.cleared(now);
            }
        });
        Ok(())
    }

    fn hear(&self, endpoint: &Endpoint, round: u32) {
        let fails = endpoint.failing_since.is_some() || endpoint.disabled_at.is_some();
        let known = if fails { self.urls.enter(&endpoint.url) } else { self.urls.find(&endpoint.url) };
        if let Some(known) = known {
            let mut vitals = known.vitals();
            vitals.hear(endpoint, self.clock.now(), &self.settings);
            vitals.seen = round;
        }
    }

    /// Forgets what is remembered of urls that nobody is subscribed with.
    async fn forget_strangers(&self) -> Result<(), StoreError> {
        let mut pages = Pages::new(false);
        while let Some(page) = pages.next(&*self.store).await? {
            for endpoint in page {
                if self.store.of_url(&endpoint.url, None, 1).await?.is_empty() {
                    self.store.dismiss(&endpoint.url).await?;
                }
            }
        }
        for url in self.urls.lonely(self.clock.now()) {
            if self.store.of_url(&url, None, 1).await?.is_empty() {
                self.urls.forget(&url);
            }
        }
        Ok(())
    }
}

/// What is remembered of urls, page by page.
struct Pages {
    filter: EndpointFilter,
    done: bool,
}

impl Pages {
    fn new(disabled: bool) -> Self {
        Self { filter: EndpointFilter { disabled, after: None, limit: PAGE }, done: false }
    }

    async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Endpoint>>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let page = store.endpoints(&self.filter).await?;
        self.filter.after = page.last().map(|last| last.url.clone());
        self.done = page.len() < PAGE;
        Ok(Some(page))
    }
}

/// Ticks, the first after one interval.
pub(super) fn every(interval: Duration) -> tokio::time::Interval {
    let interval = interval.max(Duration::from_millis(1));
    let mut ticks = interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
