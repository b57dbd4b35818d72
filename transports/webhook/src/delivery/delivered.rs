//! What became of a message at one subscription.

use std::time::Duration;

use crate::outgoing::Report;
use crate::store::Outcome;

/// What became of a message at one subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// How many subscribers took it. What a notifier is told is the sum of these.
    pub count: u32,
    /// Whether the other end asked for the subscription to be removed. Whoever called removes it.
    pub gone: bool,
    /// All that is known of it.
    pub report: Report,
}

impl From<Report> for Delivered {
    fn from(report: Report) -> Self {
        Self { count: report.subscribers, gone: report.outcome == Outcome::Unsubscribed, report }
    }
}

/// The report of a request that was not made.
pub(super) fn not_made(outcome: Outcome, why: &str) -> Report {
    Report { outcome, subscribers: 0, status: None, detail: why.into(), took: Duration::ZERO, identifier: None }
}
