//! What is known of one url. Nothing here waits or asks anybody; the time is handed in.

use std::time::Duration;

use super::breaker::{Breaker, Passage};
use super::bucket::{Bucket, Rate};
use super::clock::Now;
use super::settings::DeliverySettings;
use crate::store::Endpoint;

/// How often it is noted in the store that a url fails. A restart forgets at most as much of the days after which it is
/// disabled, and a failing url costs the store at most one write in this time.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Of messages to one url that were not tried so many are written down: the first hundred, then one every ten seconds. A
/// short outage leaves all its dead letters; a long one does not push those of other urls out of the store.
const UNTRIED: Rate = Rate { every: Duration::from_secs(10), burst: 100 };

/// Nobody called for so long: what is known is forgotten, if the store or the next call can tell it again.
const IDLE: Duration = Duration::from_secs(600);

/// What is known of one url.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    breaker: Breaker,
    bucket: Bucket,
    /// How many requests a minute its owner allows.
    allowed: Option<u32>,
    failing_since: Option<u64>,
    disabled: bool,
    verified: bool,
    /// Whether the store has it that this url fails.
    pub(super) stored: bool,
    /// When that was last noted or asked to be.
    noted: Option<Duration>,
    used: Duration,
    /// It is well here, and the store does not know that yet: what it says of failures is old.
    untold: bool,
    written: Bucket,
    /// How many messages were not tried, and not written down either, since the last that was.
    unwritten: u32,
    /// The round of reading the store in which it was last seen there.
    pub(super) seen: u32,
}

/// Why a message may not go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The breaker is open.
    Held,
    /// The url is disabled.
    Disabled,
    /// The rate is used up.
    Crowded,
}

/// How a url fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failing {
    pub(super) since: u64,
    pub(super) failures: u32,
}

impl Vitals {
    /// Whether a message may go now. One that may is to be answered for.
    pub(super) fn pass(&mut self, now: Now, settings: &DeliverySettings) -> Result<Passage, Refusal> {
        self.used = now.elapsed;
        let passage = self.breaker.pass(now.elapsed);
        if passage == Passage::Held {
            return Err(if self.disabled { Refusal::Disabled } else { Refusal::Held });
        }
        match Rate::slower(settings.rate, self.allowed.map(Rate::per_minute)) {
            Some(rate) if !self.bucket.take(now.elapsed, rate) => {
                self.breaker.abandoned(passage, now.elapsed);
                Err(Refusal::Crowded)
            }
            _ => Ok(passage),
        }
    }

    /// A message did not arrive. Returns whether it is time for the store to know.
    pub(super) fn failed(&mut self, passage: Passage, now: Now, settings: &DeliverySettings) -> bool {
        let opened = self.breaker.failed(passage, now.elapsed, &settings.breaker);
        if opened && self.disabled {
            self.breaker.hold(now.elapsed.saturating_add(settings.probe_disabled));
        }
        self.untold = false;
        let since = *self.failing_since.get_or_insert(now.epoch_secs());
        let every = settings.disable_after.map_or(NOTE_EVERY, |after| after.min(NOTE_EVERY));
        let lasts = now.epoch_secs().saturating_sub(since) >= every.as_secs();
        let noted = self.noted.is_some_and(|noted| now.elapsed.saturating_sub(noted) < every);
        let due = lasts && !noted;
        if due {
            self.noted = Some(now.elapsed);
        }
        due
    }

    /// Since when it fails, and how often; `None` if its last message arrived.
    pub(super) fn failing(&self) -> Option<Failing> {
        Some(Failing { since: self.failing_since?, failures: self.breaker.failures() })
    }

    /// What becomes of a message will not be known, or says nothing of the url.
    pub(super) fn abandoned(&mut self, passage: Passage, now: Now) {
        self.breaker.abandoned(passage, now.elapsed);
    }

    /// It is called as any other from now on. Returns whether the store has to be told.
    pub(super) fn recover(&mut self) -> bool {
        self.breaker.succeeded();
        (self.failing_since, self.disabled, self.noted) = (None, false, None);
        let stored = std::mem::take(&mut self.stored);
        self.untold |= stored;
        stored
    }

    /// The store was told that it is well, or could not be told; then the next success tells it.
    pub(super) fn told(&mut self, told: bool) {
        (self.untold, self.stored) = (!told, !told);
    }

    /// Whether a message that was not tried is to be written down; then it says how many were not since the last that was.
    pub(super) fn write_untried(&mut self, now: Now) -> Option<u32> {
        self.used = now.elapsed;
        if self.written.take(now.elapsed, UNTRIED) {
            return Some(std::mem::take(&mut self.unwritten));
        }
        self.unwritten = self.unwritten.saturating_add(1);
        None
    }

    /// How long nothing may go, as far as that is known.
    pub(super) fn held_for(&self, now: Now) -> Duration {
        self.breaker.held_for(now.elapsed)
    }

    /// It is disabled from now on, or still is.
    pub(super) fn disable(&mut self, now: Now, settings: &DeliverySettings) {
        if !self.disabled {
            self.breaker.hold(now.elapsed.saturating_add(settings.probe_disabled));
        }
        (self.disabled, self.stored) = (true, true);
    }

    /// Whether it is disabled.
    pub(super) fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// It has shown that it wants to be called, at most so often. The message that waited for this is the first of those.
    pub(super) fn verified(&mut self, allowed: Option<u32>, now: Now) {
        (self.verified, self.allowed) = (true, allowed);
        if let Some(rate) = allowed {
            self.bucket.take(now.elapsed, Rate::per_minute(rate));
        }
    }

    /// Whether it has.
    pub(super) fn is_verified(&self) -> bool {
        self.verified
    }

    /// Takes over what the store remembers.
    pub(super) fn hear(&mut self, endpoint: &Endpoint, now: Now, settings: &DeliverySettings) {
        if endpoint.verified_at.is_some() {
            (self.verified, self.allowed) = (true, endpoint.allowed_rate);
        }
        if self.untold {
            return;
        }
        if let Some(since) = endpoint.failing_since {
            self.failing_since = Some(self.failing_since.map_or(since, |mine| mine.min(since)));
            self.stored = true;
            self.breaker.heard_of(endpoint.failures);
        }
        if endpoint.disabled_at.is_some() {
            self.disable(now, settings);
        }
    }

    /// The store does not have it any more that this url fails: somebody reached it, or a person enabled it. What fails here
    /// begins anew.
    pub(super) fn cleared(&mut self, now: Now) {
        if self.disabled {
            self.recover();
        }
        self.failing_since = self.failing_since.map(|_| now.epoch_secs());
        (self.stored, self.noted) = (false, None);
    }

    /// Whether nothing is lost if it is forgotten now. One that fails is forgotten when nobody has called it for as long as it
    /// takes to disable it.
    pub(super) fn is_idle(&self, now: Now, settings: &DeliverySettings) -> bool {
        let nothing = !self.stored && !self.disabled;
        let patience = match self.breaker.failures() {
            0 => IDLE,
            _ => settings.disable_after.unwrap_or_default().max(settings.breaker.hold_max).max(IDLE),
        };
        let idle = now.elapsed.saturating_sub(self.used) >= patience;
        idle && nothing && self.bucket.is_full(now.elapsed) && self.written.is_full(now.elapsed)
    }

    /// Whether it fails, nobody calls it now, and nobody but this broadcaster knows.
    pub(super) fn is_lonely(&self, now: Now) -> bool {
        let unused = now.elapsed.saturating_sub(self.used) >= IDLE;
        unused && self.breaker.failures() > 0 && !self.stored && !self.disabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(secs: u64) -> Now {
        Now { elapsed: Duration::from_secs(secs), epoch_ms: (1_000_000 + secs) * 1000 }
    }

    fn fail(vitals: &mut Vitals, now: u64) -> bool {
        vitals.failed(Passage::Free, at(now), &DeliverySettings::default())
    }

    #[test]
    fn the_store_hears_of_a_url_that_goes_on_failing_once_a_minute() {
        let mut vitals = Vitals::default();
        let told = [0, 59, 60, 61, 119, 120].map(|secs| fail(&mut vitals, secs));
        assert_eq!(told, [false, false, true, false, false, true]);
        assert_eq!(vitals.failing(), Some(Failing { since: 1_000_000, failures: 6 }));
        vitals.recover();
        assert_eq!(vitals.failing(), None);
    }

    #[test]
    fn a_success_is_told_to_the_store_only_if_that_has_it_that_the_url_fails() {
        let mut vitals = Vitals::default();
        fail(&mut vitals, 0);
        assert!(!vitals.recover());
        vitals.hear(
            &Endpoint { failing_since: Some(5), failures: 2, ..Endpoint::default() },
            at(0),
            &DeliverySettings::default(),
        );
        assert!(vitals.recover());
        assert!(!vitals.recover());
    }

    #[test]
    fn a_disabled_url_is_tried_once_an_hour() {
        let settings = DeliverySettings::default();
        let mut vitals = Vitals::default();
        vitals.disable(at(0), &settings);
        vitals.disable(at(3000), &settings);
        assert_eq!(vitals.pass(at(3599), &settings), Err(Refusal::Disabled));
        assert_eq!(vitals.pass(at(3600), &settings), Ok(Passage::Probe));
        assert_eq!(vitals.pass(at(3600), &settings), Err(Refusal::Disabled));
        vitals.failed(Passage::Probe, at(3601), &settings);
        assert_eq!(vitals.pass(at(7200), &settings), Err(Refusal::Disabled));
        assert_eq!(vitals.pass(at(7201), &settings), Ok(Passage::Probe));
        assert!(vitals.recover());
        assert_eq!(vitals.pass(at(7201), &settings), Ok(Passage::Free));
    }

    #[test]
    fn a_probe_that_the_rate_does_not_let_go_leaves_the_place_to_the_next() {
        let settings =
            DeliverySettings { rate: Some(Rate { every: Duration::from_secs(10), burst: 1 }), ..Default::default() };
        let mut vitals = Vitals::default();
        assert_eq!(vitals.pass(at(0), &settings), Ok(Passage::Free));
        vitals.breaker.hold(at(1).elapsed);
        assert_eq!(vitals.pass(at(2), &settings), Err(Refusal::Crowded));
        assert_eq!(vitals.pass(at(10), &settings), Ok(Passage::Probe));
    }

    #[test]
    fn what_somebody_else_reached_begins_to_fail_anew() {
        let mut vitals = Vitals::default();
        fail(&mut vitals, 0);
        vitals.cleared(at(2 * DAY));
        assert!(fail(&mut vitals, 3 * DAY));
        assert_eq!(vitals.failing().map(|failing| failing.since), Some(1_000_000 + 2 * DAY));
    }

    #[test]
    fn what_fails_is_forgotten_when_nobody_calls_it_for_as_long_as_would_disable_it() {
        let settings = DeliverySettings::default();
        let mut vitals = Vitals::default();
        vitals.pass(at(0), &settings).unwrap();
        fail(&mut vitals, 0);
        assert!(!vitals.is_idle(at(3 * DAY - 1), &settings));
        assert!(vitals.is_idle(at(3 * DAY), &settings));
        let settings = DeliverySettings { disable_after: None, ..settings };
        assert!(vitals.is_idle(at(600), &settings));
    }

    #[test]
    fn a_url_that_is_well_is_not_disabled_by_what_the_store_said_before_it_was_told() {
        let (settings, mut vitals) = (DeliverySettings::default(), Vitals::default());
        let old = Endpoint { failing_since: Some(5), disabled_at: Some(6), failures: 7, ..Endpoint::default() };
        vitals.hear(&old, at(0), &settings);
        assert!(vitals.recover());
        vitals.hear(&old, at(1), &settings);
        assert!(!vitals.is_disabled());
        vitals.told(false);
        assert!(vitals.recover(), "the next success tells it again");
        vitals.told(true);
        vitals.hear(&old, at(2), &settings);
        assert!(vitals.is_disabled());
    }

    #[test]
    fn only_what_is_well_and_long_unused_is_forgotten() {
        let settings = DeliverySettings { rate: Some(Rate::per_minute(1)), ..Default::default() };
        let mut vitals = Vitals::default();
        assert_eq!(vitals.pass(at(0), &settings), Ok(Passage::Free));
        assert!(!vitals.is_idle(at(599), &settings));
        assert!(vitals.is_idle(at(600), &settings));
        fail(&mut vitals, 0);
        assert!(!vitals.is_idle(at(DAY), &settings));
    }
}
