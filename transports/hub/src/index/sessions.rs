//! The index's tables of sessions and subscriptions.

use std::sync::Arc;

use super::matched::Matched;
use crate::lane::Lane;
use crate::{Access, Relay, SessionId, SubscribeError};

/// No place in a table.
pub(super) const NONE: u32 = u32::MAX;

/// A session that comes.
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) lane: Arc<Lane>,
    pub(crate) slot: u32,
    pub(crate) max_subscriptions: usize,
    pub(crate) max_patterns: usize,
    pub(crate) deduplicate: bool,
    pub(crate) access: Option<Arc<dyn Access>>,
    pub(crate) relay: Option<Arc<dyn Relay>>,
}

/// A session as the index knows it.
pub(crate) struct Subscriber {
    id: SessionId,
    lane: Arc<Lane>,
    slot: u32,
    deduplicate: bool,
    pub(crate) access: Option<Arc<dyn Access>>,
    relay: Option<Arc<dyn Relay>>,
    max_subscriptions: usize,
    subscriptions: usize,
    max_patterns: usize,
    patterns: usize,
    /// The first of its list of subscriptions.
    pub(super) first: u32,
    /// The merge it was last part of, and where in it: a second match of one topic is found without a search.
    merge: u64,
    group: u32,
    target: u32,
}

/// A subscription as the index knows it.
pub(super) struct Record {
    pub(super) session: u32,
    pub(super) serial: u32,
    /// Whether it counts as a pattern.
    pub(super) pattern: bool,
    pub(super) bucket: u32,
    /// Where it is among the bucket's members.
    pub(super) position: u32,
    /// Its neighbours in its session's list.
    pub(super) previous: u32,
    pub(super) next: u32,
}

impl Subscriber {
    pub(super) fn new(session: NewSession) -> Self {
        let NewSession { id, lane, slot, max_subscriptions, max_patterns, deduplicate, access, relay } = session;
        Self {
            id,
            lane,
            slot,
            deduplicate,
            access,
            relay,
            max_subscriptions,
            subscriptions: 0,
            max_patterns,
            patterns: 0,
            first: NONE,
            merge: 0,
            group: 0,
            target: 0,
        }
    }

    /// Whether one more subscription would be within the limits.
    pub(super) const fn admits(&self, pattern: bool) -> Result<(), SubscribeError> {
        if self.subscriptions >= self.max_subscriptions {
            return Err(SubscribeError::TooMany { limit: self.max_subscriptions });
        }
        if pattern && self.patterns >= self.max_patterns {
            return Err(SubscribeError::TooManyPatterns { limit: self.max_patterns });
        }
        Ok(())
    }

    pub(super) fn came(&mut self, pattern: bool) {
        self.subscriptions += 1;
        self.patterns += usize::from(pattern);
    }

    pub(super) fn went(&mut self, pattern: bool) {
        self.subscriptions -= 1;
        self.patterns -= usize::from(pattern);
    }

    /// Adds one match of this session.
    pub(super) fn merge_into(&mut self, matched: &mut Matched, merge: u64, granted: impl Fn(&Self) -> bool) {
        if self.merge == merge {
            if !self.deduplicate {
                matched.one_more(self.group, self.target);
            }
        } else if granted(self) {
            self.merge = merge;
            (self.group, self.target) = matched.add(&self.lane, self.id, self.slot);
            matched.relays.extend(self.relay.as_ref().map(|relay| (self.id, Arc::clone(relay))));
        }
    }
}
