//! What became of a request.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::store::Outcome;

/// Names one RECEIVE until it is answered: eight characters of URL-safe base64. They need not be secret, as the answer comes
/// on the connection of its question, and are text so that a body may be text as a whole.
pub type Identifier = [u8; 8];

/// What became of a request to a url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What, in a word.
    pub outcome: Outcome,
    /// For how many subscribers it was confirmed; 0 unless [`Outcome::Confirmed`], and after a MISSED.
    pub subscribers: u32,
    /// The status of the answer, if there was one. Nothing follows from it.
    pub status: Option<u16>,
    /// More of the outcome, for people; empty if it was confirmed.
    pub detail: Box<str>,
    /// From the call on, its wait for its turn included.
    pub took: Duration,
    /// What named it; `None` for a MISSED, and for one that was never made.
    pub identifier: Option<Identifier>,
}

/// A url has shown that it wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many requests a minute it takes. `None`: it did not say, or any number.
    pub rate: Option<NonZeroU32>,
}

/// How much is going on. All of it is of this moment, but for [`crowded`](Self::crowded).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Hosts with requests or kept connections.
    pub hosts: usize,
    /// Addresses with requests or kept connections; of IPv6, networks of 64 bits.
    pub addresses: usize,
    /// Requests, those that wait for their turn included.
    pub requests: usize,
    /// Connections that are kept for later.
    pub idle: usize,
    /// Requests that were not made for want of room, since the beginning.
    pub crowded: u64,
}

/// What is known when a request has failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { outcome, status: None, detail: detail.into() }
    }

    pub(super) fn report(self, took: Duration, identifier: Option<Identifier>) -> Report {
        let Self { outcome, status, detail } = self;
        Report { outcome, subscribers: 0, status, detail: detail.into(), took, identifier }
    }
}
