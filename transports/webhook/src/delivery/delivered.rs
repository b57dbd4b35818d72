//! What became of a message at one subscription.

use std::time::Duration;

use crate::outgoing::Report;
use crate::store::Outcome;

/// What became of a message at one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// How many subscribers took it. What a notifier is told is the sum of these.
    pub count: u32,
    /// Whether the other end asked for the subscription to be removed. Whoever called removes it.
    pub gone: bool,
    /// What became of it, in a word.
    pub outcome: Outcome,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
}

impl From<Report> for Delivered {
    fn from(report: Report) -> Self {
        let Report { outcome, status, subscribers: count, .. } = report;
        Self { count, gone: outcome == Outcome::Unsubscribed, outcome, status }
    }
}

/// The report of a request that was not made.
pub(super) fn not_made(outcome: Outcome, why: &str) -> Report {
    Report { outcome, subscribers: 0, status: None, detail: why.into(), took: Duration::ZERO, identifier: None }
}
