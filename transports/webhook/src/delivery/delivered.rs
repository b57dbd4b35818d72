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

/// Why a message is not delivered that could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// Too many wait for its url.
    Crowded,
    /// The broadcaster stops: before it was tried, or before it was answered. That is [`Outcome::OwnFault`].
    Stopped,
}

impl GivenUp {
    pub(super) fn report(self) -> Report {
        match self {
            Self::Crowded => not_made(Outcome::Crowded, "too many messages wait for it"),
            Self::Stopped => not_made(Outcome::OwnFault, "the broadcaster was stopped before it was answered"),
        }
    }
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
