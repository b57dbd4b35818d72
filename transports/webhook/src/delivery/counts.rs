//! What was counted since a broadcaster began.

use eventhive_listener::Count;

use crate::store::Outcome;

/// What was counted since a broadcaster began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were confirmed, by url.
    pub delivered: u64,
    /// Messages that were tried and did not arrive, or failed here: they could not be read or signed, this machine had no room
    /// for a connection, the store did not say whether their url wants to be called, or the broadcaster was stopped.
    pub failed: u64,
    /// Messages that were not tried because their url fails or is disabled.
    pub held: u64,
    /// Messages that were not tried because too many are under way, or a rate is used up.
    pub crowded: u64,
    /// Answers that asked for the subscription to be removed.
    pub gone: u64,
    /// How often it was written down that a subscription is to be told.
    pub missed_written: u64,
    /// MISSED messages that were confirmed.
    pub missed_told: u64,
    /// MISSED messages that failed, and are tried again.
    pub missed_failed: u64,
    /// MISSED messages that were given up after their last try.
    pub missed_given_up: u64,
    /// MISSED messages that were never written down, because the store was away for too long.
    pub missed_dropped: u64,
    /// Sweeps that have looked for MISSED messages that are due.
    pub sweeps: u64,
    /// Messages that were not tried and not written down, because many to the same url were not tried.
    pub untried_unwritten: u64,
    /// Attempts and dead letters that were never written down, because the store was away for too long.
    pub journal_dropped: u64,
    /// Dead letters that were forgotten because their url had too many of them.
    pub letters_forgotten: u64,
    /// Urls that were disabled.
    pub disabled: u64,
    /// How often there was no room for what is to be known of a url.
    pub urls_without_room: u64,
    /// Urls of which something is known in memory, now.
    pub urls: u64,
}

/// The numbers, as they are counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) delivered: Count,
    pub(super) failed: Count,
    pub(super) held: Count,
    pub(super) crowded: Count,
    pub(super) gone: Count,
    pub(super) missed_told: Count,
    pub(super) missed_failed: Count,
    pub(super) missed_given_up: Count,
    pub(super) missed_dropped: Count,
    pub(super) missed_written: Count,
    pub(super) sweeps: Count,
    pub(super) untried_unwritten: Count,
    pub(super) disabled: Count,
}

impl Counters {
    /// Counts a RECEIVE.
    pub(super) fn receive(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Confirmed => &self.delivered,
            Outcome::Unsubscribed => &self.gone,
            Outcome::Held => &self.held,
            Outcome::Crowded => &self.crowded,
            _ => &self.failed,
        };
        counter.add(1);
    }
}
