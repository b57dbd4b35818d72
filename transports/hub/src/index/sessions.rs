//! The index's tables of sessions and subscriptions.

use std::sync::Arc;

use super::matched::Matched;
use crate::lane::Lane;
use crate::{Access, SessionId};

/// No place in a table.
pub(super) const NONE: u32 = u32::MAX;

/// A session that comes.
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) lane: Arc<Lane>,
    pub(crate) slot: u32,
    pub(crate) max_subscriptions: usize,
    pub(crate) deduplicate: bool,
    pub(crate) access: Option<Arc<dyn Access>>,
}

/// A session as the index knows it.
pub(crate) struct Subscriber {
    id: SessionId,
    lane: Arc<Lane>,
    slot: u32,
    deduplicate: bool,
    pub(crate) access: Option<Arc<dyn Access>>,
    pub(super) max_subscriptions: usize,
    pub(super) subscriptions: usize,
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
    pub(super) bucket: u32,
    /// Where it is among the bucket's members.
    pub(super) position: u32,
    /// Its neighbours in its session's list.
    pub(super) previous: u32,
    pub(super) next: u32,
}

impl Subscriber {
    pub(super) fn new(session: NewSession) -> Self {
        let NewSession { id, lane, slot, max_subscriptions, deduplicate, access } = session;
        Self {
            id,
            lane,
            slot,
            deduplicate,
            access,
            max_subscriptions,
            subscriptions: 0,
            first: NONE,
            merge: 0,
            group: 0,
            target: 0,
        }
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
        }
    }
}
