//! A breaker: a url that fails again and again is left alone for a while, then tried with one message.
//!
//! Closed, all pass. After some failures in a row it is open: nothing passes until a time. Then one passes, the probe,
//! and the others wait for what becomes of it: it closes the breaker, or holds it open for twice as long. A success
//! closes it at any time, because one that comes late is as good a sign.

use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it; with 0 none do.
    pub failures: u32,
    /// How long it is open at first.
    pub hold: Duration,
    /// How long it is open at most; each failed probe doubles the time up to this.
    pub hold_max: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, hold: Duration::from_secs(10), hold_max: Duration::from_secs(600) }
    }
}

/// Whether a message may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// It may.
    Free,
    /// It may, and what becomes of it counts for all.
    Probe,
    /// It may not.
    Held,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Duration,
    },
    Probing,
}

/// The breaker of one url. Times are since any one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    state: State,
    failures: u32,
    probes: u32,
}

impl Breaker {
    /// Asks for a passage. One that is given is to be answered for with one of the other methods.
    pub(super) fn pass(&mut self, now: Duration) -> Passage {
        match self.state {
            State::Closed => Passage::Free,
            State::Open { until } if now >= until => {
                self.state = State::Probing;
                Passage::Probe
            }
            State::Open { .. } | State::Probing => Passage::Held,
        }
    }

    /// A message arrived.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A message did not arrive. Returns whether the breaker opened by it, or was held open by a failed probe.
    pub(super) fn failed(&mut self, passage: Passage, now: Duration, settings: &BreakerSettings) -> bool {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.state {
            State::Closed => settings.failures != 0 && self.failures >= settings.failures,
            State::Probing => passage == Passage::Probe,
            State::Open { .. } => false,
        };
        if opens {
            let hold = settings.hold.saturating_mul(1_u32.checked_shl(self.probes).unwrap_or(u32::MAX));
            self.hold(now.saturating_add(hold.min(settings.hold_max)));
            self.probes = self.probes.saturating_add(1);
        }
        opens
    }

    /// What becomes of a message will not be known, or says nothing of the url.
    pub(super) fn abandoned(&mut self, passage: Passage, now: Duration) {
        if passage == Passage::Probe && self.state == State::Probing {
            self.hold(now);
        }
    }

    /// Holds it open until this time.
    pub(super) fn hold(&mut self, until: Duration) {
        self.state = State::Open { until };
    }

    /// How long nothing passes, as far as that is known.
    pub(super) fn held_for(&self, now: Duration) -> Duration {
        match self.state {
            State::Open { until } => until.saturating_sub(now),
            State::Closed | State::Probing => Duration::ZERO,
        }
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes over failures that somebody else has counted.
    pub(super) fn heard_of(&mut self, failures: u32) {
        self.failures = self.failures.max(failures);
    }
}

#[cfg(test)]
mod tests;
