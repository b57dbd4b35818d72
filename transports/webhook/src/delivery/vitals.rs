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

/// Nobody called for so long: what is known is forgotten, if the store or the next call can tell it again.
const IDLE: Duration = Duration::from_secs(600);

/// What is known of one url: about 100 bytes.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    breaker: Breaker,
    bucket: Bucket,
    /// The rate that its owner allows.
    allowed: Option<Rate>,
    failing_since: Option<u64>,
    disabled: bool,
    verified: bool,
    /// Whether the store has it that this url fails.
    pub(super) stored: bool,
    /// When that was last noted or asked to be.
    noted: Option<Duration>,
    used: Duration,
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

/// A url that fails, for the store.
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
        match Rate::slower(settings.rate, self.allowed) {
            Some(rate) if !self.bucket.take(now.elapsed, rate) => {
                self.breaker.abandoned(passage, now.elapsed);
                Err(Refusal::Crowded)
            }
            _ => Ok(passage),
        }
    }

    /// A message did not arrive. Returns what the store should know, if it is time for that.
    pub(super) fn failed(&mut self, passage: Passage, now: Now, settings: &DeliverySettings) -> Option<Failing> {
        let opened = self.breaker.failed(passage, now.elapsed, &settings.breaker);
        if opened && self.disabled {
            self.breaker.hold(now.elapsed.saturating_add(settings.probe_disabled));
        }
        let since = *self.failing_since.get_or_insert(now.epoch_secs());
        let every = settings.disable_after.map_or(NOTE_EVERY, |after| after.min(NOTE_EVERY));
        let lasts = now.epoch_secs().saturating_sub(since) >= every.as_secs();
        let noted = self.noted.is_some_and(|noted| now.elapsed.saturating_sub(noted) < every);
        (lasts && !noted).then(|| {
            self.noted = Some(now.elapsed);
            Failing { since, failures: self.breaker.failures() }
        })
    }

    /// What becomes of a message will not be known, or says nothing of the url.
    pub(super) fn abandoned(&mut self, passage: Passage, now: Now) {
        self.breaker.abandoned(passage, now.elapsed);
    }

    /// It is called as any other from now on. Returns whether the store has to be told.
    pub(super) fn recover(&mut self) -> bool {
        self.breaker.succeeded();
        (self.failing_since, self.disabled, self.noted) = (None, false, None);
        std::mem::take(&mut self.stored)
    }

    /// It is disabled from now on, or still is.
    pub(super) fn disable(&mut self, now: Now, settings: &DeliverySettings) {
        if !self.disabled {
            self.breaker.hold(now.elapsed.saturating_add(settings.probe_disabled));
        }
        (self.disabled, self.stored) = (true, true);
    }

    /// Whether its last message failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing_since.is_some()
    }

    /// Whether it is disabled.
    pub(super) fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// It has shown that it wants to be called, at most so often. The message that waited for this is the first of those.
    pub(super) fn verified(&mut self, allowed: Option<Rate>, now: Now) {
        (self.verified, self.allowed) = (true, allowed);
        if let Some(rate) = allowed {
            self.bucket.take(now.elapsed, rate);
        }
    }

    /// Whether it has.
    pub(super) fn is_verified(&self) -> bool {
        self.verified
    }

    /// Takes over what the store remembers.
    pub(super) fn hear(&mut self, endpoint: &Endpoint, now: Now, settings: &DeliverySettings) {
        if endpoint.verified_at.is_some() {
            (self.verified, self.allowed) = (true, endpoint.allowed_rate.map(Rate::per_minute));
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

    /// Whether nothing is lost if it is forgotten now.
    pub(super) fn is_idle(&self, now: Now) -> bool {
        let nothing = self.breaker.failures() == 0 && !self.stored && !self.disabled;
        let idle = now.elapsed.saturating_sub(self.used) >= IDLE;
        idle && nothing && self.bucket.is_full(now.elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(secs: u64) -> Now {
        Now { elapsed: Duration::from_secs(secs), epoch_ms: (1_000_000 + secs) * 1000 }
    }

    fn fail(vitals: &mut Vitals, now: u64) -> Option<Failing> {
        vitals.failed(Passage::Free, at(now), &DeliverySettings::default())
    }

    #[test]
    fn the_store_hears_of_a_url_that_goes_on_failing_once_a_minute() {
        let mut vitals = Vitals::default();
        assert_eq!(fail(&mut vitals, 0), None);
        assert_eq!(fail(&mut vitals, 59), None);
        assert_eq!(fail(&mut vitals, 60), Some(Failing { since: 1_000_000, failures: 3 }));
        assert_eq!(fail(&mut vitals, 61), None);
        assert_eq!(fail(&mut vitals, 120).map(|failing| failing.failures), Some(5));
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
        let failing = fail(&mut vitals, 3 * DAY).unwrap();
        assert_eq!(failing.since, 1_000_000 + 2 * DAY);
    }

    #[test]
    fn only_what_is_well_and_long_unused_is_forgotten() {
        let settings = DeliverySettings { rate: Some(Rate::per_minute(1)), ..Default::default() };
        let mut vitals = Vitals::default();
        assert_eq!(vitals.pass(at(0), &settings), Ok(Passage::Free));
        assert!(!vitals.is_idle(at(599)));
        assert!(vitals.is_idle(at(600)));
        fail(&mut vitals, 0);
        assert!(!vitals.is_idle(at(DAY)));
    }
}
